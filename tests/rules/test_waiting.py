# SPDX-License-Identifier: Apache-2.0
"""What follows from one look at a generation. Times are seconds after the wait began, at 1000."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_pixverse import exceptions
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseDownloadError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseGoneError,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRecordError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseUnavailableError,
    PixverseWrongAccountError,
)
from airflow_provider_pixverse.generation import Generation, GenerationStatus
from airflow_provider_pixverse.rules.pace import Pace
from airflow_provider_pixverse.rules.waiting import (
    LONGEST_PAUSE,
    Decision,
    Deliver,
    GiveUp,
    Look,
    Pause,
    Wait,
    Watch,
    condition,
    decide,
    first_look,
    not_before,
    pause,
)

BEGAN = 1000.0
TIMEOUT = 600.0
GRACE = Pace().unknown_id_grace
INTERVAL = 10.0
WATCH = Watch("gen-1", deadline=BEGAN + TIMEOUT, poll_interval=INTERVAL)

QUEUED = Generation("gen-1", "aimlapi", GenerationStatus.QUEUED, "queued")
GENERATING = replace(QUEUED, status=GenerationStatus.GENERATING, vendor_status="generating")
UNKNOWN_WORD = replace(GENERATING, vendor_status="dreaming", recognized=False)
FINISHED = replace(
    QUEUED, status=GenerationStatus.FINISHED, vendor_status="succeeded", video_url="https://cdn.example/v.mp4"
)
FAILED = replace(QUEUED, status=GenerationStatus.FAILED, vendor_status="error", error="The model broke.")

STILL_RUNNING = {"queued": QUEUED, "generating": GENERATING, "unknown status word": UNKNOWN_WORD}
NO_ANSWER = {
    "5xx": PixverseUnavailableError("aimlapi answered HTTP 503"),
    "timeout or reset": PixverseUnavailableError("aimlapi did not answer: ReadTimeout"),
    "never reached": PixverseNotSentError("aimlapi could not be reached: ConnectError"),
    "HTML instead of JSON": PixverseUnavailableError("aimlapi answered HTTP 200 with no JSON object"),
    "rate limit": PixverseRateLimitError("slower"),
    # A look is free of charge: no credits is no reason to lose a video that is paid for.
    "no credits": PixverseCreditsError("top up"),
    # A login page, a proxy, a key that is being rotated: whatever can pass on the way is waited out.
    "key refused": PixverseAuthError("wrong key"),
    "invalid request": PixverseRequestError("no such host"),
    "ambiguous": PixverseAmbiguousSubmitError("what"),
    "timeout": PixverseTimeout("late"),
    "download": PixverseDownloadError("broke off"),
    "record": PixverseRecordError("damaged"),
    "wrong account": PixverseWrongAccountError("elsewhere"),
}
FAILURES = {name: look for name, look in NO_ANSWER.items() if name != "rate limit"}
NO_USE_LOOKING = {
    "moderation refuses": PixverseModerationError("no"),
    "expired or deleted": PixverseGoneError("deleted"),
    "generation failed at the vendor": PixverseGenerationFailed("broke"),
    "finished but no video URL": PixverseResponseError("where is it"),
}


def at(seconds: float, look: Look, watch: Watch = WATCH) -> Decision:
    return decide(watch, look, now=BEGAN + seconds)


def waits(decision: Decision) -> Wait:
    assert isinstance(decision, Wait)
    return decision


def gives_up(decision: Decision) -> PixverseError:
    assert isinstance(decision, GiveUp)
    return decision.error


def rows(table: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("look", table.values(), ids=table.keys())


def test_every_error_has_a_row_in_one_of_the_tables() -> None:
    listed = {type(look) for look in (*NO_ANSWER.values(), *NO_USE_LOOKING.values())}
    every = {kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)}
    assert listed | {PixverseNotFoundError, PixverseError} == every


@rows(STILL_RUNNING)
def test_still_running_is_looked_at_again_after_the_interval(look: Look) -> None:
    assert at(0, look) == Wait(INTERVAL, WATCH)


def test_unknown_status_word_is_treated_as_still_running_until_the_deadline() -> None:
    assert at(TIMEOUT - 1, UNKNOWN_WORD) == Wait(1.0, WATCH)
    error = gives_up(at(TIMEOUT, UNKNOWN_WORD))
    assert isinstance(error, PixverseTimeout)
    assert "unknown status 'dreaming'" in str(error)


def test_finished_is_delivered() -> None:
    assert at(0, FINISHED) == Deliver(FINISHED)


def test_finished_is_delivered_however_late() -> None:
    assert at(TIMEOUT + 9999, FINISHED) == Deliver(FINISHED)


@pytest.mark.parametrize("url", [None, ""])
def test_finished_but_no_video_url_is_an_error_and_not_another_poll(url: str | None) -> None:
    error = gives_up(at(0, replace(FINISHED, video_url=url)))
    assert type(error) is PixverseResponseError
    assert error.generation_id == "gen-1"
    assert "gen-1" in error.message


def test_generation_failed_at_the_vendor_is_raised_with_the_vendors_words() -> None:
    error = gives_up(at(0, FAILED))
    assert type(error) is PixverseGenerationFailed
    assert error.generation_id == "gen-1"
    assert "The model broke." in error.message
    assert "retry submits it anew" in error.message


def test_generation_failed_without_a_reason_is_raised_with_the_vendors_status() -> None:
    assert "status 'error', without a reason" in gives_up(at(0, replace(FAILED, error=None))).message


def test_moderation_refuses_the_output() -> None:
    error = gives_up(at(0, replace(FAILED, moderated=True, error="Flagged as sensitive.")))
    assert type(error) is PixverseModerationError
    assert error.generation_id == "gen-1"
    assert "Flagged as sensitive." in error.message


def test_a_failure_is_told_as_such_after_the_deadline_too() -> None:
    assert type(gives_up(at(TIMEOUT + 1, FAILED))) is PixverseGenerationFailed


@rows(NO_ANSWER)
def test_poll_fails_and_is_polled_again(look: Look) -> None:
    decision = waits(at(0, look))
    assert decision.seconds == INTERVAL
    assert waits(at(INTERVAL, GENERATING, decision.watch)).watch == WATCH


@rows(FAILURES)
def test_polls_that_fail_again_and_again_back_off(look: Look) -> None:
    now, watch, pauses = 0.0, WATCH, []
    for _ in range(5):
        decision = waits(at(now, look, watch))
        now, watch = now + decision.seconds, decision.watch
        pauses.append(decision.seconds)
    assert pauses == [INTERVAL, 2 * INTERVAL, 4 * INTERVAL, 4 * INTERVAL, 4 * INTERVAL]
    # One answer, and it is as if nothing had been.
    assert waits(at(now, GENERATING, watch)) == Wait(INTERVAL, WATCH)


@pytest.mark.parametrize(("interval", "longest"), [(0.1, 0.4), (10.0, 40.0), (30.0, 60.0), (300.0, 300.0)])
def test_a_back_off_is_bounded(interval: float, longest: float) -> None:
    watch = replace(WATCH, poll_interval=interval, failures=1000)
    assert waits(at(0, PixverseUnavailableError("HTTP 503"), watch)).seconds == pytest.approx(longest)


@rows(FAILURES | {"429": PixverseRateLimitError("slower", retry_after=45.0)})
def test_those_whom_the_same_trouble_met_do_not_come_back_together(look: Look) -> None:
    seconds = [waits(decide(WATCH, look, now=BEGAN, chance=share / 10)).seconds for share in range(11)]
    assert seconds == sorted(set(seconds))
    assert seconds[0] == waits(at(0, look)).seconds
    assert INTERVAL / 4 <= seconds[-1] - seconds[0] <= INTERVAL


def test_without_trouble_nothing_is_left_to_chance() -> None:
    assert decide(WATCH, GENERATING, now=BEGAN, chance=1.0) == decide(WATCH, GENERATING, now=BEGAN)


@rows(NO_ANSWER)
def test_poll_fails_until_the_deadline_and_never_fails_the_task_by_itself(look: Look) -> None:
    now, watch, looks = 0.0, WATCH, 0
    while isinstance(decision := at(now, look, watch), Wait):
        now, watch, looks = now + decision.seconds, decision.watch, looks + 1
    assert now == TIMEOUT
    assert looks >= TIMEOUT / (4 * INTERVAL)
    error = gives_up(decision)
    assert type(error) is (PixverseAuthError if isinstance(look, PixverseAuthError) else PixverseTimeout)
    assert str(look) in error.message


@rows(NO_USE_LOOKING)
def test_what_a_further_look_cannot_change_ends_the_wait(look: PixverseError) -> None:
    assert gives_up(at(0, look)) is look


def test_a_key_refused_until_the_deadline_names_the_id_and_what_a_retry_does() -> None:
    error = gives_up(at(TIMEOUT, PixverseAuthError("wrong key")))
    assert type(error) is PixverseAuthError
    assert error.generation_id == "gen-1"
    for said in ("gen-1", "paid for", "wrong key", "a retry polls the same generation again"):
        assert said in error.message


@rows({**STILL_RUNNING, **{name: look for name, look in NO_ANSWER.items() if name != "key refused"}})
def test_timeout_reached_names_the_id_and_that_the_job_goes_on(look: Look) -> None:
    error = gives_up(at(TIMEOUT, look))
    assert type(error) is PixverseTimeout
    assert error.generation_id == "gen-1"
    assert "gen-1" in error.message
    assert "not cancelled" in error.message
    assert "A retry goes on waiting for the same generation" in error.message


@rows({**STILL_RUNNING, **NO_ANSWER})
def test_the_last_look_falls_on_the_deadline(look: Look) -> None:
    assert waits(at(TIMEOUT - 0.5, look)).seconds == 0.5


@rows({**STILL_RUNNING, **NO_ANSWER})
def test_triggerer_restarts_and_the_deadline_does_not_start_over(look: Look) -> None:
    assert waits(at(TIMEOUT / 2, look)).watch.deadline == WATCH.deadline


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({}, INTERVAL),
        ({"retry_after": 3.0}, INTERVAL),
        ({"retry_after": 45.0}, 45.0),
        ({"retry_at": BEGAN + 100.0}, 100.0),
        ({"retry_at": BEGAN - 100.0}, INTERVAL),
        ({"retry_after": LONGEST_PAUSE}, LONGEST_PAUSE),
        ({"retry_after": 999_999.0}, INTERVAL),
        ({"retry_after": float("inf")}, INTERVAL),
        ({"retry_at": 1e300}, INTERVAL),
    ],
)
def test_rate_limit_on_a_poll_waits_as_told_but_not_past_the_deadline(
    told: dict[str, float], seconds: float
) -> None:
    assert at(0, PixverseRateLimitError("slower", **told)) == Wait(seconds, WATCH)


@pytest.mark.parametrize("look", [PixverseNotFoundError("what"), PixverseGoneError("deleted")])
def test_an_id_is_unknown_only_where_it_was_bought(look: PixverseError) -> None:
    error = gives_up(at(0, look, replace(WATCH, bought_here=False)))
    assert type(error) is PixverseWrongAccountError
    assert error.generation_id == "gen-1"
    assert "paid for" in error.message


UNKNOWN_ID = PixverseNotFoundError("no such generation", generation_id="gen-1")


def test_poll_says_unknown_id_and_is_not_believed_at_first() -> None:
    decision = waits(at(3, UNKNOWN_ID))
    assert decision.seconds == INTERVAL
    assert decision.watch == replace(WATCH, missing_since=BEGAN + 3)


@pytest.mark.parametrize(
    ("later", "believed"),
    [(10.0, False), (GRACE - 0.1, False), (GRACE, True), (GRACE + 5, True)],
)
def test_poll_says_unknown_id_for_so_long_that_it_is_believed(later: float, believed: bool) -> None:
    missing = waits(at(3, UNKNOWN_ID)).watch
    decision = at(3 + later, UNKNOWN_ID, missing)
    if believed:
        assert gives_up(decision) is UNKNOWN_ID
    else:
        assert waits(decision).watch == missing


@rows({**STILL_RUNNING})
def test_poll_says_unknown_id_once_and_knows_it_again(look: Look) -> None:
    missing = waits(at(3, UNKNOWN_ID)).watch
    found = waits(at(13, look, missing)).watch
    assert found == WATCH
    assert waits(at(500, UNKNOWN_ID, found)).watch.missing_since == BEGAN + 500


@rows(NO_ANSWER)
def test_poll_fails_between_two_unknown_ids_and_they_count_as_one(look: Look) -> None:
    missing = waits(at(3, UNKNOWN_ID)).watch
    unanswered = waits(at(13, look, missing)).watch
    assert unanswered.missing_since == missing.missing_since
    assert gives_up(at(3 + GRACE, UNKNOWN_ID, unanswered)) is UNKNOWN_ID


def test_poll_says_unknown_id_at_the_deadline_and_is_not_waited_for() -> None:
    error = gives_up(at(TIMEOUT, UNKNOWN_ID))
    assert error.generation_id == "gen-1"
    assert waits(at(TIMEOUT - 1, UNKNOWN_ID)).seconds == 1.0


@pytest.mark.parametrize("seconds", [-50.0, 0.0])
def test_a_deadline_that_has_passed_never_gives_a_negative_wait(seconds: float) -> None:
    watch = replace(WATCH, deadline=BEGAN + seconds)
    for look in (*STILL_RUNNING.values(), *NO_ANSWER.values(), UNKNOWN_ID):
        gives_up(at(0, look, watch))


@pytest.mark.parametrize(
    ("look", "word"),
    [
        (QUEUED, "queued"),
        (replace(QUEUED, vendor_status="waiting"), "queued"),
        (GENERATING, "generating"),
        (UNKNOWN_WORD, "unknown"),
        (replace(UNKNOWN_WORD, vendor_status="73 %"), "unknown"),
        (FINISHED, "finished"),
        (FAILED, "failed"),
        (PixverseAuthError("HTTP 401, request 1"), "PixverseAuthError"),
        (PixverseAuthError("HTTP 401, request 2"), "PixverseAuthError"),
        (PixverseUnavailableError("HTTP 503", generation_id="gen-1"), "PixverseUnavailableError"),
        (PixverseUnavailableError("HTTP 502"), "PixverseUnavailableError"),
        (PixverseNotSentError("ConnectError"), "PixverseNotSentError"),
    ],
)
def test_how_a_look_went_is_the_same_word_as_long_as_nothing_changed(look: Look, word: str) -> None:
    assert condition(look) == word


# --- the first look ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shortest", "timeout", "seconds"),
    [(17.0, 1800.0, 17.0), (17.0, 34.0, 17.0), (17.0, 3.0, 1.5), (17.0, 0.2, 0.1), (0.0, 1800.0, 0.0)],
)
def test_a_short_timeout_is_not_slept_away(shortest: float, timeout: float, seconds: float) -> None:
    assert not_before(shortest, timeout=timeout, now=BEGAN) == BEGAN + seconds


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_first_look_comes_when_a_video_can_be_ready(chance: float) -> None:
    assert first_look(WATCH, not_before=BEGAN + 17, now=BEGAN, chance=chance) == 17
    assert first_look(WATCH, not_before=BEGAN + 17, now=BEGAN + 16, chance=chance) == 1


@pytest.mark.parametrize("passed", [0.0, 5.0, 5000.0])
def test_where_it_could_be_ready_already_waits_are_spread_over_the_interval(passed: float) -> None:
    watch = replace(WATCH, deadline=BEGAN + 10_000)
    firsts = [
        first_look(watch, not_before=BEGAN, now=BEGAN + passed, chance=share / 10) for share in range(11)
    ]
    assert firsts == [pytest.approx(share * INTERVAL / 10) for share in range(11)]


@pytest.mark.parametrize("not_before", [0.0, BEGAN + 1, BEGAN + 17, BEGAN + 10_000])
@pytest.mark.parametrize("timeout", [-5.0, 0.0, 0.1, 3.0, 1800.0])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_the_first_look_is_not_after_the_deadline(not_before: float, timeout: float, chance: float) -> None:
    watch = replace(WATCH, deadline=BEGAN + timeout, poll_interval=10_000.0)
    assert 0 <= first_look(watch, not_before=not_before, now=BEGAN, chance=chance) <= max(0.0, timeout) + 1e-9


# --- what holds for all waits of a connection ----------------------------------------------------------


def paused(look: Look, *so_far: Pause, at: float = 0.0, began: float | None = None) -> Pause:
    sent = BEGAN + (at if began is None else began)
    return pause(*(so_far or (Pause(),)), watch=WATCH, look=look, began=sent, now=BEGAN + at)


def told(seconds: float) -> PixverseRateLimitError:
    return PixverseRateLimitError("slower", retry_after=seconds)


PLAIN = PixverseRateLimitError("slower")


def test_all_wait_as_long_as_the_gateway_said() -> None:
    assert paused(told(45)).until == BEGAN + 45
    assert paused(PixverseRateLimitError("slower", retry_at=BEGAN + 100)).until == BEGAN + 100


def test_a_shorter_word_does_not_end_a_longer_pause() -> None:
    assert paused(told(5), paused(told(45)), at=1).until == BEGAN + 45
    assert paused(told(60), paused(told(45)), at=1).until == BEGAN + 61


def test_a_gateway_that_says_a_year_is_mistaken() -> None:
    assert paused(told(31_536_000)) == paused(PLAIN)
    assert paused(told(LONGEST_PAUSE)).until == BEGAN + LONGEST_PAUSE


def test_refusals_without_a_word_on_when_to_come_back_pause_longer_each_time() -> None:
    so_far, pauses = Pause(), []
    for _ in range(4):
        began = max(0.0, so_far.until - BEGAN)
        so_far = paused(PLAIN, so_far, at=began)
        pauses.append(so_far.until - BEGAN - began)
    assert pauses == [INTERVAL, 2 * INTERVAL, 4 * INTERVAL, 4 * INTERVAL]
    assert paused(GENERATING, so_far).refusals == 0


def test_those_refused_together_count_once() -> None:
    first = paused(PLAIN, at=1)
    for sent in (0.0, 0.5, 1.0):
        assert paused(PLAIN, first, at=2, began=sent) == first


@rows({**STILL_RUNNING, **FAILURES, "unknown id": UNKNOWN_ID})
def test_nothing_else_makes_the_others_wait(look: Look) -> None:
    assert paused(look).until == 0
    assert paused(look, paused(told(45))).until == BEGAN + 45
