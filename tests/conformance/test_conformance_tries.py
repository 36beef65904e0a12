# SPDX-License-Identifier: Apache-2.0
"""Rows of the behaviour table about the next try: re-attach, make it again, or say what was lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from operators.running import messages
from pacing import quicken

from airflow_provider_pixverse.exceptions import PixverseNotFoundError, PixverseTimeout
from conformance.world import next_try

if TYPE_CHECKING:
    from pathlib import Path

    from operators.running import TaskRun

    from conformance.world import World

ONCE = {"on": "poll", "status": 503}


@pytest.fixture(params=["state store", "object storage"])
def durable(request: pytest.FixtureRequest, world: World, tmp_path: Path) -> TaskRun:
    """Return a task whose record is kept as Airflow 3.3 and later can, or as earlier ones have to."""
    run = world.task(output_path=f"{tmp_path}/kite.mp4")
    if request.param == "object storage":
        del run.context["task_state_store"]
    return run


def times_out(world: World, run: TaskRun) -> str:
    """Let a try end in a time-out; return the id of what it bought."""
    world.faults(world.pending())
    run.operator.timeout = 0.2
    with pytest.raises(PixverseTimeout):
        run.run()
    world.faults()
    run.operator.timeout = 30.0
    return str(world.row["id"])


def test_a_worker_that_dies_while_it_waits(world: World, durable: TaskRun) -> None:
    """Row: worker dies after submit. Also: Airflow 3.0 to 3.2, no task state store."""
    world.faults(ONCE)
    durable.begin()
    result = next_try(durable).run()
    assert result["generation_id"] == durable.ti.xcoms["generation_id"] == world.row["id"]
    assert world.sent == (1, 1)
    assert result["cost"] == world.row["cost"]
    assert result["size_bytes"] == world.row["file"]["size"]


def test_a_task_cleared_before_it_delivered_picks_up_what_was_paid_for(
    world: World, durable: TaskRun
) -> None:
    """Row: task cleared before it delivered."""
    bought = times_out(world, durable)
    assert next_try(durable, cleared=True).run()["generation_id"] == bought
    assert world.sent == (1, 1)


def test_a_task_cleared_after_it_delivered_makes_a_new_video(world: World, durable: TaskRun) -> None:
    """Row: task cleared after it delivered."""
    first = durable.run()["generation_id"]
    again = next_try(durable, cleared=True).run()["generation_id"]
    assert [row["id"] for row in world.ledger["generations"]] == [first, again]


def test_a_retry_after_it_delivered_repeats_the_result(world: World, durable: TaskRun) -> None:
    """Promise 3: delivered, though Airflow never learned of it."""
    first = durable.run()
    assert next_try(durable).run() == first
    assert world.sent == (1, 1)
    assert world.ledger["downloaded"] == 1


def test_a_changed_request_is_a_new_video(
    world: World, durable: TaskRun, caplog: pytest.LogCaptureFixture
) -> None:
    """Row: request changed since the submission: a warning names the old id."""
    old = times_out(world, durable)
    durable.operator.prompt = "A blue kite over a green hill"
    caplog.clear()
    new = next_try(durable).run()["generation_id"]
    assert [row["id"] for row in world.ledger["generations"]] == [old, new]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [True for record in warnings if old in record.getMessage()]


def test_an_expired_id_is_told_and_polled_once_more_before_anything_is_bought(
    world: World, durable: TaskRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 3: result expiry. Row: poll says unknown id, long after the submission."""
    old = times_out(world, durable)
    quicken(monkeypatch, unknown_id_grace=0.0)
    world.faults(*world.forgotten())
    for _ in range(2):
        with pytest.raises(PixverseNotFoundError, match="expired") as lost:
            next_try(durable).run()
        assert lost.value.generation_id == old
    assert world.sent == (1, 1)
    world.faults()
    assert next_try(durable, cleared=True).run()["generation_id"] == old
    assert world.sent == (1, 1)


def test_without_a_record_a_retry_would_buy_again_and_that_is_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Row: Airflow 3.0 to 3.2, with neither state_path nor output_path: works, and says once at submit."""
    run = world.task()
    del run.context["task_state_store"]
    assert run.run()["status"] == "finished"
    assert len([line for line in messages(caplog) if "would buy the video again" in line]) == 1
