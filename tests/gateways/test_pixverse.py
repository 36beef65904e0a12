# SPDX-License-Identifier: Apache-2.0
"""
PixVerse's own contract, against bodies as its pages and its server give them.

What the vendor takes and charges is written out here once more, from its pages and not from the catalogue.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_pixverse.catalog import VOICE_IDS
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseGoneError,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.gateways import make_gateway
from airflow_provider_pixverse.gateways.pixverse import PixverseGateway
from airflow_provider_pixverse.generation import Balance, Cost, Generation, GenerationStatus
from airflow_provider_pixverse.media import Medium, MediumKind
from airflow_provider_pixverse.requests import (
    VOICES,
    Extend,
    ImageToVideo,
    LipSync,
    TextToVideo,
    Transition,
    build,
)
from airflow_provider_pixverse.rules.sending import Attempts, Send, Stop
from airflow_provider_pixverse.rules.sending import decide as decide_on_submission
from airflow_provider_pixverse.rules.waiting import GiveUp, Watch, decide

if TYPE_CHECKING:
    from airflow_provider_pixverse.requests import GenerationRequest

KEY = "sk-pixverse-key"
SUBMISSION = "3f1d9b62-7a9c-4d0e-8f0a-6f2f1f6f9a11"
VIDEO_ID = "627410861853514292"
PICTURE_ID, OTHER_PICTURE_ID, MEDIUM_ID, RECORDING_ID = (
    "427410861853514291", "427410861853514293", "527410861853514297", "527410861853514299",
)  # fmt: skip

FINISHED: dict[str, Any] = {
    "id": 397959714188216,
    "prompt": "a dragon",
    "negative_prompt": "blur",
    "url": "https://media.pixverseai.cn/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2Fa_seed1949340905.mp4",
    "status": 1,
    "seed": 1949340905,
    "create_time": "2026-05-06T03:19:02Z",
    "modify_time": "2026-05-06T03:19:36Z",
    "outputWidth": 1024,
    "outputHeight": 576,
    "has_audio": True,
    "credits": 50,
}
"""A finished generation as the Chinese server described it, May 2026: c1, 540p, 5 s with sound."""

NEEDS: dict[type[GenerationRequest], dict[str, Any]] = {
    TextToVideo: {"prompt": "a dragon"},
    ImageToVideo: {"prompt": "a dragon", "image": PICTURE_ID},
    Transition: {"prompt": "a dragon", "first_frame": PICTURE_ID, "last_frame": OTHER_PICTURE_ID},
    Extend: {"prompt": "a dragon", "video": MEDIUM_ID},
    LipSync: {"video": MEDIUM_ID, "speech": "Hello"},
}
MEDIA: dict[type[GenerationRequest], dict[str, Any]] = {
    TextToVideo: {"aspect_ratio": "16:9"},
    ImageToVideo: {"img_id": int(PICTURE_ID)},
    Transition: {"first_frame_img": int(PICTURE_ID), "last_frame_img": int(OTHER_PICTURE_ID)},
    Extend: {"video_media_id": int(MEDIUM_ID)},
}
SILENT = {"lip_sync_switch": False, "sound_effect_switch": False}
NORMAL = {"motion_mode": "normal"}
MUTE = {"generate_audio_switch": False}
SINGLE = {**MUTE, "generate_multi_clip_switch": False, "thinking_type": "auto"}
VIDEOS = (TextToVideo, ImageToVideo, Transition)
EXPLICIT: dict[tuple[type[GenerationRequest], str], dict[str, Any]] = {
    **{(kind, version): {**NORMAL, **SILENT} for kind in VIDEOS for version in ("v3.5", "v4", "v4.5")},
    **{(kind, "v5"): SILENT for kind in VIDEOS},
    **{(kind, version): SINGLE for kind in VIDEOS[:2] for version in ("v5.5", "v5.6", "v6")},
    **{(Transition, version): MUTE for version in ("v5.5", "v5.6", "v6")},
    **{(kind, "c1"): MUTE for kind in VIDEOS},
    **{(Extend, version): NORMAL for version in ("v3.5", "v4", "v4.5")},
    (Extend, "v5"): {},
    (Extend, "v6"): MUTE,
}
"""What a plain request says besides what was asked for, of every task and version that there is."""

LENGTHS = {
    **dict.fromkeys(("v3.5", "v4", "v4.5", "v5"), (5, 8)),
    **dict.fromkeys(("v5.5", "v5.6"), (5, 8, 10)),
    **dict.fromkeys(("v6", "c1"), tuple(range(1, 16))),
}
NOT_AT_1080P = {**dict.fromkeys(("v3.5", "v4", "v4.5"), 8), **dict.fromkeys(("v5.5", "v5.6"), 10)}
QUALITIES = ("360p", "540p", "720p", "1080p")
MOST_RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16")

SECONDS: dict[tuple[str, bool], tuple[int, ...]] = {
    ("v6", False): (5, 7, 9, 18),
    ("v6", True): (7, 9, 12, 23),
    ("c1", False): (6, 8, 10, 19),
    ("c1", True): (8, 10, 13, 24),
}
CLIPS: dict[tuple[str, bool], dict[int, tuple[int | None, ...]]] = {
    **{
        (version, False): {5: (45, 45, 60, 120), 8: (90, 90, 120, None)} for version in ("v3.5", "v4", "v4.5")
    },
    ("v5", False): {5: (45, 45, 60, 120), 8: (90, 90, 120, 240)},
    ("v5.6", False): {5: (35, 35, 45, 75), 8: (70, 70, 90, 150), 10: (77, 77, 99, None)},
    ("v5.6", True): {5: (80, None, 80, 150), 8: (115, 115, 135, 195), 10: (122, 122, 144, None)},
    **{("v5.5", audio): dict.fromkeys((5, 8, 10), (None,) * 4) for audio in (False, True)},
}
PRICES = [
    *(
        (version, audio, quality, seconds, a_second * seconds)
        for (version, audio), row in SECONDS.items()
        for quality, a_second in zip(QUALITIES, row, strict=True)
        for seconds in range(1, 16)
    ),
    *(
        (version, audio, quality, seconds, price)
        for (version, audio), lengths in CLIPS.items()
        for seconds, row in lengths.items()
        for quality, price in zip(QUALITIES, row, strict=True)
    ),
]


@pytest.fixture
def gateway() -> PixverseGateway:
    return PixverseGateway(KEY)


def ask(kind: type[GenerationRequest], **fields: Any) -> GenerationRequest:
    return build(kind, **{**NEEDS[kind], **fields})


def sent(gateway: PixverseGateway, request: GenerationRequest) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(gateway.submit(request, key=SUBMISSION).content)
    return body


def envelope(content: Any = None, code: Any = 0, message: str = "success") -> dict[str, Any]:
    return {"ErrCode": code, "ErrMsg": message, "Resp": content}


def answer(request: httpx.Request, body: Any = None, status: int = 200, **headers: str) -> httpx.Response:
    """Return an answer; a body that is no JSON is given as bytes."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.Response(status, content=content, headers=names, request=request)


