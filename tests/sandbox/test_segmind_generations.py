# SPDX-License-Identifier: Apache-2.0
"""
Segmind in the sandbox.

That it is like the real one is shown by the vendor's own client (``segmind`` on PyPI), which runs against
it as it is: told its base URL and key, and for uploads and history the hosts that are constants in it.
"""

from __future__ import annotations

import asyncio
import base64
import io
import sys
import time
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest
import segmind
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from segmind.files import Files
from segmind.generations import Generations

from airflow_provider_pixverse.client import Client
from airflow_provider_pixverse.exceptions import PixverseAmbiguousSubmitError, PixverseNotFoundError
from airflow_provider_pixverse.gateways.segmind import SegmindGateway
from airflow_provider_pixverse.media import Medium, MediumKind
from airflow_provider_pixverse.requests import ImageToVideo, TextToVideo, build
from airflow_provider_pixverse.sandbox import Sandbox
from airflow_provider_pixverse.sandbox.jobs import Studio
from airflow_provider_pixverse.sandbox.pictures import picture_file
from airflow_provider_pixverse.sandbox.segmind import KEPT, SHORTEST_KEPT, Segmind
from airflow_provider_pixverse.sandbox.segmind_account import MOST_ASSETS
from airflow_provider_pixverse.sandbox.segmind_models import MODELS, complaints, order_of, price
from airflow_provider_pixverse.submission import Submission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from airflow_provider_pixverse.generation import Generation

FIRST = "https://example.com/first.png"
LAST = "https://example.com/last.png"
MINIMAL = {"prompt": "a quiet lake", "duration": 5, "quality": "360p", "motion_mode": "normal"}
SILENT = {**MINIMAL, "sound_effect_switch": False, "seed": 7}
BODIES: dict[str, dict[str, Any]] = {
    "pixverse-5-transition": {**MINIMAL, "first_frame_url": FIRST, "last_frame_url": LAST},
    "pixverse-5-video": MINIMAL,
    "pixverse-5-extend": {**MINIMAL, "video_url": "https://example.com/race.mp4"},
    "pixverse-4.5-video": MINIMAL,
    "pixverse-4.5-transition": {
        "duration": 5, "quality": "360p", "motion_mode": "fast",
        "first_frame_url": FIRST, "last_frame_url": LAST,
    },
    "pixverse-v6": {"prompt": "a quiet lake", "duration": 1, "quality": "360p"},
}  # fmt: skip
HISTORY = "/inference-request/request-history"
ROW = [
    "credits_deduction",
    "error",
    "generation_url",
    "latency_ms",
    "model_created",
    "model_name",
    "model_status",
    "request_body",
    "request_id",
]


@pytest.fixture
def vendors(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> segmind.SegmindClient:
    """Give the vendor's client."""
    monkeypatch.setenv("SEGMIND_API_KEY", sandbox.key)
    monkeypatch.setattr(Files, "STORAGE_BASE_URL", f"{sandbox.url}/segmind")
    # By the modules' list: the package has another object under the module's name.
    module = sys.modules[Generations.__module__]
    monkeypatch.setattr(module, "REQUEST_HISTORY_URL", f"{sandbox.url}/segmind{HISTORY}")
    return segmind.SegmindClient(base_url=f"{sandbox.url}/segmind/v1")


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    base_url, headers = f"{sandbox.url}/segmind", {"x-api-key": sandbox.key}
    with httpx.Client(base_url=base_url, headers=headers, timeout=20) as client:
        yield client


def submit(http: httpx.Client, slug: str = "pixverse-5-video", **fields: Any) -> str:
    answer = http.post(f"/v2/{slug}", json={**SILENT, **fields})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["request_id"])


def finish(http: httpx.Client, request_id: str) -> httpx.Response:
    """Return the last answer to a status request."""
    for _ in range(1000):
        answer = http.get(f"/v2/requests/{request_id}/status")
        if answer.json()["status"] not in ("QUEUED", "PROCESSING"):
            return answer
        time.sleep(0.02)
    raise AssertionError(f"never finished: {answer.text}")


