# SPDX-License-Identifier: Apache-2.0
"""
What was submitted, bought, polled and downloaded: the answer of ``GET /_sandbox/ledger``.

    submitted    submit requests that arrived, whatever became of them
    bought       jobs accepted: each is one video a vendor puts on the bill
    refunded     those of them that ended without a video, which vendors do not charge
    polled       poll requests that arrived
    downloaded   videos sent to their last byte
    leaked       downloads refused because they carried an API key
    logs         looks into the request logs
    balance      looks at the balance
    uploaded     uploads that arrived, whatever became of them

Each is given in total and per gateway; ``generations`` has a row a bought job, oldest first, and
``refused`` the last hundred submissions the vendor would not take, with the reason.
"""

from __future__ import annotations

from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.jobs import Job

COUNTS: Final = {
    "submit": "submitted",
    "bought": "bought",
    "refunded": "refunded",
    "poll": "polled",
    "download": "downloaded",
    "leaked": "leaked",
    "logs": "logs",
    "balance": "balance",
    "upload": "uploaded",
}
LONGEST_VALUE: Final = 2000
"""Longer strings of a request are cut in the books: data URIs would fill them with megabytes."""


class Ledger:
    """The books of one sandbox since its last reset."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._jobs: list[Job] = []
        self._refused: deque[dict[str, Any]] = deque(maxlen=100)

    def count(self, gateway: str, what: str) -> None:
        self._counts[gateway, what] += 1

    def enter(self, job: Job) -> None:
        job.request = {name: _shortened(value) for name, value in job.request.items()}
        self._jobs.append(job)
        self.count(job.gateway, "bought")

    def refuse(self, gateway: str, status: int, reason: str, request: Any) -> None:
        body = request if not isinstance(request, dict) else {k: _shortened(v) for k, v in request.items()}
        self._refused.append({"gateway": gateway, "status": status, "reason": reason, "request": body})

    def balance(self, gateway: str) -> float:
        """Return what the jobs of one gateway have cost so far, in its unit."""
        return sum(job.cost for job in self._jobs if job.gateway == gateway and job.defeat is None)

    def report(self, gateways: list[str]) -> dict[str, Any]:
        rows = [_row(job) for job in self._jobs]
        counts = self._counts + Counter((row["gateway"], "refunded") for row in rows if row["refunded"])
        per_gateway = {
            gateway: {name: counts[gateway, what] for what, name in COUNTS.items()} for gateway in gateways
        }
        totals = {name: sum(each[name] for each in per_gateway.values()) for name in COUNTS.values()}
        refused = list(self._refused)
        return {**totals, "gateways": per_gateway, "generations": rows, "refused": refused}


def _row(job: Job) -> dict[str, Any]:
    film, defeat = job.film, job.defeat
    stage = job.stage
    return {
        "id": job.id,
        "gateway": job.gateway,
        "model": job.order.model,
        "request": job.request,
        "client_request_id": job.client_request_id,
        "state": stage.value,
        "error": None if defeat is None or stage.pending else (defeat.message or defeat.kind),
        "refunded": stage == "failed",
        "cost": {"amount": job.cost, "unit": job.unit},
        "seed": job.order.seed,
        "accepted_at": iso(job.accepted_at),
        "polls": job.polls,
        "downloads": job.downloads,
        "file": None
        if film is None
        else {
            "sha256": film.sha256,
            "size": film.size,
            "width": film.width,
            "height": film.height,
            "seconds": film.seconds,
            "has_audio": film.has_audio,
        },
    }


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        return f"{value[:100]}… ({len(value)} characters)"
    return value


def iso(epoch: float) -> str:
    """Write a moment as the vendors do: ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
