# SPDX-License-Identifier: Apache-2.0
"""
The Segmind contract, held against what the vendor shows.

Bodies are those of segmind.com's model pages, docs.segmind.com ("Async inference", "Errors") and of what the
official client (``segmind`` 1.3.0) reads. Shapes seen in other people's clients alone are marked as such.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_pixverse import catalog
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
from airflow_provider_pixverse.gateways.segmind import CLOCK_SKEW, MOST_PAGES, PAGE_ROWS, SegmindGateway
from airflow_provider_pixverse.generation import Balance, Cost, Generation, GenerationStatus
from airflow_provider_pixverse.media import Medium, MediumKind
from airflow_provider_pixverse.requests import (
    VOICES,
    Extend,
    GenerationRequest,
    ImageToVideo,
    LipSync,
    TextToVideo,
    Transition,
    build,
)
from airflow_provider_pixverse.rules.sending import Attempts, Stop, decide_on_search

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "SG_0123456789abcdef"
PURCHASE = "6f1f7a52-0000-4000-8000-000000000001"
ID = "c7c02ff4-6c1d-4d8e-9d4c-0b2a6a5f3e11"
API = "https://api.segmind.com"
RECORDS = "https://api.spotprod.segmind.com/inference-request/request-history"
SANDBOX = "http://127.0.0.1:8765/segmind"
VIDEO = "https://images.segmind.com/generations/0c9e/output.mp4"
IMAGE = "https://example.com/first.png"
OTHER_IMAGE = "https://example.com/last.png"
NOW = 1_790_000_000.0

GATEWAY = SegmindGateway(KEY)
TEXT = build(TextToVideo, prompt="a dragon")


def body_of(request: GenerationRequest, key: str = PURCHASE) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(GATEWAY.submit(request, key=key).content)
    return body


def answer(
    request: httpx.Request,
    status: int = 200,
    content: Any = None,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """Answer a request with JSON, text or bytes."""
    if isinstance(content, str):
        return httpx.Response(status, text=content, headers=headers, request=request)
    if isinstance(content, bytes):
        return httpx.Response(status, content=content, headers=headers, request=request)
    return httpx.Response(status, json=content, headers=headers, request=request)


def submitted(status: int, content: Any = None, headers: dict[str, str] | None = None) -> Generation:
    return GATEWAY.submitted(answer(GATEWAY.submit(TEXT, key=PURCHASE), status, content, headers))


def polled(*answers: tuple[int, Any], gateway: SegmindGateway = GATEWAY) -> Generation:
    """Poll, answering the requests that it takes one after the other."""
    request: httpx.Request = gateway.poll(ID)
    for number, (status, content) in enumerate(answers, start=1):
        read = gateway.polled(answer(request, status, content))
        if isinstance(read, Generation):
            assert number == len(answers), f"the answers from {number + 1} on were not asked for"
            return read
        request = read
    raise AssertionError(f"one more request: {request.url}")


def further(status: int, content: Any, *, gateway: SegmindGateway = GATEWAY) -> httpx.Request:
    read = gateway.polled(answer(gateway.poll(ID), status, content))
    assert isinstance(read, httpx.Request)
    return read


def completed(**fields: Any) -> dict[str, Any]:
    return {"status": "COMPLETED", "request_id": ID, **fields}


STATUS_DONE = (200, completed(metrics={"inference_time": 61.2}))
METRICS = {
    "cost": 0.5,
    "remaining_credits": 9.5,
    "inference_time": 60.1,
    "queue_time": 1.0,
    "total_time": 61.2,
}
UNKNOWN = {"error": f"Request {ID} not found"}


def row(**fields: Any) -> dict[str, Any]:
    """Return a row of the history, as the official client documents it."""
    return {
        "request_id": ID,
        "model_name": "pixverse-5-video",
        "model_status": "COMPLETED",
        "credits_deduction": 0.5,
        "request_body": body_of(TEXT),
        "generation_url": VIDEO,
        "latency_ms": 61200,
        "model_created": datetime.fromtimestamp(NOW, UTC).isoformat(),
        "error": None,
        **fields,
    }


@pytest.fixture
def another_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestSubmit:
    def test_it_is_a_post_to_the_slug_with_the_key_in_its_header(self) -> None:
        request = GATEWAY.submit(TEXT, key=PURCHASE)
        assert (request.method, str(request.url)) == ("POST", f"{API}/v2/pixverse-5-video")
        assert request.headers["x-api-key"] == KEY
        assert request.headers["content-type"] == "application/json"
        assert "authorization" not in request.headers

    def test_the_page_of_the_transition_model(self) -> None:
        request = build(
            Transition,
            prompt="Create a slow rotation transition of the woman as she speaks on the stage.",
            first_frame=IMAGE,
            last_frame=OTHER_IMAGE,
            resolution="540p",
            seed=12345,
            sound_effect="Soft ambient sounds of a rainforest with distant bird calls.",
        )
        assert GATEWAY.submit(request, key=PURCHASE).url.path == "/v2/pixverse-5-transition"
        assert body_of(request) == {
            "first_frame_url": IMAGE,
            "last_frame_url": OTHER_IMAGE,
            "duration": 5,
            "prompt": "Create a slow rotation transition of the woman as she speaks on the stage.",
            "quality": "540p",
            "seed": 12345,
            "motion_mode": "normal",
            "sound_effect_content": "Soft ambient sounds of a rainforest with distant bird calls.",
            "sound_effect_switch": True,
            "lip_sync_switch": False,
        }

    @pytest.mark.parametrize(
        ("request_", "slug", "body"),
        [
            (
                TEXT,
                "pixverse-5-video",
                {
                    "prompt": "a dragon",
                    "aspect_ratio": "16:9",
                    "quality": "720p",
                    "duration": 5,
                    "motion_mode": "normal",
                    "negative_prompt": "",
                    "sound_effect_switch": False,
                    "lip_sync_switch": False,
                },
            ),
            (
                build(ImageToVideo, prompt="a dragon", image=IMAGE, negative_prompt="blur", duration=8),
                "pixverse-5-video",
                {
                    "prompt": "a dragon",
                    "image_url": IMAGE,
                    "quality": "720p",
                    "duration": 8,
                    "motion_mode": "normal",
                    "negative_prompt": "blur",
                    "sound_effect_switch": False,
                    "lip_sync_switch": False,
                },
            ),
            (
                build(Extend, prompt="horse race", video=VIDEO),
                "pixverse-5-extend",
                {
                    "prompt": "horse race",
                    "video_url": VIDEO,
                    "quality": "720p",
                    "duration": 5,
                    "motion_mode": "normal",
                    "negative_prompt": "",
                },
            ),
            (
                build(TextToVideo, prompt="a pool", version="v4.5", aspect_ratio="9:16"),
                "pixverse-4.5-video",
                {
                    "prompt": "a pool",
                    "aspect_ratio": "9:16",
                    "quality": "720p",
                    "duration": 5,
                    "motion_mode": "normal",
                    "negative_prompt": "",
                },
            ),
            (
                build(
                    Transition, prompt="a sunset", version="v4.5", first_frame=IMAGE, last_frame=OTHER_IMAGE
                ),
                "pixverse-4.5-transition",
                {
                    "prompt": "a sunset",
                    "first_frame_url": IMAGE,
                    "last_frame_url": OTHER_IMAGE,
                    "quality": "720p",
                    "duration": 5,
                    "motion_mode": "normal",
                },
            ),
            (
                build(ImageToVideo, prompt="a walk", version="v6", image=IMAGE, duration=15),
                "pixverse-v6",
                {
                    "prompt": "a walk",
                    "image_url": IMAGE,
                    "quality": "720p",
                    "duration": 15,
                    "motion_mode": "normal",
                    "negative_prompt": "",
                    "generate_audio_switch": False,
                    "thinking_type": "auto",
                },
            ),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_every_slug_is_sent_what_its_vendor_would_choose_otherwise(
        self, request_: GenerationRequest, slug: str, body: dict[str, Any]
    ) -> None:
        assert GATEWAY.submit(request_, key=PURCHASE).url.path == f"/v2/{slug}"
        sent = body_of(request_)
        assert 1 <= sent.pop("seed") <= 999_999
        assert sent == body

    def test_v6_makes_sound_where_it_is_asked_for(self) -> None:
        body = body_of(build(TextToVideo, prompt="a", version="v6", audio=True, thinking="disabled"))
        assert (body["generate_audio_switch"], body["thinking_type"]) == (True, "disabled")

    @pytest.mark.parametrize("voice", ["auto", *VOICES])
    def test_speech_is_a_switch_the_words_and_the_id_of_the_voice(self, voice: str) -> None:
        body = body_of(build(TextToVideo, prompt="a", speech="Hello", voice=voice))
        assert (body["lip_sync_switch"], body["lip_sync_tts_content"]) == (True, "Hello")
        assert body["lip_sync_tts_speaker_id"] == catalog.VOICE_IDS[voice]

    def test_the_ids_of_the_voices_are_those_of_the_page(self) -> None:
        page = ["Emily", "James", "Isabella", "Liam", "Chloe", "Adrian", "Harper", "Ava", "Sophia"]
        assert {name: catalog.VOICE_IDS[name] for name in page} == {
            name: str(number) for number, name in enumerate(page, start=1)
        }
        assert sorted(catalog.VOICE_IDS) == sorted(["auto", *VOICES])
        assert len(set(catalog.VOICE_IDS.values())) == 15

    def test_a_random_seed_is_the_keys_own_and_never_the_vendors_fixed_one(self) -> None:
        seeds = [body_of(TEXT, key=f"{number}")["seed"] for number in range(200)]
        assert seeds == [body_of(TEXT, key=f"{number}")["seed"] for number in range(200)]
        assert len(set(seeds)) > 190
        assert all(isinstance(seed, int) and 1 <= seed <= 999_999 for seed in seeds)

    def test_a_random_seed_is_one_that_the_vendor_takes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(catalog, "SEGMIND_SEEDS", (5, 6))
        assert {body_of(TEXT, key=f"{number}")["seed"] for number in range(50)} == {5, 6}

    def test_the_users_seed_is_sent_whatever_the_key(self) -> None:
        assert body_of(build(TextToVideo, prompt="a", seed=7), key="other")["seed"] == 7

    @pytest.mark.parametrize("seed", [0, 1_000_000])
    def test_a_seed_out_of_the_vendors_range_is_refused_before_it_is_sent(self, seed: int) -> None:
        with pytest.raises(PixverseRequestError, match=rf"seed={seed}: allowed are 1 to 999999"):
            GATEWAY.submit(build(TextToVideo, prompt="a", seed=seed), key=PURCHASE)

    @pytest.mark.parametrize(
        ("kind", "fields", "refused"),
        [
            (TextToVideo, {}, True),
            (ImageToVideo, {"image": IMAGE}, True),
            (Extend, {"video": VIDEO}, True),
            (TextToVideo, {"version": "v4.5"}, True),
            (Transition, {"version": "v4.5", "first_frame": IMAGE, "last_frame": IMAGE}, True),
            (Transition, {"first_frame": IMAGE, "last_frame": IMAGE}, False),
            (TextToVideo, {"version": "v6"}, False),
        ],
    )
    def test_1080p_with_8_s_is_refused_where_a_page_says_so(
        self, kind: type[GenerationRequest], fields: dict[str, Any], refused: bool
    ) -> None:
        request = build(kind, prompt="a", resolution="1080p", duration=8, **fields)
        if refused:
            with pytest.raises(PixverseRequestError, match="allowed are 5 s at 1080p"):
                GATEWAY.submit(request, key=PURCHASE)
        else:
            assert (body_of(request)["quality"], body_of(request)["duration"]) == ("1080p", 8)

    @pytest.mark.parametrize(
        ("kind", "fields"),
        [
            (Transition, {"first_frame": IMAGE, "last_frame": IMAGE, "negative_prompt": "blur"}),
            (Extend, {"video": VIDEO, "sound_effect": "rain"}),
            (TextToVideo, {"version": "v4.5", "speech": "Hello"}),
            (TextToVideo, {"version": "v6", "multi_clip": True}),
            (TextToVideo, {"audio": True}),
            (TextToVideo, {"style": "anime"}),
            (TextToVideo, {"aspect_ratio": "21:9"}),
            (TextToVideo, {"version": "v5.5"}),
            (TextToVideo, {"version": "v6", "duration": 16}),
            (LipSync, {"video": VIDEO, "speech": "Hello"}),
            (TextToVideo, {"model": "pixverse-5-transition"}),
        ],
        ids=str,
    )
    def test_what_a_page_does_not_offer_is_refused(
        self, kind: type[GenerationRequest], fields: dict[str, Any]
    ) -> None:
        prompt = {} if kind is LipSync else {"prompt": "a"}
        with pytest.raises(PixverseRequestError):
            GATEWAY.submit(build(kind, **prompt, **fields), key=PURCHASE)

    def test_v6_takes_every_length_and_ratio_of_its_page(self) -> None:
        for duration in range(1, 16):
            assert body_of(build(TextToVideo, prompt="a", version="v6", duration=duration))["duration"]
        for ratio in ("16:9", "4:3", "1:1", "3:4", "9:16", "2:3", "3:2", "21:9"):
            body = body_of(build(TextToVideo, prompt="a", version="v6", aspect_ratio=ratio))
            assert body["aspect_ratio"] == ratio

    def test_an_unknown_slug_is_sent_only_the_options_that_were_asked_for(self) -> None:
        request = build(TextToVideo, prompt="a", model="pixverse-v7", sound_effect="rain", audio=True, seed=3)
        assert GATEWAY.submit(request, key=PURCHASE).url.path == "/v2/pixverse-v7"
        assert body_of(request) == {
            "prompt": "a",
            "aspect_ratio": "16:9",
            "quality": "720p",
            "duration": 5,
            "motion_mode": "normal",
            "seed": 3,
            "sound_effect_switch": True,
            "sound_effect_content": "rain",
            "generate_audio_switch": True,
        }

    def test_a_slug_is_one_segment_of_the_path(self) -> None:
        request = build(TextToVideo, prompt="a", model="../v1/get-user-credits?x=1")
        assert GATEWAY.submit(request, key=PURCHASE).url.raw_path == b"/v2/..%2Fv1%2Fget-user-credits%3Fx%3D1"

    def test_an_unknown_lip_sync_slug_is_sent_its_video_and_its_sound(self) -> None:
        spoken = build(LipSync, video=VIDEO, speech="Hi", voice="Ethan", model="pixverse-lipsync")
        assert body_of(spoken) == {
            "video_url": VIDEO,
            "lip_sync_tts_content": "Hi",
            "lip_sync_tts_speaker_id": "14",
        }
        recorded = build(LipSync, video=VIDEO, audio="https://example.com/a.mp3", model="pixverse-lipsync")
        assert body_of(recorded) == {"video_url": VIDEO, "audio_url": "https://example.com/a.mp3"}

    def test_extra_wins(self) -> None:
        request = build(TextToVideo, prompt="a", extra={"motion_mode": "fast", "watermark": False})
        assert (body_of(request)["motion_mode"], body_of(request)["watermark"]) == ("fast", False)


class TestSubmitted:
    def test_the_documented_answer(self) -> None:
        generation = submitted(
            200,
            {
                "request_id": ID,
                "status": "QUEUED",
                "poll_url": f"{API}/v1/requests/{ID}",
                "status_url": f"{API}/v2/requests/{ID}/status",
                "response_url": f"{API}/v2/requests/{ID}",
            },
        )
        assert (generation.id, generation.gateway, generation.status) == (ID, "segmind", "queued")
        assert generation.recognized
        assert generation.seed == body_of(TEXT)["seed"]

    @pytest.mark.parametrize("code", [200, 201, 202])
    def test_an_id_without_a_status_was_accepted(self, code: int) -> None:
        assert submitted(code, {"request_id": ID}).status is GenerationStatus.QUEUED

    @pytest.mark.parametrize("code", [200, 422, 500])
    def test_failed_with_an_id_is_a_failed_generation(self, code: int) -> None:
        generation = submitted(code, {"request_id": ID, "status": "FAILED", "error": "bad input"})
        assert (generation.id, generation.status, generation.error) == (ID, "failed", "bad input")

    def test_an_id_in_an_error_without_a_status_is_no_generation(self) -> None:
        with pytest.raises(PixverseRequestError):
            submitted(400, {"request_id": ID, "error": "invalid"})

    @pytest.mark.parametrize(
        ("code", "content"),
        [
            (200, b""),
            (200, {}),
            (200, {"status": "QUEUED"}),
            (200, {"request_id": ""}),
            (200, {"request_id": None, "status": "FAILED"}),
            (200, "<html>One moment, please</html>"),
            (302, b""),
            (408, {"error": "timeout"}),
            (500, {"error": "Internal server error"}),
            (502, "Bad gateway"),
            (503, b""),
            (504, {"error": "Gateway timeout"}),
            (500, {"error": "insufficient credits"}),
        ],
    )
    def test_without_an_id_it_stays_open_whether_a_video_was_bought(self, code: int, content: Any) -> None:
        with pytest.raises(PixverseAmbiguousSubmitError) as caught:
            submitted(code, content)
        assert f"HTTP {code}" in str(caught.value)

    @pytest.mark.parametrize(
        ("code", "content", "kind"),
        [
            (400, {"error": "Invalid parameters"}, PixverseRequestError),
            (400, b"", PixverseRequestError),
            (400, {"error": "Blocked by content policy"}, PixverseModerationError),
            (401, {"error": "Missing Authorization or x-api-key in header"}, PixverseAuthError),
            (
                401,
                {"error": "unauthorized", "error_description": "Invalid key", "status_code": 401},
                PixverseAuthError,
            ),
            (403, {"error": "Insufficient permissions"}, PixverseAuthError),
            (403, {"error": "Your team has reached its spend limit"}, PixverseCreditsError),
            (404, {"error": "Model not found"}, PixverseRequestError),
            (404, {"error": "No credits found for the user"}, PixverseCreditsError),
            (405, "<html>Method Not Allowed</html>", PixverseRequestError),
            (406, {"error": "Insufficient credits"}, PixverseCreditsError),
            (406, "Not enough credits", PixverseCreditsError),
            (406, b"", PixverseCreditsError),
            (406, {"error": "Not Acceptable"}, PixverseCreditsError),
            (406, {"error": "Team spend limit exceeded"}, PixverseCreditsError),
            (406, {"error": "Content-Type must be application/json"}, PixverseRequestError),
            (406, "Content-Type must be application/json", PixverseRequestError),
            (406, {"error": "quality: value rejected"}, PixverseRequestError),
            (406, {"error": "prompt rejected: NSFW"}, PixverseModerationError),
            (410, {"error": "This model has been retired"}, PixverseRequestError),
            (
                422,
                {"detail": [{"loc": ["body", "quality"], "msg": "field required", "type": "missing"}]},
                PixverseRequestError,
            ),
            (
                422,
                {"detail": [{"loc": ["body"], "msg": "no", "type": "content_policy_violation"}]},
                PixverseModerationError,
            ),
            (429, {"error": "Rate limit exceeded"}, PixverseRateLimitError),
        ],
        ids=str,
    )
    def test_a_code_of_the_table_says_that_nothing_was_bought(
        self, code: int, content: Any, kind: type[PixverseError]
    ) -> None:
        with pytest.raises(PixverseError) as caught:
            submitted(code, content)
        assert type(caught.value) is kind
        if kind not in (PixverseAuthError,):
            assert "othing was bought" in str(caught.value)

    def test_the_vendors_words_are_repeated_with_the_field_they_are_about(self) -> None:
        detail = [{"loc": ["body", "quality"], "msg": "field required", "type": "missing"}]
        with pytest.raises(PixverseRequestError, match=r"body\.quality: field required: missing"):
            submitted(422, {"detail": detail})

    def test_the_authorizers_own_envelope_is_read(self) -> None:
        body = {"error": "unauthorized", "error_description": "The key has expired", "status_code": 401}
        with pytest.raises(PixverseAuthError, match="unauthorized; The key has expired"):
            submitted(401, body)

    @pytest.mark.parametrize("code", [400, 401, 406, 429, 500])
    def test_the_key_is_never_repeated(self, code: int) -> None:
        with pytest.raises(PixverseError) as caught:
            submitted(code, {"error": f"key {KEY} is not liked"})
        assert KEY not in str(caught.value)
        assert "***" in str(caught.value)

    @pytest.mark.parametrize(
        "header",
        [
            "2026-09-21T14:13:20Z",
            "2026-09-21T14:13:20",
            "2026-09-21 14:13:20",
            "2026-09-21 14:13:20 UTC",
            "2026-09-21T16:13:20+02:00",
            "2026-09-21T14:13:20.000000",
            "1790000000",
            "1790000000.0",
        ],
    )
    def test_a_429_is_over_when_its_header_says(self, header: str) -> None:
        with pytest.raises(PixverseRateLimitError) as caught:
            submitted(429, {"error": "slow down"}, {"x-rate-limit-reset-at-utc": header})
        assert caught.value.retry_at == NOW
        assert caught.value.delay(NOW - 7) == 7

    @pytest.mark.usefixtures("another_zone")
    def test_a_moment_without_a_zone_is_utc_wherever_this_runs(self) -> None:
        with pytest.raises(PixverseRateLimitError) as caught:
            submitted(429, b"", {"x-rate-limit-reset-at-utc": "2026-09-21T14:13:20"})
        assert caught.value.retry_at == NOW

    @pytest.mark.parametrize("header", [None, "", "soon", "60", "1790000000000", "nan", "1e400", "-5"])
    def test_a_429_whose_end_cannot_be_read_is_a_plain_back_off(self, header: str | None) -> None:
        headers = {} if header is None else {"x-rate-limit-reset-at-utc": header}
        with pytest.raises(PixverseRateLimitError) as caught:
            submitted(429, {"error": "slow down"}, headers)
        assert caught.value.delay(NOW) is None

    def test_a_retry_after_is_understood_all_the_same(self) -> None:
        with pytest.raises(PixverseRateLimitError) as caught:
            submitted(429, b"", {"Retry-After": "30"})
        assert caught.value.delay(NOW) == 30


class TestPolled:
    def test_it_asks_for_the_status_with_the_key(self) -> None:
        request = GATEWAY.poll(ID)
        assert (request.method, str(request.url)) == ("GET", f"{API}/v2/requests/{ID}/status")
        assert request.headers["x-api-key"] == KEY

    def test_an_id_is_one_segment_of_the_path(self) -> None:
        assert GATEWAY.poll("a/b?c").url.raw_path == b"/v2/requests/a%2Fb%3Fc/status"

    @pytest.mark.parametrize(
        ("word", "status", "recognized"),
        [
            ("QUEUED", "queued", True),
            ("PROCESSING", "generating", True),
            ("processing", "generating", True),
            ("WARMING_UP", "generating", False),
        ],
    )
    def test_a_pending_job_is_asked_for_once(self, word: str, status: str, recognized: bool) -> None:
        generation = polled((200, {"status": word, "request_id": ID, "metrics": {}}))
        assert (generation.id, generation.status, generation.recognized) == (ID, status, recognized)
        assert generation.video_url is None

    def test_a_completed_job_is_asked_for_its_result(self) -> None:
        request = further(*STATUS_DONE)
        assert (request.method, str(request.url)) == ("GET", f"{API}/v2/requests/{ID}")
        assert request.headers["x-api-key"] == KEY
        result = completed(output=VIDEO, metrics=METRICS)
        generation = polled(STATUS_DONE, (200, result))
        assert (generation.status, generation.video_url) == ("finished", VIDEO)
        assert generation.cost == Cost(0.5, "usd")

    @pytest.mark.parametrize(
        "fields",
        [
            {"output": VIDEO},
            {"output": [VIDEO]},
            {"output": {"url": VIDEO}},
            {"output": [{"url": VIDEO}]},
            {"output": {"video": {"url": VIDEO}}},
            {"output": "text of a caption", "video": {"url": VIDEO, "last_frame_url": IMAGE}},
            {"output": VIDEO, "video": {"url": VIDEO, "content_type": "video/mp4", "file_size": 4955795}},
            {"video": VIDEO},
            {"images": [{"url": VIDEO}]},
            {"image_url": VIDEO},
            {"video_url": VIDEO},
            {"output": json.dumps([{"keyname": "video", "value": VIDEO}])},
        ],
        ids=str,
    )
    def test_every_shape_of_a_result(self, fields: dict[str, Any]) -> None:
        assert polled(STATUS_DONE, (200, completed(**fields))).video_url == VIDEO
        del_status = {key: value for key, value in completed(**fields).items() if key != "status"}
        assert polled(STATUS_DONE, (200, del_status)).video_url == VIDEO

    @pytest.mark.parametrize("cost", [None, "free", True, 10**400, "nan", [], {}])
    def test_a_cost_that_cannot_be_read_does_not_cost_the_video(self, cost: Any) -> None:
        for metrics in ({"cost": cost}, cost):
            generation = polled(STATUS_DONE, (200, completed(output=VIDEO, metrics=metrics)))
            assert (generation.video_url, generation.cost) == (VIDEO, None)

    def test_the_size_of_the_file_is_told(self) -> None:
        result = completed(video={"url": VIDEO, "file_size": 4955795})
        assert polled(STATUS_DONE, (200, result)).file_size == 4955795

    @pytest.mark.parametrize(
        "result",
        [
            completed(),
            completed(output=None),
            completed(output=""),
            completed(output="a caption"),
            completed(output=[]),
            completed(video={"url": None}),
            completed(video={"last_frame_url": IMAGE}),
        ],
        ids=str,
    )
    def test_without_a_url_in_the_result_the_history_is_asked(self, result: dict[str, Any]) -> None:
        generation = polled(STATUS_DONE, (200, result), (200, row()))
        assert generation.video_url == VIDEO
        for nowhere in ((404, UNKNOWN), (403, {"error": "no"}), (200, row(generation_url=None))):
            generation = polled(STATUS_DONE, (200, result), nowhere)
            assert (generation.status, generation.video_url) == ("finished", None)

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"\0\0\0\x20ftypisom", "binary/unknown"),
            (b"\0\0\0\x20ftypisom", "video/mp4"),
            (b"....", "video/mp4"),
        ],
    )
    def test_a_result_that_is_the_video_itself_is_found_in_the_history(
        self, content: bytes, kind: str
    ) -> None:
        request = further(*STATUS_DONE)
        read = GATEWAY.polled(answer(request, 200, content, {"content-type": kind}))
        assert isinstance(read, httpx.Request)
        assert str(read.url) == f"{RECORDS}/{ID}"
        generation = GATEWAY.polled(answer(read, 200, row()))
        assert isinstance(generation, Generation)
        assert (generation.video_url, generation.cost) == (VIDEO, Cost(0.5, "usd"))

    def test_a_result_that_is_still_running_is_waited_for(self) -> None:
        assert polled(STATUS_DONE, (200, {"status": "PROCESSING", "request_id": ID})).status == "generating"

    @pytest.mark.parametrize("code", [422, 200, 500])
    @pytest.mark.parametrize("at", ["status", "result"])
    def test_a_failed_job_is_told_by_its_body(self, code: int, at: str) -> None:
        failed = (code, {"status": "FAILED", "request_id": ID, "error": "GPU exploded", "metrics": {}})
        generation = polled(*([STATUS_DONE] if at == "result" else []), failed)
        assert (generation.status, generation.error) == ("failed", "GPU exploded")
        assert not generation.moderated
        assert generation.cost is None

    @pytest.mark.parametrize("code", [422, 200])
    def test_a_policy_violation_is_in_the_detail(self, code: int) -> None:
        detail = [{"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}]
        generation = polled((code, {"status": "FAILED", "request_id": ID, "detail": detail}))
        assert generation.status == "failed"
        assert generation.moderated
        assert generation.error == "body.prompt: flagged: content_policy_violation"

    @pytest.mark.parametrize("said", ["RAI filter", "blocked: content policy", "Responsible AI", "NSFW"])
    def test_content_blocks_are_moderation(self, said: str) -> None:
        assert polled((422, {"status": "FAILED", "error": said})).moderated

    def test_training_is_not_a_content_block(self) -> None:
        assert not polled((422, {"status": "FAILED", "error": "RAI service timed out"})).moderated
        assert not polled((422, {"status": "FAILED", "error": "rain train brainfreeze"})).moderated

    def test_a_422_without_a_status_is_a_failure(self) -> None:
        assert polled((422, {"error": "bad input"})).error == "bad input"

    def test_a_failure_without_words_has_none(self) -> None:
        assert polled((422, {"status": "FAILED"})).error is None

    def test_a_failure_that_repeats_the_key_is_redacted(self) -> None:
        assert polled((422, {"status": "FAILED", "error": f"bad {KEY}"})).error == "bad ***"
        assert polled((200, {"status": f"waiting for {KEY}"})).vendor_status == "waiting for ***"

    @pytest.mark.parametrize(
        ("code", "content"),
        [
            (200, b""),
            (200, {}),
            (200, {"metrics": {}}),
            (200, "<html></html>"),
            (302, b""),
            (405, {"error": "?"}),
            (406, {"error": "Content-Type"}),
            (422, "<html></html>"),
            (500, {"error": "Internal server error"}),
            (502, "<html></html>"),
            (503, b""),
            (504, {"error": "Timeout"}),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("at", ["status", "result", "history"])
    def test_an_answer_that_says_nothing_is_asked_for_again(self, code: int, content: Any, at: str) -> None:
        before = {"status": [], "result": [STATUS_DONE], "history": [(404, UNKNOWN)]}[at]
        with pytest.raises(PixverseUnavailableError) as caught:
            polled(*before, (code, content))
        assert caught.value.generation_id == ID

    @pytest.mark.parametrize("page", [b"", "<html>Not Found</html>", []])
    def test_a_404_that_is_not_the_vendors_does_not_end_the_wait(self, page: Any) -> None:
        assert polled((404, page), (200, row())).video_url == VIDEO
        with pytest.raises(PixverseUnavailableError):
            polled((404, page), (404, page))

    @pytest.mark.parametrize("word", ["FAILED", "COMPLETED"])
    def test_a_status_in_an_error_that_does_not_name_the_job_is_not_the_jobs(self, word: str) -> None:
        for body in ({"status": word}, {"status": word, "request_id": "another"}):
            with pytest.raises(PixverseUnavailableError):
                polled((500, body))
            with pytest.raises(PixverseAuthError):
                polled((401, body))
            assert polled((404, body), (200, row())).video_url == VIDEO
        with pytest.raises(PixverseAuthError):
            polled((401, {"status": word, "request_id": ID}))

    @pytest.mark.parametrize("at", ["status", "result"])
    def test_a_refused_key(self, at: str) -> None:
        with pytest.raises(PixverseAuthError) as caught:
            polled(*([STATUS_DONE] if at == "result" else []), (401, {"error": "unauthorized"}))
        assert caught.value.generation_id == ID

    @pytest.mark.parametrize("at", ["status", "result", "history"])
    def test_a_rate_limit(self, at: str) -> None:
        before = {"status": [], "result": [STATUS_DONE], "history": [(404, UNKNOWN)]}[at]
        with pytest.raises(PixverseRateLimitError) as caught:
            polled(*before, (429, {"error": "slow down"}))
        assert "bought" not in str(caught.value)

    @pytest.mark.parametrize("code", [404, 406])
    def test_an_account_without_credits_is_no_missing_job(self, code: int) -> None:
        with pytest.raises(PixverseCreditsError) as caught:
            polled((code, {"error": "No credits found for the user"}))
        assert "bought" not in str(caught.value)

    @pytest.mark.parametrize("code", [400, 404, 410])
    @pytest.mark.parametrize("at", ["status", "result"])
    def test_an_unknown_or_expired_id_is_looked_for_in_the_history(self, code: int, at: str) -> None:
        before = [STATUS_DONE] if at == "result" else []
        generation = polled(*before, (code, UNKNOWN), (200, row(credits_deduction="0.375")))
        assert (generation.id, generation.status, generation.video_url) == (ID, "finished", VIDEO)
        assert generation.cost == Cost(0.375, "usd")
        assert generation.seed == body_of(TEXT)["seed"]

    def test_the_history_is_asked_on_its_own_host_with_the_key(self) -> None:
        request = further(404, UNKNOWN)
        assert str(request.url) == f"{RECORDS}/{ID}"
        assert request.headers["x-api-key"] == KEY

    @pytest.mark.parametrize("word", ["EXPIRED", "deleted", " Gone "])
    @pytest.mark.parametrize("code", [200, 404, 410, 422])
    @pytest.mark.parametrize("at", ["status", "result"])
    def test_a_result_that_expired_is_looked_for_in_the_history(self, word: str, code: int, at: str) -> None:
        before = [STATUS_DONE] if at == "result" else []
        expired = (code, {"status": word, "request_id": ID})
        assert polled(*before, expired, (200, row())).video_url == VIDEO
        with pytest.raises(PixverseGoneError, match=r"history does not have it\. It was bought") as caught:
            polled(*before, expired, (404, UNKNOWN))
        assert caught.value.generation_id == ID

    def test_what_the_history_lists_as_deleted_is_gone(self) -> None:
        with pytest.raises(PixverseGoneError, match=r"lists it as DELETED\. It was bought") as caught:
            polled((404, UNKNOWN), (200, row(model_status="DELETED")))
        assert caught.value.generation_id == ID

    def test_the_history_tells_of_failures_and_of_what_still_runs(self) -> None:
        failed = row(model_status="FAILED", error="content policy", generation_url=None, credits_deduction=0)
        generation = polled((404, UNKNOWN), (200, failed))
        assert (generation.status, generation.error, generation.moderated) == (
            "failed",
            "content policy",
            True,
        )
        pending = row(model_status="PENDING", generation_url=None, credits_deduction=None)
        generation = polled((404, UNKNOWN), (200, pending))
        assert (generation.status, generation.recognized, generation.cost) == ("generating", True, None)

    @pytest.mark.parametrize(
        "wrap", [lambda r: r, lambda r: {"data": r}, lambda r: {"data": [r]}, lambda r: [r]]
    )
    def test_a_row_may_be_wrapped(self, wrap: Any) -> None:
        assert polled((404, UNKNOWN), (200, wrap(row()))).video_url == VIDEO

    @pytest.mark.parametrize(
        "nothing",
        [
            (404, UNKNOWN),
            (400, {"error": "not a uuid"}),
            (401, {"error": "unauthorized"}),
            (403, {"error": "forbidden"}),
            (422, {"detail": "no uuid"}),
            (200, {"data": []}),
            (200, row(request_id="another")),
        ],
        ids=str,
    )
    def test_an_id_that_the_history_does_not_have_is_unknown(self, nothing: tuple[int, Any]) -> None:
        with pytest.raises(PixverseNotFoundError) as caught:
            polled((404, UNKNOWN), nothing)
        assert caught.value.generation_id == ID


class TestHosts:
    """The key goes to the vendor's hosts, or below the connection's host, and nowhere else."""

    SANDBOXED = SegmindGateway(KEY, base_url=f"{SANDBOX}/")

    def test_every_path_lies_below_the_connections_host(self) -> None:
        gateway = self.SANDBOXED
        upload = gateway.upload("image", Medium(MediumKind.IMAGE, content=b"x", mime_type="image/png"))
        assert isinstance(upload, httpx.Request)
        urls = [
            gateway.submit(TEXT, key=PURCHASE).url,
            gateway.poll(ID).url,
            further(200, completed(), gateway=gateway).url,
            further(404, UNKNOWN, gateway=gateway).url,
            gateway.balance().url,
            upload.url,
            gateway.look_up(TEXT, key=PURCHASE, since=NOW, until=NOW).url.copy_with(query=None),
        ]
        assert [str(url).removeprefix(SANDBOX) for url in urls] == [
            "/v2/pixverse-5-video",
            f"/v2/requests/{ID}/status",
            f"/v2/requests/{ID}",
            f"/inference-request/request-history/{ID}",
            "/v1/get-user-credits",
            "/upload-asset",
            "/inference-request/request-history",
        ]

    @pytest.mark.parametrize("base_url", ["", API, f"{API}/"])
    def test_the_vendors_own_hosts_are_three(self, base_url: str) -> None:
        gateway = SegmindGateway(KEY, base_url=base_url)
        upload = gateway.upload("image", Medium(MediumKind.IMAGE, content=b"x", mime_type="image/png"))
        assert isinstance(upload, httpx.Request)
        assert str(upload.url) == "https://workflows-api.segmind.com/upload-asset"
        assert str(further(404, UNKNOWN, gateway=gateway).url).startswith(RECORDS)
        assert str(gateway.balance().url) == f"{API}/v1/get-user-credits"

    @pytest.mark.parametrize(
        ("gateway", "response_url"),
        [
            (GATEWAY, f"{API}/v3/results/{ID}?part=1"),
            (SANDBOXED, f"{SANDBOX}/v3/results/{ID}"),
        ],
    )
    def test_a_url_of_the_gateways_own_is_followed(self, gateway: SegmindGateway, response_url: str) -> None:
        request = further(200, completed(response_url=response_url), gateway=gateway)
        assert str(request.url) == response_url

    @pytest.mark.parametrize("gateway", [GATEWAY, SANDBOXED], ids=["vendor", "sandbox"])
    @pytest.mark.parametrize(
        "response_url",
        [
            f"https://evil.example/v2/requests/{ID}",
            f"http://api.segmind.com/v2/requests/{ID}",
            f"https://api.segmind.com.evil.example/{ID}",
            f"https://api.segmind.com@evil.example/{ID}",
            f"https://api.segmind.com:8443/{ID}",
            f"https://api.segmind.com\\@evil.example/{ID}",
            "http://127.0.0.1:8765/elsewhere",
            "//evil.example/x",
            f"/v2/requests/{ID}",
            "https://[",
            "",
            None,
            7,
            {"url": "x"},
        ],
        ids=str,
    )
    def test_another_one_is_replaced_by_our_own(self, gateway: SegmindGateway, response_url: Any) -> None:
        request = further(200, completed(response_url=response_url), gateway=gateway)
        assert str(request.url) == f"{gateway.base_url}/v2/requests/{ID}"

    @pytest.mark.parametrize("tail", ["a\nb", "a\x00b", "x" * 70_000])
    def test_a_url_that_cannot_be_sent_is_replaced_too(self, tail: str) -> None:
        request = further(200, completed(response_url=f"{API}/{tail}"))
        assert str(request.url) == f"{API}/v2/requests/{ID}"

    def test_what_a_request_is_about_is_not_sent(self) -> None:
        request = further(404, UNKNOWN)
        assert ID not in str(request.headers)
        assert not request.content

    def test_it_is_known_by_its_name(self) -> None:
        gateway = make_gateway("segmind", KEY, base_url=SANDBOX)
        assert isinstance(gateway, SegmindGateway)
        assert gateway.has_records
        assert not gateway.repeats_safely
        assert KEY not in repr(gateway)


class TestUpload:
    def test_a_url_is_passed_on(self) -> None:
        assert GATEWAY.upload("image", Medium(MediumKind.IMAGE, url=IMAGE)) == IMAGE

    def test_content_is_uploaded_as_a_data_url(self) -> None:
        medium = Medium(MediumKind.IMAGE, content=b"picture", mime_type="image/png", name="a.png")
        request = GATEWAY.upload("image", medium)
        assert isinstance(request, httpx.Request)
        assert request.method == "POST"
        assert request.headers["x-api-key"] == KEY
        assert json.loads(request.content) == {"data_urls": ["data:image/png;base64,cGljdHVyZQ=="]}
        asset = "https://images.segmind.com/assets/a.png"
        body = {"file_urls": [asset], "message": "Files uploaded successfully"}
        assert GATEWAY.uploaded(answer(request, 200, body)) == asset

    @pytest.mark.parametrize(
        ("code", "content", "kind"),
        [
            (200, {"file_urls": []}, PixverseUnavailableError),
            (200, {"file_urls": ["not a url"]}, PixverseUnavailableError),
            (200, b"", PixverseUnavailableError),
            (400, {"error": "Unsupported file"}, PixverseRequestError),
            (401, {"error": "unauthorized"}, PixverseAuthError),
            (406, {"error": "Insufficient credits"}, PixverseCreditsError),
            (422, {"error": "content policy"}, PixverseModerationError),
            (429, {"error": "slow down"}, PixverseRateLimitError),
            (500, {"error": "Internal server error"}, PixverseUnavailableError),
        ],
    )
    def test_a_failed_upload(self, code: int, content: Any, kind: type[PixverseError]) -> None:
        medium = Medium(MediumKind.IMAGE, content=b"x", mime_type="image/png")
        request = GATEWAY.upload("image", medium)
        assert isinstance(request, httpx.Request)
        with pytest.raises(PixverseError) as caught:
            GATEWAY.uploaded(answer(request, code, content))
        assert type(caught.value) is kind


class TestBalance:
    @pytest.mark.parametrize(
        ("body", "amount"),
        [
            ({"credits": 9.5, "free-credits": 0.5}, 10),
            ({"credits": 9.5}, 9.5),
            ({"credits": 0, "free-credits": 0}, 0),
            ({"credits": "9.5", "free-credits": None}, 9.5),
        ],
    )
    def test_it_is_what_was_bought_and_what_was_given(self, body: dict[str, Any], amount: float) -> None:
        assert GATEWAY.balance_read(answer(GATEWAY.balance(), 200, body)) == Balance(amount, "credits")

    @pytest.mark.parametrize(
        ("code", "content", "kind"),
        [
            (401, {"error": "unauthorized"}, PixverseAuthError),
            (404, {"error": "No credits found for the user"}, PixverseCreditsError),
            (404, {"error": "Not found"}, PixverseUnavailableError),
            (429, {"error": "slow down"}, PixverseRateLimitError),
            (200, {"error": "?"}, PixverseUnavailableError),
            (500, b"", PixverseUnavailableError),
        ],
    )
    def test_it_could_not_be_read(self, code: int, content: Any, kind: type[PixverseError]) -> None:
        with pytest.raises(PixverseError) as caught:
            GATEWAY.balance_read(answer(GATEWAY.balance(), code, content))
        assert type(caught.value) is kind


SEEDED = build(TextToVideo, prompt="a dragon", seed=7)


def look(request: GenerationRequest = TEXT) -> httpx.Request:
    return GATEWAY.look_up(request, key=PURCHASE, since=NOW - 5, until=NOW + 5)


def found(
    rows: Any, request: GenerationRequest = TEXT, asked: httpx.Request | None = None
) -> Generation | httpx.Request | None:
    response = answer(asked or look(request), 200, rows)
    return GATEWAY.looked_up(response, request=request, key=PURCHASE)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


class TestRecovery:
    """A submission without an answer is looked for in the request history."""

    def test_it_asks_for_the_models_newest_requests(self) -> None:
        request = look()
        assert str(request.url.copy_with(query=None)) == RECORDS
        assert dict(request.url.params) == {
            "page": "1",
            "per_page": "100",
            "from_date": "2026-09-20",
            "model_name": "pixverse-5-video",
            "sort_by": "model_created",
            "sort_order": "desc",
        }
        assert request.headers["x-api-key"] == KEY

    def test_an_old_submission_stays_within_the_longest_window(self) -> None:
        request = GATEWAY.look_up(TEXT, key=PURCHASE, since=NOW - 90 * 86_400, until=NOW)
        assert request.url.params["from_date"] == "2026-08-22"

    @pytest.mark.parametrize("key", ["data", "results", "items", "requests"])
    def test_it_is_found_by_the_body_that_was_sent(self, key: str) -> None:
        generation = found({"filters": [], key: [row(request_id="x", request_body={}), row()], "page": 1})
        assert isinstance(generation, Generation)
        assert (generation.id, generation.status) == (ID, "finished")
        assert generation.cost == Cost(0.5, "usd")

    def test_rows_may_lie_bare_or_deeper(self) -> None:
        for rows in ([row()], {"data": {"rows": [row()], "total": 1}}, row()):
            generation = found(rows)
            assert isinstance(generation, Generation)
            assert generation.id == ID

    @pytest.mark.parametrize(
        ("word", "status"), [("PENDING", "generating"), ("FAILED", "failed"), ("COMPLETED", "finished")]
    )
    def test_its_state_comes_along(self, word: str, status: str) -> None:
        generation = found({"data": [row(model_status=word)]})
        assert isinstance(generation, Generation)
        assert generation.status == status

    def test_the_body_may_be_text_with_defaults_filled_in_and_numbers_as_text(self) -> None:
        body = {
            **body_of(TEXT),
            "duration": "5",
            "sound_effect_switch": "false",
            "negative_prompt": None,
            "style": "x",
            "image_url": None,
        }
        assert isinstance(found({"data": [row(request_body=json.dumps(body))]}), Generation)

    @pytest.mark.parametrize(
        "change",
        [
            {"prompt": "another"},
            {"prompt": "A dragon"},
            {"seed": 12345},
            {"duration": 8},
            {"sound_effect_switch": True},
            {"aspect_ratio": None},
        ],
    )
    def test_another_body_is_another_request(self, change: dict[str, Any]) -> None:
        assert found({"data": [row(request_body={**body_of(TEXT), **change})]}) is None

    @pytest.mark.parametrize("body", [None, "", "{", "[]", 7])
    def test_a_row_whose_body_is_not_there_is_not_taken(self, body: Any) -> None:
        assert found({"data": [row(request_body=body)]}) is None

    def test_another_purchase_of_the_same_is_not_taken(self) -> None:
        other = body_of(TEXT, key="another purchase")
        assert found({"data": [row(request_body=other)]}) is None

    @pytest.mark.parametrize(
        ("created", "ours"),
        [
            (moment(0), True),
            (moment(-CLOCK_SKEW), True),
            (moment(CLOCK_SKEW), True),
            (moment(-CLOCK_SKEW - 6), False),
            (moment(CLOCK_SKEW + 6), False),
            (moment(0).replace("+00:00", ""), True),
            (moment(0).replace("+00:00", "Z"), True),
            (NOW, True),
            (NOW - 3600, False),
        ],
    )
    @pytest.mark.parametrize("request_", [TEXT, SEEDED], ids=["own seed", "user's seed"])
    def test_its_time_must_fit(self, created: Any, ours: bool, request_: GenerationRequest) -> None:
        rows = {"data": [row(request_body=body_of(request_), model_created=created)]}
        assert (found(rows, request_) is not None) is ours

    @pytest.mark.parametrize("created", [None, "yesterday", ""])
    def test_without_a_time_only_a_seed_of_its_own_is_proof(self, created: Any) -> None:
        for request, ours in ((TEXT, True), (SEEDED, False)):
            rows = {"data": [row(request_body=body_of(request), model_created=created)]}
            assert (found(rows, request) is not None) is ours

    def test_the_time_may_have_another_name(self) -> None:
        fields = {"request_body": body_of(SEEDED), "model_created": None}
        assert found({"data": [row(**fields, created_at=moment(0))]}, SEEDED) is not None
        assert found({"data": [row(**fields, created_at=moment(-3600))]}, SEEDED) is None

    @pytest.mark.parametrize("pages", [1, 2])
    def test_several_that_could_be_it_are_no_answer(self, pages: int) -> None:
        rows = [row(request_id=name, request_body=body_of(SEEDED)) for name in ("of-another-task", "ours")]
        asked = look(SEEDED)
        if pages == 2:
            further_page = found({"data": [row(request_body={})] * (PAGE_ROWS - 1) + [rows.pop()]}, SEEDED)
            assert isinstance(further_page, httpx.Request)
            asked = further_page
        with pytest.raises(
            PixverseAmbiguousSubmitError, match="2 requests of segmind's history could"
        ) as caught:
            found({"data": rows}, SEEDED, asked)
        assert "of-another-task, ours" in str(caught.value)
        step = decide_on_search(Attempts("k", NOW + 60, can_search=True), caught.value)
        assert isinstance(step, Stop)
        assert isinstance(step.error, PixverseAmbiguousSubmitError)

    def test_one_on_a_full_page_is_the_answer_once_the_pages_are_read(self) -> None:
        seeded = row(request_body=body_of(SEEDED))
        further_page = found({"data": [seeded] + [row(request_body={})] * (PAGE_ROWS - 1)}, SEEDED)
        assert isinstance(further_page, httpx.Request)
        # Rows move to the next page while pages are read, and each output has a row.
        generation = found({"data": [seeded, seeded]}, SEEDED, further_page)
        assert isinstance(generation, Generation)
        assert generation.id == ID

    @pytest.mark.parametrize("seconds", [-CLOCK_SKEW - 6, -3600, CLOCK_SKEW + 6])
    def test_what_was_not_made_while_it_was_sent_is_no_candidate(self, seconds: float) -> None:
        body = body_of(SEEDED)
        older = row(request_id="older", request_body=body, model_created=moment(seconds))
        generation = found({"data": [row(request_body=body), older]}, SEEDED)
        assert isinstance(generation, Generation)
        assert generation.id == ID

    def test_of_several_under_a_seed_of_its_own_the_newest_is_taken(self) -> None:
        rows = [row(request_id=str(age), model_created=moment(-age)) for age in (3, 1, 2)]
        generation = found({"data": rows})
        assert isinstance(generation, Generation)
        assert generation.id == "1"

    def test_media_uploaded_anew_are_no_other_request_where_the_seed_is_its_own(self) -> None:
        for seed, ours in ((None, True), (7, False)):
            request = build(ImageToVideo, prompt="a", image=IMAGE, seed=seed)
            body = {**body_of(request), "image_url": OTHER_IMAGE}
            assert (found({"data": [row(request_body=body)]}, request) is not None) is ours

    def test_a_picture_more_is_another_request_where_the_seed_is_the_users(self) -> None:
        body = {**body_of(SEEDED), "image_url": IMAGE}
        assert found({"data": [row(request_body=body)]}, SEEDED) is None

    def test_another_model_is_another_request(self) -> None:
        assert found({"data": [row(model_name="pixverse-4.5-video")]}) is None
        assert found({"data": [row(model_name=None)]}) is not None

    def test_a_short_page_is_the_last(self) -> None:
        assert found({"data": []}) is None
        assert found({"data": [row(request_body={})] * (PAGE_ROWS - 1)}) is None

    def test_a_full_page_within_the_time_leads_to_the_next(self) -> None:
        others = {"data": [row(request_body={})] * PAGE_ROWS}
        second = found(others)
        assert isinstance(second, httpx.Request)
        assert dict(second.url.params) == {**dict(look().url.params), "page": "2"}
        generation = found({"data": [row()]}, asked=second)
        assert isinstance(generation, Generation)

    def test_a_full_page_that_reaches_back_before_the_submission_is_the_last(self) -> None:
        rows = [row(request_body={})] * (PAGE_ROWS - 1) + [row(request_body={}, model_created=moment(-3600))]
        assert found({"data": rows}) is None

    def test_a_history_without_end_could_not_be_searched(self) -> None:
        others = {"data": [row(request_body={})] * PAGE_ROWS}
        asked = look()
        for _ in range(MOST_PAGES - 1):
            further_page = found(others, asked=asked)
            assert isinstance(further_page, httpx.Request)
            asked = further_page
        with pytest.raises(PixverseUnavailableError):
            found(others, asked=asked)

    @pytest.mark.parametrize(
        ("code", "content", "kind"),
        [
            (200, b"", PixverseUnavailableError),
            (200, {}, PixverseUnavailableError),
            (200, "<html></html>", PixverseUnavailableError),
            (200, {"data": None}, PixverseUnavailableError),
            (400, {"error": "from_date"}, PixverseRequestError),
            (401, {"error": "unauthorized"}, PixverseAuthError),
            (403, {"error": "forbidden"}, PixverseAuthError),
            (404, {"error": "not found"}, PixverseRequestError),
            (429, {"error": "slow down"}, PixverseRateLimitError),
            (500, b"", PixverseUnavailableError),
        ],
    )
    def test_what_could_not_be_read_is_not_taken_for_absent(
        self, code: int, content: Any, kind: type[PixverseError]
    ) -> None:
        with pytest.raises(PixverseError) as caught:
            GATEWAY.looked_up(answer(look(), code, content), request=TEXT, key=PURCHASE)
        assert type(caught.value) is kind