class TestTheVendorsClient:
    def test_from_submission_to_the_video(self, sandbox: Sandbox, vendors: segmind.SegmindClient) -> None:
        # The program on the vendor's page of the model, but for where it waits.
        payload = {
            "first_frame_url": f"{sandbox.url}/_sandbox/pictures/mountain.png",
            "last_frame_url": f"{sandbox.url}/_sandbox/pictures/harbour.png",
            "duration": 5,
            "prompt": "Create a slow rotation transition of the woman as she speaks on the stage.",
            "quality": "540p",
            "seed": 12345,
            "motion_mode": "normal",
            "sound_effect_content": "Soft ambient sounds of a rainforest with distant bird calls.",
            "sound_effect_switch": True,
            "lip_sync_switch": False,
        }
        job = vendors.submit_async("pixverse-5-transition", **payload)
        assert job.submit_response["status"] == "QUEUED"
        assert job.status_url == f"{sandbox.url}/segmind/v2/requests/{job.request_id}/status"
        assert job.response_url == f"{sandbox.url}/segmind/v2/requests/{job.request_id}"
        result = job.wait(timeout=60, interval=0.02)
        assert (result["status"], result["request_id"]) == ("COMPLETED", job.request_id)
        assert result["video"]["url"] == result["output"]
        metrics = result["metrics"]
        assert (metrics["cost"], metrics["remaining_credits"]) == (0.375, 999.625)
        assert metrics["total_time"] == pytest.approx(
            metrics["queue_time"] + metrics["inference_time"], abs=0.01
        )
        file = httpx.get(result["output"]).content
        assert result["video"]["file_size"] == len(file)
        with av.open(io.BytesIO(file)) as video:
            assert (video.streams.video[0].width, video.streams.video[0].height) == (960, 540)
            assert len(video.streams) == 2
        ledger = sandbox.ledger()
        assert (ledger["submitted"], ledger["bought"], ledger["downloaded"], ledger["leaked"]) == (1, 1, 1, 0)
        assert ledger["generations"][0]["request"] == payload
        assert ledger["generations"][0]["cost"] == {"amount": 0.375, "unit": "usd"}

    @pytest.mark.parametrize("slug", BODIES)
    def test_the_one_liner_with_every_model(
        self, slug: str, vendors: segmind.SegmindClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pause = time.sleep
        monkeypatch.setattr(time, "sleep", lambda seconds: pause(0.02))
        result = vendors.run(slug, **BODIES[slug])
        assert result["status"] == "COMPLETED"
        assert httpx.get(result["output"]).content[4:8] == b"ftyp"

    def test_a_failed_job(self, sandbox: Sandbox, vendors: segmind.SegmindClient) -> None:
        sandbox.faults([{"fail": {"message": "The model ran out of memory."}}])
        job = vendors.submit_async("pixverse-5-video", **SILENT)
        with pytest.raises(segmind.InferenceFailed) as caught:
            job.wait(timeout=60, interval=0.02)
        assert caught.value.detail == "The model ran out of memory."
        assert caught.value.status_body["request_id"] == job.request_id
        assert "cost" not in caught.value.status_body["metrics"]
        assert job.result()["status"] == "FAILED"
        assert sandbox.ledger()["refunded"] == 1

    def test_a_time_out_keeps_the_id(self) -> None:
        with Sandbox(speed=1) as unhurried:
            client = segmind.SegmindClient(unhurried.key, base_url=f"{unhurried.url}/segmind/v1")
            job = client.submit_async("pixverse-5-video", **SILENT)
            with pytest.raises(segmind.InferenceTimeout) as caught:
                job.wait(timeout=0, interval=0)
            assert caught.value.request_id == job.request_id
            assert job.status()["status"] == "QUEUED"
            assert job.result()["status"] == "QUEUED"

    def test_a_wrong_key(self, sandbox: Sandbox) -> None:
        client = segmind.SegmindClient("SG_wrong", base_url=f"{sandbox.url}/segmind/v1")
        with pytest.raises(segmind.SegmindError) as caught:
            client.submit_async("pixverse-5-video", **SILENT)
        assert (caught.value.status, caught.value.detail) == (401, "unauthorized")
        assert sandbox.ledger()["bought"] == 0

    @pytest.mark.parametrize("status", [400, 403, 406, 410, 429, 500, 502, 504])
    def test_what_a_fault_says(self, sandbox: Sandbox, vendors: segmind.SegmindClient, status: int) -> None:
        sandbox.faults([{"on": "submit", "status": status}])
        with pytest.raises(segmind.SegmindError) as caught:
            vendors.submit_async("pixverse-5-video", **SILENT)
        assert caught.value.status == status
        assert caught.value.detail
        assert sandbox.ledger()["bought"] == 0

    def test_the_history_of_requests(self, sandbox: Sandbox, vendors: segmind.SegmindClient) -> None:
        sandbox.faults([{"fail": {"message": "no"}}])
        failed = vendors.submit_async("pixverse-v6", **BODIES["pixverse-v6"]).request_id
        finished = vendors.submit_async("pixverse-5-video", **SILENT)
        url = finished.wait(timeout=60, interval=0.02)["output"]
        listed = vendors.generations.history(per_page=10)["data"]
        assert [each["request_id"] for each in listed] == [finished.request_id, failed]
        assert sorted(listed[0]) == ROW
        assert vendors.generations.get(finished.request_id) == listed[0]
        assert (listed[0]["model_status"], listed[0]["generation_url"]) == ("COMPLETED", url)
        assert (listed[0]["credits_deduction"], listed[0]["request_body"]) == (0.375, SILENT)
        one = vendors.generations.get(failed)
        assert (one["model_status"], one["error"], one["credits_deduction"]) == ("FAILED", "no", 0)
        for filters in ({"model_name": "v6"}, {"status": "FAILED"}):
            (only,) = vendors.generations.history(**filters)["data"]
            assert only["request_id"] == failed
        with pytest.raises(segmind.SegmindError) as caught:
            vendors.generations.get("0" * 36)
        assert caught.value.status == 404
        assert sandbox.ledger()["logs"] == 6

    def test_files_are_uploaded_and_can_be_started_from(
        self, vendors: segmind.SegmindClient, tmp_path: Path
    ) -> None:
        names = ("portrait.png", "meadow.jpg")
        for name in names:
            (tmp_path / name).write_bytes(picture_file(*name.split(".")))
        uploaded = vendors.files.upload([tmp_path / name for name in names])
        assert uploaded["message"]
        portrait, meadow = uploaded["file_urls"]
        assert httpx.get(portrait).content == (tmp_path / names[0]).read_bytes()
        assert httpx.get(meadow).headers["content-type"] == "image/jpeg"
        body = {**SILENT, "image_url": portrait}
        result = vendors.submit_async("pixverse-5-video", **body).wait(timeout=60, interval=0.02)
        with av.open(io.BytesIO(httpx.get(result["output"]).content)) as video:
            assert (video.streams.video[0].width, video.streams.video[0].height) == (360, 640)


class TestJobs:
    def test_a_status_is_short_and_a_result_is_whole(self, http: httpx.Client) -> None:
        request_id = submit(http)
        status = finish(http, request_id)
        assert status.status_code == 200
        assert sorted(status.json()) == ["metrics", "request_id", "status"]
        result = http.get(f"/v2/requests/{request_id}").json()
        assert sorted(result) == ["metrics", "output", "request_id", "status", "video"]

    @pytest.mark.parametrize("path", ["", "/status"])
    def test_failed_is_http_422(self, http: httpx.Client, sandbox: Sandbox, path: str) -> None:
        sandbox.faults([{"moderation": True}])
        request_id = submit(http)
        finish(http, request_id)
        answer = http.get(f"/v2/requests/{request_id}{path}")
        assert (answer.status_code, answer.json()["status"]) == (422, "FAILED")
        assert "content policy" in answer.json()["error"]

    @pytest.mark.parametrize("path", ["", "/status"])
    def test_or_200_with_the_reason_in_the_detail(
        self, http: httpx.Client, sandbox: Sandbox, path: str
    ) -> None:
        sandbox.faults([{"fail": {"name": "content_policy_violation", "message": "flagged"}}])
        request_id = submit(http)
        finish(http, request_id)
        answer = http.get(f"/v2/requests/{request_id}{path}")
        assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")
        assert "error" not in answer.json()
        (detail,) = answer.json()["detail"]
        assert (detail["type"], detail["msg"]) == ("content_policy_violation", "flagged")

    def test_a_result_without_a_url(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"no_url": True}])
        request_id = submit(http)
        finish(http, request_id)
        result = http.get(f"/v2/requests/{request_id}").json()
        assert (result["status"], result["output"], result["video"]["url"]) == ("COMPLETED", None, None)
        assert http.get(f"{HISTORY}/{request_id}").json()["generation_url"] is None

    def test_a_wrong_file_size(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"wrong_file_size": True}])
        request_id = submit(http)
        finish(http, request_id)
        video = http.get(f"/v2/requests/{request_id}").json()["video"]
        assert video["file_size"] != len(httpx.get(video["url"]).content)

    def test_an_unreadable_input_fails_the_job(self, http: httpx.Client) -> None:
        content = base64.b64encode(b"no picture").decode()
        upload = http.post("/upload-asset", json={"data_urls": [f"data:image/png;base64,{content}"]}).json()
        said = finish(http, submit(http, image_url=upload["file_urls"][0])).json()
        assert said["status"] == "FAILED"
        assert said["error"].startswith("The input is neither")

    def test_another_word_for_pending(self, sandbox: Sandbox) -> None:
        with Sandbox(speed=1) as unhurried:
            unhurried.faults([{"status_word": "WARMING_UP"}])
            headers = {"x-api-key": unhurried.key}
            with httpx.Client(base_url=f"{unhurried.url}/segmind", headers=headers) as http:
                request_id = submit(http)
                words = [http.get(f"/v2/requests/{request_id}/status").json()["status"] for _ in range(2)]
        assert words == ["WARMING_UP", "QUEUED"]

    @pytest.mark.parametrize("path", ["", "/status"])
    def test_an_unknown_id(self, http: httpx.Client, path: str) -> None:
        answer = http.get(f"/v2/requests/nothing{path}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Request nothing not found"})

    @pytest.mark.asyncio
    async def test_results_are_kept_for_an_hour_and_the_history_for_good(self) -> None:
        now = 0.0
        studio = Studio(speed=2, clock=lambda: now, logs_lag=0)
        vendor, app = web.Application(), web.Application()
        vendor.add_routes(Segmind(studio, "key").routes())
        app.add_subapp("/segmind", vendor)
        async with TestClient(TestServer(app), headers={"x-api-key": "key"}) as client:
            answer = await client.post("/segmind/v2/pixverse-5-video", json=SILENT)
            request_id = (await answer.json())["request_id"]
            paths = [f"/segmind/v2/requests/{request_id}/status", f"/segmind/v2/requests/{request_id}"]
            now = KEPT / 2
            assert [(await client.get(path)).status for path in paths] == [200, 200]
            now += 1
            assert [(await client.get(path)).status for path in paths] == [404, 404]
            assert (await client.get(f"/segmind{HISTORY}/{request_id}")).status == 200
        await studio.close()

    def test_a_fast_sandbox_keeps_them_long_enough_to_be_fetched(self) -> None:
        assert Segmind(Studio(speed=1000), "key").kept == SHORTEST_KEPT

    def test_a_429_says_when_it_is_over(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"on": "submit", "status": 429}])
        answer = http.post("/v2/pixverse-5-video", json=SILENT)
        assert answer.headers["x-rate-limit-reset-at-utc"].endswith("Z")
        assert "retry-after" not in answer.headers

    def test_the_result_is_not_counted_as_a_poll(self, http: httpx.Client, sandbox: Sandbox) -> None:
        request_id = submit(http)
        finish(http, request_id)
        polled = sandbox.ledger()["polled"]
        http.get(f"/v2/requests/{request_id}")
        assert sandbox.ledger()["polled"] == polled == sandbox.ledger()["generations"][0]["polls"]


