# SPDX-License-Identifier: Apache-2.0
"""Rows of the behaviour table about the wait: polls that fail, words, unknown ids, failures, time-outs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from operators.running import fire, messages
from pacing import quicken

from airflow_provider_pixverse.exceptions import (
    PixverseGenerationFailed,
    PixverseNotFoundError,
    PixverseResponseError,
    PixverseTimeout,
)
from conformance.world import next_try

if TYPE_CHECKING:
    from conformance.world import World

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
ONCE = {"on": "poll", "status": 503}
"""By this the first look finds out nothing, so that a deferrable task has to defer."""

POLL_FAULTS = [
    {"status": 502, "body": "<html>Bad Gateway</html>"},
    {"status": 503},
    {"status": 429},
    {"drop": "before"},
    {"drop": "after"},
    {"html": True},
    {"empty": True},
    {"status": 200, "body": "not JSON"},
    {"status": 200, "body": {}},
    {"status": 200, "body": []},
]


# --- poll fails: 5xx, timeout, reset, HTML instead of JSON, empty body ------------------------------


@BOTH_WAYS
@pytest.mark.parametrize("fault", POLL_FAULTS, ids=str)
def test_a_poll_that_fails_is_made_again(world: World, deferrable: bool, fault: dict[str, Any]) -> None:
    """Row: poll fails: never fails the task by itself."""
    world.faults({"on": "poll", "times": 3, **fault})
    run = world.task(deferrable=deferrable)
    assert run.run()["status"] == "finished"
    assert len(run.deferrals) == int(deferrable)
    assert world.used() == [3]
    assert world.sent == (1, 1)


def test_a_poll_that_is_never_answered_is_made_again(world: World) -> None:
    """Row: poll fails: timeout."""
    world.connect(extra={"request_timeout": 1})
    world.faults({"on": "poll", "hang": True})
    assert world.task().run()["status"] == "finished"
    assert world.sent == (1, 1)


@BOTH_WAYS
def test_failing_polls_are_logged_once_a_change(
    world: World, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    """Row: poll fails: logged once per change."""
    caplog.set_level(logging.INFO, logger="airflow_provider_pixverse")
    world.faults({"on": "poll", "html": True, "times": 5})
    world.task(deferrable=deferrable).run()
    assert len([line for line in messages(caplog) if "no JSON" in line]) == 1


@BOTH_WAYS
def test_polls_that_never_succeed_end_with_the_deadline(world: World, deferrable: bool) -> None:
    """Row: poll fails: polled again until the deadline."""
    world.faults({"on": "poll", "html": True, "times": None})
    with pytest.raises(PixverseTimeout, match="no JSON"):
        world.task(deferrable=deferrable, timeout=0.3).run()
    assert world.sent == (1, 1)


# --- unknown status word ----------------------------------------------------------------------------


@BOTH_WAYS
def test_an_unknown_status_is_taken_for_running_and_logged_once(
    world: World, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    """Row: unknown status word."""
    caplog.set_level(logging.INFO, logger="airflow_provider_pixverse")
    body, word = world.vendor.strange
    world.faults({"on": "poll", "status": 200, "body": body, "times": 5})
    assert world.task(deferrable=deferrable).run()["status"] == "finished"
    assert len([line for line in messages(caplog) if word in line]) == 1
    assert world.used() == [5]
    assert world.sent == (1, 1)


def test_an_unknown_status_that_stays_ends_with_the_deadline(world: World) -> None:
    """Row: unknown status word, for good."""
    body, word = world.vendor.strange
    world.faults({"on": "poll", "status": 200, "body": body, "times": None})
    with pytest.raises(PixverseTimeout, match=word):
        world.task(timeout=0.3).run()


# --- poll says unknown id ---------------------------------------------------------------------------


@BOTH_WAYS
def test_an_unknown_id_is_tolerated_shortly_after_submission(
    world: World, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    """Row: poll says unknown id: tolerated shortly after submission."""
    quicken(monkeypatch, unknown_id_grace=20.0)
    world.faults(*({**rule, "times": 3} for rule in world.forgotten()))
    assert world.task(deferrable=deferrable).run()["status"] == "finished"
    assert world.used()[0] == 3
    assert world.sent == (1, 1)


@BOTH_WAYS
def test_an_id_that_stays_unknown_is_an_error(world: World, deferrable: bool) -> None:
    """Row: poll says unknown id: then PixverseNotFoundError."""
    world.faults(*world.forgotten())
    with pytest.raises(PixverseNotFoundError) as unknown:
        world.task(deferrable=deferrable).run()
    assert unknown.value.generation_id == world.row["id"]
    assert world.sent == (1, 1)


def test_an_id_that_polls_do_not_know_is_looked_for_in_the_history(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row: poll says unknown id: Segmind's history is asked first; the others have none for that."""
    # Not less: the moment of submission, from which it counts, is kept in whole seconds.
    quicken(monkeypatch, unknown_id_grace=2.5)
    world.faults({"on": "poll", "times": None, **world.vendor.unknown})
    ends_with = world.vendor.after_unknown_polls
    with pytest.raises(ends_with) if ends_with else nullcontext():
        assert world.task().run()["status"] == "finished"
    assert bool(world.ledger["logs"]) is (ends_with is None)
    assert world.sent == (1, 1)