def submitted(gateway: PixverseGateway, *args: Any, **kwargs: Any) -> Generation:
    post = gateway.submit(ask(TextToVideo), key=SUBMISSION)
    return gateway.submitted(answer(post, *args, **kwargs))


def polled(gateway: PixverseGateway, *args: Any, **kwargs: Any) -> Generation:
    return gateway.polled(answer(gateway.poll(VIDEO_ID), *args, **kwargs))


def form(request: httpx.Request) -> dict[str, tuple[str | None, str | None, bytes]]:
    """Return the parts of a multipart form: file name, type and content by name of the field."""
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    assert request.headers["content-type"].startswith("multipart/form-data")
    parts = {}
    for part in request.read().split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        lines = head.decode().strip().splitlines()
        fields = dict(each.strip().split("=", 1) for each in lines[0].split(";")[1:])
        kinds = [line.split(": ")[1] for line in lines[1:] if line.lower().startswith("content-type")]
        parts[fields["name"].strip('"')] = (
            fields["filename"].strip('"') if "filename" in fields else None,
            kinds[0] if kinds else None,
            content.removesuffix(b"\r\n"),
        )
    return parts


class TestWhereItIs:
    @pytest.mark.parametrize(
        ("region", "host"),
        [
            (None, "https://app-api.pixverse.ai"),
            ("international", "https://app-api.pixverse.ai"),
            ("china", "https://app-api.pixverseai.cn"),
        ],
    )
    def test_a_region_has_a_host_of_its_own(self, region: str | None, host: str) -> None:
        gateway = make_gateway("pixverse", KEY, region=region)
        assert str(gateway.balance().url) == f"{host}/openapi/v2/account/balance"

    def test_everything_is_below_the_connections_host(self) -> None:
        gateway = PixverseGateway(KEY, base_url="http://127.0.0.1:8765/pixverse/", region="china")
        medium = Medium(MediumKind.IMAGE, url="https://example.com/cat.png")
        for request in (
            gateway.submit(ask(TextToVideo), key=SUBMISSION),
            gateway.poll(VIDEO_ID),
            gateway.balance(),
            gateway.upload("image", medium),
        ):
            assert str(request.url).startswith("http://127.0.0.1:8765/pixverse/openapi/v2/")

    def test_the_key_is_a_header_of_its_own_and_nothing_else_shows_it(self, gateway: PixverseGateway) -> None:
        request = gateway.submit(ask(TextToVideo), key=SUBMISSION)
        assert request.headers["API-KEY"] == KEY
        assert "authorization" not in request.headers
        assert KEY not in f"{request.url}{request.content!r}{gateway!r}"


