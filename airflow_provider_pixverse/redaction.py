# SPDX-License-Identifier: Apache-2.0
"""
What may be shown of text that comes from outside: a vendor's words, ids and URLs, and users' own values.

Everything that a vendor answers passes through here once, where it is read. What comes out is valid Unicode
on one line, without control characters, and bounded, so that it can be logged, raised, stored in any database
and sent in an event.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST_WORDS = 500
"""Characters of a vendor's message that are kept."""

LONGEST_ID = 512
"""Characters beyond which an id is not accepted as one."""

LONGEST_URL = 8192
"""Characters beyond which a URL is not accepted as one."""

_URL = re.compile(r"(https?://[^\s?'\"<>]+)\?[^\s'\"<>]+", re.IGNORECASE)


def clean(text: object, limit: int = LONGEST_WORDS) -> str:
    """
    Return text on one line: valid Unicode, printable, no longer than the limit.

    :param text: Any value; what is not a string is turned into one.
    :param limit: Most characters to keep.
    """
    valid = str(text).encode("utf-8", "replace").decode("utf-8")
    line = " ".join("".join(each if each.isprintable() else " " for each in valid).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def redact(text: object, *, secrets: tuple[str, ...] = (), limit: int = LONGEST_WORDS) -> str:
    """
    Return words as they may be raised and logged: clean, without the secrets and without what signs a URL.

    :param text: What was said.
    :param secrets: Strings to cut out: the API key, the prompt.
    :param limit: Most characters to keep.
    """
    words = clean(text, limit=100_000)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        words = re.sub(re.escape(clean(secret, limit=100_000)), "***", words, flags=re.IGNORECASE)
    return clean(_URL.sub(r"\1?…", words), limit)


def identifier(value: object) -> str | None:
    """
    Return a vendor's id, or ``None`` if the value cannot be one.

    :param value: A string or an integer as the vendor gave it. An id is never altered: a value that would
        have to be is not an id.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text and len(text) <= LONGEST_ID and clean(text, LONGEST_ID) == text else None


def http_url(value: object) -> str | None:
    """
    Return an http(s) URL that a vendor gave, or ``None`` if the value is not one.

    :param value: Any value of a vendor's answer.
    """
    if not isinstance(value, str):
        return None
    url = value.strip()
    if not url.isprintable() or " " in url or len(url) > LONGEST_URL or clean(url, LONGEST_URL) != url:
        return None
    try:
        parts = urlsplit(url)
        return url if parts.scheme.lower() in ("http", "https") and parts.hostname else None
    except ValueError:
        return None
