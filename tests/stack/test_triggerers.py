# SPDX-License-Identifier: Apache-2.0
"""The rows of the behaviour table in which a triggerer dies, hands over, or is not there."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from airflow_api import eventually
from killing import kill_trigger_runner

if TYPE_CHECKING:
    from airflow_api import Run
    from scenario import Scenario


def deadlines(scenario: Scenario, run: Run) -> list[str]:
    """Return the deadlines that the run's triggers in the database have."""
    rows = scenario.stack.query(
        "select g.kwargs from trigger g join task_instance t on t.trigger_id = g.id where t.run_id = %s",
        run.run_id,
    )
    return [str(kwargs) for (kwargs,) in rows]


@pytest.mark.parametrize("kill", ["the triggerer", "the process its triggers run in"])
def test_triggerer_dies_and_restarts(scenario: Scenario, kill: str) -> None:
    """Row "triggerer dies, restarts": polling goes on."""
    scenario.hold()
    run = scenario.run("durable")
    run.await_state("deferred")
    triggerer = scenario.stack.component("triggerer")
    scenario.stack.sandbox.await_use(times=2)
    if kill == "the triggerer":
        triggerer.kill()
    else:
        assert kill_trigger_runner(triggerer)
        eventually(lambda: not triggerer.running, "the end of a triggerer that lost its runner")
        triggerer.kill()
    polls = scenario.bought()[0]["polls"]
    scenario.release()
    # Nobody looks in the meantime, though the video is finished.
    scenario.stack.restart_triggerer()
    assert run.await_end() == "success"
    assert run.instance()["try_number"] == 1
    assert scenario.assert_delivered(run)["polls"] > polls


def test_deadline_does_not_start_over(scenario: Scenario) -> None:
    """Row "triggerer dies, restarts": the deadline does not start over."""
    scenario.hold()
    run = scenario.run("deadline")
    run.await_state("deferred")
    deadline = run.xcom("pixverse_submission")["deadline"]
    before = deadlines(scenario, run)
    scenario.stack.component("triggerer").kill()
    # Long enough that a deadline that started over could not be taken for this one.
    eventually(lambda: time.time() > deadline - 20, "20 s before the deadline")
    scenario.stack.restart_triggerer()
    assert deadlines(scenario, run) == before
    assert run.await_end() == "failed"
    assert "PixverseTimeout" in run.log()
    ended = datetime.fromisoformat(run.instance()["end_date"]).timestamp()
    assert deadline - 1 <= ended <= deadline + 18
    assert len(scenario.bought()) == 1


def test_another_triggerer_takes_over(scenario: Scenario) -> None:
    """Row "triggerer dies, hands over to another": polling goes on."""
    scenario.hold()
    run = scenario.run("durable")
    run.await_state("deferred")
    owner = "select triggerer_id from trigger where triggerer_id is not null"
    (first,) = eventually(lambda: scenario.stack.query(owner), "a triggerer that has the trigger")
    other = scenario.stack.start_component("triggerer", key="other-triggerer")
    try:
        alive = "select count(*) from job where job_type = 'TriggererJob' and state = 'running' and id > %s"
        eventually(lambda: scenario.stack.query(alive, *first)[0][0], "a second triggerer")
        scenario.stack.component("triggerer").kill()
        eventually(lambda: scenario.stack.query(owner) not in ([], [first]), "the second triggerer's claim")
        scenario.release()
        assert run.await_end() == "success"
        assert run.instance()["try_number"] == 1
        scenario.assert_delivered(run)
    finally:
        other.kill()


@pytest.mark.parametrize("finished", [True, False])
def test_deferral_times_out(scenario: Scenario, finished: bool) -> None:
    """Row "its deferral times out": the operator looks once more before it gives up."""
    if not finished:
        scenario.hold()
    scenario.stack.component("triggerer").kill()
    run = scenario.run("lost_trigger")
    run.await_state("deferred")
    assert run.await_end() == ("success" if finished else "failed")
    log = run.log()
    assert "Looking at the generation before giving up" in log
    if finished:
        scenario.assert_delivered(run)
    else:
        (bought,) = scenario.bought()
        assert f"Generation {bought['id']} was not finished in time" in log
