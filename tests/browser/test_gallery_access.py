# SPDX-License-Identifier: Apache-2.0
"""Who sees what of the gallery, and what a page of somebody else's making cannot do in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow_with_users import as_user
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_stack import AirflowStack
    from generations import Generations
    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.usefixtures("generations")


@pytest.fixture
def dragon(airflow: AirflowStack, generations: Generations) -> str:
    """Path of a video that marketing may not see."""
    task_instance = generations.finished.instance()["id"]
    return f"/pixverse-gallery/api/generations/{task_instance}/video"


def test_whoever_is_not_logged_in_is_led_to_the_login(sign_in: Callable[..., BrowserContext]) -> None:
    page = sign_in(None).new_page()
    page.goto("/pixverse-gallery/")
    page.wait_for_url("**/auth/login**")
    expect(page.locator("li.card")).to_have_count(0)


def test_after_the_login_the_gallery_is_there(sign_in: Callable[..., BrowserContext]) -> None:
    page = sign_in(None, locale="en-GB").new_page()
    page.goto("/pixverse-gallery/")
    page.get_by_label("Username").fill("viewer")
    page.get_by_label("Password", exact=True).fill("viewer")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/pixverse-gallery/**")
    expect(page.locator("li.card")).to_have_count(9)


@pytest.mark.parametrize("path", ["api/generations", "api/summary", "api/options", "static/gallery.js"])
def test_nothing_is_answered_without_a_login(sign_in: Callable[..., BrowserContext], path: str) -> None:
    assert sign_in(None).request.get(f"/pixverse-gallery/{path}").status == 401


def test_no_video_without_a_login(sign_in: Callable[..., BrowserContext], dragon: str) -> None:
    assert sign_in(None).request.get(dragon).status == 401


@pytest.mark.parametrize(("name", "number"), [("viewer", 9), ("marketing", 3)])
def test_a_user_sees_what_airflow_lets_them_see(
    sign_in: Callable[..., BrowserContext], name: str, number: int
) -> None:
    page = sign_in(name).new_page()
    page.goto("/pixverse-gallery/")
    expect(page.locator("li.card")).to_have_count(number)
    expect(page.locator("#status")).to_contain_text(f"{number} generations")
    offered = page.get_by_role("combobox", name="DAG", exact=True).locator("option").all_inner_texts()
    assert ("launch_film" in offered) == (name == "viewer")
    page.close()


def test_a_user_without_rights_sees_nothing(sign_in: Callable[..., BrowserContext]) -> None:
    page = sign_in("nobody").new_page()
    page.goto("/pixverse-gallery/")
    expect(page.get_by_text("No videos yet")).to_be_visible()
    expect(page.locator("li.card")).to_have_count(0)
    assert "launch_film" not in page.content()
    page.close()


@pytest.mark.parametrize(("name", "status"), [("viewer", 200), ("marketing", 403), ("nobody", 403)])
def test_a_video_is_given_to_who_may_see_its_dag(
    sign_in: Callable[..., BrowserContext], dragon: str, name: str, status: int
) -> None:
    assert sign_in(name).request.get(dragon).status == status


@pytest.mark.parametrize("path", ["../../../../etc/passwd", "/etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"])
def test_no_file_is_given_by_its_path(sign_in: Callable[..., BrowserContext], path: str) -> None:
    for base in ("/pixverse-gallery/static/", "/pixverse-gallery/api/generations/"):
        answer = sign_in().request.get(f"{base}{path}")
        assert "root:" not in answer.text()


def test_a_result_that_was_forged_gives_no_other_file(
    airflow: AirflowStack, sign_in: Callable[..., BrowserContext], generations: Generations
) -> None:
    run = generations.failed
    secret = airflow.home / "passwords.json"
    forged = {"output_path": str(secret), "size_bytes": secret.stat().st_size, "status": "finished"}
    entries = f"{run.path}/taskInstances/{run.task_id}/xcomEntries"
    airflow.api.call("POST", entries, json={"key": "return_value", "value": forged})
    try:
        path = f"/pixverse-gallery/api/generations/{run.instance()['id']}/video"
        answer = sign_in().request.get(path)
        assert answer.status == 404
        assert "viewer" not in answer.text()
    finally:
        airflow.api.call("DELETE", f"{entries}/return_value")


def test_a_script_that_is_not_its_own_does_not_run(page: Page) -> None:
    answer = page.goto("/pixverse-gallery/")
    assert answer is not None
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    refused = page.evaluate(
        """() => new Promise((resolve) => {
            document.addEventListener("securitypolicyviolation", (event) => resolve(event.violatedDirective));
            const script = document.createElement("script");
            script.textContent = "window.taken = true";
            document.body.append(script);
        })"""
    )
    assert refused.startswith("script-src")
    assert page.evaluate("window.taken") is None


def test_no_key_is_in_what_it_is_told(airflow: AirflowStack, sign_in: Callable[..., BrowserContext]) -> None:
    told: Any = sign_in().request.get("/pixverse-gallery/api/generations?limit=200").text()
    assert "launch_film" in told
    assert as_user(airflow, "admin").token() not in told
    assert "password" not in told
