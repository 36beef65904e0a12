# SPDX-License-Identifier: Apache-2.0
"""The rows of the behaviour table in which people clear a task, mark it, or mend what it failed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from killing import the_running_task

if TYPE_CHECKING:
    from scenario import Scenario


def test_cleared_while_deferred(scenario: Scenario) -> None:
    """Row "task cleared before it delivered": picks up the video that was paid for."""
    scenario.hold()
    run = scenario.run("durable")
    run.await_state("deferred")
    (bought,) = scenario.bought()
    assert run.xcom("generation_id") == bought["id"]
    run.clear()
    run.await_state("deferred", tries=2)
    scenario.release()
    assert run.await_end() == "success"
    assert scenario.assert_delivered(run)["id"] == bought["id"]


def test_cleared_while_running(scenario: Scenario) -> None:
    """Row "task cleared before it delivered", on a worker: Airflow ends the try and starts another."""
    scenario.hold()
    run = scenario.run("on_the_worker")
    scenario.stack.sandbox.await_use(times=2)
    run.clear()
    run.await_state("running", tries=2)
    scenario.release()
    assert run.await_end() == "success"
    scenario.assert_delivered(run)
    assert "It is not cancelled, no gateway can" in run.log(tries=1)


def test_cleared_after_it_delivered(scenario: Scenario) -> None:
    """Row "task cleared after it delivered": a new video. Retries then go on with the new one."""
    run = scenario.run("durable")
    assert run.await_end() == "success"
    first = scenario.assert_delivered(run)
    scenario.faults({"on": "download", "hang": True})
    run.clear()
    scenario.stack.sandbox.await_use()
    assert the_running_task(scenario.stack).kill_runner()
    assert run.await_end() == "success"
    assert scenario.assert_delivered(run, bought=2)["id"] != first["id"]


def test_marked_failed_while_deferred_then_cleared(scenario: Scenario) -> None:
    """Row "task cleared before it delivered (killed)": picks up the video that was paid for."""
    scenario.hold()
    run = scenario.run("durable")
    run.await_state("deferred")
    (bought,) = scenario.bought()
    run.mark_failed()
    assert run.await_end() == "failed"
    scenario.release()
    # Who finds it in the morning reads which video that was.
    assert f"Waiting for generation {bought['id']} without a worker slot" in run.log()
    run.clear()
    assert run.await_end() == "success"
    assert scenario.assert_delivered(run)["id"] == bought["id"]


def test_bucket_fails_then_is_mended(scenario: Scenario) -> None:
    """Row "disk or bucket full", then "task cleared before it delivered (failed bucket)"."""
    folder = scenario.stack.videos / "blocked"
    folder.write_text("a file where a folder should be")
    run = scenario.run("one_try", output_path=f"{folder}/{scenario.file.name}")
    try:
        assert run.await_end() == "failed"
        (bought,) = scenario.bought()
        assert "PixverseDownloadError" in run.log()
        assert bought["id"] in run.log()
    finally:
        folder.unlink()
    run.clear()
    assert run.await_end() == "success"
    (only,) = scenario.bought()
    assert only["id"] == bought["id"]
    assert (folder / scenario.file.name).stat().st_size == only["file"]["size"]
