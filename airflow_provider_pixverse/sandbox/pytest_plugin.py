# SPDX-License-Identifier: Apache-2.0
"""
The fixture ``pixverse_sandbox``: every gateway on loopback, empty at the start of each test.

::

    def test_my_dag(pixverse_sandbox):
        pixverse_sandbox.faults([{"on": "submit", "drop": "after"}])
        my_dag.test()
        assert pixverse_sandbox.ledger()["bought"] == 1
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_pixverse.sandbox.local import Sandbox

CONNECTION_VARIABLE = "AIRFLOW_CONN_PIXVERSE_DEFAULT"
SPEED = 1000.0


class SandboxInTest:
    """One test's view of the sandbox: everything :class:`Sandbox` has, and :meth:`connect`."""

    def __init__(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sandbox = sandbox
        self._monkeypatch = monkeypatch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)

    def connect(self, gateway: str = "aimlapi") -> str:
        """Let ``pixverse_default`` lead to this gateway until the test ends; return the connection."""
        connection = self._sandbox.connection(gateway)
        self._monkeypatch.setenv(CONNECTION_VARIABLE, connection)
        return connection


@pytest.fixture(scope="session")
def pixverse_sandbox_server() -> Iterator[Sandbox]:
    """Run one sandbox for the whole session, a thousand times as fast as the vendors."""
    for needed in ("aiohttp", "av", "PIL"):
        pytest.importorskip(needed, reason="needs airflow-provider-pixverse[sandbox]")
    from airflow_provider_pixverse.sandbox.local import Sandbox

    with Sandbox(speed=SPEED, seed=1) as sandbox:
        yield sandbox


@pytest.fixture
def pixverse_sandbox(
    pixverse_sandbox_server: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SandboxInTest]:
    """Give an empty sandbox, to which the connection ``pixverse_default`` leads (at AI/ML API)."""
    pixverse_sandbox_server.reset()
    view = SandboxInTest(pixverse_sandbox_server, monkeypatch)
    view.connect()
    yield view
    pixverse_sandbox_server.reset()
