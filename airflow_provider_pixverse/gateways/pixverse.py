# SPDX-License-Identifier: Apache-2.0
"""
PixVerse's own platform (app-api.pixverse.ai; in China app-api.pixverseai.cn): every task and version.

Sources: docs.platform.pixverse.ai, the API reference, "Quick Start", "Error codes" and "Model & Pricing",
its Chinese edition docs.platform.pai.video, and answers seen from the Chinese server. An answer is an
envelope ``{ErrCode, ErrMsg, Resp}`` whatever its HTTP status, and nearly always comes with a 200.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

import httpx

from airflow_provider_pixverse import catalog, redaction
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseError,
    PixverseRateLimitError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.gateways import pixverse_prices
from airflow_provider_pixverse.gateways.base import (
    Gateway,
    gone,
    json_object,
    number,
    rate_limited,
    redirected,
    unusable,
)
from airflow_provider_pixverse.gateways.pixverse_bodies import PATHS, body, upload_parts
from airflow_provider_pixverse.gateways.pixverse_errors import ADVICE, kind_of
from airflow_provider_pixverse.gateways.words import OWN_TEXTS, own_texts, plain_text, sent_texts
from airflow_provider_pixverse.generation import Balance, Cost, Generation, GenerationStatus
from airflow_provider_pixverse.media import MediumKind
from airflow_provider_pixverse.requests import LipSync, Task, VideoRequest

if TYPE_CHECKING:
    from airflow_provider_pixverse.media import Medium
    from airflow_provider_pixverse.requests import GenerationRequest

STATUSES = {
    "1": GenerationStatus.FINISHED,
    "5": GenerationStatus.GENERATING,
    **dict.fromkeys(("7", "8"), GenerationStatus.FAILED),
    **dict.fromkeys(("9", "10"), GenerationStatus.QUEUED),
    # In none of the vendor's pages; its own MCP server takes them for pending.
    **dict.fromkeys(("2", "3"), GenerationStatus.GENERATING),
}
DELETED = "6"
MODERATED = "7"
FAILURES = {
    "7": "content moderation refused it (status 7)",
    "8": "the generation failed (status 8), the vendor gives no reason",
}


class PixverseGateway(Gateway):
    """
    The contract of PixVerse's own platform.

    A submission's ``Ai-trace-id`` follows from its key: the same one again gives the previous result and
    makes no new video ("Quick Start"). Whatever else is asked gets a new one, for the same reason: a poll
    under a used one would be told how the generation stood before.
    """

    name: ClassVar[str] = "pixverse"
    base_urls: ClassVar[dict[str, str]] = {
        "international": "https://app-api.pixverse.ai",
        "china": "https://app-api.pixverseai.cn",
    }
    repeats_safely: ClassVar[bool] = True

    def submit(self, request: GenerationRequest, *, key: str) -> httpx.Request:
        """Return the task's ``POST …/generate``."""
        trace = _trace(key)
        fields = body(request)
        if request.task is Task.EXTEND:
            # Called required by some, optional by others of the vendor's pages. It follows from the key as
            # well, so that a submission sent again is the same to the byte.
            fields.setdefault("seed", trace.int % 2**31)
        return self._call("POST", PATHS[request.task], trace=trace, json=fields)

    def submitted(self, response: httpx.Response) -> Generation:
        """Read ``video_id``; an answer without is ambiguous, unless its code is in the error table."""
        answer = _read(response)
        generation_id = _identifier(answer.content, "video_id")
        if answer.code == 0 and generation_id:
            cost = _cost(answer.content)
            return Generation(generation_id, self.name, GenerationStatus.QUEUED, cost=cost)
        trace = response.request.headers["Ai-trace-id"]
        refusal = redirected(self.name, response) or self._refusal(response, answer)
        raise refusal or PixverseAmbiguousSubmitError(
            f"{self._unclear(response, answer)}, to the submission with Ai-trace-id {trace}."
        )

    def poll(self, generation_id: str) -> httpx.Request:
        """Return ``GET /video/result/{id}``."""
        return self._call("GET", f"video/result/{quote(generation_id, safe='')}")

    def polled(self, response: httpx.Response) -> Generation:
        """Read ``status``; an unknown one is taken for still running."""
        answer = _read(response)
        generation_id = response.request.url.path.rpartition("/")[2]
        status = answer.content.get("status")
        if answer.code == 0 and isinstance(status, int | str) and not isinstance(status, bool):
            word = self.redact(status, secrets=own_texts(answer.content.get("prompt")))
            if word == DELETED:
                raise gone(self.name, generation_id, f"it was deleted there (status {DELETED})")
            return self._generation(generation_id, word, answer.content)
        # The vendor puts an envelope around everything: an HTML page is somebody's on the way, and says
        # nothing about the generation.
        telling = answer.code is not None or response.status_code in (401, 429)
        error = self._refusal(response, answer, polling=True) if telling else None
        raise (error or self._unclear(response, answer)).about(generation_id)

    def balance(self) -> httpx.Request:
        """Return ``GET /account/balance``."""
        return self._call("GET", "account/balance")

    def balance_read(self, response: httpx.Response) -> Balance:
        """Add up the credits of the month and those of packages."""
        answer = _read(response)
        parts = [number(answer.content.get(name)) for name in ("credit_monthly", "credit_package")]
        known = [part for part in parts if part is not None]
        if answer.code == 0 and known:
            return Balance(sum(known), "credits")
        raise self._refusal(response, answer) or self._unclear(response, answer)

    def upload(self, field: str, medium: Medium) -> httpx.Request:
        """Return ``POST /image/upload`` or ``/media/upload``; uploads are free of charge."""
        path = "image/upload" if medium.kind is MediumKind.IMAGE else "media/upload"
        texts = own_texts([medium.url])
        return self._call("POST", path, files=upload_parts(medium), extensions={OWN_TEXTS: texts})

    def uploaded(self, response: httpx.Response) -> str:
        """Read ``img_id`` (also seen as ``ImgID``) or ``media_id``."""
        answer = _read(response)
        identifier = _identifier(answer.content, "img_id", "ImgID", "media_id")
        if answer.code == 0 and identifier:
            return identifier
        refusal = redirected(self.name, response) or self._refusal(response, answer)
        raise refusal or self._unclear(response, answer)

    def expected_cost(self, request: GenerationRequest) -> Cost | None:
        """Return the published price; ``None`` for what has none, and where ``extra`` may change it."""
        row = catalog.find(self.name, request)
        if row is None or request.extra:
            return None
        credits = None
        if isinstance(request, LipSync):
            # The price of a recording goes by its length, which is not known here.
            credits = pixverse_prices.speech_credits(request.speech) if request.speech else None
        elif isinstance(request, VideoRequest) and not (
            request.speech or request.sound_effect or request.multi_clip
        ):
            credits = pixverse_prices.video_credits(
                row.version, request.resolution, request.duration, audio=request.audio
            )
        return None if credits is None else Cost(credits, "credits")

    def _call(
        self, method: str, path: str, *, trace: uuid.UUID | None = None, **content: Any
    ) -> httpx.Request:
        headers = {
            "API-KEY": self._api_key,
            "Ai-trace-id": str(trace or uuid.uuid4()),
            "Accept": "application/json",
        }
        return httpx.Request(method, f"{self.base_url}/openapi/v2/{path}", headers=headers, **content)

    def _generation(self, generation_id: str, word: str, content: dict[str, Any]) -> Generation:
        status = STATUSES.get(word)
        finished = status is GenerationStatus.FINISHED
        size = number(content.get("size"))
        return Generation(
            id=generation_id,
            gateway=self.name,
            status=status or GenerationStatus.GENERATING,
            vendor_status=word,
            recognized=status is not None,
            # Failed generations were seen with a URL as well, a dead one.
            video_url=redaction.http_url(content.get("url")) if finished else None,
            cost=_cost(content),
            seed=_integer(content.get("seed")) if finished else None,
            error=FAILURES.get(word),
            moderated=word == MODERATED,
            # Bytes, says the schema; a sample has 10.5, which cannot be bytes.
            file_size=size if finished and isinstance(size, int) and size > 0 else None,
        )

    def _refusal(
        self, response: httpx.Response, answer: _Answer, *, polling: bool = False
    ) -> PixverseError | None:
        """Return the error that the answer stands for, or ``None`` where it does not say what happened."""
        kind = kind_of(answer.code, response.status_code, polling=polling)
        if kind is None:
            return None
        message = ADVICE[kind].format(words=self._words(response, answer))
        return rate_limited(message, response) if kind is PixverseRateLimitError else kind(message)

    def _unclear(self, response: httpx.Response, answer: _Answer) -> PixverseUnavailableError:
        if answer.code:
            return PixverseUnavailableError(f"pixverse answered: {self._words(response, answer)}")
        return unusable(self.name, response)

    def _words(self, response: httpx.Response, answer: _Answer) -> str:
        secrets = sent_texts(response.request)
        if answer.code:
            said = self.redact(answer.message, secrets=secrets)
            return f"{said or 'no reason given'} (ErrCode {answer.code})"
        # Some refused uploads are answered in plain words.
        said = self.redact(plain_text(response), secrets=secrets)
        return f"HTTP {response.status_code} {said}".rstrip()