class TestBodies:
    @pytest.mark.parametrize("slug", MODELS)
    def test_what_the_page_requires(self, slug: str) -> None:
        assert complaints(slug, BODIES[slug]) == []
        for name in MODELS[slug].required:
            body = {key: value for key, value in BODIES[slug].items() if key != name}
            assert complaints(slug, body) == [f"{name}: Required"]

    @pytest.mark.parametrize(
        ("slug", "fields"),
        [
            ("pixverse-5-video", {"watermark": True}),
            ("pixverse-5-video", {"resolution": "720p"}),
            ("pixverse-5-video", {"quality": "4k"}),
            ("pixverse-5-video", {"quality": "1080p", "duration": 8}),
            ("pixverse-5-extend", {"quality": "1080p", "duration": 8}),
            ("pixverse-4.5-video", {"quality": "1080p", "duration": 8}),
            ("pixverse-4.5-video", {"motion_mode": "fast", "duration": 8}),
            ("pixverse-4.5-video", {"motion_mode": "fast", "quality": "1080p"}),
            ("pixverse-5-video", {"motion_mode": "fast"}),
            ("pixverse-5-video", {"duration": "5"}),
            ("pixverse-5-video", {"duration": 10}),
            ("pixverse-5-video", {"duration": True}),
            ("pixverse-v6", {"duration": 16}),
            ("pixverse-v6", {"sound_effect_switch": False}),
            ("pixverse-5-video", {"prompt": " "}),
            ("pixverse-5-video", {"seed": 0}),
            ("pixverse-5-video", {"seed": 1_000_000}),
            ("pixverse-5-video", {"aspect_ratio": "21:9"}),
            ("pixverse-5-video", {"image_url": "data:image/png;base64,AAAA"}),
            ("pixverse-5-transition", {"negative_prompt": "blur"}),
            ("pixverse-5-transition", {"first_frame_url": None}),
            ("pixverse-5-transition", {"lip_sync_switch": True}),
            ("pixverse-5-transition", {"lip_sync_tts_speaker_id": "Emily"}),
            ("pixverse-5-transition", {"lip_sync_tts_speaker_id": 1}),
            ("pixverse-5-transition", {"sound_effect_switch": "false"}),
        ],
        ids=str,
    )
    def test_what_is_refused(
        self, http: httpx.Client, sandbox: Sandbox, slug: str, fields: dict[str, Any]
    ) -> None:
        answer = http.post(f"/v2/{slug}", json={**BODIES[slug], **fields})
        assert answer.status_code == 400
        assert next(iter(fields)) in answer.json()["error"] or "duration" in answer.json()["error"]
        ledger = sandbox.ledger()
        assert (ledger["submitted"], ledger["bought"], len(ledger["refused"])) == (1, 0, 1)

    @pytest.mark.parametrize(
        ("slug", "fields"),
        [
            ("pixverse-5-transition", {"quality": "1080p", "duration": 8}),
            ("pixverse-5-transition", {"lip_sync_tts_content": None, "lip_sync_tts_speaker_id": None}),
            ("pixverse-5-video", {"negative_prompt": ""}),
            ("pixverse-v6", {"duration": 15, "aspect_ratio": "21:9", "quality": "1080p"}),
            ("pixverse-4.5-video", {"motion_mode": "fast"}),
        ],
    )
    def test_what_is_taken(self, slug: str, fields: dict[str, Any]) -> None:
        assert complaints(slug, {**BODIES[slug], **fields}) == []

    def test_what_is_left_out_is_what_the_vendor_chooses(self) -> None:
        order = order_of("pixverse-5-video", MINIMAL)
        assert (order.seed, order.sound, order.short_side) == (12345, "ambience", 360)
        assert order_of("pixverse-v6", BODIES["pixverse-v6"]).sound == "ambience"
        assert order_of("pixverse-5-extend", BODIES["pixverse-5-extend"]).sound is None
        assert order_of("pixverse-5-video", SILENT).sound is None
        spoken = {"lip_sync_switch": True, "lip_sync_tts_content": "Hi", "lip_sync_tts_speaker_id": "auto"}
        assert order_of("pixverse-5-video", {**SILENT, **spoken}).sound == "speech"

    @pytest.mark.parametrize(
        ("slug", "fields", "usd"),
        [
            ("pixverse-5-video", {}, 0.375),
            ("pixverse-5-video", {"quality": "1080p"}, 1.0),
            ("pixverse-5-transition", {"quality": "720p", "duration": 8}, 0.8),
            ("pixverse-v6", {"generate_audio_switch": False}, 0.044),
            ("pixverse-v6", {"quality": "1080p", "duration": 15}, 2.16),
        ],
    )
    def test_prices_are_within_what_the_pages_say(
        self, slug: str, fields: dict[str, Any], usd: float
    ) -> None:
        assert price(slug, {**BODIES[slug], **fields}) == usd

    @pytest.mark.parametrize(
        ("slug", "send", "status"),
        [
            ("pixverse-5-video", {"data": MINIMAL}, 406),
            ("pixverse-5-video", {"content": "{", "headers": {"content-type": "application/json"}}, 400),
            ("pixverse-5-video", {"json": []}, 400),
            ("pixverse-5.5-video", {"json": MINIMAL}, 404),
        ],
    )
    def test_what_is_no_request(
        self, http: httpx.Client, slug: str, send: dict[str, Any], status: int
    ) -> None:
        answer = http.post(f"/v2/{slug}", **send)
        assert answer.status_code == status
        assert answer.json()["error"]


