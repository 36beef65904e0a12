# SPDX-License-Identifier: Apache-2.0
"""Assets and asset aliases as outlets, and a DAG that reads what they were told."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, Asset, AssetAlias

from airflow_provider_pixverse.operators.outlets import asset_uri, tell_outlets
from airflow_provider_pixverse.operators.pixverse import (
    PixverseSaveVideoOperator,
    PixverseTextToVideoOperator,
)
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor
from operators.running import OLD_AIRFLOW, SMALL, SOON, TaskRun, messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest
    from operators.running import DagRunReport

CLIPS = AssetAlias("clips")
SPELLINGS = {
    "s3://campaign/dragon.mp4": "s3://campaign/dragon.mp4",
    "s3://aws_default@campaign/2026/a dragon.mp4": "s3://campaign/2026/a dragon.mp4",
    "s3://campaign/who@where.mp4": "s3://campaign/who@where.mp4",
    "s3://campaign/take#2?.mp4": "s3://campaign/take%232%3F.mp4",
    "gs://google@campaign/dragon.mp4": "gs://campaign/dragon.mp4",
    "file:///videos/dragon.mp4": "file:///videos/dragon.mp4",
    "/videos/dragon.mp4": "file:///videos/dragon.mp4",
}


def text_to_video(**fields: Any) -> PixverseTextToVideoOperator:
    return PixverseTextToVideoOperator(task_id="video", poll_interval=SOON, **{**SMALL, **fields})


def added(run: TaskRun, alias: AssetAlias = CLIPS) -> list[tuple[str, dict[str, Any]]]:
    events = run.context["outlet_events"][alias].asset_alias_events
    return [(event.dest_asset_key.uri, event.extra) for event in events]


@pytest.mark.parametrize(("path", "uri"), SPELLINGS.items())
def test_the_uri_of_an_asset_says_where_the_file_lies(path: str, uri: str) -> None:
    assert asset_uri(path) == uri
    assert Asset(uri=uri).uri == uri


def test_a_relative_path_is_made_absolute() -> None:
    assert asset_uri("dragon.mp4") == f"file://{os.getcwd()}/dragon.mp4"


def made_by_each_kind(sandbox: SandboxInTest, path: str, **fields: Any) -> dict[str, TaskRun]:
    """Run an operator, a sensor and a save, each with the alias as its outlet."""
    waiting = {"poll_interval": SOON, "outlets": [CLIPS], **fields}
    first = TaskRun(text_to_video(output_path=f"{path}/made.mp4", outlets=[CLIPS], **fields))
    generation_id = first.run()["generation_id"]
    others = {
        "sensed": PixverseGenerationSensor(
            task_id="sense", generation_id=generation_id, output_path=f"{path}/sensed.mp4", **waiting
        ),
        "saved": PixverseSaveVideoOperator(
            task_id="save", generation_id=generation_id, output_path=f"{path}/saved.mp4", **waiting
        ),
    }
    return {"made": first, **{name: TaskRun(operator) for name, operator in others.items()}}


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_with_an_alias_the_saved_file_becomes_the_asset(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, deferrable: bool
) -> None:
    for name, run in made_by_each_kind(pixverse_sandbox, str(tmp_path), deferrable=deferrable).items():
        if name != "made":
            run.run()
        [(uri, extra)] = added(run)
        assert uri == f"file://{tmp_path}/{name}.mp4"
        assert (extra["output_path"], extra["status"]) == (f"{tmp_path}/{name}.mp4", "finished")


@pytest.mark.parametrize("fields", [{}, {"wait_for_completion": False}], ids=["finished", "not waited for"])
def test_an_alias_of_a_task_that_saves_nothing_gets_nothing_and_the_log_says_so(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture, fields: dict[str, Any]
) -> None:
    caplog.set_level("INFO", logger="airflow_provider_pixverse")
    run = TaskRun(text_to_video(outlets=[CLIPS], **fields))
    run.run()
    assert added(run) == []
    assert "The asset alias clips gets no asset: no video was saved." in list(messages(caplog))


def test_a_file_that_no_asset_can_be_called_after_fails_no_paid_task(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = TaskRun(text_to_video())
    tell_outlets(run.context, [CLIPS], {"output_path": f"s3://clips/{'x' * 2000}.mp4"})
    assert added(run) == []
    assert "The asset alias clips gets no asset." in list(messages(caplog))


def test_each_video_of_a_mapped_task_becomes_an_asset_of_its_own(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport], tmp_path: Path
) -> None:
    declared = Asset(name="latest clip", uri="x-pixverse://latest")
    with DAG("announcing", schedule=None) as dag:
        PixverseTextToVideoOperator.partial(
            task_id="video",
            poll_interval=SOON,
            outlets=[declared, CLIPS],
            output_path=f"{tmp_path}/{{{{ ti.map_index }}}}.mp4",
            **{name: value for name, value in SMALL.items() if name != "prompt"},
        ).expand(prompt=["A red kite", "A blue kite"])

    report = dag_run(dag)

    results = report.xcoms("video")
    extras = sorted(report.asset_events(), key=lambda extra: str(extra["output_path"]))
    # One event of the declared asset, and one of the file's own, for each video.
    assert [extra["output_path"] for extra in extras] == [f"{tmp_path}/{name}.mp4" for name in (0, 0, 1, 1)]
    for extra in extras:
        result = results[int(extra["output_path"][-5])]
        # Airflow 3.0 stores no nested values in the event of an alias.
        assert extra in (result, {**result, "cost": json.dumps(result["cost"])})
        assert extra == result or OLD_AIRFLOW
