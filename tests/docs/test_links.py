# SPDX-License-Identifier: Apache-2.0
"""Where the pages point: files, headings, paths of the repository, and each other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs.pages import PACKAGE, PAGES, ROOT, anchors, links

if TYPE_CHECKING:
    from pathlib import Path

EVERY_PAGE = pytest.mark.parametrize("document", PAGES, ids=lambda path: path.name)


def local(page: Path) -> list[tuple[Path, str]]:
    """Return the links within the repository: the file, and the anchor in it."""
    found = [link.partition("#") for link in links(page) if not re.match(r"\w+:", link)]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in found]


@EVERY_PAGE
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    assert [str(path) for path, _ in local(document) if not path.exists()] == []


@EVERY_PAGE
def test_every_link_to_a_heading_leads_to_one(document: Path) -> None:
    there = [(path, anchor) for path, anchor in local(document) if anchor and path.exists()]
    assert [(path.name, anchor) for path, anchor in there if anchor not in anchors(path)] == []


@EVERY_PAGE
def test_every_link_to_the_web_is_encrypted_or_to_this_machine(document: Path) -> None:
    assert [link for link in links(document) if re.match(r"http://(?!localhost)", link)] == []


def test_every_page_is_reached_from_the_first() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached and page.suffix == ".md" and page.exists():
            reached.add(page)
            ahead += [path for path, _ in local(page)]
    assert set(PAGES) - reached == set()


@EVERY_PAGE
def test_every_path_of_the_repository_that_is_named_exists(document: Path) -> None:
    tops = {path.name for folder in (ROOT, PACKAGE) for path in folder.iterdir()}
    named = [
        name
        for name in re.findall(r"`([^`\n]+)`", document.read_text())
        if re.fullmatch(r"[\w./-]+", name) and ("/" in name or name.endswith((".py", ".md")))
        if name.split("/")[0] in tops or name.endswith((".py", ".md"))
        if name.split("/")[0] not in MADE_BY_RUNNING and name not in MADE_UP
    ]
    assert [name for name in named if not ((ROOT / name).exists() or (PACKAGE / name).exists())] == []


MADE_BY_RUNNING = {".airflow", ".demo", ".venv"}
"""What `make` makes."""

MADE_UP = {"gateways/reelhouse.py", "sandbox/reelhouse.py", "dragon.py"}
"""Names of files that a reader is to write."""
