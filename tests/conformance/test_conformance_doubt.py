# SPDX-License-Identifier: Apache-2.0
"""Row "submit sent, no answer": found out the vendor's way, and where it cannot be, on_ambiguous_submit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse import purchase
from airflow_provider_pixverse.exceptions import PixverseAmbiguousSubmitError, PixverseError
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.operators.keeper import Note
from conformance.world import next_try

if TYPE_CHECKING:
    from operators.running import TaskRun

    from conformance.world import World

BOUGHT_UNSEEN = [
    {"drop": "after"},
    {"empty": True},
    {"accept_then_status": 500},
    {"accept_then_status": 502, "body": "<html>Bad Gateway</html>"},
    {"accept_then_status": 504},
    {"accept_then_status": 200, "body": "<html>One moment, please</html>"},
    {"accept_then_status": 200, "body": {}},
]
NOT_BOUGHT = [{"drop": "before"}, {"status": 500}, {"status": 504}, {"html": True}]


@pytest.mark.parametrize("fault", BOUGHT_UNSEEN, ids=str)
def test_a_purchase_whose_answer_was_lost_is_found_out(world: World, fault: dict[str, Any]) -> None:
    """Row: submit sent, no answer; an empty 200 included."""
    world.faults({"on": "submit", **fault})
    run = world.task()
    result = run.run()
    assert result["generation_id"] == run.ti.xcoms["generation_id"] == world.row["id"]
    assert world.sent == (world.vendor.sends_to_find_out, 1)
    assert bool(world.ledger["logs"]) is world.vendor.looks_to_find_out


def test_an_answer_that_never_comes_is_given_up_and_found_out(world: World) -> None:
    """Row: submit sent, no answer: read timeout, after the connection's request_timeout."""
    world.connect(extra={"request_timeout": 1})
    world.faults({"on": "submit", "hang": True})
    assert world.task().run()["generation_id"] == world.row["id"]
    assert world.sent == (world.vendor.sends_to_find_out, 1)


def test_one_submission_is_told_from_another_that_is_alike(world: World) -> None:
    """Row: submit sent, no answer: what is found is this task's own, not its neighbour's."""
    alike = {"seed": None}
    neighbour = world.task(**alike, wait_for_completion=False).run()
    world.faults({"on": "submit", "drop": "after"})
    found = world.task(**alike).run()
    later = world.task(**alike, wait_for_completion=False).run()
    ids = [row["id"] for row in world.ledger["generations"]]
    assert ids == [neighbour["generation_id"], found["generation_id"], later["generation_id"]]


def test_records_that_lag_behind_are_asked_again(world: World) -> None:
    """Row: submit sent, no answer: not being listed at first proves nothing."""
    world.faults(
        {"on": "submit", "drop": "after"},
        {"on": "logs", "lag": 3600.0},
        {"on": "logs", "status": 503},
    )
    assert world.task().run()["status"] == "finished"
    assert world.used() == [1, *[int(world.vendor.looks_to_find_out)] * 2]
    assert world.bought == 1


@pytest.mark.parametrize("fault", NOT_BOUGHT, ids=str)
def test_what_stays_unknown_stops_the_task(world: World, fault: dict[str, Any]) -> None:
    """Row: still unknown, on_ambiguous_submit="fail"."""
    world.faults({"on": "submit", "times": None, **fault})
    run = world.task()
    with pytest.raises(PixverseAmbiguousSubmitError, match="may have been bought"):
        run.run()
    assert world.sent == (world.vendor.lost_sends, 0)
    assert "generation_id" not in run.ti.xcoms


@pytest.mark.parametrize("fault", NOT_BOUGHT, ids=str)
def test_what_stays_unknown_is_submitted_again_where_asked(world: World, fault: dict[str, Any]) -> None:
    """Row: still unknown, on_ambiguous_submit="resubmit"."""
    world.faults({"on": "submit", "times": world.vendor.lost_sends, **fault})
    assert world.task(on_ambiguous_submit="resubmit").run()["status"] == "finished"
    assert world.sent == (world.vendor.lost_sends + 1, 1)


