# SPDX-License-Identifier: Apache-2.0
"""The documentation against the package: its snippets, links, tables and names."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import catalog_table
import pytest

import airflow_provider_pixverse
from airflow_provider_pixverse import catalog, exceptions, requests
from airflow_provider_pixverse.gateways import GATEWAYS
from airflow_provider_pixverse.get_provider_info import get_provider_info
from airflow_provider_pixverse.hooks import failing
from airflow_provider_pixverse.operators import pixverse as operators
from airflow_provider_pixverse.sandbox.local import Sandbox
from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest
from airflow_provider_pixverse.sensors import pixverse as sensors

ROOT = Path(airflow_provider_pixverse.__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
ERRORS = {
    name: kind
    for name, kind in inspect.getmembers(exceptions, inspect.isclass)
    if kind.__module__ == exceptions.__name__
}
OPERATORS: dict[str, Any] = {name: getattr(operators, name) for name in operators.__all__}
NAMED = {**OPERATORS, "PixverseGenerationSensor": sensors.PixverseGenerationSensor}


def snippets(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


PYTHON = [(page.name, code) for page in PAGES for code in snippets(page.read_text(), "python")]
EVERY_SNIPPET = pytest.mark.parametrize(
    "code", [code for _, code in PYTHON], ids=[f"{name}-{number}" for number, (name, _) in enumerate(PYTHON)]
)


def table(text: str, *head: str) -> dict[str, tuple[str, ...]]:
    """Return the rows of the table with these columns by their first cell."""
    lines = iter(text.splitlines())
    for line in lines:
        if cells(line) == head:
            next(lines)
            break
    else:
        raise AssertionError(f"no table has the columns {head}")
    rows = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *others = cells(line)
        rows[first] = tuple(others)
    return rows


def cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@cache
def fields_of(kind: type) -> dict[str, inspect.Parameter]:
    """Return the fields that a DAG author may give."""
    return {
        name: parameter
        for each in reversed(kind.__mro__)
        if each.__module__.startswith("airflow_provider_pixverse") and "__init__" in vars(each)
        for name, parameter in inspect.signature(each.__init__).parameters.items()  # type: ignore[misc]
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


# --- snippets ---------------------------------------------------------------------------------------


def test_there_are_snippets_to_check() -> None:
    assert sum(name == "README.md" for name, _ in PYTHON) >= 2


@EVERY_SNIPPET
def test_a_snippet_is_python(code: str) -> None:
    ast.parse(code)


@EVERY_SNIPPET
def test_what_a_snippet_imports_is_there(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_pixverse"):
            module = __import__(str(node.module), fromlist=["_"])
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@EVERY_SNIPPET
def test_a_snippet_gives_only_fields_there_are(code: str) -> None:
    for call in [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]:
        if isinstance(call.func, ast.Name) and call.func.id in NAMED:
            known = {*fields_of(NAMED[call.func.id]), "task_id", "outlets", "retries"}
            given = {keyword.arg for keyword in call.keywords}
            assert given - known == set()
            assert call.args == []


@EVERY_SNIPPET
def test_a_snippet_uses_only_what_the_sandbox_has(code: str) -> None:
    used = {
        node.attr
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "pixverse_sandbox"
    }
    assert [name for name in used if not (hasattr(Sandbox, name) or hasattr(SandboxInTest, name))] == []


def test_the_first_snippet_is_a_dag_whose_request_is_valid() -> None:
    (call,) = [
        node
        for node in ast.walk(ast.parse(snippets(README, "python")[0]))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in OPERATORS
    ]
    given = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    fields = {name: value for name, value in given.items() if name not in ("task_id", "output_path")}
    assert catalog.check("aimlapi", requests.build(requests.TextToVideo, **fields)) is not None


@pytest.mark.parametrize("page", [ROOT / "README.md"], ids=["README.md"])
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = page.read_text()
    named = {name for span in (*quoted(text), *snippets(text, "bash")) for name in _make_targets(span)}
    assert named
    assert named - targets == set()


def _make_targets(span: str) -> list[str]:
    return re.findall(r"^make ([a-z-]+)", span, re.MULTILINE)


# --- links ------------------------------------------------------------------------------------------


@EVERY_PAGE
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    assert [target for target in local if target and not (page.parent / target).exists()] == []


@EVERY_PAGE
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+#[^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        text = (page.parent / path).read_text() if path else page.read_text()
        assert anchor in {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


def _anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")


@EVERY_PAGE
def test_every_path_of_the_repository_that_is_named_exists(page: Path) -> None:
    tops = {path.name for path in ROOT.iterdir()} | {path.name for path in _package().iterdir()}
    named = [
        name
        for name in quoted(page.read_text())
        if re.fullmatch(r"[\w./-]+", name) and ("/" in name or name.endswith((".py", ".md")))
        if name.split("/")[0] in tops or name.endswith((".py", ".md"))
    ]
    assert [name for name in named if not ((ROOT / name).exists() or (_package() / name).exists())] == []


def _package() -> Path:
    return ROOT / "airflow_provider_pixverse"


# --- tables and names -------------------------------------------------------------------------------


def test_the_page_of_the_catalogue_is_current() -> None:
    assert (ROOT / "docs" / "catalog.md").read_text() == catalog_table.page(), "run `make docs`"


NOT_IN_THE_TABLE = {"PixverseError", "PixverseNotSentError"}
"""The base, which is never raised itself, and a kind of the one above it."""


@pytest.mark.parametrize("name", sorted(ERRORS.keys() - NOT_IN_THE_TABLE))
def test_the_table_of_errors_has_a_row_for_every_class(name: str) -> None:
    rows = table(README, "error", "what happened", "retried by Airflow")
    assert [named for cell in rows for named in quoted(cell)].count(name) == 1


def test_the_table_of_errors_names_no_other_class() -> None:
    rows = table(README, "error", "what happened", "retried by Airflow")
    assert {name for cell in rows for name in quoted(cell)} <= ERRORS.keys()


def test_the_table_of_errors_says_which_are_retried() -> None:
    rows = table(README, "error", "what happened", "retried by Airflow")
    final = {kind.__name__ for kind in failing.NOT_RETRIED}
    for cell, (_, retried) in rows.items():
        for name in quoted(cell):
            assert (retried == "no") is (name in final), name


def test_the_tree_of_errors_is_the_one_in_the_table() -> None:
    drawn = set(re.findall(r"Pixverse\w+", exceptions.__doc__ or ""))
    assert drawn == ERRORS.keys()


@EVERY_PAGE
def test_every_name_of_the_package_that_a_page_mentions_exists(page: Path) -> None:
    known = {*ERRORS, *NAMED, "PixverseHook", "PixverseGenerationTrigger"}
    mentioned = set(
        re.findall(
            r"\bPixverse[A-Z]\w*(?:Operator|Sensor|Trigger|Hook|Error|Failed|Timeout)\b", page.read_text()
        )
    )
    assert mentioned - known == set()


def test_the_table_of_operators_names_fields_they_have_with_their_defaults() -> None:
    rows = table(README, "operator", "its own fields")
    for cell, (text,) in rows.items():
        (name,) = quoted(cell)
        own = {field.partition("=")[0]: field.partition("=")[2] for field in quoted(text)}
        fields = fields_of(OPERATORS[name])
        assert own.keys() - fields.keys() == set(), name
        for field, default in own.items():
            if default:
                assert fields[field].default == ast.literal_eval(default), (name, field)


def test_the_table_of_operators_names_every_operator_that_a_gateway_serves() -> None:
    rows = table(README, "operator", "its own fields")
    served = {row.task for row in catalog.OFFERINGS if row.gateway in GATEWAYS}
    kinds = {name: getattr(requests, kind.kind) for name, kind in OPERATORS.items() if hasattr(kind, "kind")}
    missing = {name for name, kind in kinds.items() if kind.task in served}
    missing |= {"PixverseSaveVideoOperator"}
    assert missing - {name for cell in rows for name in quoted(cell)} == set()


def test_the_table_of_shared_fields_has_them_all_with_their_defaults() -> None:
    rows = table(README, "shared field", "default", "meaning")
    told: dict[str, str] = {}
    for cell, (defaults, _) in rows.items():
        fields, values = quoted(cell), quoted(defaults)
        told |= dict(zip(fields, values if len(values) == len(fields) else values * len(fields), strict=True))
    fields = fields_of(OPERATORS["PixverseGenerateOperator"])
    assert {name: ast.literal_eval(value) for name, value in told.items()} == {
        name: parameter.default for name, parameter in fields.items()
    }


def test_the_table_of_the_connection_has_every_field_of_the_form() -> None:
    rows = table(README, "field", "meaning")
    (connection,) = get_provider_info()["connection-types"]
    told = {name for cell in rows for name in quoted(cell)}
    assert told == set(connection["conn-fields"])


def test_every_gateway_is_named_where_it_is_chosen() -> None:
    rows = table(README, "field", "meaning")
    (meaning,) = rows["extra `gateway`"]
    assert set(GATEWAYS) <= set(quoted(meaning))
    page = (ROOT / "docs" / "money.md").read_text()
    lines = table(page, "gateway", "how it is found out whether a lost submission was bought")
    titles = {"aimlapi": "AI/ML API", "segmind": "Segmind", "pixverse": "PixVerse"}
    assert {titles[name] for name in GATEWAYS} <= lines.keys()


def test_the_result_that_is_described_is_the_one_there_is() -> None:
    from airflow_provider_pixverse.operators.waiting import described, unfinished

    result = unfinished(described("gen-1", deadline=0.0))
    (said,) = re.findall(r"The return value is a plain dict:\n?(.*?)\. The events", README, re.DOTALL)
    assert quoted(said) == list(dict.fromkeys(quoted(said)))
    assert set(quoted(said)) == result.keys()


def test_the_settings_that_pages_name_are_read_somewhere() -> None:
    source = "".join(path.read_text() for path in _package().rglob("*.py"))
    for page in PAGES:
        for name in re.findall(r"\[pixverse\] (\w+)", page.read_text()):
            assert re.search(rf'conf\.\w+\("pixverse", "{name}"', source), name
