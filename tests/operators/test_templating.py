# SPDX-License-Identifier: Apache-2.0
"""Fields that are rendered, and tasks that are mapped over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.operators.pixverse import (
    PixverseExtendOperator,
    PixverseImageToVideoOperator,
    PixverseLipSyncOperator,
    PixverseSaveVideoOperator,
    PixverseTextToVideoOperator,
    PixverseTransitionOperator,
)
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor
from operators.running import SMALL, SOON, TaskRun, bought, by_prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest
    from operators.running import DagRunReport

SHARED = (
    "version",
    "resolution",
    "duration",
    "negative_prompt",
    "style",
    "seed",
    "speech",
    "voice",
    "sound_effect",
    "audio",
    "multi_clip",
    "thinking",
    "model",
    "extra",
    "pixverse_conn_id",
    "output_path",
)
FIELDS = {
    PixverseTextToVideoOperator: ("prompt", "aspect_ratio", *SHARED),
    PixverseImageToVideoOperator: ("prompt", "image", *SHARED),
    PixverseTransitionOperator: ("prompt", "first_frame", "last_frame", *SHARED),
    PixverseExtendOperator: ("prompt", "video", *SHARED),
    PixverseLipSyncOperator: ("video", *SHARED),
    PixverseSaveVideoOperator: ("generation_id", "output_path", "pixverse_conn_id"),
    PixverseGenerationSensor: ("generation_id", "pixverse_conn_id", "output_path"),
}
NEEDED = {
    PixverseTextToVideoOperator: ("prompt",),
    PixverseImageToVideoOperator: ("prompt", "image"),
    PixverseTransitionOperator: ("prompt", "first_frame", "last_frame"),
    PixverseExtendOperator: ("prompt", "video"),
    PixverseLipSyncOperator: ("video",),
    PixverseSaveVideoOperator: ("generation_id", "output_path"),
    PixverseGenerationSensor: ("generation_id",),
}


# --- rendered ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, fields in FIELDS.items() for field in fields]
)
def test_every_field_that_a_person_would_template_is_rendered(kind: Any, field: str) -> None:
    operator = kind(task_id="video", **{**dict.fromkeys(NEEDED[kind], "given"), field: "{{ params.value }}"})
    operator.render_template_fields({"params": {"value": "rendered"}})
    assert getattr(operator, field) == "rendered"


def test_extra_is_rendered_throughout(pixverse_sandbox: SandboxInTest) -> None:
    extra = {"style": "{{ params.style }}", "lip_sync_tts_content": "{{ params.words }}"}
    operator = PixverseTextToVideoOperator(
        task_id="video",
        poll_interval=SOON,
        **{**SMALL, "extra": {**extra, "lip_sync_tts_speaker": "Auto"}},
    )
    operator.render_template_fields({"params": {"style": "clay", "words": "Good morning"}})
    TaskRun(operator).run()
    body = pixverse_sandbox.ledger()["generations"][0]["request"]
    assert (body["style"], body["lip_sync_tts_content"]) == ("clay", "Good morning")


def test_a_run_fills_in_every_field(
    pixverse_sandbox: SandboxInTest,
    dag_run: Callable[..., DagRunReport],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_STUDIO", pixverse_sandbox.connection())
    monkeypatch.delenv("AIRFLOW_CONN_PIXVERSE_DEFAULT")
    params = {
        "prompt": "A letter",
        "ratio": "1:1",
        "version": "5.5",
        "resolution": "360p",
        "duration": "8",
        "seed": "7",
        "yes": "True",
        "thinking": "enabled",
        "style": "clay",
        "words": "Good morning",
        "voice": "chloe",
        "picture": "https://pictures.example/",
        "model": "pixverse/v5.5/image-to-video",
        "connection": "studio",
        "folder": str(tmp_path),
        "nothing": "",
    }
    shared = {
        "poll_interval": SOON,
        "pixverse_conn_id": "{{ params.connection }}",
        "output_path": "{{ params.folder }}/{{ task.task_id }}.mp4",
        "resolution": "{{ params.resolution }}",
        "duration": "{{ params.duration }}",
        "seed": "{{ params.seed }}",
        **dict.fromkeys(("sound_effect", "model", "style", "negative_prompt"), "{{ params.nothing }}"),
    }
    with DAG("filled_in", schedule=None, params=params) as dag:
        PixverseTextToVideoOperator(
            task_id="words",
            prompt="{{ params.prompt }} of words",
            aspect_ratio="{{ params.ratio }}",
            version="{{ params.version }}",
            audio="{{ params.yes }}",
            multi_clip="{{ params.yes }}",
            thinking="{{ params.thinking }}",
            **shared,
        )
        PixverseImageToVideoOperator(
            task_id="picture",
            prompt="{{ params.prompt }} with a picture",
            image="{{ params.picture }}a.png",
            **{**shared, "model": "{{ params.model }}"},
        )
        PixverseTransitionOperator(
            task_id="frames",
            prompt="{{ params.prompt }} between frames",
            first_frame="{{ params.picture }}a.png",
            last_frame="{{ params.picture }}b.png",
            speech="{{ params.words }}",
            voice="{{ params.voice }}",
            **{**shared, "style": "{{ params.style }}", "negative_prompt": "{{ params.words }}"},
        )

    report = dag_run(dag)

    assert set(report.states().values()) == {"success"}
    bodies = {prompt: row["request"] for prompt, [row] in by_prompt(pixverse_sandbox).items()}
    common = {"resolution": "360p", "duration": 8, "seed": 7}
    assert bodies == {
        "A letter of words": {
            **common,
            "model": "pixverse/v5-5-text-to-video",
            "prompt": "A letter of words",
            "aspect_ratio": "1:1",
            "generate_audio_switch": True,
            "generate_multi_clip_switch": True,
            "thinking_type": "enabled",
        },
        "A letter with a picture": {
            **common,
            "model": "pixverse/v5.5/image-to-video",
            "prompt": "A letter with a picture",
            "image_url": "https://pictures.example/a.png",
            **{"generate_audio_switch": False, "generate_multi_clip_switch": False, "thinking_type": "auto"},
        },
        "A letter between frames": {
            **common,
            "model": "pixverse/v5/transition",
            "prompt": "A letter between frames",
            "image_url": "https://pictures.example/a.png",
            "tail_image_url": "https://pictures.example/b.png",
            "lip_sync_tts_content": "Good morning",
            "lip_sync_tts_speaker": "Chloe",
            "style": "clay",
            "negative_prompt": "Good morning",
        },
    }
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["frames.mp4", "picture.mp4", "words.mp4"]


# --- rendered to nothing -------------------------------------------------------------------------------


OPTIONAL = ("negative_prompt", "style", "seed", "speech", "sound_effect", "model", "output_path")


@pytest.mark.parametrize("nothing", ["", " "])
@pytest.mark.parametrize("field", OPTIONAL)
def test_an_optional_field_rendered_to_nothing_asks_for_nothing(
    pixverse_sandbox: SandboxInTest, field: str, nothing: str
) -> None:
    given = {**SMALL, "prompt": "Nothing asked for", field: nothing}
    operator = PixverseTextToVideoOperator(task_id="video", poll_interval=SOON, **given)
    result = TaskRun(operator).run()
    body = pixverse_sandbox.ledger()["generations"][0]["request"]
    wanted = {"model", "prompt", "aspect_ratio", "resolution", "duration", "seed"}
    assert set(body) == wanted - ({"seed"} if field == "seed" else set())
    assert result["output_path"] is None


@pytest.mark.parametrize("field", ["prompt", "pixverse_conn_id"])
def test_a_required_field_rendered_to_nothing_is_named(pixverse_sandbox: SandboxInTest, field: str) -> None:
    operator = PixverseTextToVideoOperator(task_id="video", **{**SMALL, field: ""})
    with pytest.raises(PixverseRequestError, match=f"{field}=''"):
        TaskRun(operator).run()
    assert bought(pixverse_sandbox) == (0, 0)


@pytest.mark.parametrize(("field", "value"), [("duration", "five"), ("seed", "x"), ("audio", "perhaps")])
def test_a_field_rendered_to_something_else_than_its_type_is_named(
    pixverse_sandbox: SandboxInTest, field: str, value: str
) -> None:
    operator = PixverseTextToVideoOperator(task_id="video", **{**SMALL, field: value})
    with pytest.raises(PixverseRequestError, match=f"{field}='{value}'"):
        TaskRun(operator).run()
    assert bought(pixverse_sandbox) == (0, 0)


# --- mapped --------------------------------------------------------------------------------------------


def test_a_task_is_mapped_over_its_fields(
    pixverse_sandbox: SandboxInTest, dag_run: Callable[..., DagRunReport], tmp_path: Path
) -> None:
    def partial(task_id: str, **fields: Any) -> Any:
        given = {"poll_interval": SOON, **SMALL, **fields}
        for name in [name for name, value in given.items() if value is None]:
            del given[name]
        return PixverseTextToVideoOperator.partial(task_id=task_id, **given)

    targets = [f"{tmp_path}/{name}.mp4" for name in ("one", "two")]
    with DAG("mapped", schedule=None) as dag:
        partial("prompts", prompt=None, output_path=f"{tmp_path}/prompts-{{{{ ti.map_index }}}}/").expand(
            prompt=["A mapped rose", "A mapped tulip"]
        )
        partial("durations", prompt="durations", duration=None).expand(duration=[5, "8"])
        partial("resolutions", prompt="resolutions", resolution=None).expand(resolution=["360p", "540p"])
        partial("targets", prompt="targets").expand(output_path=targets)
        partial("several", prompt=None, duration=None, resolution=None).expand_kwargs(
            [
                {
                    "prompt": "several 0",
                    "duration": 5,
                    "resolution": "540p",
                    "output_path": targets[0] + ".0",
                },
                {
                    "prompt": "several 1",
                    "duration": 8,
                    "resolution": "360p",
                    "output_path": targets[0] + ".1",
                },
            ]
        )

    report = dag_run(dag)

    assert set(report.states().values()) == {"success"}
    assert bought(pixverse_sandbox) == (10, 10)
    assert pixverse_sandbox.ledger()["downloaded"] == 6
    bodies = {row["id"]: row["request"] for row in pixverse_sandbox.ledger()["generations"]}

    def asked(task_id: str, field: str) -> list[Any]:
        results = report.xcoms(task_id)
        assert report.xcoms(task_id, "generation_id") == {
            index: result["generation_id"] for index, result in results.items()
        }
        return [bodies[results[index]["generation_id"]][field] for index in (0, 1)]

    assert asked("prompts", "prompt") == ["A mapped rose", "A mapped tulip"]
    assert asked("durations", "duration") == [5, 8]
    assert asked("resolutions", "resolution") == ["360p", "540p"]
    assert asked("several", "prompt") == ["several 0", "several 1"]
    assert asked("several", "duration") == [5, 8]
    assert [report.xcoms("targets")[index]["output_path"] for index in (0, 1)] == targets
    saved = [report.xcoms("several")[index]["output_path"] for index in (0, 1)]
    assert saved == [f"{targets[0]}.0", f"{targets[0]}.1"]
    for index in (0, 1):
        result = report.xcoms("prompts")[index]
        assert result["output_path"] == f"{tmp_path}/prompts-{index}/{result['generation_id']}.mp4"
