# SPDX-License-Identifier: Apache-2.0
"""
What Segmind's answers say: status words, results, failures, rows of the request history, moments.

The vendor documents a result as "don't assume a fixed key set" and shows neither the rows of its history
nor a 429. So every shape that its pages, its client or clients of others show is understood here.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse import redaction
from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseCreditsError,
    PixverseModerationError,
    PixverseRateLimitError,
    PixverseRequestError,
)
from airflow_provider_pixverse.gateways.base import json_object, number, rate_limited, redirected
from airflow_provider_pixverse.gateways.segmind_body import MEDIA
from airflow_provider_pixverse.gateways.words import joined, plain_text, speaks_of_moderation
from airflow_provider_pixverse.generation import Cost, Generation, GenerationStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from airflow_provider_pixverse.exceptions import PixverseError

STATUSES = {
    "QUEUED": GenerationStatus.QUEUED,
    "PROCESSING": GenerationStatus.GENERATING,
    "PENDING": GenerationStatus.GENERATING,
    "COMPLETED": GenerationStatus.FINISHED,
    "FAILED": GenerationStatus.FAILED,
}
"""PENDING is the history's word for whatever has not ended."""

_RESULT_KEYS = ("video", "output", "video_url", "videos", "images", "image_url", "url", "value")
_CREATED_KEYS = ("model_created", "created_at", "createdAt", "created", "timestamp")
_CREDITS = re.compile(r"credit|balance|top[ -]?up|spend|budget|billing|quota", re.IGNORECASE)
_BLOCKED = re.compile(r"\brai\b|responsible ai", re.IGNORECASE)
_DEEPEST = 20
"""How many lists and objects within one another are looked into."""

_EPOCH = range(10**9, 10**11)
"""What can be epoch seconds: less is a count of seconds, more one of milliseconds."""


def generation(
    generation_id: str, body: dict[str, Any], *, gateway: str, redact: Callable[[object], str]
) -> Generation:
    """
    Return what the body of a submission, status or result says.

    :param generation_id: The vendor's request id.
    :param body: The answer's JSON object.
    :param gateway: Name of the gateway.
    :param redact: Makes the vendor's words fit to be raised.
    """
    status = STATUSES.get(status_word(body))
    said = redact(words(body)) if status is GenerationStatus.FAILED else ""
    cost = number(_object(body.get("metrics")).get("cost"))
    seed = number(body.get("seed"))
    size = number(_object(body.get("video")).get("file_size"))
    return Generation(
        id=generation_id,
        gateway=gateway,
        status=status or GenerationStatus.GENERATING,
        vendor_status=redact(body.get("status") or ""),
        recognized=status is not None,
        video_url=url_in(body) if status is GenerationStatus.FINISHED else None,
        cost=None if cost is None else Cost(cost, "usd"),
        seed=None if seed is None else int(seed),
        error=said or None,
        moderated=is_about_moderation(said),
        file_size=int(size) if size and size > 0 else None,
    )


