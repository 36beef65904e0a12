# SPDX-License-Identifier: Apache-2.0
"""Puts the gateways, their downloads and the sandbox's own control paths behind one socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from airflow_provider_pixverse.sandbox.aimlapi import AimlApi
from airflow_provider_pixverse.sandbox.downloads import Downloads
from airflow_provider_pixverse.sandbox.faults import read_faults
from airflow_provider_pixverse.sandbox.jobs import Studio
from airflow_provider_pixverse.sandbox.pictures import MAX_INPUT_BYTES, PICTURES, picture_file
from airflow_provider_pixverse.sandbox.pixverse import Pixverse
from airflow_provider_pixverse.sandbox.segmind import Segmind

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.gateway import Gateway

GATEWAYS: Final[tuple[type[Gateway], ...]] = (AimlApi, Segmind, Pixverse)
"""All there are; the first one's connection is printed first."""


@dataclass(frozen=True)
class Settings:
    """
    How a sandbox runs.

    :param port: 0 takes a free one.
    :param speed: how many times as fast as the vendor a job is done.
    :param key: the API key every gateway takes.
    :param seed: makes drawn seeds and the dice of the faults repeatable.
    :param logs_lag: seconds until a request shows up in the request logs; by default 5, divided by speed.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    speed: float = 1.0
    key: str = "sandbox"
    seed: int | None = None
    logs_lag: float | None = None


class Server:
    """A running sandbox: ``start``, then ``close``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._studio = Studio(speed=settings.speed, seed=settings.seed, logs_lag=settings.logs_lag)
        self.gateways = {gateway.name: gateway(self._studio, settings.key) for gateway in GATEWAYS}
        # A client that hangs on purpose must not delay the end.
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.5)

    async def start(self) -> str:
        """Listen, and return the origin under which everything is found."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._settings.host, self._settings.port).start()
        host, port = self._runner.addresses[0][:2]
        # "Every interface" is nowhere to connect to.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def connections(self, origin: str) -> dict[str, str]:
        """Return each gateway's Airflow connection as JSON."""
        return {
            name: json.dumps(gateway.connection(origin), separators=(",", ":"))
            for name, gateway in self.gateways.items()
        }

    async def close(self) -> None:
        await self._runner.cleanup()
        await self._studio.close()

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=MAX_INPUT_BYTES)
        for name, gateway in self.gateways.items():
            vendor = web.Application(client_max_size=MAX_INPUT_BYTES)
            vendor.add_routes(gateway.routes())
            app.add_subapp(f"/{name}", vendor)
        app.add_routes(Downloads(self._studio, self.gateways).routes())
        app.add_routes(
            [
                web.get("/_sandbox/ledger", self._ledger),
                web.get("/_sandbox/faults", self._faults),
                web.post("/_sandbox/faults", self._set_faults),
                web.post("/_sandbox/reset", self._reset),
                web.get(r"/_sandbox/pictures/{name}.{suffix:png|jpg}", self._picture),
            ]
        )
        return app

    async def _ledger(self, request: web.Request) -> web.Response:
        return web.json_response(self._studio.ledger.report(list(self.gateways)))

    async def _faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._studio.plan.listed())

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            faults = read_faults(json.loads(await request.read()), gateways=self.gateways)
            self._studio.plan.set(faults)
        except ValueError as error:
            # Of which JSONDecodeError is one.
            return web.json_response({"error": str(error)}, status=400)
        return await self._faults(request)

    async def _reset(self, request: web.Request) -> web.Response:
        self._studio.reset()
        return web.json_response({})

    async def _picture(self, request: web.Request) -> web.Response:
        name, suffix = request.match_info["name"], request.match_info["suffix"]
        if name not in PICTURES:
            return web.json_response(
                {"error": f"There are these pictures: {', '.join(PICTURES)}"}, status=404
            )
        content = await asyncio.to_thread(picture_file, name, suffix)
        return web.Response(body=content, content_type="image/png" if suffix == "png" else "image/jpeg")


async def serve(settings: Settings, ready: Callable[[str, dict[str, str]], Any], stop: asyncio.Event) -> None:
    """
    Run a sandbox until told to stop.

    :param ready: called with the origin and each gateway's connection once the socket listens.
    """
    server = Server(settings)
    try:
        origin = await server.start()
        ready(origin, server.connections(origin))
        await stop.wait()
    finally:
        await server.close()
