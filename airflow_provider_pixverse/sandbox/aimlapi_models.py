# SPDX-License-Identifier: Apache-2.0
"""AI/ML API's PixVerse models: their schemas, times and prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_pixverse.sandbox.checks import (
    Check,
    boolean,
    integer,
    link,
    one_of,
    seconds,
    text,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDITS_PER_USD: Final = 2_000_000


@dataclass(frozen=True)
class Model:
    """
    One model's schema, usual time and price.

    :param price: credits for five seconds, by resolution.
    :param takes: seconds, as the vendor's pages state them.
    """

    required: Mapping[str, Check]
    optional: Mapping[str, Check]
    price: dict[str, int]
    takes: float


_FEMALE: Final = ("Harper", "Ava", "Isabella", "Sophia", "Emily", "Chloe", "Julia")
_MALE: Final = ("Mason", "Jack", "Liam", "James", "Oliver", "Adrian", "Ethan")
_SHAPE: Final = {"aspect_ratio": one_of("16:9", "4:3", "1:1", "3:4", "9:16")}
_SPEECH: Final = {"lip_sync_tts_content": text, "lip_sync_tts_speaker": one_of(*_FEMALE, *_MALE, "Auto")}
_COMMON: Final = {
    "resolution": one_of("360p", "540p", "720p", "1080p"),
    "negative_prompt": text,
    "style": one_of("anime", "3d_animation", "clay", "comic", "cyberpunk"),
    "seed": integer,
}
_V5: Final = {**_COMMON, "duration": seconds(5, 8), **_SPEECH}
_V55: Final = {
    **_COMMON,
    "duration": seconds(5, 8, 10),
    "generate_audio_switch": boolean,
    "generate_multi_clip_switch": boolean,
    "thinking_type": one_of("enabled", "disabled", "auto"),
}
_PROMPT: Final = {"prompt": text}
_IMAGE: Final = {**_PROMPT, "image_url": link}
_FRAMES: Final = {**_IMAGE, "tail_image_url": link}
# From the costs in the vendor's samples: v5 720p, 1080p and 8 s, v5.5 1080p. The others are in proportion.
_V5_PRICE: Final = {"360p": 315_000, "540p": 315_000, "720p": 420_000, "1080p": 840_000}
_V55_PRICE: Final = {"360p": 1_875_000, "540p": 1_875_000, "720p": 2_500_000, "1080p": 5_000_000}
_SPEECH_PRICE: Final = 1_580_000
_SOUND_PRICE: Final = 500_000
_LIP_SYNC_PRICE: Final = 2_000_000

_V55_TEXT: Final = Model(_PROMPT, {**_V55, **_SHAPE}, _V55_PRICE, 123)
_V55_IMAGE: Final = Model(_IMAGE, _V55, _V55_PRICE, 50)
MODELS: Final = {
    "pixverse/v5/text-to-video": Model(_PROMPT, {**_V5, **_SHAPE}, _V5_PRICE, 74),
    "pixverse/v5/image-to-video": Model(_IMAGE, _V5, _V5_PRICE, 90),
    "pixverse/v5/transition": Model(_FRAMES, _V5, _V5_PRICE, 90),
    # The samples send the dashed ids, the schemas list the dotted ones.
    "pixverse/v5-5-text-to-video": _V55_TEXT,
    "pixverse/v5.5/text-to-video": _V55_TEXT,
    "pixverse/v5-5-image-to-video": _V55_IMAGE,
    "pixverse/v5.5/image-to-video": _V55_IMAGE,
    "pixverse/lip-sync": Model({"video_url": link}, {"audio_url": link, **_SPEECH}, {}, 34),
}


def complaints(body: Any) -> list[str]:
    """Return everything the vendor would say against a body; nothing if it would take it."""
    if not isinstance(body, dict):
        return [f"Expected object, received {type_name(body)}"]
    if wrong := one_of(*MODELS)(body["model"]) if "model" in body else "Required":
        return [f'{wrong} at "model"']
    model = MODELS[body["model"]]
    fields = {"model": one_of(*MODELS), **model.required, **model.optional}
    found = [f'Required at "{name}"' for name in model.required if name not in body]
    if unknown := [name for name in body if name not in fields]:
        found.append(f"Unrecognized key(s) in object: {', '.join(map(repr, unknown))}")
    found += [
        f'{wrong} at "{name}"' for name in body if name in fields and (wrong := fields[name](body[name]))
    ]
    return found or _contradictions(body)


def _contradictions(body: dict[str, Any]) -> list[str]:
    found = []
    if body.get("resolution") == "1080p" and str(body.get("duration")) == "8":
        found.append("The 1080p quality option does not support 8-second videos.")
    if ("lip_sync_tts_content" in body) != ("lip_sync_tts_speaker" in body):
        found.append("lip_sync_tts_content and lip_sync_tts_speaker must be provided together.")
    if body["model"] == "pixverse/lip-sync" and ("audio_url" in body) == ("lip_sync_tts_content" in body):
        found.append("Provide either audio_url or lip_sync_tts_content with lip_sync_tts_speaker.")
    return found


def price(body: dict[str, Any]) -> int:
    """Return what a valid body costs, in credits."""
    table = MODELS[body["model"]].price
    if not table:
        return _LIP_SYNC_PRICE
    credits_used = table[body.get("resolution", "720p")] * int(body.get("duration", 5)) // 5
    credits_used += _SPEECH_PRICE if "lip_sync_tts_content" in body else 0
    return credits_used + (_SOUND_PRICE if body.get("generate_audio_switch") else 0)
