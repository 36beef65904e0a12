# SPDX-License-Identifier: Apache-2.0
"""Which errors end a task at once, without using up its retries: those that a retry would only repeat."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
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
    # Only a person can find out whether the first submission was bought.
    PixverseAmbiguousSubmitError,
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
        if isinstance(error, AirflowFailException):
            raise
        kind = _final(type(error))
        final = kind.__new__(kind)
        final.args = error.args
        final.__dict__.update(error.__dict__)
        raise final.with_traceback(error.__traceback__) from error.__cause__


_finals: dict[type[PixverseError], type[PixverseError]] = {}


def _final(kind: type[PixverseError]) -> type[PixverseError]:
    if kind not in _finals:
        _finals[kind] = type(kind.__name__, (kind, AirflowFailException), {"__module__": kind.__module__})
    return _finals[kind]
