# SPDX-License-Identifier: Apache-2.0
"""Writes docs/catalog.md from the catalogue; with `--check`, says whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from airflow_provider_pixverse.catalog import OFFERINGS, Offering

PAGE = Path(__file__).resolve().parent.parent / "docs" / "catalog.md"
HEAD = """\
# What each gateway makes

Made from `airflow_provider_pixverse/catalog.py` by `make docs`. A request is held against its row before
anything is sent; what is not in the table can be named by the vendor's own id in `model`.

| gateway | task | version | vendor's model | seconds | resolutions | aspect ratios | options | not together |
|---|---|---|---|---|---|---|---|---|
"""


def page() -> str:
    """Return the page's text."""
    return HEAD + "".join(f"| {' | '.join(_cells(row))} |\n" for row in OFFERINGS)


def _cells(row: Offering) -> tuple[str, ...]:
    excluded = (f"{resolution} with {seconds} s" for resolution, seconds in sorted(row.excluded))
    return (
        row.gateway,
        row.task,
        row.version or "-",
        f"`{row.model}`",
        _durations(row.durations),
        ", ".join(row.resolutions) or "as the input",
        ", ".join(row.aspect_ratios) or "as the input",
        ", ".join(sorted(row.options)) or "-",
        ", ".join(excluded) or "-",
    )


def _durations(seconds: tuple[int, ...]) -> str:
    if len(seconds) > 3 and seconds == tuple(range(seconds[0], seconds[-1] + 1)):
        return f"{seconds[0]} to {seconds[-1]}"
    return ", ".join(map(str, seconds)) or "as the input"


def main() -> int:
    """Write or check the page."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
        return 0
    if PAGE.exists() and PAGE.read_text() == page():
        return 0
    print(f"{PAGE.name} is not what the catalogue says: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
