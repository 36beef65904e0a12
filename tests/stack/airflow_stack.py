# SPDX-License-Identifier: Apache-2.0
"""
A real Airflow to be mistreated: each component a process of its own, on a private PostgreSQL.

Where `make airflow` is for people to look at, this one notices a dead component within seconds, and lets
tests kill what they like.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from airflow_api import AirflowApi, eventually
from private_postgres import private_postgres
from run_airflow import HOST, airflow_environment, connection_environment, free_port, unhealthy
from sandbox_books import SandboxBooks
from sandbox_process import sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

DAGS = Path(__file__).parent / "dags"
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
SERVE_LOGS = ("scheduler", "triggerer", "celery")
"""These offer their logs to other machines, on every interface; here everything reads the same folder."""
HEARTBEAT_TIMEOUT = 20
"""Seconds after which Airflow notices that a task's supervisor is dead."""

IMPATIENT = {
    # Slots of LocalExecutor: one is lost for good with every supervisor that is killed.
    "CORE__PARALLELISM": "64",
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    "DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
    "DATABASE__SQL_ALCHEMY_POOL_SIZE": "10",
    "SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    # When the tasks of a scheduler that died are taken over.
    "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
    "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "3",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
}


class Component:
    """One Airflow process with all that it starts, its output in a file."""

    def __init__(self, name: str, environment: dict[str, str], log: Path, *arguments: str) -> None:
        self.name = name
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow", name, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Whatever it forks, and whatever becomes of the forks' parents, stays in this session.
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """Return every living process of the session, orphans included."""
        return [each for each in psutil.process_iter() if _session(each.pid) == self.process.pid]

    def kill(self) -> None:
        """End it with all it started by SIGKILL, as a machine that is gone."""
        # Held still first, or one of them starts another meanwhile.
        self.process.send_signal(signal.SIGSTOP)
        while family := [each for each in self.family() if kill(each)]:
            psutil.wait_procs(family, timeout=5)
        self.process.wait()


class AirflowStack:
    """
    The running whole.

    :param home: Its `AIRFLOW_HOME`; components log to files in it.
    :param database: SQLAlchemy URL.
    :param connections: Each gateway's connection, as the sandbox prints them.
    :param dags: Folder of its DAGs.
    :param settings: Airflow's options, as `SECTION__OPTION`.
    """

    def __init__(
        self,
        home: Path,
        database: str,
        connections: dict[str, str],
        *,
        dags: Path = DAGS,
        settings: dict[str, str] = IMPATIENT,
    ) -> None:
        self.home = home
        self.videos = home / "videos"
        copied = home / "dags"
        shutil.copytree(dags, copied, ignore=shutil.ignore_patterns("__pycache__"))
        self.videos.mkdir()
        self._port = free_port()
        self._environment = airflow_environment(home, copied, self._port)
        self._environment |= {f"AIRFLOW__{name}": value for name, value in settings.items()}
        self._environment |= connection_environment(connections)
        self._environment |= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database}
        self._components: dict[str, Component] = {}
        self.database = database
        self.api = AirflowApi(f"http://{HOST}:{self._port}")
        self.sandbox = SandboxBooks(connections["aimlapi"])

    def start(self) -> None:
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        with (self.home / "migrate.log").open("wb") as log:
            subprocess.run(migrate, env=self._environment, stdout=log, stderr=log, check=True)
        for name in COMPONENTS:
            self.start_component(name)
        eventually(lambda: not unhealthy(self._port), lambda: f"healthy: {unhealthy(self._port)}")

    def start_component(self, name: str, *arguments: str, key: str = "") -> Component:
        log = self.home / f"{key or name}.log"
        if name in SERVE_LOGS:
            arguments = (*arguments, "--skip-serve-logs")
        self._components[key or name] = Component(name, self._environment, log, *arguments)
        return self._components[key or name]

    def component(self, name: str) -> Component:
        return self._components[name]

    def stop(self) -> None:
        # Nothing of it is needed any more, so nothing is asked to end in good order.
        for component in self._components.values():
            component.kill()

    def restart_triggerer(self) -> None:
        self.start_component("triggerer")

    def ensure_triggerer(self) -> None:
        """Start the triggerer if a test has left it dead, and wait until Airflow sees it."""
        if not self.component("triggerer").running:
            self.restart_triggerer()
        eventually(lambda: "triggerer" not in unhealthy(self._port), "a healthy triggerer")

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Look into the database, for what no API shows."""
        import psycopg2

        connection = psycopg2.connect(self.database.replace("+psycopg2", ""))
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql, values)
                return list(cursor.fetchall())
        finally:
            connection.close()


@contextmanager
def airflow_stack(
    home: Path,
    *,
    speed: float,
    seed: int,
    dags: Path = DAGS,
    settings: dict[str, str] = IMPATIENT,
) -> Iterator[AirflowStack]:
    """Yield a ready Airflow with the sandbox as its gateway; leave no process."""
    with ExitStack() as cleanup:
        database = cleanup.enter_context(private_postgres())
        connections = cleanup.enter_context(sandbox(speed=speed, seed=seed))
        stack = AirflowStack(home, database, connections, dags=dags, settings=settings)
        cleanup.callback(stack.stop)
        stack.start()
        yield stack


def kill(process: psutil.Process) -> bool:
    """Send SIGKILL; say whether there was something to kill."""
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return -1
