# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from sandbox_client import AimlApiClient

from airflow_provider_pixverse.sandbox import Sandbox


def test_a_status_buys_nothing_and_happens_once(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"on": "submit", "status": 429, "headers": {"Retry-After": "3"}}])
    answer = aimlapi.submit()
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
    assert answer.json()["message"] == "Too Many Requests"
    assert sandbox.ledger()["bought"] == 0
    assert aimlapi.submit().status_code == 200
    assert (sandbox.ledger()["submitted"], sandbox.ledger()["bought"]) == (2, 1)


@pytest.mark.parametrize(
    ("status", "words"), [(403, "run out of credits"), (503, "Service unavailable"), (401, "valid API key")]
)
def test_without_a_body_the_vendor_speaks(
    aimlapi: AimlApiClient, sandbox: Sandbox, status: int, words: str
) -> None:
    sandbox.faults([{"on": "submit", "status": status}])
    answer = aimlapi.submit()
    assert answer.status_code == status
    assert words in answer.json()["message"]


@pytest.mark.parametrize(("body", "sent"), [({"a": 1}, '{"a": 1}'), ("Bad Gateway", "Bad Gateway")])
def test_a_body_is_sent_as_given(aimlapi: AimlApiClient, sandbox: Sandbox, body: Any, sent: str) -> None:
    sandbox.faults([{"on": "submit", "status": 502, "body": body}])
    assert aimlapi.submit().text == sent


@pytest.mark.parametrize(
    ("effect", "bought"), [({"drop": "before"}, 0), ({"drop": "after"}, 1), ({"hang": True}, 1)], ids=str
)
def test_no_answer(aimlapi: AimlApiClient, sandbox: Sandbox, effect: dict[str, Any], bought: int) -> None:
    sandbox.faults([{"on": "submit", **effect}])
    aimlapi.http.timeout = httpx.Timeout(0.3)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError, httpx.ReadTimeout)):
        aimlapi.submit()
    assert sandbox.ledger()["bought"] == bought


@pytest.mark.parametrize(
    ("effect", "status", "bought"),
    [({"accept_then_status": 502}, 502, 1), ({"empty": True}, 200, 1), ({"html": True}, 200, 0)],
    ids=str,
)
def test_an_answer_without_an_id(
    aimlapi: AimlApiClient, sandbox: Sandbox, effect: dict[str, Any], status: int, bought: int
) -> None:
    sandbox.faults([{"on": "submit", **effect}])
    answer = aimlapi.submit()
    assert answer.status_code == status
    assert '"id"' not in answer.text
    assert sandbox.ledger()["bought"] == bought


def test_what_is_refused_is_refused_whatever_the_fault(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"on": "submit", "drop": "after"}])
    assert aimlapi.submit(resolution="4k").status_code == 400
    assert sandbox.ledger()["bought"] == 0


def test_a_slow_answer_comes_even_if_nobody_waits_for_it(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"on": "submit", "latency": 0.3}])
    with pytest.raises(httpx.ReadTimeout):
        aimlapi.http.post(
            aimlapi.universal, json={"model": "pixverse/v5/text-to-video", "prompt": "a lake"}, timeout=0.05
        )
    for _ in range(200):
        if sandbox.ledger()["bought"]:
            break
        time.sleep(0.02)
    assert sandbox.ledger()["bought"] == 1


@pytest.mark.parametrize(
    ("fate", "error"),
    [
        ({"fail": True}, ("GenerationError", "Something wrong with the server. Please, try again later.")),
        ({"fail": {"name": "Timeout", "message": "took too long"}}, ("Timeout", "took too long")),
        ({"moderation": True}, ("content_policy_violation", "The content was flagged by a content checker.")),
        ({"moderation": "too scary"}, ("content_policy_violation", "too scary")),
    ],
    ids=str,
)
def test_a_job_that_ends_without_a_video_is_refunded(
    aimlapi: AimlApiClient, sandbox: Sandbox, fate: dict[str, Any], error: tuple[str, str]
) -> None:
    sandbox.faults([fate])
    said = aimlapi.finish(aimlapi.submit().json()["id"])
    assert said["status"] == "error"
    assert (said["error"]["name"], said["error"]["message"]) == error
    ledger = sandbox.ledger()
    assert (ledger["bought"], ledger["refunded"]) == (1, 1)
    assert ledger["generations"][0]["state"] == "failed"


def test_a_job_under_way_can_be_made_to_fail(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    generation_id = aimlapi.submit().json()["id"]
    sandbox.faults([{"on": "poll", "fail": True}])
    assert aimlapi.finish(generation_id)["status"] == "error"


def test_a_video_without_a_url(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"no_url": True}])
    said = aimlapi.finish(aimlapi.submit().json()["id"])
    assert (said["status"], said["video"]) == ("succeeded", None)


def test_a_wrong_file_size(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"wrong_file_size": True}])
    video = aimlapi.finish(aimlapi.submit(aimlapi.legacy).json()["id"])["video"]
    content = httpx.get(video["url"]).content
    assert video["file_size"] != len(content) == sandbox.ledger()["generations"][0]["file"]["size"]


