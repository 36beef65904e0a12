# SPDX-License-Identifier: Apache-2.0
"""AI/ML API's request logs, balance and list of models."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox_client import AimlApiClient

from airflow_provider_pixverse.sandbox import Sandbox

IDS = ["request_id", "inference_id", "client_request_id"]
ROW = ["created", "status", "origin", "model", "cost", "tokens", *IDS]


def logs(aimlapi: AimlApiClient, **query: Any) -> dict[str, Any]:
    answer = aimlapi.http.get("/v2/logs", params={"period": "1h", **query})
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_a_lost_submission_is_found_by_the_clients_id(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"on": "submit", "empty": True}])
    aimlapi.submit(headers={"X-Client-Request-Id": "run-1"})
    (row,) = logs(aimlapi)["data"]
    assert sorted(row) == sorted(ROW)
    assert row["client_request_id"] == "run-1"
    assert row["inference_id"] == sandbox.ledger()["generations"][0]["id"]
    assert row["status"] == "succeeded"
    assert row["cost"] == {"usd": 0.1575, "credits": 315_000}
    assert row["created"].endswith("Z")


def test_a_failed_job_costs_nothing(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"fail": True}])
    aimlapi.finish(aimlapi.submit().json()["id"])
    (row,) = logs(aimlapi, status="failed")["data"]
    assert row["cost"] == {"usd": 0.0, "credits": 0}
    assert logs(aimlapi, status="succeeded")["data"] == []
    assert aimlapi.http.get("/v2/billing").json() == {"current_balance": 10_000.0, "currency": "USD"}


def test_the_logs_lag(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"lag": 3600, "times": 2}])
    aimlapi.submit()
    assert [len(logs(aimlapi)["data"]) for _ in range(3)] == [0, 0, 1]
    assert sandbox.ledger()["logs"] == 3


def test_the_lag_of_a_sandbox_is_its_own_to_choose() -> None:
    with Sandbox(speed=1000, logs_lag=3600) as slow:
        client = AimlApiClient(slow)
        client.submit()
        assert logs(client)["data"] == []


def test_pages_run_from_the_newest(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"fail": True, "times": None}])
    for number in range(5):
        aimlapi.submit(headers={"X-Client-Request-Id": f"run-{number}"})
    page = logs(aimlapi, limit=2, offset=1)
    assert [row["client_request_id"] for row in page["data"]] == ["run-3", "run-2"]
    assert page["pagination"] == {"limit": 2, "offset": 1, "total": 5, "has_more": True}
    assert logs(aimlapi, limit=2, offset=3)["pagination"]["has_more"] is False


def test_models_are_matched_exactly_and_commas_are_no_list(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"fail": True, "times": None}])
    aimlapi.submit()
    aimlapi.submit(model="pixverse/v5-5-text-to-video")
    models = ["pixverse/v5/text-to-video", "pixverse/v5-5-text-to-video"]
    assert len(logs(aimlapi, model=models)["data"]) == 2
    assert len(logs(aimlapi, model=models[0])["data"]) == 1
    assert logs(aimlapi, model=",".join(models))["data"] == []


def test_a_window_by_start_and_end(aimlapi: AimlApiClient) -> None:
    aimlapi.submit()
    window = {"period": None, "start": "2020-01-01T00:00:00Z", "end": "2020-01-02"}
    answer = aimlapi.http.get("/v2/logs", params={k: v for k, v in window.items() if v})
    assert answer.json()["data"] == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400),
        ({"period": "7d", "start": "2026-01-01", "end": "2026-01-02"}, 400),
        ({"start": "2026-01-01"}, 400),
        ({"start": "2026-01-02", "end": "2026-01-01"}, 400),
        ({"start": "2026-01-01", "end": "2026-12-01"}, 400),
        ({"start": "yesterday", "end": "today"}, 400),
        ({"period": "week"}, 400),
        ({"period": "0h"}, 400),
        ({"period": "93d"}, 400),
        ({"period": "1h", "limit": 101}, 400),
        ({"period": "1h", "limit": "all"}, 400),
        ({"period": "1h", "offset": -1}, 400),
        ({"period": "1h", "status": "succeeded,failed"}, 400),
        ({"period": "1h", "key_prefix": "other"}, 403),
        ({"period": "1h", "key_prefix": "sand"}, 200),
        ({"period": "92d"}, 200),
    ],
    ids=str,
)
def test_what_the_logs_want_to_know(aimlapi: AimlApiClient, query: dict[str, Any], status: int) -> None:
    assert aimlapi.http.get("/v2/logs", params=query).status_code == status


def test_two_hundred_looks_a_minute_are_the_most() -> None:
    with Sandbox(speed=1) as unhurried:
        client = AimlApiClient(unhurried)
        statuses = [client.http.get("/v2/logs?period=1h").status_code for _ in range(201)]
    assert statuses == [200] * 200 + [429]


@pytest.mark.parametrize("path", ["/v2/logs?period=1h", "/v2/billing", "/v1/billing/balance"])
def test_the_account_is_shown_only_with_the_key(aimlapi: AimlApiClient, path: str) -> None:
    assert aimlapi.http.get(path).status_code == 200
    assert aimlapi.http.get(path, headers={"Authorization": "Bearer other"}).status_code == 401


def test_what_is_bought_leaves_the_balance(aimlapi: AimlApiClient) -> None:
    aimlapi.submit(resolution="720p")
    assert aimlapi.http.get("/v2/billing").json()["current_balance"] == 10_000 - 0.21
    legacy = aimlapi.http.get("/v1/billing/balance").json()
    assert legacy["balance"] == 20_000_000_000 - 420_000
    assert legacy["status"] == "current"


def test_the_list_of_models(aimlapi: AimlApiClient) -> None:
    listed = aimlapi.http.get("/v1/models").json()["data"]
    assert len(listed) == 8
    answer = aimlapi.http.get("/v1/models", params={"id": "pixverse/lip-sync,unknown"}).json()
    assert [row["id"] for row in answer["data"]] == ["pixverse/lip-sync"]
