# SPDX-License-Identifier: Apache-2.0
"""The hook: what it reads from a connection, and its verbs against the sandbox."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from pacing import quicken

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseDownloadError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Balance, Generation, GenerationStatus
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.requests import ImageToVideo, TextToVideo, Transition
from airflow_provider_pixverse.rules.waiting import Deliver, Wait, Watch
from airflow_provider_pixverse.submission import Submission, Unnoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

KEY = "sk-a/very:secret+key"
SUBMISSION = "0b6a0f4e-8f0a-4d0e-9a55-3f2f7c1d9e11"
LAKE = TextToVideo(prompt="A quiet lake", resolution="360p")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100)


def _takes_urls() -> bool:
    try:
        return bool(ObjectStoragePath("file:///tmp"))
    except TypeError:
        return False


needs_urls = pytest.mark.skipif(
    not _takes_urls(), reason="with universal-pathlib 0.3, Airflow 3.0 takes no path that has a scheme"
)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PixverseHook]:
    """Set a connection, by its fields or as Airflow would read it from the environment."""

    def connect(value: str | None = None, **fields: Any) -> PixverseHook:
        value = value or json.dumps({"conn_type": "pixverse", "password": KEY, **fields})
        monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", value)
        return PixverseHook()

    return connect


class TestTestConnection:
    def test_a_good_one(self, pixverse_sandbox: SandboxInTest) -> None:
        ok, words = PixverseHook().test_connection()
        assert ok
        assert f"aimlapi at {pixverse_sandbox.url.removeprefix('http://')} accepts the key" in words
        assert "10000" in words.replace(",", "")
        ledger = pixverse_sandbox.ledger()
        assert (ledger["balance"], ledger["submitted"], ledger["bought"]) == (1, 0, 0)

    def test_it_speaks_in_words(self, pixverse_sandbox: SandboxInTest) -> None:
        _, words = PixverseHook().test_connection()
        assert "Balance(" not in words

    def test_a_refused_key(
        self, pixverse_sandbox: SandboxInTest, connect: Callable[..., PixverseHook]
    ) -> None:
        ok, words = connect(host=f"{pixverse_sandbox.url}/aimlapi").test_connection()
        assert not ok
        assert "refused the API key" in words
        assert KEY not in words

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"password": ""}, "is empty"),
            ({"extra": {"gateway": "vimeo"}}, "gateway='vimeo'"),
            ({"extra": {"request_timeout": "soon"}}, "request_timeout='soon'"),
            ({"host": "http://127.0.0.1:9"}, "could not be reached"),
            ({"host": "http://127.0.0.1:9"}, "from aimlapi at 127.0.0.1:9"),
            ({"host": "http://127.0.0.1:9"}, "Check this connection's base URL"),
            ({"host": "ftp://127.0.0.1"}, "must be a URL"),
            # Not the id, which is Airflow's own while it tests.
            ({"password": ""}, "The password of this connection"),
        ],
        ids=str,
    )
    def test_a_bad_one(
        self, fields: dict[str, Any], words: str, connect: Callable[..., PixverseHook]
    ) -> None:
        ok, said = connect(**fields).test_connection()
        assert not ok
        assert words in said

    @pytest.mark.parametrize(
        "fault", [{"status": 503}, {"html": True}, {"empty": True}, {"drop": "before"}], ids=str
    )
    def test_a_gateway_in_trouble(self, fault: dict[str, Any], pixverse_sandbox: SandboxInTest) -> None:
        pixverse_sandbox.faults([{"on": "balance", **fault}])
        ok, said = PixverseHook().test_connection()
        assert not ok
        assert "aimlapi" in said


class TestVerbs:
    def test_from_words_to_a_file(self, pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
        hook = PixverseHook()
        generation = hook.submit(LAKE)
        finished = hook.wait(generation.id, poll_interval=0.05)
        target, saved = hook.save_video(finished, f"{tmp_path}/clips/")
        assert target == f"{tmp_path}/clips/{generation.id}.mp4"
        content = (tmp_path / "clips" / f"{generation.id}.mp4").read_bytes()
        (row,) = pixverse_sandbox.ledger()["generations"]
        assert saved.sha256 == hashlib.sha256(content).hexdigest() == row["file"]["sha256"]
        assert saved.size_bytes == len(content) == row["file"]["size"]
        assert (row["id"], row["downloads"], generation.cost.amount) == (
            generation.id,
            1,
            row["cost"]["amount"],
        )
        ledger = pixverse_sandbox.ledger()
        assert (ledger["submitted"], ledger["bought"], ledger["leaked"]) == (1, 1, 0)
        assert (finished.seed, hook.get_balance()) == (
            row["seed"], Balance(10_000 - row["cost"]["amount"] / 2_000_000, "usd"),
        )  # fmt: skip

    def test_each_verb_can_be_used_inside_a_running_event_loop(
        self, pixverse_sandbox: SandboxInTest, tmp_path: Path
    ) -> None:
        async def use() -> Any:
            hook = PixverseHook()
            generation = hook.submit(LAKE)
            finished = hook.wait(generation.id, poll_interval=0.05)
            assert hook.get_generation(generation.id) == finished
            assert await hook.aget_generation(generation.id) == finished
            assert await PixverseHook().aget_generation(generation.id) == finished
            assert hook.test_connection()[0]
            return hook.save_video(finished, f"{tmp_path}/a.mp4")

        target, saved = asyncio.run(use())
        assert (tmp_path / "a.mp4").stat().st_size == saved.size_bytes
        assert target == f"{tmp_path}/a.mp4"

    def test_balance_as_the_first_verb_inside_a_running_event_loop(
        self, pixverse_sandbox: SandboxInTest
    ) -> None:
        async def ask() -> Balance:
            return PixverseHook().get_balance()

        assert asyncio.run(ask()) == Balance(10_000, "usd")

    def test_decide_looks_once(self, pixverse_sandbox: SandboxInTest) -> None:
        hook = PixverseHook()
        generation = hook.submit(LAKE)
        watch = Watch(generation.id, time.time() + 60, 10)
        pixverse_sandbox.faults([{"on": "poll", "status": 503}])
        assert isinstance(hook.decide(watch), Wait)
        assert pixverse_sandbox.ledger()["polled"] == 1
        hook.wait(generation.id, poll_interval=0.05)
        assert isinstance(hook.decide(watch), Deliver)

    def test_a_wait_ends_in_time(self, pixverse_sandbox: SandboxInTest) -> None:
        hook = PixverseHook()
        generation = hook.submit(LAKE)
        pixverse_sandbox.faults([{"on": "poll", "html": True, "times": None}])
        with pytest.raises(PixverseTimeout, match=generation.id):
            hook.wait(generation.id, timeout=0.2, poll_interval=0.05)
        assert pixverse_sandbox.ledger()["polled"] >= 3

    def test_a_wait_looks_the_connection_up_no_second_time(
        self, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook = PixverseHook()
        generation = hook.submit(LAKE)
        monkeypatch.delenv("AIRFLOW_CONN_PIXVERSE_DEFAULT")
        assert hook.wait(generation.id, poll_interval=0.05).video_url

    @pytest.mark.parametrize(
        ("fate", "error"),
        [
            ({"fail": {"message": "out of paint"}}, PixverseGenerationFailed),
            ({"moderation": True}, PixverseModerationError),
            ({"no_url": True}, PixverseResponseError),
        ],
        ids=str,
    )
    def test_a_wait_for_what_never_comes(
        self, fate: dict[str, Any], error: type[Exception], pixverse_sandbox: SandboxInTest
    ) -> None:
        pixverse_sandbox.faults([fate])
        hook = PixverseHook()
        generation = hook.submit(LAKE)
        with pytest.raises(error, match=generation.id):
            hook.wait(generation.id, poll_interval=0.05)

    def test_an_unknown_id(self, pixverse_sandbox: SandboxInTest) -> None:
        with pytest.raises(PixverseNotFoundError, match="nobody-knows-this-id"):
            PixverseHook().get_generation("nobody-knows-this-id")

    def test_a_look_that_fails(self, pixverse_sandbox: SandboxInTest) -> None:
        pixverse_sandbox.faults([{"on": "poll", "html": True}])
        with pytest.raises(PixverseUnavailableError):
            PixverseHook().get_generation("gen-1")

    def test_aget_looks_the_connection_up_once(
        self, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook = PixverseHook()
        generation_id = hook.submit(LAKE).id
        fresh = PixverseHook()
        asyncio.run(fresh.aget_generation(generation_id))
        monkeypatch.delenv("AIRFLOW_CONN_PIXVERSE_DEFAULT")
        assert asyncio.run(fresh.aget_generation(generation_id)).id == generation_id


class TestSubmit:
    def test_a_request_the_gateway_cannot_serve_is_not_sent(self, pixverse_sandbox: SandboxInTest) -> None:
        hook = PixverseHook()
        with pytest.raises(PixverseRequestError, match="1080p"):
            hook.submit(TextToVideo(prompt="A lake", resolution="1080p", duration=8))
        assert pixverse_sandbox.ledger()["submitted"] == 0

    def test_check_names_the_model_and_sends_nothing(self, pixverse_sandbox: SandboxInTest) -> None:
        assert PixverseHook().check(LAKE) == ("pixverse/v5/text-to-video", "v5")
        assert pixverse_sandbox.ledger()["submitted"] == 0

    def test_it_is_noted_right_before_it_is_sent(self, pixverse_sandbox: SandboxInTest) -> None:
        seen: list[int] = []

        class Counting(Unnoted):
            def intend(self, key: str, **noted: Any) -> None:
                seen.append(pixverse_sandbox.ledger()["submitted"])

        def submission(request: Any) -> Submission:
            return Submission(request=request, key=SUBMISSION, deadline=time.time() + 60, journal=Counting())

        hook = PixverseHook()
        hook.buy(submission(LAKE))
        assert seen == [0]
        with pytest.raises(PixverseRequestError):
            hook.buy(submission(ImageToVideo(prompt="It moves", image="/missing.png")))
        assert seen == [0]

    def test_an_earlier_try_is_asked_for_first(
        self, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quicken(monkeypatch, look_up_delays=(0.05,) * 5)
        hook, began = PixverseHook(), time.time()
        bought = hook.submit(LAKE, key=SUBMISSION)
        doubtful = Submission(request=LAKE, key=SUBMISSION, deadline=began + 60, in_doubt_since=began)
        assert hook.buy(doubtful).generation.id == bought.id
        assert pixverse_sandbox.ledger()["submitted"] == 1

    def test_the_key_of_a_submission_is_sent_along(self, pixverse_sandbox: SandboxInTest) -> None:
        hook = PixverseHook()
        key = "0b6a0f4e-8f0a-4d0e-9a55-3f2f7c1d9e11"
        hook.submit(LAKE, key=key)
        hook.submit(LAKE)
        hook.submit(LAKE)
        keys = [row["client_request_id"] for row in pixverse_sandbox.ledger()["generations"]]
        assert keys[0] == key
        assert len(set(keys)) == 3

    def test_an_answer_that_is_lost_is_found_in_the_logs(
        self, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quicken(monkeypatch, look_up_delays=(0.05,) * 5)
        pixverse_sandbox.faults([{"on": "submit", "drop": "after"}])
        generation = PixverseHook().submit(LAKE)
        ledger = pixverse_sandbox.ledger()
        assert [row["id"] for row in ledger["generations"]] == [generation.id]
        assert (ledger["submitted"], ledger["bought"]) == (1, 1)

    @pytest.mark.parametrize(("choice", "submitted"), [("fail", 1), ("resubmit", 2)])
    def test_one_that_stays_unknown_is_the_users_choice(
        self, choice: Any, submitted: int, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        quicken(monkeypatch, look_up_delays=(0.0,) * 2)
        pixverse_sandbox.faults([{"on": "submit", "html": True, "times": None}])
        with pytest.raises(PixverseAmbiguousSubmitError):
            PixverseHook().submit(LAKE, on_ambiguous_submit=choice)
        assert pixverse_sandbox.ledger()["submitted"] == submitted

    def test_a_gateway_that_takes_nothing_is_asked_until_time_is_up(
        self, pixverse_sandbox: SandboxInTest
    ) -> None:
        pixverse_sandbox.faults([{"on": "submit", "status": 429, "headers": {"Retry-After": "100"}}])
        with pytest.raises(PixverseRateLimitError):
            PixverseHook().submit(LAKE, timeout=50)
        assert pixverse_sandbox.ledger()["submitted"] == 1


class TestMedia:
    @staticmethod
    def sent(sandbox: SandboxInTest) -> dict[str, Any]:
        (row,) = sandbox.ledger()["generations"]
        return row["request"]

    def test_a_url_is_left_to_the_gateway(self, pixverse_sandbox: SandboxInTest) -> None:
        url = f"{pixverse_sandbox.url}/_sandbox/pictures/dragon.png?X-Amz-Signature=%2Babc"
        PixverseHook().submit(ImageToVideo(prompt="It moves", image=url))
        assert self.sent(pixverse_sandbox)["image_url"] == url

    def test_a_data_uri_goes_as_it_is(self, pixverse_sandbox: SandboxInTest) -> None:
        uri = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        PixverseHook().submit(ImageToVideo(prompt="It moves", image=uri))
        assert self.sent(pixverse_sandbox)["image_url"] == uri

    @pytest.mark.parametrize("form", ["{}", pytest.param("file://{}", marks=needs_urls)])
    def test_a_local_file_is_sent_along(
        self, form: str, pixverse_sandbox: SandboxInTest, tmp_path: Path
    ) -> None:
        for name in ("first.png", "last.png"):
            (tmp_path / name).write_bytes(PNG)
        first, last = (form.format(tmp_path / name) for name in ("first.png", "last.png"))
        PixverseHook().submit(Transition(prompt="Day to night", first_frame=first, last_frame=last))
        uri = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
        body = self.sent(pixverse_sandbox)
        assert (body["image_url"], body["tail_image_url"]) == (uri, uri)

    @pytest.mark.parametrize(
        ("image", "words"),
        [
            ("{}/missing.png", "FileNotFoundError"),
            ("{}", "IsADirectoryError"),
            ("data:image/png;base64,!!!", "base64"),
            ("data:image/png;base64", "comma"),
            ("nosuchstore://bucket/a.png", "nosuchstore"),
        ],
    )
    def test_one_that_cannot_be_read_is_told_before_anything_is_sent(
        self, image: str, words: str, pixverse_sandbox: SandboxInTest, tmp_path: Path
    ) -> None:
        hook = PixverseHook()
        with pytest.raises(PixverseRequestError, match=r"image=.*nothing was sent") as caught:
            hook.submit(ImageToVideo(prompt="It moves", image=image.format(tmp_path)))
        assert words in str(caught.value)
        assert pixverse_sandbox.ledger()["submitted"] == 0

    @pytest.mark.parametrize("content", [b"", b"not a picture", MP4], ids=["empty", "text", "a video"])
    def test_a_file_that_is_no_picture_is_told_before_anything_is_sent(
        self, content: bytes, pixverse_sandbox: SandboxInTest, tmp_path: Path
    ) -> None:
        (tmp_path / "a.png").write_bytes(content)
        hook = PixverseHook()
        with pytest.raises(PixverseRequestError):
            hook.submit(ImageToVideo(prompt="It moves", image=f"{tmp_path}/a.png"))
        assert pixverse_sandbox.ledger()["submitted"] == 0

    def test_the_type_is_that_of_the_content(self, pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(PNG)
        PixverseHook().submit(ImageToVideo(prompt="It moves", image=f"{tmp_path}/a.jpg"))
        assert self.sent(pixverse_sandbox)["image_url"].startswith("data:image/png;base64,")


class TestSaveVideo:
    @pytest.fixture
    def finished(self, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch) -> Generation:
        quicken(monkeypatch, download_retries=(0.0, 0.0))
        hook = PixverseHook()
        return hook.wait(hook.submit(LAKE).id, poll_interval=0.05)

    @pytest.mark.parametrize(
        "fault",
        [{"truncate": True}, {"truncate_quietly": True}, *({"on": "download", **each} for each in (
            {"status": 503}, {"html": True}, {"empty": True}, {"drop": "before"},
        ))],
        ids=str,
    )  # fmt: skip
    def test_a_download_that_fails_is_repeated_and_nothing_else(
        self, fault: dict[str, Any], finished: Generation, pixverse_sandbox: SandboxInTest, tmp_path: Path
    ) -> None:
        pixverse_sandbox.faults([fault])
        _, saved = PixverseHook().save_video(finished, f"{tmp_path}/a.mp4")
        ledger = pixverse_sandbox.ledger()
        assert saved.sha256 == ledger["generations"][0]["file"]["sha256"]
        assert (ledger["bought"], ledger["downloaded"], ledger["leaked"]) == (1, 1, 0)
        assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]

    @pytest.mark.parametrize("fault", [{"truncate": True}, {"truncate_quietly": True}], ids=str)
    def test_one_that_keeps_failing_leaves_nothing_and_says_what_to_do(
        self, fault: dict[str, Any], finished: Generation, pixverse_sandbox: SandboxInTest, tmp_path: Path
    ) -> None:
        pixverse_sandbox.faults([{**fault, "times": None}])
        with pytest.raises(PixverseDownloadError, match=f"{finished.id}.*retry or clear") as caught:
            PixverseHook().save_video(finished, f"{tmp_path}/a.mp4")
        assert "_seed" not in str(caught.value), "the URL"
        assert list(tmp_path.iterdir()) == []

    def test_a_wrong_description_holds_no_video_back(
        self, pixverse_sandbox: SandboxInTest, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, "airflow_provider_pixverse")
        hook = PixverseHook()
        finished = hook.wait(hook.submit(LAKE).id, poll_interval=0.05)
        described = Generation(
            finished.id, "aimlapi", finished.status, video_url=finished.video_url, file_size=12_345
        )
        _, saved = hook.save_video(described, f"{tmp_path}/a.mp4")
        assert f"{saved.size_bytes} bytes" in caplog.text
        assert "12345 bytes" in caplog.text
        assert (tmp_path / "a.mp4").stat().st_size == saved.size_bytes

    @pytest.mark.parametrize("status", [GenerationStatus.GENERATING, GenerationStatus.FINISHED])
    def test_there_is_nothing_to_save_yet(
        self, status: GenerationStatus, connect: Callable[..., PixverseHook], tmp_path: Path
    ) -> None:
        with pytest.raises(PixverseResponseError, match=f"gen-1.*{status}"):
            connect().save_video(Generation("gen-1", "aimlapi", status), f"{tmp_path}/a.mp4")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("path", ["{}/a.mp4", pytest.param("file://{}/clips/", marks=needs_urls)])
    def test_where_a_video_can_go_is_known_before(
        self, path: str, connect: Callable[..., PixverseHook], tmp_path: Path
    ) -> None:
        connect().check_output_path(path.format(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_where_none_can_go_is_known_before(self, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseRequestError, match=r"output_path='nosuchstore://.*nothing was sent"):
            connect().check_output_path("nosuchstore://bucket/a.mp4")

    @needs_urls
    def test_a_file_url_will_do(self, finished: Generation, tmp_path: Path) -> None:
        target, saved = PixverseHook().save_video(finished, f"file://{tmp_path}/a.mp4")
        assert target == f"file://{tmp_path}/a.mp4"
        assert (tmp_path / "a.mp4").stat().st_size == saved.size_bytes

    def test_a_store_that_does_not_exist_is_named_with_the_generation(self, finished: Generation) -> None:
        with pytest.raises(PixverseDownloadError, match=finished.id):
            PixverseHook().save_video(finished, "nosuchstore://bucket/a.mp4")
