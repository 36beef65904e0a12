# SPDX-License-Identifier: Apache-2.0
"""Checks an installed provider as Airflow finds it; with --ask also that `pixverse_default` answers."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import airflow
import jsonschema


def imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def check() -> None:
    (entry,) = (
        entry
        for entry in entry_points(group="apache_airflow_provider")
        if entry.value.startswith("airflow_provider_pixverse.")
    )
    info = entry.load()()
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(info, schema)
    for section in ("hooks", "operators", "sensors", "triggers"):
        for listed in info[section]:
            for module in listed["python-modules"]:
                importlib.import_module(module)
    classes = [
        *info["extra-links"],
        *(each["hook-class-name"] for each in info["connection-types"]),
        *(each["class-name"] for each in info.get("task-decorators", ())),
        *(each["plugin-class"] for each in info.get("plugins", ())),
    ]
    for path in classes:
        imported(path)
    (command,) = entry_points(group="console_scripts", name="pixverse-sandbox")
    command.load()
    (plugin,) = entry_points(group="pytest11", name="pixverse_sandbox")
    # Found, not loaded: it needs pytest, which is nobody's to install here.
    if importlib.util.find_spec(plugin.value) is None:
        raise SystemExit(f"there is no {plugin.value}")


def ask() -> None:
    hook = imported("airflow_provider_pixverse.hooks.pixverse.PixverseHook")()
    works, words = hook.test_connection()
    print(words)
    if not works:
        raise SystemExit(1)


if __name__ == "__main__":
    check()
    if "--ask" in sys.argv:
        ask()
