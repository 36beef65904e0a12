# SPDX-License-Identifier: Apache-2.0
"""Runs the sandbox beside a script and reads from its output which connections it offers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from queue import Empty, Queue
from typing import TYPE_CHECKING

from airflow_provider_pixverse.sandbox import server

if TYPE_CHECKING:
    from collections.abc import Iterator

GATEWAYS = tuple(gateway.name for gateway in server.GATEWAYS)
CONNECTION_LINE = re.compile(r"AIRFLOW_CONN_PIXVERSE_DEFAULT='(?P<connection>\{.*\})'")


def gateway_of(connection: str) -> str:
    """Name the gateway that a connection, as Airflow's JSON, is for."""
    extra = json.loads(connection).get("extra") or {}
    if isinstance(extra, str):
        extra = json.loads(extra)
    return str(extra.get("gateway", GATEWAYS[0]))


@contextmanager
def sandbox(
    *, port: int = 0, speed: float = 1.0, seed: int | None = None, ready_within: float = 60.0
) -> Iterator[dict[str, str]]:
    """Yield each gateway's connection, as JSON for `AIRFLOW_CONN_…`, while the sandbox runs."""
    command = [sys.executable, "-u", "-m", "airflow_provider_pixverse.sandbox"]
    options = ["--port", str(port), "--speed", str(speed), *(() if seed is None else ("--seed", str(seed)))]
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C in a terminal reaches the whole group; the sandbox must outlive what still talks to it.
        start_new_session=True,
    )
    try:
        yield _read_connections(process, ready_within)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _read_connections(process: subprocess.Popen[str], ready_within: float) -> dict[str, str]:
    lines: Queue[str | None] = Queue()

    def forward() -> None:
        # Read to the end, whoever still listens: a full pipe would stop the sandbox.
        for line in process.stdout or ():
            print(f"sandbox | {line.rstrip()}", flush=True)
            lines.put(line)
        lines.put(None)

    threading.Thread(target=forward, daemon=True).start()
    connections: dict[str, str] = {}
    while set(connections) < set(GATEWAYS):
        try:
            line = lines.get(timeout=ready_within)
        except Empty:
            raise SystemExit(f"the sandbox was not ready within {ready_within:g} s") from None
        if line is None:
            raise SystemExit(f"the sandbox ended with exit code {process.wait()} before it was ready")
        if found := CONNECTION_LINE.search(line):
            connections[gateway_of(found["connection"])] = found["connection"]
    return connections
