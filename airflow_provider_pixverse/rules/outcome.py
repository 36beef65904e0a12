# SPDX-License-Identifier: Apache-2.0
"""
What the error that ends a try does to the record, and whether Airflow may retry the task.

Values in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRecordError,
    PixverseRequestError,
)
from airflow_provider_pixverse.purchase import Delivered, Intended, Lost, Submitted

if TYPE_CHECKING:
    from airflow_provider_pixverse.purchase import Record
    from airflow_provider_pixverse.rules.sending import OnAmbiguousSubmit


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the record as it is: the next try goes on from it."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Delete the record: nothing is paid for that a next try could use."""


@dataclass(frozen=True, slots=True)
class MarkLost:
    """Note that the gateway does not know the generation any more, for the next try to look once more."""

    submitted: Submitted


Settlement = Keep | Forget | MarkLost


def settle(error: BaseException, record: Record | None, *, in_doubt: bool) -> Settlement:
    """
    Return what becomes of the record.

    :param error: What ends the try.
    :param record: As it is now.
    :param in_doubt: Whether an earlier try may have bought a video under the record's key.
    """
    match record:
        case None | Delivered() | Lost():
            return Keep()
        case Intended():
            return _settle_intended(error, in_doubt)
        case Submitted():
            match error:
                case PixverseGenerationFailed() | PixverseModerationError():
                    return Forget()
                case PixverseNotFoundError():
                    return MarkLost(record)
                case _:
                    return Keep()


def _settle_intended(error: BaseException, in_doubt: bool) -> Settlement:
    match error:
        case PixverseAmbiguousSubmitError() | PixverseRecordError():
            return Keep()
        case PixverseError():
            # Each of the others means that this try bought nothing.
            return Keep() if in_doubt else Forget()
        case _:
            return Keep()


def may_retry(
    error: PixverseError, *, bought: bool, has_record: bool, on_ambiguous_submit: OnAmbiguousSubmit
) -> bool:
    """
    Return whether a retry may go better, so that Airflow should use the task's retries.

    :param error: What ends the try.
    :param bought: Whether a generation is paid for that a retry would look at again.
    :param has_record: Whether a retry will know what this try did.
    :param on_ambiguous_submit: The user's choice for a submission whose fate stays unknown.
    """
    match error:
        case PixverseModerationError():
            return False
        case PixverseRequestError() | PixverseAuthError() | PixverseCreditsError():
            return bought
        case PixverseAmbiguousSubmitError():
            # With a record, a retry searches again and buys nothing before it knows; else it would just buy.
            return has_record and on_ambiguous_submit == "fail"
        case PixverseError():
            return True
