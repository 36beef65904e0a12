# SPDX-License-Identifier: Apache-2.0
"""
The table "what happens when": one section a row, with the sandbox's ledger as the judge of purchases.

What concerns the record of a purchase (a retry, a clear, a worker that dies) is not here.
"""

from __future__ import annotations

import logging
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from pacing import quicken

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
)
from airflow_provider_pixverse.operators.pixverse import (
    PixverseImageToVideoOperator,
    PixverseTextToVideoOperator,
)
from airflow_provider_pixverse.sandbox import Sandbox
from airflow_provider_pixverse.sandbox.pictures import picture_file
from operators.running import NOT_YET, PENDING, SMALL, SOON, TaskRun, bought, fire, messages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
CONNECTION = "AIRFLOW_CONN_PIXVERSE_DEFAULT"


def task(**fields: Any) -> TaskRun:
    given = {"task_id": "video", "poll_interval": SOON, "timeout": 20.0, **SMALL, **fields}
    return TaskRun(PixverseTextToVideoOperator(**given))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an answer that never comes up soon."""
    monkeypatch.setattr("airflow_provider_pixverse.connection.REQUEST_TIMEOUT", 0.2)


# --- invalid field, unsupported combination: PixverseRequestError before any request ----------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": "v9"}, ["version='v9'", "v5, v5.5"]),
        ({"version": "latest"}, ["version='latest'"]),
        ({"resolution": "4k"}, ["resolution='4k'", "1080p"]),
        ({"duration": 7}, ["duration=7", "5, 8"]),
        ({"duration": "long"}, ["duration='long'"]),
        ({"resolution": "1080p", "duration": 8}, ["duration=8", "1080p", "5 s"]),
        ({"aspect_ratio": "21:9"}, ["aspect_ratio='21:9'", "16:9"]),
        ({"voice": "Chloe"}, ["voice 'Chloe'", "speech"]),
        ({"speech": "Hi", "voice": "Nobody"}, ["voice='Nobody'", "Chloe"]),
        ({"audio": True}, ["audio=True"]),
        ({"thinking": "enabled"}, ["thinking='enabled'"]),
        ({"sound_effect": "rain"}, ["sound_effect='rain'"]),
        ({"style": "baroque"}, ["style='baroque'", "anime"]),
        ({"seed": -1}, ["seed=-1"]),
        ({"prompt": ""}, ["prompt=''"]),
        ({"prompt": None}, ["prompt=None"]),
        ({"extra": "style"}, ["extra='style'"]),
        ({"on_ambiguous_submit": "guess"}, ["on_ambiguous_submit='guess'", "'resubmit'"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_an_invalid_field_is_named_before_any_request(
    pixverse_sandbox: SandboxInTest, fields: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(PixverseRequestError) as refused:
        task(**fields).run()
    assert isinstance(refused.value, AirflowFailException)
    assert [word for word in words if word not in str(refused.value)] == []
    assert bought(pixverse_sandbox) == (0, 0)


@pytest.mark.parametrize(
    "image", ["/nowhere/at/all.png", "data:image/png;base64,???", "data:image/png", "", "nowhere://a/b.png"]
)
def test_a_picture_that_cannot_be_had_is_named_before_any_request(
    pixverse_sandbox: SandboxInTest, image: str
) -> None:
    with pytest.raises(PixverseRequestError, match="image") as refused:
        TaskRun(PixverseImageToVideoOperator(task_id="video", image=image, **SMALL)).run()
    assert isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (0, 0)


def test_a_picture_that_is_none_is_named_before_any_request(
    pixverse_sandbox: SandboxInTest, tmp_path: Path
) -> None:
    (tmp_path / "first.png").write_text("this is no picture")
    with pytest.raises(PixverseRequestError, match="image"):
        TaskRun(PixverseImageToVideoOperator(task_id="video", image=f"{tmp_path}/first.png", **SMALL)).run()
    assert bought(pixverse_sandbox) == (0, 0)


def test_a_picture_is_known_by_its_content_where_its_name_says_nothing(
    pixverse_sandbox: SandboxInTest, tmp_path: Path
) -> None:
    (tmp_path / "first").write_bytes(picture_file("mountain", "png"))
    image = f"{tmp_path}/first"
    TaskRun(PixverseImageToVideoOperator(task_id="video", image=image, poll_interval=SOON, **SMALL)).run()
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_target_that_cannot_be_written_to_is_named_before_any_request(
    pixverse_sandbox: SandboxInTest,
) -> None:
    with pytest.raises(PixverseRequestError, match="output_path"):
        task(output_path="nowhere://bucket/kite.mp4").run()
    assert bought(pixverse_sandbox) == (0, 0)


def test_a_gateway_that_does_not_exist_is_named_before_any_request(
    pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONNECTION, '{"conn_type": "pixverse", "password": "k", "extra": {"gateway": "x"}}')
    with pytest.raises(PixverseRequestError, match="gateway='x'") as refused:
        task().run()
    assert isinstance(refused.value, AirflowFailException)


def test_what_the_vendor_calls_invalid_is_said_in_its_words(pixverse_sandbox: SandboxInTest) -> None:
    with pytest.raises(PixverseRequestError, match=r"Unrecognized key.*mood") as refused:
        task(extra={"mood": "gloomy"}).run()
    assert isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (1, 0)


# --- key refused (401) ------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["wrong", "", "ключ"])
def test_a_refused_key_ends_the_task(
    pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    connection = f'{{"conn_type": "pixverse", "host": "{pixverse_sandbox.url}/aimlapi", "password": '
    monkeypatch.setenv(CONNECTION, f'{connection}"{password}"}}')
    with pytest.raises(PixverseAuthError) as refused:
        task().run()
    assert isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (int(password == "wrong"), 0)


@BOTH_WAYS
def test_a_key_refused_while_waiting_is_waited_out(pixverse_sandbox: SandboxInTest, deferrable: bool) -> None:
    pixverse_sandbox.faults([{"on": "poll", "status": 401, "times": 3}])
    assert task(deferrable=deferrable).run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)


@BOTH_WAYS
def test_a_key_refused_until_the_deadline_leaves_the_video_to_a_retry(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults([{"on": "poll", "status": 401, "times": None}])
    with pytest.raises(PixverseAuthError) as refused:
        task(deferrable=deferrable, timeout=0.5).run()
    assert not isinstance(refused.value, AirflowFailException)
    assert refused.value.generation_id
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_key_repeated_by_the_vendor_is_not_repeated(pixverse_sandbox: SandboxInTest) -> None:
    body = {"message": f"The key {pixverse_sandbox.key} is not valid"}
    pixverse_sandbox.faults([{"on": "submit", "status": 401, "body": body}])
    with pytest.raises(PixverseAuthError, match=r"The key \*\*\* is not valid"):
        task().run()


# --- no credits (AI/ML API: 403) --------------------------------------------------------------------


def test_an_empty_account_ends_the_task(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "status": 403}])
    with pytest.raises(PixverseCreditsError, match="run out of credits") as refused:
        task().run()
    assert isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (1, 0)


@BOTH_WAYS
def test_an_account_that_runs_empty_does_not_lose_a_video_that_was_paid_for(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults([{"on": "poll", "status": 403, "times": 2}])
    assert task(deferrable=deferrable).run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)


# --- moderation refuses input or output -------------------------------------------------------------


def test_an_input_refused_by_moderation_ends_the_task(pixverse_sandbox: SandboxInTest) -> None:
    body = {"message": "The prompt was flagged by our content policy"}
    pixverse_sandbox.faults([{"on": "submit", "status": 400, "body": body}])
    with pytest.raises(PixverseModerationError, match="flagged by our content policy") as refused:
        task().run()
    assert isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (1, 0)


@BOTH_WAYS
def test_an_output_refused_by_moderation_ends_the_task(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "moderation": True}])
    with pytest.raises(PixverseModerationError, match="flagged by a content checker") as refused:
        task(deferrable=deferrable).run()
    assert isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (1, 1)


# --- 429, concurrency limit, overload, on submit ----------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}], ids=["backs off", "waits as told"])
def test_too_many_requests_are_waited_out(pixverse_sandbox: SandboxInTest, headers: dict[str, str]) -> None:
    pixverse_sandbox.faults([{"on": "submit", "status": 429, "times": 3, "headers": headers}])
    assert task().run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (4, 1)


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "3600"}, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}]
)
def test_too_many_requests_for_longer_than_the_timeout(
    pixverse_sandbox: SandboxInTest, headers: dict[str, str]
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "status": 429, "times": None, "headers": headers}])
    with pytest.raises(PixverseRateLimitError, match="nothing was bought") as refused:
        task().run()
    assert not isinstance(refused.value, AirflowFailException)
    assert bought(pixverse_sandbox) == (1, 0)


def test_backing_off_ends_with_the_timeout(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "status": 429, "times": None}])
    with pytest.raises(PixverseRateLimitError):
        task(timeout=0.2).run()
    submitted, paid = bought(pixverse_sandbox)
    assert submitted > 1
    assert paid == 0


# --- connection never made on submit ----------------------------------------------------------------


@contextmanager
def a_sandbox_after_the_first_attempt(port: int) -> Iterator[list[Sandbox]]:
    """Open the gateway only once the provider has said that it could not reach it."""
    opened: list[Sandbox] = []

    class Opener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not opened and "could not be reached" in record.getMessage():
                opened.append(stack.enter_context(Sandbox(speed=1000, seed=1, port=port)))

    handler, logger = Opener(), logging.getLogger("airflow_provider_pixverse.client")
    with ExitStack() as stack:
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        yield opened


@pytest.fixture
def deaf_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let the connection lead to a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    monkeypatch.setenv(
        CONNECTION,
        f'{{"conn_type": "pixverse", "host": "http://127.0.0.1:{port}/aimlapi", "password": "sandbox"}}',
    )
    return port


def test_a_gateway_that_could_not_be_reached_is_sent_to_again(deaf_port: int) -> None:
    with a_sandbox_after_the_first_attempt(deaf_port) as opened:
        assert task(timeout=60.0).run()["status"] == "finished"
        [sandbox] = opened
        assert bought(sandbox) == (1, 1)


def test_a_gateway_that_is_never_reached(deaf_port: int) -> None:
    with pytest.raises(PixverseNotSentError, match="could not be reached") as unreached:
        task().run()
    assert not isinstance(unreached.value, AirflowFailException)


# --- submit sent, no answer -------------------------------------------------------------------------

BOUGHT_UNSEEN = pytest.mark.parametrize(
    "fault",
    [
        {"drop": "after"},
        {"hang": True},
        {"empty": True},
        {"accept_then_status": 500},
        {"accept_then_status": 502, "body": "<html>Bad Gateway</html>"},
        {"accept_then_status": 200, "body": "<html>One moment, please</html>"},
        {"accept_then_status": 200, "body": {"status": "queued"}},
        {"accept_then_status": 408},
        {"latency": 0.4},
    ],
    ids=str,
)
NOT_BOUGHT_EITHER = pytest.mark.parametrize(
    "fault", [{"drop": "before"}, {"status": 500}, {"status": 504}, {"html": True}], ids=str
)


@pytest.mark.usefixtures("impatient")
@BOUGHT_UNSEEN
def test_a_purchase_whose_answer_was_lost_is_found_in_the_records(
    pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    # Long enough for what is accepted late, after the client has given up.
    quicken(monkeypatch, look_up_delays=(0.01, 0.05, 0.2, 0.8, 1.0))
    pixverse_sandbox.faults([{"on": "submit", **fault}])
    run = task()
    result = run.run()
    [row] = pixverse_sandbox.ledger()["generations"]
    assert result["generation_id"] == run.ti.xcoms["generation_id"] == row["id"]
    assert result["cost"] == row["cost"]
    assert bought(pixverse_sandbox) == (1, 1)


def test_records_that_lag_behind_are_asked_again(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults(
        [
            {"on": "submit", "drop": "after"},
            {"on": "logs", "lag": 3600.0},
            {"on": "logs", "status": 503},
        ]
    )
    assert task().run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)
    assert pixverse_sandbox.ledger()["logs"] == 3


UNREADABLE_RECORDS = [{"on": "submit", "drop": "after"}, {"on": "logs", "status": 500, "times": None}]


@NOT_BOUGHT_EITHER
def test_what_stays_unknown_stops_the_task(pixverse_sandbox: SandboxInTest, fault: dict[str, Any]) -> None:
    pixverse_sandbox.faults([{"on": "submit", **fault}])
    run = task()
    with pytest.raises(PixverseAmbiguousSubmitError, match="may have been bought"):
        run.run()
    assert bought(pixverse_sandbox) == (1, 0)
    assert "generation_id" not in run.ti.xcoms


@pytest.mark.parametrize("kept", [{"durable": False}, {"on_ambiguous_submit": "resubmit"}, {}], ids=str)
def test_what_stays_unknown_is_not_tried_again_where_a_retry_would_buy(
    pixverse_sandbox: SandboxInTest, kept: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "drop": "before", "times": None}])
    run = task(**kept)
    if not kept:
        del run.context["task_state_store"]
    with pytest.raises(PixverseAmbiguousSubmitError) as stopped:
        run.run()
    assert isinstance(stopped.value, AirflowFailException)


def test_what_stays_unknown_is_asked_again_by_a_retry_that_cannot_buy(
    pixverse_sandbox: SandboxInTest,
) -> None:
    pixverse_sandbox.faults(UNREADABLE_RECORDS)
    run = task()
    for _ in range(2):
        with pytest.raises(PixverseAmbiguousSubmitError) as stopped:
            run.run()
        assert not isinstance(stopped.value, AirflowFailException)
        assert bought(pixverse_sandbox) == (1, 1)
    pixverse_sandbox.faults([])
    assert run.run()["generation_id"] == pixverse_sandbox.ledger()["generations"][0]["id"]
    assert bought(pixverse_sandbox) == (1, 1)


def test_the_error_names_what_to_search_the_dashboard_for(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "drop": "after"}, {"on": "logs", "status": 500, "times": None}])
    with pytest.raises(PixverseAmbiguousSubmitError) as stopped:
        task().run()
    assert pixverse_sandbox.ledger()["generations"][0]["client_request_id"] in str(stopped.value)


@NOT_BOUGHT_EITHER
def test_what_stays_unknown_is_submitted_again_where_asked(
    pixverse_sandbox: SandboxInTest, fault: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([{"on": "submit", **fault}])
    assert task(on_ambiguous_submit="resubmit").run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (2, 1)


def test_the_records_are_asked_before_anything_is_submitted_again(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "drop": "after"}])
    assert task(on_ambiguous_submit="resubmit").run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)


def test_it_is_submitted_again_only_once(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "drop": "before", "times": None}])
    with pytest.raises(PixverseAmbiguousSubmitError, match="submitted twice"):
        task(on_ambiguous_submit="resubmit").run()
    assert bought(pixverse_sandbox) == (2, 0)


# --- poll fails: 5xx, timeout, reset, HTML instead of JSON, empty body ------------------------------

POLL_FAULTS = pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429},
        {"drop": "before"},
        {"drop": "after"},
        {"hang": True},
        {"html": True},
        {"empty": True},
        {"status": 200, "body": "not JSON"},
        {"status": 200, "body": {}},
        {"status": 200, "body": []},
    ],
    ids=str,
)


@pytest.mark.usefixtures("impatient")
@BOTH_WAYS
@POLL_FAULTS
def test_a_poll_that_fails_is_made_again(
    pixverse_sandbox: SandboxInTest, deferrable: bool, fault: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([{"on": "poll", "times": 3, **fault}])
    run = task(deferrable=deferrable)
    assert run.run()["status"] == "finished"
    assert len(run.deferrals) == int(deferrable)
    assert bought(pixverse_sandbox) == (1, 1)
    assert [rule["left"] for rule in pixverse_sandbox.pending_faults()] == [0]


@BOTH_WAYS
def test_failing_polls_are_logged_once_a_change(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    caplog.set_level(logging.INFO, logger="airflow_provider_pixverse")
    pixverse_sandbox.faults(
        [{"on": "poll", "status": 503, "times": 4}, {"on": "poll", "status": 403, "times": 3}]
    )
    task(deferrable=deferrable).run()
    said = [line for line in messages(caplog) if "503" in line or "credits" in line.partition("cost")[0]]
    assert ["503" in line for line in said] == [True, False]


@BOTH_WAYS
def test_polls_that_never_succeed_end_with_the_deadline(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults([{"on": "poll", "status": 503, "times": None}])
    with pytest.raises(PixverseTimeout, match="503"):
        task(deferrable=deferrable, timeout=0.4).run()
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_trouble_met_after_the_trigger_saw_the_video_is_waited_out(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task()
    event = fire(run.begin())
    assert event["outcome"] == "finished"
    pixverse_sandbox.faults([{"on": "poll", "status": 503, "times": 2}])
    assert run.resume("execute_complete", {"event": event})["status"] == "finished"


# --- unknown status word ----------------------------------------------------------------------------


@BOTH_WAYS
def test_an_unknown_status_is_taken_for_running_and_logged_once(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    caplog.set_level(logging.INFO, logger="airflow_provider_pixverse")
    body = {"id": "whatever", "status": "pondering"}
    pixverse_sandbox.faults([{"on": "poll", "status": 200, "body": body, "times": 5}])
    assert task(deferrable=deferrable).run()["status"] == "finished"
    assert len([line for line in messages(caplog) if "pondering" in line]) == 1
    assert bought(pixverse_sandbox) == (1, 1)


# --- poll says unknown id ---------------------------------------------------------------------------


@BOTH_WAYS
def test_an_unknown_id_is_tolerated_shortly_after_submission(
    pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    quicken(monkeypatch, unknown_id_grace=20.0)
    pixverse_sandbox.faults([{"on": "poll", "status": 404, "times": 3}])
    assert task(deferrable=deferrable).run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)


@BOTH_WAYS
def test_an_id_that_stays_unknown_is_an_error(pixverse_sandbox: SandboxInTest, deferrable: bool) -> None:
    pixverse_sandbox.faults([{"on": "poll", "status": 404, "times": None}])
    with pytest.raises(PixverseNotFoundError) as unknown:
        task(deferrable=deferrable).run()
    assert unknown.value.generation_id == pixverse_sandbox.ledger()["generations"][0]["id"]


# --- generation failed at the vendor ----------------------------------------------------------------


@BOTH_WAYS
def test_a_failed_generation_is_told_in_the_vendors_words(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults(
        [{"on": "submit", "fail": {"name": "GenerationError", "message": "Out of paint"}}]
    )
    with pytest.raises(PixverseGenerationFailed, match="Out of paint") as failed:
        task(deferrable=deferrable).run()
    assert not isinstance(failed.value, AirflowFailException)
    assert failed.value.generation_id == pixverse_sandbox.ledger()["generations"][0]["id"]
    assert bought(pixverse_sandbox) == (1, 1)


# --- finished but no video URL ----------------------------------------------------------------------


@BOTH_WAYS
def test_a_finished_generation_without_a_video_is_an_error(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "no_url": True}])
    with pytest.raises(PixverseResponseError, match="no video URL"):
        task(deferrable=deferrable).run()
    assert bought(pixverse_sandbox) == (1, 1)


# --- timeout reached --------------------------------------------------------------------------------


@BOTH_WAYS
def test_a_timeout_names_the_id_and_says_that_nothing_is_cancelled(
    pixverse_sandbox: SandboxInTest, deferrable: bool
) -> None:
    pixverse_sandbox.faults([PENDING])
    run = task(deferrable=deferrable, timeout=0.4)
    with pytest.raises(PixverseTimeout, match="not cancelled") as late:
        run.run()
    assert not isinstance(late.value, AirflowFailException)
    assert run.ti.xcoms["generation_id"] in str(late.value)
    assert [event["outcome"] for event in run.events] == ["timeout"] * deferrable
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_video_that_is_finished_when_time_is_up_is_delivered(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task()
    event = {**fire(run.begin()), "outcome": "timeout", "message": "too late"}
    run.ti.xcoms["pixverse_submission"]["deadline"] = 0.0
    assert run.resume("execute_complete", {"event": event})["status"] == "finished"


# --- triggerer dies, restarts, hands over to another ------------------------------------------------


def test_another_triggerer_goes_on_with_the_same_deadline(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([PENDING])
    run = task(timeout=0.6)
    deferred = run.begin()
    _, stored = deferred.trigger.serialize()
    assert stored["deadline"] == run.ti.xcoms["pixverse_submission"]["deadline"]
    # The first triggerer is given up on; what the second one has is what was stored.
    assert fire(deferred)["outcome"] == "timeout"
    assert fire(deferred)["outcome"] == "timeout"
    assert deferred.trigger.serialize()[1] == stored
    pixverse_sandbox.faults([])
    assert fire(deferred)["outcome"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)


# --- trigger crashes or its deferral times out ------------------------------------------------------

LOST = pytest.mark.parametrize(
    "kwargs", [{"error": "Trigger timeout"}, {"error": "Trigger failure", "traceback": ["boom"]}, {}, None]
)


@LOST
def test_a_lost_trigger_is_made_up_for_by_one_more_look(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, kwargs: dict[str, Any] | None
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task(output_path=str(tmp_path / "kite.mp4"))
    fire(run.begin())
    result = run.resume("__fail__", kwargs)
    assert result["status"] == "finished"
    assert (tmp_path / "kite.mp4").stat().st_size == result["size_bytes"]
    assert bought(pixverse_sandbox) == (1, 1)


@LOST
def test_a_lost_trigger_does_not_end_the_wait_while_there_is_time(
    pixverse_sandbox: SandboxInTest, kwargs: dict[str, Any] | None
) -> None:
    pixverse_sandbox.faults([{**PENDING, "times": 4}])
    run = task()
    run.begin()
    assert run.resume_to_the_end("__fail__", kwargs)["status"] == "finished"
    assert pixverse_sandbox.pending_faults()[0]["left"] == 0
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_lost_trigger_of_a_failed_generation(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "fail": True}, NOT_YET])
    run = task()
    fire(run.begin())
    with pytest.raises(PixverseGenerationFailed):
        run.resume("__fail__", {"error": "Trigger timeout"})


def test_a_lost_trigger_after_the_deadline(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([PENDING])
    run = task()
    run.begin()
    run.ti.xcoms["pixverse_submission"]["deadline"] = 0.0
    with pytest.raises(PixverseTimeout):
        run.resume("__fail__", {"error": "Trigger timeout"})
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_lost_trigger_is_told_in_the_log(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task()
    fire(run.begin())
    run.resume("__fail__", {"error": "Trigger timeout"})
    assert [line for line in messages(caplog) if "Trigger timeout" in line]


def test_the_deferral_ends_after_the_deadline_at_the_latest(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([PENDING])
    deferred = task(timeout=100.0).begin()
    assert deferred.timeout is not None
    assert 100 < deferred.timeout.total_seconds() < 100 + 3600


# --- events a trigger of this version does not send -------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"outcome": "error", "message": "PoolTimeout"},
        {"outcome": "somehow"},
        {"outcome": None, "generation_id": None},
        {"generation_id": "another", "outcome": "finished"},
    ],
    ids=str,
)
def test_whatever_the_event_says_the_task_looks_for_itself(
    pixverse_sandbox: SandboxInTest, event: dict[str, Any] | None
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task()
    fire(run.begin())
    result = run.resume("execute_complete", {"event": event})
    assert result["status"] == "finished"
    assert result["generation_id"] == run.ti.xcoms["generation_id"]


@pytest.mark.parametrize(
    "event", [None, {}, {"outcome": "somehow"}, {"outcome": "error"}, {"outcome": "timeout"}], ids=str
)
def test_whatever_the_event_says_a_video_that_is_not_finished_is_waited_for(
    pixverse_sandbox: SandboxInTest, event: dict[str, Any] | None
) -> None:
    pixverse_sandbox.faults([{**PENDING, "times": 4}])
    run = task()
    run.begin()
    assert run.resume_to_the_end("execute_complete", {"event": event})["status"] == "finished"
    assert pixverse_sandbox.pending_faults()[0]["left"] == 0
    assert bought(pixverse_sandbox) == (1, 1)


def test_an_event_alone_is_enough_to_find_the_video(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task()
    event = fire(run.begin())
    run.ti.xcoms.clear()
    result = run.resume("execute_complete", {"event": event})
    assert (result["generation_id"], result["status"]) == (event["generation_id"], "finished")


@pytest.mark.parametrize("event", [None, {}, {"outcome": "finished"}], ids=str)
def test_a_resumption_that_knows_no_id_says_what_is_missing(
    pixverse_sandbox: SandboxInTest, event: dict[str, Any] | None
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task(durable=False)
    fire(run.begin())
    run.ti.xcoms.clear()
    with pytest.raises(PixverseError, match="id"):
        run.resume("execute_complete", {"event": event})
