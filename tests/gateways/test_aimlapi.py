# SPDX-License-Identifier: Apache-2.0
"""
The AI/ML API contract, held against what the vendor shows on its own pages.

Bodies are copied from docs.aimlapi.com: the samples of the PixVerse model pages, their OpenAPI schemas,
"Errors", "Request Tracing and Cost Headers", "Usage Logs" and "Account Balance".
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import httpx
import pytest

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
from airflow_provider_pixverse.gateways.aimlapi import CLOCK_SKEW, AimlapiGateway
from airflow_provider_pixverse.generation import Balance, Cost, Generation, GenerationStatus
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

KEY = "b3f1c0de5eed4a11b0ba"
PURCHASE = "6f1f7a52-0000-4000-8000-000000000001"
ENDPOINT = "https://api.aimlapi.com/v2/video/generations"
GATEWAY = AimlapiGateway(KEY)

OLD_ID = "8ac142d3-7c9f-4071-bdc6-d0f2d3d9b327:pixverse/v5/image-to-video"
NEW_ID = "jCajo_YQuMr5As6lN1lSg"
BOTH_IDS = pytest.mark.parametrize("generation_id", [OLD_ID, NEW_ID], ids=["old form", "new form"])

MONA_LISA = "https://s2-111386.kwimgs.com/bs2/mmu-aiplatform-temp/kling/20240620/1.jpeg"
PRESENTER = "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/news-presenter.jpg"
DRAGON = (
    "A menacing evil dragon appears in a distance above the tallest mountain, then rushes toward the camera "
    "with its jaws open, revealing massive fangs. We see it's coming."
)
V55_URL = "https://cdn.aimlapi.com/panda/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2FtFzvIwK3x79Lvz8cknMvj_seed2144515801.mp4"

ERRORS: dict[int, tuple[str, str]] = {
    400: (
        "BadRequestException",
        "Body validation error\nInvalid enum value. Expected '5' | '8', received '7'",
    ),
    401: (
        "UnauthorizedException",
        "This request requires a valid API key. You can create a new API key on the Billing page: "
        "https://aimlapi.com/app/keys",
    ),
    403: (
        "ForbiddenException",
        "You've run out of credits. Please top up your balance or update your payment method to continue: "
        "https://aimlapi.com/app/billing/",
    ),
    404: ("NotFoundException", "Cannot POST /v2/video/generation"),
    429: ("TooManyRequestsException", "Too Many Requests"),
    500: ("InternalServerErrorException", "Something wrong with the server. Please, try again later."),
    502: ("BadGatewayException", "Bad Gateway"),
    503: ("ServiceUnavailableException", "Service unavailable"),
    504: ("GatewayTimeoutException", "Generation timeout"),
}
"""The codes of the vendor's error table, with the names and messages they come with."""


def documented(code: int, message: str) -> dict[str, Any]:
    return {
        "message": message,
        "path": "/v2/video/generations",
        "requestId": "798b860e-98c2-4e8e-8c50-550bcfc2eccc",
        "statusCode": str(code),
        "timestamp": "2025-03-11T07:13:27.813Z",
    }


def problem_json(code: int, message: str) -> dict[str, Any]:
    name = ERRORS[code][0]
    return {
        "title": name.removesuffix("Exception"),
        "status": code,
        "message": message,
        "instance": "/v2/video/generations",
        "requestId": "798b860e-98c2-4e8e-8c50-550bcfc2eccc",
        "timestamp": "2026-08-30T07:13:27.813Z",
        "error": {"name": name, "message": message},
    }


BOTH_ENVELOPES = pytest.mark.parametrize("envelope", [documented, problem_json])


def submitted(
    status: int = 200, body: Any = None, *, headers: dict[str, str] | None = None, **content: Any
) -> Generation:
    if body is not None:
        content["json"] = body
    request = GATEWAY.submit(build(TextToVideo, prompt="a dragon"), key=PURCHASE)
    return GATEWAY.submitted(httpx.Response(status, request=request, headers=headers, **content))


def polled(
    status: int = 200,
    body: Any = None,
    *,
    generation_id: str = NEW_ID,
    headers: dict[str, str] | None = None,
    **content: Any,
) -> Generation:
    if body is not None:
        content["json"] = body
    request = GATEWAY.poll(generation_id)
    return GATEWAY.polled(httpx.Response(status, request=request, headers=headers, **content))