class TestTrace:
    """The vendor answers a trace id it knows with what it answered before."""

    def test_a_submission_sent_again_is_the_same_to_the_byte(self, gateway: PixverseGateway) -> None:
        for kind in NEEDS:
            first, second = (gateway.submit(ask(kind), key=SUBMISSION) for _ in range(2))
            assert first.headers["Ai-trace-id"] == second.headers["Ai-trace-id"]
            assert first.content == second.content
        assert gateway.repeats_safely

    def test_it_is_the_key_itself_so_that_a_person_can_look_for_it(self) -> None:
        request = PixverseGateway("other").submit(ask(TextToVideo), key=SUBMISSION)
        assert request.headers["Ai-trace-id"] == SUBMISSION

    def test_a_key_that_is_no_uuid_makes_the_same_one_everywhere(self) -> None:
        request = PixverseGateway("other").submit(ask(TextToVideo), key="order-8f21c4")
        assert request.headers["Ai-trace-id"] == "2400f71e-73d9-590d-9a50-fae65f7ac68e"

    def test_another_submission_has_another(self, gateway: PixverseGateway) -> None:
        keys = (SUBMISSION, "00000000-0000-4000-8000-000000000000")
        traces = {gateway.submit(ask(TextToVideo), key=key).headers["Ai-trace-id"] for key in keys}
        assert len(traces) == 2

    def test_whatever_else_is_asked_has_one_of_its_own(self, gateway: PixverseGateway) -> None:
        medium = Medium(MediumKind.VIDEO, url="https://example.com/cat.mp4")
        requests = [
            make()
            for make in (
                lambda: gateway.poll(VIDEO_ID),
                gateway.balance,
                lambda: gateway.upload("video", medium),
            )
            for _ in range(2)
        ]
        traces = [uuid.UUID(request.headers["Ai-trace-id"]) for request in requests]
        assert len(set(traces)) == 6
        assert {trace.version for trace in traces} == {4}


class TestBody:
    @pytest.mark.parametrize(
        ("kind", "path"),
        [
            (TextToVideo, "text"),
            (ImageToVideo, "img"),
            (Transition, "transition"),
            (Extend, "extend"),
            (LipSync, "lip_sync"),
        ],
    )
    def test_each_task_has_its_path(
        self, gateway: PixverseGateway, kind: type[GenerationRequest], path: str
    ) -> None:
        request = gateway.submit(ask(kind), key=SUBMISSION)
        assert (request.method, request.url.path) == ("POST", f"/openapi/v2/video/{path}/generate")
        assert request.headers["content-type"] == "application/json"

    @pytest.mark.parametrize(("kind", "version"), EXPLICIT, ids=lambda each: getattr(each, "__name__", each))
    def test_what_the_vendor_would_decide_is_said(
        self, gateway: PixverseGateway, kind: type[GenerationRequest], version: str
    ) -> None:
        assert sent(gateway, ask(kind, version=version, seed=7)) == {
            "model": version,
            "prompt": "a dragon",
            "duration": 5,
            "quality": "720p",
            "seed": 7,
            **MEDIA[kind],
            **EXPLICIT[kind, version],
        }

    @pytest.mark.parametrize("kind", [*VIDEOS, Extend])
    @pytest.mark.parametrize("version", LENGTHS)
    def test_there_are_no_other_versions_of_a_task(
        self, gateway: PixverseGateway, kind: type[GenerationRequest], version: str
    ) -> None:
        request = ask(kind, version=version)
        if (kind, version) in EXPLICIT:
            assert sent(gateway, request)["model"] == version
        else:
            with pytest.raises(PixverseRequestError, match=f"version='{version}'"):
                gateway.submit(request, key=SUBMISSION)

    @pytest.mark.parametrize("version", LENGTHS)
    @pytest.mark.parametrize("duration", range(1, 17))
    @pytest.mark.parametrize("quality", QUALITIES)
    def test_lengths_and_qualities(
        self, gateway: PixverseGateway, version: str, duration: int, quality: str
    ) -> None:
        request = ask(TextToVideo, version=version, duration=duration, resolution=quality)
        if duration not in LENGTHS[version]:
            with pytest.raises(PixverseRequestError, match=rf"duration={duration}: allowed are"):
                gateway.submit(request, key=SUBMISSION)
        elif quality == "1080p" and NOT_AT_1080P.get(version) == duration:
            with pytest.raises(PixverseRequestError, match=r"does not go with resolution='1080p'"):
                gateway.submit(request, key=SUBMISSION)
        else:
            body = sent(gateway, request)
            assert (body["duration"], body["quality"]) == (duration, quality)

    @pytest.mark.parametrize("version", LENGTHS)
    @pytest.mark.parametrize("ratio", [*MOST_RATIOS, "2:3", "3:2", "21:9"])
    def test_ratios(self, gateway: PixverseGateway, version: str, ratio: str) -> None:
        request = ask(TextToVideo, version=version, aspect_ratio=ratio)
        if ratio in MOST_RATIOS or version in ("v6", "c1"):
            assert sent(gateway, request)["aspect_ratio"] == ratio
        else:
            with pytest.raises(PixverseRequestError, match="aspect_ratio"):
                gateway.submit(request, key=SUBMISSION)

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            (
                {"speech": "Hi", "voice": "Chloe"},
                {
                    "lip_sync_switch": True,
                    "lip_sync_tts_content": "Hi",
                    "lip_sync_tts_speaker_id": "5",
                    "sound_effect_switch": False,
                },
            ),
            (
                {"sound_effect": "rain"},
                {"sound_effect_switch": True, "sound_effect_content": "rain", "lip_sync_switch": False},
            ),
            ({"version": "v6", "audio": True}, {"generate_audio_switch": True}),
            ({"version": "v5.5", "multi_clip": True}, {"generate_multi_clip_switch": True}),
            ({"version": "v5.6", "thinking": "disabled"}, {"thinking_type": "disabled"}),
            ({"negative_prompt": "blur"}, {"negative_prompt": "blur"}),
            ({"style": "clay"}, {"style": "clay"}),
            ({"seed": 0}, {"seed": 0}),
            ({"version": "v4.5", "extra": {"motion_mode": "fast"}}, {"motion_mode": "fast"}),
            ({"extra": {"water_mark": False}}, {"water_mark": False}),
        ],
        ids=str,
    )
    def test_what_was_asked_for_is_said(
        self, gateway: PixverseGateway, asked: dict[str, Any], said: dict[str, Any]
    ) -> None:
        body = sent(gateway, ask(TextToVideo, **asked))
        assert {name: body.get(name) for name in said} == said
        assert {type(body[name]) for name in said} == {type(value) for value in said.values()}

    def test_what_was_not_asked_for_is_not_said(self, gateway: PixverseGateway) -> None:
        unsaid = {"negative_prompt", "style", "seed", "sound_effect_content", "lip_sync_tts_content"}
        assert not (unsaid | {"lip_sync_tts_speaker_id", "extra", "voice"}) & set(
            sent(gateway, ask(TextToVideo))
        )

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            (TextToVideo, {"version": "v5.5", "speech": "Hi"}),
            (TextToVideo, {"version": "v6", "sound_effect": "rain"}),
            (TextToVideo, {"version": "v5", "audio": True}),
            (TextToVideo, {"version": "c1", "multi_clip": True}),
            (TextToVideo, {"version": "c1", "thinking": "enabled"}),
            (Transition, {"version": "v6", "multi_clip": True}),
            (Extend, {"version": "v5", "speech": "Hi"}),
        ],
    )
    def test_what_a_model_does_not_take_is_refused(
        self, gateway: PixverseGateway, kind: type[GenerationRequest], fields: dict[str, Any]
    ) -> None:
        with pytest.raises(PixverseRequestError, match="this model does not take"):
            gateway.submit(ask(kind, **fields), key=SUBMISSION)

    @pytest.mark.parametrize("field", ["prompt", "negative_prompt", "sound_effect"])
    def test_texts_have_a_longest(self, gateway: PixverseGateway, field: str) -> None:
        longest = 5000 if field == "prompt" else 2048
        sent(gateway, ask(TextToVideo, **{field: "é" * longest}))
        with pytest.raises(PixverseRequestError, match=f"{field} has {longest + 1} characters"):
            gateway.submit(ask(TextToVideo, **{field: "é" * (longest + 1)}), key=SUBMISSION)

    def test_a_medium_that_was_not_uploaded_is_refused_without_its_signature(
        self, gateway: PixverseGateway
    ) -> None:
        request = ask(ImageToVideo, image="https://example.com/cat.png?X-Amz-Signature=secret")
        with pytest.raises(PixverseRequestError, match=r"image=.*not the id") as caught:
            gateway.submit(request, key=SUBMISSION)
        assert "secret" not in str(caught.value)

    def test_extend_always_has_a_seed_within_bounds(self, gateway: PixverseGateway) -> None:
        keys = [str(uuid.UUID(int=number)) for number in range(50)]
        seeds = {json.loads(gateway.submit(ask(Extend), key=key).content)["seed"] for key in keys}
        assert len(seeds) == 50
        assert all(0 <= seed <= 2147483647 for seed in seeds)

    def test_a_model_that_the_catalogue_does_not_know_gets_what_was_asked_for(
        self, gateway: PixverseGateway
    ) -> None:
        request = ask(TextToVideo, model="v9", duration=60, audio=True, speech="Hi", extra={"new": 1})
        assert sent(gateway, request) == {
            "model": "v9",
            "prompt": "a dragon",
            "aspect_ratio": "16:9",
            "duration": 60,
            "quality": "720p",
            "generate_audio_switch": True,
            "lip_sync_switch": True,
            "lip_sync_tts_content": "Hi",
            "lip_sync_tts_speaker_id": "auto",
            "new": 1,
        }


