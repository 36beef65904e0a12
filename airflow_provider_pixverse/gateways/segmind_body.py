# SPDX-License-Identifier: Apache-2.0
"""What is submitted to Segmind: the vendor's field names, and every value that it would choose otherwise."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse import catalog
from airflow_provider_pixverse.requests import VideoRequest

if TYPE_CHECKING:
    from airflow_provider_pixverse.requests import GenerationRequest

FIELDS = {
    "prompt": "prompt",
    "aspect_ratio": "aspect_ratio",
    "resolution": "quality",
    "duration": "duration",
    "negative_prompt": "negative_prompt",
    "style": "style",
}
MEDIA = {
    "image": "image_url",
    "first_frame": "first_frame_url",
    "last_frame": "last_frame_url",
    "video": "video_url",
}
SWITCHES = {
    "audio": "generate_audio_switch",
    "multi_clip": "generate_multi_clip_switch",
    "thinking": "thinking_type",
}


def body_of(request: GenerationRequest, *, key: str) -> dict[str, Any]:
    """
    Return the body of a submission, the same each time it is asked for.

    :param request: What is wanted, with its media as URLs.
    :param key: The submission's key, which decides the seed where the user has left it to chance.
    :raises PixverseRequestError: where Segmind cannot serve the request.
    """
    row = catalog.check("segmind", request)
    named = ((name, getattr(request, field, None)) for field, name in (FIELDS | MEDIA).items())
    body = {name: value for name, value in named if value is not None}
    if isinstance(request, VideoRequest):
        body |= {"motion_mode": "normal", "seed": seed_of(key) if request.seed is None else request.seed}
        body |= _options(request, row.options if row else _asked(request))
    elif isinstance(audio := getattr(request, "audio", None), str):
        body["audio_url"] = audio
    if speech := getattr(request, "speech", None):
        voice = catalog.VOICE_IDS[getattr(request, "voice", "auto")]
        body |= {"lip_sync_tts_content": speech, "lip_sync_tts_speaker_id": voice}
    return {**body, **(request.extra or {})}


def seed_of(key: str) -> int:
    """Return the seed that a submission's key stands for."""
    lowest, highest = catalog.SEGMIND_SEEDS
    return lowest + int(hashlib.sha256(key.encode()).hexdigest(), 16) % (highest - lowest + 1)


def _options(request: VideoRequest, takes: frozenset[str]) -> dict[str, Any]:
    options = {name: getattr(request, field) for field, name in SWITCHES.items() if field in takes}
    if "negative_prompt" in takes:
        # Left out, it would be "No sudden movements, no fast zooms."
        options["negative_prompt"] = request.negative_prompt or ""
    if "sound_effect" in takes:
        options["sound_effect_switch"] = request.sound_effect is not None
    if request.sound_effect is not None:
        options["sound_effect_content"] = request.sound_effect
    if "speech" in takes:
        options["lip_sync_switch"] = request.speech is not None
    return options


def _asked(request: VideoRequest) -> frozenset[str]:
    """Return the options to send a model that the catalogue does not know: those that were asked for."""
    fields = type(request).model_fields
    return frozenset(name for name in fields if getattr(request, name) != fields[name].default)
