# SPDX-License-Identifier: Apache-2.0
"""The example DAGs, run as they are against the sandbox; only the pauses between looks are shorter."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import pytest

from airflow_provider_pixverse import catalog
from airflow_provider_pixverse.triggers import pixverse as triggers

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

FOLDER = Path(__file__).parents[2] / "dags_examples"
SOON = 0.1


@dataclass(frozen=True)
class Film:
    """What can be seen of a video file."""

    width: int
    height: int
    seconds: int
    sounds: bool = False


EXPECTED = {
    "text_to_video": {"dragon.mp4": Film(1280, 720, 5)},
    "image_to_video": {"presenter.mp4": Film(1280, 720, 5, sounds=True)},
    "seamless_loop": {"loop.mp4": Film(1280, 720, 8)},
    "submit_and_sense": {"beach.mp4": Film(720, 1280, 5)},
    "campaign": {name: Film(540, 540, 5) for name in ("shoe.mp4", "bottle.mp4", "backpack.mp4")},
}
"""The files that each example leaves."""

Example = tuple[Any, dict[str, Film], dict[str, Any]]


def load(name: str) -> Any:
    """Return the DAG of an example, read as Airflow reads it."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for task in module.dag.tasks:
        # A mapped task keeps what it was given apart.
        fields = getattr(task, "partial_kwargs", None) or task.__dict__
        if "Pixverse" in task.task_type:
            fields["poll_interval"] = SOON
    return module.dag


def probe(path: Path) -> Film:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video=0))
        rate = float(video.average_rate or 0)
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(frames / rate, abs=0.1)
        return Film(video.width, video.height, round(frames / rate), sounds=bool(container.streams.audio))


@pytest.fixture
def example(
    pixverse_sandbox: SandboxInTest,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[[str], dict[str, Any]]:
    """Run an example and return its tasks' results by task id."""
    monkeypatch.setattr(triggers, "EARLIEST_EVENT", 0.0)
    monkeypatch.setattr(catalog, "SHORTEST_RENDERING", {})
    monkeypatch.setattr(catalog, "SHORTEST_UNSEEN", 0.0)
    monkeypatch.setenv("PIXVERSE_EXAMPLE_OUTPUT", str(tmp_path))
    monkeypatch.delenv("PIXVERSE_EXAMPLE_IMAGE", raising=False)

    def run(name: str) -> dict[str, Any]:
        from airflow.models.xcom import XComModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        finished = run_dag(load(name))
        states = {(ti.task_id, ti.map_index): str(ti.state) for ti in finished.get_task_instances()}
        assert set(states.values()) == {"success"}, states
        with create_session() as session:
            where = {"dag_id": finished.dag_id, "run_id": finished.run_id, "key": "return_value"}
            rows = session.scalars(select(XComModel).filter_by(**where)).all()
            return {row.task_id: XComModel.deserialize_value(row) for row in rows}

    return run


def test_no_example_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs_and_leaves_its_videos(
    pixverse_sandbox: SandboxInTest, example: Callable[[str], dict[str, Any]], tmp_path: Path, name: str
) -> None:
    results = example(name)

    files = EXPECTED[name]
    # An Airflow without a task state store also keeps the records of the purchases there.
    left = [path.name for path in tmp_path.iterdir() if path.suffix != ".json"]
    assert sorted(left) == sorted(files)
    assert {file: probe(tmp_path / file) for file in files} == files
    ledger = pixverse_sandbox.ledger()
    assert [ledger[count] for count in ("submitted", "bought", "downloaded")] == [len(files)] * 3
    assert ledger["leaked"] == 0
    sent = {row["file"]["sha256"] for row in ledger["generations"]}
    assert {hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() for file in files} == sent
    if name == "campaign":
        cost = sum(row["cost"]["amount"] for row in ledger["generations"])
        assert results["bill"] == {"videos": 3, "amount": cost, "unit": "credits"}
    if name == "submit_and_sense":
        size = (tmp_path / "beach.mp4").stat().st_size
        assert results["publish"] == f"Good morning. {tmp_path}/beach.mp4, {size} bytes"
    if name == "seamless_loop":
        body = ledger["generations"][0]["request"]
        assert body["image_url"] == body["tail_image_url"]
