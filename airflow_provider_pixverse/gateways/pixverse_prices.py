# SPDX-License-Identifier: Apache-2.0
"""What PixVerse's own platform charges, in credits; docs.platform.pixverse.ai, "Model & Pricing"."""

from __future__ import annotations

import math

CREDITS_A_SECOND: dict[tuple[str, bool], dict[str, int]] = {
    ("v6", False): {"360p": 5, "540p": 7, "720p": 9, "1080p": 18},
    ("v6", True): {"360p": 7, "540p": 9, "720p": 12, "1080p": 23},
    ("c1", False): {"360p": 6, "540p": 8, "720p": 10, "1080p": 19},
    ("c1", True): {"360p": 8, "540p": 10, "720p": 13, "1080p": 24},
}
"""Of version and whether with sound, by resolution; docs.platform.pixverse.ai, "Pricing"."""

_TO_V45 = {"360p": {5: 45, 8: 90}, "540p": {5: 45, 8: 90}, "720p": {5: 60, 8: 120}, "1080p": {5: 120}}
CREDITS_A_CLIP: dict[tuple[str, bool], dict[str, dict[int, int]]] = {
    **dict.fromkeys((("v3.5", False), ("v4", False), ("v4.5", False)), _TO_V45),
    ("v5", False): {**_TO_V45, "1080p": {5: 120, 8: 240}},
    ("v5.6", False): {
        "360p": {5: 35, 8: 70, 10: 77},
        "540p": {5: 35, 8: 70, 10: 77},
        "720p": {5: 45, 8: 90, 10: 99},
        "1080p": {5: 75, 8: 150},
    },
    ("v5.6", True): {
        "360p": {5: 80, 8: 115, 10: 122},
        # The vendor gives two prices for 5 s, 80 and 90.
        "540p": {8: 115, 10: 122},
        "720p": {5: 80, 8: 135, 10: 144},
        "1080p": {5: 150, 8: 195},
    },
}
"""Likewise, by resolution and seconds. v5.5 is sold too, at prices that were not found."""

CREDITS_FOR_SPEECH = (4, 15)
"""So many credits for every so many bytes of UTF-8 begun, in lip-sync."""


def video_credits(version: str, resolution: str, seconds: int, *, audio: bool) -> int | None:
    """Return PixVerse's published price of a video, or ``None`` where there is none."""
    a_second = CREDITS_A_SECOND.get((version, audio), {}).get(resolution)
    if a_second is not None:
        return a_second * seconds
    return CREDITS_A_CLIP.get((version, audio), {}).get(resolution, {}).get(seconds)


def speech_credits(speech: str) -> int:
    """Return PixVerse's published price of words spoken in a lip-sync."""
    credits, size = CREDITS_FOR_SPEECH
    return credits * math.ceil(len(speech.encode()) / size)
