# SPDX-License-Identifier: Apache-2.0
"""The ways to start a sandbox: the command line, ``Sandbox`` and the pytest fixture."""

from __future__ import annotations

import ast
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import airflow_provider_pixverse
from airflow_provider_pixverse.sandbox import Sandbox

PACKAGE = Path(airflow_provider_pixverse.__file__).parent
COMMAND = [sys.executable, "-m", "airflow_provider_pixverse.sandbox"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}


def run(*arguments: str, env: dict[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, env=env, check=False)


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_line_says_where_it_listens_and_ends_when_told(ending: signal.Signals) -> None:
    arguments = [*COMMAND, "--port", "0", "--speed", "50", "--key", "it's", "--seed", "4"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        (assignment,) = shlex.split(line)
        name, _, value = assignment.partition("=")
        connection = json.loads(value)
        assert name == "AIRFLOW_CONN_PIXVERSE_DEFAULT"
        assert (connection["conn_type"], connection["password"]) == ("pixverse", "it's")
        assert connection["extra"] == {"gateway": "aimlapi"}
        assert connection["host"].startswith("http://127.0.0.1:")
        headers = {"Authorization": "Bearer it's"}
        assert httpx.get(f"{connection['host']}/v2/billing", headers=headers).status_code == 200
        process.send_signal(ending)
        assert process.wait(timeout=20) == 0
        others = [json.loads(shlex.split(line)[0].partition("=")[2]) for line in process.stdout]
        assert {other["extra"]["gateway"] for other in others} == {"segmind", "pixverse"}


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(*COMMAND, "--port", port)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in ended.stderr


@pytest.mark.parametrize("speed", ["0", "-1", "fast"])
def test_a_speed_that_is_none_is_refused(speed: str) -> None:
    ended = run(*COMMAND, "--speed", speed)
    assert ended.returncode == 2
    assert "--speed" in ended.stderr


def test_a_sandbox_in_this_process() -> None:
    with Sandbox(speed=1000, key="other") as sandbox:
        connection = json.loads(sandbox.connection("aimlapi"))
        assert connection["host"] == f"{sandbox.url}/aimlapi"
        assert connection["password"] == "other"
        with pytest.raises(ValueError, match="no gateway 'fal'"):
            sandbox.connection("fal")
        with Sandbox() as second:
            assert second.url != sandbox.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.url)


def test_a_sandbox_that_cannot_start_says_why() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
        Sandbox(port=taken.getsockname()[1]),
    ):
        pass


def test_a_client_that_hangs_does_not_hold_up_the_end() -> None:
    with Sandbox(speed=1000) as sandbox:
        sandbox.faults([{"on": "balance", "hang": True}])
        host, port = sandbox.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)))
        headers = f"Host: {host}\r\nAuthorization: Bearer sandbox\r\n"
        connection.sendall(f"GET /aimlapi/v2/billing HTTP/1.1\r\n{headers}\r\n".encode())
        while not sandbox.pending_faults()[0]["used"]:
            pass
    connection.close()


def test_the_fixture(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        """
import os

def test_one(pixverse_sandbox):
    assert os.environ["AIRFLOW_CONN_PIXVERSE_DEFAULT"] == pixverse_sandbox.connection("aimlapi")
    assert pixverse_sandbox.connect("aimlapi") == pixverse_sandbox.connection("aimlapi")
    pixverse_sandbox.faults([{"fail": True}])

def test_two(pixverse_sandbox):
    assert pixverse_sandbox.pending_faults() == []
    assert pixverse_sandbox.ledger()["bought"] == 0

def test_three():
    assert "AIRFLOW_CONN_PIXVERSE_DEFAULT" not in os.environ
"""
    )
    environment = {k: v for k, v in ENVIRONMENT.items() if not k.startswith("AIRFLOW_CONN")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugin = "airflow_provider_pixverse.sandbox.pytest_plugin"
    ended = run(sys.executable, "-m", "pytest", "-q", "-p", plugin, str(tmp_path), env=environment)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_package_and_the_plugin_load_nothing_heavy() -> None:
    program = (
        "import sys, airflow_provider_pixverse.sandbox, airflow_provider_pixverse.sandbox.pytest_plugin\n"
        "print([name for name in ('aiohttp', 'av', 'PIL', 'airflow', 'pydantic') if name in sys.modules])"
    )
    done = run(sys.executable, "-c", program)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_sandbox_knows_nothing_of_the_provider_it_tests() -> None:
    for path in (PACKAGE / "sandbox").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow"):
                assert (node.module or "").startswith("airflow_provider_pixverse.sandbox"), path


@pytest.mark.parametrize("missing", ["aiohttp", "av", "PIL"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from airflow_provider_pixverse.sandbox.__main__ import main; sys.exit(main(['--port', '0']))"
    )
    ended = run(sys.executable, "-c", program)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"The sandbox needs {missing}: pip install 'airflow-provider-pixverse[sandbox]'\n"
    )
