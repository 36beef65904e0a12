# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import random
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from airflow_stack import AirflowStack, airflow_stack
from scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

SPEED = 6.0
"""A video takes 12 s: longer than a deferral needs to settle, short enough to wait for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.stack)


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of what is left to chance; `SEED=…` plays a run again as far as a busy machine can."""
    return int(os.environ.get("SEED") or random.randrange(10_000))


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, seed: int) -> Iterator[AirflowStack]:
    home = Path(tempfile.mkdtemp(prefix="pixverse-stack-"))
    with airflow_stack(home, speed=SPEED, seed=seed) as running:
        running.api.await_dags(
            "durable",
            "chaos",
            "chaos_without_record",
            "lost_trigger",
            "short_look_up",
            "announcing",
            "listening",
        )
        yield running
    if request.session.testsfailed or os.environ.get("KEEP"):
        print(f"\nWhat the components and tasks logged is kept in {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def scenario(stack: AirflowStack) -> Iterator[Scenario]:
    """One video of a prompt that no other test uses, on a stack where nothing goes wrong by itself."""
    stack.sandbox.faults()
    stack.ensure_triggerer()
    yield Scenario(stack, f"a fox, scene {uuid.uuid4().hex[:8]}")
    stack.sandbox.faults()
