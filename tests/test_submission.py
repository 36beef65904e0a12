# SPDX-License-Identifier: Apache-2.0
"""What follows from each attempt to buy one video."""

from __future__ import annotations

import inspect
import itertools
from dataclasses import FrozenInstanceError, replace
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
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Generation, GenerationStatus
from airflow_provider_pixverse.requests import ImageToVideo, TextToVideo, build
from airflow_provider_pixverse.submission import (
    LOOK_UP_DELAYS,
    SAFE_REPEATS,
    UNREACHED_SENDS,
    Absent,
    Accepted,
    Ask,
    Attempts,
    Delivered,
    Intended,
    LookUp,
    Outcome,
    Send,
    Step,
    Stop,
    Submitted,
    decide,
    decide_on_look_up,
    fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGAN = 1000.0
KEY = "6f1f7a52-0000-4000-8000-000000000001"
ONE_TRY = Attempts(KEY, deadline=BEGAN + 1800.0)
WITH_RECORDS = replace(ONE_TRY, can_look_up=True)
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
    "finished without URL": PixverseResponseError("where"),
    "failed": PixverseGenerationFailed("broke"),
    "timeout": PixverseTimeout("late"),
    "download": PixverseDownloadError("broke off"),
}


def rows(table: dict[str, Any], name: str = "outcome") -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, table.values(), ids=table.keys())


def play(
    attempts: Attempts, sends: Iterable[Outcome], looks: Iterable[LookUp] = (), *, now: float = BEGAN
) -> list[Step]:
    """Carry out what is decided, with these answers to each send and look, to the last step."""
    answers, found = iter(sends), iter(looks)
    steps = [decide(attempts, next(answers), now=now)]
    while isinstance(step := steps[-1], Send | Ask):
        now += step.seconds
        if isinstance(step, Send):
            steps.append(decide(step.attempts, next(answers), now=now))
        else:
            steps.append(decide_on_look_up(step.attempts, next(found), now=now))
    return steps


def course(steps: list[Step]) -> list[tuple[str, float] | str]:
    return [
        (type(step).__name__, step.seconds) if isinstance(step, Send | Ask) else type(step).__name__
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
    assert decide(attempts, ACCEPTED, now=BEGAN) == Accepted(ACCEPTED)


@EVERY_GATEWAY
def test_an_id_that_comes_after_the_deadline_is_not_lost(attempts: Attempts) -> None:
    assert decide(attempts, ACCEPTED, now=attempts.deadline + 1) == Accepted(ACCEPTED)
    assert decide_on_look_up(attempts, ACCEPTED, now=attempts.deadline + 1) == Accepted(ACCEPTED)


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
        ({}, 1.0),
    ],
)
@EVERY_GATEWAY
def test_429_on_submit_waits_as_told(attempts: Attempts, told: dict[str, float], seconds: float) -> None:
    step = decide(attempts, PixverseRateLimitError("slower", **told), now=BEGAN)
    assert isinstance(step, Send)
    assert (step.seconds, step.reason) == (seconds, "slower")


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


@pytest.mark.xfail(strict=True, raises=OverflowError, reason="the back-off is computed before it is capped")
def test_429_on_submit_backs_off_after_any_number_of_refusals() -> None:
    step = decide(replace(ONE_TRY, refused=2000), BUSY, now=BEGAN)
    assert isinstance(step, Send)
    assert step.seconds == 60.0


# submit sent, no answer: the vendor's way to find out first; still unknown: on_ambiguous_submit


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_asks_the_vendors_records_first(outcome: PixverseError) -> None:
    for choice in ("fail", "resubmit"):
        step = decide(replace(WITH_RECORDS, on_ambiguous_submit=choice), outcome, now=BEGAN)
        assert isinstance(step, Ask)
        assert step.seconds == LOOK_UP_DELAYS[0] > 0
        assert step.reason == str(outcome)


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_is_found_in_the_records(outcome: PixverseError) -> None:
    steps = play(WITH_RECORDS, [outcome], [Absent(), Absent(), ACCEPTED])
    assert course(steps) == [("Ask", 2.0), ("Ask", 4.0), ("Ask", 8.0), "Accepted"]
    assert steps[-1] == Accepted(ACCEPTED)


