# SPDX-License-Identifier: Apache-2.0
"""What follows from each attempt to buy one video, and what a next try makes of what earlier ones left."""

from __future__ import annotations

import inspect
import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

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
    PixverseRecordError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Generation, GenerationStatus
from airflow_provider_pixverse.requests import ImageToVideo, LipSync, TextToVideo, Transition, build
from airflow_provider_pixverse.submission import (
    LOOK_UP_DELAYS,
    SAFE_REPEATS,
    UNREACHED_SENDS,
    Absent,
    Accepted,
    Ask,
    Attach,
    Attempts,
    Begin,
    Delivered,
    FindOut,
    Intended,
    LookUp,
    Lost,
    NextTry,
    Outcome,
    Record,
    Repeat,
    Send,
    Step,
    Stop,
    Submitted,
    decide,
    decide_on_look_up,
    decode,
    encode,
    fingerprint,
    lost,
    next_try,
    unfinished,
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
    "record": PixverseRecordError("damaged"),
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
    assert [step.anew for step in play(attempts, [BUSY, BUSY, ACCEPTED])[:2]] == [True, True]  # type: ignore[union-attr]
    unreached = decide(attempts, UNREACHED, now=BEGAN)
    assert isinstance(unreached, Send)
    assert unreached.anew


@pytest.mark.parametrize("attempts", [REPEATABLE, RESUBMITTING], ids=["repeated", "resubmitted"])
def test_what_is_in_doubt_is_sent_again_as_the_same_submission_whatever_comes_between(
    attempts: Attempts,
) -> None:
    steps = play(attempts, [SENT_WITHOUT_ANSWER["reset"], BUSY, UNREACHED, BUSY, ACCEPTED])
    sent = [step for step in steps if isinstance(step, Send)]
    assert len(sent) == 4
    assert not any(step.anew for step in sent)


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


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([PixverseAuthError("wrong key")], id="refused"),
        pytest.param([UNREACHED] * len(LOOK_UP_DELAYS), id="never reached"),
    ],
)
def test_records_that_were_not_read_are_not_said_to_lack_it(looks: Iterable[LookUp]) -> None:
    error = stopped(play(WITH_RECORDS, [SENT_WITHOUT_ANSWER["5xx"]], looks)[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert "records could not be read" in str(error)
    assert "records do not show it" not in str(error)


def test_records_that_were_read_once_are_said_to_lack_it_though_later_looks_failed() -> None:
    looks = [Absent(), *[UNREACHED] * (len(LOOK_UP_DELAYS) - 1)]
    error = stopped(play(WITH_RECORDS, [SENT_WITHOUT_ANSWER["5xx"]], looks)[-1])
    assert "records do not show it" in str(error)


@pytest.mark.parametrize("left", [6.0, 0.0, -3600.0])
def test_records_are_asked_whatever_the_deadline_says_since_asking_buys_nothing(left: float) -> None:
    attempts = replace(WITH_RECORDS, deadline=BEGAN + left)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["5xx"]], forever(Absent()))
    assert course(steps) == [*(("Ask", delay) for delay in LOOK_UP_DELAYS), "Stop"]
    found = play(attempts, [SENT_WITHOUT_ANSWER["5xx"]], [Absent(), ACCEPTED])
    assert found[-1] == Accepted(ACCEPTED)


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


@pytest.mark.parametrize("can_look_up", [False, True])
def test_nothing_is_sent_after_the_deadline_not_even_as_asked(can_look_up: bool) -> None:
    attempts = replace(RESUBMITTING, can_look_up=can_look_up, deadline=BEGAN - 1)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["read timeout"]], forever(Absent()))
    assert sends_of(steps) == 1
    error = stopped(steps[-1])
    assert type(error) is PixverseAmbiguousSubmitError
    assert "submitted twice" not in str(error)


def test_time_that_runs_out_over_the_records_leaves_none_to_resubmit() -> None:
    attempts = replace(RESUBMITTING, can_look_up=True, deadline=BEGAN + sum(LOOK_UP_DELAYS) - 1)
    steps = play(attempts, [SENT_WITHOUT_ANSWER["reset"]], forever(Absent()))
    assert course(steps) == [*(("Ask", delay) for delay in LOOK_UP_DELAYS), "Stop"]


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
    asking = replace(attempts, can_look_up=True, repeats_safely=False)
    assert course(play(asking, [unfinished()], [ACCEPTED])) == [("Ask", 2.0), "Accepted"]
    assert course(play(REPEATABLE, [unfinished(), ACCEPTED])) == [("Send", 1.0), "Accepted"]
    error = stopped(decide(ONE_TRY, unfinished(), now=BEGAN))
    assert type(error) is PixverseAmbiguousSubmitError
    assert "An earlier try ended while it was submitting" in str(error)


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


