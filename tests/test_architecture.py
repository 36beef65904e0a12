# SPDX-License-Identifier: Apache-2.0
"""Which room of the house may know which other: dependencies point one way."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import airflow_provider_pixverse

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "airflow_provider_pixverse"
ROOT = Path(airflow_provider_pixverse.__file__).parent

PURE = (
    "redaction",
    "requests",
    "generation",
    "catalog",
    "exceptions",
    "purchase",
    "rules",
    "media",
    "gateways",
)
KNOWS_AIRFLOW = (
    "decorators",
    "hooks",
    "operators",
    "sensors",
    "triggers",
    "links",
    "plugins",
    "get_provider_info",
    "telemetry",
)
MAY_USE_OF_THE_PACKAGE = {
    **dict.fromkeys(PURE, PURE),
    "proxies": (),
    "transport": (*PURE, "proxies"),
    "submission": PURE,
    "telemetry": PURE,
    "client": (*PURE, "transport", "submission"),
    "connection": (*PURE, "client"),
    "poller": (*PURE, "client", "connection"),
    "storage": (*PURE, "client"),
    "hooks": (*PURE, "client", "connection", "poller", "storage", "submission", "hooks"),
    "links": ("hooks", "links"),
    # What a gateway says and how it is reached is the hook's business.
    **dict.fromkeys(
        ("operators", "sensors", "triggers"),
        (
            *(set(PURE) - {"gateways"}),
            "hooks",
            "links",
            "operators",
            "sensors",
            "submission",
            "telemetry",
            "triggers",
        ),
    ),
    "decorators": ("exceptions", "requests", "purchase", "operators"),
    "plugins": (*(set(PURE) - {"gateways"}), "operators", "plugins"),
    "sandbox": ("sandbox",),
}
EXCEPTIONS = {"operators/records.py": {"storage"}}
"""The record of a purchase is put in place as a video is: a reader finds the old one or the new one."""

VALUES_OF_HTTPX = {"Request", "Response", "URL", "Headers", "QueryParams", "codes"}
BUFFERS = {"io.BytesIO", "io.StringIO"}
OUTSIDE_WORLD = {
    "asyncio", "concurrent", "ctypes", "ftplib", "glob", "http", "importlib", "io", "multiprocessing", "os",
    "pathlib", "queue", "random", "sched", "secrets", "select", "selectors", "shutil", "signal", "smtplib",
    "socket", "socketserver", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "uuid",
}  # fmt: skip
CLOCKS = {"now", "utcnow", "today", "sleep", "monotonic", "perf_counter"}
BUILTINS_WITH_EFFECTS = {"open", "print", "input", "exec", "eval", "__import__"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if module in (PACKAGE, "urllib", "io"):
                yield from (f"{module}.{alias.name}" for alias in node.names)
            else:
                yield module


def rooms_entered(source: str) -> set[str]:
    """Return the rooms of the package that a module imports from."""
    names = (name.split(".") for name in imported(ast.parse(source)))
    return {parts[1] if len(parts) > 1 else "" for parts in names if parts[0] == PACKAGE}


def imports_airflow(source: str) -> bool:
    return any(name.split(".")[0] == "airflow" for name in imported(ast.parse(source)))


def impurities(source: str, *, gateway: bool = False) -> set[str]:
    """Return what a pure module may not have: other libraries, I/O, a clock, chance."""
    tree = ast.parse(source)
    roots = {"pydantic", PACKAGE} | set(sys.stdlib_module_names) - OUTSIDE_WORLD
    # A vendor may want an id of its own for each request, as PixVerse does.
    roots |= {"httpx", "uuid"} if gateway else set()
    return {
        *(name for name in imported(tree) if _is_foreign(name, roots)),
        *(word for node in ast.walk(tree) if (word := _effect(node))),
    }


def _is_foreign(name: str, roots: set[str]) -> bool:
    return name not in BUFFERS and (name.split(".")[0] not in roots or name == "urllib.request")


def _effect(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "httpx":
            return "" if node.attr in VALUES_OF_HTTPX else f"httpx.{node.attr}"
        return node.attr if node.attr in CLOCKS else ""
    if isinstance(node, ast.ImportFrom) and node.module == "httpx":
        return ", ".join(alias.name for alias in node.names if alias.name not in VALUES_OF_HTTPX)
    if isinstance(node, ast.Name) and node.id in BUILTINS_WITH_EFFECTS:
        return node.id
    return "await" if isinstance(node, ast.AsyncFunctionDef | ast.Await) else ""


def sources(room: str) -> dict[str, str]:
    """Return the modules of one room by their path in the package."""
    paths = [ROOT / f"{room}.py", *(ROOT / room).rglob("*.py")]
    return {str(path.relative_to(ROOT)): path.read_text() for path in paths if path.exists()}


EVERY_MODULE = {str(path.relative_to(ROOT)): path.read_text() for path in sorted(ROOT.rglob("*.py"))}


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_has_no_sockets_no_clock_no_sleep_no_airflow(room: str) -> None:
    modules = sources(room)
    assert modules, f"{room} is gone: correct the list of pure rooms"
    found = {
        path: impurities(source, gateway=room in ("gateways", "rules")) for path, source in modules.items()
    }
    assert {path: words for path, words in found.items() if words} == {}


@pytest.mark.parametrize("room", sorted(MAY_USE_OF_THE_PACKAGE))
def test_a_room_uses_only_the_rooms_below_it(room: str) -> None:
    allowed = {*MAY_USE_OF_THE_PACKAGE[room], room}
    found = {
        path: rooms_entered(source) - allowed - EXCEPTIONS.get(path, set())
        for path, source in sources(room).items()
    }
    assert {path: rooms for path, rooms in found.items() if rooms} == {}


def test_the_exceptions_are_needed() -> None:
    for path, rooms in EXCEPTIONS.items():
        room = path.split("/")[0]
        assert rooms <= rooms_entered(EVERY_MODULE[path]) - {*MAY_USE_OF_THE_PACKAGE[room], room}


def test_only_the_rooms_facing_airflow_import_it() -> None:
    importing = {path for path, source in EVERY_MODULE.items() if imports_airflow(source)}
    rooms = {path.split("/")[0].removesuffix(".py") for path in importing}
    assert rooms <= set(KNOWS_AIRFLOW)
    assert "hooks" in rooms


def test_the_client_knows_no_library_but_httpx() -> None:
    (source,) = sources("client").values()
    roots = {name.split(".")[0] for name in imported(ast.parse(source))}
    assert roots - set(sys.stdlib_module_names) == {"httpx", PACKAGE}


def test_only_the_client_sends() -> None:
    rooms: dict[str, set[str]] = {}
    for path, source in EVERY_MODULE.items():
        for name in imported(ast.parse(source)):
            rooms.setdefault(name.split(".")[0], set()).add(path.split("/")[0])
            rooms.setdefault(name, set()).add(path.split("/")[0])
    assert rooms["httpx"] == {"client.py", "connection.py", "gateways", "hooks", "transport.py"}
    for path, source in (sources("hooks") | sources("connection")).items():
        used = {word for node in ast.walk(ast.parse(source)) if (word := _effect(node)).startswith("httpx")}
        assert used <= {"httpx.InvalidURL"}, path
    for library in ("requests", "aiohttp", "urllib3", "http", "socket", "urllib.request"):
        assert rooms.get(library, set()) <= {"sandbox", *({"transport.py"} if library == "http" else ())}, (
            library
        )


def test_nothing_of_the_provider_leans_on_the_sandbox() -> None:
    leaning = {path for path, source in EVERY_MODULE.items() if "sandbox" in rooms_entered(source)}
    assert {path for path in leaning if not path.startswith("sandbox/")} == set()


def test_importing_the_pure_rooms_loads_no_airflow() -> None:
    imports = "".join(f"import {PACKAGE}.{room}\n" for room in PURE)
    code = f"import sys\n{imports}print([name for name in sys.modules if name.split('.')[0] == 'airflow'])"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT.parent)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import socket",
        "import time",
        "from time import sleep",
        "import random",
        "from uuid import uuid4",
        "import os.path",
        "import requests",
        "import httpx",
        "from httpx import Request",
        "import airflow.sdk",
        "from urllib import request",
        "import urllib.request",
        "from . import client",
        "def f():\n    import time",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from airflow.sdk import Context",
        "from datetime import datetime\nx = datetime.now()",
        "from datetime import datetime\nclock = datetime.utcnow",
        "open('file')",
        "import io",
        "from io import open",
        "from io import BytesIO, FileIO",
        "async def f(): ...",
    ],
)
def test_the_check_of_purity_sees(source: str) -> None:
    assert impurities(source)


@pytest.mark.parametrize(
    "source",
    [
        "import httpx\nhttpx.Client()",
        "import httpx\nhttpx.post('http://localhost')",
        "from httpx import AsyncClient",
        "import httpx\nraise httpx.ReadTimeout('late')",
    ],
)
def test_the_check_of_purity_lets_a_gateway_have_values_of_httpx_only(source: str) -> None:
    assert impurities(source, gateway=True)
    assert not impurities("import httpx\nhttpx.Request('GET', httpx.URL('http://localhost'))", gateway=True)


def test_a_buffer_in_memory_is_no_effect() -> None:
    assert not impurities("from io import BytesIO, StringIO\nBytesIO(b'').read()")


def test_the_checks_of_the_rooms_see() -> None:
    assert rooms_entered(f"from {PACKAGE} import client, polling") == {"client", "polling"}
    assert rooms_entered(f"import {PACKAGE}.hooks.pixverse") == {"hooks"}
    assert rooms_entered(f"def f():\n    from {PACKAGE}.storage import save") == {"storage"}
    assert rooms_entered("import airflow") == set()
    assert imports_airflow("from airflow.sdk import dag")
    assert not imports_airflow(f"import {PACKAGE}")
