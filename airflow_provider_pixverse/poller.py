# SPDX-License-Identifier: Apache-2.0
"""
The one waiting loop, shared by everything that waits on one connection.

A waiting generation is a sleeping coroutine and nothing else: no thread, no task and no connection of
its own. All of them share one session: what the connection says, as many turns to look as it allows
connections, and these connections. Nothing runs beside the waits, so whatever has to be done for all of
them (reading the connection anew, closing clients) is done by the one that finds it due, and nothing is
left when the last one goes.

What follows from a look is decided in ``rules/waiting.py``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never
from weakref import WeakKeyDictionary

from airflow_provider_pixverse.client import tls_context
from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseError,
    PixverseNotFoundError,
    PixverseNotSentError,
)
from airflow_provider_pixverse.generation import Generation
from airflow_provider_pixverse.rules.waiting import (
    Deliver,
    GiveUp,
    Look,
    Pause,
    Wait,
    Watch,
    condition,
    decide,
    pause,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from airflow_provider_pixverse.client import Client
    from airflow_provider_pixverse.connection import Settings

log = logging.getLogger(__name__)

SETTINGS_AGE = 60.0
"""Seconds after which a connection in use is read again: it may be edited while a triggerer lives on."""

LOOK_UP_AGAIN = 10.0
"""Seconds after which a connection that could not be looked up is looked up again, by one wait for all."""

KEY_RENEWAL = 60.0
"""Seconds between attempts to find a newer API key after the one in use was refused."""


class _Session:
    """
    What looks share as long as the connection says the same.

    Each client has one connection, and the one that was used last is used next. One client with all of them
    goes through all of them for each request, which costs four times the CPU.

    :param settings: What the connection says.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.slots = asyncio.Semaphore(settings.max_connections)
        self._of_one_connection = replace(settings, max_connections=1)
        self._free: list[Client] = []
        self._retired = False

    async def look(self, generation_id: str) -> Look:
        """Look once; an error is what the look gave."""
        client = self._free.pop() if self._free else self._of_one_connection.client()
        try:
            return await client.look(generation_id)
        except PixverseError as error:
            return error
        finally:
            if self._retired:
                await client.aclose()
            else:
                self._free.append(client)

    async def retire(self) -> None:
        """Close the connections, those in use as soon as their looks are over."""
        self._retired = True
        while self._free:
            await self._free.pop().aclose()