def sent(kind: type[GenerationRequest], **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(GATEWAY.submit(build(kind, **fields), key=PURCHASE).content)
    return body


# what is sent


def test_a_submission_is_one_post_with_the_key_and_its_own_id() -> None:
    request = GATEWAY.submit(build(TextToVideo, prompt="a dragon"), key=PURCHASE)
    assert (request.method, str(request.url)) == ("POST", ENDPOINT)
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == request.headers["Accept"] == "application/json"
    assert request.headers["X-Client-Request-Id"] == PURCHASE


V5_TAIL = {"resolution": "720p", "duration": 5}
V55_TAIL = {
    **V5_TAIL,
    "generate_audio_switch": False,
    "generate_multi_clip_switch": False,
    "thinking_type": "auto",
}


@pytest.mark.parametrize(
    ("kind", "fields", "body"),
    [
        pytest.param(
            TextToVideo,
            {"prompt": DRAGON, "resolution": "1080p"},
            {
                "model": "pixverse/v5/text-to-video",
                "prompt": DRAGON,
                "resolution": "1080p",
                "duration": 5,
                "aspect_ratio": "16:9",
            },
            id="v5/text-to-video",
        ),
        pytest.param(
            ImageToVideo,
            {"prompt": "Mona Lisa puts on glasses with her hands.", "image": MONA_LISA, "duration": 5},
            {
                "model": "pixverse/v5/image-to-video",
                "prompt": "Mona Lisa puts on glasses with her hands.",
                "image_url": MONA_LISA,
                **V5_TAIL,
            },
            id="v5/image-to-video",
        ),
        pytest.param(
            ImageToVideo,
            {"prompt": "A young news presenter", "image": PRESENTER, "speech": "Hello.", "voice": "chloe"},
            {
                "model": "pixverse/v5/image-to-video",
                "prompt": "A young news presenter",
                "image_url": PRESENTER,
                "lip_sync_tts_content": "Hello.",
                "lip_sync_tts_speaker": "Chloe",
                **V5_TAIL,
            },
            id="v5/image-to-video that speaks",
        ),
        pytest.param(
            Transition,
            {"prompt": "She smiles.", "first_frame": MONA_LISA, "last_frame": PRESENTER, "duration": "8"},
            {
                "model": "pixverse/v5/transition",
                "prompt": "She smiles.",
                "image_url": MONA_LISA,
                "tail_image_url": PRESENTER,
                "duration": 8,
                "resolution": "720p",
            },
            id="v5/transition",
        ),
        pytest.param(
            TextToVideo,
            {"prompt": DRAGON, "version": "v5.5"},
            {"model": "pixverse/v5-5-text-to-video", "prompt": DRAGON, "aspect_ratio": "16:9", **V55_TAIL},
            id="v5.5/text-to-video",
        ),
        pytest.param(
            ImageToVideo,
            {"prompt": "Mona Lisa puts on glasses with her hands.", "image": MONA_LISA, "version": "v5.5"},
            {
                "model": "pixverse/v5-5-image-to-video",
                "prompt": "Mona Lisa puts on glasses with her hands.",
                "image_url": MONA_LISA,
                **V55_TAIL,
            },
            id="v5.5/image-to-video",
        ),
        pytest.param(
            LipSync,
            {"video": "https://example.com/a.mp4", "speech": "Hello.", "voice": "Emily"},
            {
                "model": "pixverse/lip-sync",
                "video_url": "https://example.com/a.mp4",
                "lip_sync_tts_content": "Hello.",
                "lip_sync_tts_speaker": "Emily",
            },
            id="lip-sync to words",
        ),
        pytest.param(
            LipSync,
            {"video": "https://example.com/a.mp4", "audio": "https://example.com/a.mp3"},
            {
                "model": "pixverse/lip-sync",
                "video_url": "https://example.com/a.mp4",
                "audio_url": "https://example.com/a.mp3",
            },
            id="lip-sync to a recording",
        ),
    ],
)
def test_a_body_holds_what_the_vendors_page_shows_and_nothing_else(
    kind: type[GenerationRequest], fields: dict[str, Any], body: dict[str, Any]
) -> None:
    assert sent(kind, **fields) == body


@pytest.mark.parametrize(
    ("version", "fields", "there"),
    [
        ("v5", {"negative_prompt": "blur"}, {"negative_prompt": "blur"}),
        ("v5", {"style": "3d_animation"}, {"style": "3d_animation"}),
        ("v5", {"seed": 0}, {"seed": 0}),
        ("v5", {"aspect_ratio": "9:16"}, {"aspect_ratio": "9:16"}),
        ("v5", {"speech": "Hi"}, {"lip_sync_tts_content": "Hi", "lip_sync_tts_speaker": "Auto"}),
        ("v5.5", {"audio": True}, {"generate_audio_switch": True}),
        ("v5.5", {"multi_clip": True}, {"generate_multi_clip_switch": True}),
        ("v5.5", {"thinking": "enabled"}, {"thinking_type": "enabled"}),
        ("v5.5", {"duration": 10, "seed": 9}, {"duration": 10, "seed": 9}),
    ],
)
def test_an_option_goes_by_the_vendors_name(
    version: str, fields: dict[str, Any], there: dict[str, Any]
) -> None:
    without = sent(TextToVideo, prompt="a dragon", version=version)
    assert sent(TextToVideo, prompt="a dragon", version=version, **fields) == {**without, **there}


@pytest.mark.parametrize("voice", [*VOICES, "Auto"])
def test_a_voice_goes_by_its_name_in_the_vendors_spelling(voice: str) -> None:
    body = sent(TextToVideo, prompt="a dragon", speech="Hi", voice=voice.lower())
    assert body["lip_sync_tts_speaker"] == voice


@pytest.mark.parametrize(
    "fields", [{"model": "pixverse/v5.5/text-to-video"}, {"model": "pixverse/v5-5-text-to-video"}]
)
def test_a_model_is_sent_verbatim_with_the_fields_of_its_row(fields: dict[str, Any]) -> None:
    by_version = sent(TextToVideo, prompt="a dragon", version="v5.5")
    assert sent(TextToVideo, prompt="a dragon", **fields) == {**by_version, **fields}


def test_a_model_that_is_not_known_gets_only_the_switches_that_were_turned() -> None:
    model = "pixverse/v9/text-to-video"
    plain = {"model": model, "prompt": "a dragon", "aspect_ratio": "16:9", **V5_TAIL}
    assert sent(TextToVideo, prompt="a dragon", model=model) == plain
    turned = sent(TextToVideo, prompt="a dragon", model=model, audio=True, thinking="disabled")
    assert turned == {**plain, "generate_audio_switch": True, "thinking_type": "disabled"}


def test_extra_fields_are_sent_as_they_are_and_win() -> None:
    extra = {"motion_mode": "fast", "duration": "5", "seed": None}
    assert sent(TextToVideo, prompt="a dragon", seed=3, extra=extra) == {
        **sent(TextToVideo, prompt="a dragon"),
        **extra,
    }


def test_a_picture_in_memory_is_sent_inline() -> None:
    picture = "data:image/png;base64,iVBORw=="
    assert sent(ImageToVideo, prompt="a dragon", image=picture)["image_url"] == picture


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (TextToVideo, {"prompt": "a dragon", "resolution": "1080p", "duration": 8}),
        (TextToVideo, {"prompt": "a dragon", "version": "v6"}),
        (TextToVideo, {"prompt": "a dragon", "sound_effect": "rain"}),
        (Extend, {"prompt": "a dragon", "video": "https://example.com/a.mp4"}),
    ],
)
def test_what_the_catalogue_refuses_is_never_sent(
    kind: type[GenerationRequest], fields: dict[str, Any]
) -> None:
    with pytest.raises(PixverseRequestError):
        sent(kind, **fields)


