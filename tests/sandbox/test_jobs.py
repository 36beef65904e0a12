# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_pixverse.sandbox.faults import Fault
from airflow_provider_pixverse.sandbox.jobs import Job, Order, Stage
from airflow_provider_pixverse.sandbox.video import Film

FILM = Film(Path("lake.mp4"), b"", 1000, "", 640, 360, 5.0, False)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def job(clock: Clock) -> Job:
    order = Order(model="m", prompt="a lake", short_side=360, seconds=5, seed=1)
    return Job("id", "aimlapi", order, {}, 1, "credits", takes=100.0, media_path="/", clock=clock)


@pytest.mark.parametrize(
    ("now", "film", "stage"),
    [
        (0, None, Stage.QUEUED),
        (19, FILM, Stage.QUEUED),
        (21, None, Stage.GENERATING),
        (99, FILM, Stage.GENERATING),
        (101, FILM, Stage.FINISHED),
        (101, None, Stage.GENERATING),
        (9999, None, Stage.GENERATING),
    ],
)
def test_time_decides_but_never_before_the_file_is_there(
    job: Job, clock: Clock, now: float, film: Film | None, stage: Stage
) -> None:
    clock.now, job.film = now, film
    assert job.stage is stage


def test_a_failing_job_fails_only_when_its_time_has_come(job: Job, clock: Clock) -> None:
    job.meet(Fault(fail=True))
    clock.now = 50
    assert job.stage is Stage.GENERATING
    clock.now = 100
    assert job.stage is Stage.FAILED


def test_a_fault_that_is_no_fate_changes_nothing(job: Job) -> None:
    job.film = FILM
    job.meet(None)
    job.meet(Fault(on="poll", status=503))
    assert (job.defeat, job.no_url, job.described_size) == (None, False, 1000)
