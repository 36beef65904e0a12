# SPDX-License-Identifier: Apache-2.0
"""From upload and submit to the finished video, at PixVerse's own platform."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pixverse_client import PixverseClient, colour_of, picture, recording, streams_of

from airflow_provider_pixverse.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = "3f1d9b62-7a9c-4d0e-8f0a-6f2f1f6f9a11"


@pytest.fixture
def pixverse(sandbox: Sandbox) -> Iterator[PixverseClient]:
    client = PixverseClient(sandbox)
    with client.http:
        yield client


class TestAnswers:
    def test_ids_are_integers_beyond_what_a_double_holds(self, pixverse: PixverseClient) -> None:
        numbers = [pixverse.bought(), pixverse.picture()]
        assert all(isinstance(number, int) and len(str(number)) == 18 for number in numbers)

    def test_a_finished_video_is_described_as_the_server_did(
        self, pixverse: PixverseClient, sandbox: Sandbox
    ) -> None:
        number = pixverse.bought(
            model="c1", duration=2, generate_audio_switch=True, seed=77, negative_prompt="blur"
        )
        said = pixverse.finish(number)
        content = httpx.get(said["url"]).content
        assert re.fullmatch(
            r"http://127\.0\.0\.1:\d+/_media/pixverse/pixverse%2Fmp4%2F.*_seed77\.mp4", said.pop("url")
        )
        created, modified = said.pop("create_time"), said.pop("modify_time")
        assert created <= modified
        assert modified.endswith("Z")
        assert said == {
            "id": number,
            "prompt": "a quiet lake",
            "negative_prompt": "blur",
            "resolution_ratio": 0,
            "size": len(content),
            "status": 1,
            "seed": 77,
            "style": "",
            "outputWidth": 640,
            "outputHeight": 360,
            "has_audio": True,
            "credits": 16,
        }
        assert streams_of(content) == (640, 360, 2.0, True)
        assert sandbox.ledger()["generations"][0]["file"]["size"] == len(content)

    def test_a_pending_one_has_neither_video_nor_size(self) -> None:
        with Sandbox(speed=1) as unhurried:
            client = PixverseClient(unhurried)
            said = client.poll(client.bought())["Resp"]
        assert (said["status"], said["url"], said["size"], said["outputWidth"]) == (5, "", 0, 0)

    @pytest.mark.parametrize("seed", [0, ...])
    def test_no_seed_and_0_are_a_random_one(self, pixverse: PixverseClient, seed: Any) -> None:
        assert pixverse.finish(pixverse.bought(seed=seed))["seed"] > 0

    def test_silence_unless_it_is_asked_for(self, pixverse: PixverseClient) -> None:
        assert streams_of(pixverse.make(model="v6", generate_audio_switch=False))[3] is False
        assert streams_of(pixverse.make(sound_effect_switch=True, sound_effect_content="rain"))[3] is True

    @pytest.mark.parametrize(
        ("number", "code"), [("627410861853514292", 500008), ("what", 400013), ("-1", 400013)]
    )
    def test_an_unknown_id(self, pixverse: PixverseClient, number: str, code: int) -> None:
        assert pixverse.poll(number)["ErrCode"] == code

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "video/list"), ("POST", "video/image/generate"), ("PUT", "account/balance")],
    )
    def test_other_paths_do_not_exist(self, pixverse: PixverseClient, method: str, path: str) -> None:
        assert pixverse.http.request(method, path).status_code == 404


class TestTraceIds:
    CALLS = (
        ("POST", "video/text/generate"),
        ("GET", "video/result/627410861853514292"),
        ("POST", "image/upload"),
        ("GET", "account/balance"),
    )

    @pytest.mark.parametrize(("method", "path"), CALLS)
    @pytest.mark.parametrize(
        ("headers", "code"),
        [
            ({"API-KEY": "other", "Ai-trace-id": TRACE}, 400012),
            ({"Authorization": "Bearer sandbox", "API-KEY": "", "Ai-trace-id": TRACE}, 400012),
            ({}, 400011),
            ({"Ai-trace-id": "smoke-001"}, 400017),
        ],
    )
    def test_every_call_needs_the_key_and_a_trace_id(
        self,
        pixverse: PixverseClient,
        sandbox: Sandbox,
        method: str,
        path: str,
        headers: dict[str, str],
        code: int,
    ) -> None:
        answer = pixverse.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["ErrCode"]) == (200, code)
        assert sandbox.ledger()["bought"] == 0

    def test_a_submission_sent_again_buys_nothing(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        first = pixverse.submit(trace=TRACE)
        assert pixverse.submit(trace=TRACE.upper()) == first
        assert pixverse.submit(trace=TRACE, prompt="something else") == first
        ledger = sandbox.ledger()
        assert (ledger["submitted"], ledger["bought"]) == (3, 1)
        assert ledger["generations"][0]["client_request_id"] == TRACE
        assert pixverse.submit() != first

    @pytest.mark.parametrize(
        "effect", [{"drop": "after"}, {"empty": True}, {"accept_then_status": 502, "body": {}}], ids=str
    )
    def test_a_lost_answer_is_given_again(
        self, pixverse: PixverseClient, sandbox: Sandbox, effect: dict[str, Any]
    ) -> None:
        sandbox.faults([{"on": "submit", **effect}])
        with pytest.raises((httpx.RemoteProtocolError, ValueError, KeyError)):
            pixverse.submit(trace=TRACE)["Resp"]["video_id"]
        number = pixverse.bought(trace=TRACE)
        ledger = sandbox.ledger()
        assert (ledger["bought"], ledger["generations"][0]["id"]) == (1, str(number))

    def test_what_was_refused_can_be_sent_again(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        assert pixverse.submit(trace=TRACE, quality="4k")["ErrCode"] == 400017
        sandbox.faults([{"on": "submit", "status": 429}])
        assert pixverse.submit(trace=TRACE)["ErrCode"] == 500044
        assert pixverse.submit(trace=TRACE)["ErrCode"] == 0

    def test_a_poll_under_a_used_id_is_told_what_was_said_before(self) -> None:
        with Sandbox(speed=60) as sandbox:
            client = PixverseClient(sandbox)
            number = client.bought()
            first = client.poll(number, TRACE)
            assert first["Resp"]["status"] == 5
            assert client.finish(number)["status"] == 1
            assert client.poll(number, TRACE) == first

    def test_a_poll_under_the_submissions_id_is_told_of_the_submission(
        self, pixverse: PixverseClient
    ) -> None:
        answer = pixverse.submit(trace=TRACE)
        assert pixverse.poll(answer["Resp"]["video_id"], TRACE) == answer

    def test_a_reset_forgets_them(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        first = pixverse.submit(trace=TRACE)
        number = pixverse.picture()
        sandbox.reset()
        assert pixverse.submit(trace=TRACE)["Resp"]["video_id"] != first["Resp"]["video_id"]
        assert pixverse.submit("img", img_id=number)["ErrCode"] == 400032


class TestInputs:
    def test_a_video_starts_from_the_picture_that_was_uploaded(self, pixverse: PixverseClient) -> None:
        for colour, size in (("red", (640, 360)), ("blue", (360, 640))):
            video = pixverse.make("img", img_id=pixverse.picture(colour, size))
            assert colour_of(video) == colour
            assert streams_of(video)[:2] == size

    def test_a_transition_starts_from_the_first_one(self, pixverse: PixverseClient) -> None:
        first, last = pixverse.picture("red"), pixverse.picture("blue")
        assert colour_of(pixverse.make("transition", first_frame_img=first, last_frame_img=last)) == "red"
        assert colour_of(pixverse.make("transition", first_frame_img=last, last_frame_img=first)) == "blue"

    def test_lips_move_in_the_video_that_was_uploaded(self, pixverse: PixverseClient) -> None:
        video = pixverse.make("img", img_id=pixverse.picture("blue"), model="v6", duration=2)
        uploaded = pixverse.upload("media", "file", video, media_type="video")["Resp"]
        spoken = pixverse.upload("media", "file", recording(3.2), media_type="audio")["Resp"]
        assert (uploaded["media_type"], spoken["media_type"]) == ("video", "audio")
        answer = pixverse.submit(
            "lip_sync", video_media_id=uploaded["media_id"], audio_media_id=spoken["media_id"]
        )
        assert answer["Resp"]["credits"] == 16
        made = httpx.get(pixverse.finish(answer["Resp"]["video_id"])["url"]).content
        assert colour_of(made) == "blue"
        assert streams_of(made)[2:] == (2.0, True)

    def test_an_extension_goes_on_from_the_video_that_was_uploaded(self, pixverse: PixverseClient) -> None:
        video = pixverse.make("img", img_id=pixverse.picture("red"))
        number = pixverse.upload("media", "file", video)["Resp"]["media_id"]
        made = pixverse.make("extend", model="v6", video_media_id=number, duration=2)
        assert colour_of(made) == "red"
        assert streams_of(made)[2] == 2.0

    def test_a_video_made_here_need_not_be_uploaded(self, pixverse: PixverseClient) -> None:
        number = pixverse.bought("img", img_id=pixverse.picture("blue"))
        pixverse.finish(number)
        assert colour_of(pixverse.make("extend", source_video_id=number)) == "blue"

    def test_a_video_elsewhere_is_stood_for_by_a_landscape(self, pixverse: PixverseClient) -> None:
        answer = pixverse.upload("media", "file_url", "https://example.com/cat.mp4", media_type="video")
        number = pixverse.bought(
            "lip_sync",
            video_media_id=answer["Resp"]["media_id"],
            lip_sync_tts_content="Hello",
            lip_sync_tts_speaker_id="7",
        )
        assert pixverse.finish(number)["status"] == 1


class TestUploads:
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_pictures(self, pixverse: PixverseClient, sandbox: Sandbox, kind: str) -> None:
        answer = pixverse.upload("image", "image", picture(kind=kind))
        assert answer["Resp"].keys() == {"img_id", "img_url"}
        assert sandbox.ledger()["uploaded"] == 1

    def test_a_picture_by_its_address(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        for address in (f"{sandbox.url}/_sandbox/pictures/portrait.png", "https://example.com/cat.png"):
            assert pixverse.upload("image", "image_url", address)["ErrCode"] == 0
        number = pixverse.upload("image", "image_url", f"{sandbox.url}/_sandbox/pictures/portrait.png")
        assert streams_of(pixverse.make("img", img_id=number["Resp"]["img_id"]))[:2] == (360, 640)

    @pytest.mark.parametrize(
        ("name", "content", "code"),
        [
            ("image", picture(kind="GIF"), 500032),
            ("image", b"no picture", 500031),
            ("image", picture()[:200], 500031),
            ("image", picture(size=(10_001, 2)), 500033),
            ("image", picture() + bytes(20 * 1024**2), 500030),
            ("image_url", "ftp://example.com/cat.png", 400017),
            ("image_url", "", 400011),
            ("file", picture(), 400011),
        ],
        ids=["gif", "text", "half a picture", "too wide", "too large", "ftp", "no address", "another field"],
    )
    def test_pictures_that_are_refused(
        self, pixverse: PixverseClient, name: str, content: bytes | str, code: int
    ) -> None:
        answer = pixverse.upload("image", name, content)
        assert (answer["ErrCode"], answer["Resp"]) == (code, None)

    def test_a_video_is_no_picture(self, pixverse: PixverseClient) -> None:
        said = pixverse.finish(pixverse.bought())
        assert pixverse.upload("image", "image_url", said["url"])["ErrCode"] == 500032
        assert pixverse.upload("image", "image", httpx.get(said["url"]).content)["ErrCode"] == 500031

    @pytest.mark.parametrize(
        ("content", "kind", "words"),
        [
            (recording(), "video", "media_type is video, the file is audio"),
            (recording(31), "audio", "longer than 30 s"),
            (b"no recording", "audio", "neither a video nor a recording"),
            (recording(), "song", "invalid media_type song"),
        ],
        ids=["sound for a video", "too long", "text", "song"],
    )
    def test_media_that_are_refused(
        self, pixverse: PixverseClient, content: bytes, kind: str, words: str
    ) -> None:
        answer = pixverse.upload("media", "file", content, media_type=kind)
        assert answer["ErrCode"] == 400017
        assert words in answer["ErrMsg"]

    def test_a_recording_is_no_video(self, pixverse: PixverseClient) -> None:
        number = pixverse.upload("media", "file", recording(), media_type="audio")["Resp"]["media_id"]
        assert pixverse.submit("extend", video_media_id=number)["ErrCode"] == 500008

    def test_an_upload_is_a_multipart_form(self, pixverse: PixverseClient) -> None:
        headers = {"Ai-trace-id": TRACE}
        answer = pixverse.http.post(
            "image/upload", data={"image_url": "https://example.com/"}, headers=headers
        )
        assert answer.json()["ErrCode"] == 400017

    def test_an_upload_sent_again_under_its_id_has_the_same_number(self, pixverse: PixverseClient) -> None:
        first = pixverse.upload("image", "image", picture(), TRACE)
        assert pixverse.upload("image", "image", picture("blue"), TRACE) == first


class TestBalance:
    def test_what_is_bought_leaves_it_and_what_failed_comes_back(
        self, pixverse: PixverseClient, sandbox: Sandbox
    ) -> None:
        sandbox.faults([{"fail": True, "match": "doomed"}])
        before = pixverse.get("account/balance")["Resp"]
        pixverse.bought(quality="720p")
        pixverse.finish(pixverse.bought(prompt="doomed"))
        after = pixverse.get("account/balance")["Resp"]
        assert before["credit_monthly"] - after["credit_monthly"] == 60
        assert before["credit_package"] == after["credit_package"] > 0


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "code"),
        [(400, 400017), (401, 400012), (402, 500090), (403, 500020), (404, 500008), (429, 500044),
         (500, 500100), (503, 500069)],
    )  # fmt: skip
    def test_a_status_comes_around_the_envelope(
        self, pixverse: PixverseClient, sandbox: Sandbox, status: int, code: int
    ) -> None:
        sandbox.faults([{"on": "submit", "status": status}])
        headers = {"Ai-trace-id": str(uuid.uuid4())}
        answer = pixverse.http.post("video/text/generate", json={}, headers=headers)
        assert (answer.status_code, answer.json()["ErrCode"]) == (status, code)
        assert sandbox.ledger()["bought"] == 0

    @pytest.mark.parametrize(
        ("fate", "status"),
        [({"fail": True}, 8), ({"moderation": True}, 7), ({"fail": {"message": "unsaid"}}, 8)],
        ids=str,
    )
    def test_a_job_that_ends_without_a_video(
        self, pixverse: PixverseClient, sandbox: Sandbox, fate: dict[str, Any], status: int
    ) -> None:
        sandbox.faults([fate])
        said = pixverse.finish(pixverse.bought())
        assert (said["status"], said["credits"], said["size"]) == (status, 0, 0)
        # The vendor tells no reasons, and may give an address at which there is nothing.
        assert "unsaid" not in str(said)
        assert httpx.get(said["url"]).status_code == 404
        assert sandbox.ledger()["refunded"] == 1

    def test_a_video_without_a_url(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        sandbox.faults([{"no_url": True}])
        said = pixverse.finish(pixverse.bought())
        assert (said["status"], said["url"]) == (1, "")

    def test_a_wrong_size(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        sandbox.faults([{"wrong_file_size": True}])
        said = pixverse.finish(pixverse.bought())
        assert said["size"] == sandbox.ledger()["generations"][0]["file"]["size"] + 1024

    @pytest.mark.parametrize(("word", "said"), [("9", 9), ("rendering", "rendering")])
    def test_a_pending_job_can_be_called_anything(self, word: str, said: Any) -> None:
        with Sandbox(speed=1) as unhurried:
            client = PixverseClient(unhurried)
            number = client.bought()
            unhurried.faults([{"status_word": word}])
            assert [client.poll(number)["Resp"]["status"] for _ in range(2)] == [said, 5]

    @pytest.mark.parametrize(
        ("on", "path"),
        [("poll", "video/result/7"), ("balance", "account/balance"), ("any", "account/balance")],
    )
    def test_other_calls_go_wrong_as_well(
        self, pixverse: PixverseClient, sandbox: Sandbox, on: str, path: str
    ) -> None:
        sandbox.faults([{"on": on, "gateway": "pixverse", "status": 503}])
        assert pixverse.get(path)["ErrCode"] == 500069

    def test_an_upload_goes_wrong_as_well(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        sandbox.faults([{"on": "upload", "status": 500, "body": "out of paper"}])
        headers = {"Ai-trace-id": str(uuid.uuid4())}
        answer = pixverse.http.post("image/upload", files={"image": ("a.png", picture())}, headers=headers)
        assert (answer.status_code, answer.text) == (500, "out of paper")
        assert pixverse.upload("image", "image", picture())["ErrCode"] == 0

    def test_a_fault_meant_for_another_gateway(self, pixverse: PixverseClient, sandbox: Sandbox) -> None:
        sandbox.faults([{"on": "submit", "gateway": "aimlapi", "status": 500}])
        assert pixverse.submit()["ErrCode"] == 0