def row_as_body(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the request history as the result would have said the same."""
    return {
        "status": row.get("model_status"),
        "output": row.get("generation_url"),
        "metrics": {"cost": row.get("credits_deduction")},
        "error": row.get("error"),
        "seed": sent_body_of(row).get("seed"),
    }


def status_word(body: dict[str, Any]) -> str:
    """Return the status in capitals, or nothing."""
    word = body.get("status")
    return word.strip().upper() if isinstance(word, str) else ""


def words_of(response: httpx.Response) -> str:
    """Return what an answer says beside a code, be it in plain text."""
    body = json_object(response)
    if body is not None:
        return words(body)
    return plain_text(response)


def words(body: dict[str, Any]) -> str:
    """Return what is said of a refusal or failure, in any of the envelopes seen."""
    error, detail = body.get("error"), body.get("detail")
    said = [error.get("message") or error.get("name") if isinstance(error, dict) else error]
    said += [body.get("error_description"), body.get("message")]
    said += map(_detail, detail if isinstance(detail, list) else [detail])
    return joined(said)


def refusal(response: httpx.Response, said: str) -> PixverseError | None:
    """Return the error for a submission whose code says that nothing was bought; its words redacted."""
    code = response.status_code
    if code in (400, 406, 422) and is_about_moderation(said):
        return PixverseModerationError(
            f"segmind refused the input by moderation, nothing was bought: {said}. Change the prompt or the "
            f"input."
        )
    if (error := redirected("segmind", response) or obstacle(response, said)) is not None:
        return error
    said = said or "no reason given"
    if code in (404, 405, 410):
        return PixverseRequestError(
            f"segmind has no such model, or no longer (HTTP {code}): {said}. Nothing was bought. Check "
            f"model, and the connection's host."
        )
    if code in (400, 406, 422):
        return PixverseRequestError(f"segmind refused the request (HTTP {code}), nothing was bought: {said}")
    return None


def obstacle(response: httpx.Response, said: str, *, of_submission: bool = True) -> PixverseError | None:
    """Return the error for what is wrong with the account or the moment, whatever was asked for."""
    code = response.status_code
    # 406: no credits, a team's spent limit, a wrong content type or value. Without words, the first.
    unexplained = code == 406 and said.lower() in ("", "not acceptable")
    said = said or f"HTTP {code}"
    if unexplained or (code in (403, 404, 406) and is_about_credits(said)):
        todo = " Nothing was bought. Top it up, or raise its team's limit, and clear the task."
        return PixverseCreditsError(
            f"The segmind account has no credits left for this: {said}.{todo if of_submission else ''}"
        )
    if code in (401, 403):
        return PixverseAuthError(
            f"segmind refused the API key: {said}. Correct the connection's password, or the key's rights "
            f"at cloud.segmind.com."
        )
    if code != 429:
        return None
    bought = ", nothing was bought" if of_submission else ""
    message = f"segmind takes no more requests for now{bought}: {said}"
    moment = read_moment(response.headers.get("x-rate-limit-reset-at-utc"))
    return (
        rate_limited(message, response)
        if moment is None
        else PixverseRateLimitError(message, retry_at=moment)
    )


def is_about_credits(text: str) -> bool:
    """Return whether a refusal is about money; 403, 404 and 406 have other meanings too."""
    return bool(_CREDITS.search(text))


def is_about_moderation(text: str) -> bool:
    """Return whether a failure is a content or "RAI" block, for which there is no state of its own."""
    return speaks_of_moderation(text, also=_BLOCKED)


def url_in(value: object, depth: int = _DEEPEST) -> str | None:
    """Return the result's URL, be it a string, in a list, in an object or in JSON inside a string."""
    if depth == 0:
        return None
    if isinstance(value, str):
        return redaction.http_url(value) or url_in(_decoded(value), depth - 1)
    if isinstance(value, dict):
        value = [value.get(key) for key in _RESULT_KEYS]
    if isinstance(value, list):
        return next((url for each in value if (url := url_in(each, depth - 1))), None)
    return None


def is_film(response: httpx.Response) -> bool:
    """Return whether an answer is the video itself."""
    kind = response.headers.get("content-type", "")
    return kind.startswith(("video/", "application/octet-stream")) or response.content[4:8] == b"ftyp"


def rows(content: bytes) -> list[dict[str, Any]] | None:
    """Return the rows of a page of the history, under whatever key, or ``None`` where it has no list."""
    return _rows(_decoded(content))


def is_of(
    row: dict[str, Any], sent: dict[str, Any], *, slug: str, since: float, until: float, own_seed: bool
) -> bool:
    """
    Return whether a row of the history is of one submission.

    Its body may have defaults filled in, and numbers turned to text.

    :param row: The row.
    :param sent: The body that was submitted.
    :param slug: The model it was submitted to.
    :param since: Earliest moment of it, epoch seconds.
    :param until: Latest moment of it.
    :param own_seed: Whether the seed is the submission's own. It is proof enough then: media may differ,
        as another try may have uploaded them anew, and the moment may be unreadable. A user's seed, on
        the other hand, may be in any number of requests that are alike.
    """
    if slug not in str(row.get("model_name") or slug):
        return False
    stored, media = sent_body_of(row), set(MEDIA.values())
    fields = set(sent) - media if own_seed else set(sent) | media
    if any(_text(stored.get(name)) != _text(sent.get(name)) for name in fields):
        return False
    moment = created(row)
    return own_seed if moment is None else since <= moment <= until


def created(row: dict[str, Any]) -> float | None:
    """Return when a row's request was made, epoch seconds."""
    return next((moment for key in _CREATED_KEYS if (moment := read_moment(row.get(key))) is not None), None)


def read_moment(value: object) -> float | None:
    """Read ISO 8601, which without a zone is UTC, or epoch seconds."""
    epoch = number(value)
    if epoch is not None:
        return float(epoch) if int(epoch) in _EPOCH else None
    try:
        moment = datetime.fromisoformat(str(value).removesuffix("UTC").strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def row_id(row: dict[str, Any]) -> str:
    """Return the id of a row; empty if it cannot be one."""
    return redaction.identifier(row.get("request_id")) or ""


def _rows(value: object, depth: int = _DEEPEST) -> list[dict[str, Any]] | None:
    if isinstance(value, list):
        return [row for row in value if isinstance(row, dict) and row_id(row)]
    if depth == 0 or not isinstance(value, dict):
        return None
    if row_id(value):
        return [value]
    lists = [found for inner in value.values() if (found := _rows(inner, depth - 1)) is not None]
    return max(lists, key=len, default=None)


def sent_body_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the body that a row's request was sent with; empty where the row has none."""
    body = row.get("request_body")
    return _object(_decoded(body) if isinstance(body, str) else body)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _decoded(text: str | bytes) -> object:
    # Only containers: a bare string or number that happens to be JSON is what it is.
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _detail(detail: object) -> object:
    if not isinstance(detail, dict):
        return detail
    loc = detail.get("loc")
    place = ".".join(map(redaction.clean, loc[:_DEEPEST])) if isinstance(loc, list) else ""
    parts = (place, detail.get("msg"), detail.get("type"))
    return ": ".join(redaction.clean(part, redaction.LONGEST_READ) for part in parts if part)
