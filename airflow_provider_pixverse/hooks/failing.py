# SPDX-License-Identifier: Apache-2.0
"""Which errors end a task at once, without using up its retries: those that a retry would only repeat."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseModerationError,
    PixverseRequestError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_RETRIED: tuple[type[PixverseError], ...] = (
    PixverseRequestError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseModerationError,
)


@contextmanager
def sparing_retries() -> Iterator[None]:
    """
    Raise what a retry would only repeat as an ``AirflowFailException``.

    The error keeps its own class as well, so that callbacks and retry policies can tell it apart.
    """
    try:
        yield
    except NOT_RETRIED as error:
        raise final(error).with_traceback(error.__traceback__) from error.__cause__


def final(error: PixverseError) -> PixverseError:
    """Return the error as one that is an ``AirflowFailException`` as well."""
    if isinstance(error, AirflowFailException):
        return error
    kind = _final_kind(type(error))
    same = kind.__new__(kind)
    same.args = error.args
    same.__dict__.update(error.__dict__)
    return same


_final_kinds: dict[type[PixverseError], type[PixverseError]] = {}


def _final_kind(kind: type[PixverseError]) -> type[PixverseError]:
    if kind not in _final_kinds:
        namespace = {"__module__": kind.__module__}
        _final_kinds[kind] = type(kind.__name__, (kind, AirflowFailException), namespace)
    return _final_kinds[kind]
