# SPDX-License-Identifier: Apache-2.0
"""
The only module that sends: a gateway's requests over httpx.

Nothing here is retried behind anyone's back. What may be sent again, and when, is decided in
``submission.py``; this module waits as told and carries it out.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlsplit

import httpx

from airflow_provider_pixverse.exceptions import (
    PixverseDownloadError,
    PixverseError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.submission import (
    Absent,
    Accepted,
    Ask,
    Attempts,
    LookUp,
    OnAmbiguousSubmit,
    Outcome,
    Send,
    Step,
    Stop,
    decide,
    decide_on_look_up,
    unfinished,
)
from airflow_provider_pixverse.transport import (
    CONNECT_TIMEOUT,
    LARGEST_ANSWER,
    Transport,
    named,
    tls_context,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from airflow_provider_pixverse.gateways.base import Gateway
    from airflow_provider_pixverse.generation import Balance, Generation
    from airflow_provider_pixverse.media import Medium
    from airflow_provider_pixverse.requests import GenerationRequest

__all__ = [
    "LARGEST_ANSWER",
    "MAX_CONNECTIONS",
    "REQUEST_TIMEOUT",
    "Client",
    "Download",
    "download",
    "tls_context",
]

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 60.0
"""Seconds that an answer may take, where the connection does not say."""

MAX_CONNECTIONS = 100
"""Connections open to a gateway at a time, where the connection does not say."""

AnswerT = TypeVar("AnswerT")


class Client:
    """
    One gateway over one connection pool; use as an async context manager.

    :param gateway: The contract to speak.
    :param request_timeout: Seconds that an answer may take.
    :param max_connections: Most connections open to the gateway at a time.
    :param clock: Returns epoch seconds.
    :param sleep: Waits so many seconds.
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        request_timeout: float = REQUEST_TIMEOUT,
        max_connections: int = MAX_CONNECTIONS,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.gateway = gateway
        self._clock = clock
        self._sleep = sleep
        self._transport = Transport(
            gateway.name, request_timeout=request_timeout, max_connections=max_connections
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def submit(
        self,
        request: GenerationRequest,
        *,
        key: str,
        deadline: float,
        on_ambiguous_submit: OnAmbiguousSubmit = "fail",
        before_send: Callable[[str], None] = lambda key: None,
        nothing_bought: Callable[[], None] = lambda: None,
        in_doubt_since: float | None = None,
    ) -> Generation:
        """
        Buy one video.

        :param request: What is wanted, with its media as the gateway takes them.
        :param key: A UUID of this submission.
        :param deadline: Epoch seconds after which nothing is sent any more.
        :param on_ambiguous_submit: ``fail`` or ``resubmit``, for a submission whose fate stays unknown.
        :param before_send: Called with the key right before the submission can leave, each time that none
            before it may have bought anything. The key changes where a vendor that knows submissions by
            their key has refused one: it would only repeat its refusal.
        :param nothing_bought: Called when a send has certainly bought nothing and the next one has to wait.
        :param in_doubt_since: Epoch seconds at which an earlier try may have sent this submission under
            this key; the vendor is asked about it first.
        :raises PixverseError: see ``submission.decide``.
        """
        intended_at = self._clock() if in_doubt_since is None else in_doubt_since
        attempts = Attempts(
            key=key,
            deadline=deadline,
            on_ambiguous_submit=on_ambiguous_submit,
            can_look_up=self.gateway.has_records,
            repeats_safely=self.gateway.repeats_safely,
        )
        post = self.gateway.submit(request, key=key)
        before_send(key)
        outcome = await self._submit_once(post) if in_doubt_since is None else unfinished()
        step: Step = decide(attempts, outcome, now=self._clock())
        while True:
            match step:
                case Accepted(generation):
                    return generation
                case Stop(error):
                    raise error
                case Send(seconds, attempts, reason, anew):
                    log.warning("%s. Sending it again in %.0f s.", reason.rstrip("."), seconds)
                    if anew:
                        nothing_bought()
                    await self._sleep(seconds)
                    if anew and self.gateway.repeats_safely:
                        key = str(uuid.uuid4())
                        attempts, post = replace(attempts, key=key), self.gateway.submit(request, key=key)
                    if anew:
                        before_send(key)
                    step = decide(attempts, await self._submit_once(post), now=self._clock())
                case Ask(seconds, attempts, reason):
                    log.warning(
                        "%s. Looking for submission %s in the gateway's records in %.0f s.",
                        reason.rstrip("."), key, seconds,
                    )  # fmt: skip
                    await self._sleep(seconds)
                    found = await self._look_up(request, key=key, since=intended_at)
                    step = decide_on_look_up(attempts, found, now=self._clock())

    async def upload(self, field: str, medium: Medium) -> str:
        """
        Hand an input medium over to the gateway; free of charge.

        :param field: The request field it was given in.
        :param medium: The medium.
        :return: What stands for it in the request.
        """
        try:
            upload = self.gateway.upload(field, medium)
            return upload if isinstance(upload, str) else await self._converse(upload, self.gateway.uploaded)
        except PixverseError:
            raise
        except Exception as error:
            # A medium is read while it is sent, and a file system may raise anything.
            raise PixverseRequestError(
                f"{field} ({medium.name}) cannot be read, nothing was bought: {named(error)}"
            ) from error

    async def look(self, generation_id: str) -> Generation:
        """
        Ask once how a generation stands.

        :raises PixverseError: where the gateway gave no usable answer, or says it does not know the id.
        """
        return await self._converse(self.gateway.poll(generation_id), self.gateway.polled)

    async def balance(self) -> Balance:
        """Ask for the account's balance."""
        return await self._converse(self.gateway.balance(), self.gateway.balance_read)

    async def _submit_once(self, post: httpx.Request) -> Outcome:
        try:
            return await self._converse(post, self.gateway.submitted)
        except PixverseError as error:
            return error

    async def _look_up(self, request: GenerationRequest, *, key: str, since: float) -> LookUp:
        def read(response: httpx.Response) -> Generation | httpx.Request | Absent:
            found = self.gateway.looked_up(response, request=request, key=key)
            return Absent() if found is None else found

        try:
            return await self._converse(
                self.gateway.look_up(request, key=key, since=since, until=self._clock()), read
            )
        except PixverseError as error:
            return error

    async def _converse(
        self, request: httpx.Request, read: Callable[[httpx.Response], AnswerT | httpx.Request]
    ) -> AnswerT:
        """Send a request and the further ones that reading its answer asks for."""
        while True:
            response = await self._send(request)
            try:
                answer = read(response)
            except PixverseError:
                raise
            except Exception as error:
                # Of a submission, this must count as "may have been bought", whatever it was.
                raise PixverseUnavailableError(
                    f"{self.gateway.name} gave an answer that cannot be read (HTTP {response.status_code}, "
                    f"{type(error).__name__})"
                ) from error
            if not isinstance(answer, httpx.Request):
                return answer
            request = answer

    async def _send(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.send(request)


@dataclass(frozen=True, slots=True)
class Download:
    """
    A video on its way.

    :param chunks: Its bytes as they arrive, some 64 KiB at a time.
    :param length: Bytes as announced, or ``None`` where the host did not.
    """

    chunks: Iterator[bytes]
    length: int | None


@contextmanager
def download(url: str, *, request_timeout: float = REQUEST_TIMEOUT) -> Iterator[Download]:
    """
    Fetch a video from the host its URL names, which is never given the API key.

    :param url: As the gateway gave it; its escapes (``%2F``) are kept.
    :param request_timeout: Seconds that the host may be silent.
    :raises PixverseDownloadError: where the host refuses or the transfer breaks off.
    """
    host = urlsplit(url).hostname or "the video's host"
    timeout = httpx.Timeout(request_timeout, connect=min(CONNECT_TIMEOUT, request_timeout))
    try:
        with (
            httpx.Client(verify=tls_context(), timeout=timeout, follow_redirects=True) as http,
            http.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise PixverseDownloadError(f"{host} answered HTTP {response.status_code}")
            length = response.headers.get("content-length", "")
            # Not in chunks of a size of our own: httpx would copy each byte three times for it.
            yield Download(response.iter_raw(), int(length) if length.isdigit() else None)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PixverseDownloadError(f"{host}: {named(error)}") from error
