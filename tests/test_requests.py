# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.media import KINDS, Medium, MediumKind
from airflow_provider_pixverse.requests import (
    VOICES,
    Extend,
    GenerationRequest,
    ImageToVideo,
    LipSync,
    Task,
    TextToVideo,
    Transition,
    build,
    shown,
)

PICTURE = "https://example.com/cat.png"
VIDEO = "https://example.com/cat.mp4"
SOUND = "https://example.com/cat.mp3"
LEAST: dict[type[GenerationRequest], dict[str, Any]] = {
    TextToVideo: {"prompt": "a dragon"},
    ImageToVideo: {"prompt": "a dragon", "image": PICTURE},
    Transition: {"prompt": "a dragon", "first_frame": PICTURE, "last_frame": PICTURE},
    Extend: {"prompt": "a dragon", "video": VIDEO},
    LipSync: {"video": VIDEO, "speech": "Hello"},
}
EVERY_KIND = pytest.mark.parametrize("kind", LEAST, ids=lambda kind: kind.task)
WITH_A_PROMPT = [kind for kind in LEAST if kind is not LipSync]


def refusal(kind: type[GenerationRequest], **fields: Any) -> str:
    with pytest.raises(PixverseRequestError) as caught:
        build(kind, **fields)
    return str(caught.value)


def test_there_is_one_request_for_every_task() -> None:
    assert {kind.task for kind in LEAST} == set(Task)


@EVERY_KIND
def test_the_least_that_a_task_needs_is_enough(kind: type[GenerationRequest]) -> None:
    assert build(kind, **LEAST[kind]).model_dump(exclude_unset=True) == LEAST[kind]


@EVERY_KIND
def test_a_missing_field_is_named(kind: type[GenerationRequest]) -> None:
    for field in LEAST[kind].keys() - {"speech"}:
        fields = {name: value for name, value in LEAST[kind].items() if name != field}
        text = refusal(kind, **fields)
        assert f"Invalid {kind.task} request, nothing was sent" in text
        assert f"{field} is required" in text


@pytest.mark.parametrize("kind", WITH_A_PROMPT, ids=lambda kind: kind.task)
def test_what_is_not_asked_for_is_the_same_for_every_task(kind: type[TextToVideo]) -> None:
    request = build(kind, **LEAST[kind])
    assert (request.version, request.resolution, request.duration) == ("v5", "720p", 5)
    assert (request.voice, request.thinking, request.audio, request.multi_clip) == (
        "auto",
        "auto",
        False,
        False,
    )
    for field in ("negative_prompt", "style", "seed", "speech", "sound_effect", "model", "extra"):
        assert getattr(request, field) is None, field


def test_a_text_to_video_is_wide_unless_asked_otherwise() -> None:
    assert build(TextToVideo, prompt="a dragon").aspect_ratio == "16:9"


@pytest.mark.parametrize("kind", [ImageToVideo, Transition, Extend, LipSync])
def test_the_input_decides_the_aspect_ratio(kind: type[GenerationRequest]) -> None:
    text = refusal(kind, **LEAST[kind], aspect_ratio="16:9")
    assert "aspect_ratio is not a field of it, which has " in text


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("v5", "v5"),
        ("5", "v5"),
        (5, "v5"),
        (" V5 ", "v5"),
        ("v5.5", "v5.5"),
        ("v5-5", "v5.5"),
        ("5.5", "v5.5"),
        (5.5, "v5.5"),
        ("v6", "v6"),
        ("c1", "c1"),
        ("C1", "c1"),
    ],
)
def test_a_version_is_understood_in_every_usual_spelling(given: Any, meant: str) -> None:
    assert build(TextToVideo, prompt="a dragon", version=given).version == meant


