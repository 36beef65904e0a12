# SPDX-License-Identifier: Apache-2.0
"""Checks that a wheel holds the package and nothing else, and a sdist all that it takes to work on it."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "airflow_provider_pixverse"
OF_THE_SDIST = ("README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml")
FOLDERS_OF_THE_SDIST = ("docs", "dags_examples", "tests", "scripts")


def tracked(folder: str) -> set[str]:
    """Return the files that the repository has below a folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {name for name in listed.stdout.split("\0") if name}


def main() -> int:
    wheel, sdist = sys.argv[1:]
    in_wheel = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    package = tracked(PACKAGE)
    # LICENSE lies in the metadata; everything else in the metadata was checked by whoever installs it.
    metadata = {name for name in in_wheel if name.split("/")[0].endswith(".dist-info")}
    wanted_in_sdist = {
        *OF_THE_SDIST,
        *package,
        *(name for each in FOLDERS_OF_THE_SDIST for name in tracked(each)),
    }
    problems = {
        "missing from the wheel": package - in_wheel,
        "in the wheel, but not of the package": in_wheel - package - metadata,
        "missing from the wheel's metadata": {"LICENSE"} - {Path(name).name for name in metadata},
        "missing from the sdist": wanted_in_sdist - in_sdist,
    }
    found = {what: sorted(names) for what, names in problems.items() if names}
    for what, names in found.items():
        print(f"{what}: {', '.join(names)}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
