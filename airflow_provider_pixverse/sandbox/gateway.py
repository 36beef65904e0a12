# SPDX-License-Identifier: Apache-2.0
"""What every gateway of the sandbox has in common, and how faults get between it and its clients."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from airflow_provider_pixverse.sandbox.faults import Fault, On
    from airflow_provider_pixverse.sandbox.jobs import Studio

PROXY_PAGE: Final = (
    "<!DOCTYPE html>\n<html><head><title>One moment, please</title></head><body></body></html>\n"
)


class Gateway(ABC):
    """
    One vendor's HTTP interface. A subclass is one file: routes, validation, ids, words and prices.

    :param studio: where accepted jobs go.
    :param key: the API key it takes.
    """

    name: ClassVar[str]
    """As the connection's ``gateway`` says it, and the path below which it is served."""

    def __init__(self, studio: Studio, key: str) -> None:
        self.studio = studio
        self.key = key

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the vendor's own paths, to be served below the gateway's name."""

    @abstractmethod
    def error(self, request: web.Request, status: int, message: str | None = None) -> web.Response:
        """Answer with the vendor's kind of error; without a message, with the vendor's usual one."""

    def connection(self, origin: str) -> dict[str, Any]:
        """Return the Airflow connection that leads here."""
        extra = {"gateway": self.name}
        return {
            "conn_type": "pixverse",
            "password": self.key,
            "host": f"{origin}/{self.name}",
            "extra": extra,
        }

    async def answer(
        self,
        request: web.Request,
        on: On,
        prompt: str | None,
        handle: Callable[[Fault | None], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """
        Answer a request, unless a fault has something else in mind.

        :param on: what kind of request it is.
        :param prompt: the prompt it is about, as far as it is about one.
        :param handle: does what was asked for. It is given the fault whose effect is its own to bring about.
        """
        fault = self.studio.plan.answer(on, self.name, prompt)
        if fault is None:
            return await handle(None)
        match fault.effect:
            case "status":
                return self._instead(request, fault, fault.status)
            case "html":
                return web.Response(text=PROXY_PAGE, content_type="text/html")
            case "latency":
                await asyncio.sleep(fault.latency or 0)
            case "drop" if fault.drop == "before":
                return hang_up(request)
        if fault.effect in ("drop", "hang", "accept_then_status", "empty"):
            return await self._done_but_not_said(request, on, fault, handle)
        return await handle(fault)

    async def _done_but_not_said(
        self,
        request: web.Request,
        on: On,
        fault: Fault,
        handle: Callable[[Fault | None], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        # A file that is not sent has not been downloaded: there is nothing to do before saying nothing.
        if on != "download":
            answer = await handle(None)
            if answer.status >= 400:
                return answer
        match fault.effect:
            case "drop":
                return hang_up(request)
            case "accept_then_status":
                return self._instead(request, fault, fault.accept_then_status)
            case "hang":
                # Nothing announces that a client has left; a handler told so by being cancelled could
                # not tell it from the "latency" that outlives its client on purpose.
                while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        return web.Response()

    def _instead(self, request: web.Request, fault: Fault, status: int | None) -> web.Response:
        if fault.body is None:
            answer = self.error(request, status or 500)
        elif isinstance(fault.body, str):
            answer = web.Response(status=status or 500, text=fault.body)
        else:
            answer = web.json_response(fault.body, status=status or 500)
        for name, value in fault.headers.items():
            answer.headers[name] = value
        return answer


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def read_json(request: web.Request) -> Any:
    """
    Return the decoded JSON body.

    :raises ValueError: if the body is not JSON or is not said to be.
    """
    if request.content_type != "application/json":
        raise ValueError(f"the content type is {request.content_type}, not application/json")
    return json.loads(await request.read())
