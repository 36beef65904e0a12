# SPDX-License-Identifier: Apache-2.0
"""Each operator: what it buys, what it leaves in XCom, at its outlets and behind its button."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG, Asset

from airflow_provider_pixverse.exceptions import (
    PixverseDownloadError,
    PixverseGenerationFailed,
    PixverseNotFoundError,
    PixverseRequestError,
    PixverseTimeout,
)
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.pixverse import (
    PixverseExtendOperator,
    PixverseImageToVideoOperator,
    PixverseLipSyncOperator,
    PixverseSaveVideoOperator,
    PixverseTextToVideoOperator,
    PixverseTransitionOperator,
)
from airflow_provider_pixverse.sandbox.pictures import picture_file
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor
from operators.running import NOT_YET, PENDING, SMALL, SOON, TARGETS, TaskRun, bought, by_prompt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest
    from operators.running import DagRunReport

KEYS = [
    "generation_id",
    "gateway",
    "task",
    "version",
    "model",
    "status",
    "video_url",
    "output_path",
    "size_bytes",
    "sha256",
    "cost",
    "seed",
    "submitted_at",
    "completed_at",
    "connection",
]
PICTURE = "https://pictures.example/first.png"
OTHER_PICTURE = "https://pictures.example/last.png"


def text_to_video(**fields: Any) -> PixverseTextToVideoOperator:
    return PixverseTextToVideoOperator(**{"task_id": "video", "poll_interval": SOON, **SMALL, **fields})


def image_to_video(**fields: Any) -> PixverseImageToVideoOperator:
    given = {"task_id": "video", "poll_interval": SOON, "image": PICTURE, **SMALL, **fields}
    return PixverseImageToVideoOperator(**given)


def transition(**fields: Any) -> PixverseTransitionOperator:
    frames = {"first_frame": PICTURE, "last_frame": OTHER_PICTURE}
    return PixverseTransitionOperator(
        **{"task_id": "video", "poll_interval": SOON, **frames, **SMALL, **fields}
    )


def sent(sandbox: Any) -> dict[str, Any]:
    """Return the body of the only submission."""
    [row] = sandbox.ledger()["generations"]
    return dict(row["request"])


# ---------------------------------------------------------------------------------------------------
# In a DAG


@pytest.mark.parametrize("deferrable", [True, False])
def test_every_operator_delivers_its_video_in_a_dag(
    pixverse_sandbox: SandboxInTest,
    dag_run: Callable[..., DagRunReport],
    tmp_path: Path,
    deferrable: bool,
) -> None:
    if deferrable:
        pixverse_sandbox.faults([{**NOT_YET, "match": name} for name in ("words", "picture", "frames")])
    asset = Asset(name=f"clip_{deferrable}", uri=f"file:///clips/{deferrable}.mp4")
    shared = {"deferrable": deferrable, "output_path": f"{tmp_path}/{{{{ task.task_id }}}}/"}
    with DAG(f"every_operator_{deferrable}", schedule=None) as dag:
        text_to_video(task_id="words", prompt="words", outlets=[asset], **shared)
        image_to_video(task_id="picture", prompt="picture", **shared)
        transition(task_id="frames", prompt="frames", **shared)
        later = text_to_video(task_id="later", prompt="later", wait_for_completion=False)
        PixverseGenerationSensor(
            task_id="sensed",
            generation_id=later.output["generation_id"],
            poll_interval=SOON,
            **shared,
        )

    report = dag_run(dag)

    assert set(report.states().values()) == {"success"}
    assert bought(pixverse_sandbox) == (4, 4)
    paid = by_prompt(pixverse_sandbox)
    for task_id, prompt in [
        ("words", "words"),
        ("picture", "picture"),
        ("frames", "frames"),
        ("sensed", "later"),
    ]:
        [row] = paid[prompt]
        result = report.xcom(task_id)
        assert sorted(result) == sorted(KEYS)
        assert result["generation_id"] == row["id"]
        assert result["status"] == "finished"
        assert result["sha256"] == row["file"]["sha256"]
        target = tmp_path / task_id / f"{row['id']}.mp4"
        assert result["output_path"] == str(target)
        assert hashlib.sha256(target.read_bytes()).hexdigest() == row["file"]["sha256"]
        assert row["downloads"] == 1
        link = report.xcom(task_id, "_link_PixverseVideoLink")
        assert link == result["video_url"]
    assert report.xcom("words", "generation_id") == report.xcom("words")["generation_id"]
    assert report.xcom("later", "generation_id") == paid["later"][0]["id"]
    assert report.xcom("later")["completed_at"] is None
    assert report.asset_events() == [report.xcom("words")]
    assert pixverse_sandbox.ledger()["leaked"] == 0


# ---------------------------------------------------------------------------------------------------
# What is bought


def test_text_to_video_asks_for_what_was_typed(pixverse_sandbox: SandboxInTest) -> None:
    text_to_video_run = TaskRun(
        text_to_video(
            aspect_ratio="9:16",
            negative_prompt="text, watermark",
            style="anime",
            speech="Good morning",
            voice="Chloe",
            duration=8,
        )
    )
    result = text_to_video_run.run()
    assert sent(pixverse_sandbox) == {
        "model": "pixverse/v5/text-to-video",
        "prompt": SMALL["prompt"],
        "aspect_ratio": "9:16",
        "resolution": "360p",
        "duration": 8,
        "seed": 1,
        "negative_prompt": "text, watermark",
        "style": "anime",
        "lip_sync_tts_content": "Good morning",
        "lip_sync_tts_speaker": "Chloe",
    }
    assert result["task"] == "text-to-video"


def test_the_later_version_asks_for_its_switches(pixverse_sandbox: SandboxInTest) -> None:
    result = TaskRun(text_to_video(version="v5.5", audio=True, multi_clip=True, thinking="disabled")).run()
    body = sent(pixverse_sandbox)
    switches = ("generate_audio_switch", "generate_multi_clip_switch", "thinking_type")
    assert [body[name] for name in switches] == [True, True, "disabled"]
    assert (result["version"], result["model"]) == ("v5.5", "pixverse/v5-5-text-to-video")


def test_what_a_gateway_would_default_is_always_sent(pixverse_sandbox: SandboxInTest) -> None:
    TaskRun(text_to_video(version="v5.5")).run()
    body = sent(pixverse_sandbox)
    assert body["generate_audio_switch"] is False
    assert body["generate_multi_clip_switch"] is False
    assert body["thinking_type"] == "auto"
    assert (body["resolution"], body["duration"], body["aspect_ratio"]) == ("360p", 5, "16:9")


def test_image_to_video_hands_the_picture_on_as_a_url(pixverse_sandbox: SandboxInTest) -> None:
    result = TaskRun(image_to_video()).run()
    assert sent(pixverse_sandbox)["image_url"] == PICTURE
    assert (result["task"], result["model"]) == ("image-to-video", "pixverse/v5/image-to-video")


def test_a_transition_hands_both_frames_on(pixverse_sandbox: SandboxInTest) -> None:
    result = TaskRun(transition()).run()
    body = sent(pixverse_sandbox)
    assert (body["image_url"], body["tail_image_url"]) == (PICTURE, OTHER_PICTURE)
    assert (result["task"], result["model"]) == ("transition", "pixverse/v5/transition")


@TARGETS
def test_a_picture_in_object_storage_is_sent_along(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, scheme: str
) -> None:
    content = picture_file("mountain", "png")
    (tmp_path / "first.png").write_bytes(content)
    TaskRun(image_to_video(image=f"{scheme}{tmp_path}/first.png")).run()
    inlined = f"data:image/png;base64,{base64.b64encode(content[:30]).decode()}"
    assert sent(pixverse_sandbox)["image_url"].startswith(inlined)
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_picture_given_as_a_data_uri_is_sent_along(pixverse_sandbox: SandboxInTest) -> None:
    content = base64.b64encode(picture_file("mountain", "jpg")).decode()
    TaskRun(image_to_video(image=f"data:image/jpeg;base64,{content}")).run()
    assert sent(pixverse_sandbox)["image_url"].startswith(f"data:image/jpeg;base64,{content[:40]}")


def test_a_model_the_catalogue_does_not_know_is_sent_as_it_is(pixverse_sandbox: SandboxInTest) -> None:
    result = TaskRun(text_to_video(model="pixverse/v5.5/text-to-video")).run()
    assert sent(pixverse_sandbox)["model"] == "pixverse/v5.5/text-to-video"
    assert result["model"] == "pixverse/v5.5/text-to-video"


def test_extra_fields_are_sent_unchecked(pixverse_sandbox: SandboxInTest) -> None:
    TaskRun(text_to_video(extra={"style": "clay"})).run()
    assert sent(pixverse_sandbox)["style"] == "clay"


# ---------------------------------------------------------------------------------------------------
# XCom, outlets, button


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_result_says_everything_there_is_to_know(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, deferrable: bool
) -> None:
    target = tmp_path / "kite.mp4"
    result = TaskRun(text_to_video(deferrable=deferrable, output_path=str(target))).run()
    [row] = pixverse_sandbox.ledger()["generations"]
    url, submitted_at, completed_at = (
        result.pop(name) for name in ("video_url", "submitted_at", "completed_at")
    )
    assert result == {
        "generation_id": row["id"],
        "gateway": "aimlapi",
        "connection": "pixverse_default",
        "task": "text-to-video",
        "version": "v5",
        "model": "pixverse/v5/text-to-video",
        "status": "finished",
        "output_path": str(target),
        "size_bytes": target.stat().st_size,
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
        "cost": {"amount": 315_000, "unit": "credits"},
        "seed": 1,
    }
    assert row["cost"] == result["cost"]
    assert result["sha256"] == row["file"]["sha256"]
    assert url.startswith(f"{pixverse_sandbox.url}/_media/aimlapi/")
    assert url.endswith("_seed1.mp4")
    moments = [datetime.fromisoformat(moment) for moment in (submitted_at, completed_at)]
    assert all(moment.tzinfo is not None for moment in moments)
    assert moments == sorted(moments)


def test_a_random_seed_is_reported_once_the_gateway_tells_it(pixverse_sandbox: SandboxInTest) -> None:
    result = TaskRun(text_to_video(seed=None)).run()
    [row] = pixverse_sandbox.ledger()["generations"]
    assert "seed" not in row["request"]
    assert result["seed"] == row["seed"]


def test_without_an_output_path_nothing_is_downloaded(pixverse_sandbox: SandboxInTest) -> None:
    result = TaskRun(text_to_video()).run()
    assert [result[name] for name in ("output_path", "size_bytes", "sha256")] == [None, None, None]
    assert result["video_url"]
    assert pixverse_sandbox.ledger()["downloaded"] == 0


@pytest.mark.parametrize("deferrable", [True, False])
def test_not_waiting_pushes_the_id_and_ends(pixverse_sandbox: SandboxInTest, deferrable: bool) -> None:
    run = TaskRun(text_to_video(wait_for_completion=False, deferrable=deferrable))
    result = run.run()
    ledger = pixverse_sandbox.ledger()
    [row] = ledger["generations"]
    assert ledger["polled"] == 0
    assert run.deferrals == []
    assert run.ti.xcoms["generation_id"] == row["id"]
    assert sorted(result) == sorted(KEYS)
    assert result == {
        "generation_id": row["id"],
        "gateway": "aimlapi",
        "connection": "pixverse_default",
        "task": "text-to-video",
        "version": "v5",
        "model": "pixverse/v5/text-to-video",
        "status": "queued",
        "video_url": None,
        "output_path": None,
        "size_bytes": None,
        "sha256": None,
        "cost": {"amount": 315_000, "unit": "credits"},
        "seed": 1,
        "submitted_at": result["submitted_at"],
        "completed_at": None,
    }
    assert result["submitted_at"]


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("faults", "error"),
    [([PENDING], PixverseTimeout), ([{"on": "submit", "fail": True}], PixverseGenerationFailed)],
    ids=["timeout", "failed"],
)
def test_the_id_is_known_also_where_the_wait_fails(
    pixverse_sandbox: SandboxInTest, deferrable: bool, faults: list[dict[str, Any]], error: type[Exception]
) -> None:
    pixverse_sandbox.faults(faults)
    run = TaskRun(text_to_video(deferrable=deferrable, timeout=0.5))
    with pytest.raises(error):
        run.run()
    assert run.ti.xcoms["generation_id"] == pixverse_sandbox.ledger()["generations"][0]["id"]


def test_the_id_is_known_before_the_task_defers(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([PENDING])
    run = TaskRun(text_to_video())
    run.begin()
    assert run.ti.xcoms["generation_id"] == pixverse_sandbox.ledger()["generations"][0]["id"]


@pytest.mark.parametrize("deferrable", [True, False])
def test_every_outlet_asset_is_told_the_result(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, deferrable: bool
) -> None:
    outlets = [Asset(name="one", uri="s3://clips/one.mp4"), Asset(name="two", uri="s3://clips/two.mp4")]
    run = TaskRun(
        text_to_video(outlets=outlets, deferrable=deferrable, output_path=str(tmp_path / "kite.mp4"))
    )
    result = run.run()
    told = run.context["outlet_events"]
    assert [told[outlet].extra for outlet in outlets] == [result, result]


def test_an_outlet_asset_of_a_task_that_does_not_wait_is_told_the_result_too(
    pixverse_sandbox: SandboxInTest,
) -> None:
    outlet = Asset(name="one", uri="s3://clips/one.mp4")
    run = TaskRun(text_to_video(outlets=[outlet], wait_for_completion=False))
    result = run.run()
    assert run.context["outlet_events"][outlet].extra == result


def test_an_outlet_asset_of_a_failed_task_is_told_nothing(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([{"on": "submit", "fail": True}])
    outlet = Asset(name="one", uri="s3://clips/one.mp4")
    run = TaskRun(text_to_video(outlets=[outlet]))
    with pytest.raises(PixverseGenerationFailed):
        run.run()
    assert run.context["outlet_events"][outlet].extra == {}


def test_the_button_leads_to_the_video_as_soon_as_there_is_one(pixverse_sandbox: SandboxInTest) -> None:
    def link() -> str:
        return PixverseVideoLink().get_link(run.ran, ti_key=None)  # type: ignore[arg-type]

    pixverse_sandbox.faults([NOT_YET])
    run = TaskRun(text_to_video())
    run.ran = run.operator
    assert link() == ""
    deferred = run.begin()
    assert link() == ""
    result = run.go_on(deferred)
    assert link() == result["video_url"]
    assert isinstance(run.ran.operator_extra_links[0], PixverseVideoLink)


def test_the_button_of_a_task_that_waited_on_the_worker(pixverse_sandbox: SandboxInTest) -> None:
    run = TaskRun(text_to_video(deferrable=False))
    result = run.run()
    assert PixverseVideoLink().get_link(run.ran, ti_key=None) == result["video_url"]  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------
# What is kept for the deferral


def test_nothing_secret_is_stored_with_the_trigger(pixverse_sandbox: SandboxInTest) -> None:
    pixverse_sandbox.faults([PENDING])
    deferred = TaskRun(text_to_video(extra={"style": "clay"})).begin()
    _, kwargs = deferred.trigger.serialize()
    assert sorted(kwargs) == ["deadline", "generation_id", "not_before", "pixverse_conn_id", "poll_interval"]
    stored = json.dumps(kwargs)
    assert pixverse_sandbox.key not in stored
    assert "http" not in stored
    assert SMALL["prompt"] not in stored
    assert deferred.method_name == "execute_complete"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("poll_interval", object()),
        ("poll_interval", "soon"),
        ("poll_interval", 0),
        ("poll_interval", -1),
        ("poll_interval", float("nan")),
        ("poll_interval", True),
        ("timeout", object()),
        ("timeout", float("inf")),
        ("timeout", None),
        ("pixverse_conn_id", ""),
        ("pixverse_conn_id", 7),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__ + str(value)[:4],
)
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_trigger_that_could_not_be_stored_fails_before_anything_is_bought(
    pixverse_sandbox: SandboxInTest, field: str, value: Any, deferrable: bool
) -> None:
    with pytest.raises(PixverseRequestError, match=f"^{field}="):
        TaskRun(text_to_video(**{field: value, "deferrable": deferrable})).run()
    assert bought(pixverse_sandbox) == (0, 0)


# ---------------------------------------------------------------------------------------------------
# The operators that start from a video


CLIP = "https://clips.example/clip.mp4"


def lip_sync(**fields: Any) -> PixverseLipSyncOperator:
    return PixverseLipSyncOperator(**{"task_id": "video", "poll_interval": SOON, "video": CLIP, **fields})


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"audio": "https://clips.example/voice.mp3"}, {"audio_url": "https://clips.example/voice.mp3"}),
        ({"speech": "Hello"}, {"lip_sync_tts_content": "Hello", "lip_sync_tts_speaker": "Auto"}),
        (
            {"speech": "Hello", "voice": "Mason"},
            {"lip_sync_tts_content": "Hello", "lip_sync_tts_speaker": "Mason"},
        ),
    ],
    ids=["a recording", "words", "words and a voice"],
)
def test_lip_sync_asks_for_a_recording_or_for_words(
    pixverse_sandbox: SandboxInTest,
    tmp_path: Path,
    fields: dict[str, str],
    asked: dict[str, str],
    deferrable: bool,
) -> None:
    target = tmp_path / "talk.mp4"
    result = TaskRun(lip_sync(**fields, deferrable=deferrable, output_path=str(target))).run()
    assert sent(pixverse_sandbox) == {"model": "pixverse/lip-sync", "video_url": CLIP, **asked}
    assert (result["task"], result["model"]) == ("lip-sync", "pixverse/lip-sync")
    assert sorted(result) == sorted(KEYS)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == result["sha256"]
    assert bought(pixverse_sandbox) == (1, 1)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "audio or speech"),
        ({"audio": "https://clips.example/voice.mp3", "speech": "Hello"}, "audio or speech"),
        ({"audio": "https://clips.example/voice.mp3", "voice": "Mason"}, "voice 'Mason'"),
        ({"video": "", "speech": "Hello"}, "video=''"),
        ({"video": "/nowhere/at/all.mp4", "speech": "Hello"}, "video='/nowhere/at/all.mp4'"),
    ],
    ids=str,
)
def test_lip_sync_of_nothing_or_of_too_much_is_refused(
    pixverse_sandbox: SandboxInTest, fields: dict[str, str], word: str
) -> None:
    with pytest.raises(PixverseRequestError, match=word):
        TaskRun(lip_sync(**fields)).run()
    assert bought(pixverse_sandbox) == (0, 0)


def test_a_task_that_this_gateway_does_not_serve_is_refused(pixverse_sandbox: SandboxInTest) -> None:
    extend = PixverseExtendOperator(task_id="video", prompt="And on it goes", video=CLIP)
    with pytest.raises(PixverseRequestError, match="extend is not offered by the gateway 'aimlapi'"):
        TaskRun(extend).run()
    assert bought(pixverse_sandbox) == (0, 0)


# ---------------------------------------------------------------------------------------------------
# The operator that only delivers


def save_video(generation_id: str, **fields: Any) -> TaskRun:
    given = {"task_id": "saved", "poll_interval": SOON, "timeout": 20.0, **fields}
    return TaskRun(PixverseSaveVideoOperator(generation_id=generation_id, **given))


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("finished", [True, False], ids=["finished", "not finished yet"])
def test_a_video_bought_elsewhere_is_saved(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, deferrable: bool, finished: bool
) -> None:
    bought_elsewhere = TaskRun(text_to_video(wait_for_completion=finished)).run()
    pixverse_sandbox.faults([] if finished else [{**PENDING, "times": 4}])
    outlet = Asset(name="one", uri="s3://clips/one.mp4")
    run = save_video(
        bought_elsewhere["generation_id"],
        output_path=f"{tmp_path}/",
        deferrable=deferrable,
        outlets=[outlet],
    )
    result = run.run()
    [row] = pixverse_sandbox.ledger()["generations"]
    [saved] = tmp_path.iterdir()
    assert saved.name == f"{row['id']}.mp4"
    assert sorted(result) == sorted(KEYS)
    assert result["output_path"] == str(saved)
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == row["file"]["sha256"] == result["sha256"]
    assert len(run.deferrals) == int(deferrable and not finished)
    assert run.context["outlet_events"][outlet].extra == result
    assert PixverseVideoLink().get_link(run.ran, ti_key=None) == result["video_url"]  # type: ignore[arg-type]
    assert bought(pixverse_sandbox) == (1, 1)


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ([PENDING], PixverseTimeout),
        ([{"on": "poll", "fail": True}], PixverseGenerationFailed),
        ([{"on": "download", "truncate": True, "times": None}], PixverseDownloadError),
        ([{"on": "poll", "status": 404, "times": None}], PixverseNotFoundError),
    ],
    ids=["timeout", "failed", "not downloaded", "unknown"],
)
def test_a_video_that_cannot_be_saved_is_not_bought_again(
    pixverse_sandbox: SandboxInTest,
    tmp_path: Path,
    deferrable: bool,
    faults: list[dict[str, Any]],
    error: type[Exception],
) -> None:
    generation_id = TaskRun(text_to_video(wait_for_completion=False)).run()["generation_id"]
    pixverse_sandbox.faults(faults)
    with pytest.raises(error):
        save_video(
            generation_id, output_path=f"{tmp_path}/kite.mp4", deferrable=deferrable, timeout=1.0
        ).run()
    assert list(tmp_path.iterdir()) == []
    assert bought(pixverse_sandbox) == (1, 1)


@pytest.mark.parametrize("missing", ["", None, "None"])
def test_a_missing_id_is_named_before_any_look(pixverse_sandbox: SandboxInTest, missing: Any) -> None:
    with pytest.raises(PixverseRequestError, match="generation_id="):
        save_video(missing, output_path="/tmp/kite.mp4").run()
    assert pixverse_sandbox.ledger()["polled"] == 0


def test_a_video_that_is_to_be_saved_nowhere_is_refused(pixverse_sandbox: SandboxInTest) -> None:
    generation_id = TaskRun(text_to_video()).run()["generation_id"]
    with pytest.raises(PixverseRequestError, match="output_path="):
        save_video(generation_id, output_path="").run()
