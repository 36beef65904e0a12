# SPDX-License-Identifier: Apache-2.0
"""A sandbox inside the current process, on a thread and a loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse.sandbox.server import Settings, serve

if TYPE_CHECKING:
    from typing import Self

# Without proxies: one from the environment would carry loopback addresses to another machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Sandbox:
    """
    Runs between ``with`` and its end, on loopback and a free port.

    :param speed: how many times as fast as the vendor a job is done.
    :param key: the API key every gateway takes.
    :param seed: makes drawn seeds and the dice of the faults repeatable.
    :param port: 0 takes a free one.
    :param logs_lag: seconds until a request shows up in the request logs; by default 5, divided by speed.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        key: str = "sandbox",
        seed: int | None = None,
        port: int = 0,
        logs_lag: float | None = None,
    ) -> None:
        self._settings = Settings(port=port, speed=speed, key=key, seed=seed, logs_lag=logs_lag)
        self._listening = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="pixverse-sandbox", daemon=True)
        self._connections: dict[str, str] = {}
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._listening.wait()
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def key(self) -> str:
        return self._settings.key

    @property
    def gateways(self) -> list[str]:
        return list(self._connections)

    def connection(self, gateway: str = "aimlapi") -> str:
        """Return the Airflow connection to one of the gateways, as JSON."""
        if gateway not in self._connections:
            raise ValueError(f"There is no gateway {gateway!r} here, only {', '.join(self._connections)}.")
        return self._connections[gateway]

    def ledger(self) -> dict[str, Any]:
        """Return what was submitted, bought, polled and downloaded."""
        report: dict[str, Any] = self._call("GET", "ledger")
        return report

    def faults(self, faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """
        Set what goes wrong next, in place of what was set before.

        :raises ValueError: if a rule is not one.
        """
        listed: list[dict[str, Any]] = self._call("POST", "faults", faults)
        return listed

    def pending_faults(self) -> list[dict[str, Any]]:
        """Return the rules in force, with how often each was used."""
        listed: list[dict[str, Any]] = self._call("GET", "faults")
        return listed

    def reset(self) -> None:
        """Forget every job, count and fault."""
        self._call("POST", "reset")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_sandbox/{path}", content, method=method)  # noqa: S310
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._listening.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(self._settings, self._listens, self._stop)

    def _listens(self, origin: str, connections: dict[str, str]) -> None:
        self.url, self._connections = origin, connections
        self._listening.set()
