# SPDX-License-Identifier: Apache-2.0
"""
AI/ML API (api.aimlapi.com): PixVerse v5, v5.5 and lip-sync behind one universal endpoint.

Sources: docs.aimlapi.com, the PixVerse model pages, "Request Tracing and Cost Headers", "Usage Logs",
"Account Balance" and "Errors". Where they contradict themselves, every variant shown is understood.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

from airflow_provider_pixverse import catalog, redaction
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRequestError,
)
from airflow_provider_pixverse.gateways.base import (
    Gateway,
    gone,
    json_object,
    number,
    rate_limited,
    redirected,
    unusable,
)
from airflow_provider_pixverse.gateways.words import (
    GONE,
    OWN_TEXTS,
    joined,
    own_texts,
    sent_texts,
    speaks_of_moderation,
)
from airflow_provider_pixverse.generation import Balance, Cost, Generation, GenerationStatus

if TYPE_CHECKING:
    from airflow_provider_pixverse.requests import GenerationRequest

STATUSES = {
    **dict.fromkeys(("queued", "waiting"), GenerationStatus.QUEUED),
    **dict.fromkeys(("generating", "active"), GenerationStatus.GENERATING),
    **dict.fromkeys(
        ("completed", "succeeded", "complete", "success", "done", "ready", "finished"),
        GenerationStatus.FINISHED,
    ),
    **dict.fromkeys(
        ("error", "failed", "cancelled", "canceled", "timeout", "timed_out"),
        GenerationStatus.FAILED,
    ),
}
"""
The schema says queued, generating, completed, error; the samples wait on waiting and active and end
in succeeded; the vendor's n8n nodes know the rest, and "expired", which is one of ``words.GONE``.
"""

FIELDS = {
    "prompt": "prompt",
    "aspect_ratio": "aspect_ratio",
    "resolution": "resolution",
    "duration": "duration",
    "negative_prompt": "negative_prompt",
    "style": "style",
    "seed": "seed",
    "speech": "lip_sync_tts_content",
    "image": "image_url",
    "first_frame": "image_url",
    "last_frame": "tail_image_url",
    "video": "video_url",
}
SWITCHES = {
    "audio": "generate_audio_switch",
    "multi_clip": "generate_multi_clip_switch",
    "thinking": "thinking_type",
}
"""Sent whenever the model takes them: the vendor's default for thinking_type contradicts itself."""

CLOCK_SKEW = 120.0
"""Seconds by which the vendor's clock may differ from ours when its logs are searched."""

LAST_LOG_ROW = 5_000
"""Row after which the search of the logs ends."""

_SEED_IN_URL = re.compile(r"_seed([0-9]{1,19})\.mp4")


