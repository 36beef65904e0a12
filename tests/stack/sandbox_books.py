# SPDX-License-Identifier: Apache-2.0
"""The sandbox from outside: its books, which are the judge, and what it is told to do wrong."""

from __future__ import annotations

import json
from typing import Any

import httpx
from airflow_api import eventually


class SandboxBooks:
    """
    The control paths of a running sandbox.

    :param connection: One of its connections, as JSON.
    """

    def __init__(self, connection: str) -> None:
        self.origin = json.loads(connection)["host"].rpartition("/")[0]
        self._http = httpx.Client(base_url=f"{self.origin}/_sandbox", timeout=30)

    def ledger(self) -> dict[str, Any]:
        books: dict[str, Any] = self._http.get("/ledger").raise_for_status().json()
        return books

    def faults(self, *rules: dict[str, Any]) -> None:
        """Set what goes wrong from now on; without rules, nothing does."""
        answer = self._http.post("/faults", json=list(rules))
        assert answer.is_success, answer.text

    def seen(self, rule: int = 0) -> int:
        """Return how often a rule has been used."""
        return int(self._http.get("/faults").raise_for_status().json()[rule]["used"])

    def await_use(self, rule: int = 0, *, times: int = 1) -> None:
        eventually(lambda: self.seen(rule) >= times, lambda: f"{times} uses of rule {rule}: {self.ledger()}")

    def bought(self, prompt: str) -> list[dict[str, Any]]:
        """Return the rows of what was bought for a prompt, oldest first."""
        return [each for each in self.ledger()["generations"] if each["request"]["prompt"].startswith(prompt)]
