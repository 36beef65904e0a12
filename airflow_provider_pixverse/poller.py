# SPDX-License-Identifier: Apache-2.0
"""
The one waiting loop, shared by everything that waits on one connection.

A waiting generation is a sleeping coroutine and nothing else: no thread and no connection of its own.
All of them share one client, and no more of them look at a time than the client has connections; the
others queue before the pool, where queueing is cheap. What follows from a look is decided in
``polling.py``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from airflow_provider_pixverse.client import MAX_CONNECTIONS, REQUEST_TIMEOUT, Client
from airflow_provider_pixverse.exceptions import PixverseAuthError, PixverseError
from airflow_provider_pixverse.gateways import make_gateway
from airflow_provider_pixverse.generation import Generation
from airflow_provider_pixverse.polling import Deliver, GiveUp, Look, Wait, Watch, condition, decide

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from airflow_provider_pixverse.gateways.base import Gateway


log = logging.getLogger(__name__)

KEY_RENEWAL = 60.0
"""Seconds between attempts to find a newer API key after the one in use was refused."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a connection says about its gateway.

    :param gateway: Name of the gateway.
    :param api_key: The key; left out of ``repr``.
    :param base_url: Base of everything the gateway offers; empty for the vendor's own.
    :param region: The vendor's region, where it has several and ``base_url`` is empty.
    :param request_timeout: Seconds that an answer may take.
    :param max_connections: Most connections open to the gateway at a time.
    """

    gateway: str
    api_key: str = field(repr=False)
    base_url: str = ""
    region: str | None = None
    request_timeout: float = REQUEST_TIMEOUT
    max_connections: int = MAX_CONNECTIONS

    def make_gateway(self) -> Gateway:
        """Return the contract that this connection speaks."""
        return make_gateway(self.gateway, self.api_key, base_url=self.base_url, region=self.region)

    def client(self) -> Client:
        """Return a client for this connection."""
        return Client(
            self.make_gateway(),
            request_timeout=self.request_timeout,
            max_connections=self.max_connections,
        )


class Poller:
    """
    Waits for generations of one connection, any number at a time, in one event loop.

    :param settings: Looks the connection up; called once, and again only when the key is refused.
    :param clock: Returns epoch seconds.
    :param sleep: Waits so many seconds.
    """

    def __init__(
        self,
        settings: Callable[[], Awaitable[Settings]],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._look_up_settings = settings
        self._clock = clock
        self._sleep = sleep
        self._settings: Settings | None = None
        self._renewed_at = float("-inf")
        self._connecting = asyncio.Lock()
        self._slots = asyncio.Semaphore()
        self._client: Client | None = None
        self._waiting = 0

    async def wait(self, watch: Watch, *, first_look: float = 0.0) -> Generation:
        """
        Return the generation once its video is finished.

        :param watch: What to wait for, until when, looking how often.
        :param first_look: Seconds before the first look.
        :raises PixverseError: where waiting is over without a video; see ``polling.decide``.
        """
        since = self._clock()
        due = since + first_look
        known = ""
        async with self._in_use():
            while True:
                await self._sleep(max(0.0, due - self._clock()))
                look = await self._look(watch.generation_id)
                now = self._clock()
                log.debug("Generation %s: %s", watch.generation_id, look)
                if (stands := condition(look)) != known:
                    log.info(
                        "Generation %s: %s, after %.0f s of waiting.",
                        watch.generation_id, _in_words(look), now - since,
                    )  # fmt: skip
                    known = stands
                match decide(watch, look, now=now):
                    case Wait(seconds, watch):
                        # The interval counts from when the look was due, so that a slow answer does not
                        # stretch it; what the gateway asked for beyond counts from its answer.
                        due = max(now, due + seconds) if seconds <= watch.poll_interval else now + seconds
                    case Deliver(generation):
                        return generation
                    case GiveUp(error):
                        raise error
                    case never:
                        assert_never(never)

    async def _look(self, generation_id: str) -> Look:
        while True:
            await self._connect()
            async with self._slots:
                # Taken only now: while this look queued, the key may have been renewed.
                settings = self._settings
                try:
                    return await self._opened().look(generation_id)
                except PixverseAuthError as error:
                    refused = error
                except PixverseError as error:
                    return error
            if not await self._has_newer_key(than=settings):
                return refused

    def _opened(self) -> Client:
        if self._client is None:
            assert self._settings is not None  # noqa: S101 - looked up before any look
            self._client = self._settings.client()
        return self._client

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting and self._client is not None:
                client, self._client = self._client, None
                await client.aclose()

    async def _connect(self) -> None:
        if self._settings is None:
            async with self._connecting:
                if self._settings is None:
                    self._use(await self._look_up_settings())

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.max_connections)

    async def _has_newer_key(self, *, than: Settings | None) -> bool:
        """Look the connection up again: keys are rotated while a triggerer lives on for weeks."""
        async with self._connecting:
            if self._settings == than and self._clock() - self._renewed_at >= KEY_RENEWAL:
                self._renewed_at = self._clock()
                renewed = await self._look_up_settings()
                if renewed != than:
                    self._use(renewed)
                    refused, self._client = self._client, None
                    if refused is not None:
                        await refused.aclose()
            return self._settings != than


def _in_words(look: Look) -> str:
    return look.condition if isinstance(look, Generation) else look.message