class TestLipSync:
    def test_words_and_a_voice(self, gateway: PixverseGateway) -> None:
        assert sent(gateway, ask(LipSync, voice="harper")) == {
            "video_media_id": int(MEDIUM_ID),
            "lip_sync_tts_content": "Hello",
            "lip_sync_tts_speaker_id": "7",
        }

    def test_a_recording(self, gateway: PixverseGateway) -> None:
        request = build(LipSync, video=MEDIUM_ID, audio=RECORDING_ID)
        assert sent(gateway, request) == {
            "video_media_id": int(MEDIUM_ID),
            "audio_media_id": int(RECORDING_ID),
        }

    def test_every_voice_has_its_number(self) -> None:
        numbered = (
            "Emily", "James", "Isabella", "Liam", "Chloe", "Adrian", "Harper", "Ava", "Sophia", "Julia",
            "Mason", "Jack", "Oliver", "Ethan",
        )  # fmt: skip
        assert {"auto": "auto", **{name: str(n) for n, name in enumerate(numbered, 1)}} == VOICE_IDS
        assert set(VOICE_IDS) == {"auto", *VOICES}


class TestUpload:
    def test_a_picture_by_its_address(self, gateway: PixverseGateway) -> None:
        request = gateway.upload("image", Medium(MediumKind.IMAGE, url="https://example.com/cat.png?a=b"))
        assert (request.method, request.url.path) == ("POST", "/openapi/v2/image/upload")
        assert form(request) == {"image_url": (None, None, b"https://example.com/cat.png?a=b")}

    def test_a_picture_by_its_content(self, gateway: PixverseGateway) -> None:
        medium = Medium(MediumKind.IMAGE, content=b"\x89PNG\r\n\0", mime_type="image/png", name="cat.png")
        request = gateway.upload("last_frame", medium)
        assert request.url.path == "/openapi/v2/image/upload"
        assert form(request) == {"image": ("cat.png", "image/png", b"\x89PNG\r\n\0")}

    @pytest.mark.parametrize("kind", [MediumKind.VIDEO, MediumKind.AUDIO])
    def test_a_medium_by_its_address(self, gateway: PixverseGateway, kind: MediumKind) -> None:
        request = gateway.upload(str(kind), Medium(kind, url="https://example.com/cat"))
        assert (request.method, request.url.path) == ("POST", "/openapi/v2/media/upload")
        assert form(request) == {
            "media_type": (None, None, str(kind).encode()),
            "file_url": (None, None, b"https://example.com/cat"),
        }

    def test_a_medium_by_its_content(self, gateway: PixverseGateway) -> None:
        medium = Medium(MediumKind.AUDIO, content=b"RIFF", mime_type="audio/wav", name="voice.wav")
        assert form(gateway.upload("audio", medium)) == {
            "media_type": (None, None, b"audio"),
            "file": ("voice.wav", "audio/wav", b"RIFF"),
        }

    @pytest.mark.parametrize(
        ("mime_type", "name", "sent_as"),
        [
            ("image/png", "image", ("image.png", "image/png")),
            ("image/jpeg", "", ("image.jpg", "image/jpeg")),
            ("", "picture", ("picture", "application/octet-stream")),
        ],
    )
    def test_a_file_gets_a_name_with_an_ending(
        self, gateway: PixverseGateway, mime_type: str, name: str, sent_as: tuple[str, str]
    ) -> None:
        medium = Medium(MediumKind.IMAGE, content=b"x", mime_type=mime_type, name=name)
        assert form(gateway.upload("image", medium))["image"] == (*sent_as, b"x")

    @pytest.mark.parametrize(
        ("content", "identifier"),
        [
            ({"img_id": 427410861853514291, "img_url": "https://media.pixverse.ai/a.png"}, PICTURE_ID),
            ({"ImgID": 427410861853514291, "ImgUrl": "https://media.pixverse.ai/a.png"}, PICTURE_ID),
            ({"img_id": "427410861853514291"}, PICTURE_ID),
            ({"media_id": 527410861853514297, "media_type": "video", "url": "https://…"}, MEDIUM_ID),
        ],
    )
    def test_the_id_is_kept_to_the_last_digit(
        self, gateway: PixverseGateway, content: dict[str, Any], identifier: str
    ) -> None:
        request = gateway.upload("image", Medium(MediumKind.IMAGE, url="https://example.com/cat.png"))
        assert gateway.uploaded(answer(request, envelope(content))) == identifier

    @pytest.mark.parametrize(
        ("body", "status", "kind", "words"),
        [
            (
                envelope(None, 500032, "invalid image format"),
                200,
                PixverseRequestError,
                "invalid image format",
            ),
            (envelope(None, 500041, "image upload failed"), 200, PixverseUnavailableError, "upload failed"),
            (envelope(None, 500054, "not compliant"), 200, PixverseModerationError, "not compliant"),
            (envelope({"img_id": 0}), 200, PixverseUnavailableError, "nothing about"),
            (b"Request Entity Too Large", 413, PixverseRequestError, "HTTP 413 Request Entity Too Large"),
            (b"upstream connect error", 503, PixverseUnavailableError, "HTTP 503"),
            (b"", 200, PixverseUnavailableError, "an empty body"),
        ],
    )
    def test_a_refused_upload(
        self, gateway: PixverseGateway, body: Any, status: int, kind: type[PixverseError], words: str
    ) -> None:
        request = gateway.upload("image", Medium(MediumKind.IMAGE, url="https://example.com/cat.png"))
        with pytest.raises(kind, match=words):
            gateway.uploaded(answer(request, body, status, content_type="text/plain; charset=utf-8"))


