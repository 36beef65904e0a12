# SPDX-License-Identifier: Apache-2.0
"""``@task.pixverse``: what a function may return, when it runs, and that it is a task like the others."""

from __future__ import annotations

import base64
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk import DAG, task
from operators.running import INSTALLED, NOT_YET, PENDING, SOON, TaskRun, bought, by_prompt

from airflow_provider_pixverse import requests
from airflow_provider_pixverse.decorators.pixverse import FIELDS, OPERATORS, OWN_FIELDS, pixverse_task
from airflow_provider_pixverse.exceptions import PixverseRequestError, PixverseTimeout
from airflow_provider_pixverse.operators.generate import SHARED_FIELDS
from airflow_provider_pixverse.sandbox.pictures import picture_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from operators.running import DagRunReport

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

PICTURE = "https://pictures.example/first.png"
OTHER_PICTURE = "https://pictures.example/last.png"
QUICK = {"resolution": "360p", "seed": 1, "poll_interval": SOON, "timeout": 20.0}


def run_of(answer: Any, /, **fields: Any) -> TaskRun:
    """Return a run of a task whose function returns this, or calls it."""

    def video() -> Any:
        return answer() if callable(answer) else answer

    return TaskRun(pixverse_task(**{**QUICK, **fields})(video)().operator)


def sent(sandbox: SandboxInTest) -> dict[str, Any]:
    """Return what was asked of the vendor, in the one submission there was."""
    [row] = sandbox.ledger()["generations"]
    return row["request"]


# --- what the function returns --------------------------------------------------------------------------


