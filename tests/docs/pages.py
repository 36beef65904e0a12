# SPDX-License-Identifier: Apache-2.0
"""The pages of the documentation, as a reader of Markdown sees them: blocks of code, headings, links."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

import airflow_provider_pixverse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

PACKAGE = Path(airflow_provider_pixverse.__file__).parent
ROOT = PACKAGE.parent
PAGES = sorted(path for folder in (ROOT, ROOT / "docs") for path in folder.glob("*.md"))


@dataclass(frozen=True)
class Block:
    """
    A fenced block of code.

    :param page: The page it is on.
    :param line: The line on which its code begins.
    :param language: What stands behind the fence, for example ``python``.
    :param options: What stands behind the language, which readers do not see: ``title=dag.py``, the file it
        is kept in; ``since=3.3``, the Airflow it needs.
    """

    page: Path
    line: int
    language: str
    code: str
    options: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


@cache
def parsed(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text())


def blocks(page: Path) -> Iterator[Block]:
    for token in parsed(page):
        if token.type in ("fence", "code_block"):
            language, *options = shlex.split(token.info) or [""]
            first_line = (token.map or [0])[0] + 2
            told = dict(option.split("=", 1) for option in options)
            yield Block(page, first_line, language, token.content, told)


def links(page: Path) -> list[str]:
    """Return where links and pictures lead."""
    inline = [child for token in parsed(page) for child in token.children or ()]
    return [str(each.attrs[name]) for each in inline for name in ("href", "src") if name in each.attrs]


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings."""
    tokens, seen, found = parsed(page), Counter[str](), set()
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            slug = re.sub(r"[^\w\- ]", "", inline.content.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found
