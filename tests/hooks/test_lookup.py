# SPDX-License-Identifier: Apache-2.0
"""A connection that does not exist is the user's mistake; one that could not be asked for is not."""

from __future__ import annotations

import traceback
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import comms, supervisor, task_runner

from airflow_provider_pixverse.exceptions import PixverseNotSentError, PixverseRequestError
from airflow_provider_pixverse.hooks.lookup import explained
from airflow_provider_pixverse.hooks.pixverse import PixverseHook


class Vault:
    def get_connection(self, conn_id: str) -> Any:
        raise ConnectionError("vault: 503")


def test_a_connection_that_does_not_exist_says_how_to_make_it() -> None:
    with pytest.raises(PixverseRequestError, match=r"no connection 'nobody'.*AIRFLOW_CONN_NOBODY"):
        _ = PixverseHook("nobody").settings


def test_a_backend_that_is_away_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ensure_secrets_backend_loaded", lambda: [Vault()])
    with pytest.raises(PixverseNotSentError, match=r"Vault fails \(ConnectionError\)"):
        _ = PixverseHook("nobody").settings


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("CONNECTION_NOT_FOUND", PixverseRequestError),
        ("API_SERVER_ERROR", PixverseNotSentError),
        ("GENERIC_ERROR", PixverseNotSentError),
    ],
)
def test_an_api_server_in_trouble_is_worth_a_retry(
    kind: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = comms.ErrorResponse(error=ErrorType(kind))
    channel = SimpleNamespace(send=lambda message: answer)
    monkeypatch.setattr(supervisor, "ensure_secrets_backend_loaded", list)
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", channel, raising=False)
    with pytest.raises(error):
        _ = PixverseHook("nobody").settings


def test_a_uri_that_airflow_quotes_is_not_repeated() -> None:
    with pytest.raises(PixverseNotSentError) as caught, explained("mine"):
        raise ValueError("Invalid connection string: pixverse://:SECRET@a://b://c.")
    assert "SECRET" not in "".join(traceback.format_exception(caught.value))
