# SPDX-License-Identifier: Apache-2.0
"""A Redis of one's own on loopback, from Debian's package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from run_airflow import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

READY_WITHIN = 20.0


@contextmanager
def private_redis() -> Iterator[str]:
    """Yield the URL of an empty Redis, while it runs."""
    port = free_port()
    # Nothing is written to disk; the folder is only where it stands.
    options = {"bind": HOST, "port": str(port), "save": "", "appendonly": "no"}
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    with tempfile.TemporaryDirectory(prefix="pixverse-redis-") as home:
        log = Path(home, "redis.log")
        with log.open("wb") as output:
            server = subprocess.Popen(
                [_redis_server(), *arguments],
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await_ready(server, port, log)
            yield f"redis://{HOST}:{port}/0"
        finally:
            server.kill()
            server.wait()


def _redis_server() -> str:
    """Return where `redis-server` is, after installing it where that is allowed."""
    if found := shutil.which("redis-server"):
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "--quiet"], check=False, timeout=300)
        subprocess.run(
            ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "redis-server"],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
            timeout=300,
        )
        if found := shutil.which("redis-server"):
            return found
    raise SystemExit("redis-server is missing; on Debian: sudo apt-get install redis-server")


def _await_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(16).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Redis did not start: {log.read_text()}")
        time.sleep(0.1)
