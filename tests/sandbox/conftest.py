# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sandbox_client import AimlApiClient

from airflow_provider_pixverse.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def server() -> Iterator[Sandbox]:
    with Sandbox(speed=1000, seed=1, logs_lag=0) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: Sandbox) -> Sandbox:
    server.reset()
    return server


@pytest.fixture
def aimlapi(sandbox: Sandbox) -> Iterator[AimlApiClient]:
    client = AimlApiClient(sandbox)
    with client.http:
        yield client
