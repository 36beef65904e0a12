# SPDX-License-Identifier: Apache-2.0
"""What the value of a field may be, and what is said against it, in the words of the validator zod."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from airflow_provider_pixverse.sandbox.pictures import decode_data_uri

Check = Callable[[Any], str | None]
"""Says what is wrong with a value, or nothing."""


def one_of(*allowed: str) -> Check:
    def check(value: Any) -> str | None:
        expected = " | ".join(f"'{each}'" for each in allowed)
        if not isinstance(value, str):
            return f"Expected {expected}, received {type_name(value)}"
        return None if value in allowed else f"Invalid enum value. Expected {expected}, received '{value}'"

    return check


def seconds(*allowed: int) -> Check:
    def check(value: Any) -> str | None:
        # The schema says integer; the vendor's samples send "5" and "8", and get their videos.
        known = [*allowed, *map(str, allowed)]
        if not isinstance(value, bool) and isinstance(value, int | str) and value in known:
            return None
        return f"Invalid enum value. Expected {' | '.join(map(str, allowed))}, received {value!r}"

    return check


def text(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"Expected string, received {type_name(value)}"
    return None if value.strip() else "String must contain at least 1 character(s)"


def integer(value: Any) -> str | None:
    ok = isinstance(value, int) and not isinstance(value, bool)
    return None if ok else f"Expected integer, received {type_name(value)}"


def boolean(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"Expected boolean, received {type_name(value)}"


def link(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"Expected string, received {type_name(value)}"
    if re.match(r"https?://[^/\s]+", value):
        return None
    try:
        decode_data_uri(value)
    except ValueError:
        return "Invalid url"
    return None


def type_name(value: Any) -> str:
    names = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return "null" if value is None else names.get(type(value), "undefined")
