# SPDX-License-Identifier: Apache-2.0
"""AI/ML API beside the generations: request logs, balance and the list of models."""

from __future__ import annotations

import math
import re
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from airflow_provider_pixverse.sandbox.aimlapi_models import CREDITS_PER_USD, MODELS
from airflow_provider_pixverse.sandbox.jobs import Job, Stage
from airflow_provider_pixverse.sandbox.ledger import iso

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.aimlapi import AimlApi
    from airflow_provider_pixverse.sandbox.faults import Fault

TOP_UP_USD: Final = 10_000.0
LOGS_A_MINUTE: Final = 200
LONGEST_WINDOW: Final = timedelta(days=92)


class Account:
    """
    The paths about the account rather than about one generation.

    :param gateway: whose account it is.
    """

    def __init__(self, gateway: AimlApi) -> None:
        self._gateway = gateway
        self._studio = gateway.studio
        self._looks_into_logs: deque[float] = deque(maxlen=LOGS_A_MINUTE)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/v2/logs", self._logs),
            web.get("/v2/billing", self._billing),
            web.get("/v1/billing/balance", self._billing),
            web.get("/v1/models", self._models),
        ]

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        self._studio.ledger.count(self._gateway.name, "logs")

        async def handle(fault: Fault | None) -> web.Response:
            if refused := self._gateway.without_key(request) or self._too_many_looks(request):
                return refused
            try:
                page = self._log_page(request, self._studio.logs_lag if fault is None else fault.lag or 0.0)
            except ValueError as error:
                return self._gateway.error(request, 400, f"Query validation error\n{error}")
            except PermissionError:
                return self._gateway.error(
                    request, 403, "Listing another key's requests requires a management key."
                )
            return web.json_response(page)

        return await self._gateway.answer(request, "logs", None, handle)

    def _log_page(self, request: web.Request, lag: float) -> dict[str, Any]:
        query = request.query
        start, end = _window(query.get("period"), query.get("start"), query.get("end"))
        limit, offset = int(query.get("limit", 50)), int(query.get("offset", 0))
        if not (1 <= limit <= 100 and offset >= 0):
            raise ValueError("limit is 1 to 100, offset at least 0")
        if wrong := [each for each in query.getall("status", []) if each not in ("succeeded", "failed")]:
            raise ValueError(f"Invalid enum value. Expected 'succeeded' | 'failed', received '{wrong[0]}'")
        if not self._gateway.key.startswith(query.get("key_prefix", "")):
            raise PermissionError
        end = min(end, time.time() - lag)
        rows = [
            _log_row(job)
            for job in reversed(self._studio.jobs.values())
            if job.gateway == self._gateway.name and start <= job.accepted_at <= end
        ]
        for name in ("model", "status"):
            if wanted := query.getall(name, []):
                rows = [row for row in rows if row[name] in wanted]
        pages = {"limit": limit, "offset": offset, "total": len(rows), "has_more": offset + limit < len(rows)}
        return {"data": rows[offset : offset + limit], "pagination": pages}

    def _too_many_looks(self, request: web.Request) -> web.Response | None:
        looks, now = self._looks_into_logs, time.monotonic()
        if len(looks) == LOGS_A_MINUTE and now - looks[0] < 60 / self._studio.speed:
            return self._gateway.error(request, 429)
        looks.append(now)
        return None

    async def _billing(self, request: web.Request) -> web.StreamResponse:
        self._studio.ledger.count(self._gateway.name, "balance")

        async def handle(_: Fault | None) -> web.Response:
            if refused := self._gateway.without_key(request):
                return refused
            usd = TOP_UP_USD - self._studio.ledger.balance(self._gateway.name) / CREDITS_PER_USD
            if request.path.endswith("/v2/billing"):
                return web.json_response({"current_balance": usd, "currency": "USD"})
            return web.json_response(
                {
                    "balance": math.floor(usd * CREDITS_PER_USD),
                    "lowBalance": False,
                    "lowBalanceThreshold": 10_000,
                    "lastUpdated": iso(time.time()),
                    "autoDebitStatus": "disabled",
                    "status": "current",
                    "statusExplanation": "Balance is current and up to date",
                }
            )

        return await self._gateway.answer(request, "balance", None, handle)

    async def _models(self, request: web.Request) -> web.Response:
        wanted = {each for ids in request.query.getall("id", []) for each in ids.split(",")}
        rows = [
            {"id": name, "aliases": [], "type": "internal/video-generations/submit"}
            for name in MODELS
            if not wanted or name in wanted
        ]
        return web.json_response({"object": "list", "data": rows})


def _log_row(job: Job) -> dict[str, Any]:
    failed = job.stage == Stage.FAILED
    credits_used = 0 if failed else job.cost
    return {
        "created": iso(job.accepted_at),
        "status": "failed" if failed else "succeeded",
        "origin": "api",
        "model": job.order.model,
        "cost": {"usd": credits_used / CREDITS_PER_USD, "credits": credits_used},
        "tokens": {"input": 0, "output": 0, "total": 0},
        "request_id": f"req-{job.id}",
        "inference_id": job.id,
        "client_request_id": job.client_request_id,
    }


def _window(period: str | None, start: str | None, end: str | None) -> tuple[float, float]:
    if (period is None) == (start is None and end is None) or (start is None) != (end is None):
        raise ValueError("Provide either period or both start and end, never both.")
    until = datetime.now(UTC)
    if period is not None:
        if not (found := re.fullmatch(r"([1-9]\d*)([hd])", period)):
            raise ValueError("period is a positive integer followed by h or d")
        length = timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))
    else:
        since, until = (_utc(moment) for moment in (start or "", end or ""))
        length = until - since
    if not timedelta(0) <= length <= LONGEST_WINDOW:
        raise ValueError("end must not be earlier than start, and the window must not exceed 92 days")
    return (until - length).timestamp(), until.timestamp()


def _utc(moment: str) -> datetime:
    parsed = datetime.fromisoformat(moment)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
