# SPDX-License-Identifier: Apache-2.0
"""
A night's videos on a cluster that loses a triggerer and a worker midway; exits non-zero unless all is well.

CeleryExecutor on a private PostgreSQL and a private Redis, with two workers and two triggerers, each a
process family of its own. When half of the videos are bought, a triggerer that waits for some of them is
killed with -9; when a third are downloaded, so is a worker that runs tasks. Nothing takes their place. The
sandbox's books are the judge: every prompt bought once, every task succeeded, with the file the books name.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from airflow_api import eventually
from airflow_night import DAGS, end_everything_when_told_to, private_home, seconds, start
from airflow_stack import HEARTBEAT_TIMEOUT, IMPATIENT, airflow_stack
from chaos import judge
from private_redis import private_redis

if TYPE_CHECKING:
    from airflow_stack import AirflowStack, Component

WORKERS = ("worker-1", "worker-2")
TRIGGERERS = ("triggerer", "triggerer-2")
PATIENCE = 3600.0
"""Seconds after which something is wrong, however busy the machine is."""
# In the order in which the triggerers were started.
HELD = (
    "select count(*) from trigger group by triggerer_id having triggerer_id is not null order by triggerer_id"
)


def settings(broker: str, concurrency: int) -> dict[str, str]:
    return {
        **IMPATIENT,
        # It is not killed here, and on a busy machine it must not take itself for dead.
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
        "CORE__EXECUTOR": "CeleryExecutor",
        "CELERY__BROKER_URL": broker,
        "CELERY__WORKER_CONCURRENCY": str(concurrency),
        # What a dead worker had taken and not finished is handed out again after this. Airflow's default is a
        # day; a stay of a deferred task is seconds. What Airflow has meanwhile given up is refused then.
        "CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": str(3 * HEARTBEAT_TIMEOUT),
    }


def start_workers(stack: AirflowStack) -> None:
    for name in WORKERS:
        options = ("--celery-hostname", f"{name}@localhost", "--pid", f"{stack.home}/{name}.pid")
        stack.start_component("celery", "worker", *options, key=name)
    for name in WORKERS:
        log = stack.home / f"{name}.log"
        eventually(lambda log=log: " ready." in log.read_text(errors="replace"), f"{name}: see {log}")


def await_books(stack: AirflowStack, what: str, videos: int) -> None:
    books = stack.sandbox.ledger
    eventually(lambda: books()[what] >= videos, f"{videos} videos {what}", within=PATIENCE, every=2.0)


def kill_triggerer(stack: AirflowStack, videos: int) -> str:
    """Kill the triggerer that waits for more of the videos than the other does."""
    await_books(stack, "bought", videos)

    def both_wait() -> list[int] | None:
        held = [count for (count,) in stack.query(HELD)]
        return held if len(held) == len(TRIGGERERS) else None

    held = eventually(both_wait, "triggers in both triggerers")
    stack.component(TRIGGERERS[held.index(max(held))]).kill()
    return f"a triggerer with {max(held)} triggers"


def kill_worker(stack: AirflowStack, videos: int) -> str:
    """Kill the first worker, while it runs tasks."""
    await_books(stack, "downloaded", videos)
    victim = stack.component(WORKERS[0])
    running = eventually(lambda: tasks_of(stack, victim), f"tasks on {victim.name}")
    victim.kill()
    return f"a worker with {running} tasks"


def tasks_of(stack: AirflowStack, worker: Component) -> int:
    reported = {pid for (pid,) in stack.query("select pid from task_instance where state = 'running'")}
    return len(reported & {each.pid for each in worker.family()})


def run_a_night(videos: int, concurrency: int) -> str:
    """Return what happened; raise where a video was lost or bought twice."""
    prompts = [f"a fox, scene {number}" for number in range(videos)]
    with ExitStack() as cleanup:
        home = cleanup.enter_context(private_home("cluster"))
        chosen = settings(cleanup.enter_context(private_redis()), concurrency)
        stack = cleanup.enter_context(airflow_stack(home, speed=1.0, seed=1, dags=DAGS, settings=chosen))
        stack.start_component("triggerer", key=TRIGGERERS[1])
        start_workers(stack)
        stack.api.await_dags("killed")
        run = start(stack, "killed", prompts)
        killed = [kill_triggerer(stack, videos // 2), kill_worker(stack, videos // 3)]
        run.await_end(within=PATIENCE, every=2.0)
        bought = stack.sandbox.bought("a fox")
        judge(stack, run, prompts, bought)
        tries = sum(each["try_number"] for each in run.instances())
        files = len(list((stack.videos / run.run_id).glob("*.mp4")))
        return (
            f"{len(bought)} purchases = {len(prompts)} deliveries = {files} files with the right sha256, "
            f"in {seconds(stack, run):.0f} s and {tries} tries; killed with -9: {' and '.join(killed)}"
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--concurrency", type=int, default=3, help="tasks that one worker runs at a time")
    options = parser.parse_args()
    end_everything_when_told_to()
    try:
        print(run_a_night(options.videos, options.concurrency))
    except AssertionError as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