class AimlapiGateway(Gateway):
    """The AI/ML API contract."""

    name: ClassVar[str] = "aimlapi"
    base_urls: ClassVar[dict[str, str]] = {"international": "https://api.aimlapi.com"}
    has_records: ClassVar[bool] = True

    def submit(self, request: GenerationRequest, *, key: str) -> httpx.Request:
        """Return ``POST /v2/video/generations``; the key goes along to be found in the logs."""
        return httpx.Request(
            "POST",
            f"{self.base_url}/v2/video/generations",
            json=self._body(request),
            headers={**self._headers(), "X-Client-Request-Id": key},
        )

    def submitted(self, response: httpx.Response) -> Generation:
        """Read the submit answer; one without an id is ambiguous unless its code is in the error table."""
        body = json_object(response) or {}
        named = redaction.identifier(response.headers.get("x-inference-id", ""))
        if not response.is_success and (error := self._refusal(response, body)) is not None:
            raise error
        # The header carries the same id as the body ("Request Tracing and Cost Headers").
        if generation_id := _identifier(body) or (named if response.is_success else None):
            return self._generation(generation_id, body, response)
        if (error := redirected(self.name, response)) is not None:
            raise error
        if response.status_code == 404:
            raise PixverseRequestError(
                f"aimlapi does not know this endpoint or model (HTTP 404): {self._words(body, response)}. "
                f"Nothing was bought. Check model, and the connection's host."
            )
        words = self._words(body, response) or str(unusable(self.name, response))
        trace = f" (x-inference-id {self.redact(named)})" if named else ""
        raise PixverseAmbiguousSubmitError(
            f"aimlapi answered the submission with HTTP {response.status_code} and no id{trace}: {words}"
        )

    def poll(self, generation_id: str) -> httpx.Request:
        """Return ``GET /v2/video/generations``; ids of the old form hold ``:`` and ``/``."""
        return httpx.Request(
            "GET",
            f"{self.base_url}/v2/video/generations",
            params={"generation_id": generation_id},
            headers=self._headers(),
        )

    def polled(self, response: httpx.Response) -> Generation:
        """Read a poll: by the body's status first, since a failed job's HTTP code is not documented."""
        body = json_object(response)
        generation_id = response.request.url.params["generation_id"]
        if body is not None and (response.is_success or self._is_about(generation_id, body, response)):
            generation = self._generation(generation_id, body, response)
            if (word := _status_word(body)) in GONE:
                words = self._words(body, response)
                raise gone(self.name, generation_id, f"{word}, {words}" if words else word)
            if generation.status is GenerationStatus.FAILED and _error_name(body).startswith("notfound"):
                raise self._not_found(generation_id, body, response)
            if body:
                return generation
        elif response.status_code in (400, 404):
            # What an unknown id is answered with is not documented; a poll has nothing else to refuse. A
            # page that is no JSON is somebody's on the way, and says nothing about the id.
            raise (
                self._not_found(generation_id, body, response) if body else unusable(self.name, response)
            ).about(generation_id)
        elif (error := self._refusal(response, body or {}, of_submission=False)) is not None:
            raise error.about(generation_id)
        raise unusable(self.name, response).about(generation_id)

    def _is_about(self, generation_id: str, body: dict[str, Any], response: httpx.Response) -> bool:
        """Return whether an error's body describes the generation, and not the trouble of asking for it."""
        word = _status_word(body)
        describes = _identifier(body) == generation_id and (word in STATUSES or word in GONE)
        return describes and response.status_code not in (401, 403, 429)

    def balance(self) -> httpx.Request:
        """Return ``GET /v2/billing``."""
        return httpx.Request("GET", f"{self.base_url}/v2/billing", headers=self._headers())

    def balance_read(self, response: httpx.Response) -> Balance:
        """Read ``current_balance``, in US dollars."""
        body = json_object(response)
        amount = number(body.get("current_balance")) if response.is_success and body else None
        if amount is not None:
            return Balance(float(amount), "usd")
        raise self._refusal(response, body or {}, of_submission=False) or unusable(self.name, response)

    def look_up(self, request: GenerationRequest, *, key: str, since: float, until: float) -> httpx.Request:
        """Return ``GET /v2/logs`` for the time since the submission was sent."""
        return self._logs(
            since - CLOCK_SKEW, until + CLOCK_SKEW, offset=0, texts=own_texts(request.model_dump())
        )

    def looked_up(
        self, response: httpx.Response, *, request: GenerationRequest, key: str
    ) -> Generation | httpx.Request | None:
        """Find the row with our client request id; its inference id is the generation's id."""
        body = json_object(response)
        rows = body.get("data") if body else None
        if not response.is_success or not isinstance(rows, list):
            if response.status_code in (400, 404):
                words = self._words(body or {}, response)
                raise PixverseRequestError(f"aimlapi's logs cannot be read: {words}")
            raise self._refusal(response, body or {}, of_submission=False) or unusable(self.name, response)
        for row in rows:
            if isinstance(row, dict) and row.get("client_request_id") == key and row.get("inference_id"):
                return self._from_log(row)
        asked = response.request.url.params
        pagination = (body or {}).get("pagination")
        has_more = isinstance(pagination, dict) and pagination.get("has_more") is True
        if rows and has_more and int(asked["offset"]) < LAST_LOG_ROW:
            return self._logs(
                float(datetime.fromisoformat(asked["start"]).timestamp()),
                float(datetime.fromisoformat(asked["end"]).timestamp()),
                offset=int(asked["offset"]) + len(rows),
                texts=sent_texts(response.request),
            )
        return None

    def _logs(self, start: float, end: float, *, offset: int, texts: tuple[str, ...]) -> httpx.Request:
        window = {"start": _iso(start), "end": _iso(end), "limit": "100", "offset": str(offset)}
        return httpx.Request(
            "GET",
            f"{self.base_url}/v2/logs",
            params=window,
            headers=self._headers(),
            extensions={OWN_TEXTS: texts},
        )

    def _from_log(self, row: dict[str, Any]) -> Generation:
        failed = row.get("status") == "failed"
        cost = row.get("cost")
        credits = number(cost.get("credits")) if isinstance(cost, dict) else None
        generation_id = redaction.identifier(row["inference_id"])
        if generation_id is None:
            raise PixverseAmbiguousSubmitError(
                "aimlapi's logs list the submission under an id that cannot be one. It was received"
            )
        return Generation(
            id=generation_id,
            gateway=self.name,
            status=GenerationStatus.FAILED if failed else GenerationStatus.QUEUED,
            vendor_status=self.redact(row.get("status") or ""),
            cost=Cost(credits, "credits") if credits else None,
            error="the gateway's logs list the submission as failed, billed nothing" if failed else None,
        )

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._api_key}", "Accept": "application/json"}

    def _body(self, request: GenerationRequest) -> dict[str, Any]:
        row = catalog.check(self.name, request)
        asked = request.model_dump(exclude={"model", "extra", "voice"}, exclude_none=True)
        body: dict[str, Any] = {"model": request.model or (row.model if row else "")}
        for field, value in asked.items():
            if field in FIELDS:
                body[FIELDS[field]] = value
            elif field == "audio" and isinstance(value, str):
                body["audio_url"] = value
            elif field in SWITCHES and (
                field in row.options if row else value != type(request).model_fields[field].default
            ):
                body[SWITCHES[field]] = value
        if "speech" in asked:
            # Voices have names here, and the automatic one is written "Auto".
            body["lip_sync_tts_speaker"] = getattr(request, "voice", "auto").capitalize()
        return {**body, **(request.extra or {})}

    def _generation(self, generation_id: str, body: dict[str, Any], response: httpx.Response) -> Generation:
        word = _status_word(body)
        video = body.get("video")
        video = video if isinstance(video, dict) else {}
        url = redaction.http_url(video.get("url"))
        seed = _SEED_IN_URL.search(url or "")
        status = STATUSES.get(word)
        words = self._words(body, response) if status is GenerationStatus.FAILED else ""
        size = number(video.get("file_size"))
        return Generation(
            id=generation_id,
            gateway=self.name,
            status=status or GenerationStatus.GENERATING,
            vendor_status=self.redact(body.get("status") or "", secrets=sent_texts(response.request)),
            recognized=status is not None,
            video_url=url,
            cost=_cost(body, response),
            seed=int(seed[1]) if seed else None,
            error=words or None,
            moderated=speaks_of_moderation(f"{_error_name(body)} {words}") if words else False,
            file_size=int(size) if size and size > 0 else None,
        )

    def _refusal(
        self, response: httpx.Response, body: dict[str, Any], *, of_submission: bool = True
    ) -> PixverseError | None:
        """Return the error for a code of the vendor's table that says nothing was bought."""
        code = response.status_code
        words = self._words(body, response) or f"HTTP {code}"
        if code in (400, 403) and speaks_of_moderation(f"{_error_name(body)} {words}"):
            return PixverseModerationError(
                f"aimlapi refused the input by moderation, nothing was bought: {words}. Change the "
                f"prompt or the input."
            )
        if code == 400:
            return PixverseRequestError(f"aimlapi refused the request, nothing was bought: {words}")
        if code == 401 or (code == 403 and _is_about_rights(words)):
            return PixverseAuthError(
                f"aimlapi refused the API key: {words}. Correct the connection's password; keys are made at "
                f"aimlapi.com/app/keys."
            )
        if code == 403:
            todo = " Nothing was bought. Top it up and clear the task." if of_submission else ""
            return PixverseCreditsError(f"The aimlapi account has no credits left: {words}.{todo}")
        if code == 429:
            bought = ", nothing was bought" if of_submission else ""
            return rate_limited(f"aimlapi takes no more requests for now{bought}: {words}", response)
        return None

    def _not_found(
        self, generation_id: str, body: dict[str, Any], response: httpx.Response
    ) -> PixverseNotFoundError:
        words = self._words(body, response) or "no reason given"
        return PixverseNotFoundError(
            f"aimlapi does not know generation {generation_id}: {words}. "
            f"Check that the id and the connection's account belong together.",
            generation_id=generation_id,
        )

    def _words(self, body: dict[str, Any], response: httpx.Response) -> str:
        """Return the message of either error envelope, or of a failed generation."""
        error = body.get("error")
        parts: list[Any] = [error.get("message") or error.get("name")] if isinstance(error, dict) else [error]
        parts += [body.get("message"), *(body.get(key) for key in ("errors", "issues", "details", "meta"))]
        if "status" in body and isinstance(body["status"], str):
            parts = parts[:2]
        said = joined(parts) or body.get("title") or ""
        return self.redact(said, secrets=sent_texts(response.request))