class TestAccount:
    @pytest.mark.parametrize(
        "headers", [{}, {"x-api-key": "other"}, {"Authorization": "Bearer sandbox"}], ids=str
    )
    def test_nothing_is_answered_without_the_key(self, sandbox: Sandbox, headers: dict[str, str]) -> None:
        with httpx.Client(base_url=f"{sandbox.url}/segmind", headers=headers) as http:
            answers = [
                http.post("/v2/pixverse-5-video", json=SILENT),
                http.get("/v2/requests/x"),
                http.get("/v2/requests/x/status"),
                http.get(HISTORY),
                http.get(f"{HISTORY}/x"),
                http.get("/v1/get-user-credits"),
                http.post("/upload-asset", json={"data_urls": []}),
            ]
        assert [answer.status_code for answer in answers] == [401] * 7
        assert sandbox.ledger()["bought"] == 0

    def test_what_is_bought_leaves_the_credits(self, http: httpx.Client, sandbox: Sandbox) -> None:
        assert http.get("/v1/get-user-credits").json() == {"credits": 1000.0, "free-credits": 0.0}
        submit(http)
        assert http.get("/v1/get-user-credits").json()["credits"] == 999.625
        sandbox.faults([{"fail": True}])
        submit(http)
        assert http.get("/v1/get-user-credits").json()["credits"] == 999.625
        assert sandbox.ledger()["balance"] == 3

    def test_pages_run_from_the_newest(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"fail": True, "times": None}])
        ids = [submit(http) for _ in range(5)]
        page = http.get(HISTORY, params={"per_page": 2, "page": 2}).json()
        assert [each["request_id"] for each in page["data"]] == [ids[2], ids[1]]
        assert (page["total"], page["total_pages"]) == (5, 3)
        oldest = http.get(HISTORY, params={"sort_order": "asc"}).json()["data"][0]
        assert oldest["request_id"] == ids[0]

    def test_the_history_shows_a_long_prompt_whole(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"fail": True}])
        request_id = submit(http, prompt="long " * 500)
        assert http.get(f"{HISTORY}/{request_id}").json()["request_body"]["prompt"] == "long " * 500

    def test_the_history_lags(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"lag": 3600, "times": 2}])
        request_id = submit(http)
        assert http.get(f"{HISTORY}/{request_id}").status_code == 404
        assert http.get(HISTORY).json()["data"] == []
        assert [each["request_id"] for each in http.get(HISTORY).json()["data"]] == [request_id]

    @pytest.mark.parametrize(
        "query",
        [
            {"page": 0},
            {"per_page": 101},
            {"per_page": "all"},
            {"from_date": "2026-01-01", "to_date": "2026-03-01"},
            {"from_date": "2026-01-02", "to_date": "2026-01-01"},
            {"from_date": "yesterday"},
            {"sort_by": "cost"},
            {"sort_order": "newest"},
            {"status": "RUNNING"},
        ],
        ids=str,
    )
    def test_what_the_history_wants_to_know(self, http: httpx.Client, query: dict[str, Any]) -> None:
        assert http.get(HISTORY, params=query).status_code == 400

    @pytest.mark.parametrize(
        "body", [{}, [], {"data_urls": []}, {"data_urls": "data:"}, {"data_urls": ["x"]}, {"data_urls": [7]}]
    )
    def test_what_is_no_upload(self, http: httpx.Client, body: Any) -> None:
        assert http.post("/upload-asset", json=body).status_code == 400
        assert http.post("/upload-asset", data={"data_urls": "x"}).status_code == 406

    def test_an_upload_goes_wrong_as_well(self, http: httpx.Client, sandbox: Sandbox) -> None:
        sandbox.faults([{"on": "upload", "status": 500}])
        body = {"data_urls": ["data:image/png;base64,AAAA"]}
        assert [http.post("/upload-asset", json=body).status_code for _ in range(2)] == [500, 200]
        assert sandbox.ledger()["uploaded"] == 2

    def test_the_oldest_uploads_make_room(self, http: httpx.Client) -> None:
        addresses = ["data:image/png;base64,AAAA"] * (MOST_ASSETS + 1)
        urls = http.post("/upload-asset", json={"data_urls": addresses}).json()["file_urls"]
        assert [httpx.get(url).status_code for url in (urls[0], urls[1], urls[-1])] == [404, 200, 200]

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/v2/pixverse-5-video", 405),
            ("PUT", "/v2/requests/x", 405),
            ("GET", "/v3", 404),
            ("GET", "/assets/x.png", 404),
        ],
    )
    def test_other_paths(self, http: httpx.Client, method: str, path: str, status: int) -> None:
        answer = http.request(method, path)
        assert answer.status_code == status
        if status == 405:
            assert answer.headers["content-type"].startswith("text/html")


