# SPDX-License-Identifier: Apache-2.0
"""Finds the processes of running tasks, and ends them as an out-of-memory killer or a lost node would."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from airflow_api import eventually
from airflow_stack import kill

if TYPE_CHECKING:
    from airflow_stack import AirflowStack, Component


@dataclass(frozen=True)
class RunningTask:
    """
    One task on a worker.

    :param supervisor: LocalExecutor's process, which talks to the api-server for the task.
    :param runner: Its child, in which the operator runs.
    """

    supervisor: psutil.Process
    runner: psutil.Process

    @property
    def runs_on(self) -> bool:
        """Whether the operator's process is there."""
        return self.runner.is_running() and self.runner.status() != psutil.STATUS_ZOMBIE

    def kill_runner(self) -> bool:
        """End the operator's process; the supervisor notices at once."""
        return kill(self.runner)

    def kill_supervisor(self) -> bool:
        """End the supervisor; the operator's process goes on as an orphan, Airflow notices by heartbeats."""
        try:
            # Held still first: killed while it reports an end, it would leave the executor's queue locked.
            self.supervisor.send_signal(signal.SIGSTOP)
            if not self.runs_on:
                self.supervisor.send_signal(signal.SIGCONT)
                return False
        except psutil.NoSuchProcess:
            return False
        return kill(self.supervisor)

    def kill_both(self) -> bool:
        """End both, as a node that is gone."""
        killed = self.kill_supervisor()
        return self.kill_runner() and killed


def running_tasks(stack: AirflowStack) -> list[RunningTask]:
    """
    Return the tasks that workers are running now.

    A task that a worker has taken but not yet reported as running is left out: LocalExecutor never gives it
    to another worker, so it would stay queued for ever.
    """
    reported = {pid for (pid,) in stack.query("select pid from task_instance where state = 'running'")}
    found = []
    for worker in _children(psutil.Process(stack.component("scheduler").process.pid)):
        found += [RunningTask(worker, child) for child in _children(worker) if child.pid in reported]
    return sorted(found, key=lambda each: each.runner.pid)


def the_running_task(stack: AirflowStack) -> RunningTask:
    """Return the only task that is running."""

    def only() -> RunningTask | None:
        found = running_tasks(stack)
        return found[0] if len(found) == 1 else None

    return eventually(only, lambda: f"one running task: {running_tasks(stack)}")


def kill_trigger_runner(triggerer: Component) -> bool:
    """End the process in which the triggers run, and leave its supervisor to see to that."""
    # Its only children: no log server is started here.
    return any([kill(each) for each in _children(psutil.Process(triggerer.process.pid))])


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [each for each in process.children() if each.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []
