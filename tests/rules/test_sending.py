# SPDX-License-Identifier: Apache-2.0
"""What follows from each attempt to buy one video."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
from airflow_provider_pixverse.rules.sending import (
    SAFE_REPEATS,
    UNREACHED_SENDS,
    Absent,
    Accepted,
    Attempts,
    Find,
    Outcome,
    Search,
    Send,
    Step,
    Stop,
    begin,
    decide,
    decide_on_search,
    upload_again,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DELAYS = Pace().look_up_delays
BEGAN = 1000.0
KEY = "6f1f7a52-0000-4000-8000-000000000001"
ONE_TRY = Attempts(KEY, deadline=BEGAN + 1800.0)
WITH_RECORDS = replace(ONE_TRY, can_search=True)
REPEATABLE = replace(ONE_TRY, repeats_safely=True)
RESUBMITTING = replace(ONE_TRY, on_ambiguous_submit="resubmit")

ACCEPTED = Generation("gen-1", "aimlapi", GenerationStatus.QUEUED, "queued")
UNREACHED = PixverseNotSentError("aimlapi could not be reached: ConnectError")
BUSY = PixverseRateLimitError("aimlapi takes no more requests for now")

NOTHING_WAS_BOUGHT = {
    "invalid field": PixverseRequestError("Invalid enum value"),
    "key refused": PixverseAuthError("wrong key"),
    "no credits": PixverseCreditsError("top up"),
    "moderation refuses the input": PixverseModerationError("no"),
}
SENT_WITHOUT_ANSWER = {
    "read timeout": PixverseUnavailableError("aimlapi did not answer: ReadTimeout"),
    "reset": PixverseUnavailableError("aimlapi did not answer: RemoteProtocolError"),
    "5xx": PixverseAmbiguousSubmitError("aimlapi answered the submission with HTTP 502 and no id"),
    "an empty 200": PixverseAmbiguousSubmitError("aimlapi answered the submission with HTTP 200 and no id"),
}
NOT_OF_A_SEND = {
    "not found": PixverseNotFoundError("what"),
    "gone": PixverseGoneError("deleted"),
    "wrong account": PixverseWrongAccountError("elsewhere"),
    "finished without URL": PixverseResponseError("where"),
    "failed": PixverseGenerationFailed("broke"),
    "timeout": PixverseTimeout("late"),
    "download": PixverseDownloadError("broke off"),
    "record": PixverseRecordError("damaged"),
}


def rows(table: dict[str, Any], name: str = "outcome") -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, table.values(), ids=table.keys())


def play(
    attempts: Attempts, sends: Iterable[Outcome], looks: Iterable[Search] = (), *, now: float = BEGAN
) -> list[Step]:
    """Carry out what is decided, with these answers to each send and look, to the last step."""
    answers, found = iter(sends), iter(looks)
    steps = [decide(attempts, next(answers), now=now)]
    while isinstance(step := steps[-1], Send | Find):
        now += step.seconds
        if isinstance(step, Send):
            steps.append(decide(step.attempts, next(answers), now=now))
        else:
            steps.append(decide_on_search(step.attempts, next(found)))
    return steps


def course(steps: list[Step]) -> list[tuple[str, float] | str]:
    return [
        (type(step).__name__, step.seconds) if isinstance(step, Send | Find) else type(step).__name__
        for step in steps
    ]


def sends_of(steps: list[Step]) -> int:
    return 1 + sum(isinstance(step, Send) for step in steps)


def stopped(step: Step) -> PixverseError:
    assert isinstance(step, Stop)
    return step.error


def forever(outcome: Any) -> Iterable[Any]:
    return itertools.repeat(outcome, 10_000)


def test_every_error_has_a_row_in_one_of_the_tables() -> None:
    tables = (NOTHING_WAS_BOUGHT, SENT_WITHOUT_ANSWER, NOT_OF_A_SEND)
    listed = {type(error) for table in tables for error in table.values()} | {type(UNREACHED), type(BUSY)}
    every = {kind for _, kind in inspect.getmembers(exceptions, inspect.isclass)}
    assert listed | {PixverseError} == every


EVERY_GATEWAY = pytest.mark.parametrize(
    "attempts",
    [ONE_TRY, WITH_RECORDS, REPEATABLE, RESUBMITTING],
    ids=["plain", "with records", "repeats safely", "resubmitting"],
)


@EVERY_GATEWAY
def test_an_id_ends_the_submission(attempts: Attempts) -> None:
    assert decide(attempts, ACCEPTED, now=BEGAN) == Accepted(ACCEPTED, KEY)


@EVERY_GATEWAY
def test_an_id_that_comes_after_the_deadline_is_not_lost(attempts: Attempts) -> None:
    assert decide(attempts, ACCEPTED, now=attempts.deadline + 1) == Accepted(ACCEPTED, KEY)
    assert decide_on_search(attempts, ACCEPTED) == Accepted(ACCEPTED, KEY)


@EVERY_GATEWAY
@rows({**NOTHING_WAS_BOUGHT, **NOT_OF_A_SEND})
def test_a_refusal_is_not_sent_again(attempts: Attempts, outcome: PixverseError) -> None:
    assert stopped(decide(attempts, outcome, now=BEGAN)) is outcome


# connection never made on submit: sent again


@EVERY_GATEWAY
def test_connection_never_made_on_submit_is_sent_again(attempts: Attempts) -> None:
    steps = play(attempts, [UNREACHED, UNREACHED, ACCEPTED])
    assert course(steps) == [("Send", 1.0), ("Send", 2.0), "Accepted"]
    assert isinstance(steps[0], Send)
    assert steps[0].reason == UNREACHED.message


@EVERY_GATEWAY
def test_connection_never_made_is_not_tried_for_ever_and_stays_nothing_bought(attempts: Attempts) -> None:
    steps = play(attempts, forever(UNREACHED))
    assert course(steps) == [("Send", 1.0), ("Send", 2.0), ("Send", 4.0), ("Send", 8.0), "Stop"]
    assert sends_of(steps) == UNREACHED_SENDS
    assert stopped(steps[-1]) is UNREACHED


def test_connection_never_made_is_not_tried_past_the_deadline() -> None:
    assert isinstance(decide(replace(ONE_TRY, deadline=BEGAN + 1), UNREACHED, now=BEGAN), Send)
    assert stopped(decide(replace(ONE_TRY, deadline=BEGAN + 0.9), UNREACHED, now=BEGAN)) is UNREACHED


# 429, concurrency limit, overload, on submit: nothing was bought


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({"retry_after": 17.0}, 17.0),
        ({"retry_at": BEGAN + 40.0}, 40.0),
        ({"retry_after": 1800.0}, 1800.0),
        ({"retry_after": 0.0}, 1.0),
        ({"retry_at": BEGAN - 60.0}, 1.0),
        ({}, 1.0),
    ],
)
@EVERY_GATEWAY
def test_429_on_submit_waits_as_told(attempts: Attempts, told: dict[str, float], seconds: float) -> None:
    step = decide(attempts, PixverseRateLimitError("slower", **told), now=BEGAN)
    assert isinstance(step, Send)
    assert (step.seconds, step.reason) == (seconds, "slower")


@EVERY_GATEWAY
def test_429_on_submit_that_says_come_back_at_once_backs_off_all_the_same(attempts: Attempts) -> None:
    steps = play(attempts, forever(PixverseRateLimitError("slower", retry_after=0.0)))
    delays = [step.seconds for step in steps if isinstance(step, Send)]
    assert delays[:4] == [1.0, 2.0, 4.0, 8.0]
    assert len(delays) < 40


@pytest.mark.parametrize("told", [{"retry_after": 1801.0}, {"retry_at": BEGAN + 1801.0}])
@EVERY_GATEWAY
def test_429_on_submit_waits_within_the_timeout_only(attempts: Attempts, told: dict[str, float]) -> None:
    error = PixverseRateLimitError("slower", **told)
    assert stopped(decide(attempts, error, now=BEGAN)) is error


@EVERY_GATEWAY
def test_429_on_submit_backs_off_where_nothing_is_told_until_the_timeout(attempts: Attempts) -> None:
    steps = play(attempts, forever(BUSY))
    delays = [step.seconds for step in steps if isinstance(step, Send)]
    assert delays[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert 1800 - 60 < sum(delays) <= 1800
    assert stopped(steps[-1]) is BUSY


@EVERY_GATEWAY
def test_429_on_submit_is_bought_once_the_gateway_takes_it(attempts: Attempts) -> None:
    assert course(play(attempts, [BUSY, BUSY, ACCEPTED])) == [("Send", 1.0), ("Send", 2.0), "Accepted"]


def test_429_on_submit_backs_off_after_any_number_of_refusals() -> None:
    step = decide(replace(ONE_TRY, refused=2000), BUSY, now=BEGAN)
    assert isinstance(step, Send)
    assert step.seconds == 60.0


@EVERY_GATEWAY
def test_a_submission_after_one_that_bought_nothing_is_one_of_its_own(attempts: Attempts) -> None:
    assert [step.fresh for step in play(attempts, [BUSY, BUSY, ACCEPTED])[:2]] == [True, True]  # type: ignore[union-attr]
    unreached = decide(attempts, UNREACHED, now=BEGAN)
    assert isinstance(unreached, Send)
    assert unreached.fresh


@pytest.mark.parametrize("attempts", [REPEATABLE, RESUBMITTING], ids=["repeated", "resubmitted"])
def test_what_is_in_doubt_is_sent_again_as_the_same_submission_whatever_comes_between(
    attempts: Attempts,
) -> None:
    steps = play(attempts, [SENT_WITHOUT_ANSWER["reset"], BUSY, UNREACHED, BUSY, ACCEPTED])
    sent = [step for step in steps if isinstance(step, Send)]
    assert len(sent) == 4
    assert not any(step.fresh for step in sent)


# submit sent, no answer: the vendor's way to find out first; still unknown: on_ambiguous_submit


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_asks_the_vendors_records_first(outcome: PixverseError) -> None:
    for choice in ("fail", "resubmit"):
        step = decide(replace(WITH_RECORDS, on_ambiguous_submit=choice), outcome, now=BEGAN)
        assert isinstance(step, Find)
        assert step.seconds == DELAYS[0] > 0
        assert step.reason == str(outcome)


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_is_found_in_the_records(outcome: PixverseError) -> None:
    steps = play(WITH_RECORDS, [outcome], [Absent(), Absent(), ACCEPTED])
    assert course(steps) == [("Find", 2.0), ("Find", 4.0), ("Find", 8.0), "Accepted"]
    assert steps[-1] == Accepted(ACCEPTED, KEY)


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_and_never_in_the_records_stops_and_says_so(outcome: PixverseError) -> None:
    steps = play(WITH_RECORDS, [outcome], forever(Absent()))
    assert course(steps) == [*(("Find", delay) for delay in DELAYS), "Stop"]
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    for said in (str(outcome), KEY, "may have been bought", "records do not show it", "on_ambiguous_submit"):
        assert said in str(error)


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_without_records_stops_and_says_so(outcome: PixverseError) -> None:
    error = stopped(decide(ONE_TRY, outcome, now=BEGAN))
    assert type(error) is PixverseAmbiguousSubmitError
    assert str(outcome) in str(error)
    assert KEY in str(error)
    assert "records" not in str(error)
    assert "submitted twice" not in str(error)


@pytest.mark.parametrize(
    "unread",
    [Absent(), PixverseUnavailableError("HTTP 502"), UNREACHED, PixverseRateLimitError("200 a minute")],
    ids=lambda look: type(look).__name__,
)
def test_records_that_lag_or_cannot_be_read_for_now_are_asked_again(unread: Search) -> None:
    steps = play(WITH_RECORDS, [SENT_WITHOUT_ANSWER["5xx"]], [unread, ACCEPTED])
    assert course(steps) == [("Find", 2.0), ("Find", 4.0), "Accepted"]


@rows({**NOTHING_WAS_BOUGHT, "not found": PixverseNotFoundError("no such log")}, "unreadable")
def test_records_that_cannot_be_read_at_all_leave_it_unknown(unreadable: PixverseError) -> None:
    doubt = SENT_WITHOUT_ANSWER["read timeout"]
    steps = play(WITH_RECORDS, [doubt], [unreadable])
    assert course(steps) == [("Find", 2.0), "Stop"]
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert str(doubt) in str(error)


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([PixverseAuthError("wrong key")], id="refused"),
        pytest.param([UNREACHED] * len(DELAYS), id="never reached"),
    ],
)
def test_records_that_were_not_read_are_not_said_to_lack_it(looks: Iterable[Search]) -> None:
    error = stopped(play(WITH_RECORDS, [SENT_WITHOUT_ANSWER["5xx"]], looks)[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert "records could not be read" in str(error)
    assert "records do not show it" not in str(error)


def test_records_that_were_read_once_are_said_to_lack_it_though_later_looks_failed() -> None:
    looks = [Absent(), *[UNREACHED] * (len(DELAYS) - 1)]
    error = stopped(play(WITH_RECORDS, [SENT_WITHOUT_ANSWER["5xx"]], looks)[-1])
    assert "records do not show it" in str(error)


@pytest.mark.parametrize("left", [6.0, 0.0, -3600.0])
def test_records_are_asked_whatever_the_deadline_says_since_asking_buys_nothing(left: float) -> None:
    attempts = replace(WITH_RECORDS, deadline=BEGAN + left)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["5xx"]], forever(Absent()))
    assert course(steps) == [*(("Find", delay) for delay in DELAYS), "Stop"]
    found = play(attempts, [SENT_WITHOUT_ANSWER["5xx"]], [Absent(), ACCEPTED])
    assert found[-1] == Accepted(ACCEPTED, KEY)


# on_ambiguous_submit="resubmit"


@rows(SENT_WITHOUT_ANSWER)
def test_still_unknown_is_resubmitted_where_the_user_chose_so(outcome: PixverseError) -> None:
    steps = play(RESUBMITTING, [outcome, ACCEPTED])
    assert course(steps) == [("Send", 0.0), "Accepted"]
    assert isinstance(steps[0], Send)
    assert str(outcome) in steps[0].reason
    assert "Submitting once more as asked" in steps[0].reason


def test_still_unknown_is_resubmitted_only_after_the_records_were_asked() -> None:
    attempts = replace(RESUBMITTING, can_search=True)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["reset"], ACCEPTED], forever(Absent()))
    assert course(steps) == [*(("Find", delay) for delay in DELAYS), ("Send", 0.0), "Accepted"]


@rows(SENT_WITHOUT_ANSWER)
def test_still_unknown_is_resubmitted_only_once(outcome: PixverseError) -> None:
    steps = play(RESUBMITTING, forever(outcome))
    assert course(steps) == [("Send", 0.0), "Stop"]
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert "It was submitted twice." in str(error)


def test_still_unknown_is_resubmitted_only_once_with_records_too() -> None:
    attempts = replace(RESUBMITTING, can_search=True)
    steps = play(attempts, forever(SENT_WITHOUT_ANSWER["5xx"]), forever(Absent()))
    asks = [("Find", delay) for delay in DELAYS]
    assert course(steps) == [*asks, ("Send", 0.0), *asks, "Stop"]
    assert "It was submitted twice." in str(stopped(steps[-1]))


def test_still_unknown_is_resubmitted_only_once_whatever_comes_between() -> None:
    doubt = SENT_WITHOUT_ANSWER["5xx"]
    steps = play(RESUBMITTING, [doubt, BUSY, UNREACHED, doubt, ACCEPTED])
    assert course(steps) == [("Send", 0.0), ("Send", 1.0), ("Send", 1.0), "Stop"]


def test_still_unknown_is_never_resubmitted_unasked() -> None:
    for attempts in (ONE_TRY, WITH_RECORDS):
        steps = play(attempts, forever(SENT_WITHOUT_ANSWER["5xx"]), forever(Absent()))
        assert sends_of(steps) == 1


@pytest.mark.parametrize("can_search", [False, True])
def test_what_the_user_chose_is_done_though_the_searches_outlast_the_timeout(can_search: bool) -> None:
    attempts = replace(RESUBMITTING, can_search=can_search, deadline=BEGAN + 1)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["read timeout"], ACCEPTED], forever(Absent()))
    assert course(steps)[-2:] == [("Send", 0.0), "Accepted"]


def test_what_an_earlier_try_resubmitted_is_not_resubmitted_again() -> None:
    used_up = replace(RESUBMITTING, resubmitted=True)
    assert type(stopped(begin(used_up, in_doubt=True, now=BEGAN))) is PixverseAmbiguousSubmitError


# a gateway where the same key buys nothing more


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_is_repeated_where_the_key_makes_that_safe(outcome: PixverseError) -> None:
    steps = play(REPEATABLE, [outcome, outcome, ACCEPTED])
    assert course(steps) == [("Send", 1.0), ("Send", 2.0), "Accepted"]
    assert isinstance(steps[0], Send)
    assert steps[0].attempts.key == KEY
    assert str(outcome) in steps[0].reason


def test_a_safe_repeat_has_an_end_too() -> None:
    steps = play(REPEATABLE, forever(SENT_WITHOUT_ANSWER["5xx"]))
    delays = [("Send", delay) for delay in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)]
    assert course(steps) == [*delays, "Stop"]
    assert len(delays) == SAFE_REPEATS
    assert type(stopped(steps[-1])) is PixverseAmbiguousSubmitError


def test_a_safe_repeat_is_followed_by_the_records_where_there_are_some() -> None:
    attempts = replace(REPEATABLE, can_search=True)
    steps = play(attempts, forever(SENT_WITHOUT_ANSWER["5xx"]), [ACCEPTED])
    assert course(steps)[-3:] == [("Send", 32.0), ("Find", 2.0), "Accepted"]


def test_a_safe_repeat_is_not_made_past_the_deadline() -> None:
    steps = play(replace(REPEATABLE, deadline=BEGAN + 3.0), forever(SENT_WITHOUT_ANSWER["5xx"]))
    assert course(steps) == [("Send", 1.0), ("Send", 2.0), "Stop"]
    assert type(stopped(steps[-1])) is PixverseAmbiguousSubmitError


# a doubt stays


@pytest.mark.parametrize("attempts", [REPEATABLE, RESUBMITTING], ids=["repeated", "resubmitted"])
@pytest.mark.parametrize(
    "afterwards",
    [
        pytest.param([PixverseRateLimitError("slower", retry_after=9999.0)], id="429 past the timeout"),
        pytest.param([UNREACHED] * UNREACHED_SENDS, id="connection never made"),
    ],
)
def test_what_may_have_been_bought_is_not_called_unbought_for_a_further_send_that_was_not_taken(
    attempts: Attempts, afterwards: list[Outcome]
) -> None:
    steps = play(attempts, [SENT_WITHOUT_ANSWER["read timeout"], *afterwards])
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert KEY in str(error)
    assert str(afterwards[-1]) in str(error)


@rows(NOTHING_WAS_BOUGHT, "refusal")
def test_what_may_have_been_bought_is_not_called_unbought_for_a_second_one_that_was_refused(
    refusal: PixverseError,
) -> None:
    steps = play(RESUBMITTING, [SENT_WITHOUT_ANSWER["read timeout"], refusal])
    assert sends_of(steps) == 2
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    for said in (KEY, str(SENT_WITHOUT_ANSWER["read timeout"]), str(refusal), "bought nothing"):
        assert said in str(error)
    assert "submitted twice" not in str(error)


@pytest.mark.parametrize(
    "refusal",
    [
        PixverseRequestError("Invalid enum value"),
        PixverseModerationError("no"),
    ],
    ids=lambda refusal: type(refusal).__name__,
)
def test_a_refusal_of_a_safe_repeat_proves_that_the_first_was_not_taken(refusal: PixverseError) -> None:
    steps = play(REPEATABLE, [SENT_WITHOUT_ANSWER["read timeout"], refusal])
    assert stopped(steps[-1]) is refusal


@pytest.mark.parametrize("refusal", [PixverseAuthError("wrong key"), PixverseCreditsError("top up")])
def test_what_is_looked_at_before_the_key_of_a_safe_repeat_proves_nothing(refusal: PixverseError) -> None:
    steps = play(REPEATABLE, [SENT_WITHOUT_ANSWER["read timeout"], refusal])
    assert type(stopped(steps[-1])) is PixverseAmbiguousSubmitError


@EVERY_GATEWAY
def test_what_an_earlier_try_left_is_a_doubt_and_not_a_refusal(attempts: Attempts) -> None:
    asking = replace(attempts, can_search=True, repeats_safely=False)
    found = begin(asking, in_doubt=True, now=BEGAN)
    assert isinstance(found, Find)
    assert (found.seconds, found.attempts.key) == (2.0, KEY)
    repeated = begin(REPEATABLE, in_doubt=True, now=BEGAN)
    assert isinstance(repeated, Send)
    assert (repeated.seconds, repeated.attempts.key, repeated.fresh) == (1.0, KEY, False)
    error = stopped(begin(ONE_TRY, in_doubt=True, now=BEGAN))
    assert type(error) is PixverseAmbiguousSubmitError
    assert "An earlier try ended while it was submitting" in str(error)


def test_a_doubt_does_not_last_beyond_an_id() -> None:
    steps = play(REPEATABLE, [SENT_WITHOUT_ANSWER["reset"], BUSY, UNREACHED, ACCEPTED])
    assert steps[-1] == Accepted(ACCEPTED, KEY)


@EVERY_GATEWAY
def test_no_course_of_events_runs_for_ever(attempts: Attempts) -> None:
    answers = [UNREACHED, BUSY, *SENT_WITHOUT_ANSWER.values()]
    for order in itertools.permutations(answers, 3):
        steps = play(attempts, itertools.cycle(order), forever(Absent()))
        assert isinstance(steps[-1], Stop)
        assert len(steps) < 100


# the key


def test_the_first_send_is_fresh_and_under_the_given_key() -> None:
    step = begin(ONE_TRY, in_doubt=False, now=BEGAN)
    assert step == Send(0.0, ONE_TRY, "", fresh=True)


@pytest.mark.parametrize("refusal", [BUSY, UNREACHED])
def test_a_vendor_that_repeats_its_refusal_of_a_key_is_given_another_that_the_decision_names(
    refusal: PixverseError,
) -> None:
    step = decide(REPEATABLE, refusal, now=BEGAN)
    assert isinstance(step, Send)
    assert step.fresh
    assert step.attempts.key != KEY
    again = decide(REPEATABLE, refusal, now=BEGAN)
    assert isinstance(again, Send)
    assert again.attempts.key == step.attempts.key
    assert decide(step.attempts, ACCEPTED, now=BEGAN) == Accepted(ACCEPTED, step.attempts.key)


@pytest.mark.parametrize("refusal", [BUSY, UNREACHED])
def test_what_is_in_doubt_keeps_its_key(refusal: PixverseError) -> None:
    doubtful = decide(REPEATABLE, SENT_WITHOUT_ANSWER["reset"], now=BEGAN)
    assert isinstance(doubtful, Send)
    step = decide(doubtful.attempts, refusal, now=BEGAN)
    assert isinstance(step, Send)
    assert (step.fresh, step.attempts.key) == (False, KEY)


# uploads, which buy nothing


@pytest.mark.parametrize(
    ("error", "times", "seconds"),
    [
        (BUSY, 0, 1.0),
        (BUSY, 20, 60.0),
        (PixverseRateLimitError("slower", retry_after=30.0), 0, 30.0),
        (PixverseRateLimitError("slower", retry_after=9999.0), 0, None),
        (UNREACHED, 0, 1.0),
        (SENT_WITHOUT_ANSWER["reset"], 2, 4.0),
        (UNREACHED, UNREACHED_SENDS - 1, None),
        (PixverseRequestError("too large"), 0, None),
        (PixverseAuthError("wrong key"), 0, None),
        (PixverseModerationError("no"), 0, None),
    ],
)
def test_an_upload_is_repeated_if_that_may_help(
    error: PixverseError, times: int, seconds: float | None
) -> None:
    found = upload_again(error, times, deadline=BEGAN + 1800, now=BEGAN, pace=Pace())
    assert found == seconds
