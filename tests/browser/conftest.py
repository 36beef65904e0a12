# SPDX-License-Identifier: Apache-2.0
"""A real Airflow with generations in it, and Chromium to look at them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow_with_users import airflow_with_users, as_user
from chromium import CHROMIUM, DESKTOP, find_chromium
from generations import Generations
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_stack import AirflowStack
    from playwright.sync_api import Browser, BrowserContext, Page

HERE = Path(__file__).parent
PATIENCE = 60_000.0
"""Milliseconds for what takes a moment on a free machine."""

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def airflow() -> Iterator[AirflowStack]:
    home = Path(tempfile.mkdtemp(prefix="pixverse-browser-"))
    with airflow_with_users(home) as running:
        yield running
    if not os.environ.get("KEEP"):
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def generations(airflow: AirflowStack) -> Generations:
    """Videos that are there, one that is being made, and some that failed."""
    return Generations.make(airflow)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": find_chromium(), "args": CHROMIUM.split()}


@pytest.fixture(scope="session")
def sign_in(airflow: AirflowStack, browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """
    Return the window of one of the users, ``None`` being nobody.

    The same for all tests that ask alike, since an empty cache costs seconds.
    """
    contexts: dict[str, BrowserContext] = {}

    def sign_in(name: str | None = "admin", **options: Any) -> BrowserContext:
        key = f"{name} {options}"
        if key not in contexts:
            contexts[key] = browser.new_context(**{"base_url": airflow.api.url, **DESKTOP, **options})
            contexts[key].set_default_timeout(PATIENCE)
            if name:
                cookie = {"name": "_token", "value": as_user(airflow, name).token(), "url": airflow.api.url}
                contexts[key].add_cookies([cookie])  # type: ignore[list-item]
        return contexts[key]

    yield sign_in
    for context in contexts.values():
        context.close()


@pytest.fixture
def page(sign_in: Callable[..., BrowserContext]) -> Iterator[Page]:
    """A window of an admin."""
    page = sign_in().new_page()
    yield page
    page.close()
