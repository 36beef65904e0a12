# SPDX-License-Identifier: Apache-2.0
"""Bodies PixVerse's own platform takes, bodies it does not, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pixverse_client import PixverseClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_pixverse.sandbox import Sandbox

SPEECH = {"lip_sync_switch": True, "lip_sync_tts_content": "Hello", "lip_sync_tts_speaker_id": "auto"}
SOUND = {"sound_effect_switch": True, "sound_effect_content": "rain"}
WORDS = {"lip_sync_tts_content": "Hello", "lip_sync_tts_speaker_id": "7"}
CLIPS = {"generate_audio_switch": False, "generate_multi_clip_switch": False, "thinking_type": "auto"}

TAKEN: list[tuple[str, dict[str, Any]]] = [
    *(("text", {"model": version}) for version in ("v3.5", "v4", "v4.5", "v5", "v5.5", "v5.6", "v6", "c1")),
    *(("img", {"model": version}) for version in ("v3.5", "v5", "v5.5", "v6", "c1")),
    *(("transition", {"model": version}) for version in ("v3.5", "v5", "v5.6", "v6", "c1")),
    *(("extend", {"model": version}) for version in ("v3.5", "v4", "v4.5", "v5", "v6")),
    *(("text", {"quality": quality}) for quality in ("360p", "540p", "720p", "1080p")),
    *(("text", {"model": "v6", "aspect_ratio": ratio}) for ratio in ("2:3", "3:2", "21:9")),
    ("text", {"duration": 8}),
    ("text", {"quality": "1080p", "duration": 8}),
    ("text", {"model": "v5.6", "duration": 10}),
    ("text", {"model": "v6", "duration": 15, "quality": "1080p"}),
    ("text", {"model": "c1", "duration": 1}),
    ("text", {"model": "v4.5", "motion_mode": "fast"}),
    ("text", {"model": "v4", "camera_movement": "zoom_in"}),
    ("text", {"negative_prompt": "blur", "style": "clay", "seed": 2147483647, "water_mark": False}),
    ("text", {**SPEECH, **SOUND}),
    ("text", {"lip_sync_switch": False, "sound_effect_switch": False}),
    ("text", {"model": "v5.5", **CLIPS}),
    ("img", {"model": "v6", **CLIPS}),
    ("transition", {"model": "v6", "generate_audio_switch": True}),
    ("text", {"prompt": "x" * 5000}),
    ("lip_sync", WORDS),
]

REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("text", {"model": ...}, 400011, "model"),
    ("text", {"model": 5}, 400013, "model"),
    ("text", {"model": "v9"}, 400017, "model v9 is not supported"),
    ("text", {"prompt": ...}, 400011, "empty parameter: prompt"),
    ("text", {"prompt": ""}, 400011, "empty parameter: prompt"),
    ("text", {"prompt": 7}, 400013, "prompt: Expected string"),
    ("text", {"prompt": "x" * 5001}, 400018, "prompt is too long"),
    ("text", {"negative_prompt": "x" * 2049}, 400019, "negative prompt is too long"),
    ("text", {"negative_prompt": None}, 400013, "negative_prompt: Expected string, received null"),
    ("text", {"duration": ...}, 400011, "empty parameter: duration"),
    ("text", {"duration": "5"}, 400013, "duration: Expected integer"),
    ("text", {"duration": 10}, 400017, "invalid duration 10"),
    ("text", {"model": "v6", "duration": 16}, 400017, "invalid duration 16"),
    ("text", {"model": "v4.5", "quality": "1080p", "duration": 8}, 400017, "1080p does not support 8"),
    ("text", {"model": "v5.5", "quality": "1080p", "duration": 10}, 400017, "1080p does not support 10"),
    ("text", {"quality": ...}, 400011, "empty parameter: quality"),
    ("text", {"quality": "720P"}, 400017, "quality: Invalid enum"),
    ("text", {"aspect_ratio": ...}, 400011, "empty parameter: aspect_ratio"),
    ("text", {"aspect_ratio": "21:9"}, 400017, "aspect_ratio: Invalid enum"),
    ("img", {"aspect_ratio": "16:9"}, 400017, "aspect_ratio is not supported by v5"),
    ("text", {"seed": "7"}, 400013, "seed: Expected integer"),
    ("text", {"seed": 2147483648}, 400017, "seed is 0 to 2147483647"),
    ("text", {"motion_mode": "normal"}, 400017, "only supported for models v3.5, v4, and v4.5."),
    ("text", {"model": "v4", "motion_mode": "fast", "duration": 8}, 400017, "motion_mode:fast"),
    ("text", {"generate_audio_switch": False}, 400017, "generate_audio_switch is not supported by v5"),
    ("text", {"model": "v5.6", "sound_effect_switch": False}, 400017, "sound_effect_switch is not"),
    ("text", {"model": "v6", "lip_sync_switch": False}, 400017, "lip_sync_switch is not supported by v6"),
    ("text", {"model": "c1", "generate_multi_clip_switch": False}, 400017, "not supported by c1"),
    ("text", {"model": "c1", "thinking_type": "auto"}, 400017, "not supported by c1"),
    ("transition", {"model": "v6", "thinking_type": "auto"}, 400017, "not supported by v6"),
    ("text", {"model": "v6", "generate_audio_switch": "true"}, 400013, "Expected boolean"),
    ("text", {"lip_sync_switch": True}, 400017, "go together"),
    ("text", {**SPEECH, "lip_sync_tts_speaker_id": "Chloe"}, 400017, "invalid lip_sync_tts_speaker_id"),
    ("text", {**SPEECH, "lip_sync_tts_speaker_id": 5}, 400013, "Expected string"),
    ("text", {**SPEECH, "lip_sync_tts_content": "x" * 201}, 400017, "lip_sync_tts_content is too long"),
    ("text", {**SOUND, "sound_mode": "default_music"}, 400017, "exclude one another"),
    ("text", {"resolution": "720p"}, 400017, "resolution is not supported"),
    ("img", {"img_id": ...}, 400011, "empty parameter: img_id"),
    ("img", {"img_id": 7}, 400032, "invalid image id 7"),
    ("img", {"img_id": "7"}, 400013, "img_id: Expected integer"),
    ("img", {"image_url": "https://example.com/a.png"}, 400017, "image_url is not supported"),
    ("transition", {"last_frame_img": ...}, 400011, "empty parameter: last_frame_img"),
    ("transition", {"last_frame_img": 7}, 400032, "invalid image id 7"),
    ("extend", {"video_media_id": 7}, 500008, "invalid video id 7"),
    ("extend", {"video_media_id": ...}, 400017, "one of source_video_id and video_media_id"),
    ("extend", {"source_video_id": 7}, 400017, "one of source_video_id and video_media_id"),
    ("extend", {"video_media_id": ..., "source_video_id": 7}, 500008, "source_video_id"),
    ("extend", {"seed": ...}, 400011, "empty parameter: seed"),
    ("extend", {"model": "c1"}, 400017, "model c1 is not supported"),
    ("extend", {"model": "v5.6"}, 400017, "model v5.6 is not supported"),
    ("extend", SPEECH, 400017, "lip_sync_switch is not supported"),
    ("lip_sync", {}, 400017, "one of audio_media_id and lip_sync_tts_content"),
    ("lip_sync", {**WORDS, "audio_media_id": 7}, 400017, "one of audio_media_id and lip_sync_tts_content"),
    ("lip_sync", {"audio_media_id": 7}, 500008, "invalid audio id 7"),
    ("lip_sync", {"lip_sync_tts_content": "Hello"}, 400017, "go together"),
    ("lip_sync", {**WORDS, "prompt": "talk"}, 400017, "prompt is not supported by lip_sync"),
    ("lip_sync", {**WORDS, "video_media_id": ...}, 400017, "one of source_video_id"),
]

V56 = {"model": "v5.6"}
AUDIBLE = {"generate_audio_switch": True}
COSTS: list[tuple[str, dict[str, Any], int]] = [
    ("text", {"quality": "720p"}, 60),
    ("text", {"quality": "1080p", "duration": 8}, 240),
    ("text", {"model": "v4.5", "quality": "540p", "motion_mode": "fast"}, 90),
    ("text", {"model": "v4.5", "quality": "720p", "duration": 8}, 120),
    ("text", {**V56, "quality": "720p", "duration": 10}, 99),
    ("text", {**V56, **AUDIBLE, "quality": "1080p", "duration": 8}, 195),
    ("text", {"model": "v6", **AUDIBLE, "quality": "360p", "duration": 1}, 7),
    ("transition", {"model": "v6", "quality": "1080p", "duration": 15}, 270),
    ("text", {"model": "c1", **AUDIBLE, "quality": "540p"}, 50),
    ("extend", {"model": "v6", "quality": "720p", "duration": 3}, 27),
    ("text", {"quality": "720p", "duration": 8, **SOUND}, 140),
    ("text", {"quality": "720p", **SPEECH}, 64),
    ("lip_sync", {**WORDS, "lip_sync_tts_content": "é" * 8}, 8),
]


@pytest.fixture
def pixverse(sandbox: Sandbox) -> Iterator[PixverseClient]:
    client = PixverseClient(sandbox)
    with client.http:
        yield client


def inputs(pixverse: PixverseClient, kind: str) -> dict[str, Any]:
    """Return the media that a kind of generation needs."""
    if kind == "img":
        return {"img_id": pixverse.picture()}
    if kind == "transition":
        return {"first_frame_img": pixverse.picture(), "last_frame_img": pixverse.picture("blue")}
    if kind in ("extend", "lip_sync"):
        address = "https://example.com/cat.mp4"
        answer = pixverse.upload("media", "file_url", address, media_type="video")
        return {"video_media_id": answer["Resp"]["media_id"]}
    return {}


@pytest.mark.parametrize(("kind", "fields"), TAKEN, ids=str)
def test_a_valid_body_is_taken(
    pixverse: PixverseClient, sandbox: Sandbox, kind: str, fields: dict[str, Any]
) -> None:
    sandbox.faults([{"fail": True, "times": None}])  # no need to render any of these
    answer = pixverse.submit(kind, **{**inputs(pixverse, kind), **fields})
    assert (answer["ErrCode"], answer["ErrMsg"]) == (0, "success"), answer
    assert answer["Resp"].keys() == {"video_id", "credits"}
    assert sandbox.ledger()["bought"] == 1


@pytest.mark.parametrize(("kind", "fields", "code", "complaint"), REFUSED, ids=str)
def test_an_invalid_body_is_refused_with_a_200(
    pixverse: PixverseClient, sandbox: Sandbox, kind: str, fields: dict[str, Any], code: int, complaint: str
) -> None:
    answer = pixverse.submit(kind, **{**inputs(pixverse, kind), **fields})
    assert (answer["ErrCode"], answer["Resp"]) == (code, None), answer
    assert complaint in answer["ErrMsg"]
    ledger = sandbox.ledger()
    assert (ledger["submitted"], ledger["bought"]) == (1, 0)
    assert (ledger["refused"][0]["gateway"], ledger["refused"][0]["status"]) == ("pixverse", code)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"null"])
def test_what_is_not_a_json_object_is_refused(pixverse: PixverseClient, content: bytes) -> None:
    headers = {"Ai-trace-id": "3f1d9b62-7a9c-4d0e-8f0a-6f2f1f6f9a11", "Content-Type": "application/json"}
    answer = pixverse.http.post("video/text/generate", content=content, headers=headers)
    assert (answer.status_code, answer.json()["ErrCode"]) == (200, 400013)


@pytest.mark.parametrize(("kind", "fields", "credits"), COSTS, ids=str)
def test_prices_are_those_of_the_vendors_pages(
    pixverse: PixverseClient, sandbox: Sandbox, kind: str, fields: dict[str, Any], credits: int
) -> None:
    sandbox.faults([{"fail": True, "times": None}])
    answer = pixverse.submit(kind, **{**inputs(pixverse, kind), **fields})
    assert answer["Resp"]["credits"] == credits
    assert sandbox.ledger()["generations"][0]["cost"] == {"amount": credits, "unit": "credits"}