class TestSubmitted:
    @pytest.mark.parametrize("credit", ["credits", "credit"])
    def test_the_id_is_kept_to_the_last_digit(self, gateway: PixverseGateway, credit: str) -> None:
        generation = submitted(gateway, envelope({"video_id": 627410861853514292, credit: 50}))
        assert (generation.id, generation.gateway) == (VIDEO_ID, "pixverse")
        assert generation.status is GenerationStatus.QUEUED
        assert generation.cost == Cost(50, "credits")

    @pytest.mark.parametrize("code", [0, "0"])
    @pytest.mark.parametrize("status", [200, 201, 500])
    def test_the_envelope_is_believed_whatever_the_status(
        self, gateway: PixverseGateway, code: Any, status: int
    ) -> None:
        generation = submitted(gateway, envelope({"video_id": "397959714188216"}, code), status)
        assert (generation.id, generation.cost) == ("397959714188216", None)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 200),
            (b"<html>One moment, please</html>", 200),
            (b"null", 200),
            ([], 200),
            ({}, 200),
            (envelope(None), 200),
            (envelope({}), 200),
            (envelope({"video_id": 0}), 200),
            (envelope({"video_id": None}), 200),
            (envelope({"video_id": True}), 200),
            (b"", 500),
            (b"<html>Bad Gateway</html>", 502),
            (envelope(None, 99999, "unknown error"), 200),
            (envelope(None, 99999, "unknown error"), 400),
            (envelope(None, "500100", "database error"), 200),
            (envelope(None, 123456, "what"), 200),
            (envelope({"video_id": 7}, 123456, "what"), 200),
            (envelope(None, True, "what"), 200),
        ],
        ids=str,
    )
    def test_without_an_id_it_is_unknown_whether_a_video_was_bought(
        self, gateway: PixverseGateway, body: Any, status: int
    ) -> None:
        post = gateway.submit(ask(TextToVideo), key=SUBMISSION)
        with pytest.raises(PixverseAmbiguousSubmitError) as caught:
            gateway.submitted(answer(post, body, status))
        assert post.headers["Ai-trace-id"] in str(caught.value)

    def test_what_is_unknown_is_sent_again_under_the_same_trace_id(self, gateway: PixverseGateway) -> None:
        attempts = Attempts(key=SUBMISSION, deadline=1000, repeats_safely=gateway.repeats_safely)
        with pytest.raises(PixverseAmbiguousSubmitError) as caught:
            submitted(gateway, envelope(None, 99999, "unknown error"))
        assert isinstance(decide_on_submission(attempts, caught.value, now=0), Send)

    def test_the_concurrency_limit_is_not_waited_for_for_ever(self, gateway: PixverseGateway) -> None:
        # It was also seen where far fewer ran: then it is the request that the vendor does not digest.
        now, step = 0.0, None
        attempts = Attempts(key=SUBMISSION, deadline=1800, repeats_safely=True)
        for _ in range(100):
            with pytest.raises(PixverseRateLimitError) as caught:
                submitted(gateway, envelope(None, 500044, "reached the limit"))
            step = decide_on_submission(attempts, caught.value, now=now)
            if isinstance(step, Stop):
                break
            assert isinstance(step, Send)
            now, attempts = now + step.seconds, step.attempts
        assert isinstance(step, Stop)
        assert isinstance(step.error, PixverseRateLimitError)
        assert 1700 < now <= 1800