@rows(SENT_WITHOUT_ANSWER)
def test_submit_sent_no_answer_and_never_in_the_records_stops_and_says_so(outcome: PixverseError) -> None:
    steps = play(WITH_RECORDS, [outcome], forever(Absent()))
    assert course(steps) == [*(("Ask", delay) for delay in LOOK_UP_DELAYS), "Stop"]
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
def test_records_that_lag_or_cannot_be_read_for_now_are_asked_again(unread: LookUp) -> None:
    steps = play(WITH_RECORDS, [SENT_WITHOUT_ANSWER["5xx"]], [unread, ACCEPTED])
    assert course(steps) == [("Ask", 2.0), ("Ask", 4.0), "Accepted"]


@rows({**NOTHING_WAS_BOUGHT, "not found": PixverseNotFoundError("no such log")}, "unreadable")
def test_records_that_cannot_be_read_at_all_leave_it_unknown(unreadable: PixverseError) -> None:
    doubt = SENT_WITHOUT_ANSWER["read timeout"]
    steps = play(WITH_RECORDS, [doubt], [unreadable])
    assert course(steps) == [("Ask", 2.0), "Stop"]
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert str(doubt) in str(error)


@pytest.mark.xfail(strict=True, reason='"not there" is said where it could not be found out')
@pytest.mark.parametrize(
    ("deadline", "looks"),
    [
        pytest.param(1800.0, [PixverseAuthError("wrong key")], id="the records were refused"),
        pytest.param(1800.0, [UNREACHED] * len(LOOK_UP_DELAYS), id="the records were never reached"),
        pytest.param(1.0, [], id="there was no time to look"),
    ],
)
def test_records_that_were_not_read_are_not_said_to_lack_it(deadline: float, looks: Iterable[LookUp]) -> None:
    attempts = replace(WITH_RECORDS, deadline=BEGAN + deadline)
    error = stopped(play(attempts, [SENT_WITHOUT_ANSWER["5xx"]], looks)[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert "records do not show it" not in str(error)


def test_records_are_not_asked_past_the_deadline() -> None:
    attempts = replace(WITH_RECORDS, deadline=BEGAN + 6.0)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["5xx"]], forever(Absent()))
    assert course(steps) == [("Ask", 2.0), ("Ask", 4.0), "Stop"]


# on_ambiguous_submit="resubmit"


@rows(SENT_WITHOUT_ANSWER)
def test_still_unknown_is_resubmitted_where_the_user_chose_so(outcome: PixverseError) -> None:
    steps = play(RESUBMITTING, [outcome, ACCEPTED])
    assert course(steps) == [("Send", 0.0), "Accepted"]
    assert isinstance(steps[0], Send)
    assert str(outcome) in steps[0].reason
    assert "Submitting once more as asked" in steps[0].reason


def test_still_unknown_is_resubmitted_only_after_the_records_were_asked() -> None:
    attempts = replace(RESUBMITTING, can_look_up=True)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["reset"], ACCEPTED], forever(Absent()))
    assert course(steps) == [*(("Ask", delay) for delay in LOOK_UP_DELAYS), ("Send", 0.0), "Accepted"]


@rows(SENT_WITHOUT_ANSWER)
def test_still_unknown_is_resubmitted_only_once(outcome: PixverseError) -> None:
    steps = play(RESUBMITTING, forever(outcome))
    assert course(steps) == [("Send", 0.0), "Stop"]
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert "It was submitted twice." in str(error)


def test_still_unknown_is_resubmitted_only_once_with_records_too() -> None:
    attempts = replace(RESUBMITTING, can_look_up=True)
    steps = play(attempts, forever(SENT_WITHOUT_ANSWER["5xx"]), forever(Absent()))
    asks = [("Ask", delay) for delay in LOOK_UP_DELAYS]
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


@pytest.mark.xfail(strict=True, reason="the resubmission does not heed the deadline")
@pytest.mark.parametrize("can_look_up", [False, True])
def test_nothing_is_sent_after_the_deadline_not_even_as_asked(can_look_up: bool) -> None:
    attempts = replace(RESUBMITTING, can_look_up=can_look_up)
    step = decide(attempts, SENT_WITHOUT_ANSWER["read timeout"], now=attempts.deadline + 1)
    assert type(stopped(step)) is PixverseAmbiguousSubmitError


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
    attempts = replace(REPEATABLE, can_look_up=True)
    steps = play(attempts, forever(SENT_WITHOUT_ANSWER["5xx"]), [ACCEPTED])
    assert course(steps)[-3:] == [("Send", 32.0), ("Ask", 2.0), "Accepted"]


