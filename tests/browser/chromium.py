# SPDX-License-Identifier: Apache-2.0
"""The Chromium of this machine, and how it is started."""

from __future__ import annotations

import os
import shutil
from typing import Any

CHROMIUM = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)

DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 1000}}


def find_chromium() -> str:
    """Return the Chromium of this machine: Playwright's own is a download of its own."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        raise RuntimeError("no Chromium: apt-get install chromium, or name one in CHROMIUM")
    return found
