# SPDX-License-Identifier: Apache-2.0
"""An Airflow whose users have to log in and see different things, with the DAGs of `dags/`."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_api import AirflowApi
from airflow_stack import AirflowStack, airflow_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
SPEED = 20.0
"""A video takes some 4 s: long enough to be deferred."""

USERS = {"admin": "ADMIN", "viewer": "VIEWER", "marketing": "VIEWER", "nobody": ""}
"""Role of each; each one's password is the name. Which DAGs marketing sees is in `config/rights.py`."""


@contextmanager
def airflow_with_users(home: Path) -> Iterator[AirflowStack]:
    """
    Yield it, ready to run DAGs.

    :param home: An empty folder.
    """
    shutil.copytree(HERE / "config", home / "config", ignore=shutil.ignore_patterns("__pycache__"))
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({name: name for name in USERS}))
    settings = {
        "CORE__TEST_CONNECTION": "Enabled",
        "CORE__AUTH_MANAGER": "rights.PerDagAuthManager",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    with airflow_stack(home, speed=SPEED, seed=1, dags=HERE / "dags", settings=settings) as running:
        running.api = as_user(running, "admin")
        running.api.await_dags("launch_film", "product_clips", "picture_comes_alive")
        yield running


def as_user(airflow: AirflowStack, name: str) -> AirflowApi:
    """Return the API as one of the users reaches it."""
    return AirflowApi(airflow.api.url, {"username": name, "password": name})