def _identifier(body: dict[str, Any]) -> str | None:
    found = (redaction.identifier(body.get(field)) for field in ("id", "generation_id"))
    return next(filter(None, found), None)


def _status_word(body: dict[str, Any]) -> str:
    word = body.get("status")
    return word.strip().lower() if isinstance(word, str) else ""


def _error_name(body: dict[str, Any]) -> str:
    error = body.get("error")
    return redaction.clean(error.get("name") or "").lower() if isinstance(error, dict) else ""


def _is_about_rights(words: str) -> bool:
    about_credits = re.search(r"credit|top up|balance|funds|limit", words, re.IGNORECASE)
    return not about_credits and bool(re.search(r"forbidden|permission|not allowed|access", words, re.I))


def _cost(body: dict[str, Any], response: httpx.Response) -> Cost | None:
    """Read credits_used (2026) or tokens_used (2025), which are the same unit."""
    meta = body.get("meta")
    usage = meta.get("usage") if isinstance(meta, dict) else None
    usage = usage if isinstance(usage, dict) else {}
    header = response.headers.get("x-aimlapi-credits-used") if response.request.method == "POST" else None
    for value in (usage.get("credits_used"), usage.get("tokens_used"), header):
        if (amount := number(value)) is not None:
            return Cost(amount, "credits")
    return None


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
