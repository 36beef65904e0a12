# SPDX-License-Identifier: Apache-2.0
"""The one waiting loop: real HTTP against a scripted gateway, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import logging
import os
import time as real_time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from pacing import quicken

from airflow_provider_pixverse.client import Client
from airflow_provider_pixverse.connection import Settings
from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseGenerationFailed,
    PixverseNotFoundError,
    PixverseRequestError,
    PixverseTimeout,
)
from airflow_provider_pixverse.generation import Generation
from airflow_provider_pixverse.poller import (
    KEY_RENEWAL,
    SETTINGS_AGE,
    Poller,
    _shared,
    shared_poller,
)
from airflow_provider_pixverse.rules.pace import usual
from airflow_provider_pixverse.rules.waiting import Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

START = 1_790_000_000.0
INTERVAL = 10.0
URL = "https://cdn.example.com/pixverse%2Fa_seed42.mp4?X-Amz-Signature=0123456789abcdef"
KEY = "sk-a-very-secret-key"


class Time:
    """
    A clock that stands still until everybody sleeps, then goes on to the next one to wake.

    So an hour of polling takes no time, and nothing depends on how fast the machine is.
    """

    def __init__(self) -> None:
        self.now = START
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def clock(self) -> float:
        return self.now

    @property
    def asleep(self) -> int:
        return sum(not woken.done() for _, _, woken in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), woken))
        await woken

    async def passes(self, *tasks: asyncio.Task[Any], until: Callable[[], bool] = lambda: False) -> None:
        """Let time go on until all of the tasks have ended, or until something is the case."""
        async with asyncio.timeout(20):
            while (left := [task for task in tasks if not task.done()]) and not until():
                await asyncio.sleep(0.001)
                if self.asleep >= len(left) and not until():
                    self.now, woken = self._next()
                    woken.set_result(None)

    def _next(self) -> tuple[float, asyncio.Future[None]]:
        while True:
            moment, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                return moment, woken

    async def gives(self, *waits: Awaitable[Any]) -> list[Any]:
        """Return what each of the waits ends in, be it an error."""
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await self.passes(*tasks)
        return await asyncio.gather(*tasks, return_exceptions=True)


class Vendor:
    """
    A gateway on loopback.

    :param answer: Answers a poll of this id; it may wait, and may let time go on.
    """

    def __init__(self, time: Time, answer: Callable[[str], Awaitable[web.StreamResponse]]) -> None:
        self.time = time
        self.answer = answer
        self.polls: list[tuple[float, str]] = []
        self.keys: list[str] = []
        self.connections: set[asyncio.Transport] = set()
        self.in_flight = self.most_in_flight = 0
        self.port = 0

    @property
    def times(self) -> list[float]:
        """When the polls came, in seconds from the start."""
        return [moment - START for moment, _ in self.polls]

    @property
    def open_connections(self) -> int:
        return sum(not connection.is_closing() for connection in self.connections)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Vendor]:
        app = web.Application()
        app.router.add_get("/v2/video/generations", self._poll)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        self.polls.append((self.time.now, request.query["generation_id"]))
        self.keys.append(request.headers["Authorization"].removeprefix("Bearer "))
        self.connections.add(request.transport)  # type: ignore[arg-type]
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = await self.answer(request.query["generation_id"])
        finally:
            self.in_flight -= 1
        if isinstance(answer, Dropped):
            request.transport.abort()  # type: ignore[union-attr]
        return answer


class Dropped(web.Response):
    """Stands for a connection that ends without an answer."""


def says(status: str) -> web.Response:
    video = {"video": {"url": URL}} if status == "succeeded" else {}
    return web.json_response({"status": status, **video})


def page(status: int = 200) -> web.Response:
    return web.Response(status=status, text="<html>One moment</html>", content_type="text/html")


def in_turn(*answers: Callable[[], web.Response] | str) -> Callable[[str], Awaitable[web.StreamResponse]]:
    """Answer each id with these in turn, its last one for ever; a string is a status word."""
    turns: dict[str, Any] = {}

    async def answer(generation_id: str) -> web.StreamResponse:
        turn = turns.setdefault(generation_id, itertools.chain(answers, itertools.repeat(answers[-1])))
        made = next(turn)
        return says(made) if isinstance(made, str) else made()

    return answer


class Looks:
    """Looks the connection up, as the poller is told to; counts how often."""

    def __init__(self, vendor: Vendor, *keys: str, **settings: Any) -> None:
        self.vendor = vendor
        self.keys = keys or (KEY,)
        self.settings = settings
        self.count = 0

    async def __call__(self) -> Settings:
        key = self.keys[min(self.count, len(self.keys) - 1)]
        self.count += 1
        await asyncio.sleep(0.005)
        return Settings("aimlapi", key, f"http://127.0.0.1:{self.vendor.port}", **self.settings)


@asynccontextmanager
async def polling(
    answer: Callable[[str], Awaitable[web.StreamResponse]], *keys: str, **settings: Any
) -> AsyncIterator[tuple[Poller, Vendor, Time, Looks]]:
    time = Time()
    async with Vendor(time, answer).listening() as vendor:
        looks = Looks(vendor, *keys, **settings)
        yield Poller(looks, clock=time.clock, sleep=time.sleep, chance=lambda: 0.0), vendor, time, looks


def watch(generation_id: str = "gen-1", *, timeout: float = 1800.0, poll_interval: float = INTERVAL) -> Watch:
    return Watch(generation_id, START + timeout, poll_interval)


async def comes_true(condition: Callable[[], bool]) -> bool:
    """Give what happens on other ends of sockets a moment."""
    for _ in range(500):
        if condition():
            return True
        await asyncio.sleep(0.002)
    return False


class TestSchedule:
    @pytest.mark.asyncio
    async def test_it_looks_until_the_video_is_finished(self) -> None:
        async with polling(in_turn("queued", "generating", "succeeded")) as (poller, vendor, time, _):
            (generation,) = await time.gives(poller.wait(watch()))
        assert (generation.id, generation.video_url, generation.seed) == ("gen-1", URL, 42)
        assert vendor.times == [0, 10, 20]

    @pytest.mark.asyncio
    async def test_the_first_look_can_be_later(self) -> None:
        async with polling(in_turn("queued", "succeeded")) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch(), first_look=4))
        assert vendor.times == [4, 14]

    @pytest.mark.asyncio
    async def test_slow_answers_do_not_stretch_the_interval(self) -> None:
        async def answer(_: str) -> web.Response:
            time.now += 3
            return says("succeeded" if len(vendor.polls) == 50 else "queued")

        async with polling(answer) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch()))
        assert vendor.times == [10 * n for n in range(50)]

    @pytest.mark.asyncio
    async def test_answers_slower_than_the_interval_are_not_made_up_for(self) -> None:
        async def answer(_: str) -> web.Response:
            time.now += 25 if len(vendor.polls) == 2 else 0
            return says("succeeded" if len(vendor.polls) == 5 else "queued")

        async with polling(answer) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch()))
        assert vendor.times == [0, 10, 35, 45, 55]

    @pytest.mark.asyncio
    async def test_it_gives_up_at_the_deadline_and_not_before(self) -> None:
        async with polling(in_turn("generating")) as (poller, vendor, time, _):
            (error,) = await time.gives(poller.wait(watch(timeout=95)))
        assert isinstance(error, PixverseTimeout)
        assert "gen-1" in str(error)
        assert (time.now, vendor.times[-3:]) == (START + 95, [80, 90, 95])

    @pytest.mark.asyncio
    async def test_a_deadline_that_has_passed_still_gets_one_look(self) -> None:
        async with polling(in_turn("succeeded")) as (poller, _, time, _looks):
            (generation,) = await time.gives(poller.wait(watch(timeout=-60)))
        assert isinstance(generation, Generation)

    @pytest.mark.asyncio
    async def test_a_429_is_asked_again_when_the_gateway_said(self) -> None:
        def refused() -> web.Response:
            return web.json_response({}, status=429, headers={"Retry-After": "45"})

        async with polling(in_turn(refused, "succeeded")) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch()))
        assert vendor.times == [0, 45]

    @pytest.mark.asyncio
    async def test_what_the_gateway_said_counts_from_its_answer(self) -> None:
        def refused() -> web.Response:
            time.now += 20
            return web.json_response({}, status=429, headers={"Retry-After": "15"})

        async with polling(in_turn(refused, "succeeded")) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch()))
        assert vendor.times == [0, 35]


class TestSharing:
    @pytest.mark.asyncio
    async def test_many_waiters_look_the_connection_up_once(self) -> None:
        async with polling(in_turn("queued", "succeeded")) as (poller, _, time, looks):
            found = await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(200)))
        assert [generation.id for generation in found] == [f"gen-{n}" for n in range(200)]
        assert looks.count == 1

    @pytest.mark.asyncio
    async def test_no_more_are_in_flight_than_there_are_connections(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looking, most, look = 0, 0, Client.look

        async def counted(self: Client, generation_id: str) -> Generation:
            nonlocal looking, most
            looking += 1
            most = max(most, looking)
            try:
                return await look(self, generation_id)
            finally:
                looking -= 1

        async def answer(_: str) -> web.Response:
            await asyncio.sleep(0.01)
            return says("succeeded")

        # Counted in the client as well: queueing in its pool costs thirty times as much as before it.
        monkeypatch.setattr(Client, "look", counted)
        async with polling(answer, max_connections=4) as (poller, vendor, time, _):
            await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(40)))
        assert (vendor.most_in_flight, len(vendor.connections), len(vendor.polls)) == (4, 4, 40)
        assert most == 4

    @pytest.mark.asyncio
    async def test_looks_that_follow_one_another_share_a_connection(self) -> None:
        async with polling(in_turn("queued", "queued", "succeeded")) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch("a")), poller.wait(watch("b"), first_look=5))
        assert (len(vendor.polls), len(vendor.connections)) == (6, 1)

    @pytest.mark.asyncio
    async def test_the_last_to_leave_closes_the_connections(self) -> None:
        async with polling(in_turn("queued", "succeeded")) as (poller, vendor, time, looks):
            await time.gives(poller.wait(watch("a")), poller.wait(watch("b"), first_look=40))
            assert await comes_true(lambda: vendor.open_connections == 0)
            used = len(vendor.connections)
            (generation,) = await time.gives(poller.wait(watch("c")))
            assert (generation.id, len(vendor.connections)) == ("c", used + 1)
            assert await comes_true(lambda: vendor.open_connections == 0)
        assert looks.count == 2

    @pytest.mark.parametrize("moment", ["asleep", "in flight"])
    @pytest.mark.asyncio
    async def test_who_is_cancelled_leaves_alone(self, moment: str) -> None:
        hold = asyncio.Event()

        async def answer(generation_id: str) -> web.Response:
            polls = [asked for _, asked in vendor.polls].count(generation_id)
            if moment == "in flight" and generation_id == "cancelled":
                await hold.wait()
            return says("succeeded" if polls == 3 else "queued")

        async with polling(answer, max_connections=2) as (poller, vendor, time, looks):
            tasks = [
                asyncio.ensure_future(poller.wait(watch(name))) for name in ("first", "cancelled", "third")
            ]
            await time.passes(tasks[0], tasks[2], until=lambda: len(vendor.polls) >= 3)
            assert await comes_true(lambda: time.asleep == (2 if moment == "in flight" else 3))
            tasks[1].cancel()
            hold.set()
            with pytest.raises(asyncio.CancelledError):
                await tasks[1]
            await time.passes(*tasks)
            assert [task.result().id for task in (tasks[0], tasks[2])] == ["first", "third"]
            assert await comes_true(lambda: vendor.open_connections == 0)
        assert looks.count == 1

    @pytest.mark.asyncio
    async def test_cancelling_the_only_one_closes_the_connections(self) -> None:
        async with polling(in_turn("queued")) as (poller, vendor, time, _):
            task = asyncio.ensure_future(poller.wait(watch()))
            await time.passes(task, until=lambda: len(vendor.polls) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await comes_true(lambda: vendor.open_connections == 0)

    @pytest.mark.asyncio
    async def test_who_is_cancelled_while_looking_the_connection_up_leaves_it_to_the_next(self) -> None:
        async with polling(in_turn("succeeded")) as (poller, _, time, looks):
            tasks = [asyncio.ensure_future(poller.wait(watch(name))) for name in ("cancelled", "next")]
            assert await comes_true(lambda: looks.count == 1)
            tasks[0].cancel()
            await time.passes(*tasks)
            assert tasks[0].cancelled()
            assert tasks[1].result().id == "next"
        assert looks.count == 2

    @pytest.mark.asyncio
    async def test_a_lookup_that_fails_at_the_start_is_waited_out_and_shared(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "airflow_provider_pixverse")
        async with Vendor(Time(), in_turn("succeeded")).listening() as vendor:
            looks, failed = Looks(vendor), 0

            async def look_up() -> Settings:
                nonlocal failed
                if vendor.time.now < START + 100:
                    failed += 1
                    raise RuntimeError(f"vault: 503, {KEY}")
                return await looks()

            poller = Poller(look_up, clock=vendor.time.clock, sleep=vendor.time.sleep, chance=lambda: 0.0)
            found = await vendor.time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(20)))
        assert [each.id for each in found] == [f"gen-{n}" for n in range(20)]
        assert (failed <= 10, looks.count) == (True, 1)
        assert KEY not in caplog.text
        # Once a wait and change.
        assert caplog.text.count("RuntimeError") == 20

    @pytest.mark.asyncio
    async def test_a_connection_that_cannot_be_read_is_waited_out_and_read_again(self) -> None:
        async with Vendor(Time(), in_turn("succeeded")).listening() as vendor:
            looks = Looks(vendor)
            faults = [PixverseRequestError("gateway='vimeo'")]

            async def look_up() -> Settings:
                if faults:
                    raise faults.pop()
                return await looks()

            poller = Poller(look_up, clock=vendor.time.clock, sleep=vendor.time.sleep, chance=lambda: 0.0)
            (generation,) = await vendor.time.gives(poller.wait(watch()))
        assert generation.id == "gen-1"


class TestRefusedKey:
    @staticmethod
    @asynccontextmanager
    async def taking(
        accepted: Callable[[], str], *keys: str, polls: int = 3, **settings: Any
    ) -> AsyncIterator[tuple[Poller, Vendor, Time, Looks]]:
        """Poll a gateway that takes one key at a time and finishes no video before so many polls."""

        async def answer(generation_id: str) -> web.Response:
            key, seen = vendor.keys[-1], [asked for _, asked in vendor.polls].count(generation_id)
            await asyncio.sleep(0.01)
            if key != accepted():
                return web.json_response({"message": f"{key} is no valid API key"}, status=401)
            return says("succeeded" if seen >= polls else "queued")

        async with polling(answer, *keys, **settings) as (poller, vendor, time, looks):
            yield poller, vendor, time, looks

    @pytest.mark.asyncio
    async def test_the_connection_is_read_again_and_the_wait_goes_on(self) -> None:
        def accepted() -> str:
            return "old" if time.now < START + 5 else "new"

        async with self.taking(accepted, "old", "new") as (poller, vendor, time, looks):
            (generation,) = await time.gives(poller.wait(watch()))
        assert generation.id == "gen-1"
        assert (vendor.keys, vendor.times) == (["old", "old", "new"], [0, 10, 10])
        assert looks.count == 2

    @pytest.mark.asyncio
    async def test_the_key_is_renewed_for_all(self) -> None:
        async with self.taking(lambda: "new", "old", "new") as (poller, _, time, looks):
            found = await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(30)))
        assert [generation.id for generation in found] == [f"gen-{n}" for n in range(30)]
        assert looks.count == 2

    @pytest.mark.asyncio
    async def test_the_key_is_renewed_for_those_in_the_queue_too(self) -> None:
        async with self.taking(lambda: "new", "old", "new", max_connections=10) as (poller, _, time, looks):
            found = await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(50)))
        assert [type(each) for each in found] == [Generation] * 50
        assert looks.count == 2

    @pytest.mark.asyncio
    async def test_the_same_key_again_is_waited_out_and_looked_up_now_and_then(self) -> None:
        async with self.taking(lambda: "other", max_connections=3) as (poller, _, time, looks):
            found = await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(20)))
        assert [type(each) for each in found] == [PixverseAuthError] * 20
        assert KEY not in str(found)
        # Shared by all twenty, at most twice in the time after which a key is looked up anew.
        assert 2 <= looks.count <= 62

    @pytest.mark.asyncio
    async def test_a_key_can_be_renewed_more_than_once(self) -> None:
        def accepted() -> str:
            return "second" if time.now < START + KEY_RENEWAL + 25 else "third"

        keys = ("first", "second", "second", "third")
        async with self.taking(accepted, *keys, polls=4) as (poller, vendor, time, looks):
            (generation,) = await time.gives(poller.wait(watch(poll_interval=45.0)))
        assert generation.id == "gen-1"
        # The third look-up is that of an old connection, the others those of a refused key.
        assert (vendor.keys, looks.count) == (["first", "second", "second", "second", "third"], 4)


TRANSIENT: dict[str, Callable[[], web.Response]] = {
    **{str(status): lambda status=status: page(status) for status in (301, 409, 418, 500, 502, 503, 504)},  # type: ignore[misc]
    "429": lambda: web.json_response({"message": "Too Many Requests"}, status=429),
    "no credits": lambda: web.json_response({"message": "You've run out of credits"}, status=403),
    "a page": page,
    "empty 200": web.Response,
    "empty object": lambda: web.json_response({}),
    "a list": lambda: web.json_response([1]),
    "half the JSON": lambda: web.Response(text='{"status": "succ', content_type="application/json"),
    "not UTF-8": lambda: web.Response(body=b'{"status": "\xff"}', content_type="application/json"),
    "no gzip": lambda: web.Response(body=b"{}", headers={"Content-Encoding": "gzip"}),
    "dropped": Dropped,
    "unknown word": lambda: says("reticulating"),
    "no word": lambda: web.json_response({"status": None, "id": 5}),
}
ANSWERS = (TRANSIENT["unknown word"], TRANSIENT["no word"])


class TestTrouble:
    @pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
    @pytest.mark.asyncio
    async def test_it_is_waited_out(self, answer: Callable[[], web.Response]) -> None:
        script = in_turn("queued", *[answer] * 4, "generating", answer, "succeeded")
        async with polling(script) as (poller, vendor, time, _):
            (generation,) = await time.gives(poller.wait(watch()))
        assert isinstance(generation, Generation)
        # What fails is asked less and less often; an answer nobody understands is one all the same.
        backing_off, steady = [0, 10, 20, 40, 80, 120, 130, 140], [10 * n for n in range(8)]
        assert vendor.times == (steady if answer in ANSWERS else backing_off)

    @pytest.mark.parametrize("answer", TRANSIENT.values(), ids=TRANSIENT)
    @pytest.mark.asyncio
    async def test_it_ends_nothing_before_the_deadline(self, answer: Callable[[], web.Response]) -> None:
        async with polling(in_turn(answer)) as (poller, _, time, _looks):
            (error,) = await time.gives(poller.wait(watch(timeout=200)))
        assert isinstance(error, PixverseTimeout)
        assert (error.generation_id, time.now) == ("gen-1", START + 200)

    @pytest.mark.asyncio
    async def test_a_silent_gateway_is_waited_out(self) -> None:
        async def answer(_: str) -> web.Response:
            if len(vendor.polls) == 1:
                await asyncio.sleep(0.5)
            return says("succeeded")

        async with polling(answer, request_timeout=0.1) as (poller, vendor, time, _):
            (generation,) = await time.gives(poller.wait(watch()))
        assert (generation.id, len(vendor.polls)) == ("gen-1", 2)

    @pytest.mark.asyncio
    async def test_a_gateway_that_is_gone_for_a_while_is_waited_out(self) -> None:
        time = Time()
        vendor = Vendor(time, in_turn("queued", "succeeded"))
        async with AsyncExitStack() as stack:
            async with vendor.listening():
                poller = Poller(Looks(vendor), clock=time.clock, sleep=time.sleep, chance=lambda: 0.0)
                task = asyncio.ensure_future(poller.wait(watch()))
                await time.passes(task, until=lambda: len(vendor.polls) == 1)
            gone = time.now
            await time.passes(task, until=lambda: time.now > gone + 100)
            await stack.enter_async_context(vendor.listening())
            await time.passes(task)
        assert task.result().id == "gen-1"
        assert vendor.times[-1] > 100

    @pytest.mark.asyncio
    async def test_an_unknown_id_is_not_believed_at_once(self) -> None:
        def unknown() -> web.Response:
            return web.json_response({"message": "Generation gen-1 not found"}, status=404)

        async with polling(in_turn(unknown, unknown, "queued", "succeeded")) as (poller, _, time, _looks):
            (generation,) = await time.gives(poller.wait(watch()))
        assert generation.id == "gen-1"
        async with polling(in_turn(unknown)) as (poller, _, time, _looks):
            (error,) = await time.gives(poller.wait(watch()))
        assert isinstance(error, PixverseNotFoundError)
        assert time.now == START + usual().unknown_id_grace

    @pytest.mark.asyncio
    async def test_a_failure_at_the_vendor_ends_it(self) -> None:
        def failed() -> web.Response:
            return web.json_response({"status": "error", "error": {"name": "X", "message": "out of paint"}})

        async with polling(in_turn("queued", failed)) as (poller, vendor, time, _):
            (error,) = await time.gives(poller.wait(watch()))
            assert await comes_true(lambda: vendor.open_connections == 0)
        assert isinstance(error, PixverseGenerationFailed)
        assert "out of paint" in str(error)


class TestRateLimit:
    """One refusal keeps all waits of the connection still, and none of another connection."""

    @staticmethod
    def refusing(**headers: str) -> web.Response:
        return web.json_response({"message": "Too Many Requests"}, status=429, headers=headers)

    @pytest.mark.asyncio
    async def test_one_429_slows_all_waits_of_its_connection_and_none_of_another(self) -> None:
        time = Time()

        async def limited(_: str) -> web.Response:
            return self.refusing(**{"Retry-After": "60"}) if time.now < START + 1 else says("queued")

        async with AsyncExitStack() as stack:
            busy = await stack.enter_async_context(Vendor(time, limited).listening())
            other = await stack.enter_async_context(Vendor(time, in_turn("queued")).listening())
            shares = itertools.cycle(share / 100 for share in range(100))
            ours, theirs = (
                Poller(Looks(vendor), clock=time.clock, sleep=time.sleep, chance=lambda: next(shares))
                for vendor in (busy, other)
            )
            tasks = [
                asyncio.ensure_future(poller.wait(watch(f"{n}", timeout=100), first_look=n / 2))
                for poller in (ours, theirs)
                for n in range(20)
            ]
            await time.passes(*tasks)
        assert [moment for moment in busy.times if moment < 60] == [0]
        # The others come back spread over one interval, not all at once, and none is forgotten.
        back = [(moment, asked) for moment, asked in busy.polls if START + 60 <= moment <= START + 70]
        assert {asked for _, asked in back} >= {f"{n}" for n in range(1, 20)}
        assert len({moment for moment, _ in back}) > 15
        assert [moment for moment in other.times if moment < 60] == sorted(
            n / 2 + 10 * turn for n in range(20) for turn in range(6) if n / 2 + 10 * turn < 60
        )

    @pytest.mark.asyncio
    async def test_those_in_the_queue_keep_still_too(self) -> None:
        async def answer(_: str) -> web.Response:
            await asyncio.sleep(0.01)
            return self.refusing(**{"Retry-After": "60"}) if time.now < START + 1 else says("succeeded")

        async with polling(answer, max_connections=2) as (poller, vendor, time, _):
            await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(20)))
        assert vendor.times.count(0) == 2
        assert min(moment for moment in vendor.times if moment) == 60

    @pytest.mark.asyncio
    async def test_who_joins_keeps_still_as_well(self) -> None:
        async def answer(_: str) -> web.Response:
            return self.refusing(**{"Retry-After": "60"}) if time.now < START + 1 else says("succeeded")

        async with polling(answer) as (poller, vendor, time, _):
            await time.gives(poller.wait(watch("first")), poller.wait(watch("later"), first_look=30))
        assert [moment for moment, asked in vendor.polls if asked == "later"] == [START + 60]

    @pytest.mark.asyncio
    async def test_a_video_is_looked_at_before_it_is_given_up_all_the_same(self) -> None:
        async def answer(generation_id: str) -> web.Response:
            return self.refusing(**{"Retry-After": "300"}) if generation_id == "first" else says("succeeded")

        async with polling(answer) as (poller, vendor, time, _):
            waits = (poller.wait(watch("first")), poller.wait(watch("short", timeout=40), first_look=5))
            _, generation = await time.gives(*waits)
        assert generation.id == "short"
        assert [moment for moment, asked in vendor.polls if asked == "short"] == [START + 40]

    @pytest.mark.asyncio
    async def test_a_wait_is_not_looked_at_sooner_than_asked_after_a_pause(self) -> None:
        turns = iter([says("queued"), self.refusing(**{"Retry-After": "33"})])

        async def answer(_: str) -> web.Response:
            return next(turns, None) or says("queued")

        async with polling(answer) as (poller, vendor, time, _):
            await time.gives(*(poller.wait(watch(f"{n}", timeout=200), first_look=n) for n in range(3)))
        for name in "012":
            looks = [moment for moment, asked in vendor.polls if asked == name]
            gaps = [after - before for before, after in itertools.pairwise(looks)]
            # The last look, before it is given up, falls on the deadline.
            assert min(gaps[:-1]) >= INTERVAL

    @pytest.mark.asyncio
    async def test_it_is_told_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "airflow_provider_pixverse")

        async def answer(_: str) -> web.Response:
            return self.refusing(**{"Retry-After": "60"}) if time.now < START + 1 else says("succeeded")

        async with polling(answer) as (poller, _, time, _looks):
            await time.gives(*(poller.wait(watch(f"gen-{n}")) for n in range(20)))
        told = [line for line in TestLog.lines(caplog, logging.INFO) if "Pausing all" in line]
        assert len(told) == 1
        assert "60 s" in told[0]


class TestEditedConnection:
    """A triggerer lives for weeks; the connection may be edited meanwhile."""

    @pytest.mark.asyncio
    async def test_it_is_noticed_and_everybody_moves_over(self) -> None:
        time = Time()
        async with AsyncExitStack() as stack:
            old, new = [
                await stack.enter_async_context(Vendor(time, in_turn("queued")).listening()) for _ in range(2)
            ]
            count = 0

            async def look_up() -> Settings:
                nonlocal count
                count += 1
                port = (old if time.now < START + 30 else new).port
                return Settings("aimlapi", KEY, f"http://127.0.0.1:{port}", max_connections=3)

            poller = Poller(look_up, clock=time.clock, sleep=time.sleep, chance=lambda: 0.0)
            tasks = [
                asyncio.ensure_future(poller.wait(watch(f"{n}", timeout=200), first_look=n))
                for n in range(10)
            ]
            await time.passes(*tasks, until=lambda: time.now >= START + 80)
            assert await comes_true(lambda: old.open_connections == 0)
            await time.passes(*tasks)
        assert max(old.times) < SETTINGS_AGE
        assert min(new.times) == SETTINGS_AGE
        assert {asked for _, asked in new.polls} == {f"{n}" for n in range(10)}
        # At the start, and once a minute by one for all.
        assert count == 4

    @pytest.mark.asyncio
    async def test_looks_on_their_way_end_through_the_old_one(self) -> None:
        hold = asyncio.Event()

        async def slow(_: str) -> web.Response:
            await hold.wait()
            return says("succeeded")

        async with polling(slow, "old", "new", max_connections=3) as (poller, vendor, time, looks):
            first = asyncio.ensure_future(poller.wait(watch("first")))
            second = asyncio.ensure_future(poller.wait(watch("second"), first_look=SETTINGS_AGE))
            await time.passes(first, second, until=lambda: len(vendor.polls) == 1)
            time.now += SETTINGS_AGE
            while len(vendor.polls) < 2:
                time._next()[1].set_result(None) if time.asleep else None
                await asyncio.sleep(0.001)
            hold.set()
            assert [(await task).id for task in (first, second)] == ["first", "second"]
        assert vendor.keys == ["old", "new"]
        assert looks.count == 2

    @pytest.mark.asyncio
    async def test_one_that_cannot_be_read_again_goes_on_as_it_was(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with polling(in_turn("queued")) as (poller, vendor, time, looks):

            async def look_up() -> Settings:
                if looks.count:
                    looks.count += 1
                    raise RuntimeError(f"the database is away, {KEY}")
                return await looks()

            poller._look_up_settings = look_up
            (error,) = await time.gives(poller.wait(watch(timeout=300)))
        assert isinstance(error, PixverseTimeout)
        assert vendor.times == [10 * n for n in range(31)]
        # Not tried again with each look.
        assert looks.count == 1 + 300 / SETTINGS_AGE
        assert "RuntimeError" in caplog.text
        assert KEY not in caplog.text

    @pytest.mark.asyncio
    async def test_an_unknown_id_is_not_believed_before_the_connection_was_read_anew(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        time = Time()
        quicken(monkeypatch, unknown_id_grace=30.0)

        def unknown() -> web.Response:
            return web.json_response({"message": "Generation gen-1 not found"}, status=404)

        async with AsyncExitStack() as stack:
            elsewhere = await stack.enter_async_context(Vendor(time, in_turn(unknown)).listening())
            here = await stack.enter_async_context(Vendor(time, in_turn("succeeded")).listening())
            ports = iter([elsewhere.port, here.port])

            async def look_up() -> Settings:
                return Settings("aimlapi", KEY, f"http://127.0.0.1:{next(ports)}")

            poller = Poller(look_up, clock=time.clock, sleep=time.sleep, chance=lambda: 0.0)
            (generation,) = await time.gives(poller.wait(watch()))
        assert isinstance(generation, Generation)
        assert (elsewhere.times, here.times) == ([0, 10, 20, 30], [30])


ENDS = {
    "finished": Generation,
    "timed out": PixverseTimeout,
    "cancelled": type(None),
    "never looked": type(None),
}


class TestNothingIsLeft:
    """Nothing of the poller outlives its last wait: no task, client, socket, entry or key."""

    @staticmethod
    def objects(*kinds: type) -> list[object]:
        gc.collect()
        return [each for each in gc.get_objects() if type(each) in kinds]

    @pytest.mark.parametrize("end", ENDS)
    @pytest.mark.asyncio
    async def test_of_a_shared_poller(self, end: str) -> None:
        time = Time()
        answer = in_turn("queued", "succeeded" if end == "finished" else TRANSIENT["503"])
        async with Vendor(time, answer).listening() as vendor:
            tasks_before = asyncio.all_tasks()
            known = {id(each) for each in self.objects(Client, Settings, Poller)}
            await self.waits(vendor, end)
            # The errors of cancelled sleeps know who slept.
            vendor.time._sleepers.clear()
            assert await comes_true(lambda: vendor.open_connections == 0)
            assert not any(_shared.values())
            assert {task for task in asyncio.all_tasks() if "Poller" in repr(task)} <= tasks_before
            left = [each for each in self.objects(Client, Settings, Poller) if id(each) not in known]
            assert left == []

    @staticmethod
    async def waits(vendor: Vendor, end: str) -> None:
        time = vendor.time
        poller = shared_poller("mine", Looks(vendor))
        assert shared_poller("mine", Looks(vendor)) is poller
        poller._clock, poller._sleep = time.clock, time.sleep
        first_look = 1000.0 if end == "never looked" else 0.0
        tasks = [asyncio.ensure_future(poller.wait(watch(f"{n}"), first_look=first_look)) for n in range(5)]
        if end in ("cancelled", "never looked"):
            await time.passes(*tasks, until=lambda: time.asleep == 5)
            for task in tasks:
                task.cancel()
        await time.passes(*tasks)
        ended = [
            type(None) if task.cancelled() else type(task.exception() or task.result()) for task in tasks
        ]
        assert ended == [ENDS[end]] * 5

    @pytest.mark.asyncio
    async def test_who_comes_later_begins_anew(self) -> None:
        async with Vendor(Time(), in_turn("succeeded")).listening() as vendor:
            looks = Looks(vendor)
            first = shared_poller("mine", looks)
            await first.wait(watch())
            assert shared_poller("mine", looks) is not first
            await shared_poller("mine", looks).wait(watch())
        assert looks.count == 2


class TestFork:
    @pytest.mark.asyncio
    async def test_the_child_has_clients_of_its_own_and_the_parents_go_on(self) -> None:
        async def answer(generation_id: str) -> web.Response:
            polls = [asked for _, asked in vendor.polls].count(generation_id)
            return says("succeeded" if generation_id == "child" or polls > 2 else "queued")

        reading, writing = os.pipe()
        async with Vendor(Time(), answer).listening() as vendor:
            soon = Watch("parent", real_time.time() + 60, poll_interval=0.1)
            wait = asyncio.ensure_future(shared_poller("mine", Looks(vendor)).wait(soon))
            assert await comes_true(lambda: len(vendor.polls) == 1)

            child = os.fork()
            if not child:
                outcome = "nothing"
                try:
                    outcome = asyncio.run(shared_wait(Looks(vendor))).id
                finally:
                    os.write(writing, outcome.encode())
                    os._exit(0)
            await asyncio.to_thread(os.waitpid, child, 0)

            assert (await wait).id == "parent"
            used = len(vendor.connections)
        assert os.read(reading, 100) == b"child"
        assert used == 2


async def shared_wait(looks: Looks) -> Generation:
    return await shared_poller("mine", looks).wait(Watch("child", real_time.time() + 60, poll_interval=0.1))


class TestLog:
    @staticmethod
    def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
        ours = [each for each in caplog.records if each.name.startswith("airflow_provider_pixverse")]
        return [each.getMessage() for each in ours if each.levelno == level]

    @pytest.mark.asyncio
    async def test_changes_are_told_once_and_polls_only_on_request(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "airflow_provider_pixverse")
        trouble = TRANSIENT["503"]
        script = ["queued"] * 3 + ["generating"] * 4 + [trouble] * 5 + ["generating"] * 2 + ["succeeded"]
        async with polling(in_turn(*script)) as (poller, _, time, _looks):
            await time.gives(poller.wait(watch()))
        told = self.lines(caplog, logging.INFO)
        changes = ("queued", "generating", "HTTP 503", "generating", "finished")
        assert all(change in line for change, line in zip(changes, told, strict=True))
        assert all("gen-1" in line for line in told)
        assert len(self.lines(caplog, logging.DEBUG)) == len(script)

    @pytest.mark.asyncio
    async def test_an_unknown_word_is_told_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "airflow_provider_pixverse")
        async with polling(in_turn(*["reticulating"] * 5, "succeeded")) as (poller, _, time, _looks):
            await time.gives(poller.wait(watch()))
        told = self.lines(caplog, logging.INFO)
        assert [("reticulating" in line) for line in told] == [True, False]

    @pytest.mark.asyncio
    async def test_neither_key_nor_url_is_told(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "airflow_provider_pixverse")

        def refused() -> web.Response:
            return web.json_response({"message": f"Slow down, {KEY}"}, status=429)

        async with polling(in_turn("queued", refused, "succeeded")) as (poller, _, time, looks):
            await time.gives(poller.wait(watch()))
            assert KEY not in repr(await looks())
        said = caplog.text
        assert "Slow down" in said
        assert KEY not in said
        assert "X-Amz-Signature" not in said
