# SPDX-License-Identifier: Apache-2.0
"""Every test here runs once for each gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse import catalog, polling, storage, submission
from airflow_provider_pixverse.triggers import pixverse as triggers
from conformance.vendors import VENDORS
from conformance.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "EARLIEST_EVENT", 0.0)
    monkeypatch.setattr(triggers, "SHORTEST_INTERVAL", 0.02)
    monkeypatch.setattr(catalog, "SHORTEST_RENDERING", {})
    monkeypatch.setattr(catalog, "SHORTEST_UNSEEN", 0.0)
    monkeypatch.setattr(polling, "NOT_FOUND_GRACE", 0.3)
    monkeypatch.setattr(submission, "FIRST_BACK_OFF", 0.005)
    monkeypatch.setattr(submission, "LOOK_UP_DELAYS", (0.01, 0.02, 0.05))
    monkeypatch.setattr(storage, "RETRY_DELAYS", (0.01, 0.02))


@pytest.fixture(params=list(VENDORS))
def gateway(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def world(gateway: str, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(gateway, pixverse_sandbox, monkeypatch)
    yield world
    assert world.ledger["leaked"] == 0, "a download was given the API key"
