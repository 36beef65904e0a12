# SPDX-License-Identifier: Apache-2.0
"""
Segmind beside the jobs: the request history, the credits, and storage for what jobs start from.

What the history's rows hold is known from the vendor's client; how a page wraps them is not, nor the name
of the moment in them, for which the key that pages are sorted by stands.
"""

from __future__ import annotations

import mimetypes
import time
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from airflow_provider_pixverse.sandbox.gateway import read_json
from airflow_provider_pixverse.sandbox.jobs import Defeat, Stage
from airflow_provider_pixverse.sandbox.ledger import iso
from airflow_provider_pixverse.sandbox.pictures import decode_data_uri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_pixverse.sandbox.faults import Fault
    from airflow_provider_pixverse.sandbox.jobs import Job
    from airflow_provider_pixverse.sandbox.segmind import Segmind

HISTORY: Final = "/inference-request/request-history"
LONGEST_WINDOW: Final = timedelta(days=31)
USUAL_WINDOW: Final = timedelta(days=7)
MOST_ASSETS: Final = 100
"""Uploads that are kept: they are megabytes, and nobody deletes them."""

_COMPLAINTS: Final = {
    "failure": "The model could not process this request.",
    "moderation": "Blocked by the content policy of the model's provider.",
    "input": "The input could not be read.",
}
_STATUSES: Final = ("COMPLETED", "FAILED", "PENDING")
_SORT_KEYS: Final = ("model_created", "model_name", "credits_deduction")


class Account:
    """
    The paths about the account rather than about one job.

    :param gateway: whose account it is.
    """

    def __init__(self, gateway: Segmind) -> None:
        self._gateway = gateway
        self._studio = gateway.studio
        self._assets: OrderedDict[str, bytes] = OrderedDict()

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get(HISTORY, self._history),
            web.get(f"{HISTORY}/{{id}}", self._one),
            web.get("/v1/get-user-credits", self._credits),
            web.post("/upload-asset", self._upload),
            web.get("/assets/{name}", self._asset),
        ]

    async def _history(self, request: web.Request) -> web.StreamResponse:
        self._studio.ledger.count(self._gateway.name, "logs")

        async def handle(fault: Fault | None) -> web.Response:
            if refused := self._gateway.without_key(request):
                return refused
            try:
                return web.json_response(_page(request.query, self._rows(request, fault)))
            except ValueError as error:
                return self._gateway.error(request, 400, str(error))

        return await self._gateway.answer(request, "logs", None, handle)

    async def _one(self, request: web.Request) -> web.StreamResponse:
        self._studio.ledger.count(self._gateway.name, "logs")
        wanted = request.match_info["id"]

        async def handle(fault: Fault | None) -> web.Response:
            if refused := self._gateway.without_key(request):
                return refused
            for row in self._rows(request, fault):
                if row["request_id"] == wanted:
                    return web.json_response(row)
            return self._gateway.error(request, 404, f"Request {wanted} not found")

        return await self._gateway.answer(request, "logs", None, handle)

    def _rows(self, request: web.Request, fault: Fault | None) -> list[dict[str, Any]]:
        lag = self._studio.logs_lag if fault is None else fault.lag or 0.0
        origin = f"{request.scheme}://{request.host}"
        return [
            _row(job, origin)
            for job in self._studio.jobs.values()
            if job.gateway == self._gateway.name and job.accepted_at <= time.time() - lag
        ]

    async def _credits(self, request: web.Request) -> web.StreamResponse:
        self._studio.ledger.count(self._gateway.name, "balance")

        async def handle(_: Fault | None) -> web.Response:
            if refused := self._gateway.without_key(request):
                return refused
            return web.json_response({"credits": self._gateway.credits_left(), "free-credits": 0.0})

        return await self._gateway.answer(request, "balance", None, handle)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self._studio.ledger.count(self._gateway.name, "upload")

        async def handle(_: Fault | None) -> web.Response:
            return self._gateway.without_key(request) or await self._stored(request)

        return await self._gateway.answer(request, "upload", None, handle)

    async def _stored(self, request: web.Request) -> web.Response:
        try:
            body = await read_json(request)
        except ValueError as error:
            status = 400 if request.content_type == "application/json" else 406
            return self._gateway.error(request, status, str(error))
        addresses = body.get("data_urls") if isinstance(body, dict) else None
        if not isinstance(addresses, list) or not addresses:
            return self._gateway.error(request, 400, "data_urls: Required, a list of data URLs")
        try:
            files = [(_suffix(address), decode_data_uri(address)) for address in addresses]
        except (AttributeError, ValueError) as error:
            return self._gateway.error(request, 400, f"data_urls: {error}")
        names = [f"{uuid.uuid4()}{suffix}" for suffix, _ in files]
        self._assets.update(zip(names, (content for _, content in files), strict=True))
        while len(self._assets) > MOST_ASSETS:
            self._assets.popitem(last=False)
        here = f"{request.scheme}://{request.host}/{self._gateway.name}/assets"
        urls = [f"{here}/{name}" for name in names]
        return web.json_response({"file_urls": urls, "message": "Files uploaded successfully"})

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._assets:
            return web.Response(status=404, text="NoSuchKey")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return web.Response(body=self._assets[name], content_type=kind)


