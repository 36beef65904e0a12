# SPDX-License-Identifier: Apache-2.0
"""
The life of a job: queued, generating, then finished or failed.

Time decides, not the number of polls: a job takes as long as the vendor's pages say it does, divided by
the sandbox's speed, and is never finished before its file is really there. Rendering starts when the job
is accepted, in threads, and jobs that look alike share one rendering.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import string
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

from airflow_provider_pixverse.sandbox.faults import Failure, Fault, Plan
from airflow_provider_pixverse.sandbox.ledger import Ledger
from airflow_provider_pixverse.sandbox.pictures import Source, UnreadableInputError, read_input
from airflow_provider_pixverse.sandbox.video import (
    VARIANTS,
    Film,
    Scene,
    Sound,
    frame_size,
    picture_size,
    render,
    sealed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

QUEUED_SHARE: Final = 0.2
"""How much of its time a job waits in the queue."""
_NANOID: Final = string.ascii_letters + string.digits + "_-"


class Stage(StrEnum):
    """Where a job stands; each gateway has its own word for it."""

    QUEUED = "queued"
    GENERATING = "generating"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def pending(self) -> bool:
        return self in (Stage.QUEUED, Stage.GENERATING)


@dataclass(frozen=True)
class Order:
    """A video somebody asked for, in the sandbox's words rather than a vendor's."""

    model: str
    prompt: str
    short_side: int
    seconds: float
    seed: int
    aspect_ratio: str | None = None
    first_frame: Source | None = None
    last_frame: Source | None = None
    video: Source | None = None
    sound: Sound | None = None


@dataclass(frozen=True)
class Defeat:
    """Why a job ended without a video; ``None`` stands for the vendor's usual text."""

    kind: Literal["failure", "moderation", "input"]
    name: str | None = None
    message: str | None = None


@dataclass
class Job:
    """One generation, from acceptance on."""

    id: str
    gateway: str
    order: Order
    request: dict[str, Any]
    cost: float
    unit: str
    takes: float
    media_path: str
    client_request_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """What only the gateway that made the job needs to know about it."""

    accepted_at: float = field(default_factory=time.time)
    clock: Callable[[], float] = time.monotonic
    started: float = 0.0
    film: Film | None = None
    defeat: Defeat | None = None
    no_url: bool = False
    wrong_file_size: bool = False
    polls: int = 0
    downloads: int = 0

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def stage(self) -> Stage:
        share = (self.clock() - self.started) / self.takes if self.takes else 1.0
        if share < QUEUED_SHARE:
            return Stage.QUEUED
        if share < 1 or (self.film is None and self.defeat is None):
            return Stage.GENERATING
        return Stage.FINISHED if self.defeat is None else Stage.FAILED

    @property
    def described_size(self) -> int:
        """The file's size as the vendor states it."""
        size = self.film.size if self.film else 0
        return size + 1024 if self.wrong_file_size else size

    def meet(self, fault: Fault | None) -> None:
        """Let a fault decide what becomes of the job."""
        match fault:
            case Fault(fail=Failure(name=name, message=message)):
                self.defeat = Defeat("failure", name, message)
            case Fault(fail=True):
                self.defeat = Defeat("failure")
            case Fault(moderation=str() as message):
                self.defeat = Defeat("moderation", message=message)
            case Fault(moderation=True):
                self.defeat = Defeat("moderation")
            case Fault(no_url=True):
                self.no_url = True
            case Fault(wrong_file_size=True):
                self.wrong_file_size = True