def test_a_safe_repeat_is_not_made_past_the_deadline() -> None:
    steps = play(replace(REPEATABLE, deadline=BEGAN + 3.0), forever(SENT_WITHOUT_ANSWER["5xx"]))
    assert course(steps) == [("Send", 1.0), ("Send", 2.0), "Stop"]
    assert type(stopped(steps[-1])) is PixverseAmbiguousSubmitError


# a doubt stays


@pytest.mark.xfail(strict=True, reason="the later refusal is believed of the earlier send, too")
@pytest.mark.parametrize("attempts", [REPEATABLE, RESUBMITTING], ids=["repeated", "resubmitted"])
@pytest.mark.parametrize(
    "afterwards",
    [
        pytest.param([PixverseCreditsError("top up")], id="no credits"),
        pytest.param([PixverseAuthError("wrong key")], id="key refused"),
        pytest.param([PixverseRateLimitError("slower", retry_after=9999.0)], id="429 past the timeout"),
        pytest.param([UNREACHED] * UNREACHED_SENDS, id="connection never made"),
    ],
)
def test_what_may_have_been_bought_is_not_called_unbought_for_how_a_further_send_ended(
    attempts: Attempts, afterwards: list[Outcome]
) -> None:
    steps = play(attempts, [SENT_WITHOUT_ANSWER["read timeout"], *afterwards])
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert KEY in str(error)


def test_a_doubt_does_not_last_beyond_an_id() -> None:
    steps = play(REPEATABLE, [SENT_WITHOUT_ANSWER["reset"], BUSY, UNREACHED, ACCEPTED])
    assert steps[-1] == Accepted(ACCEPTED)


@EVERY_GATEWAY
def test_no_course_of_events_runs_for_ever(attempts: Attempts) -> None:
    answers = [UNREACHED, BUSY, *SENT_WITHOUT_ANSWER.values()]
    for order in itertools.permutations(answers, 3):
        steps = play(attempts, itertools.cycle(order), forever(Absent()))
        assert isinstance(steps[-1], Stop)
        assert len(steps) < 100


# which purchase it is


def test_the_same_request_at_the_same_place_has_the_same_fingerprint() -> None:
    def made(**fields: Any) -> str:
        request = build(TextToVideo, **{"prompt": "a dragon", "version": "v5", **fields})
        return fingerprint(request, connection="pixverse_default", gateway="aimlapi")

    assert made() == made(duration=5) == made(version="5") == made(prompt=" a dragon ")
    assert len(made()) == 64
    changed = [
        made(prompt="a cat"),
        made(duration=8),
        made(seed=1),
        made(model="pixverse/v5/text-to-video"),
        made(extra={"motion": "slow"}),
    ]
    assert len({made(), *changed}) == 6


def test_another_connection_gateway_or_task_is_another_purchase() -> None:
    text = build(TextToVideo, prompt="a dragon")
    image = build(ImageToVideo, prompt="a dragon", image="s3://bucket/cat.png")
    prints = {
        fingerprint(text, connection="one", gateway="aimlapi"),
        fingerprint(text, connection="two", gateway="aimlapi"),
        fingerprint(text, connection="one", gateway="segmind"),
        fingerprint(image, connection="one", gateway="aimlapi"),
        fingerprint(
            image.model_copy(update={"image": "s3://bucket/dog.png"}), connection="one", gateway="aimlapi"
        ),
    }
    assert len(prints) == 5


def test_the_order_of_extra_fields_does_not_matter() -> None:
    one, other = (
        build(TextToVideo, prompt="a dragon", extra=extra) for extra in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert fingerprint(one, connection="c", gateway="g") == fingerprint(other, connection="c", gateway="g")


def test_the_phases_of_a_purchase_hold_one_another() -> None:
    intended = Intended(KEY, "f" * 64, BEGAN)
    submitted = Submitted(intended, "gen-1", BEGAN + 1)
    assert Delivered(submitted, BEGAN + 90).submitted.intended is intended
    with pytest.raises(FrozenInstanceError):
        intended.key = "another"  # type: ignore[misc]