@pytest.mark.parametrize(
    "generation_id", [OLD_ID, NEW_ID, "a b&c=d+e%2Ff#g?h", "6a3b5c"], ids=["old", "new", "odd", "hex"]
)
def test_an_id_of_either_form_goes_whole_through_the_query_string(generation_id: str) -> None:
    request = GATEWAY.poll(generation_id)
    assert (request.method, str(request.url.copy_with(query=None))) == ("GET", ENDPOINT)
    assert parse_qs(request.url.query.decode(), strict_parsing=True) == {"generation_id": [generation_id]}
    assert not {":", "/", "#", " "} & set(request.url.query.decode())
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.content == b""


@pytest.mark.parametrize("host", ["http://127.0.0.1:8765/aimlapi", "http://127.0.0.1:8765/aimlapi/"])
def test_everything_lies_below_the_host_that_was_given(host: str) -> None:
    here = AimlapiGateway(KEY, base_url=host)
    text = build(TextToVideo, prompt="a dragon")
    requests = {
        "/v2/video/generations": here.submit(text, key=PURCHASE),
        "/v2/video/generations?generation_id=x": here.poll("x"),
        "/v2/billing": here.balance(),
        "/v2/logs": here.look_up(text, key=PURCHASE, since=0, until=1),
    }
    for path, request in requests.items():
        assert str(request.url).startswith(f"http://127.0.0.1:8765/aimlapi{path}")


# what a submission is answered


@pytest.mark.parametrize(
    ("body", "generation_id", "cost"),
    [
        pytest.param(
            {"id": OLD_ID, "status": "queued", "meta": {"usage": {"tokens_used": 420000}}},
            OLD_ID,
            Cost(420_000, "credits"),
            id="v5 sample of 2025",
        ),
        pytest.param(
            {
                "id": "3yFHGAkECD5RPnpL11mHe",
                "status": "queued",
                "meta": {"usage": {"credits_used": 2000000}},
            },
            "3yFHGAkECD5RPnpL11mHe",
            Cost(2_000_000, "credits"),
            id="v5 sample of 2026",
        ),
        pytest.param(
            {
                "id": NEW_ID,
                "status": "queued",
                "video": None,
                "error": None,
                "meta": {"usage": {"credits_used": 120000.5}},
            },
            NEW_ID,
            Cost(120_000.5, "credits"),
            id="schema",
        ),
        pytest.param({"id": NEW_ID, "status": "queued"}, NEW_ID, None, id="required fields only"),
        pytest.param({"id": NEW_ID, "status": "queued", "meta": None}, NEW_ID, None, id="null meta"),
        pytest.param(
            {"id": NEW_ID, "status": "queued", "meta": {"usage": None}}, NEW_ID, None, id="null usage"
        ),
        pytest.param(
            {"id": NEW_ID, "status": "queued", "meta": {"usage": {"credits_used": None}}},
            NEW_ID,
            None,
            id="null cost",
        ),
        pytest.param(
            {"id": NEW_ID, "status": "queued", "meta": {"usage": {"credits_used": 0}}},
            NEW_ID,
            Cost(0, "credits"),
            id="free of charge",
        ),
        pytest.param({"generation_id": NEW_ID, "status": "queued"}, NEW_ID, None, id="legacy id field"),
    ],
)
@pytest.mark.parametrize("status", [200, 201, 202])
def test_an_accepted_submission_has_its_id_and_cost(
    status: int, body: dict[str, Any], generation_id: str, cost: Cost | None
) -> None:
    generation = submitted(status, body)
    assert generation == Generation(
        generation_id, "aimlapi", GenerationStatus.QUEUED, vendor_status="queued", cost=cost
    )


