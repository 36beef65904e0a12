# SPDX-License-Identifier: Apache-2.0
"""From submit to the finished video, on both of AI/ML API's paths."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from sandbox_client import AimlApiClient

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox import Sandbox

BOTH_PATHS = pytest.mark.parametrize("path", [AimlApiClient.universal, AimlApiClient.legacy])


def test_the_universal_path_answers_as_the_newer_samples(aimlapi: AimlApiClient) -> None:
    submitted = aimlapi.submit(seed=77).json()
    assert re.fullmatch(r"[A-Za-z0-9_-]{21}", submitted["id"])
    assert submitted["meta"]["usage"].keys() == {"credits_used"}
    finished = aimlapi.finish(submitted["id"])
    assert finished.keys() == {"id", "status", "video"}
    assert finished["status"] == "succeeded"
    assert finished["video"].keys() == {"url"}
    assert "%2F" in finished["video"]["url"]
    assert finished["video"]["url"].endswith("_seed77.mp4")


def test_the_legacy_path_answers_as_the_older_samples(aimlapi: AimlApiClient) -> None:
    submitted = aimlapi.submit(aimlapi.legacy).json()
    assert re.fullmatch(r"[0-9a-f-]{36}:pixverse/v5/text-to-video", submitted["id"])
    assert submitted["meta"]["usage"].keys() == {"tokens_used"}
    finished = aimlapi.finish(submitted["id"], aimlapi.legacy)
    assert finished["status"] == "completed"
    video = finished["video"]
    assert (video["content_type"], video["file_name"]) == ("video/mp4", "output.mp4")
    assert video["file_size"] == len(httpx.get(video["url"]).content)


def test_an_id_is_found_on_either_path(aimlapi: AimlApiClient) -> None:
    generation_id = aimlapi.submit(aimlapi.legacy).json()["id"]
    assert aimlapi.finish(generation_id, aimlapi.universal)["status"] == "completed"


def test_a_drawn_seed_is_told_by_the_file_name(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    url = aimlapi.finish(aimlapi.submit().json()["id"])["video"]["url"]
    seed = sandbox.ledger()["generations"][0]["seed"]
    assert url.endswith(f"_seed{seed}.mp4")


@BOTH_PATHS
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}, {"x-api-key": "sandbox"}])
def test_without_the_key_nothing_is_answered(sandbox: Sandbox, path: str, headers: dict[str, str]) -> None:
    url = f"{sandbox.url}/aimlapi{path}"
    for answer in (
        httpx.post(url, json={"model": "pixverse/v5/text-to-video", "prompt": "a lake"}, headers=headers),
        httpx.get(url, params={"generation_id": "x"}, headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.json()["error"]["name"] == "UnauthorizedException"
    assert sandbox.ledger()["bought"] == 0


@BOTH_PATHS
@pytest.mark.parametrize("generation_id", ["A" * 21, "0" * 36, "what?"])
def test_an_unknown_id_is_not_found(aimlapi: AimlApiClient, path: str, generation_id: str) -> None:
    answer = aimlapi.poll(generation_id, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["name"] == "NotFoundException"


def test_a_poll_without_an_id_is_refused(aimlapi: AimlApiClient) -> None:
    assert aimlapi.http.get(aimlapi.universal).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v2/videos"), ("PUT", AimlApiClient.universal), ("GET", "/")]
)
def test_other_paths_do_not_exist(aimlapi: AimlApiClient, method: str, path: str) -> None:
    answer = aimlapi.http.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["message"] == f"Cannot {method} {path}"


@BOTH_PATHS
def test_the_ids_of_a_request_come_back_in_headers(aimlapi: AimlApiClient, path: str) -> None:
    submitted = aimlapi.submit(path, headers={"X-Client-Request-Id": "dag:run.1-a_B"})
    assert submitted.headers["x-client-request-id"] == "dag:run.1-a_B"
    polled = aimlapi.poll(submitted.json()["id"], path)
    assert submitted.headers["x-inference-id"] == polled.headers["x-inference-id"] == submitted.json()["id"]


@pytest.mark.parametrize("unfit", ["with space", "a" * 129, "é"])
def test_an_unfit_request_id_is_dropped_and_the_job_bought(
    aimlapi: AimlApiClient, sandbox: Sandbox, unfit: str
) -> None:
    headers = httpx.Headers([(b"X-Client-Request-Id", unfit.encode("latin-1"))])
    answer = aimlapi.submit(headers=headers)  # type: ignore[arg-type]
    assert "x-client-request-id" not in answer.headers
    assert sandbox.ledger()["generations"][0]["client_request_id"] is None


def test_the_video_is_downloaded_by_its_url_alone(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    url = aimlapi.finish(aimlapi.submit().json()["id"])["video"]["url"]
    answer = httpx.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    row = sandbox.ledger()["generations"][0]
    assert row["file"]["size"] == len(answer.content) == int(answer.headers["content-length"])
    assert httpx.get(url.replace("%2F", "/")).status_code == 404
    assert httpx.head(url).status_code == 403
    assert urlsplit(url).netloc == urlsplit(sandbox.url).netloc
    assert sandbox.ledger()["downloaded"] == 1


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "API-KEY"])
def test_the_download_host_refuses_a_key_and_counts_the_leak(
    aimlapi: AimlApiClient, sandbox: Sandbox, header: str
) -> None:
    url = aimlapi.finish(aimlapi.submit().json()["id"])["video"]["url"]
    assert httpx.get(url, headers={header: "Bearer sandbox"}).status_code == 400
    assert (sandbox.ledger()["leaked"], sandbox.ledger()["downloaded"]) == (1, 0)


def test_a_download_by_range(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    url = aimlapi.finish(aimlapi.submit().json()["id"])["video"]["url"]
    whole = httpx.get(url).content
    first = httpx.get(url, headers={"Range": "bytes=0-0"})
    rest = httpx.get(url, headers={"Range": "bytes=1-"})
    assert first.status_code == rest.status_code == 206
    assert first.headers["content-range"] == f"bytes 0-0/{len(whole)}"
    assert first.content + rest.content == whole
    assert httpx.get(url, headers={"Range": "bytes=-9"}).content == whole[-9:]
    assert httpx.get(url, headers={"Range": f"bytes={len(whole)}-"}).status_code == 416
    assert sandbox.ledger()["downloaded"] == 3  # the first byte alone is a look, not a download
