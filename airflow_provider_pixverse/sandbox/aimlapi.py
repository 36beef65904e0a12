# SPDX-License-Identifier: Apache-2.0
"""
AI/ML API, as its pages describe it and its samples show it.

The universal path answers as the samples of 2026 do (21-character ids, ``credits_used``, ``succeeded``),
the path with the vendor's name as those of 2025 (``<uuid>:<model>`` ids, ``tokens_used``, ``completed``
and a description of the file). Either takes every model and finds every id. Bodies are held against the
published schemas; where these and the samples differ, what the samples send is taken too.
"""

from __future__ import annotations

import re
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from airflow_provider_pixverse.sandbox.aimlapi_account import Account
from airflow_provider_pixverse.sandbox.aimlapi_models import CREDITS_PER_USD, MODELS, complaints, price
from airflow_provider_pixverse.sandbox.gateway import Gateway, read_json
from airflow_provider_pixverse.sandbox.jobs import Job, Order, Stage, new_nanoid
from airflow_provider_pixverse.sandbox.ledger import iso

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.faults import Fault

UNIVERSAL: Final = "/v2/video/generations"
LEGACY: Final = "/v2/generate/video/pixverse/generation"

_CLIENT_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_POSSIBLE_ID: Final = re.compile(r"[A-Za-z0-9_-]{21}|[0-9a-f-]{36}:pixverse/[a-z0-9./-]+")

_USUAL_MESSAGES: Final = {
    400: "Body validation error",
    401: "This request requires a valid API key. You can create a new API key on the Billing page: "
    "https://aimlapi.com/app/keys",
    403: "You've run out of credits. Please top up your balance or update your payment method to continue: "
    "https://aimlapi.com/app/billing/",
    429: "Too Many Requests",
    500: "Something wrong with the server. Please, try again later.",
    502: "Bad Gateway",
    503: "Service unavailable",
    504: "Generation timeout",
}