def test_the_cost_of_a_submission_is_in_the_headers_too() -> None:
    headers = {"x-aimlapi-credits-used": "420000", "x-aimlapi-usd-spent": "0.210000000"}
    assert submitted(200, {"id": NEW_ID, "status": "queued"}, headers=headers).cost == Cost(
        420_000, "credits"
    )
    body = {"id": NEW_ID, "status": "queued", "meta": {"usage": {"credits_used": 5}}}
    assert submitted(200, body, headers=headers).cost == Cost(5, "credits")


@pytest.mark.parametrize("content", [{}, {"html": "<html></html>"}, {"json": {"status": "queued"}}])
def test_an_id_that_only_the_header_has_is_an_id(content: dict[str, Any]) -> None:
    assert submitted(200, headers={"x-inference-id": NEW_ID}, **content).id == NEW_ID


NO_ID = {
    "an empty 200": (200, {}),
    "an empty 201": (201, {}),
    "204": (204, {}),
    "HTML": (200, {"html": "<html>Please wait</html>"}),
    "no JSON": (200, {"content": b'{"id": "jCajo_'}),
    "a JSON list": (200, {"json": []}),
    "JSON null": (200, {"content": b"null"}),
    "an empty object": (200, {"json": {}}),
    "a null id": (200, {"json": {"id": None, "status": "queued"}}),
    "an empty id": (200, {"json": {"id": " ", "status": "queued"}}),
    "an error in a 200": (
        200,
        {"json": {"status": "error", "error": {"name": "E", "message": "It broke"}}},
    ),
    "a redirect to nowhere": (302, {}),
    "a redirect to the result": (303, {"headers": {"location": "https://aimlapi.com"}}),
    "408": (408, {}),
    "409": (409, {"json": {"message": "Conflict"}}),
    "413": (413, {"html": "<html></html>"}),
    "418": (418, {}),
    "HTML 502": (502, {"html": "<html>Bad Gateway</html>"}),
    "an empty 504": (504, {}),
}


@pytest.mark.parametrize(("status", "content"), NO_ID.values(), ids=NO_ID.keys())
def test_an_answer_without_an_id_may_have_bought_a_video(status: int, content: dict[str, Any]) -> None:
    with pytest.raises(PixverseAmbiguousSubmitError, match=rf"HTTP {status} and no id"):
        submitted(status, **content)


NOTHING_BOUGHT: dict[int, type[PixverseError]] = {
    400: PixverseRequestError,
    401: PixverseAuthError,
    403: PixverseCreditsError,
    404: PixverseRequestError,
    429: PixverseRateLimitError,
}


def test_every_code_of_the_vendors_table_is_in_these_tests() -> None:
    assert NOTHING_BOUGHT.keys() | {500, 502, 503, 504} == ERRORS.keys()


@BOTH_ENVELOPES
@pytest.mark.parametrize("code", NOTHING_BOUGHT)
def test_a_refused_submission_has_the_vendors_words(code: int, envelope: Any) -> None:
    message = ERRORS[code][1]
    with pytest.raises(PixverseError) as caught:
        submitted(code, envelope(code, message))
    assert type(caught.value) is NOTHING_BOUGHT[code]
    assert " ".join(message.split()) in caught.value.message


@pytest.mark.parametrize("code", NOTHING_BOUGHT)
@pytest.mark.parametrize("content", [{}, {"html": "<html></html>"}], ids=["empty", "HTML"])
def test_a_refused_submission_is_known_by_its_code_alone(code: int, content: dict[str, Any]) -> None:
    with pytest.raises(NOTHING_BOUGHT[code]) as caught:
        submitted(code, **content)
    assert type(caught.value) is NOTHING_BOUGHT[code]
    assert str(code) in caught.value.message


@BOTH_ENVELOPES
@pytest.mark.parametrize("code", [500, 502, 503, 504])
def test_a_5xx_on_submit_may_have_bought_a_video(code: int, envelope: Any) -> None:
    message = ERRORS[code][1]
    with pytest.raises(PixverseAmbiguousSubmitError) as caught:
        submitted(code, envelope(code, message))
    assert f"HTTP {code}" in caught.value.message
    assert message in caught.value.message


def test_the_details_of_a_refused_field_are_told() -> None:
    body = {
        **problem_json(400, "Body validation error"),
        "errors": [{"path": ["duration"], "message": "Invalid enum value. Expected 5 | 8, received 7"}],
    }
    with pytest.raises(PixverseRequestError, match=r"Body validation error.*duration.*received 7"):
        submitted(400, body)


@BOTH_ENVELOPES
def test_moderation_refuses_the_input(envelope: Any) -> None:
    with pytest.raises(PixverseModerationError, match="rejected by content moderation"):
        submitted(400, envelope(400, "The prompt was rejected by content moderation."))


@BOTH_ENVELOPES
@pytest.mark.parametrize("message", ["Forbidden resource", "You do not have permission for this model"])
def test_403_is_about_the_key_where_it_speaks_of_rights(message: str, envelope: Any) -> None:
    with pytest.raises(PixverseAuthError):
        submitted(403, envelope(403, message))


def test_403_is_about_credits_where_it_speaks_of_a_spending_limit() -> None:
    with pytest.raises(PixverseCreditsError):
        submitted(403, documented(403, "The spending limit of this key does not allow access"))


