# SPDX-License-Identifier: Apache-2.0
"""
Many videos at once, while everything that can die does and the gateway's answers get lost.

What is killed when is drawn from a seed. A busy machine does not repeat a run to the millisecond, but the
same seed kills the same kinds of things in the same order.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_api import ENDED
from killing import RunningTask, kill_trigger_runner, running_tasks
from scenario import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_api import Run
    from airflow_stack import AirflowStack

FAULTS: tuple[dict[str, Any], ...] = tuple(
    {**fault, "times": None}
    for fault in (
        {"on": "poll", "status": 502, "probability": 0.08},
        {"on": "poll", "drop": "before", "probability": 0.08},
        {"on": "poll", "html": True, "probability": 0.08},
        {"on": "poll", "empty": True, "probability": 0.04},
        # Bought, and the answer is lost: only the gateway's logs know the id.
        {"on": "submit", "drop": "after", "probability": 0.1},
        {"on": "submit", "accept_then_status": 502, "probability": 0.1},
        {"on": "submit", "status": 429, "headers": {"Retry-After": "2"}, "probability": 0.1},
        {"on": "download", "truncate": True, "probability": 0.1},
        {"on": "logs", "status": 503, "probability": 0.1},
    )
)
LONGEST_LIFE = 1.5
"""Seconds that a task's process lives, about; it is killed at any moment of that."""
MOSTLY_TASKS = 0.7
DOWN_FOR = 4.0
"""Seconds for which a triggerer is gone at most."""

TASK_KILLS: dict[str, Callable[[RunningTask], bool]] = {
    "operator": RunningTask.kill_runner,
    "supervisor": RunningTask.kill_supervisor,
    "worker": RunningTask.kill_both,
}


@dataclass
class Chaos:
    """
    Kills until it has killed enough or there is nothing left to kill.

    :param stack: Where.
    :param run: The run whose tasks are killed.
    :param kills: How often.
    :param seed: Of everything drawn.
    """

    stack: AirflowStack
    run: Run
    kills: int
    seed: int
    killed: Counter[str] = field(default_factory=Counter)

    def reign(self, *, within: float) -> None:
        """Kill, then let everything come to rest."""
        dice = random.Random(self.seed)
        deadline = time.monotonic() + within
        while self.killed.total() < self.kills and self.run.state not in ENDED:
            assert time.monotonic() < deadline, f"only {self.killed} of {self.kills} kills in {within:g} s"
            if dice.random() < MOSTLY_TASKS:
                self._kill_task(dice)
            else:
                self._kill_triggerer(dice)
        self.stack.ensure_triggerer()
        self.run.await_end(within=deadline - time.monotonic())

    def _kill_task(self, dice: random.Random) -> None:
        how = dice.choice(sorted(TASK_KILLS))
        patience = time.monotonic() + 20
        while not (tasks := running_tasks(self.stack)):
            if time.monotonic() > patience:
                return
            time.sleep(0.05)
        victim = dice.choice(tasks)
        time.sleep(dice.uniform(0, LONGEST_LIFE))
        if TASK_KILLS[how](victim):
            self.killed[how] += 1

    def _kill_triggerer(self, dice: random.Random) -> None:
        triggerer = self.stack.component("triggerer")
        down_for = dice.uniform(0, DOWN_FOR)
        if dice.random() < 0.5:
            how, hit = "triggerer", triggerer.running
        else:
            # Its supervisor is given a moment to notice, and then goes too.
            how, hit = "trigger runner", kill_trigger_runner(triggerer)
            time.sleep(1.0)
        triggerer.kill()
        self.killed[how] += hit
        time.sleep(down_for)
        self.stack.restart_triggerer()


def judge(stack: AirflowStack, run: Run, prompts: list[str], bought: list[dict[str, Any]]) -> None:
    """
    Hold what the tasks say and what lies in the folder against the books.

    :param bought: The books' rows of these prompts.
    """
    times = Counter(row["request"]["prompt"] for row in bought)
    assert times == Counter(prompts), f"bought {times.total()} for {len(prompts)} prompts: {times}"
    states = Counter(each["state"] for each in run.instances())
    assert states == {"success": len(prompts)}, states
    sold = {row["request"]["prompt"]: row for row in bought}
    folder = stack.videos / run.run_id
    for each in run.instances():
        row = sold[prompts[each["map_index"]]]
        result = run.xcom(map_index=each["map_index"])
        file = folder / f"{each['map_index']}.mp4"
        assert (result["generation_id"], result["sha256"]) == (row["id"], row["file"]["sha256"])
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["file"]["sha256"], file
    assert len(list(folder.glob("*.mp4"))) == len(prompts)
    print(f"left behind in the folder: {leftovers(folder)}")
