# SPDX-License-Identifier: Apache-2.0
"""Every test here runs once for each gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pacing import quicken

from airflow_provider_pixverse.triggers import pixverse as triggers
from conformance.vendors import VENDORS
from conformance.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triggers, "SHORTEST_INTERVAL", 0.02)
    quicken(monkeypatch, first_back_off=0.005)


@pytest.fixture(params=list(VENDORS))
def gateway(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def world(gateway: str, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(gateway, pixverse_sandbox, monkeypatch)
    yield world
    assert world.ledger["leaked"] == 0, "a download was given the API key"
