# SPDX-License-Identifier: Apache-2.0
"""
What a video costs a real Airflow in worker slots, deferred and with `deferrable=False`.

Scheduler, api-server, dag-processor and triggerer are processes of their own on a private PostgreSQL, with
Airflow's own defaults but for the number of slots; the sandbox renders at the speed of life. A slot is held
from the moment a worker takes a task up until it has seen its end. That is what Airflow's supervisor logs as
`Workload finished … duration=`, once for every stay of a task on a worker, and a deferred task stays twice.

On the worker a video takes as long as it renders, so a few of them show what there is to see.
"""

from __future__ import annotations

import argparse
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from airflow_api import eventually
from airflow_night import DAGS, end_everything_when_told_to, private_home, seconds, start
from airflow_stack import airflow_stack

if TYPE_CHECKING:
    from airflow_api import Run
    from airflow_stack import AirflowStack

FINISHED = re.compile(
    r"Workload finished.*? duration=(?P<seconds>[\d.]+) .*?final_state=(?P<state>\w+) "
    r".*?workload_id=(?P<id>[\w-]+)"
)
PATIENCE = 3600.0
"""Seconds after which something is wrong, however busy the machine is."""


@dataclass(frozen=True)
class Night:
    """
    One run of many videos.

    :param seconds: How long it took.
    :param stays: How long each stay of one of its tasks on a worker was, in seconds.
    :param cpu: Seconds of processor time that each part of Airflow spent meanwhile.
    """

    videos: int
    seconds: float
    stays: list[float]
    cpu: dict[str, float]

    def told(self, name: str, slots: int) -> str:
        held = sum(self.stays)
        spent = ", ".join(f"{part} {value / self.videos:.2f}" for part, value in self.cpu.items())
        return (
            f"{name}: {self.videos} videos on {slots} slots in {self.seconds:.0f} s, "
            f"{held / self.videos:.1f} slot-seconds a video "
            f"({len(self.stays) / self.videos:.1f} stays of {held / len(self.stays):.1f} s); "
            f"CPU-seconds a video: {spent}"
        )


def night(stack: AirflowStack, dag_id: str, videos: int) -> Night:
    bought, spent = stack.sandbox.ledger()["bought"], cpu(stack)
    # One prompt for all: the sandbox renders it once, and leaves the machine to Airflow.
    run = start(stack, dag_id, ["a fox at dawn"] * videos)
    assert run.await_end(within=PATIENCE, every=2.0) == "success", run.instances()
    assert stack.sandbox.ledger()["bought"] - bought == videos
    stayed = stays(stack, run)
    needed = {part: value - spent[part] for part, value in cpu(stack).items()}
    return Night(videos, seconds(stack, run), stayed, needed)


def stays(stack: AirflowStack, run: Run) -> list[float]:
    ids = {each["id"] for each in run.instances()}
    log = stack.home / "scheduler.log"

    def all_ended() -> list[float] | None:
        found = [each for each in FINISHED.finditer(log.read_text(errors="replace")) if each["id"] in ids]
        # The run has ended when the supervisor of its last task may still have to say so.
        if {each["id"] for each in found if each["state"] == "success"} < ids:
            return None
        return [float(each["seconds"]) for each in found]

    return eventually(all_ended, "the end of every stay in the scheduler's log")


def cpu(stack: AirflowStack) -> dict[str, float]:
    """Return the seconds of processor time that each part of Airflow has spent until now."""
    spent = dict.fromkeys(("workers", "scheduler", "api-server", "triggerer"), 0.0)
    for name in ("scheduler", "api-server", "triggerer"):
        component = stack.component(name)
        for process in component.family():
            # LocalExecutor's workers are the scheduler's children, and the tasks are theirs.
            part = "workers" if name == "scheduler" and process.pid != component.process.pid else name
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                spent[part] += times.user + times.system + times.children_user + times.children_system
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--on-the-worker", type=int, default=12, help="of these, with deferrable=False")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument(
        "--speed", type=float, default=1.0, help="the sandbox renders this much faster than life"
    )
    parser.add_argument("--min-heartbeat-interval", type=int, default=5, help="Airflow's own is 5")
    options = parser.parse_args()
    end_everything_when_told_to()
    settings = {
        "WORKERS__MIN_HEARTBEAT_INTERVAL": str(options.min_heartbeat_interval),
        "CORE__PARALLELISM": str(options.slots),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    with (
        private_home("slots") as home,
        airflow_stack(home, speed=options.speed, seed=1, dags=DAGS, settings=settings) as stack,
    ):
        stack.api.await_dags("deferred", "on_the_worker")
        on_the_worker = night(stack, "on_the_worker", options.on_the_worker)
        deferred = night(stack, "deferred", options.videos)
    print(deferred.told("deferred", options.slots))
    print(on_the_worker.told("deferrable=False", options.slots))
    return 0


if __name__ == "__main__":
    sys.exit(main())
