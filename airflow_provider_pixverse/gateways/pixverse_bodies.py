# SPDX-License-Identifier: Apache-2.0
"""What is sent to PixVerse's own platform: the bodies of submissions and the parts of uploads."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse import catalog
from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.media import MediumKind
from airflow_provider_pixverse.requests import GenerationRequest, Task, VideoRequest, shown

if TYPE_CHECKING:
    from airflow_provider_pixverse.media import Medium

GATEWAY = "pixverse"

PATHS = {
    Task.TEXT_TO_VIDEO: "video/text/generate",
    Task.IMAGE_TO_VIDEO: "video/img/generate",
    Task.TRANSITION: "video/transition/generate",
    Task.EXTEND: "video/extend/generate",
    Task.LIP_SYNC: "video/lip_sync/generate",
}
FIELDS = {
    "prompt": "prompt",
    "aspect_ratio": "aspect_ratio",
    "resolution": "quality",
    "duration": "duration",
    "negative_prompt": "negative_prompt",
    "style": "style",
    "seed": "seed",
    "speech": "lip_sync_tts_content",
    "sound_effect": "sound_effect_content",
}
MEDIA = {
    "image": "img_id",
    "first_frame": "first_frame_img",
    "last_frame": "last_frame_img",
    "video": "video_media_id",
    "audio": "audio_media_id",
}
SWITCHES = {
    "audio": "generate_audio_switch",
    "multi_clip": "generate_multi_clip_switch",
    "thinking": "thinking_type",
}
CONTENT_SWITCHES = {"speech": "lip_sync_switch", "sound_effect": "sound_effect_switch"}
"""Like the switches above, sent whenever the model takes them and never where it does not: 400017."""

MOTION_MODE_VERSIONS = ("v3.5", "v4", "v4.5")
"""The versions that know ``motion_mode``; the later ones refuse it."""

LONGEST_TEXT = {"prompt": 5000, "negative_prompt": 2048, "sound_effect": 2048}
"""Characters. For the prompt some of the vendor's pages say 2048; the API reference is the later one."""


def body(request: GenerationRequest) -> dict[str, Any]:
    """
    Return the JSON body of a submission.

    :param request: What is wanted, with the ids of its uploaded media in its media fields.
    :raises PixverseRequestError: where the gateway cannot serve it.
    """
    row = catalog.check(GATEWAY, request)
    _check_texts(request)
    asked = request.model_dump(exclude={"model", "extra", "voice"}, exclude_none=True)
    fields: dict[str, Any] = {}
    if row is None or row.version:
        # Lip-sync is one model, and its endpoint has no field for it.
        fields["model"] = request.model or (row.model if row else "")
    for field, value in asked.items():
        if field in request.media_fields:
            fields[MEDIA[field]] = _media_id(field, value)
        elif field in FIELDS:
            fields[FIELDS[field]] = value
    if "speech" in asked:
        fields["lip_sync_tts_speaker_id"] = catalog.VOICE_IDS[getattr(request, "voice", "auto")]
    if isinstance(request, VideoRequest):
        fields |= _switches(request, row)
    return {**fields, **(request.extra or {})}


def upload_parts(medium: Medium) -> dict[str, Any]:
    """
    Return the parts of an upload's multipart form, as httpx takes them.

    :param medium: The medium; a URL is left to the vendor to fetch.
    """
    pictured = medium.kind is MediumKind.IMAGE
    name = "image" if pictured else "file"
    parts: dict[str, Any] = {} if pictured else {"media_type": (None, str(medium.kind))}
    if medium.url is not None:
        # A part without a file name is an ordinary field of the form.
        return {**parts, f"{name}_url": (None, medium.url)}
    content_type = medium.mime_type or "application/octet-stream"
    return {**parts, name: (_file_name(medium), medium.open(), content_type)}


def _check_texts(request: GenerationRequest) -> None:
    for field, longest in LONGEST_TEXT.items():
        length = len(getattr(request, field, None) or "")
        if length > longest:
            raise PixverseRequestError(
                f"{field} has {length} characters, allowed are {longest}. Nothing was sent."
            )


def _switches(request: VideoRequest, row: catalog.Offering | None) -> dict[str, Any]:
    """Return what the vendor would otherwise decide; of a model not in the catalogue, what was asked for."""
    switches: dict[str, Any] = {}
    for field, switch in {**SWITCHES, **CONTENT_SWITCHES}.items():
        value = getattr(request, field)
        if field in row.options if row else value != type(request).model_fields[field].default:
            switches[switch] = value if field in SWITCHES else value is not None
    if row is not None and row.version in MOTION_MODE_VERSIONS:
        switches["motion_mode"] = "normal"
    return switches


def _media_id(field: str, value: str) -> int:
    # 64-bit integers, refused by some of the endpoints when they are written as strings.
    if not value.isdecimal():
        raise PixverseRequestError(
            f"{field}={shown(value)} is not the id of an uploaded medium. Nothing was sent."
        )
    return int(value)


def _file_name(medium: Medium) -> str:
    name = medium.name or str(medium.kind)
    return name if "." in name else f"{name}{mimetypes.guess_extension(medium.mime_type) or ''}"
