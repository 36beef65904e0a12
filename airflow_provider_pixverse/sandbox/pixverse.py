# SPDX-License-Identifier: Apache-2.0
"""
PixVerse's own platform, as its pages describe it and answers seen from it show it.

Everything is answered with an envelope and HTTP 200, errors included; a fault that asks for another
status gets that status around the envelope. What was answered under an ``Ai-trace-id`` is answered again
to whoever uses it again, without being done again: a submission buys nothing more, and a poll hears what
an earlier one heard. Answers that refuse are not kept, so that what was refused can be sent again.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from aiohttp import web

from airflow_provider_pixverse.sandbox.gateway import Gateway, read_json
from airflow_provider_pixverse.sandbox.jobs import Job, Stage, new_nanoid
from airflow_provider_pixverse.sandbox.ledger import iso
from airflow_provider_pixverse.sandbox.pixverse_models import (
    EMPTY_PARAMETER,
    INVALID_BINDING,
    INVALID_PARAMETER,
    KINDS,
    NOT_FOUND,
    Refusal,
    complaints,
    price,
    takes,
)
from airflow_provider_pixverse.sandbox.pixverse_orders import order_of
from airflow_provider_pixverse.sandbox.pixverse_uploads import (
    Shelf,
    Upload,
    new_id,
    read_form,
    read_medium,
    read_picture,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.faults import Fault, On
    from airflow_provider_pixverse.sandbox.jobs import Studio
    from airflow_provider_pixverse.sandbox.ledger import Ledger
    from airflow_provider_pixverse.sandbox.pixverse_models import Complaint
    from airflow_provider_pixverse.sandbox.pixverse_uploads import Form

BASE: Final = "/openapi/v2"
MONTHLY_CREDITS: Final = 1_069_020
PACKAGE_CREDITS: Final = 3_630
KEPT_ANSWERS: Final = 10_000

INVALID_ACCOUNT: Final = 400012
INTERNAL_ERROR: Final = 500100
_USUAL: Final = {
    400: (INVALID_PARAMETER, "invalid param"),
    401: (INVALID_ACCOUNT, "invalid account"),
    402: (500090, "insufficient balance"),
    403: (500020, "no permission for this operation"),
    404: (NOT_FOUND, "requested data not found"),
    429: (500044, "reached the limit for concurrent generations"),
    503: (500069, "the system is under high load, please try again later"),
}
"""What stands in the envelope where a fault asks for a status."""

MODERATED: Final = 7
WORDS: Final = {Stage.QUEUED: 5, Stage.GENERATING: 5, Stage.FINISHED: 1, Stage.FAILED: 8}


@dataclass
class Memory:
    """What the vendor remembers until the next reset."""

    bought: dict[str, Any] = field(default_factory=dict)
    """What submissions were answered with, by trace id."""

    heard: OrderedDict[str, Any] = field(default_factory=OrderedDict)
    """What everything else was answered with, as far back as fits."""

    shelf: Shelf = field(default_factory=Shelf)


class Pixverse(Gateway):
    """Serves the platform's paths."""

    name = "pixverse"

    def __init__(self, studio: Studio, key: str) -> None:
        super().__init__(studio, key)
        # A reset begins new books, and with them a new memory.
        self._memories: WeakKeyDictionary[Ledger, Memory] = WeakKeyDictionary()

    @property
    def memory(self) -> Memory:
        return self._memories.setdefault(self.studio.ledger, Memory())

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.post(f"{BASE}/video/{{kind:{'|'.join(KINDS)}}}/generate", self._submit),
            web.get(f"{BASE}/video/result/{{id}}", self._poll),
            web.post(f"{BASE}/image/upload", self._upload_picture),
            web.post(f"{BASE}/media/upload", self._upload_medium),
            web.get(f"{BASE}/account/balance", self._balance),
            web.route("*", "/{path:.*}", self._nowhere),
        ]

    def error(self, request: web.Request, status: int, message: str | None = None) -> web.Response:
        code, usual = _USUAL.get(status, (INTERNAL_ERROR, "internal error"))
        return _envelope(code, message or usual, status=status)

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "submit")
        kind, body = request.match_info["kind"], None
        try:
            body = await read_json(request)
            found = complaints(kind, body)
        except ValueError as error:
            found = [(INVALID_BINDING, f"invalid binding: {error}")]
        prompt = body.get("prompt") or body.get("lip_sync_tts_content") if isinstance(body, dict) else None

        async def handle(_: Fault | None) -> web.Response:
            if refused := self._unidentified(request):
                return refused
            trace = _trace(request)
            if trace not in self.memory.bought:
                try:
                    self.memory.bought[trace] = self._accepted(kind, body, found, trace)
                except Refusal as refusal:
                    self.studio.ledger.refuse(self.name, refusal.code, str(refusal), body)
                    return _envelope(refusal.code, str(refusal))
            return web.json_response(self.memory.bought[trace])

        return await self.answer(request, "submit", prompt if isinstance(prompt, str) else None, handle)

    def _accepted(self, kind: str, body: Any, found: list[Complaint], trace: str) -> dict[str, Any]:
        if found:
            raise Refusal(found[0][0], "; ".join(words for _, words in found))
        order, seconds_of_sound = order_of(kind, body, self._take, self.studio.draw_seed)
        job = Job(
            id=str(new_id()),
            gateway=self.name,
            order=order,
            request=dict(body),
            cost=price(kind, body, seconds_of_sound=seconds_of_sound),
            unit="credits",
            takes=takes(kind, body),
            media_path=f"/_media/{self.name}/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2F"
            f"{new_nanoid()}_seed{order.seed}.mp4",
            client_request_id=trace,
        )
        self.studio.accept(job)
        return _success({"video_id": int(job.id), "credits": job.cost})

    def _take(self, number: int, kind: str) -> Upload:
        """Return an upload, or a video that was made here, as one that may go into another."""
        job = self.studio.jobs.get(str(number))
        if kind != "source":
            return self.memory.shelf.take(number, kind)
        if job is None or job.gateway != self.name or job.film is None:
            raise Refusal(NOT_FOUND, "requested data not found: source_video_id")
        return Upload("video", job.film.read(), job.film.seconds)

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "poll")
        generation_id = request.match_info["id"]
        job = self.studio.jobs.get(generation_id)

        def described(fault: Fault | None) -> dict[str, Any]:
            if not generation_id.isdecimal():
                raise Refusal(INVALID_BINDING, "invalid binding: video_id")
            if job is None or job.gateway != self.name:
                raise Refusal(NOT_FOUND, "requested data not found")
            said = self._described(request, job)
            if fault is not None and fault.status_word is not None and job.stage.pending:
                said["status"] = (
                    int(fault.status_word) if fault.status_word.isdecimal() else fault.status_word
                )
            return said

        return await self._answer_once(request, "poll", described, job.order.prompt if job else None)

    def _described(self, request: web.Request, job: Job) -> dict[str, Any]:
        stage, film = self.studio.look(job), job.film
        moderated = stage == Stage.FAILED and job.defeat is not None and job.defeat.kind == "moderation"
        url = f"{request.scheme}://{request.host}{job.media_path}"
        done = stage == Stage.FINISHED and film is not None
        return {
            "id": int(job.id),
            "prompt": job.order.prompt,
            "negative_prompt": job.request.get("negative_prompt", ""),
            "resolution_ratio": 0,
            # A failed one may carry an address too, at which there is nothing.
            "url": "" if stage.pending or job.no_url else url,
            "size": job.described_size if done else 0,
            "status": MODERATED if moderated else WORDS[stage],
            "seed": job.order.seed,
            "style": job.request.get("style", ""),
            "create_time": iso(job.accepted_at),
            "modify_time": iso(time.time()),
            "outputWidth": film.width if done and film else 0,
            "outputHeight": film.height if done and film else 0,
            "has_audio": bool(done and film and film.has_audio),
            "credits": 0 if stage == Stage.FAILED else job.cost,
        }

    async def _upload_picture(self, request: web.Request) -> web.StreamResponse:
        return await self._upload(request, read_picture)

    async def _upload_medium(self, request: web.Request) -> web.StreamResponse:
        return await self._upload(request, read_medium)

    async def _upload(self, request: web.Request, read: Callable[[Form], Upload]) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "upload")
        try:
            form = await read_form(request)
            upload: Upload | Refusal = await asyncio.to_thread(read, form)
        except Refusal as refusal:
            upload = refusal

        def kept(_: Fault | None) -> dict[str, Any]:
            if isinstance(upload, Refusal):
                raise upload
            return self.memory.shelf.keep(upload)

        return await self._answer_once(request, "upload", kept)

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        self.studio.ledger.count(self.name, "balance")

        def stated(_: Fault | None) -> dict[str, Any]:
            spent = int(self.studio.ledger.balance(self.name))
            from_the_month = min(spent, MONTHLY_CREDITS)
            return {
                "account_id": 308_224_416_203_016,
                "credit_monthly": MONTHLY_CREDITS - from_the_month,
                "credit_package": PACKAGE_CREDITS - (spent - from_the_month),
            }

        return await self._answer_once(request, "balance", stated)

    async def _answer_once(
        self,
        request: web.Request,
        on: On,
        say: Callable[[Fault | None], dict[str, Any]],
        prompt: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is not bought, unless that trace id has been answered before."""

        async def handle(fault: Fault | None) -> web.Response:
            if refused := self._unidentified(request):
                return refused
            memory, trace = self.memory, _trace(request)
            known = memory.heard.get(trace) or memory.bought.get(trace)
            if known is None:
                try:
                    known = memory.heard[trace] = _success(say(fault))
                except Refusal as refusal:
                    return _envelope(refusal.code, str(refusal))
                if len(memory.heard) > KEPT_ANSWERS:
                    memory.heard.popitem(last=False)
            return web.json_response(known)

        return await self.answer(request, on, prompt, handle)

    def _unidentified(self, request: web.Request) -> web.Response | None:
        if request.headers.get("API-KEY") != self.key:
            return _envelope(INVALID_ACCOUNT, "invalid account")
        try:
            uuid.UUID(request.headers["Ai-trace-id"])
        except KeyError:
            return _envelope(EMPTY_PARAMETER, "empty parameter: Ai-trace-id")
        except ValueError:
            return _envelope(INVALID_PARAMETER, "invalid param: Ai-trace-id is not a UUID")
        return None

    async def _nowhere(self, request: web.Request) -> web.Response:
        return web.Response(status=404, text="404 page not found")


def _trace(request: web.Request) -> str:
    return str(uuid.UUID(request.headers["Ai-trace-id"]))


def _success(content: dict[str, Any]) -> dict[str, Any]:
    return {"ErrCode": 0, "ErrMsg": "success", "Resp": content}


def _envelope(code: int, message: str, *, status: int = 200) -> web.Response:
    return web.json_response({"ErrCode": code, "ErrMsg": message, "Resp": None}, status=status)
