# SPDX-License-Identifier: Apache-2.0
"""
The errors of this provider that end a task at once, without using up its retries.

Each is its error and Airflow's ``AirflowFailException`` at the same time, so that callbacks and retry
policies can tell it apart, and is written out so that it survives pickling. Which error becomes one of them
is decided in ``rules/outcome.py``.
"""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse import exceptions


class PixverseRequestError(exceptions.PixverseRequestError, AirflowFailException):
    """The request is not one that the gateway can serve, and a retry would send the same."""


class PixverseAuthError(exceptions.PixverseAuthError, AirflowFailException):
    """The gateway refused the API key, and a retry would use the same."""


class PixverseCreditsError(exceptions.PixverseCreditsError, AirflowFailException):
    """The account is empty, and a retry would find it so."""


class PixverseModerationError(exceptions.PixverseModerationError, AirflowFailException):
    """Content moderation refused the request, and a retry would send the same."""


class PixverseAmbiguousSubmitError(exceptions.PixverseAmbiguousSubmitError, AirflowFailException):
    """A video may have been bought, and a retry might buy another."""


FINAL: tuple[type[exceptions.PixverseError], ...] = (
    PixverseRequestError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseModerationError,
    PixverseAmbiguousSubmitError,
)


def final(error: exceptions.PixverseError) -> exceptions.PixverseError:
    """
    Return the error as one after which Airflow uses no retry.

    :param error: The error; one of a kind that has no final form is returned as it is.
    """
    for kind in FINAL:
        if isinstance(error, kind.__mro__[1]):
            if isinstance(error, kind):
                return error
            same = kind(error.message, generation_id=error.generation_id)
            return same.with_traceback(error.__traceback__)
    return error
