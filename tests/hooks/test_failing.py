# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseDownloadError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.hooks.failing import final, sparing_retries

FINAL = [
    PixverseRequestError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseModerationError,
]
WORTH_A_RETRY = [
    PixverseAmbiguousSubmitError,
    PixverseRateLimitError,
    PixverseUnavailableError,
    PixverseResponseError,
    PixverseNotFoundError,
    PixverseGenerationFailed,
    PixverseTimeout,
    PixverseDownloadError,
]


@pytest.mark.parametrize("kind", FINAL)
def test_what_a_retry_would_repeat_spares_the_retries_and_stays_what_it_is(kind: type[PixverseError]) -> None:
    cause = OSError("the cause")
    with pytest.raises(kind, match="what to do now") as caught, sparing_retries():
        raise kind("what to do now", generation_id="gen-1") from cause
    error = caught.value
    assert isinstance(error, AirflowFailException)
    assert (type(error).__name__, error.message, error.generation_id) == (
        kind.__name__, "what to do now", "gen-1",
    )  # fmt: skip
    assert str(error) == "what to do now [generation gen-1]"
    assert error.__cause__ is cause
    assert any("raise kind" in str(entry.statement) for entry in caught.traceback)


@pytest.mark.parametrize("kind", WORTH_A_RETRY)
def test_what_may_go_well_next_time_does_not(kind: type[PixverseError]) -> None:
    with pytest.raises(kind) as caught, sparing_retries():
        raise kind("later")
    assert type(caught.value) is kind
    assert not isinstance(caught.value, AirflowFailException)


def test_whoever_knows_better_can_spare_them_all_the_same() -> None:
    error = final(PixverseAmbiguousSubmitError("look first", generation_id="gen-1"))
    assert isinstance(error, PixverseAmbiguousSubmitError)
    assert isinstance(error, AirflowFailException)
    assert (error.message, error.generation_id) == ("look first", "gen-1")
    assert final(error) is error


def test_within_one_another_they_change_nothing_more() -> None:
    with pytest.raises(PixverseAuthError) as inner, sparing_retries():
        raise PixverseAuthError("refused")
    with pytest.raises(PixverseAuthError) as outer, sparing_retries():
        raise inner.value
    assert outer.value is inner.value


def test_other_errors_are_not_touched() -> None:
    with pytest.raises(ZeroDivisionError), sparing_retries():
        _ = 1 / 0
