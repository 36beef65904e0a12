# SPDX-License-Identifier: Apache-2.0
"""
The only module that sends: a gateway's requests over httpx.

This module never retries on its own. What may be sent again, and when, is decided in ``rules/sending.py``;
here it is carried out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar, assert_never
from urllib.parse import urlsplit

import httpx

from airflow_provider_pixverse.exceptions import (
    PixverseDownloadError,
    PixverseError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.rules.sending import (
    Absent,
    Accepted,
    Attempts,
    Find,
    Outcome,
    Search,
    Send,
    Stop,
    begin,
    decide,
    decide_on_search,
    upload_again,
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
    from airflow_provider_pixverse.submission import Submission

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

    async def submit(self, submission: Submission) -> Accepted:
        """
        Buy one video.

        :param submission: What to buy, and until when to try.
        :return: The generation, and the key it was bought under.
        :raises PixverseError: see ``rules.sending.decide``.
        """
        since = self._clock() if submission.in_doubt_since is None else submission.in_doubt_since
        attempts = Attempts(
            key=submission.key,
            deadline=submission.deadline,
            on_ambiguous_submit=submission.on_ambiguous_submit,
            can_search=self.gateway.has_records,
            repeats_safely=self.gateway.repeats_safely,
            resubmitted=submission.resubmitted,
            pace=submission.pace,
        )
        request, media = submission.request, dict(submission.media)
        step = begin(attempts, in_doubt=submission.in_doubt_since is not None, now=self._clock())
        while True:
            match step:
                case Accepted():
                    return step
                case Stop(error):
                    raise error
                case Send(seconds, attempts, reason, fresh):
                    if reason:
                        log.warning("%s. Sending it again in %.0f s.", reason.rstrip("."), seconds)
                        if fresh:
                            submission.journal.withdraw()
                        await self._sleep(seconds)
                    if not media:
                        media = await self._hand_over(submission)
                    post = self.gateway.submit(request.model_copy(update=media), key=attempts.key)
                    if fresh or attempts.resubmitted:
                        submission.journal.intend(attempts.key, media=media, resubmitted=attempts.resubmitted)
                    step = decide(attempts, await self._submit_once(post), now=self._clock())
                case Find(seconds, attempts, reason):
                    log.warning(
                        "%s. Looking for submission %s in the gateway's records in %.0f s.",
                        reason.rstrip("."), attempts.key, seconds,
                    )  # fmt: skip
                    await self._sleep(seconds)
                    asked = request.model_copy(update=media)
                    step = decide_on_search(attempts, await self._search(asked, attempts.key, since))
                case never:
                    assert_never(never)

    async def _hand_over(self, submission: Submission) -> dict[str, str]:
        """Upload the media of a request, repeating what a moment's trouble prevents."""
        handed_over = {}
        for name, medium in submission.read_media().items():
            times = 0
            while name not in handed_over:
                try:
                    handed_over[name] = await self.upload(name, medium)
                except PixverseError as error:
                    deadline, now = submission.deadline, self._clock()
                    seconds = upload_again(error, times, deadline=deadline, now=now, pace=submission.pace)
                    if seconds is None:
                        raise
                    log.warning("%s. Uploading again in %.0f s.", error.message.rstrip("."), seconds)
                    await self._sleep(seconds)
                    times += 1
        return handed_over

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

    async def _search(self, request: GenerationRequest, key: str, since: float) -> Search:
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
