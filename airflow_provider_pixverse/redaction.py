# SPDX-License-Identifier: Apache-2.0
"""
What may be shown of text that comes from outside: a vendor's words, ids and URLs, and users' own values.

Everything that a vendor answers passes through here once, where it is read. What comes out is valid Unicode
on one line, without control characters, and bounded, so that it can be logged, raised, stored in any database
and sent in an event.

Secrets are found by their letters and digits alone (:func:`_skeleton`), so neither quotes, line breaks,
JSON's escapes nor percent-encoding hide one, and a long one is found in parts as well. Nothing here raises,
and the work is linear in the length of the text, of which only the beginning is read.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_WORDS = 500
"""Characters of a vendor's message that are kept."""

LONGEST_READ = 20_000
"""Characters of a text that are looked at; the rest is cut off unread."""

LONGEST_ID = 512
"""Characters beyond which an id is not accepted as one."""

LONGEST_URL = 8192
"""Characters beyond which a URL is not accepted as one."""

HIDDEN = "***"
"""Stands for a secret that was cut out."""

_FRAGMENT, _FRAGMENT_OF_SIGNS = 20, 8
"""Letters of a secret that give it away; of Chinese or Japanese signs fewer do."""

_WHOLE_WORD = 8
"""Letters up to which a secret is only cut out where it stands as a word: "cat" is not in "catalogue"."""

_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
"""What colours a terminal or sets its title (ECMA-48)."""

_ESCAPED = re.compile(
    r"\\{1,8}u[0-9a-fA-F]{4}|\\{1,8}x[0-9a-fA-F]{2}|\\{1,8}[abfnrtv]"
    r"|(?:%(?:25){0,3}[0-9a-fA-F]{2})+|&#?\w{1,8};"
)
"""A character as JSON, Python, a URL or HTML escape it, also several times over."""

