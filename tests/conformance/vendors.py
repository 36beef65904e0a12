# SPDX-License-Identifier: Apache-2.0
"""What is different from vendor to vendor, as far as these tests need it: data in place of branches."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse.exceptions import PixverseError, PixverseNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

Rule = dict[str, Any]
"""A fault without the kind of request it happens on."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """
    One vendor's ways.

    :param unit: What its bill and its balance are counted in.
    :param words: How it refuses in these words.
    :param no_credits: How it refuses an account without credits.
    :param moderated: How it refuses an input by moderation.
    :param busy: How it says that it takes no more for now.
    :param busy_for: How it says so and when to come back, so many seconds from now.
    :param pending: What a poll says while the video is being made.
    :param strange: What a poll says in a word that nobody knows, and the word.
    :param made_up: An id of its form that it never gave.
    :param expired: The kinds of request on which it answers that an id is unknown.
    :param unknown: How it says so.
    :param after_unknown_polls: What a task ends with whose id no poll knows, though the history may.
    :param sends_to_find_out: How many sends it takes to find a submission whose answer was lost.
    :param looks_to_find_out: Whether its records are looked into for that.
    :param lost_sends: How many answers in a row have to be lost before the submission's fate stays unknown.
    :param resubmission_buys: How many videos are paid for where a bought one is resubmitted unseen.
    :param death_before_sending: What the next try ends with where the last one died before it sent.
    :param states_size: Whether it describes the finished file.
    :param explicit: By version, what is in the body of a text-to-video that left everything to defaults.
    :param absent: By version, what is not, since the model would refuse it.
    :param audible: The version that is asked to make sound of its own.
    :param lacks: A task that it does not sell: the operator, its version, and the words of the error.
    :param too_long_at_1080p: A version, and a length that it does not make at 1080p though otherwise it does.
    """

    unit: str
    words: Callable[[str], Rule]
    no_credits: Rule
    moderated: Rule
    busy: tuple[Rule, ...]
    busy_for: Callable[[float], Rule]
    pending: Any
    strange: tuple[Any, str]
    made_up: str
    unknown: Rule
    expired: tuple[str, ...] = ("poll",)
    after_unknown_polls: type[PixverseError] | None = PixverseNotFoundError
    sends_to_find_out: int = 1
    looks_to_find_out: bool = True
    lost_sends: int = 1
    resubmission_buys: int = 2
    death_before_sending: str = "PixverseAmbiguousSubmitError"
    states_size: bool = True
    explicit: dict[str, dict[str, Any]]
    absent: dict[str, frozenset[str]]
    audible: str
    lacks: tuple[str, str, tuple[str, ...]]
    too_long_at_1080p: tuple[str, int] = ("v5", 8)


def _told_in_seconds(rule: Rule) -> Callable[[float], Rule]:
    return lambda seconds: {**rule, "headers": {"Retry-After": f"{seconds:.0f}"}}


def _envelope(code: int, words: str, *, content: Any = None) -> Rule:
    return {"status": 200, "body": {"ErrCode": code, "ErrMsg": words, "Resp": content}}


def _until(seconds: float) -> Rule:
    moment = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat().replace("+00:00", "Z")
    return {"status": 429, "headers": {"x-rate-limit-reset-at-utc": moment}}


_NO_DECIDING_FOR_US = {
    "generate_audio_switch": False,
    "generate_multi_clip_switch": False,
    "thinking_type": "auto",
}
_FRAME = {"duration": 5, "aspect_ratio": "16:9"}

VENDORS = {
    "aimlapi": Vendor(
        unit="credits",
        words=lambda words: {"status": 401, "body": {"message": words, "statusCode": "401"}},
        no_credits={"status": 403},
        moderated={"status": 400, "body": {"message": "The prompt was flagged by our content policy"}},
        busy=({"status": 429},),
        busy_for=_told_in_seconds({"status": 429}),
        pending={"id": "whatever", "status": "generating"},
        strange=({"id": "whatever", "status": "pondering"}, "pondering"),
        made_up="A" * 21,
        unknown={"status": 404},
        states_size=False,
        explicit={
            "v5": {**_FRAME, "model": "pixverse/v5/text-to-video", "resolution": "720p"},
            "v5.5": {
                **_FRAME,
                **_NO_DECIDING_FOR_US,
                "model": "pixverse/v5-5-text-to-video",
                "resolution": "720p",
            },
        },
        absent={
            "v5": frozenset({"lip_sync_tts_content", "lip_sync_tts_speaker", "seed", *_NO_DECIDING_FOR_US}),
            "v5.5": frozenset({"lip_sync_tts_content", "seed"}),
        },
        audible="v5.5",
        lacks=("extend", "v5", ("segmind", "pixverse")),
    ),
    "segmind": Vendor(
        unit="usd",
        words=lambda words: {"status": 401, "body": {"error": words}},
        no_credits={"status": 406},
        moderated={"status": 400, "body": {"error": "Blocked by the content policy of the provider."}},
        busy=({"status": 429},),
        busy_for=_until,
        pending={"status": "PROCESSING"},
        strange=({"status": "PONDERING"}, "PONDERING"),
        made_up="0d3adb0a-7f4e-4d3c-9a53-1f2f3c4d5e6f",
        unknown={"status": 404},
        expired=("poll", "logs"),
        after_unknown_polls=None,
        explicit={
            "v5": {
                **_FRAME,
                "quality": "720p",
                "motion_mode": "normal",
                "negative_prompt": "",
                "sound_effect_switch": False,
                "lip_sync_switch": False,
            },
            "v6": {
                **_FRAME,
                "quality": "720p",
                "negative_prompt": "",
                "generate_audio_switch": False,
                "thinking_type": "auto",
            },
        },
        absent={"v5": frozenset(_NO_DECIDING_FOR_US), "v6": frozenset({"sound_effect_switch"})},
        audible="v6",
        lacks=("lip_sync", "", ("aimlapi", "pixverse")),
    ),
    "pixverse": Vendor(
        unit="credits",
        words=lambda words: _envelope(10005, words),
        no_credits=_envelope(500090, "insufficient balance"),
        moderated=_envelope(500063, "the text failed pre-moderation"),
        busy=(
            _envelope(500044, "reached the limit for concurrent generations"),
            _envelope(500069, "the system is under high load"),
            {"status": 429},
        ),
        busy_for=_told_in_seconds(_envelope(500044, "reached the limit for concurrent generations")),
        pending={"ErrCode": 0, "ErrMsg": "success", "Resp": {"status": 5}},
        strange=({"ErrCode": 0, "ErrMsg": "success", "Resp": {"status": 4711}}, "4711"),
        made_up="123456789012345678",
        unknown=_envelope(500008, "requested data not found"),
        sends_to_find_out=2,
        looks_to_find_out=False,
        # The first, and those that are repeated under the same key.
        lost_sends=7,
        resubmission_buys=1,
        death_before_sending="finished",
        explicit={
            "v5": {
                **_FRAME,
                "model": "v5",
                "quality": "720p",
                "sound_effect_switch": False,
                "lip_sync_switch": False,
            },
            "v5.5": {**_FRAME, **_NO_DECIDING_FOR_US, "model": "v5.5", "quality": "720p"},
            "v4.5": {
                **_FRAME,
                "model": "v4.5",
                "quality": "720p",
                "motion_mode": "normal",
                "sound_effect_switch": False,
                "lip_sync_switch": False,
            },
        },
        absent={
            "v5": frozenset({"seed", "motion_mode", *_NO_DECIDING_FOR_US}),
            "v5.5": frozenset({"seed", "motion_mode", "sound_effect_switch", "lip_sync_switch"}),
            "v4.5": frozenset({"seed", *_NO_DECIDING_FOR_US}),
        },
        audible="v5.5",
        lacks=("extend", "v5.5", ("v5", "v6", "no gateway here offers it")),
        too_long_at_1080p=("v5.5", 10),
    ),
}