class Poller:
    """
    Waits for generations of one connection, any number at a time, in one event loop.

    :param settings: Looks the connection up.
    :param clock: Returns epoch seconds.
    :param sleep: Waits so many seconds.
    :param chance: Returns a number from 0 to 1, another one each time.
    :param ended: Called when the last wait is over.
    """

    def __init__(
        self,
        settings: Callable[[], Awaitable[Settings]],
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        ended: Callable[[], object] = lambda: None,
    ) -> None:
        self._look_up_settings = settings
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._ended = ended
        self._session: _Session | None = None
        self._failure: PixverseError | None = None
        self._looked_up_at = self._renewed_at = float("-inf")
        self._looking_up = asyncio.Lock()
        self._pause = Pause()
        self._waiting = 0

    async def wait(self, watch: Watch, *, first_look: float = 0.0) -> Generation:
        """
        Return the generation once its video is finished.

        :param watch: What to wait for, until when, looking how often.
        :param first_look: Seconds before the first look.
        :raises PixverseError: where waiting is over without a video; see ``rules.waiting.decide``.
        """
        since = self._clock()
        due = since + first_look
        known = ""
        async with self._in_use():
            while True:
                look, session, began = await self._look(watch, due)
                now = self._clock()
                log.debug("Generation %s: %s", watch.generation_id, look)
                if (stands := condition(look)) != known:
                    log.info(
                        "Generation %s: %s, after %.0f s of waiting.",
                        watch.generation_id, _in_words(look), now - since,
                    )  # fmt: skip
                    known = stands
                match decide(watch, look, now=now, chance=self._chance()):
                    case Wait(seconds, watch):
                        # The interval counts from when the look was sent, so that a slow answer does not
                        # stretch it; what is asked for beyond counts from the answer.
                        due = max(now, began + seconds) if seconds <= watch.poll_interval else now + seconds
                    case Deliver(generation):
                        return generation
                    case GiveUp(PixverseNotFoundError()) if await self._has_changed(session, watch):
                        watch, due = replace(watch, missing_since=None), now
                    case GiveUp(error):
                        raise error
                    case never:
                        assert_never(never)

    async def _look(self, watch: Watch, due: float) -> tuple[Look, _Session | None, float]:
        """
        Look when it is due and the gateway takes requests; at the deadline whether it does or not.

        :return: What was seen, through which session, and when. There is no session if the connection could
            not be looked up.
        """
        while True:
            await self._sleep(max(0.0, due - self._clock()))
            try:
                session = await self._connected()
            except PixverseError as error:
                # Trouble on the way, as that of the gateway is: what is paid for waits it out.
                return error, None, self._clock()
            async with session.slots:
                began = self._clock()
                if session is not self._session:
                    continue  # while this look queued, the connection has changed
                if began < min(self._pause.until, watch.deadline):
                    # Spread, or all who were kept still would come back together.
                    resumed = self._pause.until + self._chance() * watch.poll_interval
                    due = min(resumed, watch.deadline)
                    continue
                look = await session.look(watch.generation_id)
            self._heed(watch, look, began)
            if isinstance(look, PixverseAuthError) and await self._has_newer_key(session):
                continue
            return look, session, began

    def _heed(self, watch: Watch, look: Look, began: float) -> None:
        """Let all waits keep still where the gateway takes no requests."""
        now = self._clock()
        before, self._pause = self._pause, pause(self._pause, watch, look, began=began, now=now)
        if before.until <= now < self._pause.until:
            log.info(
                "%s Pausing all %d waits on this connection for %.0f s.",
                _in_words(look), self._waiting, self._pause.until - now,
            )  # fmt: skip

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[None]:
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._failure = None
                session, self._session = self._session, None
                self._ended()
                if session is not None:
                    await session.retire()

    async def _connected(self) -> _Session:
        session = self._session
        if session is None:
            async with self._looking_up:
                return self._session or await self._connect()
        if self._clock() - self._looked_up_at >= SETTINGS_AGE and not self._looking_up.locked():
            async with self._looking_up:
                return await self._look_up_again(session)
        return session

    async def _connect(self) -> _Session:
        """
        Look the connection up and begin a session.

        :raises PixverseError: if that fails; all waits share the failure for a while, so that thousands of
            them do not look it up thousands of times.
        """
        if self._failure is not None and self._clock() - self._looked_up_at < LOOK_UP_AGAIN:
            raise self._failure
        try:
            settings = await self._look_up_settings()
            await asyncio.to_thread(tls_context)
        except Exception as error:
            self._looked_up_at = self._clock()
            self._failure = (
                error
                if isinstance(error, PixverseError)
                else PixverseNotSentError(f"the connection could not be looked up ({type(error).__name__})")
            )
            raise self._failure from None
        self._failure = None
        self._session, self._looked_up_at = _Session(settings), self._clock()
        return self._session

    async def _look_up_again(self, session: _Session) -> _Session:
        """Go on with what the connection says now, or with what it said where that cannot be read."""
        try:
            settings = await self._look_up_settings()
        except Exception as error:
            log.warning(
                "Could not re-read the connection (%s); keeping the previous settings.", type(error).__name__
            )
            settings = session.settings
        self._looked_up_at = self._clock()
        if settings == session.settings:
            return session
        self._session = _Session(settings)
        await session.retire()
        return self._session

    async def _has_newer_key(self, refused: _Session) -> bool:
        async with self._looking_up:
            if self._session is refused and self._clock() - self._renewed_at >= KEY_RENEWAL:
                self._renewed_at = self._clock()
                await self._look_up_again(refused)
            return self._session is not refused

    async def _has_changed(self, asked: _Session | None, watch: Watch) -> bool:
        """Return whether the connection leads elsewhere since a gateway has called this id unknown."""
        async with self._looking_up:
            if (
                asked is not None
                and self._session is asked
                and self._looked_up_at <= (watch.missing_since or 0.0)
            ):
                await self._look_up_again(asked)
            return self._session is not asked


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


def shared_poller(name: str, settings: Callable[[], Awaitable[Settings]]) -> Poller:
    """
    Return the poller that all waits of a connection share in the running event loop; it ends with the last.

    :param name: The connection.
    :param settings: Looks it up.
    """
    pollers = _shared.setdefault(asyncio.get_running_loop(), {})
    if name not in pollers:
        pollers[name] = Poller(settings, ended=lambda: pollers.pop(name, None))
    return pollers[name]


def _in_words(look: Look) -> str:
    return look.condition if isinstance(look, Generation) else look.message
