# SPDX-License-Identifier: Apache-2.0
"""
The gateway protocol: a vendor's HTTP contract without any I/O.

A gateway turns what is wanted into an :class:`httpx.Request` and an :class:`httpx.Response` into a
value or an exception. It never sends, waits or reads a clock; ``client.py`` does. So there is one
place where "what does this status word mean" is decided, for hook, trigger, tests alike.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urljoin, urlsplit

from airflow_provider_pixverse import redaction
from airflow_provider_pixverse.exceptions import (
    PixverseGoneError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseUnavailableError,
)

if TYPE_CHECKING:
    import httpx

    from airflow_provider_pixverse.generation import Balance, Cost, Generation
    from airflow_provider_pixverse.media import Medium
    from airflow_provider_pixverse.requests import GenerationRequest


class Gateway(ABC):
    """
    One vendor's contract.

    :param api_key: The key that authenticates every request.
    :param base_url: Base of everything the gateway offers; empty for the vendor's own.
    :param region: One of :attr:`base_urls`, where ``base_url`` is empty; ``None`` for the first.
    """

    name: ClassVar[str]

    base_urls: ClassVar[dict[str, str]]
    """The vendor's own base by region, the default region first."""

    has_records: ClassVar[bool] = False
    """Whether a submission can be looked up: :meth:`look_up` and :meth:`looked_up`."""

    repeats_safely: ClassVar[bool] = False
    """Whether sending a submission again under the same key buys nothing and gives the same id."""

    def __init__(self, api_key: str, *, base_url: str = "", region: str | None = None) -> None:
        self._api_key = api_key
        self.base_url = (base_url or self.base_urls[region or next(iter(self.base_urls))]).rstrip("/")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url}>"

    @abstractmethod
    def submit(self, request: GenerationRequest, *, key: str) -> httpx.Request:
        """
        Return the request that buys a video.

        :param request: What is wanted, with its media already as the gateway takes them.
        :param key: A UUID of this submission. Where the vendor can, sending it again buys nothing or
            lets the submission be found.
        :raises PixverseRequestError: where the gateway cannot serve the request.
        """

    @abstractmethod
    def submitted(self, response: httpx.Response) -> Generation:
        """
        Read the answer to :meth:`submit`.

        :raises PixverseAmbiguousSubmitError: where it gives no id and the contract does not say that
            nothing was bought.
        :raises PixverseError: one of the others where the contract says that nothing was bought.
        """

    @abstractmethod
    def poll(self, generation_id: str) -> httpx.Request:
        """Return the request that asks how a generation stands."""

    @abstractmethod
    def polled(self, response: httpx.Response) -> Generation | httpx.Request:
        """
        Read the answer to :meth:`poll`.

        :return: How the generation stands, or a further request whose answer is read here as well.
        :raises PixverseNotFoundError: where the id is unknown.
        :raises PixverseUnavailableError: where the answer says nothing about the generation.
        """

    @abstractmethod
    def balance(self) -> httpx.Request:
        """Return the request that asks for the account's balance; free of charge."""

    @abstractmethod
    def balance_read(self, response: httpx.Response) -> Balance:
        """Read the answer to :meth:`balance`."""

    def upload(self, field: str, medium: Medium) -> httpx.Request | str:
        """
        Return the request that hands an input medium over, or its reference where none is needed.

        Here, the medium's URL, or its content as a data URI: for gateways that fetch what they are given.

        :param field: The request field it was given in.
        :param medium: The medium; its limits were checked.
        """
        return medium.url or medium.data_uri()

    def uploaded(self, response: httpx.Response) -> str:
        """
        Read the answer to :meth:`upload`.

        :return: What stands in the request field for the medium when :meth:`submit` is called.
        """
        raise NotImplementedError(f"{self.name} takes no uploads")

    def expected_cost(self, request: GenerationRequest) -> Cost | None:
        """Return what the vendor's published prices say a request costs, or ``None`` where unknown."""
        return None

    def look_up(self, request: GenerationRequest, *, key: str, since: float, until: float) -> httpx.Request:
        """
        Return the request that looks for a submission in the vendor's records.

        :param request: What was submitted.
        :param key: The submission's key.
        :param since: Epoch seconds before the submission was sent.
        :param until: Epoch seconds, now.
        """
        raise NotImplementedError(f"{self.name} has no records to look a submission up in")

    def looked_up(
        self, response: httpx.Response, *, request: GenerationRequest, key: str
    ) -> Generation | httpx.Request | None:
        """
        Read the answer to :meth:`look_up`.

        :return: The generation, the request for the next page, or ``None`` where the records do not
            hold it (yet).
        :raises PixverseError: where it could not be found out.
        """
        raise NotImplementedError(f"{self.name} has no records to look a submission up in")

    def redact(self, text: object, *, secrets: tuple[str, ...] = ()) -> str:
        """
        Return a vendor's words as they may be raised and logged: safe, short, without the key or a query.

        :param text: What the vendor said, of whatever type.
        :param secrets: What else must not be repeated: the user's own texts.
        """
        return redaction.redact(text, secrets=(self._api_key, *secrets))


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """Return the body where it is a JSON object, else ``None``."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def number(value: object) -> float | None:
    """Return a finite number, also one written as text; ``None`` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        # Not by way of a float, which is exact to 2**53 only, and a vendor's integers have 64 bits.
        whole = int(value) if isinstance(value, int | str) else None
    except ValueError:
        whole = None
    found = _finite(value) if whole is None else whole
    return found if found is not None and abs(found) < 2**64 else None


