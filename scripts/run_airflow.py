# SPDX-License-Identifier: Apache-2.0
"""Runs a real Airflow with the example DAGs, and the sandbox beside it, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import psutil
from sandbox_process import sandbox

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")
HOST = "127.0.0.1"
GRACE = 20.0
GALLERY = "/pixverse-gallery/"
FIRST_DAG = "pixverse_text_to_video"
WATCHED = ("metadatabase", "scheduler", "dag_processor", "triggerer")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def require_free(port: int) -> None:
    """Refuse a port that is taken: what answers there would pass for this Airflow."""
    with socket.socket() as listener:
        # As servers do it: a port that only waits for old connections to fade is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise SystemExit(
                f"port {port} is not free ({error.strerror}); AIRFLOW_PORT=… names another"
            ) from None


def airflow_environment(home: Path, dags: Path, port: int) -> dict[str, str]:
    """Describe a private Airflow that nobody has to log in to, and that only this machine can reach."""
    url = f"http://{HOST}:{port}"
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        # Each component would make up its own where no file has one yet, and refuse the others' tokens.
        "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        # Airflow 3.0 sends none otherwise, which today's PyJWT refuses.
        "AIRFLOW__API_AUTH__JWT_ISSUER": "airflow",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        # A second Airflow on this machine may have the usual ones.
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "PIXVERSE_EXAMPLE_OUTPUT": str(home / "videos"),
    }


def connection_environment(connections: dict[str, str]) -> dict[str, str]:
    """Offer AI/ML API as the default connection, and every gateway under its own name."""
    return {
        "AIRFLOW_CONN_PIXVERSE_DEFAULT": connections["aimlapi"],
        **{f"AIRFLOW_CONN_PIXVERSE_{gateway.upper()}": value for gateway, value in connections.items()},
    }


class Component:
    """One Airflow process, its output prefixed with its name."""

    def __init__(self, name: str, environment: dict[str, str]) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "airflow", name],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # Its own group: Ctrl-C reaches this script alone, which then stops everything in order.
            start_new_session=True,
        )
        threading.Thread(target=self._forward, daemon=True).start()

    def _forward(self) -> None:
        for line in self.process.stdout or ():
            print(f"{self.name:13} | {line.rstrip()}", flush=True)

    def family(self) -> list[psutil.Process]:
        try:
            leader = psutil.Process(self.process.pid)
            return [leader, *leader.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def stop(components: list[Component]) -> None:
    """End every component and everything it started, in its own time first."""
    family = [process for component in components for process in component.family()]
    for component in components:
        component.process.terminate()
    deadline = time.monotonic() + GRACE
    for component in components:
        try:
            component.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            print(f"{component.name} did not stop within {GRACE:g} s and is killed", flush=True)
            component.process.kill()
    _, left = psutil.wait_procs(family, timeout=2)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=5)


def unhealthy(port: int) -> list[str]:
    """Name the parts of Airflow that are not healthy yet."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (OSError, ValueError):
        return list(WATCHED)
    return [part for part in WATCHED if (health.get(part) or {}).get("status") != "healthy"]


def welcome(port: int) -> list[str]:
    """Say where to look; Airflow 3.0 has no place for the gallery."""
    lines = [f"Airflow is ready: http://localhost:{port}/   (Ctrl-C stops it)"]
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{GALLERY}static/icon.svg", timeout=10) as answer:
            has_gallery = answer.headers.get_content_type() == "image/svg+xml"
    except OSError:
        # Some Airflows answer what they do not know with their own page, others with 404 or 401.
        has_gallery = False
    if has_gallery:
        lines += [
            f"Make a video:     http://localhost:{port}/dags/{FIRST_DAG}   (press Trigger)",
            f"Watch it:         http://localhost:{port}{GALLERY}",
        ]
    return lines


def watch(components: list[Component], port: int, stopping: threading.Event) -> int:
    """Say when Airflow is ready; return when it was asked to stop, or a component ended by itself."""
    announced = False
    while not stopping.wait(1.0):
        for component in components:
            if (code := component.process.poll()) is not None:
                print(f"{component.name} ended by itself with exit code {code}", flush=True)
                return 1
        if not announced and not unhealthy(port):
            announced = True
            print("", "-" * 72, *welcome(port), "-" * 72, "", sep="\n", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--home", type=Path, default=ROOT / ".airflow")
    parser.add_argument("--dags", type=Path, default=ROOT / "dags_examples")
    parser.add_argument(
        "--speed", type=float, default=1.0, help="the sandbox renders this much faster than life"
    )
    options = parser.parse_args()
    require_free(options.port)
    home = options.home.resolve()
    (home / "videos").mkdir(parents=True, exist_ok=True)

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())

    with ExitStack() as cleanup:
        connections = cleanup.enter_context(sandbox(speed=options.speed))
        environment = airflow_environment(home, options.dags.resolve(), options.port)
        environment |= connection_environment(connections)
        migrated = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=False
        )
        if stopping.is_set():
            return 0
        if migrated.returncode:
            return 1
        components: list[Component] = []
        cleanup.callback(stop, components)
        components.extend(Component(name, environment) for name in COMPONENTS)
        return watch(components, options.port, stopping)


if __name__ == "__main__":
    sys.exit(main())