@pytest.mark.parametrize("version", ["latest", "v", "v5.5.5", "v5 turbo", "pixverse/v5"])
def test_what_is_no_version_is_refused(version: str) -> None:
    text = refusal(TextToVideo, prompt="a dragon", version=version)
    assert f"version={version!r}: a version looks like v5, v5.5 or c1" in text


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ("version", "v5"),
        ("voice", "auto"),
        ("thinking", "auto"),
        ("audio", False),
        ("multi_clip", False),
    ],
)
@pytest.mark.parametrize("blank", ["", "  ", None])
def test_an_unset_template_variable_leaves_the_default(field: str, default: Any, blank: str | None) -> None:
    assert getattr(build(TextToVideo, prompt="a dragon", **{field: blank}), field) == default


@pytest.mark.parametrize("field", ["negative_prompt", "style", "seed", "speech", "sound_effect", "model"])
@pytest.mark.parametrize("blank", ["", "  ", None])
def test_an_unset_template_variable_asks_for_nothing(field: str, blank: str | None) -> None:
    assert getattr(build(TextToVideo, prompt="a dragon", **{field: blank}), field) is None


def test_a_rendered_template_is_text_and_is_read_as_what_it_means() -> None:
    request = build(
        TextToVideo, prompt=" a dragon\n", duration="8", seed="42", audio="True", multi_clip="false"
    )
    assert (request.prompt, request.duration, request.seed) == ("a dragon", 8, 42)
    assert (request.audio, request.multi_clip) == (True, False)


@pytest.mark.parametrize("name", [*VOICES, "auto"])
def test_a_voice_is_known_by_name_in_any_case_of_letters(name: str) -> None:
    for spelling in (name, name.lower(), name.upper(), f" {name} "):
        assert build(TextToVideo, prompt="a dragon", speech="Hello", voice=spelling).voice == name


def test_the_voices_are_the_fourteen_that_every_gateway_has() -> None:
    theirs = "Harper Ava Isabella Sophia Emily Chloe Julia Mason Jack Liam James Oliver Adrian Ethan"
    assert sorted(VOICES) == sorted(theirs.split())


def test_an_unknown_voice_is_refused_with_the_known_ones() -> None:
    text = refusal(TextToVideo, prompt="a dragon", speech="Hello", voice="Clippy")
    assert "voice='Clippy': allowed are auto, " in text
    assert all(name in text for name in VOICES)


@pytest.mark.parametrize("kind", WITH_A_PROMPT, ids=lambda kind: kind.task)
def test_a_voice_without_words_is_refused(kind: type[GenerationRequest]) -> None:
    assert "voice 'Chloe' needs speech" in refusal(kind, **LEAST[kind], voice="Chloe")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "either audio or speech"),
        ({"audio": SOUND, "speech": "Hello"}, "either audio or speech"),
        ({"audio": "", "speech": " "}, "either audio or speech"),
        ({"audio": SOUND, "voice": "Chloe"}, "voice 'Chloe' goes with speech"),
    ],
)
def test_lips_follow_one_source_of_sound(fields: dict[str, str], said: str) -> None:
    assert said in refusal(LipSync, video=VIDEO, **fields)


@pytest.mark.parametrize("fields", [{"audio": SOUND}, {"speech": "Hello"}, {"speech": "Hi", "voice": "Ava"}])
def test_either_source_of_sound_will_do(fields: dict[str, str]) -> None:
    assert build(LipSync, video=VIDEO, **fields).model_dump(exclude_unset=True) == {"video": VIDEO, **fields}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("prompt", "  ", "prompt='  ': "),
        ("prompt", None, "prompt=None: "),
        ("resolution", "4k", "resolution='4k': Input should be '360p', '540p', '720p' or '1080p'"),
        ("resolution", 720, "resolution=720: "),
        ("duration", 0, "duration=0: Input should be greater than 0"),
        ("duration", -5, "duration=-5: "),
        ("duration", "soon", "duration='soon': "),
        ("duration", 5.5, "duration=5.5: "),
        ("aspect_ratio", "2:1", "aspect_ratio='2:1': Input should be '16:9', '4:3', '1:1'"),
        (
            "style",
            "oil",
            "style='oil': Input should be 'anime', '3d_animation', 'clay', 'comic' or 'cyberpunk'",
        ),
        ("seed", -1, "seed=-1: Input should be greater than or equal to 0"),
        ("seed", 2**31, "seed=2147483648: Input should be less than or equal to 2147483647"),
        ("thinking", "hard", "thinking='hard': Input should be 'auto', 'enabled' or 'disabled'"),
        ("negative_prompt", 5, "negative_prompt=5: "),
        ("audio", "perhaps", "audio='perhaps': "),
        ("extra", "motion", "extra='motion': "),
    ],
)
def test_a_wrong_value_is_refused_with_its_field_and_what_is_allowed(
    field: str, value: Any, said: str
) -> None:
    assert said in refusal(TextToVideo, **{"prompt": "a dragon", field: value})