@pytest.mark.parametrize(
    "message",
    [
        "Too Many Requests",
        "Free-tier limit: You've reached your free limit for the hour. Get AI/ML Subscription to use API, "
        "visit https://aimlapi.com/app/billing/ !",
    ],
)
@BOTH_ENVELOPES
def test_429_tells_when_to_come_back_where_the_vendor_does(message: str, envelope: Any) -> None:
    for headers, told in (
        ({}, (None, None)),
        ({"Retry-After": "30"}, (30.0, None)),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, (None, 1792567680.0)),
    ):
        with pytest.raises(PixverseRateLimitError) as caught:
            submitted(429, envelope(429, message), headers=headers)
        assert (caught.value.retry_after, caught.value.retry_at) == told
        assert message in caught.value.message


# how a generation stands

WORDS = {
    GenerationStatus.QUEUED: ("queued", "waiting"),
    GenerationStatus.GENERATING: ("generating", "active"),
    GenerationStatus.FINISHED: (
        "completed",
        "succeeded",
        "complete",
        "success",
        "done",
        "ready",
        "finished",
    ),
    GenerationStatus.FAILED: (
        "error",
        "failed",
        "cancelled",
        "canceled",
        "timeout",
        "timed_out",
    ),
}


@pytest.mark.parametrize(
    ("word", "status"), [(word, status) for status, words in WORDS.items() for word in words]
)
@BOTH_IDS
def test_a_status_word_of_the_schema_the_samples_or_the_vendors_nodes_is_understood(
    word: str, status: GenerationStatus, generation_id: str
) -> None:
    for spelling in (word, word.upper(), f" {word.capitalize()} "):
        generation = polled(body={"id": generation_id, "status": spelling}, generation_id=generation_id)
        assert (generation.id, generation.gateway) == (generation_id, "aimlapi")
        assert (generation.status, generation.recognized) == (status, True)
        assert generation.vendor_status == spelling.strip()


@pytest.mark.parametrize("word", ["expired", "Deleted", " REMOVED ", "gone", "purged"])
@pytest.mark.parametrize("status", [200, 404, 500])
@BOTH_IDS
def test_a_generation_that_the_vendor_no_longer_has_is_gone_and_was_bought(
    word: str, status: int, generation_id: str
) -> None:
    body = {"id": generation_id, "status": word, "error": {"message": "kept for a week"}}
    with pytest.raises(PixverseGoneError, match=r"kept for a week\. It was bought") as caught:
        polled(status, body, generation_id=generation_id)
    assert caught.value.generation_id == generation_id


def test_a_submission_that_is_told_at_once_that_it_is_gone_keeps_its_id() -> None:
    generation = submitted(200, {"id": NEW_ID, "status": "expired"})
    assert (generation.id, generation.status) == (NEW_ID, GenerationStatus.GENERATING)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"id": NEW_ID, "status": "dreaming"}, "dreaming"),
        ({"id": NEW_ID, "status": ""}, ""),
        ({"id": NEW_ID, "status": None}, ""),
        ({"id": NEW_ID, "status": 5}, "5"),
        ({"id": NEW_ID}, ""),
    ],
)
def test_an_unknown_status_word_is_taken_for_still_running(body: dict[str, Any], word: str) -> None:
    generation = polled(body=body)
    assert (generation.status, generation.vendor_status) == (GenerationStatus.GENERATING, word)
    assert not generation.recognized


FINISHED_SAMPLES = [
    pytest.param(
        {
            "id": OLD_ID,
            "status": "completed",
            "video": {
                "url": "https://cdn.aimlapi.com/eagle/files/elephant/uCLDKRtL_AeOrRAwiR8UH_output.mp4",
                "content_type": "video/mp4",
                "file_name": "output.mp4",
                "file_size": 4259218,
            },
        },
        OLD_ID,
        4259218,
        None,
        id="v5, completed",
    ),
    pytest.param(
        {
            "id": "3yFHGAkECD5RPnpL11mHe",
            "status": "succeeded",
            "video": {
                "url": "https://cdn.aimlapi.com/panda/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2FJVT-OZSEbeCvZ2IKlQK6p_seed1592035041.mp4"
            },
        },
        "3yFHGAkECD5RPnpL11mHe",
        None,
        1592035041,
        id="v5 that speaks, succeeded",
    ),
    pytest.param(
        {"id": NEW_ID, "status": "succeeded", "video": {"url": V55_URL}},
        NEW_ID,
        None,
        2144515801,
        id="v5.5, succeeded",
    ),
    pytest.param(
        {"id": NEW_ID, "status": "completed", "video": {"url": V55_URL}, "error": None, "meta": None},
        NEW_ID,
        None,
        2144515801,
        id="schema, completed",
    ),
]


@pytest.mark.parametrize(("body", "generation_id", "size", "seed"), FINISHED_SAMPLES)
def test_a_finished_generation_has_its_video_as_the_samples_show(
    body: dict[str, Any], generation_id: str, size: int | None, seed: int | None
) -> None:
    generation = polled(body=body, generation_id=generation_id)
    assert generation == Generation(
        generation_id,
        "aimlapi",
        GenerationStatus.FINISHED,
        vendor_status=body["status"],
        video_url=body["video"]["url"],
        file_size=size,
        seed=seed,
    )


