# SPDX-License-Identifier: Apache-2.0
"""
Every block of code on every page is run, or read by what would read it; nothing is passed over in silence.

Python runs: DAGs as Airflow runs them, against the sandbox and an S3 on loopback; tests in a pytest of their
own. Commands run where they are quick and leave nothing behind; the others are held against what they name: a
target of the Makefile, an option of a program. JSON and settings are read by what they are for.
"""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import airflow
import pytest
from pacing import quicken
from packaging.requirements import Requirement
from packaging.version import Version

from airflow_provider_pixverse.connection import read_settings
from airflow_provider_pixverse.gateways import GATEWAYS
from airflow_provider_pixverse.get_provider_info import get_provider_info
from airflow_provider_pixverse.purchase import Purchase, moment
from airflow_provider_pixverse.sandbox.__main__ import _parser as sandbox_options
from airflow_provider_pixverse.sandbox.faults import read_faults
from airflow_provider_pixverse.sandbox.pictures import picture_file
from docs.pages import PAGES, ROOT, Block, blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

EVERY_BLOCK = [block for page in PAGES for block in blocks(page)]
LANGUAGES = ("python", "bash", "json", "ini")

NOT_RUN = {
    ("README.md", "text"): "a drawing of who does what when",
    ("scaling.md", "text"): "how many of what, worked out on paper",
}
"""By page and language: why a block is not run. There is no other way around it."""

ONLY_READ = {
    "airflow standalone": "runs until it is stopped",
    "airflow db migrate": "takes a minute; the tests have such a database already",
    "make": "takes minutes: make itself is asked whether it could",
    "pip": "needs the network",
    "python -m pytest": "would run this test",
    "pixverse-sandbox": "runs until it is stopped; tests/sandbox runs it",
}
"""Commands that are held against what they name instead of being run, and why."""

SOON = 0.1
INSTALLED = any(dist.name == "airflow-provider-pixverse" for dist in importlib.metadata.distributions())


def in_language(language: str) -> pytest.MarkDecorator:
    of_it = [block for block in EVERY_BLOCK if block.language == language]
    return pytest.mark.parametrize("block", of_it, ids=str)


def test_every_block_is_in_a_language_that_is_run_here_or_says_why_not() -> None:
    others = {(block.page.name, block.language) for block in EVERY_BLOCK if block.language not in LANGUAGES}
    assert others == NOT_RUN.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_blocks_to_run(language: str) -> None:
    assert any(block.language == language for block in EVERY_BLOCK)


# --- python -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a client of the S3 that every path of a page leads to, with the bucket that pages name."""
    import boto3
    import s3fs
    from airflow.sdk.io import store

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps({"conn_type": "aws", "extra": {"endpoint_url": s3_server}}),
    }.items():
        monkeypatch.setenv(name, value)
    store._STORE_CACHE.clear()
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="campaign")
    return client