# --- generation failed at the vendor ----------------------------------------------------------------


@BOTH_WAYS
def test_a_failed_generation_is_submitted_anew_by_a_retry(world: World, deferrable: bool) -> None:
    """Row: generation failed at the vendor."""
    world.faults({"on": "submit", "fail": True})
    run = world.task(deferrable=deferrable)
    with pytest.raises(PixverseGenerationFailed) as failed:
        run.run()
    assert failed.value.generation_id == world.row["id"]
    assert world.row["id"] in str(failed.value)
    assert not isinstance(failed.value, AirflowFailException)
    assert next_try(run).run()["status"] == "finished"
    assert (world.bought, world.ledger["refunded"]) == (2, 1)


# --- finished but no video URL ----------------------------------------------------------------------


@BOTH_WAYS
def test_a_finished_generation_without_a_video_is_an_error(world: World, deferrable: bool) -> None:
    """Row: finished but no video URL: an error, not another poll."""
    world.faults({"on": "submit", "no_url": True})
    run = world.task(deferrable=deferrable)
    with pytest.raises(PixverseResponseError, match="no video URL") as empty:
        run.run()
    assert empty.value.generation_id == world.row["id"]
    with pytest.raises(PixverseResponseError):
        next_try(run).run()
    assert world.sent == (1, 1)


# --- timeout reached --------------------------------------------------------------------------------


@BOTH_WAYS
def test_a_timeout_names_the_id_and_a_retry_re_attaches(world: World, deferrable: bool) -> None:
    """Row: timeout reached."""
    world.faults(world.pending())
    run = world.task(deferrable=deferrable, timeout=0.3)
    with pytest.raises(PixverseTimeout, match="not cancelled") as late:
        run.run()
    assert not isinstance(late.value, AirflowFailException)
    assert world.row["id"] in str(late.value)
    world.faults()
    assert next_try(run).run()["generation_id"] == world.row["id"]
    assert world.sent == (1, 1)


# --- triggerer dies, restarts, hands over to another ------------------------------------------------


def test_another_triggerer_goes_on_with_the_same_deadline(world: World) -> None:
    """Row: triggerer dies, restarts, hands over to another."""
    world.faults(world.pending())
    run = world.task()
    deferred = run.begin()
    stored = deferred.trigger.serialize()
    assert stored[1]["deadline"] == run.ti.xcoms["pixverse_submission"]["deadline"]

    async def dies() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(deferred.trigger.run()), 0.2)

    asyncio.run(dies())
    assert deferred.trigger.serialize() == stored
    world.faults()
    # What the second one has is what was stored.
    assert fire(deferred)["outcome"] == "finished"
    assert world.sent == (1, 1)


def test_a_triggerer_that_comes_back_too_late_does_not_start_over(world: World) -> None:
    """Row: triggerer dies, restarts: the deadline does not start over."""
    world.faults(world.pending())
    run = world.task()
    deferred = run.begin()
    deferred.trigger.deadline = run.ti.xcoms["pixverse_submission"]["deadline"] = 0.0
    event = fire(deferred)
    assert event["outcome"] == "timeout"
    with pytest.raises(PixverseTimeout, match=world.row["id"]):
        run.resume(deferred.method_name, {"event": event})
    assert world.sent == (1, 1)


# --- trigger crashes or its deferral times out ------------------------------------------------------


@pytest.mark.parametrize("reason", ["Trigger timeout", "Trigger failure"])
def test_a_lost_trigger_is_made_up_for_by_one_more_look(world: World, reason: str) -> None:
    """Row: trigger crashes or its deferral times out: the operator looks once more before it gives up."""
    world.faults(ONCE)
    run = world.task()
    fire(run.begin())
    assert run.resume("__fail__", {"error": reason})["generation_id"] == world.row["id"]
    assert world.sent == (1, 1)


def test_a_lost_trigger_whose_time_is_up_is_a_timeout(world: World) -> None:
    """Row: trigger crashes or its deferral times out."""
    world.faults(world.pending())
    run = world.task()
    run.begin()
    run.ti.xcoms["pixverse_submission"]["deadline"] = 0.0
    with pytest.raises(PixverseTimeout, match=world.row["id"]):
        run.resume("__fail__", {"error": "Trigger timeout"})
    assert world.sent == (1, 1)