@pytest.mark.parametrize("seed", [0, 2147483647])
def test_the_ends_of_a_range_belong_to_it(seed: int) -> None:
    assert build(TextToVideo, prompt="a dragon", seed=seed).seed == seed


def test_every_wrong_field_is_named_at_once() -> None:
    text = refusal(TextToVideo, resolution="4k", duration=0, promt="a dragon")
    assert "prompt is required" in text
    assert "resolution='4k'" in text
    assert "duration=0" in text
    assert "promt is not a field of it, which has " in text
    assert "prompt," in text.split("promt is not a field of it")[1]


@pytest.mark.parametrize(
    "extra", [{"when": object()}, {"share": float("nan")}, {"share": float("inf")}, {"raw": b"x"}]
)
def test_what_cannot_be_sent_as_json_is_refused(extra: dict[str, Any]) -> None:
    text = refusal(TextToVideo, prompt="a dragon", extra=extra)
    assert "extra=" in text
    assert "cannot be sent as JSON" in text


def test_a_long_value_is_cut_in_an_error() -> None:
    text = refusal(TextToVideo, prompt="a dragon", style="x" * 5000)
    assert len(text) < 300
    assert "…" in text


def test_an_input_given_as_a_signed_url_is_named_without_its_signature() -> None:
    assert shown(f"{PICTURE}?X-Amz-Signature=s3cr3t") == repr(PICTURE)
    assert shown("is it?") == "'is it?'"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        pytest.param(ImageToVideo, {"prompt": "a dragon", "image": ["s3cr3t"]}, id="a list of one URL"),
        pytest.param(TextToVideo, {"prompt": "a dragon", "audio": "s3cr3t"}, id="a URL in a switch"),
    ],
)
def test_a_signature_is_not_shown_wherever_the_url_was_put(
    kind: type[GenerationRequest], fields: dict[str, Any]
) -> None:
    signed = "https://a.example/b?signature=s3cr3t"
    fields = {
        field: [signed] if isinstance(value, list) else value.replace("s3cr3t", signed)
        for field, value in fields.items()
    }
    assert "s3cr3t" not in refusal(kind, **fields)


@EVERY_KIND
def test_a_request_is_not_changed_after_it_was_checked(kind: type[GenerationRequest]) -> None:
    request = build(kind, **LEAST[kind])
    with pytest.raises(ValidationError, match="frozen"):
        request.model = "other"  # type: ignore[misc]


@EVERY_KIND
def test_fields_that_hold_media_are_known_as_such(kind: type[GenerationRequest]) -> None:
    assert set(kind.media_fields) == set(kind.model_fields) & (KINDS.keys() - {"audio"} | _media_audio(kind))


def _media_audio(kind: type[GenerationRequest]) -> set[str]:
    return {"audio"} if kind is LipSync else set()


def test_a_medium_in_memory_becomes_a_data_uri() -> None:
    medium = Medium(MediumKind.IMAGE, content=b"\x89PNG", mime_type="image/png")
    assert medium.data_uri() == "data:image/png;base64,iVBORw=="
    assert "x89" not in repr(medium)
