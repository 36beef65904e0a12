# SPDX-License-Identifier: Apache-2.0
"""What Airflow's own pages show of a task that makes a video."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from generations import BROKEN, HOSTILE, REFUSED, RENDERING
from playwright.sync_api import expect

if TYPE_CHECKING:
    from airflow_api import Run
    from generations import Generations
    from playwright.sync_api import Locator, Page

WORDS = ("dragon appears", RENDERING, BROKEN, REFUSED, HOSTILE, "Snow falls", "marble table")
RUNS = ("finished", "hostile", "picture", "clips", "rendering", "failed", "refused")


def open_task(page: Page, run: Run, tab: str = "") -> Locator:
    mapped = "/mapped/0" if run.dag_id == "product_clips" else ""
    page.goto(f"/dags/{run.dag_id}/runs/{run.run_id}/tasks/{run.task_id}{mapped}/{tab}".rstrip("/"))
    expect(page.get_by_role("link", name="Rendered Templates")).to_be_visible()
    return page.locator("body")


@pytest.fixture(scope="module")
def urls(generations: Generations) -> list[str]:
    """Where the videos are at the vendor: signed for whoever has the URL."""
    rows = [generations.finished.xcom(), generations.clips.xcom(map_index=0), generations.picture.xcom()]
    return [row["video_url"] for row in rows]


def test_the_log_of_a_finished_one(page: Page, generations: Generations) -> None:
    view = open_task(page, generations.finished)
    result = generations.finished.xcom()
    said = result["generation_id"]
    expect(view).to_contain_text(
        f"Submitted to aimlapi: generation {said}, model pixverse/v5/text-to-video, cost"
    )
    expect(view).to_contain_text(f"Waiting for generation {said} without a worker slot, until")
    expect(view).to_contain_text(f"Generation {said}: finished, after")
    expect(view).to_contain_text(f"Delivered generation {said} to {result['output_path']}")
    expect(view).to_contain_text(f"{result['size_bytes']} bytes, sha256 {result['sha256']}")


def test_its_cost_is_in_the_log_and_in_the_result(page: Page, generations: Generations) -> None:
    cost = generations.finished.xcom()["cost"]
    expect(open_task(page, generations.finished)).to_contain_text(f"cost {cost['amount']:,} {cost['unit']}")


def test_watch_video_opens_the_video(page: Page, generations: Generations) -> None:
    open_task(page, generations.finished, "details")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Watch video").or_(page.get_by_text("Watch video")).first.click()
    video = opened.value.locator("video")
    expect(video).to_be_visible()
    opened.value.wait_for_function("document.querySelector('video').readyState >= 2")
    assert opened.value.url == generations.finished.xcom()["video_url"]


@pytest.mark.parametrize("name", ["rendering", "failed"])
def test_what_has_no_video_has_no_button(page: Page, generations: Generations, name: str) -> None:
    view = open_task(page, getattr(generations, name), "details")
    expect(view).to_contain_text("Run ID")
    expect(page.get_by_text("Watch video")).to_have_count(0)


def test_the_log_of_a_deferred_one(page: Page, generations: Generations) -> None:
    view = open_task(page, generations.rendering)
    said = generations.rendering.xcom("generation_id")
    expect(view).to_contain_text("Deferred")
    expect(view).to_contain_text(f"Waiting for generation {said} without a worker slot")
    # A poll that failed is told once, however often it fails.
    expect(view).to_contain_text("HTTP 502")
    assert view.inner_text().count("HTTP 502") == 1


def test_the_log_of_a_failed_one(page: Page, generations: Generations) -> None:
    view = open_task(page, generations.failed)
    said = generations.failed.xcom("generation_id")
    expect(view).to_contain_text(f"PixverseGenerationFailed: aimlapi failed to make generation {said}")
    # The vendor's words, as text.
    expect(view).to_contain_text("out of <b>memory</b>")


def test_the_log_of_a_refused_one(page: Page, generations: Generations) -> None:
    expect(open_task(page, generations.refused)).to_contain_text("PixverseModerationError: pixverse")


def test_rendered_fields(page: Page, generations: Generations) -> None:
    view = open_task(page, generations.rendering, "rendered_templates")
    expect(view).to_contain_text(RENDERING)
    expect(view).to_contain_text("lighthouse.mp4")


def test_a_picture_given_as_data_is_shown_short(page: Page, generations: Generations) -> None:
    view = open_task(page, generations.picture, "rendered_templates")
    expect(view).to_contain_text("data:image/png;base64,")
    expect(view).to_contain_text("characters)")
    assert not re.search(r"[A-Za-z0-9+/]{100}", view.inner_text())


def test_what_is_sent_as_it_is_is_shown_as_json(page: Page, generations: Generations) -> None:
    expect(open_task(page, generations.picture, "rendered_templates")).to_contain_text('"style": "clay"')


def test_a_prompt_that_is_html_is_text(page: Page, generations: Generations) -> None:
    dialogs: list[Any] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for tab in ("", "rendered_templates", "xcom"):
        open_task(page, generations.hostile, tab)
    expect(open_task(page, generations.hostile, "rendered_templates")).to_contain_text(HOSTILE)
    assert dialogs == []


def test_no_url_is_shown(page: Page, generations: Generations, urls: list[str]) -> None:
    for tab, there in (("", "Delivered generation"), ("rendered_templates", "pixverse_conn_id")):
        view = open_task(page, generations.finished, tab)
        expect(view).to_contain_text(there)
        assert "_media" in urls[0]
        assert "_media" not in view.inner_text()


@pytest.mark.parametrize("name", RUNS)
def test_no_prompt_and_no_url_is_logged(generations: Generations, urls: list[str], name: str) -> None:
    log = getattr(generations, name).log(map_index=0 if name == "clips" else -1)
    assert "INFO" in log.upper()
    for words in (*WORDS, *urls, "_media"):
        assert words not in log