CODES: dict[Any, tuple[type[PixverseError], type[PixverseError]]] = {
    # What is raised on a submission, and on a poll.
    **dict.fromkeys((10001, 10002, 10003, 10004, 10005, 400012, 500020), (PixverseAuthError,) * 2),
    **dict.fromkeys(
        (400011, 400013, 400017, 400018, 400019, 400032), (PixverseRequestError, PixverseNotFoundError)
    ),
    **dict.fromkeys(
        (500030, 500031, 500032, 500033, 500042, 500060, 500070, 500071, 500008),
        (PixverseRequestError, PixverseNotFoundError),
    ),
    500064: (PixverseRequestError, PixverseGoneError),
    **dict.fromkeys((500044, 500069), (PixverseRateLimitError,) * 2),
    **dict.fromkeys((500054, 500063), (PixverseModerationError,) * 2),
    500041: (PixverseUnavailableError,) * 2,
    500090: (PixverseCreditsError,) * 2,
    **dict.fromkeys((99999, 500100, 424242), (PixverseAmbiguousSubmitError, PixverseUnavailableError)),
}


class TestErrors:
    @pytest.mark.parametrize("code", CODES)
    @pytest.mark.parametrize("status", [200, 400, 500])
    @pytest.mark.parametrize("spelt", [int, str])
    def test_a_code_has_the_vendors_words_and_the_same_error_whatever_the_status(
        self, gateway: PixverseGateway, code: int, status: int, spelt: type
    ) -> None:
        on_submit, on_poll = CODES[code]
        body = envelope(None, spelt(code), "so {it} was said")
        if code == 424242 and status == 400:
            # A code that nobody knows, in an answer that says itself that the request was refused.
            on_submit, on_poll = PixverseRequestError, PixverseNotFoundError
        for expected, read in ((on_submit, submitted), (on_poll, polled)):
            with pytest.raises(PixverseError) as caught:
                read(gateway, body, status)
            assert type(caught.value) is expected
            assert f"so {{it}} was said (ErrCode {code})" in str(caught.value)
        assert caught.value.generation_id == VIDEO_ID

    @pytest.mark.parametrize(
        ("status", "on_submit", "on_poll"),
        [
            (400, PixverseRequestError, PixverseUnavailableError),
            (401, PixverseAuthError, PixverseAuthError),
            (403, PixverseAuthError, PixverseUnavailableError),
            (404, PixverseRequestError, PixverseUnavailableError),
            (429, PixverseRateLimitError, PixverseRateLimitError),
            (500, PixverseAmbiguousSubmitError, PixverseUnavailableError),
            (503, PixverseAmbiguousSubmitError, PixverseUnavailableError),
        ],
    )
    @pytest.mark.parametrize("body", [b"", b"<html></html>", b'{"message": "no"}'])
    def test_a_status_without_an_envelope(
        self,
        gateway: PixverseGateway,
        status: int,
        on_submit: type[PixverseError],
        on_poll: type[PixverseError],
        body: bytes,
    ) -> None:
        for expected, read in ((on_submit, submitted), (on_poll, polled)):
            with pytest.raises(PixverseError) as caught:
                read(gateway, body, status)
            assert type(caught.value) is expected
            assert f"HTTP {status}" in str(caught.value)

    @pytest.mark.parametrize("body", [b"", envelope(None, 500044, "reached the limit")])
    def test_it_is_told_when_to_come_back(self, gateway: PixverseGateway, body: Any) -> None:
        with pytest.raises(PixverseRateLimitError) as caught:
            submitted(gateway, body, 429, retry_after="17")
        assert caught.value.delay(0) == 17

    def test_a_key_in_the_vendors_words_is_not_repeated(self, gateway: PixverseGateway) -> None:
        for read in (submitted, polled):
            with pytest.raises(PixverseAuthError) as caught:
                read(gateway, envelope(None, 400012, f"invalid account {KEY}"))
            assert KEY not in str(caught.value)
            assert "region" in str(caught.value)

    def test_the_code_survives_a_long_speech(self, gateway: PixverseGateway) -> None:
        with pytest.raises(PixverseRequestError, match=r"ErrCode 400017") as caught:
            submitted(gateway, envelope(None, 400017, "no " * 5000))
        assert len(str(caught.value)) < 700

    def test_the_answer_that_was_seen(self, gateway: PixverseGateway) -> None:
        words = "motion_mode:fast is only supported for models v3.5, v4, and v4.5."
        with pytest.raises(PixverseRequestError, match=words):
            submitted(gateway, envelope(None, 400017, words), 400)


