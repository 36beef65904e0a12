# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pickle

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
from airflow_provider_pixverse.operators.failing import final

FINAL = [
    PixverseRequestError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseModerationError,
    PixverseAmbiguousSubmitError,
]
OTHERS = [
    PixverseRateLimitError,
    PixverseUnavailableError,
    PixverseResponseError,
    PixverseNotFoundError,
    PixverseGenerationFailed,
    PixverseTimeout,
    PixverseDownloadError,
]


@pytest.mark.parametrize("kind", FINAL)
def test_a_final_error_spares_the_retries_and_stays_what_it_is(kind: type[PixverseError]) -> None:
    error = final(kind("what to do now", generation_id="gen-1"))
    assert isinstance(error, AirflowFailException)
    assert isinstance(error, kind)
    assert (type(error).__name__, error.message, error.generation_id) == (
        kind.__name__, "what to do now", "gen-1",
    )  # fmt: skip
    assert str(error) == "what to do now [generation gen-1]"
    assert final(error) is error


@pytest.mark.parametrize("kind", FINAL)
def test_a_final_error_survives_pickling(kind: type[PixverseError]) -> None:
    error = final(kind("what to do now", generation_id="gen-1"))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert type(again) is type(error)
    assert (str(again), again.generation_id) == (str(error), "gen-1")


@pytest.mark.parametrize("kind", OTHERS)
def test_no_other_error_has_a_final_form(kind: type[PixverseError]) -> None:
    error = kind("later")
    assert final(error) is error