def test_two_fates_do_not_exclude_a_lost_answer(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"fail": True}, {"on": "submit", "drop": "after"}])
    with pytest.raises(httpx.RemoteProtocolError):
        aimlapi.submit()
    assert aimlapi.finish(sandbox.ledger()["generations"][0]["id"])["status"] == "error"


@pytest.mark.parametrize("effect", [{"truncate": True}, {"truncate_quietly": True}], ids=str)
def test_half_a_file(aimlapi: AimlApiClient, sandbox: Sandbox, effect: dict[str, Any]) -> None:
    url = aimlapi.finish(aimlapi.submit().json()["id"])["video"]["url"]
    size = sandbox.ledger()["generations"][0]["file"]["size"]
    sandbox.faults([effect])
    if "truncate" in effect:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(url)
    else:
        assert len(httpx.get(url).content) == size // 2
    assert sandbox.ledger()["downloaded"] == 0
    assert len(httpx.get(url).content) == size


@pytest.mark.parametrize("effect", [{"status": 404}, {"html": True}, {"empty": True}], ids=str)
def test_something_else_than_the_file(
    aimlapi: AimlApiClient, sandbox: Sandbox, effect: dict[str, Any]
) -> None:
    url = aimlapi.finish(aimlapi.submit().json()["id"])["video"]["url"]
    sandbox.faults([{"on": "download", **effect}])
    answer = httpx.get(url)
    assert answer.headers.get("content-type") != "video/mp4"
    assert answer.status_code == effect.get("status", 200)
    assert sandbox.ledger()["downloaded"] == 0


def test_polls_go_wrong_in_turn(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    generation_id = aimlapi.submit().json()["id"]
    effects: list[dict[str, Any]] = [{"status": 500}, {"html": True}, {"empty": True}]
    sandbox.faults([{"on": "poll", **effect} for effect in effects])
    assert aimlapi.poll(generation_id).status_code == 500
    assert aimlapi.poll(generation_id).headers["content-type"].startswith("text/html")
    assert aimlapi.poll(generation_id).content == b""
    assert aimlapi.finish(generation_id)["status"] == "succeeded"


def test_matching(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults(
        [
            {"on": "submit", "match": "dragon", "status": 500, "times": None},
            {"on": "submit", "gateway": "segmind", "status": 501},
            {"on": "any", "after": 1, "status": 503},
        ]
    )
    statuses = [aimlapi.submit(prompt=prompt).status_code for prompt in ("a dragon", "a lake", "two dragons")]
    assert statuses == [500, 200, 500]
    assert aimlapi.http.get("/v2/billing").status_code == 503
    assert [(rule["seen"], rule["used"], rule["left"]) for rule in sandbox.pending_faults()] == [
        (2, 2, None),
        (0, 0, 1),
        (2, 1, 0),
    ]


def test_chance_is_the_same_each_time_it_is_set(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    def played() -> list[int]:
        sandbox.faults([{"on": "balance", "status": 500, "probability": 0.5, "times": None}])
        return [aimlapi.http.get("/v2/billing").status_code for _ in range(20)]

    first = played()
    assert set(first) == {200, 500}
    assert played() == first


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"on": "submit"}, "The body is a list of rules"),
        ([{"on": "submit"}], "this one has none"),
        ([{"on": "submit", "status": 500, "latency": 1}], "this one has ['status', 'latency']"),
        ([{"status": 500}], "'on' is missing"),
        ([{"on": "poll", "truncate": True}], "'truncate' happens on download, not on poll"),
        ([{"on": "submit", "fail": True}, {"on": "submit", "statu": 5}], "Rule 1, statu: Extra inputs"),
        ([{"on": "submit", "status": 99}], "Rule 0, status"),
        ([{"on": "submit", "drop": "later"}], "Rule 0, drop"),
        ([{"fail": True, "body": "x"}], "belong to 'status' and 'accept_then_status'"),
    ],
    ids=str,
)
def test_what_is_no_rule_is_refused_and_changes_nothing(sandbox: Sandbox, body: Any, complaint: str) -> None:
    sandbox.faults([{"fail": True}])
    with pytest.raises(ValueError, match=r"Rule|The body") as caught:
        sandbox.faults(body)
    assert complaint in str(caught.value)
    assert len(sandbox.pending_faults()) == 1


def test_no_json_at_all(sandbox: Sandbox) -> None:
    answer = httpx.post(f"{sandbox.url}/_sandbox/faults", content=b"{")
    assert answer.status_code == 400
    assert "error" in answer.json()


def test_an_empty_list_clears(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    sandbox.faults([{"on": "submit", "status": 500}])
    assert sandbox.faults([]) == []
    assert aimlapi.submit().status_code == 200


def test_a_pending_job_can_be_called_anything() -> None:
    with Sandbox(speed=1) as unhurried:
        client = AimlApiClient(unhurried)
        unhurried.faults([{"status_word": "waiting"}])
        generation_id = client.submit().json()["id"]
        assert [client.poll(generation_id).json()["status"] for _ in range(2)] == ["waiting", "queued"]
