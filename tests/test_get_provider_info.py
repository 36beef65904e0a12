# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

import airflow_provider_pixverse
from airflow_provider_pixverse.client import MAX_CONNECTIONS, REQUEST_TIMEOUT
from airflow_provider_pixverse.decorators.pixverse import pixverse_task
from airflow_provider_pixverse.gateways import DEFAULT_GATEWAY, GATEWAYS
from airflow_provider_pixverse.get_provider_info import get_provider_info
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink

INFO = get_provider_info()
(CONNECTION,) = INFO["connection-types"]
MODULES = [
    module
    for section in ("hooks", "operators", "sensors", "triggers")
    for entry in INFO[section]
    for module in entry["python-modules"]
]
PACKAGE = Path(airflow_provider_pixverse.__file__).parent


def imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_airflow_understands_it() -> None:
    # Airflow itself drops a provider without a word where this fails.
    schema = Path(airflow.__file__).parent / "provider_info.schema.json"
    jsonschema.validate(INFO, json.loads(schema.read_text()))


@pytest.mark.parametrize("module", MODULES)
def test_each_module_can_be_imported(module: str) -> None:
    assert importlib.import_module(module)


@pytest.mark.parametrize("section", ["hooks", "operators", "sensors", "triggers"])
def test_each_module_there_is_is_listed(section: str) -> None:
    there = {f"airflow_provider_pixverse.{section}.pixverse"}
    assert there == {name for name in MODULES if name.startswith(f"airflow_provider_pixverse.{section}.")}
    assert (PACKAGE / section / "pixverse.py").exists()


def test_the_links_can_be_imported() -> None:
    assert [imported(path) for path in INFO["extra-links"]] == [PixverseVideoLink]


def test_the_decorator_is_the_one_there_is() -> None:
    (entry,) = INFO["task-decorators"]
    assert (entry["name"], imported(entry["class-name"])) == ("pixverse", pixverse_task)


def test_the_connection_type_is_the_hooks() -> None:
    hook = imported(CONNECTION["hook-class-name"])
    assert hook is PixverseHook
    assert (hook.conn_type, hook.hook_name) == (CONNECTION["connection-type"], CONNECTION["hook-name"])


class TestForm:
    FIELDS = CONNECTION["conn-fields"]

    def test_every_field_the_hook_reads_is_in_it(self) -> None:
        assert {"gateway", "region", "request_timeout", "max_connections"} <= self.FIELDS.keys()
        assert all(field["label"] and field["description"] for field in self.FIELDS.values())

    def test_it_offers_the_gateways_there_are(self) -> None:
        schema = self.FIELDS["gateway"]["schema"]
        assert (schema["enum"], schema["default"]) == (list(GATEWAYS), DEFAULT_GATEWAY)

    def test_it_offers_the_regions_there_are(self) -> None:
        regions = {region for gateway in GATEWAYS.values() for region in gateway.base_urls}
        assert set(self.FIELDS["region"]["schema"]["enum"]) == regions

    def test_its_defaults_are_those_of_the_code(self) -> None:
        defaults = {name: field["schema"]["default"] for name, field in self.FIELDS.items()}
        assert defaults["request_timeout"] == REQUEST_TIMEOUT
        assert defaults["max_connections"] == MAX_CONNECTIONS

    def test_its_defaults_are_allowed(self) -> None:
        for field in self.FIELDS.values():
            jsonschema.Draft7Validator.check_schema(field["schema"])
            jsonschema.validate(field["schema"]["default"], field["schema"])

    def test_it_says_what_the_standard_fields_mean_here(self) -> None:
        behaviour = CONNECTION["ui-field-behaviour"]
        assert behaviour["relabeling"] == {"password": "API key", "host": "Base URL"}
        assert {"login", "port", "schema"} <= set(behaviour["hidden-fields"])
        assert not {"password", "host", "extra"} & set(behaviour["hidden-fields"])


def test_it_is_what_the_package_announces() -> None:
    pyproject = PACKAGE.parent / "pyproject.toml"
    if not pyproject.exists():
        pytest.skip("the package is installed without its pyproject.toml")
    project = tomllib.loads(pyproject.read_text())["project"]
    assert INFO["package-name"] == project["name"]
    announced = project["entry-points"]["apache_airflow_provider"]["provider_info"]
    assert imported(announced.replace(":", ".")) is get_provider_info


def test_reading_it_imports_nothing_else() -> None:
    script = (
        "import sys; from airflow_provider_pixverse.get_provider_info import get_provider_info; "
        "get_provider_info(); print(*{'airflow', 'httpx', 'pydantic'} & sys.modules.keys())"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""
