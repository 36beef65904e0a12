# SPDX-License-Identifier: Apache-2.0
"""The page and its files: what they may do in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from airflow_provider_pixverse.plugins.gallery_app import FILES, STATIC
from plugins.conftest import URL
from plugins.rows import add_generation, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastapi.testclient import TestClient
    from sqlalchemy.orm import Session

PAGE = (STATIC / "index.html").read_text()
SCRIPTS = sorted(STATIC.glob("*.js"))


@pytest.mark.parametrize("path", ["", "static/gallery.js", "static/nothing", "api/summary", "api/nothing"])
@pytest.mark.parametrize("role", ["VIEWER", None])
def test_every_answer_is_guarded(as_user: Callable[..., TestClient], path: str, role: str | None) -> None:
    headers = as_user(role).get(URL + path).headers
    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert not {"'unsafe-inline'", "'unsafe-eval'"} & set(headers["content-security-policy"].split())
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"].startswith("private")


def test_a_video_is_guarded_too(session: Session, viewer: TestClient, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(b"\0\0\0\x10ftypisom" + bytes(100))
    told = result(output_path=str(video), size_bytes=video.stat().st_size)
    identity = add_generation(session, told=told)
    session.commit()
    headers = viewer.get(f"{URL}api/generations/{identity}/video").headers
    assert headers["content-type"] == "video/mp4"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"].startswith("private")


def test_whatever_the_page_refers_to_is_there(viewer: TestClient) -> None:
    named = set(re.findall(r'(?:src|href)="static/([^"]+)"', PAGE))
    for script in SCRIPTS:
        named |= set(re.findall(r'from "\./([^"]+)"', script.read_text()))
    assert named == FILES.keys()
    for name in named:
        answer = viewer.get(f"{URL}static/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].split(";")[0] in (
            "text/css",
            "text/javascript",
            "image/svg+xml",
        )


@pytest.mark.parametrize(
    "name",
    ["index.html", "..%2fgallery.py", "%2e%2e/gallery.py", "%2e%2e", "%00", "gallery.js%00.css", "x" * 5000],
)
def test_no_other_file_can_be_named(viewer: TestClient, name: str) -> None:
    assert viewer.get(f"{URL}static/{name}").status_code == 404


def test_the_page_has_nothing_that_the_policy_would_have_to_allow() -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", PAGE)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", PAGE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_no_script_reads_html_or_loads_from_elsewhere(script: Path) -> None:
    code = script.read_text()
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser"
    )
    assert not re.search(forbidden, code)
    assert not re.search(r"""["'`](?:https?:)?//""", code)


def test_no_file_is_large() -> None:
    assert sum(path.stat().st_size for path in STATIC.iterdir()) < 80_000