S3 = "https://bucket.s3.amazonaws.com/cat.png"
SIGNED = {
    "Amazon": f"{S3}?X-Amz-Date={{0}}&X-Amz-Expires=3600&X-Amz-Security-Token={{0}}&X-Amz-Signature={{0}}",
    "Amazon, version 2": f"{S3}?AWSAccessKeyId=AKIA&Expires={{0}}&Signature={{0}}",
    "Google": "https://storage.googleapis.com/b/cat.png?X-Goog-Date={0}&X-Goog-Signature={0}",
    "Azure": "https://a.blob.core.windows.net/b/cat.png?sv=2024-11-04&se={0}&sr=b&sp=r&sig={0}",
    "CloudFront": "https://d1.cloudfront.net/cat.png?Expires={0}&Signature={0}&Key-Pair-Id=K{0}",
}


def picture_print(image: str) -> str:
    request = build(ImageToVideo, prompt="a dragon", image=image)
    return fingerprint(request, connection="c", gateway="g")


@pytest.mark.parametrize("url", SIGNED.values(), ids=SIGNED.keys())
def test_a_url_that_is_signed_anew_in_each_try_still_asks_for_the_same_video(url: str) -> None:
    assert picture_print(url.format("20260101")) == picture_print(url.format("20260102"))
    assert picture_print(url.format(1)) != picture_print(url.format(1).replace("cat", "dog"))


@pytest.mark.parametrize(
    "other",
    [
        f"{S3}?versionId=2",
        f"{S3}?versionId=1&crop=face",
        f"{S3}?versionId=1#face",
        S3,
        "http://bucket.s3.amazonaws.com/cat.png?versionId=1",
    ],
)
def test_what_else_a_url_says_is_part_of_the_request(other: str) -> None:
    assert picture_print(f"{S3}?versionId=1") != picture_print(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/cat.png?Signature=1", "s3://bucket/cat.png?Signature=2"),
        ("/data/cat.png", "/data/dog.png"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,BBBB"),
    ],
)
def test_only_a_url_has_a_signature(one: str, other: str) -> None:
    assert picture_print(one) != picture_print(other)


def test_every_medium_of_a_request_counts() -> None:
    def made(first: str, last: str) -> str:
        request = build(Transition, prompt="a dragon", first_frame=first, last_frame=last)
        return fingerprint(request, connection="c", gateway="g")

    assert len({made("a.png", "b.png"), made("b.png", "a.png"), made("a.png", "a.png")}) == 3
    signed = f"{S3}?Signature={{}}"
    assert made(signed.format(1), signed.format(2)) == made(signed.format(3), signed.format(4))


def test_a_medium_that_was_not_given_has_no_signature() -> None:
    request = build(LipSync, video=S3, speech="Hello")
    assert len(fingerprint(request, connection="c", gateway="g")) == 64


# the record: its phases and its stored form

INTENDED = Intended(key=KEY, fingerprint="f" * 64, intended_at=BEGAN)
SUBMITTED = Submitted(
    intended=INTENDED,
    generation_id="gen-1",
    submission={"generation_id": "gen-1", "submitted_at": "2026-01-01T00:00:00+00:00", "cost": None},
)
DELIVERED = Delivered(submitted=SUBMITTED, clears=0, result={"generation_id": "gen-1", "output_path": "x"})
LOST = Lost(submitted=SUBMITTED, clears=0)
RECORDS: dict[str, Record] = {
    "intended": INTENDED,
    "submitted": SUBMITTED,
    "delivered": DELIVERED,
    "lost": LOST,
}


@rows(RECORDS, "record")
def test_a_record_is_read_as_it_was_stored(record: Record) -> None:
    stored = json.loads(json.dumps(encode(record), allow_nan=False))
    assert decode(stored) == record
    assert type(decode(stored)) is type(record)


@rows(RECORDS, "record")
def test_a_record_is_not_changed_afterwards(record: Record) -> None:
    for field in type(record).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(record, field, "another")


@rows(RECORDS, "record")
def test_a_record_of_a_later_release_may_say_more(record: Record) -> None:
    assert decode({**encode(record), "note": "new"}) == record