def complaint(job: Job) -> str:
    """Say why a job failed."""
    defeat = job.defeat or Defeat("failure")
    return defeat.message or _COMPLAINTS[defeat.kind]


def _row(job: Job, origin: str) -> dict[str, Any]:
    stage = job.stage
    done = stage == Stage.FINISHED
    word = "COMPLETED" if done else "FAILED" if stage == Stage.FAILED else "PENDING"
    return {
        "request_id": job.id,
        "model_name": job.order.model,
        "model_status": word,
        "credits_deduction": job.cost if done else 0.0 if stage == Stage.FAILED else None,
        "request_body": job.details["sent"],
        "generation_url": f"{origin}{job.media_path}" if done and not job.no_url else None,
        "latency_ms": None if stage.pending else round(job.takes * 1000),
        "model_created": iso(job.accepted_at),
        "error": complaint(job) if stage == Stage.FAILED else None,
    }


def _page(query: Mapping[str, str], rows: list[dict[str, Any]]) -> dict[str, Any]:
    page, per_page = int(query.get("page", 1)), int(query.get("per_page", 20))
    if page < 1 or not 1 <= per_page <= 100:
        raise ValueError("page is 1 or more, per_page 1 to 100")
    first, last = _window(query.get("from_date"), query.get("to_date"))
    sort_by, order = query.get("sort_by", "model_created"), query.get("sort_order", "desc")
    status = query.get("status")
    if sort_by not in _SORT_KEYS or order not in ("desc", "asc") or status not in (None, *_STATUSES):
        raise ValueError(
            f"sort_by is {' or '.join(_SORT_KEYS)}, sort_order desc or asc, status {' or '.join(_STATUSES)}"
        )
    found = [
        row
        for row in rows
        if first <= datetime.fromisoformat(row["model_created"]).date() <= last
        and query.get("model_name", "") in row["model_name"]
        and status in (None, row["model_status"])
    ]
    # Stable, and from the newest: of two in the same millisecond, the later one counts as newer.
    found = sorted(reversed(found), key=lambda row: row[sort_by] or 0, reverse=True)
    found = found if order == "desc" else found[::-1]
    start = (page - 1) * per_page
    pages = {
        "page": page,
        "per_page": per_page,
        "total": len(found),
        "total_pages": -(-len(found) // per_page),
    }
    return {"data": found[start : start + per_page], **pages}


def _window(first: str | None, last: str | None) -> tuple[date, date]:
    until = date.fromisoformat(last) if last else datetime.now(UTC).date()
    since = date.fromisoformat(first) if first else until - USUAL_WINDOW
    if not timedelta(0) <= until - since <= LONGEST_WINDOW:
        raise ValueError("the window from from_date to to_date spans 0 to 31 days")
    return since, until


def _suffix(address: str) -> str:
    return mimetypes.guess_extension(address.removeprefix("data:").partition(";")[0]) or ""