_UNQUOTED = r"""(?:[^\s"'<>]|["'<>](?=&))"""
_QUERY_MARK = r"(?:[?;#]|%(?:25){0,3}3[fF]|\\{1,8}u003[fF]|&(?:\#63|\#x3[fF]|quest);)"
_URL = re.compile(
    rf"(?:\b[A-Za-z][A-Za-z0-9+.-]{{0,20}}:)?(?:\\{{0,8}}/){{2}}(?P<rest>{_UNQUOTED}+)", re.VERBOSE
)
_USER_INFO = re.compile(r"^[^/\\?#]*@")
_LONG_SEGMENT = re.compile(r"(?<![\w~=.%-])[\w~=-]{32,}(?![\w~=.%-])")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_QUERY = re.compile(rf"{_QUERY_MARK}(?P<query>{_UNQUOTED}+)", re.VERBOSE)
_EQUALS = re.compile(r"=|%(?:25){0,3}3[dD]|u003[dD]")
_PARAMETER = re.compile(rf"(&(?:amp;)?[\w.~%-]{{1,64}}=){_UNQUOTED}+")
_DATA = re.compile(r"\b(data:[\w/+.;=-]{0,64},)[\w+/=%-]+", re.IGNORECASE)
_CREDENTIAL_NAME = (
    r"[\w-]{0,24}(?:signature|token|secret|passw(?:or)?d|credential|api[_-]?key|access[_-]?key|key-pair-id"
    r"|auth[_-]?key)(?:[_-]?id)?|sig|policy|x-(?:amz|goog|oss|cos)-[\w-]{1,32}"
)
_CREDENTIAL = re.compile(
    rf"""(?<![\w-])((?:{_CREDENTIAL_NAME})(?:=|\\{{0,8}}["']\s{{0,4}}[:=]\s{{0,4}}\\{{0,8}}["']))"""
    rf"""(?!\*\*\*)[^\s"'<>&,\\]+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b((?:Bearer|Basic|Key)\s)[\w.~+/-]{16,}=*")


def clean(text: object, limit: int = LONGEST_WORDS) -> str:
    """
    Return text on one line: valid Unicode, printable, no longer than the limit.

    :param text: Any value; what is not a string is turned into one.
    :param limit: Most characters to keep.
    """
    words = _text(text)
    read = max(limit, LONGEST_READ)
    return _shortened(_line(words[:read]), limit, more=len(words) > read)


def redact(text: object, *, secrets: tuple[str, ...] = (), limit: int = LONGEST_WORDS) -> str:
    """
    Return words as they may be raised and logged: clean, without the secrets and without what signs a URL.

    Of a URL, scheme, host and path stay; its query, its user and password, and long random parts of its path
    do not.

    :param text: What was said.
    :param secrets: Strings to cut out, however they are quoted or escaped: the API key, the prompt.
    :param limit: Most characters to keep.
    """
    words = _text(text)
    is_cut = len(words) > LONGEST_READ
    shown = _line(words[:LONGEST_READ])
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        shown = _without(shown, _text(secret), is_cut=is_cut)
    return _shortened(_without_signatures(shown), limit, more=is_cut)


def quoted(value: object, *, secrets: tuple[str, ...] = (), limit: int = LONGEST_WORDS) -> str:
    """
    Return a value of the user's as an error message may show it: its ``repr``, redacted and short.

    :param value: Any value, however large.
    :param secrets: Strings to cut out.
    :param limit: Most characters to keep.
    """
    if isinstance(value, str | bytes | bytearray):
        value = value[:LONGEST_READ]
    try:
        shown = repr(value)
    except Exception:
        shown = f"a {type(value).__name__}"
    return redact(shown, secrets=secrets, limit=limit)


def identifier(value: object) -> str | None:
    """
    Return a vendor's id, or ``None`` if the value cannot be one.

    :param value: A string or an integer as the vendor gave it. An id is never altered: a value that would
        have to be is not an id.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    if isinstance(value, int) and abs(value) >= 10**LONGEST_ID:
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
    if not url.isprintable() or " " in url or len(url) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(url)
        # A browser reads a backslash as a slash, so that the host would be another one there.
        is_one = parts.scheme.lower() in ("http", "https") and parts.hostname and "\\" not in parts.netloc
        return url if is_one and parts.port != 0 else None
    except ValueError:
        return None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception:
        # Of an integer of too many digits, or a class that cannot be shown.
        return f"a {type(value).__name__}"


def _line(text: str) -> str:
    """Return text as valid Unicode on one line, its white space as single spaces."""
    if not text.isprintable():
        text = "".join(map(_shown, _TERMINAL.sub("", text)))
    return " ".join(text.split())


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace():
        return " "
    # Control and format characters vanish, so that none can hide in the middle of a secret. What else
    # cannot be printed is half of a surrogate pair, or not a character.
    return "" if unicodedata.category(character) in ("Cc", "Cf") else "\ufffd"


def _shortened(line: str, limit: int, *, more: bool) -> str:
    if len(line) <= limit and not more:
        return line
    return f"{line[: max(0, limit - 1)]}…"


def _without(words: str, secret: str, *, is_cut: bool) -> str:
    """Return words with each place at which a secret, or a long part of it, stands cut out."""
    line = _line(secret)
    sought = "".join(piece for piece, _, _ in _skeleton(line)) if _may_be_escaped(line) else _letters(line)
    shortest = _FRAGMENT if sought.isascii() else _FRAGMENT_OF_SIGNS
    if words.isascii() and len(words) < min(len(sought), shortest) and not is_cut:
        return words
    if len(sought) < 3 and (sought.isascii() or not sought):
        # Nothing to go by: as it stands, if it is more than a letter.
        forms = {line, json.dumps(secret)[1:-1]} if not sought else set()
        for form in filter(None, forms):
            words = words.replace(form, HIDDEN)
        return words
    pieces = list(_skeleton(words))
    letters = "".join(piece for piece, _, _ in pieces)
    if not letters:
        return words
    starts = [start for piece, start, _ in pieces for _ in piece]
    ends = [end for piece, _, end in pieces for _ in piece]
    hidden = bytearray(len(letters))
    for first, last in _places(letters, sought, shortest, is_cut=is_cut):
        if len(sought) > _WHOLE_WORD or _is_word(words, starts[first], ends[last - 1]):
            hidden[first:last] = b"\x01" * (last - first)
    shown, position, index = [], 0, hidden.find(1)
    while index >= 0:
        end = hidden.find(0, index)
        end = len(hidden) if end < 0 else end
        shown += [words[position : max(position, starts[index])], HIDDEN]
        position = max(position, ends[end - 1])
        index = hidden.find(1, end)
    return "".join(shown) + words[position:]


def _places(letters: str, sought: str, shortest: int, *, is_cut: bool) -> Iterator[tuple[int, int]]:
    """Give where a secret's letters stand among others: all of them, a long part, or what was cut off."""
    if len(sought) <= shortest:
        found = letters.find(sought)
        while found >= 0:
            yield found, found + len(sought)
            found = letters.find(sought, found + len(sought))
    else:
        parts = {sought[at : at + shortest] for at in range(len(sought) - shortest + 1)}
        for at in range(len(letters) - shortest + 1):
            if letters[at : at + shortest] in parts:
                yield at, at + shortest
    if is_cut:
        for length in range(min(len(sought), shortest), 2, -1):
            if letters.endswith(sought[:length]):
                yield len(letters) - length, len(letters)
                return


def _is_word(words: str, start: int, end: int) -> bool:
    """Return whether no ASCII letter touches the place; other scripts put no spaces between words."""
    around = words[max(0, start - 1) : start], words[end : end + 1]
    inside = words[start], words[end - 1]
    return not any(
        outer.isalnum() and outer.isascii() and inner.isascii()
        for outer, inner in zip(around, inside, strict=True)
    )


def _skeleton(words: str) -> Iterator[tuple[str, int, int]]:
    """Give the letters and digits of words, unescaped and in lower case, with where they begin and end."""
    position = 0
    for escaped in _ESCAPED.finditer(words) if _may_be_escaped(words) else ():
        yield from _plain(words, position, escaped.start())
        if letters := _letters(_unescaped(escaped[0])):
            yield letters, escaped.start(), escaped.end()
        position = escaped.end()
    yield from _plain(words, position, len(words))


def _may_be_escaped(words: str) -> bool:
    return "\\" in words or "%" in words or "&" in words


def _plain(words: str, start: int, end: int) -> Iterator[tuple[str, int, int]]:
    for at in range(start, end):
        if letters := _letters(words[at]):
            yield letters, at, at + 1


def _letters(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text)
    return "".join(filter(str.isalnum, text.casefold()))


def _unescaped(escaped: str) -> str:
    if escaped[0] == "%":
        return unquote(re.sub(r"%(?:25)+(?=[0-9a-fA-F]{2})", "%", escaped))
    if escaped[0] == "&":
        return html.unescape(escaped)
    code = escaped.lstrip("\\")
    return chr(int(code[1:], 16)) if len(code) > 1 else " "


def _without_signatures(words: str) -> str:
    if words.isalnum():
        return words
    words = _DATA.sub(r"\1…", words)
    words = _URL.sub(_shown_url, words)
    words = _QUERY.sub(_shown_query, words)
    words = _PARAMETER.sub(r"\1…", words)
    words = _CREDENTIAL.sub(r"\1…", words)
    return _BEARER.sub(r"\1…", words)


def _shown_url(url: re.Match[str]) -> str:
    rest = url["rest"]
    query = _QUERY.search(rest)
    path = rest[: query.start()] if query else rest
    path = _USER_INFO.sub("…@", path)
    path = _LONG_SEGMENT.sub(lambda found: found[0] if _UUID.fullmatch(found[0]) else "…", path)
    return f"{url[0][: -len(rest)]}{path}{'?…' if query else ''}"


def _shown_query(query: re.Match[str]) -> str:
    return "?…" if _EQUALS.search(query["query"]) else query[0]
