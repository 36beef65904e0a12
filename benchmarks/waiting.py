# SPDX-License-Identifier: Apache-2.0
"""
Thousands of waits in one event loop, polling a bare local server that answers in 50 ms.

Measured over two intervals, once every wait has polled. Prints one line.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import os
import random
import resource
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vendor import counts, vendor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

COLUMNS = (
    f"{'who waits':<22} {'waits':>6} {'every':>6} {'polls':>7} {'of asked':>9} {'CPU a poll':>11} "
    f"{'lag p50':>9} {'lag p99':>9} {'memory each':>12} {'connections':>12} {'look-ups':>9}"
)
PROBE = 0.01
"""Seconds for which the probe of the event loop's lag sleeps."""

look_ups = 0


class Lag:
    """Measures how much later than it asked a sleeper wakes up."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def measure(self) -> None:
        while True:
            asked = time.perf_counter() + PROBE
            await asyncio.sleep(PROBE)
            self.seconds.append(max(0.0, time.perf_counter() - asked))

    def percentile(self, share: float) -> float:
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * share))]


def provider(url: str, number: int, interval: float, connections: int) -> Callable[[], Awaitable[None]]:
    """This provider's trigger, as a triggerer runs it."""
    from airflow_provider_pixverse.hooks import pixverse as hooks
    from airflow_provider_pixverse.triggers.pixverse import PixverseGenerationTrigger

    extra = {"gateway": "aimlapi", "max_connections": connections}
    connect("PIXVERSE_DEFAULT", conn_type="pixverse", password="key", host=url, extra=extra)
    count_calls(hooks, "get_async_connection")
    trigger = PixverseGenerationTrigger(
        "pixverse_default", f"generation-{number}", interval, time.time() + 1e6
    )
    return lambda: anext(trigger.run())


def official(url: str, number: int, interval: float, connections: int) -> Callable[[], Awaitable[None]]:
    """The batch trigger of apache-airflow-providers-anthropic."""
    from airflow.providers.anthropic.hooks.anthropic import AnthropicHook
    from airflow.providers.anthropic.triggers.batch import AnthropicBatchTrigger

    connect("ANTHROPIC_DEFAULT", conn_type="anthropic", password="key", host=url)
    count_calls(AnthropicHook, "get_connection")
    trigger = AnthropicBatchTrigger("anthropic_default", f"msgbatch_{number}", interval, time.time() + 1e6)

    async def run() -> None:
        await asyncio.sleep(random.uniform(0, interval))
        await anext(trigger.run())

    return run


def plain_loop(url: str, number: int, interval: float, connections: int) -> Callable[[], Awaitable[None]]:
    """A loop over one shared httpx client, with a semaphore before its pool."""
    import httpx

    if not hasattr(plain_loop, "client"):
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        plain_loop.client = httpx.AsyncClient(limits=limits)  # type: ignore[attr-defined]
        plain_loop.slots = asyncio.Semaphore(connections)  # type: ignore[attr-defined]
    return lambda: poll(plain_loop.client, plain_loop.slots, url, number, interval)  # type: ignore[attr-defined]


def client_each(url: str, number: int, interval: float, connections: int) -> Callable[[], Awaitable[None]]:
    """The same loop with a client for each wait."""
    import httpx

    async def run() -> None:
        await poll(httpx.AsyncClient(), asyncio.Semaphore(), url, number, interval)

    return run


async def poll(client: Any, slots: asyncio.Semaphore, url: str, number: int, interval: float) -> None:
    due = time.monotonic() + random.uniform(0, interval)
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        async with slots:
            response = await client.get(
                f"{url}/v2/video/generations",
                params={"generation_id": f"generation-{number}"},
                headers={"Authorization": "Bearer key"},
            )
        assert response.json()["status"] == "generating"
        due += interval


def connect(name: str, **connection: Any) -> None:
    os.environ[f"AIRFLOW_CONN_{name}"] = json.dumps(connection)


def count_calls(where: Any, name: str) -> None:
    """Count the look-ups of connections, in place."""
    look_up = getattr(where, name)
    if getattr(look_up, "is_counted", False):
        return

    def counted(*args: Any, **kwargs: Any) -> Any:
        global look_ups  # noqa: PLW0603
        look_ups += 1
        return look_up(*args, **kwargs)

    counted.is_counted = True  # type: ignore[attr-defined]
    setattr(where, name, staticmethod(counted) if isinstance(where, type) else counted)


WAITERS = {"provider": provider, "plain-loop": plain_loop, "client-each": client_each, "official": official}


def memory() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def measure(url: str, options: argparse.Namespace) -> str:
    interval = options.interval
    make = partial(WAITERS[options.who], interval=interval, connections=options.connections)
    # One of them comes first, so that what is loaded once is not counted as each one's.
    first = asyncio.ensure_future(make(url, 0)())
    await asyncio.sleep(2.0)
    before = memory()
    waits = [asyncio.ensure_future(make(url, n)()) for n in range(1, options.waits)]
    await asyncio.sleep(interval + 2.0)

    lag, begun, cpu = Lag(), counts(url), time.process_time()
    probe = asyncio.ensure_future(lag.measure())
    await asyncio.sleep(2 * interval)
    cpu, ended = time.process_time() - cpu, counts(url)
    each = (memory() - before) / max(1, len(waits))
    probe.cancel()
    failed = [task for task in (first, *waits) if task.done()]
    if failed:
        raise SystemExit(f"{len(failed)} of {options.waits} waits have ended: {failed[0].exception()!r}")
    for task in (first, *waits):
        task.cancel()
    await asyncio.gather(first, *waits, return_exceptions=True)

    made = ended["polls"] - begun["polls"]
    asked = options.waits * (ended["at"] - begun["at"]) / interval
    return (
        f"{options.who:<22} {options.waits:>6} {interval:>4.0f} s {made:>7} {100 * made / asked:>7.1f} % "
        f"{1000 * cpu / max(1, made):>8.2f} ms {1000 * lag.percentile(0.5):>6.1f} ms "
        f"{1000 * lag.percentile(0.99):>6.1f} ms {each / 1024:>8.1f} KiB "
        f"{ended['most_connections'] - 1:>12} {look_ups or '':>9}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--who", choices=WAITERS, default="provider", help="whose waits (default: provider)")
    parser.add_argument("--waits", type=int, default=5000, help="how many (default: 5000)")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between polls (default: 10)")
    parser.add_argument(
        "--connections", type=int, default=100, help="most connections to the server (default: 100)"
    )
    parser.add_argument("--columns", action="store_true", help="print the names of the columns only")
    options = parser.parse_args()
    if options.columns:
        print(COLUMNS)
        return
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if not math.isfinite(options.interval) or options.interval <= 0 or options.waits < 1:
        parser.error("--waits and --interval are above 0")
    with vendor() as url:
        print(asyncio.run(measure(url, options)), flush=True)


if __name__ == "__main__":
    main()
