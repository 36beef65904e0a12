# SPDX-License-Identifier: Apache-2.0
"""PixVerse's own models: what their bodies may hold, how long they take, what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_pixverse.sandbox.checks import Check, boolean, integer, one_of, text, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY_PARAMETER: Final = 400011
INVALID_BINDING: Final = 400013
INVALID_PARAMETER: Final = 400017
PROMPT_TOO_LONG: Final = 400018
NEGATIVE_PROMPT_TOO_LONG: Final = 400019
NOT_FOUND: Final = 500008

LONGEST_PROMPT: Final = 5000
LONGEST_OTHER_TEXT: Final = 2048
LONGEST_SPEECH: Final = 200
KINDS: Final = ("text", "img", "transition", "extend", "lip_sync")
"""What can be generated, as it stands in the path."""

_FIVE_RATIOS: Final = ("16:9", "4:3", "1:1", "3:4", "9:16")
_QUALITIES: Final = ("360p", "540p", "720p", "1080p")
_CAMERA: Final = (
    "horizontal_left", "horizontal_right", "vertical_up", "vertical_down", "zoom_in", "zoom_out", "crane_up",
    "quickly_zoom_in", "quickly_zoom_out", "smooth_zoom_in", "camera_rotation", "robo_arm",
    "super_dolly_out", "whip_pan", "hitchcock", "left_follow", "right_follow", "pan_left", "pan_right",
    "fix_bg",
)  # fmt: skip


@dataclass(frozen=True)
class Model:
    """
    One version.

    :param durations: seconds it makes.
    :param unless_1080p: those of them it does not make at 1080p.
    :param era: which switches it knows: "motion" (to v4.5), "effects" (v5), "clips" (v5.5 and later) or
        "audio" (c1).
    :param silent: credits without sound, a second or a clip, by quality.
    :param audible: credits with sound, likewise; none where it has no such switch.
    """

    durations: tuple[int, ...]
    era: str
    silent: Mapping[str, Any]
    audible: Mapping[str, Any]
    ratios: tuple[str, ...] = _FIVE_RATIOS
    unless_1080p: tuple[int, ...] = ()
    extends: bool = False


def _clips(*prices: tuple[int, ...], lengths: tuple[int, ...]) -> dict[str, dict[int, int]]:
    return {
        quality: dict(zip(lengths, row, strict=False))
        for quality, row in zip(_QUALITIES, prices, strict=True)
    }


def _seconds(*prices: int) -> dict[str, int]:
    return dict(zip(_QUALITIES, prices, strict=True))


_TO_V45: Final = Model(
    (5, 8), "motion", _clips((45, 90), (45, 90), (60, 120), (120,), lengths=(5, 8)), {},
    unless_1080p=(8,), extends=True,
)  # fmt: skip
_V5: Final = Model(
    (5, 8), "effects", _clips((45, 90), (45, 90), (60, 120), (120, 240), lengths=(5, 8)), {}, extends=True
)
# v5.5 has prices of its own, which are not published; it is sold here at v5.6's.
_V56: Final = Model(
    (5, 8, 10), "clips",
    _clips((35, 70, 77), (35, 70, 77), (45, 90, 99), (75, 150), lengths=(5, 8, 10)),
    _clips((80, 115, 122), (90, 115, 122), (80, 135, 144), (150, 195), lengths=(5, 8, 10)),
    unless_1080p=(10,),
)  # fmt: skip
_EIGHT_RATIOS: Final = (*_FIVE_RATIOS, "2:3", "3:2", "21:9")
_UP_TO_15: Final = tuple(range(1, 16))
MODELS: Final = {
    "v3.5": _TO_V45,
    "v4": _TO_V45,
    "v4.5": _TO_V45,
    "v5": _V5,
    "v5.5": _V56,
    "v5.6": _V56,
    "v6": Model(
        _UP_TO_15, "clips", _seconds(5, 7, 9, 18), _seconds(7, 9, 12, 23), ratios=_EIGHT_RATIOS, extends=True
    ),
    "c1": Model(_UP_TO_15, "audio", _seconds(6, 8, 10, 19), _seconds(8, 10, 13, 24), ratios=_EIGHT_RATIOS),
}

Complaint = tuple[int, str]
"""An ErrCode and what is said about it."""


class Refusal(Exception):
    """
    The vendor would not do it.

    :param code: the ErrCode.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