@pytest.mark.parametrize("video", [None, {}, {"url": None}, {"url": ""}, {"url": ["x"]}, "https://x", []])
def test_a_finished_generation_without_a_video_has_no_url(video: Any) -> None:
    generation = polled(body={"id": NEW_ID, "status": "succeeded", "video": video})
    assert (generation.status, generation.video_url) == (GenerationStatus.FINISHED, None)


@pytest.mark.parametrize("size", [None, "", "large", True, float("inf"), [1], 0])
def test_a_file_size_that_is_none_is_left_out(size: Any) -> None:
    video = {"url": V55_URL, "file_size": size}
    content = json.dumps({"id": NEW_ID, "status": "completed", "video": video}).encode()
    assert polled(content=content).file_size is None


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"credits_used": 840000}, Cost(840_000, "credits")),
        ({"tokens_used": 672000}, Cost(672_000, "credits")),
        ({"credits_used": None, "tokens_used": 672000}, Cost(672_000, "credits")),
        ({"credits_used": "5000000"}, Cost(5_000_000, "credits")),
        ({"credits_used": "a lot"}, None),
        ({"credits_used": True}, None),
        ({"usd_spent": 0.42}, None),
        (None, None),
        ([], None),
    ],
)
def test_a_cost_is_counted_in_credits_whatever_the_field_is_called(usage: Any, cost: Cost | None) -> None:
    assert polled(body={"id": NEW_ID, "status": "queued", "meta": {"usage": usage}}).cost == cost


def test_whole_credits_read_as_such() -> None:
    body = {"id": NEW_ID, "status": "queued", "meta": {"usage": {"credits_used": 420000.0}}}
    assert str(submitted(200, body).cost) == "420,000 credits"


def test_what_a_poll_cost_is_not_what_the_video_cost() -> None:
    headers = {"x-aimlapi-credits-used": "0"}
    assert polled(body={"id": NEW_ID, "status": "queued"}, headers=headers).cost is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            {"name": "GenerationError", "message": "Something wrong with the server."},
            "Something wrong with the server.",
        ),
        ({"name": "GenerationError", "message": ""}, "GenerationError"),
        ("It broke", "It broke"),
        (None, None),
        ({}, None),
    ],
)
def test_a_failed_generation_has_the_vendors_words(error: Any, words: str | None) -> None:
    body = {"id": NEW_ID, "status": "error", "video": None, "error": error, "meta": {"usage": None}}
    generation = polled(body=body)
    assert (generation.status, generation.error) == (GenerationStatus.FAILED, words)
    assert not generation.moderated


@pytest.mark.parametrize(
    "error",
    [
        {"name": "content_policy_violation", "message": "The request was refused."},
        {"name": "GenerationError", "message": "The output was flagged by content moderation."},
        "NSFW content detected",
    ],
)
def test_moderation_refuses_the_output(error: Any) -> None:
    generation = polled(body={"id": NEW_ID, "status": "error", "error": error})
    assert generation.status is GenerationStatus.FAILED
    assert generation.moderated


@pytest.mark.parametrize("code", [400, 422, 500, 504])
def test_a_failed_job_is_judged_by_its_body_first(code: int) -> None:
    body = {
        "id": NEW_ID,
        "status": "error",
        "error": {"name": "GenerationError", "message": "The model broke."},
    }
    generation = polled(code, body)
    assert (generation.status, generation.error) == (GenerationStatus.FAILED, "The model broke.")


@pytest.mark.parametrize(
    ("code", "expected"),
    [(500, PixverseUnavailableError), (503, PixverseUnavailableError), (401, PixverseAuthError)],
)
def test_an_error_that_names_no_generation_does_not_fail_one(
    code: int, expected: type[PixverseError]
) -> None:
    with pytest.raises(expected):
        polled(code, {"status": "error", "message": "Service unavailable"})


def test_an_error_that_names_another_generation_does_not_fail_this_one() -> None:
    with pytest.raises(PixverseUnavailableError):
        polled(500, {"id": OLD_ID, "status": "error", "error": {"message": "The model broke."}})


POLL_ERRORS: dict[int, type[PixverseError]] = {
    400: PixverseNotFoundError,
    401: PixverseAuthError,
    403: PixverseCreditsError,
    404: PixverseNotFoundError,
    429: PixverseRateLimitError,
    500: PixverseUnavailableError,
    502: PixverseUnavailableError,
    503: PixverseUnavailableError,
    504: PixverseUnavailableError,
}


@BOTH_ENVELOPES
@BOTH_IDS
@pytest.mark.parametrize("code", POLL_ERRORS)
def test_a_poll_that_is_refused_names_the_generation(code: int, generation_id: str, envelope: Any) -> None:
    with pytest.raises(PixverseError) as caught:
        polled(code, envelope(code, ERRORS[code][1]), generation_id=generation_id)
    assert type(caught.value) is POLL_ERRORS[code]
    assert caught.value.generation_id == generation_id
    assert generation_id in str(caught.value)


