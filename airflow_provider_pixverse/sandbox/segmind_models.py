# SPDX-License-Identifier: Apache-2.0
"""Segmind's PixVerse models: their parameters, what stands in for one left out, times and prices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from airflow_provider_pixverse.sandbox.checks import boolean, integer, one_of, text, type_name
from airflow_provider_pixverse.sandbox.jobs import Order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_pixverse.sandbox.checks import Check


def string(value: Any) -> str | None:
    return None if isinstance(value, str) else f"Expected string, received {type_name(value)}"


def uri(value: Any) -> str | None:
    if wrong := string(value):
        return wrong
    parts = urlsplit(value)
    return None if parts.scheme in ("http", "https") and parts.hostname else "Invalid url"


def count(*allowed: int) -> Check:
    def check(value: Any) -> str | None:
        wrong = integer(value)
        expected = f"Expected {' | '.join(map(str, allowed))}, received {value!r}"
        return wrong or (None if value in allowed else expected)

    return check


def seed(value: Any) -> str | None:
    return integer(value) or (None if 1 <= value <= 999_999 else "must be between 1 and 999999")


def nullable(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


@dataclass(frozen=True)
class Model:
    """
    One model's page.

    :param price: US dollars for each second, by quality.
    :param takes: seconds, as its page states them.
    :param defaults: what the vendor takes for a parameter that is left out, where that can be seen or heard.
    :param only_5_s_at_1080p: whether its page says so.
    """

    required: Mapping[str, Check]
    optional: Mapping[str, Check]
    price: Mapping[str, float]
    takes: float
    defaults: Mapping[str, Any] = field(default_factory=dict)
    only_5_s_at_1080p: bool = False


_NORMAL: Final = one_of("normal")
_EITHER: Final = one_of("normal", "fast")
_QUALITY: Final = one_of("360p", "540p", "720p", "1080p")
_FIVE: Final = ("16:9", "4:3", "1:1", "3:4", "9:16")
_REQUIRED: Final = {"duration": count(5, 8), "motion_mode": _NORMAL, "prompt": text, "quality": _QUALITY}
_SPEECH: Final = {
    "lip_sync_switch": boolean,
    "lip_sync_tts_content": nullable(string),
    "lip_sync_tts_speaker_id": nullable(one_of("auto", *map(str, range(1, 15)))),
}
_SOUND: Final = {"sound_effect_switch": boolean, "sound_effect_content": string}
_NEGATIVE: Final = {"negative_prompt": string}
_SEED: Final = {"seed": seed}
_SHAPE: Final = {"aspect_ratio": one_of(*_FIVE), "image_url": uri}
_FRAMES: Final = {"first_frame_url": uri, "last_frame_url": uri}
_HEARD: Final = {"seed": 12345, "sound_effect_switch": True}
_SEEDED: Final = {"seed": 12345}
# "$0.375 - $1.00 per generation", in proportion to PixVerse's own prices by quality and length.
_PRICE: Final = {"360p": 0.075, "540p": 0.075, "720p": 0.1, "1080p": 0.2}
# "$0.044 - $2.16 per generation", one to fifteen seconds; those between are in proportion.
_V6_PRICE: Final = {"360p": 0.044, "540p": 0.056, "720p": 0.072, "1080p": 0.115}
_V6_AUDIO: Final = {"360p": 0.055, "540p": 0.07, "720p": 0.09, "1080p": 0.144}

MODELS: Final = {
    "pixverse-5-transition": Model(
        _REQUIRED, {**_FRAMES, **_SPEECH, **_SEED, **_SOUND}, _PRICE, 76.7, defaults=_HEARD
    ),
    "pixverse-5-video": Model(
        _REQUIRED, {**_SHAPE, **_NEGATIVE, **_SEED, **_SOUND, **_SPEECH}, _PRICE, 61.89,
        defaults=_HEARD, only_5_s_at_1080p=True,
    ),
    "pixverse-5-extend": Model(
        {**_REQUIRED, "video_url": uri}, {**_NEGATIVE, **_SEED}, _PRICE, 92.04,
        defaults=_SEEDED, only_5_s_at_1080p=True,
    ),
    "pixverse-4.5-video": Model(
        {**_REQUIRED, "motion_mode": _EITHER}, {**_SHAPE, **_NEGATIVE, **_SEED}, _PRICE, 46.22,
        defaults=_SEEDED, only_5_s_at_1080p=True,
    ),
    "pixverse-4.5-transition": Model(
        {"duration": count(5, 8), "motion_mode": _EITHER, "quality": _QUALITY, **_FRAMES},
        {"prompt": text, **_SEED}, _PRICE, 57.83, defaults=_SEEDED,
    ),
    "pixverse-v6": Model(
        {"duration": count(*range(1, 16)), "prompt": text, "quality": _QUALITY},
        {
            "aspect_ratio": one_of(*_FIVE, "2:3", "3:2", "21:9"), "generate_audio_switch": boolean,
            "image_url": uri, "motion_mode": _NORMAL, "thinking_type": one_of("auto", "enabled", "disabled"),
            **_NEGATIVE, **_SEED,
        },
        _V6_PRICE, 58.49, defaults={"seed": 12345, "generate_audio_switch": True},
    ),
}  # fmt: skip


def complaints(slug: str, body: Any) -> list[str]:
    """Return everything the vendor would say against a body; nothing if it would take it."""
    if not isinstance(body, dict):
        return [f"Expected object, received {type_name(body)}"]
    model = MODELS[slug]
    fields = {**model.required, **model.optional}
    found = [f"{name}: Required" for name in model.required if name not in body]
    found += [f"{name}: Unknown parameter" for name in body if name not in fields]
    found += [f"{name}: {wrong}" for name in body if name in fields and (wrong := fields[name](body[name]))]
    return found or _contradictions(model, body)


def _contradictions(model: Model, body: dict[str, Any]) -> list[str]:
    found = []
    fast = body.get("motion_mode") == "fast"
    if body["duration"] != 5 and ((model.only_5_s_at_1080p and body["quality"] == "1080p") or fast):
        found.append("duration: only 5 is allowed for fast mode or 1080p quality")
    if fast and body["quality"] == "1080p":
        found.append("motion_mode: 1080p does not support fast")
    if body.get("lip_sync_switch") and not (
        body.get("lip_sync_tts_content") and body.get("lip_sync_tts_speaker_id")
    ):
        found.append("lip_sync_switch: needs lip_sync_tts_content and lip_sync_tts_speaker_id")
    return found


def price(slug: str, body: dict[str, Any]) -> float:
    """Return what a valid body costs, in US dollars."""
    model = MODELS[slug]
    audio = {**model.defaults, **body}.get("generate_audio_switch")
    a_second = (_V6_AUDIO if audio else model.price)[body["quality"]]
    return round(a_second * int(body["duration"]), 3)


def order_of(slug: str, body: dict[str, Any]) -> Order:
    """Return what a valid body asks for, with what the vendor takes for the parameters it leaves out."""
    wanted = {**MODELS[slug].defaults, **body}
    audible = wanted.get("sound_effect_switch") or wanted.get("generate_audio_switch")
    return Order(
        model=slug,
        prompt=wanted.get("prompt", ""),
        short_side=int(wanted["quality"].removesuffix("p")),
        seconds=float(wanted["duration"]),
        seed=wanted["seed"],
        aspect_ratio=wanted.get("aspect_ratio"),
        # A video to extend is where the new one starts.
        first_frame=wanted.get("image_url") or wanted.get("first_frame_url") or wanted.get("video_url"),
        last_frame=wanted.get("last_frame_url"),
        sound="speech" if wanted.get("lip_sync_switch") else "ambience" if audible else None,
    )
