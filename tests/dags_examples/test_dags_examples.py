# SPDX-License-Identifier: Apache-2.0
"""The example DAGs, run as they are against the sandbox; only the pauses between looks are shorter."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import airflow
import av
import pytest
from operators.running import INSTALLED, DagRunReport
from pacing import quicken

from airflow_provider_pixverse import exceptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

FOLDER = Path(__file__).parents[2] / "dags_examples"
SOON = 0.1

CAN_ASK = not airflow.__version__.startswith("3.0.")
HAS_POLICIES = not airflow.__version__.startswith(("3.0.", "3.1.", "3.2."))


@dataclass(frozen=True)
class Film:
    """What can be seen of a video file."""

    width: int
    height: int
    seconds: int
    sounds: bool = False


PRODUCTS = ("bottle", "lamp", "mug")
EXPECTED = {
    "text_to_video": {"dragon.mp4": Film(1280, 720, 5)},
    "news_presenter": {"presenter.mp4": Film(1280, 720, 5, sounds=True)},
    "seamless_loop": {"loop.mp4": Film(1280, 720, 8)},
    "submit_and_sense": {"beach.mp4": Film(720, 1280, 5)},
    "campaign": {name: Film(540, 540, 5) for name in ("shoe.mp4", "bottle.mp4", "backpack.mp4")},
    "video_with_sound": {"harbour.mp4": Film(1280, 720, 8, sounds=True)},
    "other_gateway": {"lighthouse_pixverse_segmind.mp4": Film(960, 540, 5)},
    "prompt_from_function": {f"weather_{name}.mp4": Film(540, 960, 5) for name in ("lisbon", "oslo")},
    "retry_policy": {"glacier.mp4": Film(1280, 720, 5)},
    "asset_scheduled": {"balloon.mp4": Film(960, 540, 5)},
    "products_with_approval": {f"review/{name}.mp4": Film(540, 540, 5) for name in PRODUCTS},
}
"""The videos that each example makes."""


def load(name: str) -> Any:
    """Return the module of an example, read as Airflow reads it."""
    if name == "prompt_from_function" and not INSTALLED:
        pytest.skip("the package is not installed, so Airflow knows no @task.pixverse")
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for task in module.dag.tasks:
        # A mapped task keeps what it was given apart.
        fields = getattr(task, "partial_kwargs", None) or task.__dict__
        if "Pixverse" in task.task_type:
            fields["poll_interval"] = SOON
    return module


def probe(path: Path) -> Film:
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video=0))
        rate = float(video.average_rate or 0)
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(frames / rate, abs=0.1)
        return Film(video.width, video.height, round(frames / rate), sounds=bool(container.streams.audio))


@pytest.fixture
def example(
    pixverse_sandbox: SandboxInTest,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., DagRunReport]:
    """Run an example and return what it left; a person who is asked approves."""
    quicken(monkeypatch)
    monkeypatch.setenv("PIXVERSE_EXAMPLE_OUTPUT", str(tmp_path))
    for name in ("IMAGE", "PRODUCTS"):
        monkeypatch.delenv(f"PIXVERSE_EXAMPLE_{name}", raising=False)
    for gateway in ("aimlapi", "segmind", "pixverse"):
        monkeypatch.setenv(f"AIRFLOW_CONN_PIXVERSE_{gateway.upper()}", pixverse_sandbox.connection(gateway))

    def run(name: str, *, state: str = "success", **params: str) -> DagRunReport:
        dag = load(name).dag
        report = DagRunReport(run_dag(dag, run_conf=params or None, mark_success_pattern="approve"))
        assert set(report.states().values()) == {state}, report.states()
        return report

    return run


def videos(folder: Path) -> set[str]:
    # An Airflow without a task state store also keeps the records of the purchases there.
    return {str(path.relative_to(folder)) for path in folder.rglob("*.mp4")}


def test_no_example_is_left_out() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_every_example_says_what_it_shows(name: str) -> None:
    module = load(name)
    assert module.dag.doc_md == module.__doc__


@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs_and_leaves_its_videos(
    pixverse_sandbox: SandboxInTest, example: Callable[..., DagRunReport], tmp_path: Path, name: str
) -> None:
    report = example(name)

    files = EXPECTED[name]
    assert {file for file in videos(tmp_path) if not file.startswith("published/")} == set(files)
    assert {file: probe(tmp_path / file) for file in files} == files
    ledger = pixverse_sandbox.ledger()
    assert [ledger[count] for count in ("submitted", "bought", "downloaded")] == [len(files)] * 3
    assert ledger["leaked"] == 0
    sent = {row["file"]["sha256"] for row in ledger["generations"]}
    assert {hashlib.sha256((tmp_path / file).read_bytes()).hexdigest() for file in files} == sent
    if name in SEEN:
        SEEN[name](report, ledger, tmp_path)


def _campaign(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    cost = sum(row["cost"]["amount"] for row in ledger["generations"])
    assert report.xcom("bill") == {"videos": 3, "amount": cost, "unit": "credits"}


def _submit_and_sense(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    size = (folder / "beach.mp4").stat().st_size
    assert report.xcom("publish") == f"Good morning. {folder}/beach.mp4, {size} bytes"


def _seamless_loop(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    body = ledger["generations"][0]["request"]
    assert body["image_url"] == body["tail_image_url"]


def _news_presenter(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    body = ledger["generations"][0]["request"]
    assert body["lip_sync_tts_content"].startswith("Hello and welcome.")
    assert body["lip_sync_tts_speaker"] == "Chloe"


def _video_with_sound(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    body = ledger["generations"][0]["request"]
    assert (body["generate_audio_switch"], body["generate_multi_clip_switch"]) == (True, True)


def _other_gateway(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    assert report.xcom("lighthouse")["gateway"] == "segmind"


def _asset_scheduled(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    [extra] = report.asset_events()
    assert (extra["output_path"], extra["status"]) == (f"{folder}/balloon.mp4", "finished")


def _products_with_approval(report: DagRunReport, ledger: dict[str, Any], folder: Path) -> None:
    published = {f"published/{name}.mp4" for name in PRODUCTS} if CAN_ASK else set()
    assert videos(folder) == {f"review/{name}.mp4" for name in PRODUCTS} | published
    for file in published:
        unseen = folder / file.replace("published", "review")
        assert (folder / file).read_bytes() == unseen.read_bytes()


SEEN = {
    "campaign": _campaign,
    "submit_and_sense": _submit_and_sense,
    "seamless_loop": _seamless_loop,
    "news_presenter": _news_presenter,
    "video_with_sound": _video_with_sound,
    "other_gateway": _other_gateway,
    "asset_scheduled": _asset_scheduled,
    "products_with_approval": _products_with_approval,
}
"""What else is to be seen of an example."""


# --- one by one -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("connection", ["pixverse_aimlapi", "pixverse_pixverse"])
def test_the_other_gateway_is_a_choice_of_the_run(
    example: Callable[..., DagRunReport], tmp_path: Path, connection: str
) -> None:
    result = example("other_gateway", connection=connection).xcom("lighthouse")
    assert f"pixverse_{result['gateway']}" == connection
    assert videos(tmp_path) == {f"lighthouse_{connection}.mp4"}


def test_products_in_s3_are_published_there(
    pixverse_sandbox: SandboxInTest, example: Callable[..., DagRunReport], s3: Any, tmp_path: Path
) -> None:
    for name in PRODUCTS:
        s3.put_object(
            Bucket="campaign",
            Key=f"pictures/{name}.jpg",
            Body=(FOLDER / "products" / f"{name}.jpg").read_bytes(),
        )
    s3.put_object(Bucket="campaign", Key="pictures/prices.csv", Body=b"name,price")
    folders = {name: f"s3://moto@campaign/{name}" for name in ("pictures", "review", "published")}

    example("products_with_approval", **folders)

    found = {each["Key"]: each["Size"] for each in s3.list_objects_v2(Bucket="campaign")["Contents"]}
    made = {key: size for key, size in found.items() if key.endswith(".mp4")}
    folders_left = ("review", "published") if CAN_ASK else ("review",)
    assert set(made) == {f"{folder}/{name}.mp4" for folder in folders_left for name in PRODUCTS}
    assert set(made.values()) == {row["file"]["size"] for row in pixverse_sandbox.ledger()["generations"]}
    assert pixverse_sandbox.ledger()["bought"] == len(PRODUCTS)
    assert videos(tmp_path) == set()


@pytest.mark.skipif(not CAN_ASK, reason="this Airflow cannot ask a person")
def test_the_person_who_approves_sees_where_the_videos_are() -> None:
    import jinja2

    class Task:
        @staticmethod
        def xcom_pull(task_ids: str) -> list[dict[str, str]]:
            assert task_ids == "video"
            return [{"output_path": "s3://shop/review/mug.mp4"}, {"output_path": "s3://shop/review/lamp.mp4"}]

    body = load("products_with_approval").dag.get_task("approve").body
    lines = jinja2.Template(body).render(ti=Task()).split("\n")
    assert lines == ["* s3://shop/review/mug.mp4", "* s3://shop/review/lamp.mp4", ""]


def test_without_a_way_to_ask_a_person_nothing_is_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "airflow.providers.standard.operators.hitl", None)
    assert {task.task_id for task in load("products_with_approval").dag.tasks} == {"products", "video"}


@pytest.mark.skipif(not HAS_POLICIES, reason="retry policies come with Airflow 3.3")
class TestRetryPolicy:
    def test_it_says_what_a_retry_does_by_the_cause(self) -> None:
        from datetime import timedelta

        policy = load("retry_policy").dag.get_task("glacier").retry_policy
        minutes = {
            exceptions.PixverseTimeout: 1,
            exceptions.PixverseDownloadError: 1,
            exceptions.PixverseRateLimitError: 30,
            exceptions.PixverseNotSentError: 30,
        }
        for kind, after in minutes.items():
            decision = policy.evaluate(kind("cause"), try_number=1, max_tries=5)
            assert (decision.action.value, decision.retry_delay) == ("retry", timedelta(minutes=after))
        failed = policy.evaluate(exceptions.PixverseGenerationFailed("cause"), try_number=1, max_tries=5)
        assert failed.action.value == "fail"
        other = policy.evaluate(exceptions.PixverseResponseError("cause"), try_number=1, max_tries=5)
        assert other.action.value == "default"

    def test_a_failed_generation_is_not_bought_again(
        self, pixverse_sandbox: SandboxInTest, example: Callable[..., DagRunReport]
    ) -> None:
        pixverse_sandbox.faults([{"on": "submit", "fail": True, "times": None}])
        report = example("retry_policy", state="failed")
        assert (report.tries("glacier"), pixverse_sandbox.ledger()["bought"]) == (1, 1)

    def test_it_survives_what_airflow_stores_of_a_dag(self) -> None:
        policy = load("retry_policy").dag.get_task("glacier").retry_policy
        again = type(policy).deserialize(policy.serialize())
        failed = again.evaluate(exceptions.PixverseGenerationFailed("cause"), try_number=1, max_tries=5)
        assert failed.action.value == "fail"


def test_without_retry_policies_it_is_an_ordinary_task(monkeypatch: pytest.MonkeyPatch) -> None:
    import airflow.sdk

    monkeypatch.setitem(airflow.sdk.__dict__, "ExceptionRetryPolicy", None)
    monkeypatch.delitem(airflow.sdk.__dict__, "ExceptionRetryPolicy")
    lazy = getattr(airflow.sdk, "__lazy_imports", {})
    monkeypatch.delitem(lazy, "ExceptionRetryPolicy", raising=False)
    assert load("retry_policy").BY_CAUSE == {}