@dataclass(frozen=True)
class _Answer:
    """An envelope; what is none has no code."""

    code: int | None = None
    message: object = ""
    content: dict[str, Any] = field(default_factory=dict)


def _read(response: httpx.Response) -> _Answer:
    envelope = json_object(response)
    if envelope is None:
        return _Answer()
    content = envelope.get("Resp")
    return _Answer(
        code=_integer(envelope.get("ErrCode")),
        message=envelope.get("ErrMsg") or "",
        content=content if isinstance(content, dict) else {},
    )


def _identifier(content: dict[str, Any], *names: str) -> str:
    """Return an id, a 64-bit integer, in digits; 0 stands for none."""
    for name in names:
        found = redaction.identifier(content.get(name)) or ""
        if found.isascii() and found.isdigit() and 0 < int(found) < 2**64:
            return found
    return ""


def _cost(content: dict[str, Any]) -> Cost | None:
    """Read ``credits`` (``credit`` on one of the pages); 0 is what a field is before it is filled."""
    credits = number(content.get("credits")) or number(content.get("credit"))
    return Cost(credits, "credits") if credits else None


def _integer(value: Any) -> int | None:
    found = number(value)
    return found if isinstance(found, int) else None


def _trace(key: str) -> uuid.UUID:
    """Return the key itself, so that a person finds it at the vendor; made from it where it is no UUID."""
    try:
        return uuid.UUID(key)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_DNS, key)
