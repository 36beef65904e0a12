# SPDX-License-Identifier: Apache-2.0
"""The rows of the behaviour table in which a worker dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from airflow_api import eventually
from killing import RunningTask, the_running_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from scenario import Scenario

KILLS = {"the operator's process": RunningTask.kill_runner, "the whole worker": RunningTask.kill_both}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_worker_dies_after_submit(scenario: Scenario, kill: Callable[[RunningTask], bool]) -> None:
    """Row "worker dies after submit": a retry re-attaches to the same id."""
    # Bought, waited for, and stuck in the download.
    scenario.faults({"on": "download", "hang": True})
    run = scenario.run("durable")
    scenario.stack.sandbox.await_use()
    assert kill(the_running_task(scenario.stack))
    assert run.await_end() == "success"
    bought = scenario.assert_delivered(run)
    assert run.instance()["try_number"] == 2
    assert f"Going on with generation {bought['id']}, bought at" in run.log(tries=2)


def test_worker_dies_while_it_submits(scenario: Scenario) -> None:
    """Row "submit sent, no answer", with nobody left to ask: the next try asks the gateway's logs."""
    scenario.faults({"on": "submit", "hang": True})
    run = scenario.run("durable")
    scenario.stack.sandbox.await_use()
    (bought,) = scenario.bought()
    assert (run.record() or {})["phase"] == "intended"
    assert the_running_task(scenario.stack).kill_runner()
    assert run.await_end() == "success"
    assert scenario.assert_delivered(run)["id"] == bought["id"]
    assert bought["client_request_id"] in run.log(tries=2)


def test_worker_dies_while_it_submits_and_nothing_was_bought(scenario: Scenario) -> None:
    """Row "submit sent, no answer": still unknown, so it stops, in every try, and says what to do."""
    scenario.faults({"on": "submit", "drop": "before"})
    run = scenario.run("short_look_up")
    scenario.stack.sandbox.await_use()
    assert the_running_task(scenario.stack).kill_runner()
    assert run.await_end() == "failed"
    assert scenario.bought() == []
    assert "PixverseAmbiguousSubmitError" in run.log(tries=2)
    assert "on_ambiguous_submit='resubmit' submits it once more" in run.log(tries=2)


def test_worker_dies_while_it_waits_to_submit(scenario: Scenario) -> None:
    """Row "429 on submit": nothing was bought, and so nothing is in doubt: the next try submits."""
    scenario.faults({"on": "submit", "status": 429, "headers": {"Retry-After": "60"}})
    run = scenario.run("short_look_up")
    scenario.stack.sandbox.await_use()
    assert the_running_task(scenario.stack).kill_runner()
    assert run.await_end() == "success"
    scenario.assert_delivered(run)


def test_orphan_buys_nothing(scenario: Scenario) -> None:
    """Promise 3: an operator that Airflow has given up, and that lives on, must not buy for nobody."""
    scenario.faults({"on": "submit", "status": 429, "headers": {"Retry-After": "45"}})
    run = scenario.run("short_look_up")
    scenario.stack.sandbox.await_use()
    orphan = the_running_task(scenario.stack)
    assert orphan.kill_supervisor()
    run.await_end()
    eventually(lambda: not orphan.runs_on, "the end of the orphan")
    # By the retry or not at all; never by the orphan.
    assert len(scenario.bought()) == (run.instance()["state"] == "success")


def test_worker_dies_while_it_waits_for_the_video(scenario: Scenario) -> None:
    """Row "worker dies after submit", where the worker itself waits: `deferrable=False`."""
    scenario.hold()
    run = scenario.run("on_the_worker")
    scenario.stack.sandbox.await_use(times=2)
    assert the_running_task(scenario.stack).kill_runner()
    scenario.stack.sandbox.await_use(times=4)
    scenario.release()
    assert run.await_end() == "success"
    scenario.assert_delivered(run)


def test_scheduler_and_its_workers_die(scenario: Scenario) -> None:
    """Promise 3, "restarts": everything that schedules and runs tasks is gone for a while."""
    scenario.faults({"on": "download", "hang": True})
    run = scenario.run("durable")
    scenario.stack.sandbox.await_use()
    scenario.stack.component("scheduler").kill()
    scenario.stack.start_component("scheduler")
    assert run.await_end() == "success"
    scenario.assert_delivered(run)


def test_request_changes_between_tries(scenario: Scenario) -> None:
    """Row "request differs in a retry, DAG unchanged": the paid video is picked up, with a warning."""
    scenario.faults({"on": "download", "hang": True})
    run = scenario.run("changing")
    scenario.stack.sandbox.await_use()
    assert the_running_task(scenario.stack).kill_runner()
    assert run.await_end() == "success"
    bought = scenario.assert_delivered(run)
    assert bought["request"]["prompt"].endswith("take 1")
    assert "The request renders to something else" in run.log(tries=2)


def test_timeout_then_retry(scenario: Scenario) -> None:
    """Row "`timeout` reached": the job goes on, and a retry re-attaches."""
    run = scenario.run("impatient")
    assert run.await_end() == "success"
    bought = scenario.assert_delivered(run)
    assert run.instance()["try_number"] >= 2
    assert f"Generation {bought['id']} was not finished in time" in run.log(tries=1)