def run(sandbox: Sandbox, work: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    """Let the provider's client do something."""

    async def at_once(seconds: float) -> None:
        await asyncio.sleep(0)

    async def main() -> Any:
        gateway = SegmindGateway(sandbox.key, base_url=f"{sandbox.url}/segmind")
        async with Client(gateway, sleep=at_once, **options) as client:
            return await work(client)

    return asyncio.run(main())


async def finished(client: Client, generation_id: str) -> Generation:
    for _ in range(1000):
        generation = await client.look(generation_id)
        if not generation.status.is_pending:
            return generation
        await asyncio.sleep(0.02)
    raise AssertionError("never finished")


SMALL = build(TextToVideo, prompt="a quiet lake", resolution="360p")


async def buy(
    client: Client, request: Any = SMALL, *, key: str = "6f1f7a52-0000-4000-8000-000000000001"
) -> Generation:
    wanted = Submission(request=request, key=key, deadline=time.time() + 60)
    return (await client.submit(wanted)).generation


class TestTheProvider:
    """The provider's gateway against the sandbox: what each was written for, without the other in view."""

    def test_from_a_picture_to_the_video(self, sandbox: Sandbox) -> None:
        async def work(client: Client) -> Generation:
            medium = Medium(MediumKind.IMAGE, content=picture_file("portrait", "png"), mime_type="image/png")
            image = await client.upload("image", medium)
            generation = await buy(
                client, build(ImageToVideo, prompt="a walk", image=image, resolution="360p")
            )
            return await finished(client, generation.id)

        generation = run(sandbox, work)
        assert generation.cost is not None
        assert (generation.cost.amount, generation.cost.unit) == (0.375, "usd")
        with av.open(io.BytesIO(httpx.get(generation.video_url).content)) as video:
            assert (video.streams.video[0].width, video.streams.video[0].height) == (360, 640)
            assert len(video.streams) == 1, "silent, though the vendor's default is not"
        (bought,) = sandbox.ledger()["generations"]
        assert bought["seed"] not in (None, 12345)

    def test_after_the_hour_the_history_has_it(self, sandbox: Sandbox) -> None:
        async def work(client: Client) -> tuple[Generation, Generation]:
            generation = await finished(client, (await buy(client)).id)
            sandbox.faults([{"on": "poll", "status": 404, "times": None}])
            return generation, await client.look(generation.id)

        before, after = run(sandbox, work)
        assert after.video_url == before.video_url
        assert after.cost == before.cost

    def test_an_id_that_nobody_knows(self, sandbox: Sandbox) -> None:
        with pytest.raises(PixverseNotFoundError):
            run(sandbox, lambda client: client.look("0" * 36))

    @pytest.mark.parametrize(
        "fault",
        [{"drop": "after"}, {"empty": True}, {"accept_then_status": 502}, {"accept_then_status": 500}],
    )
    def test_a_submission_without_an_answer_is_found(self, sandbox: Sandbox, fault: dict[str, Any]) -> None:
        sandbox.faults([{"on": "submit", **fault}, {"lag": 3600}])
        generation = run(sandbox, buy)
        ledger = sandbox.ledger()
        assert (ledger["submitted"], ledger["bought"], ledger["logs"]) == (1, 1, 2)
        assert generation.id == ledger["generations"][0]["id"]

    def test_one_that_was_never_accepted_is_not_mistaken_for_another(self, sandbox: Sandbox) -> None:
        run(sandbox, lambda client: buy(client, key="another"))
        sandbox.faults([{"on": "submit", "drop": "before"}])
        with pytest.raises(PixverseAmbiguousSubmitError):
            run(sandbox, buy)
        assert sandbox.ledger()["bought"] == 1

    def test_a_rate_limit_is_waited_out_as_told(self, sandbox: Sandbox) -> None:
        sandbox.faults([{"on": "submit", "status": 429, "times": 3}])
        assert run(sandbox, buy).id
        assert sandbox.ledger()["submitted"] == 4
