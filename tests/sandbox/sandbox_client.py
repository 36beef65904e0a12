# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox import Sandbox

PENDING = ("queued", "generating")


class AimlApiClient:
    """A plain client of AI/ML API, which knows nothing of the provider."""

    universal = "/v2/video/generations"
    legacy = "/v2/generate/video/pixverse/generation"

    def __init__(self, sandbox: Sandbox) -> None:
        self.http = httpx.Client(
            base_url=f"{sandbox.url}/aimlapi", headers={"Authorization": f"Bearer {sandbox.key}"}, timeout=20
        )

    def submit(
        self, path: str = universal, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        body = {
            "model": "pixverse/v5/text-to-video",
            "prompt": "a quiet lake",
            "resolution": "360p",
            **fields,
        }
        body = {name: value for name, value in body.items() if value is not ...}
        return self.http.post(path, json=body, headers=headers)

    def poll(self, generation_id: str, path: str = universal) -> httpx.Response:
        return self.http.get(path, params={"generation_id": generation_id})

    def finish(self, generation_id: str, path: str = universal) -> dict[str, Any]:
        for _ in range(1000):
            said: dict[str, Any] = self.poll(generation_id, path).json()
            if said["status"] not in PENDING:
                return said
            time.sleep(0.02)
        raise AssertionError(f"never finished: {said}")

    def make(self, **fields: Any) -> bytes:
        """Submit, wait and download."""
        said = self.finish(self.submit(**fields).json()["id"])
        return httpx.get(said["video"]["url"]).content