@pytest.mark.parametrize("name", ["NotFoundException", "NotFound", "notFoundError"])
def test_an_unknown_id_may_come_as_a_200(name: str) -> None:
    with pytest.raises(PixverseNotFoundError, match=NEW_ID):
        polled(body={"id": NEW_ID, "status": "error", "error": {"name": name, "message": "Not found"}})


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (200, {}),
        (200, {"html": "<html>Just a moment…</html>"}),
        (200, {"content": b'{"id": "jCajo_'}),
        (200, {"json": []}),
        (200, {"json": {}}),
        (204, {}),
        (302, {"headers": {"location": "https://aimlapi.com"}}),
        (408, {}),
        (500, {}),
        (502, {"html": "<html>Bad Gateway</html>"}),
        (503, {"json": {"message": "The model is under maintenance"}}),
    ],
)
def test_a_poll_that_says_nothing_says_nothing(status: int, content: dict[str, Any]) -> None:
    with pytest.raises(PixverseUnavailableError, match=f"HTTP {status}") as caught:
        polled(status, **content)
    assert caught.value.generation_id == NEW_ID


@pytest.mark.parametrize(
    "content", [{"html": "<html><h1>nginx</h1></html>"}, {}, {"content": b"Bad Request"}, {"json": []}]
)
@pytest.mark.parametrize("code", [400, 404])
def test_what_is_no_json_object_says_nothing_about_an_id(code: int, content: dict[str, Any]) -> None:
    with pytest.raises(PixverseUnavailableError):
        polled(code, **content)


# the key

SPOKEN_WITH_KEY = f"Invalid API key {KEY} for Bearer {KEY}"


@BOTH_ENVELOPES
@pytest.mark.parametrize("code", ERRORS)
def test_no_error_repeats_the_key(code: int, envelope: Any) -> None:
    body = envelope(code, SPOKEN_WITH_KEY)
    text = build(TextToVideo, prompt="a dragon")
    look = GATEWAY.look_up(text, key=PURCHASE, since=0, until=1)
    for read in (
        lambda: submitted(code, body),
        lambda: polled(code, body),
        lambda: GATEWAY.balance_read(httpx.Response(code, json=body, request=GATEWAY.balance())),
        lambda: GATEWAY.looked_up(httpx.Response(code, json=body, request=look), request=text, key=PURCHASE),
    ):
        with pytest.raises(PixverseError) as caught:
            read()
        assert KEY not in f"{caught.value} {caught.value!r} {caught.value.__dict__}"


@pytest.mark.parametrize(
    "fields",
    [
        {"error": {"name": "E", "message": SPOKEN_WITH_KEY}},
        {"error": {"name": SPOKEN_WITH_KEY}},
        {"error": SPOKEN_WITH_KEY},
        {"error": [SPOKEN_WITH_KEY]},
        {"message": SPOKEN_WITH_KEY},
        {"title": SPOKEN_WITH_KEY},
    ],
)
def test_no_failed_generation_repeats_the_key(fields: dict[str, Any]) -> None:
    generation = polled(body={"id": NEW_ID, "status": "error", **fields})
    assert "***" in str(generation.error)
    assert KEY not in repr(generation)


@pytest.mark.parametrize("field", ["errors", "issues", "details"])
def test_no_detail_repeats_the_key(field: str) -> None:
    with pytest.raises(PixverseRequestError) as caught:
        submitted(400, {"message": "Body validation error", field: [{"received": KEY}]})
    assert "***" in caught.value.message
    assert KEY not in caught.value.message


# the logs

TEXT = build(TextToVideo, prompt="a dragon")
SINCE, UNTIL = 1767225600.0, 1767225660.9  # 2026-01-01T00:00:00Z and a minute later
LOOK_UP = GATEWAY.look_up(TEXT, key=PURCHASE, since=SINCE, until=UNTIL)
ROW = {
    "created": "2026-07-02T03:04:05.000Z",
    "status": "succeeded",
    "origin": "api",
    "model": "pixverse/v5/text-to-video",
    "cost": {"usd": 0.25, "credits": 500000},
    "tokens": {"input": 0, "output": 0, "total": 0},
    "request_id": "req-1",
    "inference_id": NEW_ID,
    "client_request_id": PURCHASE,
}


def page(*rows: Any, has_more: bool = False, offset: int = 0) -> dict[str, Any]:
    pages = {"limit": 100, "offset": offset, "total": len(rows), "has_more": has_more}
    return {"data": list(rows), "pagination": pages}


def looked_up(
    body: Any = None, *, status: int = 200, request: httpx.Request = LOOK_UP, **content: Any
) -> Generation | httpx.Request | None:
    if body is not None:
        content["json"] = body
    return GATEWAY.looked_up(httpx.Response(status, request=request, **content), request=TEXT, key=PURCHASE)


def test_a_submission_can_be_looked_up_but_not_safely_repeated() -> None:
    assert GATEWAY.has_records
    assert not GATEWAY.repeats_safely


def test_the_logs_are_asked_for_the_time_since_the_submission_with_some_leeway() -> None:
    assert (LOOK_UP.method, LOOK_UP.url.path) == ("GET", "/v2/logs")
    assert LOOK_UP.headers["Authorization"] == f"Bearer {KEY}"
    assert dict(parse_qsl(LOOK_UP.url.query.decode())) == {
        "start": "2025-12-31T23:58:00Z",
        "end": "2026-01-01T00:03:00Z",
        "limit": "100",
        "offset": "0",
    }
    assert CLOCK_SKEW == 120.0


