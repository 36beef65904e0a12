# SPDX-License-Identifier: Apache-2.0
"""
Words in a vendor's answer: what they mean, and which of them are the user's own and must not be repeated.

A vendor that refuses a prompt often quotes it. What a request says in the user's own words is therefore cut
out of the answer to it, like the API key.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse import redaction

if TYPE_CHECKING:
    import httpx

OWN_TEXTS = "pixverse_own_texts"
"""The extension of a request that has the user's own texts, where its body does not."""

_VOCABULARY = frozenset(
    {
        "model", "task", "version", "aspect_ratio", "resolution", "quality", "duration", "seed", "style",
        "voice", "motion_mode", "thinking", "thinking_type",
        "lip_sync_tts_speaker", "lip_sync_tts_speaker_id",
    }
)  # fmt: skip
"""Fields whose values are words of the vendor's: an error about them has to name them."""

GONE = frozenset({"expired", "deleted", "removed", "gone", "purged"})
"""Status words, in small letters, of a generation that was made and that the vendor no longer has."""

_REFUSED = re.compile(
    r"moderation_?(?:exception|error|block)|\bmoderated\b|content[ _-]?policy|nsfw"
    r"|safety (?:system|filter|check)|sensitive (?:content|material|word|info)|prohibited content"
    r"|inappropriate (?:\w+ )?(?:content|image|picture|video|audio|media|prompt|text|word|language"
    r"|material|input)",
    re.IGNORECASE,
)
"""What is said of a content refusal and hardly of anything else."""

_MODERATION = re.compile(r"\b(?:pre-?)?moderation\b", re.IGNORECASE)
_VERDICT = re.compile(
    r"reject|refus|violat|\bflag|\bblock|not? allow|disallow|prohibit|forbid|denied|detect|contain"
    r"|(?:not|n't) pass|fail|unsafe|against",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"(?<![a-z])timed?[ _-]?out(?![a-z])|unavailable|unreachable|not (?:available|respond)|crash|restart"
    r"|overload|internal (?:server )?error|service error|\bhttp 5\d\d|temporar|maintenance|exhausted"
    r"|connection (?:refused|reset|closed|error|failed|lost)|too (?:many|busy)"
    r"|could(?: not|n't) (?:be )?(?:reach|check|complet|connect|run)"
    r"|(?:unable|failed) to (?:reach|check|complet|connect|run|call|start|load)",
    re.IGNORECASE,
)
"""What is said where a service is at fault, be it the one that moderates: that is no verdict on a prompt."""

_MAYBE_TROUBLE = re.compile(
    r"\bretry|try again|later|\bservice\b|queue|pending|skipped|disabled", re.IGNORECASE
)
"""Said of either: with a verdict beside it ("rejected …, try again with another prompt") it is one."""

_DEEPEST = 20


def own_texts(fields: object) -> tuple[str, ...]:
    """
    Return the strings of a request that are the user's own: prompts, speech, URLs of media.

    :param fields: A body or the fields of a request, by name. Data URIs are left out: redaction knows them.
    """
    return tuple(dict.fromkeys(_strings(fields, _DEEPEST)))


def sent_texts(request: httpx.Request) -> tuple[str, ...]:
    """Return the user's own texts that a request was sent with or for."""
    carried = request.extensions.get(OWN_TEXTS)
    return carried if isinstance(carried, tuple) else own_texts(sent_body(request))


def sent_body(request: httpx.Request) -> dict[str, Any]:
    """Return the JSON object that a request was sent with; empty if there is none."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        return {}
    body = json.loads(request.content or b"{}")
    return body if isinstance(body, dict) else {}


def speaks_of_moderation(text: str, *, also: re.Pattern[str] | None = None) -> bool:
    """
    Return whether a vendor's words are those of a content refusal; none of them has a code for it.

    The mere mention of moderation is not a verdict: "moderation timed out" is a failure like any other.

    :param text: The words, redacted.
    :param also: What the vendor says besides where it refuses content.
    """
    if _TROUBLE.search(text):
        return False
    named = bool(_REFUSED.search(text) or (also is not None and also.search(text)))
    if _VERDICT.search(text):
        return named or bool(_MODERATION.search(text))
    return (named or _is_bare(text)) and not _MAYBE_TROUBLE.search(text)


def _is_bare(text: str) -> bool:
    """Return whether moderation is all that is said: "content moderation"."""
    return bool(_MODERATION.search(text)) and len(text.split()) <= 2


def plain_text(response: httpx.Response) -> str:
    """Return the beginning of an answer in plain words, else nothing; a charset it names is not believed."""
    if not response.headers.get("content-type", "").startswith("text/plain"):
        return ""
    return response.content[: 2 * redaction.LONGEST_READ].decode("utf-8", "replace")


def joined(parts: list[Any]) -> str:
    """Return what is said in parts of an answer, each once; whatever they are, it ends."""
    said = (redaction.clean(part, redaction.LONGEST_READ) for part in parts if part)
    return "; ".join(dict.fromkeys(said))


def _strings(value: object, depth: int) -> list[str]:
    if isinstance(value, str):
        own = value.strip() and not value[:40].lstrip().lower().startswith("data:")
        return [value[: redaction.LONGEST_READ]] if own else []
    if depth == 0 or not isinstance(value, dict | list | tuple):
        return []
    inner = (
        [each for name, each in value.items() if name not in _VOCABULARY]
        if isinstance(value, dict)
        else value
    )
    return [text for each in inner for text in _strings(each, depth - 1)]
