# SPDX-License-Identifier: Apache-2.0
"""The gallery as people use it: with a mouse, with a keyboard, on a phone, in the dark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from generations import BROKEN, HOSTILE, REFUSED, RENDERING
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_stack import AirflowStack
    from generations import Generations
    from playwright.sync_api import BrowserContext, Locator, Page

DRAGON = "A dragon appears above the tallest mountain"
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

CONTRAST = (Path(__file__).parent / "contrast.js").read_text()

pytestmark = pytest.mark.usefixtures("generations")


@pytest.fixture
def gallery(page: Page) -> Iterator[Page]:
    """The gallery on a page of its own; it must leave nothing in the browser's console."""
    yield from opened(page)


@pytest.fixture(params=[{}, {"color_scheme": "dark"}], ids=["light", "dark"])
def phone(request: pytest.FixtureRequest, sign_in: Callable[..., BrowserContext]) -> Iterator[Page]:
    page = sign_in(**PHONE, **request.param).new_page()
    yield from opened(page)
    page.close()


def opened(page: Page) -> Iterator[Page]:
    complaints: list[str] = []
    page.on(
        "console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.goto("/pixverse-gallery/")
    expect(cards(page).first).to_be_visible()
    yield page
    assert complaints == []


def cards(page: Page, state: str = "") -> Locator:
    return page.locator(f'li.card[data-state="{state}"]' if state else "li.card")


def card(page: Page, prompt: str) -> Locator:
    return cards(page).filter(has_text=prompt)


def open_card(page: Page, prompt: str) -> Locator:
    card(page, prompt).get_by_role("button").first.click()
    viewer = page.get_by_role("dialog")
    expect(viewer).to_be_visible()
    return viewer


class TestList:
    @pytest.mark.parametrize(
        ("state", "number"),
        [("finished", 6), ("failed", 2), ("running", 1)],
        ids=["finished", "failed", "running"],
    )
    def test_it_has_each_state(self, gallery: Page, state: str, number: int) -> None:
        expect(cards(gallery, state)).to_have_count(number)

    def test_a_card_tells_what_it_is_and_cost(self, gallery: Page, generations: Generations) -> None:
        result = generations.finished.xcom()
        shown = card(gallery, DRAGON)
        for words in ("AI/ML API", "v5", "360p", "launch_film", f"{result['cost']['amount']:,}"):
            expect(shown).to_contain_text(words)

    def test_a_finished_one_has_a_poster(self, gallery: Page) -> None:
        poster = card(gallery, DRAGON).locator("img").last
        expect(poster).to_be_visible()
        assert poster.evaluate("image => image.naturalWidth") > 0

    def test_a_failed_one_says_why(self, gallery: Page) -> None:
        # The vendor's words, as text.
        expect(open_card(gallery, BROKEN)).to_contain_text("out of <b>memory</b>")

    def test_a_refused_one_says_so(self, gallery: Page) -> None:
        expect(open_card(gallery, REFUSED)).to_contain_text("Refused by moderation")

    def test_a_prompt_that_is_html_is_text(self, gallery: Page) -> None:
        expect(card(gallery, HOSTILE)).to_be_visible()
        expect(open_card(gallery, HOSTILE)).to_contain_text(HOSTILE)
        expect(gallery.locator("img[src=x]")).to_have_count(0)

    def test_its_link_leads_to_the_task(self, gallery: Page, generations: Generations) -> None:
        card(gallery, DRAGON).get_by_role("link").click()
        assert_at_task(gallery, generations)


class TestVideo:
    def test_it_plays(self, gallery: Page) -> None:
        open_card(gallery, DRAGON)
        await_video(gallery, "video.readyState >= 2")
        await_video(gallery, "video.currentTime > 0.2")

    def test_it_can_be_wound(self, gallery: Page) -> None:
        answers: list[tuple[int, str]] = []
        gallery.on(
            "response",
            lambda answer: (
                answers.append((answer.status, answer.request.headers.get("range", "")))
                if answer.url.endswith("/video")
                else None
            ),
        )
        open_card(gallery, DRAGON)
        await_video(gallery, "video.readyState >= 2")
        reached = gallery.evaluate(
            """() => new Promise((resolve) => {
                const video = document.querySelector("dialog video");
                video.pause();
                video.addEventListener("seeked", () => resolve(video.currentTime), { once: true });
                video.currentTime = 4;
            })"""
        )
        assert reached == pytest.approx(4, abs=0.1)
        assert answers
        assert all(status == 206 and asked.startswith("bytes=") for status, asked in answers)

    def test_a_running_one_has_none(self, gallery: Page) -> None:
        viewer = open_card(gallery, RENDERING)
        expect(viewer).to_contain_text("being made")
        expect(viewer.locator("video")).to_have_count(0)


class TestFilters:
    @pytest.mark.parametrize(
        ("label", "choice", "number"),
        [("DAG", "product_clips", 3), ("Gateway", "segmind", 3), ("Gateway", "pixverse", 1)],
    )
    def test_one_choice(self, gallery: Page, label: str, choice: str, number: int) -> None:
        gallery.get_by_role("combobox", name=label, exact=True).select_option(choice)
        expect(cards(gallery)).to_have_count(number)

    def test_a_run(self, gallery: Page, generations: Generations) -> None:
        gallery.get_by_role("combobox", name="DAG", exact=True).select_option("launch_film")
        gallery.get_by_role("combobox", name="Run", exact=True).select_option(generations.hostile.run_id)
        expect(cards(gallery)).to_have_count(1)
        expect(card(gallery, HOSTILE)).to_be_visible()

    def test_a_state(self, gallery: Page) -> None:
        gallery.get_by_role("group", name="State").get_by_role("button", name="Failed").click()
        expect(cards(gallery)).to_have_count(2)
        expect(cards(gallery, "failed")).to_have_count(2)

    def test_days(self, gallery: Page) -> None:
        gallery.get_by_label("To", exact=True).fill("2001-01-01")
        expect(gallery.get_by_text("Nothing matches these filters")).to_be_visible()
        gallery.get_by_role("button", name="Clear filters").click()
        expect(cards(gallery)).to_have_count(9)

    def test_a_choice_outlives_a_reload(self, gallery: Page) -> None:
        gallery.get_by_role("combobox", name="DAG", exact=True).select_option("product_clips")
        expect(cards(gallery)).to_have_count(3)
        gallery.reload()
        expect(cards(gallery)).to_have_count(3)
        expect(gallery.get_by_role("combobox", name="DAG", exact=True)).to_have_value("product_clips")


def test_the_totals_are_those_of_the_tasks(gallery: Page, generations: Generations) -> None:
    gallery.get_by_role("combobox", name="DAG", exact=True).select_option("product_clips")
    costs = [generations.clips.xcom(map_index=index)["cost"] for index in range(3)]
    assert {cost["unit"] for cost in costs} == {"usd"}
    total = f"${sum(cost['amount'] for cost in costs):g}"
    expect(gallery.get_by_role("list", name="Totals")).to_contain_text(total)
    chart = gallery.locator("#charts")
    expect(chart).to_contain_text("product_clips")
    expect(chart).to_contain_text(total)


def test_a_new_one_comes_and_finishes_by_itself(gallery: Page, airflow: AirflowStack) -> None:
    run = airflow.api.run("launch_film", prompt="A kite rises", output_path=f"{airflow.videos}/kite.mp4")
    try:
        expect(card(gallery, "A kite rises")).to_have_attribute("data-state", "running")
        expect(card(gallery, "A kite rises")).to_have_attribute("data-state", "finished", timeout=150_000)
    finally:
        run.await_end()
        airflow.api.call("DELETE", run.path)


class TestKeyboard:
    def test_tab_reaches_a_card_and_enter_plays_it(self, gallery: Page) -> None:
        press_until(gallery, "document.activeElement.closest('li.card')")
        first = gallery.evaluate("document.activeElement.closest('li.card').dataset.id")
        assert first == cards(gallery).first.get_attribute("data-id")
        card(gallery, DRAGON).get_by_role("button").first.focus()
        gallery.keyboard.press("Enter")
        await_video(gallery, "video.readyState >= 2")

    def test_escape_closes_it_and_gives_the_focus_back(self, gallery: Page) -> None:
        open_card(gallery, DRAGON)
        gallery.keyboard.press("Escape")
        expect(gallery.get_by_role("dialog")).to_have_count(0)
        assert gallery.evaluate("document.activeElement.closest('li.card')?.innerText").count(DRAGON) == 1

    def test_arrows_lead_through_the_list(self, gallery: Page) -> None:
        cards(gallery).first.get_by_role("button").first.focus()
        gallery.keyboard.press("ArrowRight")
        second = cards(gallery).nth(1).get_attribute("data-id")
        assert gallery.evaluate("document.activeElement.closest('li.card').dataset.id") == second

    def test_the_focus_can_be_seen(self, gallery: Page) -> None:
        press_until(gallery, "document.activeElement.closest('li.card')")
        card = gallery.locator("li.card:focus-within")
        expect(card).to_have_css("outline-style", "solid")


class TestPhone:
    def test_nothing_is_wider_than_the_screen(self, phone: Page) -> None:
        assert overflow(phone) <= 0
        open_card(phone, DRAGON)
        assert overflow(phone) <= 0
        video = phone.locator("dialog video").bounding_box()
        assert video is not None
        assert video["x"] >= 0
        assert video["x"] + video["width"] <= 390

    def test_what_is_said_can_be_read(self, phone: Page) -> None:
        for selector in ("h1", "#status", ".prompt", ".facts", ".foot a", ".chip"):
            assert contrast(phone, selector) >= 4.5, selector


class TestInAirflow:
    def test_it_is_in_the_navigation_and_leads_back(self, page: Page, generations: Generations) -> None:
        page.goto("/")
        page.get_by_role("link", name="PixVerse", exact=True).click()
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", name="PixVerse gallery")).to_be_visible()
        frame.locator("li.card").filter(has_text=DRAGON).get_by_role("button").first.click()
        frame.get_by_role("link", name="Open the task").click()
        assert_at_task(page, generations)

    @pytest.mark.parametrize("mode", ["light", "dark"])
    def test_it_follows_airflows_colours(self, sign_in: Callable[..., BrowserContext], mode: str) -> None:
        page = sign_in(color_scheme=mode).new_page()
        page.goto("/plugin/pixverse-gallery")
        frame = page.frame_locator("iframe")
        expect(frame.locator("html")).to_have_attribute("data-theme", mode)
        page.close()


class TestHundreds:
    @pytest.fixture(autouse=True)
    def copies(self, airflow: AirflowStack, generations: Generations) -> Iterator[None]:
        """Three hundred more of a clip, as rows of the database: to make them takes an hour."""
        copy_rows(airflow, generations.clips.run_id, 300)
        yield
        for table in ("xcom", "task_instance"):
            airflow.query(f"delete from {table} where map_index >= 1000 returning 1")  # noqa: S608

    def test_all_of_them_can_be_reached(self, gallery: Page) -> None:
        gallery.get_by_role("combobox", name="DAG", exact=True).select_option("product_clips")
        expect(gallery.locator("#status")).to_contain_text("303 generations")
        for _ in range(60):
            if cards(gallery).count() == 303:
                break
            gallery.keyboard.press("End")
            gallery.mouse.wheel(0, 20_000)
            gallery.wait_for_timeout(200)
        expect(cards(gallery)).to_have_count(303)
        # Pictures are drawn for what is looked at.
        assert gallery.locator("li.card .poster").count() < 150


def assert_at_task(page: Page, generations: Generations) -> None:
    expect(page.get_by_text("PixverseTextToVideoOperator")).to_be_visible()
    assert (
        urlsplit(unquote(page.url)).path
        == f"/dags/launch_film/runs/{generations.finished.run_id}/tasks/video"
    )


def copy_rows(airflow: AirflowStack, run_id: str, number: int) -> None:
    for table, own in (("task_instance", {"id": "gen_random_uuid()"}), ("xcom", {})):
        rows = airflow.query(
            "select column_name from information_schema.columns where table_name = %s", table
        )
        names = [f'"{name}"' for (name,) in rows]
        values = [
            {'"id"': own.get("id", '"id"'), '"map_index"': "1000 + n"}.get(name, name) for name in names
        ]
        airflow.query(
            f"insert into {table} ({', '.join(names)}) select {', '.join(values)} "  # noqa: S608
            f"from {table}, generate_series(0, {number - 1}) n "
            "where run_id = %s and task_id = 'video' and map_index = 0 returning 1",
            run_id,
        )


def await_video(page: Page, condition: str) -> None:
    # Not `wait_for_function`, which the page's policy refuses.
    page.locator("dialog video").evaluate(
        f"""(video) => new Promise((resolve) => {{
            const look = () => ({condition}) ? resolve() : setTimeout(look, 50);
            look();
        }})"""
    )


def press_until(page: Page, condition: str, *, most: int = 40) -> None:
    """Press Tab until something is focused."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"!!({condition})"):
            return
    raise AssertionError(f"{most} times Tab did not lead there: {condition}")


def overflow(page: Page) -> int:
    return int(page.evaluate("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"))


def contrast(page: Page, selector: str) -> float:
    return float(page.locator(selector).first.evaluate(CONTRAST))
