# SPDX-License-Identifier: Apache-2.0
"""The form of a connection, and its Test button."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_stack import AirflowStack
    from playwright.sync_api import Page

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def form(page: Page) -> Page:
    """The form of a new connection, its extra fields unfolded."""
    page.goto("/connections")
    page.get_by_role("button", name="Add Connection").click()
    page.get_by_role("combobox", name="Connection Type").fill("PixVerse")
    page.get_by_role("option", name="PixVerse", exact=True).click()
    return page


@pytest.fixture
def connect(airflow: AirflowStack) -> Iterator[Any]:
    made: list[str] = []

    def connect(name: str, **fields: Any) -> None:
        # Airflow 3.3.1 and 3.3.2 answer "Bad Request" to the Test button of whatever has no port.
        body = {"connection_id": name, "conn_type": "pixverse", "port": 0, **fields}
        airflow.api.call("POST", "/connections", json=body)
        made.append(name)

    yield connect
    for name in made:
        airflow.api.call("DELETE", f"/connections/{name}")


def test_the_key_is_a_password(form: Page) -> None:
    key = form.get_by_label("API key")
    expect(key).to_have_attribute("type", "password")
    assert "aimlapi.com" in (key.get_attribute("placeholder") or "")


def test_what_is_not_used_is_not_there(form: Page) -> None:
    assert "leave empty" in (form.get_by_label("Base URL").get_attribute("placeholder") or "")
    for label in ("Login", "Port", "Schema"):
        expect(form.get_by_label(label, exact=True)).to_have_count(0)


@pytest.mark.parametrize(
    ("label", "chosen", "choices"),
    [
        ("Gateway", "AI/ML API", ["AI/ML API", "Segmind", "PixVerse's own platform"]),
        ("Region", "international", ["international", "china"]),
    ],
)
def test_a_choice_is_a_dropdown(form: Page, label: str, chosen: str, choices: list[str]) -> None:
    unfold_extra(form)
    field = form.get_by_role("group").filter(has=form.get_by_role("combobox", name=label))
    expect(field.get_by_text(chosen, exact=True)).to_be_visible()
    form.get_by_role("combobox", name=label).click()
    assert form.get_by_role("option").all_inner_texts() == choices


@pytest.mark.parametrize(
    ("label", "default", "words"),
    [
        ("Request timeout", "60", "Seconds that one answer of the gateway may take"),
        ("Max connections", "100", "Most connections open to the gateway at a time"),
    ],
)
def test_a_limit_is_explained(form: Page, label: str, default: str, words: str) -> None:
    unfold_extra(form)
    expect(form.get_by_label(label)).to_have_value(default)
    expect(form.get_by_text(words)).to_be_visible()


def test_it_saves_what_was_chosen(form: Page, airflow: AirflowStack) -> None:
    form.get_by_label("Connection ID").fill("by_form")
    form.get_by_label("API key").fill(KEY)
    unfold_extra(form)
    form.get_by_role("combobox", name="Gateway").click()
    form.get_by_role("option", name="PixVerse's own platform").click()
    form.get_by_role("combobox", name="Region").click()
    form.get_by_role("option", name="china").click()
    form.get_by_role("button", name="Save").click()
    try:
        expect(form.get_by_role("row").filter(has_text="by_form")).to_be_visible()
        expect(form.get_by_role("dialog")).to_have_count(0)
        saved = airflow.api.call("GET", "/connections/by_form")
        assert json.loads(saved["extra"]) == {
            "gateway": "pixverse",
            "region": "china",
            "request_timeout": 60,
            "max_connections": 100,
        }
        assert KEY not in json.dumps(saved)
        assert KEY not in form.content()
    finally:
        airflow.api.call("DELETE", "/connections/by_form")


def test_a_right_key_is_told_with_the_balance(page: Page, connect: Any, host: str) -> None:
    connect("mine", password="sandbox", host=host)
    assert_told(page, "mine", "accepts the key; the balance is")


def test_a_wrong_key_is_told_with_what_to_do(page: Page, connect: Any, host: str) -> None:
    connect("mine", password=KEY, host=host)
    assert_told(page, "mine", "aimlapi refused the API key", "Correct the connection's password")


def test_an_unreachable_host_is_told_with_what_to_do(page: Page, connect: Any) -> None:
    connect("mine", password=KEY, host="http://127.0.0.1:9/aimlapi")
    assert_told(page, "mine", "aimlapi at 127.0.0.1:9", "could not be reached", "base URL")


def test_a_missing_key_is_told(page: Page, connect: Any, host: str) -> None:
    connect("mine", host=host)
    assert_told(page, "mine", "The password of this connection, which is the API key, is empty")


def test_airflow_finds_no_deprecated_method_in_it(form: Page, airflow: AirflowStack) -> None:
    expect(form.get_by_label("API key")).to_be_visible()
    log = (airflow.home / "api-server.log").read_text()
    assert "airflow_provider_pixverse" not in log
    assert "get_connection_form_widgets" not in log
    assert "get_ui_field_behaviour" not in log


@pytest.fixture
def host(airflow: AirflowStack) -> str:
    """The sandbox's AI/ML API."""
    return airflow.sandbox.origin + "/aimlapi"


def unfold_extra(form: Page) -> None:
    form.get_by_role("button", name="Extra Fields", exact=True).click()


def assert_told(page: Page, connection: str, *words: str) -> None:
    page.goto("/connections")
    row = page.get_by_role("row").filter(has_text=connection)
    row.get_by_role("button", name="Test Connection").click()
    told = page.get_by_role("region", name="Notifications")
    for each in words:
        expect(told).to_contain_text(each)
    expect(told).not_to_contain_text(KEY)
