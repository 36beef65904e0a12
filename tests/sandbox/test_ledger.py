# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from sandbox_client import AimlApiClient

    from airflow_provider_pixverse.sandbox import Sandbox


def test_what_was_bought_and_delivered_is_on_the_books(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"fail": True, "match": "doomed"}])
    kept = aimlapi.submit(headers={"X-Client-Request-Id": "run-1"}, seed=3).json()["id"]
    lost = aimlapi.submit(prompt="doomed").json()["id"]
    aimlapi.submit(prompt=...)
    content = httpx.get(aimlapi.finish(kept)["video"]["url"]).content
    aimlapi.finish(lost)
    ledger = sandbox.ledger()
    assert (ledger["submitted"], ledger["bought"], ledger["refunded"], ledger["downloaded"]) == (3, 2, 1, 1)
    assert ledger["gateways"]["aimlapi"]["bought"] == 2
    assert ledger["polled"] == sum(row["polls"] for row in ledger["generations"]) >= 2
    first, second = ledger["generations"]
    assert (first["id"], first["gateway"], first["state"]) == (kept, "aimlapi", "finished")
    assert first["request"] == {
        "model": "pixverse/v5/text-to-video",
        "prompt": "a quiet lake",
        "resolution": "360p",
        "seed": 3,
    }
    assert first["cost"] == {"amount": 315_000, "unit": "credits"}
    assert (first["seed"], first["downloads"], first["client_request_id"]) == (3, 1, "run-1")
    assert first["file"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (second["id"], second["state"], second["refunded"], second["file"]) == (lost, "failed", True, None)
    assert ledger["refused"][0]["status"] == 400


def test_long_values_are_cut(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"fail": True}])
    aimlapi.submit(prompt="x" * 5000)
    assert len(sandbox.ledger()["generations"][0]["request"]["prompt"]) < 200


def test_reset_forgets_everything(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    generation_id = aimlapi.submit().json()["id"]
    url = aimlapi.finish(generation_id)["video"]["url"]
    sandbox.faults([{"on": "any", "status": 500, "times": None}])
    sandbox.reset()
    assert sandbox.pending_faults() == []
    assert sandbox.ledger()["bought"] == 0
    assert aimlapi.poll(generation_id).status_code == 404
    assert httpx.get(url).status_code == 404