_SPOKEN: Final = {"lip_sync_switch": boolean, "lip_sync_tts_content": text, "lip_sync_tts_speaker_id": text}
_SOUND: Final = {
    "sound_effect_switch": boolean, "sound_effect_content": text, "sound_mode": one_of("default_music"),
}  # fmt: skip
_ANY: Final = {
    "negative_prompt": text, "style": one_of("anime", "3d_animation", "clay", "day", "comic", "cyberpunk"),
    "seed": integer, "template_id": integer, "water_mark": boolean, "webhook_id": text,
}  # fmt: skip
_MEDIA: Final[dict[str, dict[str, Check]]] = {
    "text": {},
    "img": {"img_id": integer},
    "transition": {"first_frame_img": integer, "last_frame_img": integer},
    "extend": {},
    "lip_sync": {},
}
_SOURCES: Final[dict[str, Check]] = {"source_video_id": integer, "video_media_id": integer}
_LIP_SYNC: Final[dict[str, Check]] = {
    **_SOURCES, "audio_media_id": integer, "lip_sync_tts_content": text, "lip_sync_tts_speaker_id": text,
}  # fmt: skip


def complaints(kind: str, body: Any) -> list[Complaint]:
    """
    Return everything the vendor would say against a body; nothing if it would take it.

    :param kind: one of :data:`KINDS`.
    """
    if not isinstance(body, dict):
        return [(INVALID_BINDING, f"invalid binding: expected an object, received {type_name(body)}")]
    name = body.get("model")
    if kind != "lip_sync" and not isinstance(name, str):
        return [(EMPTY_PARAMETER if name is None else INVALID_BINDING, "model")]
    model = None if kind == "lip_sync" else MODELS.get(str(name))
    if kind != "lip_sync" and (model is None or (kind == "extend" and not model.extends)):
        return [(INVALID_PARAMETER, f"invalid param: model {name} is not supported here")]
    required, optional = ({}, _LIP_SYNC) if model is None else _fields(kind, model)
    found = [
        (EMPTY_PARAMETER, f"empty parameter: {each}") for each in required if body.get(each) in (None, "")
    ]
    known = {**required, **optional}
    for field, value in body.items():
        if field not in known:
            found.append((INVALID_PARAMETER, _unknown(field, name)))
        elif wrong := known[field](value):
            code = INVALID_PARAMETER if wrong.startswith("Invalid enum") else INVALID_BINDING
            found.append((code, f"{field}: {wrong}"))
    return found or _contradictions(kind, model, body)


def price(kind: str, body: dict[str, Any], *, seconds_of_sound: float = 0) -> int:
    """Return what a valid body costs, in credits."""
    if kind == "lip_sync":
        if "lip_sync_tts_content" in body:
            return 4 * math.ceil(len(body["lip_sync_tts_content"].encode()) / 15)
        return 4 * math.ceil(seconds_of_sound)
    model, seconds = MODELS[body["model"]], body["duration"]
    table = model.audible if body.get("generate_audio_switch") else model.silent
    cost = table[body["quality"]]
    credits: int = cost[seconds] if isinstance(cost, dict) else cost * seconds
    if body.get("motion_mode") == "fast":
        credits *= 2
    if body.get("sound_effect_switch"):
        credits += 10 * math.ceil(seconds / 5)
    if body.get("lip_sync_switch"):
        credits += 4 * math.ceil(len(body["lip_sync_tts_content"].encode()) / 15)
    return credits


def takes(kind: str, body: dict[str, Any]) -> float:
    """Return the seconds a job takes, as resellers state them."""
    stated = {("c1", "text"): 110, ("v6", "img"): 100, ("v6", "transition"): 100, ("v5", "transition"): 55}
    return stated.get((body.get("model", ""), kind), 60)


