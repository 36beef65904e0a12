# SPDX-License-Identifier: Apache-2.0
"""Bodies AI/ML API takes, and bodies it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sandbox_client import AimlApiClient

    from airflow_provider_pixverse.sandbox import Sandbox

IMAGE = "https://example.com/first.jpg"
TEXT5, IMAGE5, FRAMES5 = "pixverse/v5/text-to-video", "pixverse/v5/image-to-video", "pixverse/v5/transition"
TEXT55, IMAGE55 = "pixverse/v5-5-text-to-video", "pixverse/v5-5-image-to-video"
LIP_SYNC = "pixverse/lip-sync"
SPEECH = {"lip_sync_tts_content": "Hello", "lip_sync_tts_speaker": "Chloe"}
TALK = {"model": LIP_SYNC, "prompt": ..., "resolution": ..., "video_url": "https://example.com/face.mp4"}

TAKEN: list[dict[str, Any]] = [
    {},
    {"resolution": ...},
    *({"aspect_ratio": ratio} for ratio in ("16:9", "4:3", "1:1", "3:4", "9:16")),
    *({"resolution": resolution} for resolution in ("360p", "540p", "720p", "1080p")),
    *({"style": style} for style in ("anime", "3d_animation", "clay", "comic", "cyberpunk")),
    {"duration": 5},
    {"duration": "8"},
    {"duration": 8, "resolution": "720p"},
    {"negative_prompt": "blur", "seed": 0},
    SPEECH,
    {"model": IMAGE5, "image_url": IMAGE, **SPEECH},
    {"model": IMAGE5, "image_url": "data:image/png;base64,iVBORw0KGgo="},
    {"model": FRAMES5, "image_url": IMAGE, "tail_image_url": IMAGE},
    {"model": TEXT55, "duration": 10, "aspect_ratio": "1:1"},
    {"model": TEXT55, "generate_audio_switch": True, "generate_multi_clip_switch": False},
    *({"model": TEXT55, "thinking_type": thinking} for thinking in ("enabled", "disabled", "auto")),
    {"model": "pixverse/v5.5/text-to-video"},
    {"model": IMAGE55, "image_url": IMAGE, "duration": "10", "resolution": "1080p"},
    {"model": "pixverse/v5.5/image-to-video", "image_url": IMAGE},
    {**TALK, **SPEECH},
    {**TALK, "audio_url": "https://example.com/speech.mp3"},
]

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"model": ...}, 'Required at "model"'),
    ({"model": "pixverse/v6/text-to-video"}, "Invalid enum value. Expected 'pixverse/v5/text-to-video' | "),
    ({"prompt": ...}, 'Required at "prompt"'),
    ({"prompt": ""}, "String must contain at least 1 character(s)"),
    ({"prompt": None}, "Expected string, received null"),
    ({"prompt": 7}, "Expected string, received number"),
    ({"resolution": "4k"}, "received '4k' at \"resolution\""),
    ({"quality": "360p"}, "Unrecognized key(s) in object: 'quality'"),
    ({"aspect_ratio": "21:9"}, "received '21:9' at \"aspect_ratio\""),
    ({"duration": 6}, "Expected 5 | 8, received 6"),
    ({"duration": 10}, "Expected 5 | 8, received 10"),
    ({"duration": 5.5}, "received 5.5"),
    ({"duration": "05"}, "received '05'"),
    ({"duration": True}, "received True"),
    ({"resolution": "1080p", "duration": 8}, "The 1080p quality option does not support 8-second videos."),
    ({"resolution": "1080p", "duration": "8"}, "The 1080p quality option does not support 8-second videos."),
    ({"style": "oil"}, "Invalid enum value. Expected 'anime'"),
    ({"seed": "7"}, "Expected integer, received string"),
    ({"seed": 7.5}, "Expected integer, received number"),
    ({"lip_sync_tts_content": "Hello"}, "must be provided together"),
    ({"lip_sync_tts_speaker": "Chloe"}, "must be provided together"),
    ({**SPEECH, "lip_sync_tts_speaker": "5"}, "received '5' at \"lip_sync_tts_speaker\""),
    ({"generate_audio_switch": False}, "Unrecognized key(s)"),
    ({"image_url": IMAGE}, "Unrecognized key(s)"),
    ({"model": IMAGE5}, 'Required at "image_url"'),
    ({"model": IMAGE5, "image_url": IMAGE, "aspect_ratio": "16:9"}, "Unrecognized key(s)"),
    ({"model": IMAGE5, "image_url": "s3://bucket/first.jpg"}, 'Invalid url at "image_url"'),
    ({"model": IMAGE5, "image_url": "data:image/png;base64,*"}, 'Invalid url at "image_url"'),
    ({"model": FRAMES5, "image_url": IMAGE}, 'Required at "tail_image_url"'),
    ({"model": FRAMES5, "image_url": IMAGE, "last_image_url": IMAGE}, "'last_image_url'"),
    ({"model": TEXT55, **SPEECH}, "'lip_sync_tts_content', 'lip_sync_tts_speaker'"),
    ({"model": TEXT55, "thinking_type": "off"}, "received 'off'"),
    ({"model": TEXT55, "generate_audio_switch": "true"}, "Expected boolean, received string"),
    ({"model": TEXT55, "resolution": "1080p", "duration": 8}, "does not support 8-second videos"),
    ({"model": IMAGE55, "image_url": IMAGE, "aspect_ratio": "16:9"}, "Unrecognized key(s)"),
    (TALK, "Provide either audio_url or lip_sync_tts_content"),
    ({**TALK, **SPEECH, "audio_url": "https://example.com/a.mp3"}, "Provide either audio_url"),
    ({**TALK, **SPEECH, "prompt": "talking"}, "Unrecognized key(s) in object: 'prompt'"),
    ({**TALK, **SPEECH, "video_url": ...}, 'Required at "video_url"'),
]


@pytest.mark.parametrize("fields", TAKEN, ids=str)
def test_a_valid_body_is_taken(aimlapi: AimlApiClient, sandbox: Sandbox, fields: dict[str, Any]) -> None:
    sandbox.faults([{"fail": True, "times": None}])  # no need to render any of these
    answer = aimlapi.submit(**fields)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "queued"
    assert sandbox.ledger()["bought"] == 1


@pytest.mark.parametrize(("fields", "complaint"), REFUSED, ids=str)
def test_an_invalid_body_is_refused_in_the_vendors_words(
    aimlapi: AimlApiClient, sandbox: Sandbox, fields: dict[str, Any], complaint: str
) -> None:
    answer = aimlapi.submit(**fields)
    assert answer.status_code == 400
    said = answer.json()
    assert said["message"].startswith("Body validation error\n")
    assert complaint in said["message"]
    assert said["statusCode"] == "400"
    assert said["path"] == "/v2/video/generations"
    ledger = sandbox.ledger()
    assert (ledger["submitted"], ledger["bought"], ledger["generations"]) == (1, 0, [])
    assert complaint in ledger["refused"][0]["reason"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"null"])
def test_what_is_not_a_json_object_is_refused(aimlapi: AimlApiClient, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = aimlapi.http.post(aimlapi.universal, content=content, headers=headers)
    assert answer.status_code == 400


def test_a_form_is_refused(aimlapi: AimlApiClient) -> None:
    answer = aimlapi.http.post(aimlapi.universal, data={"model": TEXT5, "prompt": "a lake"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("fields", "credits_used"),
    [
        ({"resolution": "720p"}, 420_000),
        ({"resolution": "1080p"}, 840_000),
        ({"resolution": "720p", "duration": "8"}, 672_000),
        ({"resolution": ..., "model": IMAGE5, "image_url": IMAGE, **SPEECH}, 2_000_000),
        ({**TALK, **SPEECH}, 2_000_000),
        ({"model": TEXT55, "resolution": "1080p"}, 5_000_000),
    ],
    ids=str,
)
def test_prices_are_those_of_the_vendors_samples(
    aimlapi: AimlApiClient, sandbox: Sandbox, fields: dict[str, Any], credits_used: int
) -> None:
    sandbox.faults([{"fail": True, "times": None}])
    answer = aimlapi.submit(**fields)
    assert answer.json()["meta"] == {"usage": {"credits_used": credits_used}}
    assert answer.headers["x-aimlapi-credits-used"] == str(credits_used)
    assert float(answer.headers["x-aimlapi-usd-spent"]) == credits_used / 2_000_000
