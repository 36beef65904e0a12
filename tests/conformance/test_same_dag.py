# SPDX-License-Identifier: Apache-2.0
"""The same DAG at every gateway, by changing nothing but the connection."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.vendors import VENDORS
from conformance.world import Film, World, probe

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

SOON = 0.1
FOLDER = Path(__file__).parents[2] / "dags_examples"
EXAMPLES = {
    "text_to_video": ("dragon.mp4", Film(1280, 720, 5.0)),
    "news_presenter": ("presenter.mp4", Film(1280, 720, 5.0, sounds=True)),
    "seamless_loop": ("loop.mp4", Film(1280, 720, 8.0)),
}
"""The examples whose task is sold everywhere, and what they are to leave."""


def load(name: str) -> Any:
    """Return the DAG of an example, read as Airflow reads it; only the pauses between looks are shorter."""
    spec = importlib.util.spec_from_file_location(f"same_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for task in module.dag.tasks:
        task.poll_interval = SOON
    return module.dag


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_same_dag_makes_the_same_kind_of_video_at_every_gateway(
    pixverse_sandbox: SandboxInTest,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    example: str,
) -> None:
    """Promise 1: moving a DAG from one gateway to another changes the bill, not the kind of video."""
    file, expected = EXAMPLES[example]
    monkeypatch.setenv("PIXVERSE_EXAMPLE_OUTPUT", str(tmp_path))
    monkeypatch.delenv("PIXVERSE_EXAMPLE_IMAGE", raising=False)
    dag, films, bills = load(example), {}, set()
    for gateway in VENDORS:
        pixverse_sandbox.reset()
        world = World(gateway, pixverse_sandbox, monkeypatch)
        run = run_dag(dag)
        assert {ti.task_id: str(ti.state) for ti in run.get_task_instances()} == dict.fromkeys(
            dag.task_ids, "success"
        )
        films[gateway] = probe(tmp_path / file)
        (tmp_path / file).unlink()
        assert world.sent == (1, 1)
        bills.add(tuple(world.row["cost"].values()))
    for film in films.values():
        assert (film.width, film.height, film.sounds) == (expected.width, expected.height, expected.sounds)
        assert film.seconds == pytest.approx(expected.seconds, abs=0.1)
    assert len(bills) == len(VENDORS)