class Reader:
    """Somebody who does what a page says, in a folder of their own, with a sandbox for a vendor."""

    def __init__(self, folder: Path, sandbox: SandboxInTest, s3: Any, run_dag: Callable[..., Any]) -> None:
        self.folder, self.sandbox, self._s3, self._run_dag = folder, sandbox, s3, run_dag

    def adapted(self, code: str) -> str:
        """Return code with its places moved to where a test may write."""
        return code.replace("/tmp/videos", f"{self.folder}/videos")

    def keep_files(self, page: Path, folder: Path) -> None:
        """Save the blocks that the page says to save."""
        folder.mkdir(exist_ok=True)
        for block in blocks(page):
            if title := block.options.get("title"):
                (folder / title).write_text(self.adapted(block.code))

    def execute(self, block: Block) -> dict[str, Any]:
        for key in re.findall(r"s3://(?:\w+@)?campaign/([\w./-]+\.png)", block.code):
            self._s3.put_object(Bucket="campaign", Key=key, Body=picture_file("portrait", "png"))
        path = self.folder / block.options.get("title", f"{block.page.stem}_{block.line}.py")
        path.write_text(self.adapted(block.code))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return vars(module)

    def run(self, dag: Any) -> None:
        for task in dag.tasks:
            fields = getattr(task, "partial_kwargs", None) or task.__dict__
            if "Pixverse" in task.task_type:
                fields["poll_interval"] = SOON
        run = self._run_dag(dag)
        states = {(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}
        assert states
        assert set(states.values()) == {"success"}, states


@pytest.fixture
def reader(
    tmp_path: Path,
    pixverse_sandbox: SandboxInTest,
    s3: Any,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Reader:
    quicken(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return Reader(tmp_path, pixverse_sandbox, s3, run_dag)


def is_a_test(block: Block) -> bool:
    return "def test_" in block.code


def dags_made_by(namespace: dict[str, Any], made: list[Any]) -> list[Any]:
    """Return the DAGs that a block made, in their order, be they named or not."""
    return [dag for dag in made if dag.fileloc == namespace["__file__"]]


@pytest.fixture
def made_dags(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect every DAG that is made: a `with DAG(…)` without a name is one as well."""
    from airflow.sdk import DAG

    made: list[Any] = []
    enter = DAG.__enter__

    def entered(dag: Any) -> Any:
        made.append(dag)
        return enter(dag)

    monkeypatch.setattr(DAG, "__enter__", entered)
    return made


@pytest.mark.parametrize(
    "block", [b for b in EVERY_BLOCK if b.language == "python" and not is_a_test(b)], ids=str
)
def test_a_python_block_runs(block: Block, reader: Reader, made_dags: list[Any]) -> None:
    if Version(airflow.__version__) < Version(block.options.get("since", "3")):
        pytest.skip(f"needs Airflow {block.options['since']}")
    namespace = reader.execute(block)
    dags = dags_made_by(namespace, made_dags)
    assert bool(dags) is ("with DAG(" in block.code)
    for dag in dags:
        reader.run(dag)
    ledger = reader.sandbox.ledger()
    assert ledger["refused"] == []
    buys = any("Pixverse" in task.task_type for dag in dags for task in dag.tasks) or ".submit(" in block.code
    assert bool(ledger["bought"]) is buys


@pytest.mark.parametrize(
    "block", [b for b in EVERY_BLOCK if b.language == "python" and is_a_test(b)], ids=str
)
def test_a_block_of_tests_passes(
    block: Block, reader: Reader, tmp_path: Path, airflow_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dags, home = tmp_path / "dags", tmp_path / "airflow"
    reader.keep_files(block.page, dags)
    home.mkdir()
    with closing(sqlite3.connect(airflow_db)) as made, closing(sqlite3.connect(home / "airflow.db")) as own:
        made.backup(own)
    # Only the pauses that every submission and every deferral take are left out.
    (tmp_path / "conftest.py").write_text(
        "from __future__ import annotations\n"
        "from airflow_provider_pixverse.rules import pace\n"
        "pace.PACE = pace.Pace(rendering_share=0.0, earliest_event=0.0)\n"
    )
    (tmp_path / "test_page.py").write_text(reader.adapted(block.code))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (dags, ROOT))))
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{home}/airflow.db")
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))
    plugin = [] if INSTALLED else ["-p", "airflow_provider_pixverse.sandbox.pytest_plugin"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", str(tmp_path), *plugin, "test_page.py"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) >= block.code.count("def test_")
    assert "skipped" not in run.stdout


# --- bash -------------------------------------------------------------------------------------------


def commands(block: Block) -> list[str]:
    lines = block.code.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


EVERY_COMMAND = [
    pytest.param(command, id=f"{block}-{number}")
    for block in EVERY_BLOCK
    if block.language == "bash"
    for number, command in enumerate(commands(block))
]


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_a_command_does_what_it_says(
    command: str, pixverse_sandbox: SandboxInTest, airflow_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(command, comments=True)
    match words:
        case ["export", *_]:
            check_variables(command)
        case ["make", *arguments]:
            check_make(arguments)
        case ["pip", "install", *requirements]:
            check_requirements(requirements)
        case ["pixverse-sandbox", *options]:
            assert "pixverse-sandbox" in project()["scripts"]
            sandbox_options().parse_args(options)
        case ["python", "-m", "pytest", *paths]:
            assert all((ROOT / path).exists() for path in paths)
        case ["airflow", *arguments]:
            check_airflow(arguments, monkeypatch)
        case ["curl", *_]:
            check_curl(command, pixverse_sandbox)
        case _:
            pytest.fail(f"nobody here knows how to run {words[0]!r}: teach this test")


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def check_variables(command: str) -> None:
    names = [word.partition("=")[0] for word in shlex.split(command, comments=True)[1:]]
    shown = subprocess.run(
        ["bash", "-euc", f"{command}\nenv -0"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    values = dict(entry.split("=", 1) for entry in shown.stdout.split("\0") if "=" in entry)
    for name in names:
        if name.startswith("AIRFLOW_CONN_"):
            check_connection(values[name])
        elif name.startswith("AIRFLOW__"):
            _, section, option = name.lower().split("__")
            assert option in options_of(section)
        else:
            assert name == "AIRFLOW_HOME", f"nobody here knows who reads {name}"


def check_connection(text: str) -> None:
    from airflow.models.connection import Connection

    if text.lstrip().startswith("{"):
        connection = Connection.from_json(text, conn_id="written_down")
    else:
        connection = Connection(conn_id="written_down", uri=text)
    assert connection.conn_type == "pixverse"
    form = set(get_provider_info()["connection-types"][0]["conn-fields"])
    assert set(connection.extra_dejson) <= form
    assert "gateway" in connection.extra_dejson
    read_settings(connection, connection.extra_dejson)


def options_of(section: str) -> set[str]:
    """Return what Airflow, or this provider, has in a section of its settings."""
    from airflow.configuration import conf

    ours = get_provider_info().get("config", {})
    described = {**conf.configuration_description, **ours}
    return set(described[section]["options"])


def check_make(arguments: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    known = set(re.findall(r"^(\w+) \?=", makefile, re.MULTILINE))
    assert {word.partition("=")[0] for word in arguments if "=" in word} <= known
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    targets = [word for word in arguments if "=" not in word]
    assert targets
    assert set(targets) <= set(phony[1].split())
    subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)


def check_requirements(requirements: list[str]) -> None:
    for requirement in map(Requirement, requirements):
        assert requirement.name == project()["name"]
        assert requirement.extras <= project()["optional-dependencies"].keys()


def check_airflow(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.cli.cli_parser import get_parser

    parser = get_parser()
    options = parser.parse_args(arguments)
    match arguments:
        case ["connections", *_] if not INSTALLED:
            pytest.skip("Airflow does not know the provider where it is not installed")
        case ["connections", "add", conn_id, *_]:
            from airflow.models.connection import Connection
            from airflow.utils.session import create_session
            from sqlalchemy import select

            options.func(options)
            try:
                with create_session() as session:
                    added = session.scalars(select(Connection).filter_by(conn_id=conn_id)).one()
                    check_connection(added.as_json())
            finally:
                undo = parser.parse_args(["connections", "delete", conn_id])
                undo.func(undo)
        case ["connections", "test", _]:
            monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
            options.func(options)
        case ["pools", "set", pool, *_]:
            options.func(options)
            undo = parser.parse_args(["pools", "delete", pool])
            undo.func(undo)
        case _:
            assert f"airflow {' '.join(arguments)}" in ONLY_READ


def check_curl(command: str, sandbox: SandboxInTest) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on this machine")
    here = command.replace("http://127.0.0.1:8765", sandbox.url)
    assert here != command
    answer = subprocess.run(
        ["bash", "-c", f"{here} --fail --noproxy '*'"], capture_output=True, text=True, check=True
    )
    json.loads(answer.stdout)


@pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)
def test_every_make_target_named_in_a_sentence_exists(document: Path) -> None:
    for command in re.findall(r"`make ([^`\n]+)`", document.read_text()):
        check_make(shlex.split(command))


# --- json and settings ------------------------------------------------------------------------------


@in_language("json")
def test_a_json_block_is_read_by_what_it_is_for(block: Block) -> None:
    content = json.loads(block.code)
    if isinstance(content, list):
        assert len(read_faults(content, gateways=GATEWAYS)) == len(content)
    elif "conn_type" in content:
        check_connection(block.code)
    else:
        result = Purchase(generation_id="gen-1", deadline=moment(0.0)).unfinished_result()
        assert content.keys() == result.keys()


@in_language("ini")
def test_a_setting_is_one_there_is(block: Block) -> None:
    settings = configparser.ConfigParser()
    settings.read_string(block.code)
    assert settings.sections()
    for section in settings.sections():
        assert set(settings[section]) <= options_of(section)