def _fields(kind: str, model: Model) -> tuple[dict[str, Check], dict[str, Check]]:
    required: dict[str, Check] = {
        "model": text, "prompt": text, "duration": integer, "quality": one_of(*_QUALITIES), **_MEDIA[kind],
    }  # fmt: skip
    optional: dict[str, Check] = dict(_ANY)
    if kind == "text":
        required["aspect_ratio"] = one_of(*model.ratios)
    if kind == "extend":
        optional |= _SOURCES
        required["seed"] = integer
    if model.era == "motion":
        optional["motion_mode"] = one_of("normal", "fast")
        if kind in ("text", "img"):
            optional["camera_movement"] = one_of(*_CAMERA)
    if model.era in ("motion", "effects") and kind != "extend":
        optional |= {**_SPOKEN, **_SOUND}
    if model.era in ("clips", "audio"):
        optional["generate_audio_switch"] = boolean
    if model.era == "clips" and kind in ("text", "img"):
        optional["generate_multi_clip_switch"] = boolean
        optional["thinking_type"] = one_of("enabled", "disabled", "auto")
    return required, optional


def _unknown(field: str, model: Any) -> str:
    if field == "motion_mode":
        return "motion_mode is only supported for models v3.5, v4, and v4.5."
    return f"invalid param: {field} is not supported by {model or 'lip_sync'}"


def _contradictions(kind: str, model: Model | None, body: dict[str, Any]) -> list[Complaint]:
    found = _lengths(body)
    if kind in ("extend", "lip_sync") and ("source_video_id" in body) == ("video_media_id" in body):
        found.append((INVALID_PARAMETER, "one of source_video_id and video_media_id is required"))
    spoken = [each for each in ("lip_sync_tts_content", "lip_sync_tts_speaker_id") if body.get(each)]
    if kind == "lip_sync" and ("audio_media_id" in body) == bool(spoken):
        found.append((INVALID_PARAMETER, "one of audio_media_id and lip_sync_tts_content is required"))
    if len(spoken) == 1 or (body.get("lip_sync_switch") and not spoken):
        found.append((INVALID_PARAMETER, "lip_sync_tts_content and lip_sync_tts_speaker_id go together"))
    speaker = body.get("lip_sync_tts_speaker_id", "auto")
    if speaker not in ("auto", *map(str, range(1, 15))):
        found.append((INVALID_PARAMETER, f"invalid lip_sync_tts_speaker_id {speaker}"))
    if body.get("sound_effect_content") and body.get("sound_mode"):
        found.append((INVALID_PARAMETER, "sound_effect_content and sound_mode exclude one another"))
    if not 0 <= body.get("seed", 0) <= 2147483647:
        found.append((INVALID_PARAMETER, "seed is 0 to 2147483647"))
    return found + ([] if model is None else _frame(model, body))


def _frame(model: Model, body: dict[str, Any]) -> list[Complaint]:
    seconds, quality = body["duration"], body["quality"]
    if seconds not in model.durations:
        return [(INVALID_PARAMETER, f"invalid duration {seconds}")]
    if quality == "1080p" and seconds in model.unless_1080p:
        return [(INVALID_PARAMETER, f"1080p does not support {seconds} seconds")]
    if body.get("motion_mode") == "fast" and (seconds != 5 or quality == "1080p"):
        return [(INVALID_PARAMETER, "motion_mode:fast is only supported for 5 seconds, and not at 1080p")]
    return []


def _lengths(body: dict[str, Any]) -> list[Complaint]:
    limits = (
        ("prompt", LONGEST_PROMPT, PROMPT_TOO_LONG, "prompt is too long"),
        ("negative_prompt", LONGEST_OTHER_TEXT, NEGATIVE_PROMPT_TOO_LONG, "negative prompt is too long"),
        ("sound_effect_content", LONGEST_OTHER_TEXT, INVALID_PARAMETER, "sound_effect_content is too long"),
        ("lip_sync_tts_content", LONGEST_SPEECH, INVALID_PARAMETER, "lip_sync_tts_content is too long"),
    )
    return [(code, words) for field, longest, code, words in limits if len(body.get(field, "")) > longest]