def test_a_prompt_becomes_a_video(pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
    run = run_of("A paper boat", aspect_ratio="1:1", output_path=f"{tmp_path}/boat.mp4")
    result = run.run()
    body = sent(pixverse_sandbox)
    assert (body["prompt"], body["aspect_ratio"], body["resolution"]) == ("A paper boat", "1:1", "360p")
    assert (result["task"], result["status"]) == ("text-to-video", "finished")
    assert (tmp_path / "boat.mp4").stat().st_size == result["size_bytes"]
    assert run.ti.xcoms["generation_id"] == result["generation_id"]


RETURNED = {
    "text": ({"prompt": "Words"}, "text-to-video"),
    "image": ({"prompt": "A picture moves", "image": PICTURE}, "image-to-video"),
    "frames": ({"prompt": "Glide", "first_frame": PICTURE, "last_frame": OTHER_PICTURE}, "transition"),
    "extend": ({"prompt": "And on", "video": "VIDEO"}, "extend"),
    "lip-sync": ({"video": "VIDEO", "speech": "Good evening.", "voice": "Chloe"}, "lip-sync"),
}


@pytest.mark.parametrize(("fields", "kind"), RETURNED.values(), ids=RETURNED)
def test_a_dict_says_by_its_fields_what_kind_of_video_it_is(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, fields: dict[str, Any], kind: str
) -> None:
    pixverse_sandbox.connect("pixverse")
    if "video" in fields:
        run_of("First", output_path=f"{tmp_path}/first.mp4").run()
        fields = {**fields, "video": f"{tmp_path}/first.mp4"}
    if "image" in fields or "first_frame" in fields:
        for name, picture in (("first.png", "mountain"), ("last.png", "harbour")):
            (tmp_path / name).write_bytes(picture_file(picture, "png"))
        local = {PICTURE: f"{tmp_path}/first.png", OTHER_PICTURE: f"{tmp_path}/last.png"}
        fields = {name: local.get(value, value) for name, value in fields.items()}
    assert run_of(fields).run()["task"] == kind


@pytest.mark.parametrize("name", OPERATORS)
def test_a_request_of_every_kind_is_taken_as_that_kind(pixverse_sandbox: SandboxInTest, name: str) -> None:
    needed = {
        "TextToVideo": {"prompt": "A request"},
        "ImageToVideo": {"prompt": "A request", "image": PICTURE},
        "Transition": {"prompt": "A request", "first_frame": PICTURE, "last_frame": OTHER_PICTURE},
        "Extend": {"prompt": "A request", "video": PICTURE},
        "LipSync": {"video": PICTURE, "speech": "Good evening."},
    }[name]
    request = requests.build(getattr(requests, name), **needed)
    operator = run_of(request, resolution="720p", voice="auto").operator
    from airflow_provider_pixverse.decorators.pixverse import _read

    operator._take(*_read(request))
    built = operator._request()
    assert type(built) is type(request)
    assert built == request.model_copy(update={"seed": 1} if "seed" in type(request).model_fields else {})


def test_what_a_request_names_wins_and_the_decorator_says_the_rest(pixverse_sandbox: SandboxInTest) -> None:
    run_of(requests.TextToVideo(prompt="A request", resolution="540p"), duration=8, resolution="360p").run()
    body = sent(pixverse_sandbox)
    assert (body["resolution"], body["duration"]) == ("540p", 8)


def test_what_a_dict_names_wins_over_the_decorator(pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
    fields = {"prompt": "Mine", "duration": 8, "output_path": f"{tmp_path}/mine.mp4"}
    result = run_of(fields, prompt="Theirs", duration=5, output_path=f"{tmp_path}/theirs.mp4").run()
    body = sent(pixverse_sandbox)
    assert (body["prompt"], body["duration"]) == ("Mine", 8)
    assert result["output_path"] == f"{tmp_path}/mine.mp4"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.mp4"]


def test_the_decorator_may_name_the_picture_and_the_function_the_words(
    pixverse_sandbox: SandboxInTest,
) -> None:
    assert run_of("It moves", image=PICTURE).run()["task"] == "image-to-video"
    assert sent(pixverse_sandbox)["image_url"] == PICTURE


def test_the_decorator_may_name_the_words_and_the_function_the_picture(
    pixverse_sandbox: SandboxInTest,
) -> None:
    assert run_of({"image": PICTURE}, prompt="It moves").run()["task"] == "image-to-video"
    assert sent(pixverse_sandbox)["prompt"] == "It moves"


def test_what_the_function_returns_is_no_template(pixverse_sandbox: SandboxInTest) -> None:
    # Words of strangers may be in it, and a template could read any connection.
    run_of("A robot says {{ ti.task_id }} {% and waves").run()
    assert sent(pixverse_sandbox)["prompt"] == "A robot says {{ ti.task_id }} {% and waves"


@pytest.mark.parametrize(
    ("answer", "fields", "said"),
    [
        ("", {}, "neither a prompt nor a medium"),
        ({}, {}, "neither a prompt nor a medium"),
        ({"speech": "Hello"}, {}, "Allowed are prompt alone"),
        ({"prompt": "p", "image": PICTURE, "video": PICTURE}, {}, "prompt with image with video"),
        ({"prompt": "p", "image": PICTURE, "first_frame": PICTURE}, {}, "prompt with image with first_frame"),
        ({"prompt": "p", "video": PICTURE}, {"image": PICTURE}, "prompt with image with video"),
        ({"prompt": "p", "first_frame": PICTURE}, {}, "last_frame"),
        ({"image": PICTURE}, {}, "prompt"),
        ({"prompt": "p", "resolutoin": "720p"}, {}, "returned resolutoin.*resolution"),
        ({"prompt": "p", "image": PICTURE, "aspect_ratio": "1:1"}, {}, "aspect_ratio.*ImageToVideo has"),
        ({"video": PICTURE, "speech": "Hello", "duration": 8}, {}, "duration.*LipSync has"),
        ({"prompt": "p", "retries": 3}, {}, "retries"),
        ({"prompt": "p", "resolution": "4k"}, {}, "resolution='4k'"),
        ({"prompt": "p", "extra": {"when": object()}}, {}, "extra"),
        (None, {}, "NoneType.*a prompt"),
        (["p"], {}, "list.*a prompt"),
        (7, {}, "int.*a prompt"),
        (requests.GenerationRequest(), {}, "GenerationRequest.*a prompt"),
    ],
)
def test_what_is_not_clear_is_refused_before_anything_is_sent(
    pixverse_sandbox: SandboxInTest, answer: Any, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(PixverseRequestError, match=said) as refused:
        run_of(answer, **fields).run()
    assert isinstance(refused.value, AirflowFailException)
    assert "Nothing was sent" in str(refused.value) or "nothing was sent" in str(refused.value)
    assert bought(pixverse_sandbox) == (0, 0)


def test_an_error_of_the_function_is_its_own(pixverse_sandbox: SandboxInTest) -> None:
    def broken() -> str:
        raise KeyError("no such product")

    with pytest.raises(KeyError, match="no such product"):
        run_of(broken).run()
    assert bought(pixverse_sandbox) == (0, 0)


# --- when it runs ---------------------------------------------------------------------------------------


class Asked:
    """A function that counts how often it is called, and says something else each time if told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.times = answers, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.answers[min(self.times, len(self.answers)) - 1]


def test_it_is_not_run_again_after_the_deferral(pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
    pixverse_sandbox.faults([NOT_YET])
    asked = Asked({"prompt": "Once", "output_path": f"{tmp_path}/once.mp4"}, {"prompt": "Twice"})
    run = run_of(asked)
    result = run.run()
    assert len(run.deferrals) == 1
    assert asked.times == 1
    assert result["output_path"] == f"{tmp_path}/once.mp4"
    assert (run.ran.prompt, run.ran.output_path) == ("Once", f"{tmp_path}/once.mp4")
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_lost_trigger_does_not_run_it_again_either(pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
    pixverse_sandbox.faults([NOT_YET])
    asked = Asked({"prompt": "Once", "output_path": f"{tmp_path}/once.mp4"})
    run = run_of(asked)
    run.begin()
    result = run.resume_to_the_end("__fail__", {"error": "Trigger timeout"})
    assert (asked.times, result["output_path"]) == (1, f"{tmp_path}/once.mp4")
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_retry_runs_it_again_and_goes_on_with_the_same_video(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{**PENDING, "times": None}])
    asked = Asked("The same each time")
    run = run_of(asked, deferrable=False, timeout=0.3)
    with pytest.raises(PixverseTimeout):
        run.run()
    pixverse_sandbox.faults([])
    run.ti.try_number, run.ti.xcoms = 2, {}
    run.operator.timeout = 20.0
    run.run()
    assert asked.times == 2
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_retry_that_says_something_else_goes_on_with_the_video_that_is_paid_for(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture
) -> None:
    pixverse_sandbox.faults([{**PENDING, "times": None}])
    run = run_of(Asked("First idea", "Second idea"), deferrable=False, timeout=0.3)
    with pytest.raises(PixverseTimeout):
        run.run()
    pixverse_sandbox.faults([])
    run.ti.try_number, run.ti.xcoms = 2, {}
    run.operator.timeout = 20.0
    run.run()
    assert set(by_prompt(pixverse_sandbox)) == {"First idea"}
    assert "The request renders to something else" in caplog.text


def test_a_picture_given_as_a_data_uri_is_kept_short_and_sent_whole(pixverse_sandbox: SandboxInTest) -> None:
    content = base64.b64encode(picture_file("mountain", "png")).decode()
    picture = f"data:image/png;base64,{content}"
    run = run_of({"prompt": "It moves", "image": picture})
    run.run()
    assert run.ti.xcoms[FIELDS]["image"] == f"{picture[:40]}… ({len(picture):,} characters)"
    # The ledger cuts it, too.
    assert sent(pixverse_sandbox)["image_url"].startswith(picture[:80])


# --- in a DAG -------------------------------------------------------------------------------------------


AS_TASK = pytest.mark.skipif(
    not INSTALLED, reason="the package is not installed, so Airflow knows no @task.pixverse"
)


def rendered(report: DagRunReport, task_id: str, map_index: int = -1) -> dict[str, Any]:
    from airflow.models.renderedtifields import RenderedTaskInstanceFields

    [row] = report._read(
        RenderedTaskInstanceFields, run_id=report.run.run_id, task_id=task_id, map_index=map_index
    )
    return row.rendered_fields


def test_it_maps_templates_and_overrides_like_any_other_task(
    pixverse_sandbox: SandboxInTest,
    dag_run: Callable[..., DagRunReport],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", pixverse_sandbox.connection("segmind"))

    with DAG("decorated", schedule=None) as dag:

        @pixverse_task(**QUICK, output_path=f"{tmp_path}/{{{{ task.task_id }}}}-{{{{ ti.map_index }}}}.mp4")
        def video(name: str, *, mood: str = "calm") -> str:
            """Say what is wanted."""
            return f"A {mood} {name}"

        @task
        def names() -> list[str]:
            return ["lake", "hill"]

        one = video("{{ dag.dag_id }} harbour")
        video.override(task_id="mapped").partial(mood="stormy").expand(name=names())
        video.override(task_id="elsewhere", pixverse_conn_id="other", version="v5")("harbour", mood="busy")

        @task
        def size(video: dict[str, Any]) -> int:
            return int(video["size_bytes"])

        size(one)

    report = dag_run(dag)
    assert set(report.states().values()) == {"success"}
    prompts = {"A calm decorated harbour", "A stormy lake", "A stormy hill", "A busy harbour"}
    assert {row["prompt"] for row in asked(pixverse_sandbox)} == prompts
    assert report.xcom("size") == (tmp_path / "video--1.mp4").stat().st_size
    assert {path.name for path in tmp_path.glob("*.mp4")} == {
        "video--1.mp4", "mapped-0.mp4", "mapped-1.mp4", "elsewhere--1.mp4"
    }  # fmt: skip
    assert report.xcom("elsewhere")["gateway"] == "segmind"
    assert dag.get_task("video").doc_md == "Say what is wanted."


def asked(sandbox: SandboxInTest) -> list[dict[str, Any]]:
    return [row["request"] for row in sandbox.ledger()["generations"]]


def test_the_ui_shows_what_the_function_said_also_after_the_deferral(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport]
) -> None:
    pixverse_sandbox.faults([{**NOT_YET, "match": "deferred"}])
    with DAG("shown", schedule=None) as dag:

        @pixverse_task(**QUICK)
        def waits() -> dict[str, Any]:
            return {"prompt": "A deferred kite", "duration": 8}

        @pixverse_task(**QUICK, deferrable=False)
        def stays(words: str) -> str:
            return words

        waits()
        stays("A kite that stays")

    report = dag_run(dag)
    shown = {name: rendered(report, name) for name in ("waits", "stays")}
    assert (shown["waits"]["prompt"], str(shown["waits"]["duration"])) == ("A deferred kite", "8")
    assert shown["stays"]["prompt"] == "A kite that stays"


def test_the_result_is_one_xcom_whatever_the_function_is_annotated_to_return(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport]
) -> None:
    with DAG("outputs", schedule=None) as dag:

        def one() -> Any:
            return {"prompt": "One XCom"}

        one.__annotations__["return"] = dict[str, Any]
        pixverse_task(**QUICK)(one)()

    report = dag_run(dag)
    assert report.xcom("one")["gateway"] == "aimlapi"
    assert report.xcom("one", "gateway") is None


def test_multiple_outputs_are_refused() -> None:
    with pytest.raises(TypeError, match="one dict"):
        pixverse_task(multiple_outputs=True)


@AS_TASK
def test_airflow_offers_it_as_task_pixverse(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport]
) -> None:
    with DAG("offered", schedule=None) as dag:

        @task.pixverse
        def plain() -> str:
            return "Without arguments"

        @task.pixverse(**QUICK)
        def quick() -> str:
            return "With arguments"

        plain.override(**QUICK)()
        quick()

    report = dag_run(dag)
    assert set(report.states().values()) == {"success"}
    assert set(by_prompt(pixverse_sandbox)) == {"Without arguments", "With arguments"}
    assert dag.get_task("quick").operator_name == "@task.pixverse"


# --- what it is made of ---------------------------------------------------------------------------------


def test_every_field_of_the_operators_can_be_given() -> None:
    operator = run_of("p").operator
    own = {name for kind in OPERATORS.values() for name in kind.own_fields}
    assert own <= {*OWN_FIELDS, *SHARED_FIELDS}
    fields = {*OWN_FIELDS, *SHARED_FIELDS, "output_path", "pixverse_conn_id", "op_args", "op_kwargs"}
    assert set(operator.template_fields) == fields
    assert all(hasattr(operator, name) for name in fields)


def test_importing_it_imports_no_more_than_the_operators_do() -> None:
    script = (
        "import sys; from airflow.sdk import task, DAG; from airflow.sdk.bases import decorator; "
        "before = set(sys.modules); from airflow_provider_pixverse.decorators import pixverse; "
        "print(*{name for name in set(sys.modules) - before if name.split('.')[0] in "
        "('httpx', 'pydantic') or name == 'airflow_provider_pixverse.requests'})"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""