class TestPolled:
    def test_a_poll_is_a_look_at_the_id(self, gateway: PixverseGateway) -> None:
        request = gateway.poll(VIDEO_ID)
        assert (request.method, request.url.path) == ("GET", f"/openapi/v2/video/result/{VIDEO_ID}")
        assert gateway.poll("a/../b?c").url.raw_path == b"/openapi/v2/video/result/a%2F..%2Fb%3Fc"

    def test_the_finished_answer_that_was_seen(self, gateway: PixverseGateway) -> None:
        generation = gateway.polled(answer(gateway.poll("397959714188216"), envelope(FINISHED)))
        assert generation == Generation(
            id="397959714188216",
            gateway="pixverse",
            status=GenerationStatus.FINISHED,
            vendor_status="1",
            video_url="https://media.pixverseai.cn/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2Fa_seed1949340905.mp4",
            cost=Cost(50, "credits"),
            seed=1949340905,
        )

    @pytest.mark.parametrize(
        ("word", "status", "recognized"),
        [
            (1, GenerationStatus.FINISHED, True),
            ("1", GenerationStatus.FINISHED, True),
            (5, GenerationStatus.GENERATING, True),
            (7, GenerationStatus.FAILED, True),
            (8, GenerationStatus.FAILED, True),
            (9, GenerationStatus.QUEUED, True),
            (10, GenerationStatus.QUEUED, True),
            (2, GenerationStatus.GENERATING, True),
            (3, GenerationStatus.GENERATING, True),
            (0, GenerationStatus.GENERATING, False),
            (4, GenerationStatus.GENERATING, False),
            (11, GenerationStatus.GENERATING, False),
            (-1, GenerationStatus.GENERATING, False),
            ("rendering", GenerationStatus.GENERATING, False),
        ],
    )
    def test_statuses(
        self, gateway: PixverseGateway, word: Any, status: GenerationStatus, recognized: bool
    ) -> None:
        generation = polled(gateway, envelope({**FINISHED, "status": word}))
        assert (generation.status, generation.recognized) == (status, recognized)
        assert generation.vendor_status == str(word)
        # Only what is finished has a video: failed ones were seen with a dead address.
        assert (generation.video_url is not None) == (status is GenerationStatus.FINISHED)
        assert (generation.seed is not None) == (status is GenerationStatus.FINISHED)

    @pytest.mark.parametrize(
        ("word", "kind"),
        [(7, "PixverseModerationError"), (8, "PixverseGenerationFailed")],
    )
    def test_what_failed_is_given_up_for_its_reason(
        self, gateway: PixverseGateway, word: int, kind: str
    ) -> None:
        look = polled(gateway, envelope({"status": word}))
        decision = decide(Watch(VIDEO_ID, deadline=100, poll_interval=10), look, now=0)
        assert isinstance(decision, GiveUp)
        assert type(decision.error).__name__ == kind
        assert f"status {word}" in str(decision.error)

    @pytest.mark.parametrize("word", [6, "6", " 6 "])
    def test_a_deleted_video_is_gone_and_was_bought(self, gateway: PixverseGateway, word: Any) -> None:
        with pytest.raises(PixverseGoneError, match=r"deleted there \(status 6\). It was bought") as caught:
            polled(gateway, envelope({**FINISHED, "status": word}))
        assert caught.value.generation_id == VIDEO_ID

    @pytest.mark.parametrize(
        ("fields", "cost", "seed", "size"),
        [
            ({}, Cost(50, "credits"), 1949340905, None),
            ({"credits": 0, "seed": 0, "size": 0}, None, 0, None),
            ({"credits": None, "seed": None, "size": None}, None, None, None),
            ({"credits": "45", "seed": "7", "size": "1048576"}, Cost(45, "credits"), 7, 1048576),
            ({"size": 10.5}, Cost(50, "credits"), 1949340905, None),
            ({"size": 1048576.0}, Cost(50, "credits"), 1949340905, 1048576),
            ({"credits": 12.5, "seed": True, "size": "many"}, Cost(12.5, "credits"), None, None),
            ({"credits": "NaN"}, None, 1949340905, None),
        ],
        ids=str,
    )
    def test_cost_seed_and_size(
        self,
        gateway: PixverseGateway,
        fields: dict[str, Any],
        cost: Cost | None,
        seed: int | None,
        size: int | None,
    ) -> None:
        generation = polled(gateway, envelope({**FINISHED, **fields}))
        assert (generation.cost, generation.seed, generation.file_size) == (cost, seed, size)

    @pytest.mark.parametrize("url", ["", None, 7])
    def test_finished_without_a_video(self, gateway: PixverseGateway, url: Any) -> None:
        generation = polled(gateway, envelope({**FINISHED, "url": url}))
        assert (generation.status, generation.video_url) == (GenerationStatus.FINISHED, None)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html></html>",
            [],
            {},
            envelope(None),
            envelope({}),
            envelope([FINISHED]),
            envelope({"status": None}),
            envelope({"status": True}),
            {"status": 1, "url": "https://example.com/other.mp4"},
        ],
        ids=str,
    )
    def test_an_answer_that_says_nothing(self, gateway: PixverseGateway, body: Any) -> None:
        with pytest.raises(PixverseUnavailableError) as caught:
            polled(gateway, body)
        assert caught.value.generation_id == VIDEO_ID