class Studio:
    """
    Accepts orders, renders them and keeps the books, for all gateways together.

    :param speed: how many times as fast as the vendor a job is done.
    :param seed: makes the seeds it draws and the dice of the faults repeatable. Ids never repeat.
    :param logs_lag: seconds until a request shows up in a vendor's request logs.
    :param clock: what the age of a job is measured by.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        seed: int | None = None,
        logs_lag: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.speed = speed
        self.logs_lag = 5.0 / speed if logs_lag is None else logs_lag
        self.clock = clock
        self.plan = Plan(seed)
        self.ledger = Ledger()
        self.jobs: dict[str, Job] = {}
        self.media: dict[str, Job] = {}
        self._seeds = random.Random(seed)  # noqa: S311 - a vendor's "random seed", not a secret
        self._shelf = TemporaryDirectory(prefix="pixverse-sandbox-", ignore_cleanup_errors=True)
        self._pool = ThreadPoolExecutor(min(2, os.cpu_count() or 1), thread_name_prefix="render")
        self._renderings: dict[str, asyncio.Future[None]] = {}
        self._work: set[asyncio.Task[None]] = set()

    def draw_seed(self) -> int:
        return self._seeds.randrange(1, 2**31)

    def accept(self, job: Job) -> None:
        """Take on a job: from here on it costs money."""
        job.clock, job.started = self.clock, self.clock()
        job.takes /= self.speed
        job.meet(self.plan.fate("submit", job.gateway, job.order.prompt))
        self.jobs[job.id] = self.media[job.media_path] = job
        self.ledger.enter(job)
        if job.defeat is None:
            work = asyncio.create_task(self._produce(job))
            self._work.add(work)
            work.add_done_callback(self._work.discard)

    def look(self, job: Job) -> Stage:
        """Count a poll, and let it decide the job's fate if that was asked for."""
        job.polls += 1
        job.meet(self.plan.fate("poll", job.gateway, job.order.prompt))
        return job.stage

    def reset(self) -> None:
        """Forget every job, count and fault. What is rendered stays rendered: nothing else knows of it."""
        for work in self._work:
            work.cancel()
        self.jobs.clear()
        self.media.clear()
        self.ledger = Ledger()
        self.plan.set([])

    async def close(self) -> None:
        self.reset()
        # Off the loop: a rendering under way is waited for, and must not delay what is still answered.
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)
        self._shelf.cleanup()

    async def _produce(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        try:
            scene = await loop.run_in_executor(self._pool, stage_scene, job.order)
            # Data URIs are megabytes, and the job is kept until the next reset.
            job.order = replace(job.order, first_frame=None, last_frame=None, video=None)
            path = Path(self._shelf.name, f"{scene.digest()}.mp4")
            if path.name not in self._renderings:
                self._renderings[path.name] = loop.run_in_executor(self._pool, render, scene, path)
            # Shielded: a reset forgets this job, but another may be waiting for the same rendering.
            await asyncio.shield(self._renderings[path.name])
            job.film = await loop.run_in_executor(self._pool, sealed, scene, path, job.order.seed)
        except UnreadableInputError as error:
            job.defeat = Defeat("input", message=str(error))
        except Exception as error:
            # Not the vendor's failure but the sandbox's own; a job that never ends would hide it.
            log.exception("The sandbox could not render %s", job.id)
            job.defeat = Defeat("failure", "SandboxError", f"the sandbox could not render this: {error!r}")


def stage_scene(order: Order) -> Scene:
    """Fetch what the order points at, and settle size and length from it."""
    source = order.video or order.first_frame
    start = read_input(source) if source else None
    end = read_input(order.last_frame) if order.last_frame and order.last_frame != source else None
    if start is not None:
        across, down = picture_size(start.picture)
    else:
        across, down = map(int, (order.aspect_ratio or "16:9").split(":"))
    short_side, seconds = order.short_side, order.seconds
    if order.video and start is not None and start.seconds:
        # What is done to a video leaves its picture and its length as they are.
        short_side, seconds = min(across, down), min(start.seconds, 30.0)
    width, height = frame_size(short_side, across / down)
    return Scene(
        caption=order.prompt,
        label=f"PixVerse sandbox · {order.model}",
        width=width,
        height=height,
        seconds=seconds,
        first_frame=start.picture if start else None,
        last_frame=end.picture if end else None,
        sound=order.sound,
        variant=order.seed % VARIANTS,
    )


def new_nanoid() -> str:
    """Make a 21-character id, as Node services do."""
    return "".join(secrets.choice(_NANOID) for _ in range(21))
