# SPDX-License-Identifier: Apache-2.0
"""What a task keeps in XCom when it has submitted: for its resumption, and for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse.exceptions import PixverseError, PixverseGenerationFailed
from airflow_provider_pixverse.operators.pixverse import (
    PixverseSaveVideoOperator,
    PixverseTextToVideoOperator,
)
from airflow_provider_pixverse.operators.reporting import LONGEST_CAUSE, cause
from airflow_provider_pixverse.purchase import XCOM_KEY as SUBMISSION
from airflow_provider_pixverse.sandbox import Sandbox
from operators.running import SMALL, SOON, TaskRun

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = "sk-3f9c1e77a0b24d55"
PROMPT = "Zebras waltzing through a candlelit ballroom"


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with Sandbox(speed=1000, seed=1, key=KEY) as sandbox:
        yield sandbox


@pytest.fixture
def gateway(server: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    server.reset()
    monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", server.connection())
    return server


def task(**fields: Any) -> TaskRun:
    given = {"task_id": "video", "poll_interval": SOON, "timeout": 20.0, **SMALL, "prompt": PROMPT, **fields}
    return TaskRun(PixverseTextToVideoOperator(**given))


def pushes(run: TaskRun, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the keys that the task pushes from now on, in order."""
    keys: list[str] = []
    push = run.ti.xcom_push
    monkeypatch.setattr(
        run.ti, "xcom_push", lambda key, value: (keys.append(key), push(key=key, value=value))[1]
    )
    return keys


def test_it_keeps_what_was_asked_for(gateway: Sandbox, tmp_path: Path) -> None:
    run = task(output_path=str(tmp_path / "video.mp4"))
    run.run()
    kept = run.ti.xcoms[SUBMISSION]
    asked = {
        "prompt": PROMPT,
        "aspect_ratio": "16:9",
        "resolution": "360p",
        "duration": 5,
        "output_path": str(tmp_path / "video.mp4"),
    }
    assert {name: kept[name] for name in asked} == asked
    assert "error" not in kept


def test_the_record_of_the_purchase_has_no_prompt(gateway: Sandbox) -> None:
    run = task()
    run.run()
    kept = str(run.context["task_state_store"].kept)
    assert run.ti.xcoms["generation_id"] in kept
    assert PROMPT not in kept


def test_the_id_is_pushed_once_and_first(gateway: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    run = task()
    keys = pushes(run, monkeypatch)
    run.run()
    assert keys == ["generation_id", SUBMISSION]


def test_a_failure_after_the_purchase_is_kept_with_it(gateway: Sandbox) -> None:
    words = f"cannot make {PROMPT}, see https://vendor.example/help?signature=abc, key {KEY}"
    gateway.faults([{"on": "submit", "fail": {"name": "RenderError", "message": words}}])
    run = task()
    with pytest.raises(PixverseGenerationFailed):
        run.run()
    told = run.ti.xcoms[SUBMISSION]["error"]
    assert told["type"] == "PixverseGenerationFailed"
    assert "cannot make [prompt], see [URL]" in told["message"]
    for secret in (PROMPT, KEY, "https://", "signature"):
        assert secret not in told["message"]


def test_a_failure_before_the_purchase_keeps_nothing(gateway: Sandbox) -> None:
    gateway.faults([{"on": "submit", "status": 401, "times": None}])
    run = task()
    with pytest.raises(PixverseError):
        run.run()
    assert SUBMISSION not in run.ti.xcoms


def test_that_the_cause_cannot_be_kept_hides_no_error(
    gateway: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.faults([{"on": "submit", "fail": True}])
    run = task()
    push = run.ti.xcom_push

    def failing(key: str, value: Any) -> None:
        if "error" in value:
            raise OSError("the API server is gone")
        push(key=key, value=value)

    monkeypatch.setattr(run.ti, "xcom_push", failing)
    with pytest.raises(PixverseGenerationFailed):
        run.run()


def test_what_only_saves_says_that_it_did_not_buy(gateway: Sandbox, tmp_path: Path) -> None:
    first = task()
    bought = first.run()
    operator = PixverseSaveVideoOperator(
        task_id="save", generation_id=bought["generation_id"], output_path=str(tmp_path / "video.mp4")
    )
    run = TaskRun(operator)
    run.run()
    kept = run.ti.xcoms[SUBMISSION]
    assert (kept["gateway"], kept["cost"], kept["submitted_at"]) == (None, None, None)
    assert kept["output_path"] == str(tmp_path / "video.mp4")


def test_a_cause_is_short() -> None:
    assert len(cause(PixverseError("x" * 10_000), [])) == LONGEST_CAUSE


def test_the_longest_words_are_taken_out_first() -> None:
    assert (
        cause(PixverseError("no: a red kite and a cat"), ["a red kite", "a red kite and a cat"])
        == "no: [prompt]"
    )