@BOTH_IDS
def test_a_submission_is_found_in_the_logs_by_its_own_id(generation_id: str) -> None:
    others = [{**ROW, "client_request_id": "another", "inference_id": "other"}, {**ROW, "inference_id": "x"}]
    others[1]["client_request_id"] = None
    found = looked_up(page(*others, {**ROW, "inference_id": generation_id}))
    assert isinstance(found, Generation)
    assert (found.id, found.gateway) == (generation_id, "aimlapi")
    assert found.status.is_pending
    assert found.cost == Cost(500_000, "credits")


def test_a_submission_that_the_logs_call_failed_was_billed_nothing() -> None:
    found = looked_up(page({**ROW, "status": "failed", "cost": {"usd": 0, "credits": 0}}))
    assert isinstance(found, Generation)
    assert (found.id, found.status, found.cost) == (NEW_ID, GenerationStatus.FAILED, None)
    assert "failed" in str(found.error)


@pytest.mark.parametrize(
    "row",
    [
        {**ROW, "client_request_id": None},
        {**ROW, "client_request_id": PURCHASE.upper()},
        {**ROW, "client_request_id": f"{PURCHASE}-2"},
        {**ROW, "request_id": PURCHASE, "client_request_id": "another"},
        {**ROW, "inference_id": None},
        {**ROW, "inference_id": ""},
        "not a row",
        None,
    ],
)
def test_a_row_of_something_else_is_not_ours(row: Any) -> None:
    assert looked_up(page(row)) is None


def test_a_submission_that_is_not_listed_yet_is_absent_and_not_an_error() -> None:
    assert looked_up(page()) is None
    assert looked_up({"data": []}) is None


def test_the_next_page_is_asked_for_until_the_last() -> None:
    others = [{**ROW, "client_request_id": f"run-{number}"} for number in range(100)]
    second = looked_up(page(*others, has_more=True))
    assert isinstance(second, httpx.Request)
    asked, first = (dict(parse_qsl(request.url.query.decode())) for request in (second, LOOK_UP))
    assert asked == {**first, "offset": "100"}
    third = looked_up(page(*others[:40], has_more=True, offset=100), request=second)
    assert isinstance(third, httpx.Request)
    assert dict(parse_qsl(third.url.query.decode())) == {**first, "offset": "140"}
    assert third.headers["Authorization"] == f"Bearer {KEY}"
    assert looked_up(page(*others[:3], offset=140), request=third) is None
    found = looked_up(page(*others[:3], ROW, offset=140), request=third)
    assert isinstance(found, Generation)


def test_a_submission_on_a_page_is_found_without_the_next() -> None:
    assert isinstance(looked_up(page(ROW, has_more=True)), Generation)


def test_an_empty_page_is_the_last_whatever_it_says() -> None:
    assert looked_up(page(has_more=True)) is None


@pytest.mark.parametrize(
    "body",
    [{"data": [], "pagination": None}, page({**ROW, "cost": 0.25}), page({**ROW, "cost": "0.25"})],
    ids=["null pagination", "a number for a cost", "a text for a cost"],
)
def test_a_page_of_another_form_is_no_crash(body: dict[str, Any]) -> None:
    looked_up(body)


LOG_ERRORS: dict[int, type[PixverseError]] = {
    **POLL_ERRORS,
    400: PixverseRequestError,
    404: PixverseRequestError,
}


@BOTH_ENVELOPES
@pytest.mark.parametrize("code", LOG_ERRORS)
def test_logs_that_cannot_be_read_are_an_error_and_not_an_absence(code: int, envelope: Any) -> None:
    with pytest.raises(PixverseError) as caught:
        looked_up(envelope(code, ERRORS[code][1]), status=code)
    assert type(caught.value) is LOG_ERRORS[code]


@pytest.mark.parametrize(
    "content",
    [{}, {"html": "<html></html>"}, {"json": {}}, {"json": {"data": None}}, {"json": []}],
)
def test_an_answer_without_rows_is_an_error_and_not_an_absence(content: dict[str, Any]) -> None:
    with pytest.raises(PixverseUnavailableError):
        looked_up(**content)


# the balance


def balance(status: int = 200, **content: Any) -> Balance:
    return GATEWAY.balance_read(httpx.Response(status, request=GATEWAY.balance(), **content))


def test_the_balance_is_asked_for_free_of_charge() -> None:
    request = GATEWAY.balance()
    assert (request.method, str(request.url)) == ("GET", "https://api.aimlapi.com/v2/billing")
    assert request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(("told", "amount"), [(12.5, 12.5), (0, 0.0), (-3.25, -3.25), ("12.5", 12.5)])
def test_the_balance_is_in_us_dollars(told: Any, amount: float) -> None:
    assert balance(json={"current_balance": told, "currency": "USD"}) == Balance(amount, "usd")


@BOTH_ENVELOPES
@pytest.mark.parametrize("code", [401, 403, 429, 500, 502, 503, 504])
def test_a_balance_that_is_refused(code: int, envelope: Any) -> None:
    with pytest.raises(PixverseError) as caught:
        balance(code, json=envelope(code, ERRORS[code][1]))
    assert type(caught.value) is POLL_ERRORS[code]


@pytest.mark.parametrize(
    "content",
    [{}, {"html": "<html></html>"}, {"json": {}}, {"json": {"current_balance": None}}, {"json": []}],
)
def test_a_balance_that_is_not_told(content: dict[str, Any]) -> None:
    with pytest.raises(PixverseUnavailableError):
        balance(**content)