DAMAGED: dict[str, object] = {
    "null": None,
    "an empty object": {},
    "an empty text": "",
    "a text": "gen-1",
    "a list": [encode(SUBMITTED)],
    "a number": 5,
    "JSON that was not decoded": json.dumps(encode(SUBMITTED)),
    "of another provider": {"job_id": "gen-1", "state": "submitted"},
    "no phase": {name: value for name, value in encode(SUBMITTED).items() if name != "phase"},
    "an unknown phase": {**encode(SUBMITTED), "phase": "refunded"},
    "a phase that is no word": {**encode(SUBMITTED), "phase": None},
    "a phase it has not the fields of": {**encode(INTENDED), "phase": "submitted"},
    "a delivery of nothing": {**encode(DELIVERED), "submitted": None},
    "a delivery of an intention": {**encode(DELIVERED), "submitted": encode(INTENDED)},
    "a submission without an intention": {**encode(SUBMITTED), "intended": {}},
    "an id that is none": {**encode(SUBMITTED), "generation_id": None},
    "a moment in words": {**encode(INTENDED), "intended_at": "yesterday"},
    "clears in words": {**encode(LOST), "clears": "often"},
    "a result that is none": {**encode(DELIVERED), "result": None},
    **{
        f"{phase} without {field}": {name: value for name, value in encode(record).items() if name != field}
        for phase, record in RECORDS.items()
        for field in encode(record)
        if field != "phase"
    },
}


@rows(DAMAGED, "stored")
def test_a_damaged_record_is_an_error_and_not_an_absence(stored: object) -> None:
    with pytest.raises(PixverseRecordError, match="not known whether this video is paid for") as caught:
        decode(stored)
    assert "Nothing was bought" in str(caught.value)
    assert caught.value.__cause__ is None


# what a next try does with what earlier ones left


def after(record: Record | None, *, changed: bool = False, cleared: bool = False) -> NextTry:
    now = "a" * 64 if changed else INTENDED.fingerprint
    return next_try(record, fingerprint=now, clears=int(cleared))


TRIES = [
    # what is found, changed since, cleared since, what is done
    (None, False, False, Begin()),
    (None, False, True, Begin()),
    (None, True, False, Begin()),
    (INTENDED, False, False, FindOut(INTENDED)),
    (INTENDED, False, True, FindOut(INTENDED)),
    (SUBMITTED, False, False, Attach(SUBMITTED)),
    (SUBMITTED, False, True, Attach(SUBMITTED)),
    (DELIVERED, False, False, Repeat(DELIVERED)),
    (DELIVERED, False, True, Begin()),
]


@pytest.mark.parametrize(("record", "changed", "cleared", "done"), TRIES)
def test_a_next_try_goes_on_where_the_last_one_ended(
    record: Record | None, changed: bool, cleared: bool, done: NextTry
) -> None:
    assert after(record, changed=changed, cleared=cleared) == done


@pytest.mark.parametrize(
    ("record", "cleared", "named"),
    [
        (INTENDED, False, KEY),
        (INTENDED, True, KEY),
        (SUBMITTED, False, "gen-1"),
        (SUBMITTED, True, "gen-1"),
        (DELIVERED, False, "gen-1"),
        (DELIVERED, True, "gen-1"),
    ],
)
def test_a_changed_request_is_a_new_video_and_a_warning_that_names_the_old(
    record: Record, cleared: bool, named: str
) -> None:
    begin = after(record, changed=True, cleared=cleared)
    assert isinstance(begin, Begin)
    assert named in begin.warning
    assert "changed" in begin.warning


@pytest.mark.parametrize("changed", [False, True])
def test_what_was_lost_stops_every_retry_with_its_id(changed: bool) -> None:
    error = after(LOST, changed=changed)
    assert isinstance(error, Stop)
    assert type(error.error) is PixverseNotFoundError
    assert error.error.generation_id == "gen-1"


@pytest.mark.parametrize("changed", [False, True])
def test_what_was_lost_is_bought_again_once_the_task_is_cleared(changed: bool) -> None:
    begin = after(LOST, changed=changed, cleared=True)
    assert isinstance(begin, Begin)
    assert "gen-1" in begin.warning


def test_a_clear_is_told_from_the_one_before() -> None:
    cleared_once = DELIVERED.model_copy(update={"clears": 1})
    same = {"fingerprint": INTENDED.fingerprint}
    assert next_try(cleared_once, clears=1, **same) == Repeat(cleared_once)
    assert next_try(cleared_once, clears=2, **same) == Begin()


@pytest.mark.parametrize("submission", [SUBMITTED.submission, {}])
def test_what_was_lost_is_told_with_its_id_and_what_to_do(submission: dict[str, Any]) -> None:
    error = lost(SUBMITTED.model_copy(update={"submission": submission}))
    assert error.generation_id == "gen-1"
    for said in ("gen-1", submission.get("submitted_at", "unknown time"), "bought nothing", "clear the task"):
        assert said in str(error)


def test_no_retry_of_the_same_request_begins_anew_where_there_is_a_record() -> None:
    for record in RECORDS.values():
        assert not isinstance(after(record), Begin)
