# SPDX-License-Identifier: Apache-2.0
"""Which errors use up a task's retries, in a real run; what a retry does with a record is not here."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from operators.running import OLD_AIRFLOW, SMALL, SOON, by_prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest
    from operators.running import DagRunReport

REPEATED_BY_A_RETRY = {
    "invalid request": [],
    "refused by the vendor": [{"on": "submit", "status": 400}],
    "unserializable trigger": [],
    "key refused": [],
    "no credits": [{"on": "submit", "status": 403}],
    "input moderated": [{"on": "submit", "status": 400, "body": {"message": "Violates the content policy"}}],
    "output moderated": [{"on": "submit", "moderation": True}],
    "unknown fate": [{"on": "submit", "drop": "before"}],
}
WORTH_A_RETRY = {
    "in doubt": [{"on": "submit", "drop": "before"}],
    "failed": [{"on": "submit", "fail": True}],
    "timeout": [{"on": "poll", "status": 503}],
    "too many requests": [{"on": "submit", "status": 429, "headers": {"Retry-After": "3600"}}],
    "not downloaded": [{"on": "download", "status": 503}],
    "no video": [{"on": "submit", "no_url": True}],
}
FIELDS: dict[str, dict[str, Any]] = {
    "invalid request": {"duration": 7},
    "unserializable trigger": {"poll_interval": object()},
    "key refused": {"pixverse_conn_id": "locked_out"},
    "timeout": {"timeout": 0.5},
    # Without a record, a retry could only buy; with one, it asks the vendor once more.
    "unknown fate": {"durable": False},
}
BOUGHT = {"output moderated": 1, "failed": 2}
"""How many videos each of them buys, where that does not depend on the record of a purchase."""
RECORDED = ["timeout", "not downloaded", "no video"]


def task_id(name: str) -> str:
    return name.replace(" ", "_")


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on_the_worker"])
def test_only_what_may_go_better_is_tried_again(
    pixverse_sandbox: SandboxInTest,
    dag_run: Callable[..., DagRunReport],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    deferrable: bool,
) -> None:
    wrong_key = pixverse_sandbox.connection().replace(f'"{pixverse_sandbox.key}"', '"wrong"')
    monkeypatch.setenv("AIRFLOW_CONN_LOCKED_OUT", wrong_key)
    cases = {**REPEATED_BY_A_RETRY, **WORTH_A_RETRY}
    pixverse_sandbox.faults(
        [{"times": None, "match": name, **fault} for name, faults in cases.items() for fault in faults]
    )
    with DAG(f"tries_{deferrable}", schedule=None) as dag:
        for name in cases:
            PixverseTextToVideoOperator(
                task_id=task_id(name),
                retries=1,
                retry_delay=timedelta(0),
                deferrable=deferrable,
                output_path=f"{tmp_path}/{task_id(name)}.mp4",
                **{"poll_interval": SOON, **SMALL, "prompt": name, **FIELDS.get(name, {})},
            )

    report = dag_run(dag)

    assert set(report.states().values()) == {"failed"}
    assert {name: report.tries(task_id(name)) for name in cases} == {
        **dict.fromkeys(REPEATED_BY_A_RETRY, 1),
        **dict.fromkeys(WORTH_A_RETRY, 2),
    }
    paid = by_prompt(pixverse_sandbox)
    # What an old Airflow does instead has a test of its own below.
    unjudged = [*RECORDED, "failed"] if OLD_AIRFLOW and deferrable else RECORDED
    judged = [name for name in cases if name not in unjudged]
    assert {name: len(paid.get(name, [])) for name in judged} == {
        name: BOUGHT.get(name, 0) for name in judged
    }
    used = {rule["match"]: rule["used"] for rule in pixverse_sandbox.pending_faults()}
    assert {name: used[name] for name in ("no credits", "input moderated", "unknown fate", "in doubt")} == {
        "no credits": 1,
        "input moderated": 1,
        "unknown fate": 1,
        "in doubt": 1,
    }
    assert used["too many requests"] == 2
    for name in ("output moderated", "failed", "timeout"):
        assert report.xcom(task_id(name), "generation_id") in {row["id"] for row in paid[name]}
    assert [path for path in tmp_path.iterdir() if path.suffix in (".mp4", ".part")] == []


def test_a_retry_after_a_failed_generation_makes_the_video_anew(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport], tmp_path: Path
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "fail": True}])
    with DAG("second_try", schedule=None) as dag:
        PixverseTextToVideoOperator(
            task_id="video",
            retries=1,
            retry_delay=timedelta(0),
            poll_interval=SOON,
            output_path=f"{tmp_path}/kite.mp4",
            **SMALL,
        )

    report = dag_run(dag)

    assert (report.state("video"), report.tries("video")) == ("success", 2)
    first, second = pixverse_sandbox.ledger()["generations"]
    assert (first["refunded"], second["refunded"]) == (True, False)
    result = report.xcom("video")
    assert result["generation_id"] == report.xcom("video", "generation_id") == second["id"]
    assert (tmp_path / "kite.mp4").stat().st_size == result["size_bytes"] == second["file"]["size"]
