# SPDX-License-Identifier: Apache-2.0
"""When a generation is first looked at: not before it can be ready, and in time for the task's deadline."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pacing import quicken

from airflow_provider_pixverse import catalog
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from operators.running import NOT_YET, PENDING, SMALL, TaskRun

if TYPE_CHECKING:
    from airflow_provider_pixverse.rules.waiting import Watch
    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

INTERVAL = 10.0


@pytest.fixture(autouse=True)
def shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "SHORTEST_RENDERING", {"v5.5": 17.0})
    monkeypatch.setattr(catalog, "SHORTEST_UNSEEN", 5.0)
    quicken(monkeypatch, rendering_share=1.0)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what is asked of the hook, which then waits for nothing."""
    asked: list[dict[str, Any]] = []
    watch = PixverseHook.watch

    def at_once(self: PixverseHook, waited: Watch, **how: Any) -> Any:
        asked.append({**how, "timeout": waited.deadline - time.time(), "poll_interval": waited.poll_interval})
        return watch(self, replace(waited, poll_interval=0.05))

    monkeypatch.setattr(PixverseHook, "watch", at_once)
    return asked


def task(**fields: Any) -> TaskRun:
    return TaskRun(
        PixverseTextToVideoOperator(
            task_id="video", **{**SMALL, "poll_interval": INTERVAL, "timeout": 1800.0, **fields}
        )
    )


def retry(first: TaskRun) -> TaskRun:
    again = TaskRun(first.operator)
    again.context["task_state_store"] = first.context["task_state_store"]
    again.ti.try_number = 2
    return again


@pytest.mark.parametrize(
    ("version", "timeout", "seconds"),
    [("v5.5", 1800.0, 17.0), ("v5", 1800.0, 5.0), ("v5.5", 20.0, 10.0), ("v5", 1.0, 0.5)],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_what_was_just_submitted_is_looked_at_when_it_can_be_ready(
    version: str,
    timeout: float,
    seconds: float,
    deferrable: bool,
    pixverse_sandbox: SandboxInTest,
    waits: list[dict[str, Any]],
) -> None:
    run = task(version=version, timeout=timeout, deferrable=deferrable)
    before = time.time()
    if deferrable:
        trigger = run.begin().trigger
        not_before, deadline = trigger.not_before, trigger.deadline
        assert pixverse_sandbox.ledger()["polled"] == 0
    else:
        run.run()
        (asked,) = waits
        not_before, deadline = asked["not_before"], before + timeout
    assert before + seconds <= not_before <= time.time() + seconds
    assert not_before <= deadline


def test_a_retry_looks_once_and_not_again_before_the_interval(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([PENDING])
    first = task()
    first.begin()
    before = time.time()
    trigger = retry(first).begin().trigger
    assert pixverse_sandbox.ledger()["polled"] == 1
    assert before + INTERVAL <= trigger.not_before <= time.time() + INTERVAL


def test_a_retry_right_after_the_submission_waits_until_the_video_can_be_ready(
    pixverse_sandbox: SandboxInTest,
) -> None:
    pixverse_sandbox.faults([PENDING])
    first = task(version="v5.5")
    before = time.time()
    first.begin()
    trigger = retry(first).begin().trigger
    # The record keeps the moment of the submission in whole seconds.
    assert before - 1 + 17 <= trigger.not_before <= time.time() + 17


def test_a_retry_that_finds_the_video_finished_delivers_it_with_one_look(
    pixverse_sandbox: SandboxInTest,
) -> None:
    first = task()
    generation_id = first.begin().trigger.generation_id
    PixverseHook().wait(generation_id, poll_interval=0.05)
    polled = pixverse_sandbox.ledger()["polled"]
    again = retry(first)
    assert again.run()["generation_id"] == generation_id
    assert again.deferrals == []
    assert pixverse_sandbox.ledger()["polled"] == polled + 1


def test_after_a_look_that_found_out_nothing_the_worker_waits_as_long_as_asked(
    pixverse_sandbox: SandboxInTest, waits: list[dict[str, Any]]
) -> None:
    run = task()
    deferred = run.begin()
    PixverseHook().wait(deferred.trigger.generation_id, poll_interval=0.05)
    pixverse_sandbox.faults([NOT_YET])
    waits.clear()
    event = {"generation_id": deferred.trigger.generation_id, "outcome": "finished", "message": ""}
    before = time.time()
    run.resume("execute_complete", {"event": event})
    assert waits[0]["not_before"] >= before + INTERVAL
