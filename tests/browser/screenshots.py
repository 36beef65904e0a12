# SPDX-License-Identifier: Apache-2.0
"""Takes pictures of what people see, to be looked at; the best of them are in `docs/images/`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "stack")]

from airflow_with_users import airflow_with_users, as_user  # noqa: E402
from chromium import CHROMIUM, DESKTOP, find_chromium  # noqa: E402
from generations import BROKEN, FAULTS, RENDERING  # noqa: E402
from PIL import Image  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

if TYPE_CHECKING:
    from airflow_api import Run
    from airflow_stack import AirflowStack
    from playwright.sync_api import Browser, Page

FILMS = (
    ("A dragon rises above the tallest mountain, storm light", "16:9", "aimlapi"),
    ("Waves roll onto a quiet beach at sunrise", "9:16", "aimlapi"),
    ("A paper boat sails down a rainy street", "16:9", "segmind"),
    ("Autumn leaves swirl around a red bicycle", "1:1", "segmind"),
    ("A night market seen from above, lanterns sway", "16:9", "segmind"),
    ("A fox runs through fresh snow", "16:9", "pixverse"),
)
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2}


def make_films(airflow: AirflowStack) -> list[Run]:
    airflow.sandbox.faults(*FAULTS)
    clips = [
        {"prompt": f"{name} turns slowly on a marble table", "aspect_ratio": "1:1", "output_path": path}
        for name in ("A red running shoe", "A steel water bottle", "A leather backpack")
        if (path := f"{airflow.videos}/{name[-8:].strip()}.mp4")
    ]
    runs = [airflow.api.run("product_clips", pixverse_conn_id="pixverse_segmind", clips=clips)]
    for number, (prompt, ratio, gateway) in enumerate(FILMS):
        conf = {"prompt": prompt, "aspect_ratio": ratio, "pixverse_conn_id": f"pixverse_{gateway}"}
        path = f"{airflow.videos}/{number}.mp4"
        runs.append(airflow.api.run("launch_film", output_path=path, resolution="720p", **conf))
    runs.append(airflow.api.run("launch_film", prompt=BROKEN, pixverse_conn_id="pixverse_aimlapi"))
    for run in runs:
        run.await_end()
    airflow.api.run("launch_film", prompt=RENDERING, output_path=f"{airflow.videos}/light.mp4").await_state(
        "deferred"
    )
    # As if of a week, so that there are days to see in the chart.
    for age, run in enumerate(runs):
        moved = (
            "update xcom set timestamp = timestamp - make_interval(days => %s) where run_id = %s returning 1"
        )
        airflow.query(moved, age, run.run_id)
    return runs


def main() -> int:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="airflow-"))
    with airflow_with_users(home) as airflow, sync_playwright() as playwright:
        runs = make_films(airflow)
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM.split())
        dark = open_as_admin(browser, airflow, {**DESKTOP, "color_scheme": "dark"})
        page = open_as_admin(browser, airflow, DESKTOP)
        for name, window in (("gallery", page), ("gallery-dark", dark)):
            window.goto("/plugin/pixverse-gallery")
            window.frame_locator("iframe").locator("li.card img").first.wait_for()
            save(window, target / f"{name}.png", wait=6_000)
        page.frame_locator("iframe").locator("li.card", has_text=FILMS[0][0]).get_by_role("button").click()
        save(page, target / "video.png", wait=4_000)
        phone = open_as_admin(browser, airflow, PHONE)
        phone.goto("/pixverse-gallery/")
        save(phone, target / "gallery-phone.png", wait=6_000)
        page.goto(f"/dags/launch_film/runs/{runs[1].run_id}/tasks/video")
        save(page, target / "task.png", wait=4_000)
        page.goto("/connections")
        page.get_by_role("button", name="Add Connection").click()
        page.get_by_role("combobox", name="Connection Type").fill("PixVerse")
        page.get_by_role("option", name="PixVerse", exact=True).click()
        page.get_by_role("button", name="Extra Fields", exact=True).click()
        save(page, target / "connection.png", wait=1_500)
    return 0


def open_as_admin(browser: Browser, airflow: AirflowStack, options: dict[str, Any]) -> Page:
    context = browser.new_context(base_url=airflow.api.url, **options)
    context.set_default_timeout(60_000)
    token = as_user(airflow, "admin").token()
    context.add_cookies([{"name": "_token", "value": token, "url": airflow.api.url}])
    return context.new_page()


def save(page: Page, path: Path, *, wait: float) -> None:
    """Take a picture once everything has moved into place, with no more colours than it needs."""
    page.wait_for_timeout(wait)
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    sys.exit(main())
