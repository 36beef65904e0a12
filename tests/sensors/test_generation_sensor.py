# SPDX-License-Identifier: Apache-2.0
"""The sensor, in each of its ways to wait; it buys nothing in any of them."""

from __future__ import annotations

import hashlib
import json
import logging
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
)
from airflow.sdk import DAG, Asset, task
from operators.running import NOT_YET, OLD_AIRFLOW, PENDING, SMALL, SOON, TaskRun, fire, messages

from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseDownloadError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRequestError,
    PixverseResponseError,
    PixverseTimeout,
)
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.requests import TextToVideo, build
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from operators.running import DagRunReport

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

DEFERRABLE: dict[str, Any] = {}
POKE = {"deferrable": False}
RESCHEDULE = {"deferrable": False, "mode": "reschedule"}
WAYS = {"deferrable": DEFERRABLE, "poke": POKE, "reschedule": RESCHEDULE}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
UNKNOWN = "V1StGXR8_Z5jdHi6B-myT"


@pytest.fixture
def generation_id(pixverse_sandbox: SandboxInTest) -> str:
    """One generation, submitted by someone else."""
    return submitted()


def submitted() -> str:
    return PixverseHook().submit(build(TextToVideo, **SMALL)).id


def submitted_the_old_way(sandbox: Any) -> str:
    """Submit to the path whose ids have colons and slashes and whose files are described."""
    request = urllib.request.Request(  # noqa: S310
        f"{sandbox.url}/aimlapi/v2/generate/video/pixverse/generation",
        json.dumps({"model": "pixverse/v5/text-to-video", **SMALL}).encode(),
        {"Authorization": f"Bearer {sandbox.key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(json.load(answer)["id"])


class SensorRun(TaskRun):
    """A run that also is rescheduled."""

    def __init__(self, sensor: PixverseGenerationSensor) -> None:
        super().__init__(sensor)
        self.first_look: datetime | None = None
        self.rescheduled = 0
        self.ti.get_first_reschedule_date = lambda context: self.first_look  # type: ignore[method-assign]

    def run(self) -> dict[str, Any]:
        while True:
            try:
                return super().run()
            except AirflowRescheduleException:
                self.rescheduled += 1
                self.first_look = self.first_look or datetime.now(UTC)


def sensor(generation_id: Any, **fields: Any) -> SensorRun:
    given = {"task_id": "sensed", "poll_interval": SOON, "timeout": 20.0, **fields}
    return SensorRun(PixverseGenerationSensor(generation_id=generation_id, **given))


# --- the result ----------------------------------------------------------------------------------------


@EVERY_WAY
def test_its_result_is_that_of_the_operators(
    pixverse_sandbox: SandboxInTest, generation_id: str, tmp_path: Path, way: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([{**PENDING, "times": 3}])
    target = tmp_path / "kite.mp4"
    run = sensor(generation_id, output_path=str(target), **way)
    result = run.run()
    [row] = pixverse_sandbox.ledger()["generations"]
    url, completed_at = result.pop("video_url"), result.pop("completed_at")
    assert result == {
        "generation_id": generation_id,
        "gateway": "aimlapi",
        "connection": "pixverse_default",
        "task": None,
        "version": None,
        "model": None,
        "status": "finished",
        "output_path": str(target),
        "size_bytes": row["file"]["size"],
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "cost": None,
        "seed": 1,
        "submitted_at": None,
    }
    assert url.startswith(f"{pixverse_sandbox.url}/_media/")
    assert datetime.fromisoformat(completed_at).tzinfo is not None
    assert result["sha256"] == row["file"]["sha256"]
    assert (len(run.deferrals), run.rescheduled > 0) == (int(way == DEFERRABLE), way == RESCHEDULE)
    ledger = pixverse_sandbox.ledger()
    assert (ledger["submitted"], ledger["bought"], ledger["downloaded"]) == (1, 1, 1)


@EVERY_WAY
def test_without_an_output_path_nothing_is_downloaded(
    pixverse_sandbox: SandboxInTest, generation_id: str, way: dict[str, Any]
) -> None:
    assert sensor(generation_id, **way).run()["output_path"] is None
    assert pixverse_sandbox.ledger()["downloaded"] == 0


@EVERY_WAY
def test_its_outlets_are_told_the_result(
    pixverse_sandbox: SandboxInTest, generation_id: str, way: dict[str, Any]
) -> None:
    outlet = Asset(name="clip", uri="s3://clips/sensed.mp4")
    run = sensor(generation_id, outlets=[outlet], **way)
    result = run.run()
    assert run.context["outlet_events"][outlet].extra == result


@EVERY_WAY
def test_its_button_leads_to_the_video(
    pixverse_sandbox: SandboxInTest, generation_id: str, way: dict[str, Any]
) -> None:
    run = sensor(generation_id, **way)
    assert PixverseVideoLink().get_link(run.operator, ti_key=None) == ""  # type: ignore[arg-type]
    result = run.run()
    assert PixverseVideoLink().get_link(run.ran, ti_key=None) == result["video_url"]  # type: ignore[arg-type]
    assert isinstance(run.ran.operator_extra_links[0], PixverseVideoLink)


# --- output_path, ids and files of the old form --------------------------------------------------------


@EVERY_WAY
def test_in_a_folder_the_file_is_named_after_an_id_of_the_old_form(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, way: dict[str, Any]
) -> None:
    generation_id = submitted_the_old_way(pixverse_sandbox)
    assert ":pixverse/v5/" in generation_id
    result = sensor(generation_id, output_path=f"{tmp_path}/", **way).run()
    [saved] = tmp_path.iterdir()
    assert saved.name == generation_id.replace(":", "_").replace("/", "_") + ".mp4"
    assert (result["output_path"], result["generation_id"]) == (str(saved), generation_id)
    assert saved.stat().st_size == result["size_bytes"]


def test_a_whole_file_of_another_size_than_described_is_kept_with_a_warning(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "wrong_file_size": True}])
    result = sensor(submitted_the_old_way(pixverse_sandbox), output_path=f"{tmp_path}/kite.mp4").run()
    size = (tmp_path / "kite.mp4").stat().st_size
    assert result["size_bytes"] == size
    [warning] = [line for line in messages(caplog) if str(size + 1024) in line]
    assert str(size) in warning


def test_a_file_of_the_described_size_is_kept_without_a_warning(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sensor(submitted_the_old_way(pixverse_sandbox), output_path=f"{tmp_path}/kite.mp4", **POKE).run()
    assert list(messages(caplog)) == []


@EVERY_WAY
def test_a_download_that_keeps_failing_leaves_nothing(
    pixverse_sandbox: SandboxInTest, generation_id: str, tmp_path: Path, way: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([{"on": "download", "truncate": True, "times": None}])
    with pytest.raises(PixverseDownloadError, match="paid for"):
        sensor(generation_id, output_path=f"{tmp_path}/kite.mp4", **way).run()
    assert list(tmp_path.iterdir()) == []
    assert pixverse_sandbox.ledger()["bought"] == 1


# --- how it ends otherwise -----------------------------------------------------------------------------

ENDS: dict[str, tuple[list[dict[str, Any]], type[PixverseError]]] = {
    "failed": ([{"on": "poll", "fail": True}], PixverseGenerationFailed),
    "moderated": ([{"on": "poll", "moderation": True}], PixverseModerationError),
    "without a video": ([{"on": "poll", "no_url": True}], PixverseResponseError),
    "key refused": ([{"on": "poll", "status": 401, "times": None}], PixverseAuthError),
}
EVERY_END = pytest.mark.parametrize(("faults", "error"), ENDS.values(), ids=ENDS)


@EVERY_WAY
@EVERY_END
def test_an_end_without_a_video_fails_it(
    pixverse_sandbox: SandboxInTest,
    generation_id: str,
    way: dict[str, Any],
    faults: list[dict[str, Any]],
    error: type[PixverseError],
) -> None:
    pixverse_sandbox.faults(faults)
    with pytest.raises(error) as ended:
        sensor(generation_id, **way).run()
    final = error is PixverseModerationError
    assert isinstance(ended.value, AirflowFailException) is final
    assert pixverse_sandbox.ledger()["submitted"] == 1


@EVERY_WAY
@EVERY_END
@pytest.mark.parametrize("softness", ["soft_fail", "never_fail"])
def test_an_end_without_a_video_skips_it_where_asked(
    pixverse_sandbox: SandboxInTest,
    generation_id: str,
    way: dict[str, Any],
    faults: list[dict[str, Any]],
    error: type[PixverseError],
    softness: str,
) -> None:
    pixverse_sandbox.faults(faults)
    with pytest.raises(AirflowSkipException):
        sensor(generation_id, **way, **{softness: True}).run()


@EVERY_WAY
def test_trouble_with_the_polls_is_waited_out(
    pixverse_sandbox: SandboxInTest, generation_id: str, way: dict[str, Any]
) -> None:
    pixverse_sandbox.faults(
        [
            {"on": "poll", "status": 503},
            {"on": "poll", "drop": "before"},
            {"on": "poll", "html": True},
            {"on": "poll", "empty": True},
            {"on": "poll", "status": 403},
            {"on": "poll", "status": 429},
            {"on": "poll", "status": 404},
            {"on": "poll", "status": 200, "body": {"id": generation_id, "status": "pondering"}},
        ]
    )
    assert sensor(generation_id, **way).run()["status"] == "finished"
    assert [rule["left"] for rule in pixverse_sandbox.pending_faults()] == [0] * 8


# --- timeout -------------------------------------------------------------------------------------------


@EVERY_WAY
def test_a_timeout_names_the_id(
    pixverse_sandbox: SandboxInTest, generation_id: str, way: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([PENDING])
    with pytest.raises(PixverseTimeout, match=generation_id):
        sensor(generation_id, timeout=0.4, **way).run()


@EVERY_WAY
def test_a_timeout_skips_it_where_asked(
    pixverse_sandbox: SandboxInTest, generation_id: str, way: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([PENDING])
    with pytest.raises(AirflowSkipException):
        sensor(generation_id, timeout=0.4, soft_fail=True, **way).run()


# --- ids -----------------------------------------------------------------------------------------------


@EVERY_WAY
@pytest.mark.parametrize("unknown", [UNKNOWN, "not an id at all", "a/b?c=d&e#f"])
def test_an_unknown_id_is_an_error(
    pixverse_sandbox: SandboxInTest, way: dict[str, Any], unknown: str
) -> None:
    with pytest.raises(PixverseNotFoundError) as error:
        sensor(unknown, **way).run()
    assert error.value.generation_id == unknown
    assert pixverse_sandbox.ledger()["submitted"] == 0


@EVERY_WAY
def test_an_unknown_id_skips_it_where_asked(pixverse_sandbox: SandboxInTest, way: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException):
        sensor(UNKNOWN, soft_fail=True, **way).run()


@EVERY_WAY
@pytest.mark.parametrize("missing", ["", "  ", None, "None"])
def test_a_missing_id_is_named_before_any_look(
    pixverse_sandbox: SandboxInTest, way: dict[str, Any], missing: Any
) -> None:
    with pytest.raises(PixverseRequestError, match="generation_id=") as error:
        sensor(missing, **way).run()
    assert isinstance(error.value, AirflowFailException)
    assert pixverse_sandbox.ledger()["polled"] == 0


# --- poll_interval and poke_interval -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 10.0),
        ({"poll_interval": 3}, 3.0),
        ({"poke_interval": 4}, 4.0),
        ({"poll_interval": 3, "poke_interval": 4}, 3.0),
        ({"poke_interval": timedelta(minutes=1)}, 60.0),
        ({"poll_interval": timedelta(minutes=1)}, 60.0),
    ],
    ids=str,
)
def test_both_names_of_the_interval_mean_the_same(
    pixverse_sandbox: SandboxInTest, generation_id: str, fields: dict[str, Any], seconds: float
) -> None:
    pixverse_sandbox.faults([PENDING])
    operator = PixverseGenerationSensor(task_id="sensed", generation_id=generation_id, **fields)
    assert (operator.poll_interval, operator.poke_interval) == (seconds, seconds)
    _, stored = TaskRun(operator).begin().trigger.serialize()
    assert stored["poll_interval"] == seconds


@pytest.mark.parametrize("interval", [object(), -1, "often"], ids=["object", "negative", "text"])
@pytest.mark.parametrize("name", ["poll_interval", "poke_interval"])
def test_an_interval_that_is_none_is_refused(
    pixverse_sandbox: SandboxInTest, name: str, interval: Any
) -> None:
    with pytest.raises((ValueError, AirflowException), match=r"(poke|poll)_interval"):
        sensor("whatever", **{"poll_interval": None, name: interval}).run()


# --- what is stored and resumed ------------------------------------------------------------------------


def test_nothing_secret_is_stored_with_the_trigger(
    pixverse_sandbox: SandboxInTest, generation_id: str
) -> None:
    pixverse_sandbox.faults([PENDING])
    path, stored = sensor(generation_id).begin().trigger.serialize()
    assert path == "airflow_provider_pixverse.triggers.pixverse.PixverseGenerationTrigger"
    assert sorted(stored) == ["deadline", "generation_id", "not_before", "pixverse_conn_id", "poll_interval"]
    assert stored["generation_id"] == generation_id
    assert pixverse_sandbox.key not in json.dumps(stored)


@pytest.mark.parametrize("event", [None, {}, {"outcome": "error"}, {"outcome": "somehow"}], ids=str)
def test_whatever_the_event_says_it_looks_for_itself(
    pixverse_sandbox: SandboxInTest, generation_id: str, event: dict[str, Any] | None
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = sensor(generation_id)
    fire(run.begin())
    assert run.resume("execute_complete", {"event": event})["generation_id"] == generation_id


def test_a_lost_trigger_is_made_up_for_by_one_more_look(
    pixverse_sandbox: SandboxInTest, generation_id: str
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = sensor(generation_id)
    fire(run.begin())
    assert run.resume("__fail__", {"error": "Trigger timeout"})["status"] == "finished"


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_lost_trigger_after_the_deadline(
    pixverse_sandbox: SandboxInTest, generation_id: str, soft_fail: bool
) -> None:
    pixverse_sandbox.faults([PENDING])
    run = sensor(generation_id, soft_fail=soft_fail)
    run.begin()
    run.ti.xcoms["pixverse_submission"]["deadline"] = 0.0
    with pytest.raises(AirflowSkipException if soft_fail else PixverseTimeout):
        run.resume("__fail__", {"error": "Trigger timeout"})


@EVERY_WAY
def test_killed_it_says_what_goes_on(
    pixverse_sandbox: SandboxInTest,
    generation_id: str,
    caplog: pytest.LogCaptureFixture,
    way: dict[str, Any],
) -> None:
    run = sensor(generation_id, **way)
    run.run()
    caplog.clear()
    run.ran.on_kill()
    [said] = messages(caplog)
    assert generation_id in said


@pytest.mark.parametrize("way", [DEFERRABLE, POKE], ids=["deferrable", "poke"])
def test_its_log_tells_each_change_once_and_no_url(
    pixverse_sandbox: SandboxInTest,
    generation_id: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    way: dict[str, Any],
) -> None:
    caplog.set_level(logging.INFO, logger="airflow_provider_pixverse")
    pixverse_sandbox.faults([{**PENDING, "times": 4}])
    sensor(generation_id, output_path=f"{tmp_path}/kite.mp4", **way).run()
    lines = list(messages(caplog))
    said = [line for line in lines if line.startswith(f"Generation {generation_id}: ")]
    assert [line.split(",")[0].rpartition(" ")[2] for line in said] == ["generating", "finished"]
    assert lines[-1].startswith(f"Delivered generation {generation_id}")
    assert "/_media/" not in "\n".join(lines)


# --- in a DAG ------------------------------------------------------------------------------------------


def test_every_way_to_wait_in_a_dag(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport], tmp_path: Path
) -> None:
    # An old Airflow cannot run a sensor that is rescheduled in the process of the test: it hands it its first
    # look as text, over which Airflow's own sensors fall as well.
    ways = {name: way for name, way in WAYS.items() if not (OLD_AIRFLOW and way is RESCHEDULE)}
    pixverse_sandbox.faults([{**PENDING, "times": 12}])
    with DAG("every_way_to_wait", schedule=None) as dag:
        submit = PixverseTextToVideoOperator(task_id="submit", wait_for_completion=False, **SMALL)
        gone = PixverseTextToVideoOperator(
            task_id="gone", wait_for_completion=False, extra={"seed": 2}, **SMALL
        )
        for name, way in ways.items():
            PixverseGenerationSensor(
                task_id=name,
                generation_id=submit.output["generation_id"],
                output_path=f"{tmp_path}/{{{{ task.task_id }}}}.mp4",
                poll_interval=SOON,
                **way,
            )

        @task
        def misspell(result: dict[str, Any]) -> str:
            return str(result["generation_id"])[::-1]

        skipped = PixverseGenerationSensor(
            task_id="skipped",
            generation_id=misspell(gone.output),  # type: ignore[arg-type]
            poke_interval=SOON,
            deferrable=False,
            soft_fail=True,
        )
        failed = PixverseGenerationSensor(
            task_id="failed",
            generation_id="{{ ti.xcom_pull(task_ids='nobody') }}",
            retries=1,
            retry_delay=timedelta(0),
        )

        @task
        def after(result: dict[str, Any]) -> None: ...

        after(skipped.output)
        after.override(task_id="after_failed")(failed.output)

    report = dag_run(dag)

    assert report.states() == {
        "submit": "success",
        "gone": "success",
        **dict.fromkeys(ways, "success"),
        "misspell": "success",
        "skipped": "skipped",
        "after": "skipped",
        "failed": "failed",
        "after_failed": "upstream_failed",
    }
    assert report.tries("failed") == 1
    ledger = pixverse_sandbox.ledger()
    assert (ledger["submitted"], ledger["bought"], ledger["downloaded"]) == (2, 2, len(ways))
    for name in ways:
        result = report.xcom(name)
        assert result["generation_id"] == report.xcom("submit")["generation_id"]
        assert result["output_path"] == f"{tmp_path}/{name}.mp4"
        assert hashlib.sha256((tmp_path / f"{name}.mp4").read_bytes()).hexdigest() == result["sha256"]
        assert report.xcom(name, "_link_PixverseVideoLink") == result["video_url"]
