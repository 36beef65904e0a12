# SPDX-License-Identifier: Apache-2.0
"""What an error does to the record, and whether Airflow may retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_purchase import DELIVERED, INTENDED, LOST, SUBMITTED

from airflow_provider_pixverse import exceptions
from airflow_provider_pixverse.exceptions import PixverseError, PixverseGoneError
from airflow_provider_pixverse.rules.outcome import Forget, Keep, MarkLost, may_retry, settle

if TYPE_CHECKING:
    from airflow_provider_pixverse.purchase import Record

ERRORS: dict[str, PixverseError] = {
    name: kind("what happened")
    for name, kind in vars(exceptions).items()
    if isinstance(kind, type) and issubclass(kind, PixverseError)
}
EVERY_ERROR = pytest.mark.parametrize("name", ERRORS)
FAILED = {"PixverseGenerationFailed", "PixverseModerationError"}
UNKNOWN = {"PixverseNotFoundError", "PixverseGoneError"}
UNSURE = {"PixverseAmbiguousSubmitError", "PixverseRecordError"}
USELESS = {"PixverseRequestError", "PixverseAuthError", "PixverseCreditsError"}


@EVERY_ERROR
def test_what_is_paid_for_is_forgotten_only_if_the_vendor_failed_to_make_it(name: str) -> None:
    settled = settle(ERRORS[name], SUBMITTED, in_doubt=False)
    if name in FAILED:
        assert settled == Forget()
    elif name in UNKNOWN:
        assert settled == MarkLost(SUBMITTED)
    else:
        assert settled == Keep()


@EVERY_ERROR
@pytest.mark.parametrize("in_doubt", [False, True])
def test_an_intention_is_forgotten_if_this_try_bought_nothing_and_no_earlier_one_may_have(
    name: str, in_doubt: bool
) -> None:
    forgotten = not in_doubt and name not in UNSURE
    assert settle(ERRORS[name], INTENDED, in_doubt=in_doubt) == (Forget() if forgotten else Keep())


@EVERY_ERROR
@pytest.mark.parametrize("record", [None, DELIVERED, LOST], ids=["none", "delivered", "lost"])
def test_no_other_record_is_touched(name: str, record: Record | None) -> None:
    assert settle(ERRORS[name], record, in_doubt=False) == Keep()


@pytest.mark.parametrize("record", [None, INTENDED, SUBMITTED], ids=["none", "intended", "submitted"])
@pytest.mark.parametrize("error", [RuntimeError("a bug"), SystemExit(), KeyboardInterrupt()], ids=repr)
def test_what_is_not_an_error_of_ours_leaves_everything_to_the_next_try(
    record: Record | None, error: BaseException
) -> None:
    assert settle(error, record, in_doubt=False) == Keep()


@EVERY_ERROR
@pytest.mark.parametrize("bought", [False, True])
def test_a_retry_is_used_if_it_may_go_better(name: str, bought: bool) -> None:
    retried = may_retry(ERRORS[name], bought=bought, has_record=True, on_ambiguous_submit="fail")
    if name == "PixverseModerationError":
        assert not retried
    else:
        assert retried is (bought or name not in USELESS)


@pytest.mark.parametrize(
    ("has_record", "choice", "retried"),
    [(True, "fail", True), (True, "resubmit", False), (False, "fail", False), (False, "resubmit", False)],
)
def test_what_stays_unknown_is_retried_if_the_retry_only_searches(
    has_record: bool, choice: str, retried: bool
) -> None:
    error = ERRORS["PixverseAmbiguousSubmitError"]
    assert (
        may_retry(error, bought=False, has_record=has_record, on_ambiguous_submit=choice)  # type: ignore[arg-type]
        is retried
    )


def test_gone_is_not_failed() -> None:
    assert isinstance(settle(PixverseGoneError("deleted"), SUBMITTED, in_doubt=False), MarkLost)