def _finite(value: float | str) -> float | None:
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(found):
        return None
    return int(found) if found.is_integer() else found


def unusable(gateway: str, response: httpx.Response) -> PixverseUnavailableError:
    """Return the error for an answer that says nothing: a 5xx, HTML, an empty body."""
    if (place := _redirect(response)) is not None:
        content = f"a redirect to {place}, which is not followed"
    elif not response.content:
        content = "an empty body"
    elif json_object(response) is None:
        kind = redaction.clean(response.headers.get("content-type", "unknown type").split(";")[0], 100)
        content = f"no JSON object ({kind})"
    else:
        content = "nothing about the generation"
    return PixverseUnavailableError(f"{gateway} answered HTTP {response.status_code} with {content}")


def redirected(gateway: str, response: httpx.Response) -> PixverseRequestError | None:
    """
    Return the error for a submission or upload that was sent on to another place, else ``None``.

    Whoever redirects has not done what was asked. After a 303 he may have: it says where the result is.
    """
    place = _redirect(response)
    if place is None or response.status_code == 303:
        return None
    return PixverseRequestError(
        f"{gateway} answered HTTP {response.status_code} with a redirect to {place}. It was not followed, "
        f"and nothing was bought. Check the connection's host, and that it begins with https."
    )


def _redirect(response: httpx.Response) -> str | None:
    """Return where a redirect points, without what may be secret in it; ``None`` if it is not one."""
    location = response.headers.get("location", "")
    if response.status_code not in (301, 302, 303, 307, 308) or not location:
        return None
    try:
        parts = urlsplit(urljoin(str(response.request.url), location))
        port = f":{parts.port}" if parts.port else ""
        place = f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return "an address that cannot be read"
    return redaction.redact(place, limit=200)


def gone(gateway: str, generation_id: str, words: str) -> PixverseGoneError:
    """Return the error for a generation that the vendor says it had and no longer has."""
    return PixverseGoneError(
        f"{gateway} no longer has generation {generation_id}: {words}. It was bought. Ask the gateway's "
        f"support with this id, or clear the task to buy the video again.",
        generation_id=generation_id,
    )


def rate_limited(message: str, response: httpx.Response) -> PixverseRateLimitError:
    """
    Return the error for a 429, with the moment from which requests are taken again.

    ``Retry-After`` is seconds or an HTTP date (RFC 9110, section 10.2.3); what cannot be read is left out.
    """
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        seconds = number(value)
        return PixverseRateLimitError(message, retry_after=None if seconds is None else float(seconds))
    try:
        moment = parsedate_to_datetime(value)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return PixverseRateLimitError(message, retry_at=moment.timestamp())
    except (ValueError, OverflowError, TypeError, IndexError):
        return PixverseRateLimitError(message)