class AimlApi(Gateway):
    """Serves AI/ML API's paths."""

    name = "aimlapi"

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            *(web.post(path, self._submit) for path in (UNIVERSAL, LEGACY)),
            *(web.get(path, self._poll) for path in (UNIVERSAL, LEGACY)),
            *Account(self).routes(),
            web.route("*", "/{path:.*}", self._nowhere),
        ]

    def error(self, request: web.Request, status: int, message: str | None = None) -> web.Response:
        message = message or _USUAL_MESSAGES.get(status, "Internal server error")
        now, request_id = iso(time.time()), str(uuid.uuid4())
        path = request.path.removeprefix(f"/{self.name}")
        body: dict[str, Any] = {"message": message, "requestId": request_id, "timestamp": now}
        if status in (401, 404):
            # Both forms are the vendor's: its pages show the other one, its server was seen to send this.
            name = {401: "UnauthorizedException", 404: "NotFoundException"}[status]
            body |= {
                "title": name,
                "status": status,
                "instance": path,
                "error": {"name": name, "message": message},
            }
            return web.json_response(body, status=status, content_type="application/problem+json")
        return web.json_response({**body, "path": path, "statusCode": str(status)}, status=status)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "submit")
        body, found = None, []
        try:
            body = await read_json(request)
            found = complaints(body)
        except ValueError as error:
            found = [str(error)]
        prompt = body.get("prompt") if isinstance(body, dict) else None

        async def handle(_: Fault | None) -> web.Response:
            if refused := self.without_key(request):
                self.studio.ledger.refuse(self.name, 401, "no valid API key", body)
                return refused
            if found or not isinstance(body, dict):
                self.studio.ledger.refuse(self.name, 400, "\n".join(found), body)
                return self.error(request, 400, "\n".join(("Body validation error", *found)))
            return self._accepted(request, body)

        return await self.answer(request, "submit", prompt if isinstance(prompt, str) else None, handle)

    def _accepted(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        legacy = request.path.endswith(LEGACY)
        order = self._order(body)
        file = f"eagle/files/elephant/{new_nanoid()}_output.mp4"
        if not legacy:
            file = f"panda/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2F{new_nanoid()}_seed{order.seed}.mp4"
        client_request_id = request.headers.get("X-Client-Request-Id", "")
        job = Job(
            id=f"{uuid.uuid4()}:{order.model}" if legacy else new_nanoid(),
            gateway=self.name,
            order=order,
            request=dict(body),
            cost=price(body),
            unit="credits",
            takes=MODELS[body["model"]].takes,
            media_path=f"/_media/{self.name}/{file}",
            client_request_id=client_request_id if _CLIENT_REQUEST_ID.fullmatch(client_request_id) else None,
            details={"legacy": legacy},
        )
        self.studio.accept(job)
        usage = {"tokens_used" if legacy else "credits_used": job.cost}
        answer = self._json(request, {"id": job.id, "status": "queued", "meta": {"usage": usage}}, job.id)
        answer.headers["x-aimlapi-credits-used"] = str(job.cost)
        answer.headers["x-aimlapi-usd-spent"] = f"{job.cost / CREDITS_PER_USD:.9f}"
        return answer

    def _order(self, body: dict[str, Any]) -> Order:
        speech = "lip_sync_tts_content" in body or "audio_url" in body
        return Order(
            model=body["model"],
            prompt=body.get("prompt") or body.get("lip_sync_tts_content", ""),
            short_side=int(body.get("resolution", "720p").removesuffix("p")),
            seconds=float(body.get("duration", 5)),
            seed=body.get("seed", self.studio.draw_seed()),
            aspect_ratio=body.get("aspect_ratio"),
            first_frame=body.get("image_url"),
            last_frame=body.get("tail_image_url"),
            video=body.get("video_url"),
            sound="speech" if speech else "ambience" if body.get("generate_audio_switch") else None,
        )

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "poll")
        generation_id = request.query.get("generation_id", "")
        job = self.studio.jobs.get(generation_id)

        async def handle(fault: Fault | None) -> web.Response:
            if refused := self.without_key(request):
                return refused
            if not generation_id:
                return self.error(request, 400, 'Query validation error\nRequired at "generation_id"')
            if job is None or job.gateway != self.name:
                return self.error(request, 404, f"Generation {generation_id} not found")
            said = self._described(request, job)
            if fault is not None and fault.status_word is not None and job.stage.pending:
                said["status"] = fault.status_word
            return self._json(request, said, generation_id)

        return await self.answer(request, "poll", job.order.prompt if job else None, handle)

    def _described(self, request: web.Request, job: Job) -> dict[str, Any]:
        stage, legacy = self.studio.look(job), job.details["legacy"]
        said: dict[str, Any] = {"id": job.id, "status": stage.value}
        if stage == Stage.FAILED and job.defeat is not None:
            usual = {
                "failure": ("GenerationError", "Something wrong with the server. Please, try again later."),
                "moderation": ("content_policy_violation", "The content was flagged by a content checker."),
                "input": ("BadRequestException", "The input could not be read."),
            }[job.defeat.kind]
            error = {"name": job.defeat.name or usual[0], "message": job.defeat.message or usual[1]}
            return {**said, "status": "error", "error": error}
        if stage == Stage.FINISHED:
            said["status"] = "completed" if legacy else "succeeded"
            said["video"] = {"url": f"{request.scheme}://{request.host}{job.media_path}"}
            if legacy:
                file = {
                    "content_type": "video/mp4",
                    "file_name": "output.mp4",
                    "file_size": job.described_size,
                }
                said["video"] |= file
            if job.no_url:
                said["video"] = None
        return said

    async def _nowhere(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix(f"/{self.name}")
        return self.error(request, 404, f"Cannot {request.method} {path}")

    def without_key(self, request: web.Request) -> web.Response | None:
        ok = request.headers.get("Authorization") == f"Bearer {self.key}"
        return None if ok else self.error(request, 401)

    def _json(self, request: web.Request, body: dict[str, Any], inference_id: str) -> web.Response:
        answer = web.json_response(body)
        if _POSSIBLE_ID.fullmatch(inference_id):
            answer.headers["x-inference-id"] = inference_id
        client_request_id = request.headers.get("X-Client-Request-Id", "")
        # One outside the alphabet is dropped without a word, and the request is billed all the same.
        if _CLIENT_REQUEST_ID.fullmatch(client_request_id):
            answer.headers["x-client-request-id"] = client_request_id
        return answer