def test_what_was_found_out_is_not_submitted_again(world: World) -> None:
    """Row: submit sent, no answer: the vendor's way comes before on_ambiguous_submit="resubmit"."""
    world.faults({"on": "submit", "drop": "after"})
    assert world.task(on_ambiguous_submit="resubmit").run()["status"] == "finished"
    assert world.sent == (world.vendor.sends_to_find_out, 1)


def lost_from_sight(world: World) -> None:
    lost = {"on": "submit", "drop": "after", "times": world.vendor.lost_sends}
    world.faults(lost, world.records_down())


def test_a_purchase_that_cannot_be_found_out_is_not_made_again(world: World) -> None:
    """Row: still unknown, on_ambiguous_submit="fail": bought once, and found by the retry."""
    lost_from_sight(world)
    run = world.task()
    with pytest.raises(PixverseAmbiguousSubmitError) as stopped:
        run.run()
    # A retry buys nothing before it knows, so it may come.
    assert not isinstance(stopped.value, AirflowFailException)
    assert world.bought == 1
    world.faults()
    assert next_try(run).run()["generation_id"] == world.row["id"]
    assert world.bought == 1


def test_a_purchase_that_cannot_be_found_out_ends_a_task_whose_retry_would_buy(world: World) -> None:
    """Row: still unknown, on_ambiguous_submit="fail", durable=False."""
    lost_from_sight(world)
    with pytest.raises(PixverseAmbiguousSubmitError) as stopped:
        world.task(durable=False).run()
    assert isinstance(stopped.value, AirflowFailException)
    assert world.bought == 1


def test_a_purchase_that_cannot_be_found_out_may_be_made_twice_where_asked(world: World) -> None:
    """Row: still unknown, on_ambiguous_submit="resubmit": the risk that was accepted, and not more."""
    lost_from_sight(world)
    assert world.task(on_ambiguous_submit="resubmit").run()["status"] == "finished"
    assert world.bought == world.vendor.resubmission_buys


def test_the_error_names_what_a_person_can_search_for(world: World) -> None:
    """Row: still unknown: the task stops and says so."""
    lost_from_sight(world)
    run = world.task()
    with pytest.raises(PixverseAmbiguousSubmitError) as stopped:
        run.run()
    kept = purchase.decode(run.context["task_state_store"].get("pixverse_submission"))
    assert isinstance(kept, purchase.Intended)
    assert kept.key in str(stopped.value)


class Death(BaseException):
    """The worker is gone."""


def dies(patch: pytest.MonkeyPatch, run: TaskRun, *, sent: bool) -> None:
    """Let the worker die right before its submission is sent, or right after it was accepted."""
    buy, intend = PixverseHook.buy, Note.intend

    def keep(self: Note, key: str, **noted: Any) -> None:
        intend(self, key, **noted)
        if not sent:
            raise Death

    def dying(self: PixverseHook, submission: Any) -> None:
        buy(self, submission)
        raise Death

    with patch.context() as dead:
        dead.setattr(PixverseHook, "buy", dying)
        dead.setattr(Note, "intend", keep)
        with pytest.raises(Death):
            run.run()


def test_a_worker_that_dies_before_it_has_the_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row: worker dies after submit; here, before it could note the id."""
    run = world.task()
    dies(monkeypatch, run, sent=True)
    assert next_try(run).run()["generation_id"] == world.row["id"]
    assert world.bought == 1


def test_a_worker_that_dies_before_it_sends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row: worker dies after submit, as far as the next try can know: it does not guess."""
    run = world.task()
    dies(monkeypatch, run, sent=False)
    try:
        outcome = next_try(run).run()["status"]
    except PixverseError as error:
        outcome = type(error).__name__
    assert outcome == world.vendor.death_before_sending
    assert world.bought == int(outcome == "finished")
