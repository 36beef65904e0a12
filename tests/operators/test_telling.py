# SPDX-License-Identifier: Apache-2.0
"""What the log of a task says, and what it never says."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_pixverse.exceptions import PixverseError
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.sandbox import Sandbox
from operators.running import PENDING, SMALL, SOON, TaskRun, messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-3f9c1e77a0b24d55"
PROMPT = "Zebras waltzing through a candlelit ballroom"
BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])


@pytest.fixture(scope="module")
def guarded_server() -> Iterator[Sandbox]:
    """A sandbox whose key is a word that stands nowhere else."""
    with Sandbox(speed=1000, seed=1, key=KEY) as sandbox:
        yield sandbox


@pytest.fixture
def guarded(guarded_server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    guarded_server.reset()
    monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", guarded_server.connection())
    return guarded_server


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The whole log at INFO, as Airflow sets it up: what httpx says of its requests is not in it."""
    caplog.set_level(logging.WARNING, logger="httpx")
    caplog.set_level(logging.INFO)
    return caplog


def task(**fields: Any) -> TaskRun:
    given = {"task_id": "video", "poll_interval": SOON, "timeout": 20.0, **SMALL, "prompt": PROMPT, **fields}
    return TaskRun(PixverseTextToVideoOperator(**given))


def everything(caplog: pytest.LogCaptureFixture) -> str:
    """Return all that was logged, tracebacks included."""
    lines = [record.getMessage() for record in caplog.records]
    lines += [
        "".join(traceback.format_exception(record.exc_info[1]))
        for record in caplog.records
        if record.exc_info and record.exc_info[1]
    ]
    return "\n".join(lines)


@BOTH_WAYS
def test_the_story_of_a_video(
    guarded: Sandbox, log: pytest.LogCaptureFixture, tmp_path: Path, deferrable: bool
) -> None:
    answers = [{"id": "whatever", "status": word} for word in ("queued", "generating")]
    guarded.faults([{"on": "poll", "status": 200, "body": answer, "times": 3} for answer in answers])
    target = tmp_path / "ball.mp4"
    result = task(deferrable=deferrable, output_path=str(target)).run()

    lines = list(messages(log))
    generation_id = result["generation_id"]
    [submitted] = [line for line in lines if line.startswith("Submitted")]
    for word in ("aimlapi", generation_id, "pixverse/v5/text-to-video", "315,000 credits"):
        assert word in submitted
    statuses = [
        line.split(",")[0].rpartition(" ")[2]
        for line in lines
        if line.startswith(f"Generation {generation_id}: ")
    ]
    assert statuses == ["queued", "generating", "finished"]
    [delivered] = [line for line in lines if line.startswith("Delivered")]
    for word in (generation_id, str(target), str(result["size_bytes"]), result["sha256"]):
        assert word in delivered
    assert lines.index(submitted) < min(i for i, line in enumerate(lines) if "queued" in line)
    assert lines[-1] == delivered


def test_without_a_target_the_log_says_that_nothing_was_saved(
    guarded: Sandbox, log: pytest.LogCaptureFixture
) -> None:
    result = task().run()
    *_, last = messages(log)
    assert result["generation_id"] in last
    assert "not saved" in last


@BOTH_WAYS
def test_polls_are_told_at_debug_only(
    guarded: Sandbox, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    caplog.set_level(logging.DEBUG, logger="airflow_provider_pixverse")
    guarded.faults([{**PENDING, "times": 6}])
    task(deferrable=deferrable).run()
    told = [record for record in caplog.records if record.name == "airflow_provider_pixverse.poller"]
    polls = [record for record in told if record.levelno == logging.DEBUG]
    assert len(polls) > 5
    assert len([record for record in told if record.levelno >= logging.INFO]) == 2
    said = "\n".join(messages(caplog))
    assert KEY not in said
    assert "/_media/" not in said


@pytest.mark.parametrize(
    "faults",
    [
        [],
        [PENDING],
        [{"on": "submit", "fail": True}],
        [{"on": "submit", "moderation": True}],
        [{"on": "submit", "no_url": True}],
        [{"on": "submit", "status": 400, "body": {"message": f"Bearer {KEY} sent this"}}],
        [{"on": "submit", "status": 401, "body": {"message": f"{KEY} is no key"}}],
        [{"on": "submit", "status": 403}],
        [{"on": "submit", "status": 429, "headers": {"Retry-After": "3600"}}],
        [{"on": "submit", "drop": "after"}],
        [{"on": "submit", "drop": "before"}],
        [{"on": "submit", "status": 500, "body": {"message": f"cannot charge {KEY}"}}],
        [{"on": "poll", "status": 503, "body": {"message": f"{KEY} is busy"}, "times": 3}],
        [{"on": "poll", "status": 404, "times": 2}],
        [{"on": "download", "truncate": True, "times": None}],
        [{"on": "download", "status": 403, "times": None}],
        [{"on": "download", "drop": "before", "times": None}],
    ],
    ids=lambda faults: str(faults[0] if faults else "nothing goes wrong")[:50],
)
@BOTH_WAYS
def test_neither_key_nor_prompt_nor_video_url_is_ever_told(
    guarded: Sandbox,
    log: pytest.LogCaptureFixture,
    tmp_path: Path,
    faults: list[dict[str, Any]],
    deferrable: bool,
) -> None:
    guarded.faults(faults)
    raised = ""
    try:
        task(deferrable=deferrable, timeout=0.5, output_path=str(tmp_path / "ball.mp4")).run()
    except PixverseError as error:
        raised = "".join(traceback.format_exception(error))
    for secret in (KEY, "/_media/"):
        assert secret not in raised
    said = everything(log)
    assert said or raised
    for secret in (KEY, PROMPT, "/_media/", "Authorization"):
        assert secret not in said


# --- a killed task --------------------------------------------------------------------------------------


def test_a_task_killed_before_it_has_bought_anything_says_nothing(
    guarded: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    task().operator.on_kill()
    assert list(messages(caplog)) == []


def killed(run: TaskRun, caplog: pytest.LogCaptureFixture) -> str:
    """Kill a task and return what it says."""
    caplog.clear()
    run.ran.on_kill()
    [said] = messages(caplog)
    return said


@BOTH_WAYS
def test_a_killed_task_says_what_it_leaves_behind(
    guarded: Sandbox, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    guarded.faults([PENDING])
    run = task(deferrable=deferrable, timeout=0.3)
    with suppress(PixverseError):
        run.run()
    said = killed(run, caplog)
    assert run.ti.xcoms["generation_id"] in said
    assert "not cancelled" in said


def test_a_task_killed_when_it_was_resumed_says_so_too(
    guarded: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    guarded.faults([PENDING])
    run = task()
    run.begin()
    with pytest.raises(TaskDeferred):
        run.resume("execute_complete", {"event": {"outcome": "timeout"}})
    assert run.ti.xcoms["generation_id"] in killed(run, caplog)
    assert guarded.ledger()["bought"] == 1
