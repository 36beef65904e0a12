# SPDX-License-Identifier: Apache-2.0
"""The vendors' CDN: finished videos, in full or by range, to whoever has the URL and sends no key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import hdrs, web

from airflow_provider_pixverse.sandbox.gateway import Gateway, hang_up

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.faults import Fault
    from airflow_provider_pixverse.sandbox.jobs import Studio

KEY_HEADERS: Final = ("Authorization", "x-api-key", "API-KEY")


class Downloads:
    """
    Serves ``/_media/``.

    :param gateways: by name, for the errors that a fault asks for.
    """

    def __init__(self, studio: Studio, gateways: dict[str, Gateway]) -> None:
        self._studio = studio
        self._gateways = gateways

    def routes(self) -> list[web.AbstractRouteDef]:
        return [
            web.get("/_media/{gateway}/{path:.*}", self._get, allow_head=False),
            web.head("/_media/{gateway}/{path:.*}", self._head),
        ]

    async def _head(self, request: web.Request) -> web.Response:
        # A signed object-store URL is signed for GET alone.
        return web.Response(status=403)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        # By the path as it was sent: with %2F turned into a slash it is another path, as at the vendor's.
        job = self._studio.media.get(request.raw_path.partition("?")[0])
        gateway = self._gateways.get(request.match_info["gateway"])
        if any(name in request.headers for name in KEY_HEADERS):
            self._studio.ledger.count(request.match_info["gateway"], "leaked")
            return web.Response(status=400, text="Only one auth mechanism allowed: send no API key.")
        if gateway is None or job is None or job.film is None:
            return web.Response(status=404, text="NoSuchKey")
        film = job.film

        async def send(fault: Fault | None) -> web.StreamResponse:
            content = await asyncio.to_thread(film.read)
            answer, to_the_end = await _sent(request, content, film.sha256, fault)
            if to_the_end:
                job.downloads += 1
                self._studio.ledger.count(job.gateway, "download")
            return answer

        return await gateway.answer(request, "download", job.order.prompt, send)


async def _sent(
    request: web.Request, content: bytes, tag: str, fault: Fault | None
) -> tuple[web.StreamResponse, bool]:
    """Send the file or the range asked for; say whether its last byte was among it."""
    try:
        start, stop, _ = request.http_range.indices(len(content))
    except ValueError:
        start = stop = len(content)
    if start >= stop:
        return web.Response(status=416, headers={hdrs.CONTENT_RANGE: f"bytes */{len(content)}"}), False
    answer = web.StreamResponse(headers={hdrs.ETAG: f'"{tag}"', hdrs.ACCEPT_RANGES: "bytes"})
    answer.content_type = "video/mp4"
    if hdrs.RANGE in request.headers:
        answer.set_status(206)
        answer.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{len(content)}"
    part = content[start:stop]
    cut = fault is not None and fault.effect in ("truncate", "truncate_quietly")
    sent = part[: len(part) // 2] if cut else part
    answer.content_length = len(sent if fault is not None and fault.truncate_quietly else part)
    await answer.prepare(request)
    await answer.write(sent)
    if fault is not None and fault.truncate:
        hang_up(request)
    else:
        await answer.write_eof()
    return answer, stop == len(content) and not cut
