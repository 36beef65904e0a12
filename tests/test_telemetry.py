# SPDX-License-Identifier: Apache-2.0
"""What a StatsD server and a tracer hear of generations, in Airflow's own way of sending it."""

from __future__ import annotations

import platform
import re
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from operators.running import NOT_YET, PENDING, SMALL, SOON, TaskRun

from airflow_provider_pixverse import exceptions, telemetry
from airflow_provider_pixverse.exceptions import PixverseError, PixverseTimeout
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

PROMPT = "Zebras waltzing through a candlelit ballroom"
PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
TAGS = {"gateway": "aimlapi", "version": "v5", "task": "text-to-video"}


class StatsdServer:
    """Listens on loopback and keeps what it hears."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def heard(self) -> list[tuple[str, dict[str, str], str]]:
        """Return the names, tags and values that came since the last time."""
        self.socket.setblocking(False)
        told = []
        with suppress(BlockingIOError):
            while True:
                name, _, value = self.socket.recv(65536).decode().partition(":")
                name, *tags = name.split(",")
                told.append((name, dict(tag.split("=") for tag in tags), value))
        return told

    def counts(self) -> dict[str, str]:
        """Return the counters by name."""
        return {name: value for name, _, value in self.heard() if value.endswith("|c")}


def use(monkeypatch: pytest.MonkeyPatch, backend: Any) -> None:
    """Let Airflow send its metrics there."""
    try:
        from airflow.sdk._shared.observability.metrics import stats
    except ImportError:
        from airflow.stats import Stats

        monkeypatch.setattr(Stats, "instance", backend)
    else:
        monkeypatch.setattr(stats, "_backend", backend)


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    client = pytest.importorskip("statsd")
    with_tags: dict[str, Any] = {"influxdb_tags_enabled": True}
    try:
        from airflow.sdk._shared.observability.metrics.statsd_logger import SafeStatsdLogger
    except ImportError:
        from airflow.metrics.statsd_logger import SafeStatsdLogger

        monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    else:
        with_tags["statsd_influxdb_enabled"] = True

    server = StatsdServer()
    with server.socket:
        sender = client.StatsClient("127.0.0.1", server.port, prefix="airflow")
        use(monkeypatch, SafeStatsdLogger(sender, **with_tags))
        yield server


def task(**fields: Any) -> TaskRun:
    given = {"task_id": "video", "poll_interval": SOON, "timeout": 20.0, **SMALL, "prompt": PROMPT, **fields}
    return TaskRun(PixverseTextToVideoOperator(**given))


def once_more(run: TaskRun) -> TaskRun:
    """Let the task be tried again, as Airflow does: with the record, without the XComs."""
    run.ti.try_number += 1
    run.ti.xcoms = {}
    return run


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_the_story_of_a_video_in_numbers(
    pixverse_sandbox: SandboxInTest, statsd: StatsdServer, tmp_path: Path, deferrable: bool
) -> None:
    result = task(deferrable=deferrable, output_path=f"{tmp_path}/ball.mp4").run()
    heard = statsd.heard()
    told = {name: (tags, value) for name, tags, value in heard}
    cost = f"{result['cost']['amount']}|c"
    assert told["airflow.pixverse.submitted"] == (TAGS, "1|c")
    assert told["airflow.pixverse.cost.credits"] == (TAGS, cost)
    assert told["airflow.pixverse.delivered"] == (TAGS, "1|c")
    tags, value = told["airflow.pixverse.delivery_duration"]
    assert (tags, value[-3:]) == (TAGS, "|ms")
    assert 0 <= float(value[:-3]) < 60_000
    counted = [name for name, _, value in heard if value.endswith("|c")]
    assert len(counted) == len(set(counted)) == 3


def test_waiting_is_gauged_in_the_triggerer(pixverse_sandbox: SandboxInTest, statsd: StatsdServer) -> None:
    task().run()
    waiting = [(tags, value) for name, tags, value in statsd.heard() if name == "airflow.pixverse.waiting"]
    host = {"hostname": platform.node()}
    assert waiting == [(host, "1|g"), (host, "0|g")]


def test_a_retry_that_goes_on_with_a_video_counts_no_second_purchase(
    pixverse_sandbox: SandboxInTest, statsd: StatsdServer
) -> None:
    pixverse_sandbox.faults([{**PENDING, "times": None}])
    run = task(deferrable=False, timeout=0.3)
    with pytest.raises(PixverseTimeout):
        run.run()
    assert statsd.counts() == {
        "airflow.pixverse.submitted": "1|c",
        "airflow.pixverse.cost.credits": "315000|c",
        "airflow.pixverse.failed": "1|c",
        "airflow.pixverse.failed.PixverseTimeout": "1|c",
    }
    pixverse_sandbox.faults([])
    run.operator.timeout = 20.0
    once_more(run).run()
    assert statsd.counts() == {"airflow.pixverse.delivered": "1|c"}
    # Delivered, but Airflow never learned of it: the result is given again.
    once_more(run).run()
    assert statsd.heard() == []


def test_a_sensor_counts_what_it_delivers_and_buys_nothing(
    pixverse_sandbox: SandboxInTest, statsd: StatsdServer
) -> None:
    generation_id = task(wait_for_completion=False).run()["generation_id"]
    assert "airflow.pixverse.delivered" not in statsd.counts()
    sensor = PixverseGenerationSensor(task_id="sense", generation_id=generation_id, poll_interval=SOON)
    TaskRun(sensor).run()
    assert statsd.counts() == {"airflow.pixverse.delivered": "1|c"}


FAILURES = {
    "PixverseRequestError": ([], {"duration": 7}),
    "PixverseCreditsError": ([{"on": "submit", "status": 403}], {}),
    "PixverseAuthError": ([{"on": "submit", "status": 401}], {}),
    "PixverseModerationError": ([{"on": "submit", "moderation": True}], {}),
    "PixverseGenerationFailed": ([{"on": "submit", "fail": True}], {}),
    "PixverseResponseError": ([{"on": "submit", "no_url": True}], {}),
    "PixverseDownloadError": ([{"on": "download", "status": 403, "times": None}], {"output_path": "TMP"}),
}


@pytest.mark.parametrize("cause", FAILURES)
def test_failures_are_counted_by_cause_and_without_a_word_of_the_request(
    pixverse_sandbox: SandboxInTest, statsd: StatsdServer, tmp_path: Path, cause: str
) -> None:
    faults, fields = FAILURES[cause]
    fields = {name: str(tmp_path / "ball.mp4") if value == "TMP" else value for name, value in fields.items()}
    pixverse_sandbox.faults(faults)
    with pytest.raises(PixverseError) as raised:
        task(**fields).run()
    assert type(raised.value).__name__ == cause
    heard = statsd.heard()
    [(tags, value)] = [(tags, value) for name, tags, value in heard if name == "airflow.pixverse.failed"]
    known = {} if cause == "PixverseRequestError" else TAGS
    assert (tags, value) == ({**known, "cause": cause}, "1|c")
    assert [value for name, _, value in heard if name == f"airflow.pixverse.failed.{cause}"] == ["1|c"]
    said = str(heard)
    assert PROMPT not in said
    assert str(raised.value.generation_id) not in said


class Broken:
    """A backend of which every call fails."""

    def __getattr__(self, name: str) -> Any:
        raise OSError("the metrics are down")


def test_a_broken_backend_fails_no_task(
    pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from opentelemetry import trace

    use(monkeypatch, Broken())
    monkeypatch.setattr(trace, "get_tracer", Broken().__getattr__)
    pixverse_sandbox.faults([NOT_YET])
    assert task(output_path=f"{tmp_path}/ball.mp4").run()["status"] == "finished"
    with pytest.raises(exceptions.PixverseRequestError):
        task(duration=7).run()


# --- traces ---------------------------------------------------------------------------------------------


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Keep the spans, as an exporter would be given them."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def test_a_video_is_traced_from_its_submission_to_its_delivery(
    pixverse_sandbox: SandboxInTest, spans: Any
) -> None:
    result = task().run()
    told = {span.name: span for span in spans.get_finished_spans()}
    assert set(told) == {"pixverse.submit", "pixverse.generation"}
    whole = told["pixverse.generation"]
    assert dict(whole.attributes) == {
        **TAGS,
        "generation_id": result["generation_id"],
        "cost": "315000 credits",
    }
    # The submission is kept to the second.
    assert whole.start_time <= told["pixverse.submit"].end_time <= whole.end_time
    assert dict(told["pixverse.submit"].attributes) == TAGS


def test_a_refused_submission_is_traced_by_its_cause_alone(
    pixverse_sandbox: SandboxInTest, spans: Any
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "status": 400, "body": {"message": f"{PROMPT}: refused"}}])
    with pytest.raises(PixverseError):
        task().run()
    [submit] = spans.get_finished_spans()
    assert dict(submit.attributes) == {**TAGS, "cause": "PixverseRequestError"}
    assert submit.status.status_code.name == "ERROR"
    assert PROMPT not in submit.to_json()


# --- the page -------------------------------------------------------------------------------------------


def test_the_page_lists_every_metric_and_span() -> None:
    source = Path(telemetry.__file__).read_text()
    sent = set(re.findall(r'"(pixverse\.[\w.{}\[\]\']+)"', source))
    sent |= {"pixverse.submit"}
    listed = set(re.findall(r"^\| `(pixverse\.[^`]+)`", PAGE.read_text(), re.MULTILINE))
    assert {re.sub(r"\{.*?\}", "{}", name) for name in sent} == {
        re.sub(r"<.*?>", "{}", name) for name in listed
    }
