# SPDX-License-Identifier: Apache-2.0
"""The documentation against the package: its tables, and the names it gives things."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import catalog_table
import pytest

from airflow_provider_pixverse import catalog, exceptions, requests
from airflow_provider_pixverse.gateways import GATEWAYS
from airflow_provider_pixverse.get_provider_info import get_provider_info
from airflow_provider_pixverse.operators import failing
from airflow_provider_pixverse.operators import pixverse as operators
from airflow_provider_pixverse.sensors import pixverse as sensors
from docs.pages import PACKAGE, PAGES, ROOT

if TYPE_CHECKING:
    from pathlib import Path

OPERATORS_PAGE = (ROOT / "docs" / "operators.md").read_text()
CONNECTION_PAGE = (ROOT / "docs" / "connection.md").read_text()
MONEY_PAGE = (ROOT / "docs" / "money.md").read_text()
EVERY_PAGE = pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)
ERRORS = {
    name: kind
    for name, kind in inspect.getmembers(exceptions, inspect.isclass)
    if kind.__module__ == exceptions.__name__
}
OPERATORS: dict[str, Any] = {name: getattr(operators, name) for name in operators.__all__}
NAMED = {**OPERATORS, "PixverseGenerationSensor": sensors.PixverseGenerationSensor}


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


# --- tables and names -------------------------------------------------------------------------------


def test_the_page_of_the_catalogue_is_current() -> None:
    assert (ROOT / "docs" / "catalog.md").read_text() == catalog_table.page(), "run `make docs`"


NOT_IN_THE_TABLE = {"PixverseError", "PixverseNotSentError"}
"""The base, which is never raised itself, and a kind of the one above it."""


@pytest.mark.parametrize("name", sorted(ERRORS.keys() - NOT_IN_THE_TABLE))
def test_the_table_of_errors_has_a_row_for_every_class(name: str) -> None:
    rows = table(OPERATORS_PAGE, "error", "what happened", "retried by Airflow")
    assert [named for cell in rows for named in quoted(cell)].count(name) == 1


def test_the_table_of_errors_names_no_other_class() -> None:
    rows = table(OPERATORS_PAGE, "error", "what happened", "retried by Airflow")
    assert {name for cell in rows for name in quoted(cell)} <= ERRORS.keys()


def test_the_table_of_errors_says_which_are_retried() -> None:
    rows = table(OPERATORS_PAGE, "error", "what happened", "retried by Airflow")
    final = {kind.__name__ for kind in failing.FINAL} - {"PixverseAmbiguousSubmitError"}
    for cell, (_, retried) in rows.items():
        for name in quoted(cell):
            assert (retried == "no") is (name in final), name


def test_the_tree_of_errors_is_the_one_in_the_table() -> None:
    drawn = set(re.findall(r"Pixverse\w+", exceptions.__doc__ or ""))
    assert drawn == ERRORS.keys()


@EVERY_PAGE
def test_every_name_of_the_package_that_a_page_mentions_exists(document: Path) -> None:
    known = {*ERRORS, *NAMED, "PixverseHook", "PixverseGenerationTrigger"}
    mentioned = set(
        re.findall(
            r"\bPixverse[A-Z]\w*(?:Operator|Sensor|Trigger|Hook|Error|Failed|Timeout)\b", document.read_text()
        )
    )
    assert mentioned - known == set()


def test_the_table_of_operators_names_fields_they_have_with_their_defaults() -> None:
    rows = table(OPERATORS_PAGE, "operator", "its own fields")
    for cell, (text,) in rows.items():
        (name,) = quoted(cell)
        own = {field.partition("=")[0]: field.partition("=")[2] for field in quoted(text)}
        fields = fields_of(OPERATORS[name])
        assert own.keys() - fields.keys() == set(), name
        for field, default in own.items():
            if default:
                assert fields[field].default == ast.literal_eval(default), (name, field)


def test_the_table_of_operators_names_every_operator_that_a_gateway_serves() -> None:
    rows = table(OPERATORS_PAGE, "operator", "its own fields")
    served = {row.task for row in catalog.OFFERINGS if row.gateway in GATEWAYS}
    kinds = {name: getattr(requests, kind.kind) for name, kind in OPERATORS.items() if hasattr(kind, "kind")}
    missing = {name for name, kind in kinds.items() if kind.task in served}
    missing |= {"PixverseSaveVideoOperator"}
    assert missing - {name for cell in rows for name in quoted(cell)} == set()


def test_the_table_of_shared_fields_has_them_all_with_their_defaults() -> None:
    rows = table(OPERATORS_PAGE, "shared field", "default", "meaning")
    told: dict[str, str] = {}
    for cell, (defaults, _) in rows.items():
        fields, values = quoted(cell), quoted(defaults)
        told |= dict(zip(fields, values if len(values) == len(fields) else values * len(fields), strict=True))
    fields = fields_of(OPERATORS["PixverseGenerateOperator"])
    assert {name: ast.literal_eval(value) for name, value in told.items()} == {
        name: parameter.default for name, parameter in fields.items()
    }


def test_the_table_of_the_connection_has_every_field_of_the_form() -> None:
    rows = table(CONNECTION_PAGE, "field", "meaning")
    (connection,) = get_provider_info()["connection-types"]
    told = {name for cell in rows for name in quoted(cell)}
    assert told == set(connection["conn-fields"])


def test_every_gateway_is_named_where_it_is_chosen() -> None:
    rows = table(CONNECTION_PAGE, "field", "meaning")
    (meaning,) = rows["extra `gateway`"]
    assert set(GATEWAYS) <= set(quoted(meaning))
    lines = table(MONEY_PAGE, "gateway", "how it is found out whether a lost submission was bought")
    (connection,) = get_provider_info()["connection-types"]
    titles = connection["conn-fields"]["gateway"]["schema"]["values_display"]
    assert {titles[name] for name in GATEWAYS} == lines.keys()
    consoles = table(CONNECTION_PAGE, "gateway", "console", "sends requests and the key to")
    assert {f"`{name}`, {titles[name]}" for name in GATEWAYS} == consoles.keys()


def test_every_example_has_a_line() -> None:
    text = (ROOT / "docs" / "examples.md").read_text()
    assert set(re.findall(r"\.\./dags_examples/(\w+\.py)", text)) == {
        path.name for path in (ROOT / "dags_examples").glob("*.py")
    }


def test_the_settings_that_pages_name_are_read_somewhere() -> None:
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    for page in PAGES:
        for name in re.findall(r"\[pixverse\] (\w+)", page.read_text()):
            assert re.search(rf'conf\.\w+\("pixverse", "{name}"', source), name
