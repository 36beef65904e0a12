# SPDX-License-Identifier: Apache-2.0
"""
What the gallery says of one generation, from two XComs that anybody may have written.

A task wrote them, or somebody who may edit XComs: every field may be missing, of another type, or meant
to do harm. What is not what it should be is left out; it never breaks the page.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

LONGEST_PROMPT = 5_000
LONGEST_TEXT = 1_000
UNITS = ("credits", "usd")
SOONEST, LATEST = datetime.min.year + 1, datetime.max.year - 1


def describe(submission: Any, result: Any) -> dict[str, Any]:
    """
    Return what the page shows.

    :param submission: What the task kept when it submitted, as stored.
    :param result: What it returned, as stored; ``None`` where it has not, or failed.
    """
    kept, told = _fields(submission), _fields(result)
    submitted_at = _moment(told.get("submitted_at")) or _moment(kept.get("submitted_at"))
    completed_at = _moment(told.get("completed_at"))
    return {
        **{
            name: text(told.get(name)) or text(kept.get(name))
            for name in ("generation_id", "gateway", "task", "version", "model")
        },
        "prompt": text(kept.get("prompt"), LONGEST_PROMPT),
        "resolution": text(kept.get("resolution")),
        "aspect_ratio": text(kept.get("aspect_ratio")),
        "duration": _number(kept.get("duration")),
        "seed": _number(told.get("seed")),
        "submitted_at": submitted_at.isoformat() if submitted_at else None,
        "completed_at": completed_at.isoformat() if completed_at else None,
        "seconds": (completed_at - submitted_at).total_seconds() if submitted_at and completed_at else None,
        "cost": charged(submission, result),
        "bought": text(kept.get("gateway")) is not None,
        "saved": saved_video(result) is not None,
        "output_path": text(told.get("output_path")),
        "size_bytes": _number(told.get("size_bytes")),
        "video_url": web_url(told.get("video_url")),
        "error": _error(kept.get("error")) if not told else None,
    }


def charged(submission: Any, result: Any) -> dict[str, Any] | None:
    """
    Return what the task paid, ``None`` where that is not known.

    A sensor, or a task that only saves, waits for what another one bought, and names the same cost.
    """
    kept, told = _fields(submission), _fields(result)
    gateway = text(kept.get("gateway"))
    cost = _cost(told.get("cost")) or _cost(kept.get("cost"))
    return {**cost, "gateway": gateway} if cost and gateway else None


def is_submitted_only(result: Any) -> bool:
    """Return whether the task did not wait for its video."""
    return _fields(result).get("status") == "queued"


def saved_video(result: Any) -> tuple[str, int] | None:
    """Return where the task says that it saved its video, and its size in bytes, if it does."""
    told = _fields(result)
    path, size = told.get("output_path"), told.get("size_bytes")
    if not isinstance(path, str) or not path or type(size) is not int or not 0 < size < 2**63:
        return None
    return path, size


def digest(result: Any) -> str | None:
    """Return the SHA-256 of the saved video, in hex, where it is one."""
    sha256 = _fields(result).get("sha256")
    is_one = isinstance(sha256, str) and len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
    return sha256 if is_one else None


def text(value: Any, longest: int = LONGEST_TEXT) -> str | None:
    """Return words that can be sent, or ``None``: JSON may hold half characters, which UTF-8 cannot."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    try:
        said = str(value)
    except ValueError:
        # Python writes no integers of more than some thousand digits.
        return None
    said = said[:longest].encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    return said or None


def web_url(value: Any) -> str | None:
    """Return a URL that a browser may be sent to, or ``None``: ``javascript:`` is one, too."""
    said = text(value, longest=8_000)
    try:
        parts = urlsplit(said or "")
        harmless = parts.scheme in ("http", "https") and parts.hostname and not parts.username
    except ValueError:
        return None
    return said if harmless else None


def _fields(value: Any) -> dict[str, Any]:
    """Return an XCom as a dict; the REST API stores them as JSON in JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _cost(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict) or value.get("unit") not in UNITS:
        return None
    amount = _number(value.get("amount"))
    return None if amount is None or not 0 <= amount < 1e12 else {"amount": amount, "unit": value["unit"]}


def _error(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, dict):
        return None
    return {"type": text(value.get("type")), "message": text(value.get("message"))}


def _number(value: Any) -> int | float | None:
    """Return a number that JSON and a browser can hold; rendered templates give them as text."""
    if isinstance(value, str):
        try:
            value = float(value) if len(value) < 30 else None
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int):
        return value if abs(value) < 2**53 else None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo and SOONEST <= moment.year <= LATEST else None