class TestBalance:
    @pytest.mark.parametrize(
        ("content", "total"),
        [
            ({"account_id": 1, "credit_monthly": 1069020, "credit_package": 3630}, 1072650),
            ({"credit_monthly": 0, "credit_package": 0}, 0),
            ({"credit_package": "12"}, 12),
        ],
    )
    def test_both_kinds_of_credits_count(
        self, gateway: PixverseGateway, content: dict[str, Any], total: int
    ) -> None:
        balance = gateway.balance_read(answer(gateway.balance(), envelope(content)))
        assert balance == Balance(total, "credits")

    @pytest.mark.parametrize(
        ("body", "status", "kind"),
        [
            (envelope(None, 400012, "invalid account"), 200, PixverseAuthError),
            (b"", 401, PixverseAuthError),
            (envelope(None, 99999, "unknown error"), 200, PixverseUnavailableError),
            (envelope({"credits": 7}), 200, PixverseUnavailableError),
            (b"<html></html>", 502, PixverseUnavailableError),
        ],
    )
    def test_no_balance(
        self, gateway: PixverseGateway, body: Any, status: int, kind: type[PixverseError]
    ) -> None:
        with pytest.raises(kind):
            gateway.balance_read(answer(gateway.balance(), body, status))


class TestExpectedCost:
    @pytest.mark.parametrize(("version", "audio", "quality", "seconds", "price"), PRICES)
    def test_the_published_price_of_a_video(
        self,
        gateway: PixverseGateway,
        version: str,
        audio: bool,
        quality: str,
        seconds: int,
        price: int | None,
    ) -> None:
        request = ask(TextToVideo, version=version, audio=audio, resolution=quality, duration=seconds)
        assert gateway.expected_cost(request) == (None if price is None else Cost(price, "credits"))

    @pytest.mark.parametrize("kind", [*VIDEOS, Extend])
    def test_it_is_the_same_for_every_task(
        self, gateway: PixverseGateway, kind: type[GenerationRequest]
    ) -> None:
        assert gateway.expected_cost(ask(kind, version="v6", duration=7)) == Cost(63, "credits")
        assert gateway.expected_cost(ask(kind)) == Cost(60, "credits")

    @pytest.mark.parametrize(
        ("speech", "price"),
        [("a", 4), ("a" * 15, 4), ("a" * 16, 8), ("é" * 8, 8), ("龙" * 5, 4), ("a" * 200, 56)],
    )
    def test_speech_is_paid_by_its_bytes(self, gateway: PixverseGateway, speech: str, price: int) -> None:
        assert gateway.expected_cost(ask(LipSync, speech=speech)) == Cost(price, "credits")

    @pytest.mark.parametrize(
        "request_",
        [
            build(LipSync, video=MEDIUM_ID, audio=RECORDING_ID),
            ask(TextToVideo, speech="Hi"),
            ask(TextToVideo, sound_effect="rain"),
            ask(TextToVideo, version="v6", multi_clip=True),
            ask(TextToVideo, version="v4.5", extra={"motion_mode": "fast"}),
            ask(LipSync, extra={"source_video_id": 7}),
            ask(TextToVideo, model="v9"),
        ],
        ids=str,
    )
    def test_what_has_no_published_price_is_not_guessed(
        self, gateway: PixverseGateway, request_: GenerationRequest
    ) -> None:
        assert gateway.expected_cost(request_) is None
