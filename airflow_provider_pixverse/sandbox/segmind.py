# SPDX-License-Identifier: Apache-2.0
"""
Segmind's asynchronous v2 interface, as its pages describe it and its own client takes it.

A failed job is HTTP 422 on status and result alike, and names its reason in ``error``. The other form that
has been seen, HTTP 200 with the reason in ``detail`` and no ``error``, is had by a fault::

    {"fail": {"name": "content_policy_violation", "message": "…"}}

A job is kept for an hour from its submission (less where the sandbox runs faster, down to half a minute);
``{"on": "poll", "status": 404, "times": null}`` makes it seem over at once. The request history keeps it.
Looks at the history are faulted and counted as "logs". The result is fetched, not polled: it is not counted.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from airflow_provider_pixverse.sandbox.gateway import Gateway, read_json
from airflow_provider_pixverse.sandbox.jobs import Job, Stage
from airflow_provider_pixverse.sandbox.ledger import iso
from airflow_provider_pixverse.sandbox.segmind_account import Account, complaint
from airflow_provider_pixverse.sandbox.segmind_models import MODELS, complaints, order_of, price

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.faults import Fault
    from airflow_provider_pixverse.sandbox.jobs import Studio

TOP_UP: Final = 1000.0
OTHER_FORM: Final = "content_policy_violation"
KEPT: Final = 3600.0
SHORTEST_KEPT: Final = 30.0
RATE_LIMIT_WINDOW: Final = 60.0

_USUAL_MESSAGES: Final = {
    400: "Bad request: invalid parameters or request format",
    401: "Missing Authorization or x-api-key in header",
    403: "Forbidden: insufficient permissions",
    404: "Not found",
    406: "Insufficient credits. Please add credits to your account to continue.",
    410: "This model has been retired",
    422: "Validation failed",
    429: "Rate limit exceeded",
    500: "Internal server error",
    502: "Bad gateway",
    504: "Gateway timeout",
}
_WORDS: Final = {
    Stage.QUEUED: "QUEUED",
    Stage.GENERATING: "PROCESSING",
    Stage.FINISHED: "COMPLETED",
    Stage.FAILED: "FAILED",
}


class Segmind(Gateway):
    """Serves Segmind's paths, those of its three hosts together."""

    name = "segmind"

    def __init__(self, studio: Studio, key: str) -> None:
        super().__init__(studio, key)
        self.kept = max(KEPT / studio.speed, SHORTEST_KEPT)

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post("/v2/{slug}", self._submit),
            web.get("/v2/requests/{id}/status", self._status),
            web.get("/v2/requests/{id}", self._result),
            *Account(self).routes(),
            web.route("*", "/{path:.*}", self._nowhere),
        ]

    def error(self, request: web.Request, status: int, message: str | None = None) -> web.Response:
        if status == 405:
            return web.Response(
                status=405, text="<html><h1>Method Not Allowed</h1></html>", content_type="text/html"
            )
        message = message or _USUAL_MESSAGES.get(status, "Internal server error")
        answer = web.json_response({"error": message}, status=status)
        if status == 429:
            # There is no Retry-After.
            reset = time.time() + RATE_LIMIT_WINDOW / self.studio.speed
            answer.headers["x-rate-limit-reset-at-utc"] = iso(reset)
        return answer

    def without_key(self, request: web.Request) -> web.Response | None:
        sent = request.headers.get("x-api-key")
        if sent == self.key:
            return None
        if sent is None:
            return self.error(request, 401)
        body = {
            "error": "unauthorized",
            "error_description": "Invalid or expired API key",
            "status_code": 401,
        }
        return web.json_response(body, status=401)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "submit")
        slug, body, status, found = request.match_info["slug"], None, 400, []
        if slug not in MODELS:
            status, found = 404, [f"Model {slug} not found"]
        else:
            try:
                body = await read_json(request)
                found = complaints(slug, body)
            except ValueError as error:
                status, found = 406 if request.content_type != "application/json" else 400, [str(error)]
        prompt = body.get("prompt") if isinstance(body, dict) else None

        async def handle(_: Fault | None) -> web.Response:
            if refused := self.without_key(request):
                self.studio.ledger.refuse(self.name, 401, "no valid API key", body)
                return refused
            if found or not isinstance(body, dict):
                self.studio.ledger.refuse(self.name, status, "; ".join(found), body)
                return self.error(request, status, "; ".join(found))
            return self._accepted(request, slug, body)

        return await self.answer(request, "submit", prompt if isinstance(prompt, str) else None, handle)

    def _accepted(self, request: web.Request, slug: str, body: dict[str, Any]) -> web.Response:
        job = Job(
            id=str(uuid.uuid4()),
            gateway=self.name,
            order=order_of(slug, body),
            request=dict(body),
            cost=price(slug, body),
            unit="usd",
            takes=MODELS[slug].takes,
            media_path=f"/_media/{self.name}/generations/{uuid.uuid4()}.mp4",
            # The books cut long values short; the vendor's history shows them as they were sent.
            details={"sent": dict(body)},
        )
        self.studio.accept(job)
        here = f"{request.scheme}://{request.host}/{self.name}"
        return web.json_response(
            {
                "request_id": job.id,
                "status": "QUEUED",
                "poll_url": f"{here}/v1/requests/{job.id}",
                "status_url": f"{here}/v2/requests/{job.id}/status",
                "response_url": f"{here}/v2/requests/{job.id}",
            }
        )

    async def _status(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "poll")
        return await self._look(request, whole=False)

    async def _result(self, request: web.Request) -> web.StreamResponse:
        return await self._look(request, whole=True)

    async def _look(self, request: web.Request, *, whole: bool) -> web.StreamResponse:
        request_id = request.match_info["id"]
        job = self.job(request_id)
        if job is not None and self.studio.clock() - job.started > self.kept:
            job = None

        async def handle(fault: Fault | None) -> web.Response:
            if refused := self.without_key(request):
                return refused
            if job is None:
                return self.error(request, 404, f"Request {request_id} not found")
            stage = job.stage if whole else self.studio.look(job)
            said = self._described(request, job, stage, whole=whole)
            if fault is not None and fault.status_word is not None and stage.pending:
                said["status"] = fault.status_word
            return web.json_response(said, status=422 if "error" in said else 200)

        return await self.answer(request, "poll", job.order.prompt if job else None, handle)

    def _described(self, request: web.Request, job: Job, stage: Stage, *, whole: bool) -> dict[str, Any]:
        said: dict[str, Any] = {"request_id": job.id, "status": _WORDS[stage], "metrics": {}}
        if stage.pending:
            here = f"{request.scheme}://{request.host}/{self.name}/v2/requests/{job.id}"
            return {**said, "status_url": f"{here}/status", "response_url": here}
        said["metrics"] = {"inference_time": round(job.takes * 0.8, 3)}
        if stage == Stage.FAILED:
            return {**said, **_reason(job)}
        if not whole:
            return said
        url = None if job.no_url else f"{request.scheme}://{request.host}{job.media_path}"
        said["metrics"] |= {
            "cost": job.cost,
            "remaining_credits": self.credits_left(),
            "queue_time": round(job.takes * 0.2, 3),
            "total_time": round(job.takes, 3),
        }
        file = {"content_type": "video/mp4", "file_name": "output.mp4", "file_size": job.described_size}
        return {**said, "output": url, "video": {"url": url, **file}}

    async def _nowhere(self, request: web.Request) -> web.Response:
        return self.error(request, 405 if request.path.startswith(f"/{self.name}/v2/") else 404)

    def job(self, request_id: str) -> Job | None:
        """Return one of this gateway's jobs, however old."""
        job = self.studio.jobs.get(request_id)
        return job if job is not None and job.gateway == self.name else None

    def credits_left(self) -> float:
        return round(TOP_UP - self.studio.ledger.balance(self.name), 6)


def _reason(job: Job) -> dict[str, Any]:
    """Say why a job failed, in either of the two forms."""
    if job.defeat is not None and job.defeat.name == OTHER_FORM:
        return {"detail": [{"loc": ["body", "prompt"], "msg": complaint(job), "type": OTHER_FORM}]}
    return {"error": complaint(job)}
