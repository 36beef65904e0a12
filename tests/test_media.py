# SPDX-License-Identifier: Apache-2.0
"""Input media: what a gateway takes of them, and where they are read from; S3 is a real one on loopback."""

from __future__ import annotations

import base64
import json
import tracemalloc
import wave
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from operators.running import SMALL, SOON, TaskRun
from pacing import quicken

from airflow_provider_pixverse import catalog
from airflow_provider_pixverse.exceptions import (
    PixverseDownloadError,
    PixverseRecordError,
    PixverseRequestError,
)
from airflow_provider_pixverse.hooks.media import read_medium
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.media import KINDS, Medium, MediumKind, MediumLimits, check_medium
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.operators.records import records_for
from airflow_provider_pixverse.purchase import Delivered, Intended, Purchase, Submitted
from airflow_provider_pixverse.requests import ImageToVideo, TextToVideo, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.generation import Generation
    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

PIL_Image = pytest.importorskip("PIL.Image", reason="needs airflow-provider-pixverse[sandbox]")


def picture(form: str, size: tuple[int, int] = (64, 36)) -> bytes:
    file = BytesIO()
    PIL_Image.new("RGB", size, "teal").save(file, form)
    return file.getvalue()


def recording() -> bytes:
    file = BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 800)
    return file.getvalue()


PNG = picture("PNG")
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0\0\0\x08mdat"
MP3 = b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x64" + b"\0" * 400
BARE_MP3 = b"\xff\xfb\x90\x64" + b"\0" * 400


# --- what a gateway takes ---------------------------------------------------------------------------

LIMITS = MediumLimits(("image/png", "image/jpeg"), max_bytes=1000, max_side=4000)
FITTING: dict[str, Any] = {
    "size": 1000,
    "mime_type": "image/png",
    "name": "cat.png",
    "width": 4000,
    "height": 1,
}


def image(**fields: Any) -> Medium:
    return Medium(MediumKind.IMAGE, **{**FITTING, **fields})


def complaint(medium: Medium, limits: MediumLimits | None = LIMITS) -> str:
    with pytest.raises(PixverseRequestError) as caught:
        check_medium("first_frame", medium, limits)
    return str(caught.value)


def test_what_is_within_the_limits_is_taken() -> None:
    check_medium("image", image(), LIMITS)
    check_medium("image", image(width=1, height=4000, size=1, mime_type="image/jpeg"), LIMITS)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"size": 0}, "it is empty"),
        ({"mime_type": ""}, "it is of an unknown type, not an image"),
        ({"mime_type": "text/html"}, "it is text/html, not an image"),
        ({"mime_type": "video/mp4"}, "it is video/mp4, not an image"),
        ({"width": 0}, "its picture cannot be read"),
        ({"height": 0}, "its picture cannot be read"),
    ],
)
@pytest.mark.parametrize("limits", [LIMITS, None], ids=["limits", "none stated"])
def test_what_is_no_picture_is_taken_by_nobody(
    fields: dict[str, Any], said: str, limits: MediumLimits | None
) -> None:
    text = complaint(image(**fields), limits)
    assert text == f"first_frame (cat.png): {said}. Nothing was sent."


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"size": 1001}, "it has 1,001 bytes, allowed are 1,000"),
        ({"mime_type": "image/gif"}, "image/gif is not taken, allowed are image/png, image/jpeg"),
        ({"width": 4001}, "it has 4001 x 1 pixels, allowed are 4000 a side"),
        ({"height": 4001}, "it has 4000 x 4001 pixels, allowed are 4000 a side"),
    ],
)
def test_what_is_beyond_a_limit_is_named_with_what_is_allowed(fields: dict[str, Any], said: str) -> None:
    assert said in complaint(image(**fields))
    check_medium("image", image(**fields), None)


def test_a_side_without_a_limit_is_not_held_against_one() -> None:
    check_medium("image", image(width=99_999), MediumLimits(("image/png",), 1000))


@pytest.mark.parametrize(
    ("kind", "mime_type", "said"),
    [
        (MediumKind.VIDEO, "image/png", "it is image/png, not a video"),
        (MediumKind.AUDIO, "video/mp4", "it is video/mp4, not an audio"),
    ],
)
def test_each_kind_is_told_from_the_others(kind: MediumKind, mime_type: str, said: str) -> None:
    assert said in complaint(Medium(kind, size=1, mime_type=mime_type, name="x"), None)
    check_medium("video", Medium(kind, size=1, mime_type=f"{kind}/x"), None)


def test_what_is_only_a_url_is_left_to_the_gateway() -> None:
    check_medium("image", Medium(MediumKind.IMAGE, url="https://example.com/cat.txt"), LIMITS)


@pytest.mark.parametrize(("where", "limits"), catalog.MEDIA_LIMITS.items(), ids=str)
def test_the_limits_of_a_gateway_are_of_their_kind_and_have_a_source(
    where: tuple[str, MediumKind], limits: MediumLimits
) -> None:
    gateway, kind = where
    assert gateway in {row.gateway for row in catalog.OFFERINGS}
    assert all(mime_type.startswith(f"{kind}/") for mime_type in limits.mime_types)
    assert limits.mime_types
    assert limits.max_bytes >= 10**6
    assert bool(limits.max_side) <= (kind is MediumKind.IMAGE)
    assert "." in limits.source.split(",")[0]


def test_a_medium_of_either_source_is_one_data_uri() -> None:
    there = Medium(MediumKind.IMAGE, opener=lambda: BytesIO(PNG), size=len(PNG), mime_type="image/png")
    here = Medium(MediumKind.IMAGE, content=PNG, size=len(PNG), mime_type="image/png")
    assert there.data_uri() == here.data_uri() == there.data_uri()
    assert base64.b64decode(there.data_uri().removeprefix("data:image/png;base64,")) == PNG


# --- where it is read from: URLs --------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["https://example.com/cat.png", "http://127.0.0.1/cat", "HTTPS://Example.com/a.png?Signature=x%2B"]
)
@pytest.mark.parametrize("field", KINDS)
def test_a_url_is_not_even_looked_at(field: str, url: str) -> None:
    assert read_medium(field, url) == Medium(KINDS[field], url=url)


# --- data URIs --------------------------------------------------------------------------------------

BODY = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "uri",
    [
        f"data:image/png;base64,{BODY}",
        f"DATA:image/png;BASE64,{BODY}",
        f"data:image/png;name=cat.png;charset=binary;base64,{BODY}",
        f"data:;base64,{BODY}",
        f"data:image/jpeg;base64,{BODY}",
        f"data:image/png;base64,{BODY[:40]}\n {BODY[40:]}\n",
        "data:image/png;base64," + BODY.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in PNG),
    ],
    ids=["usual", "capitals", "parameters", "no type", "another type", "folded", "escaped", "not base64"],
)
def test_a_data_uri_is_read_in_every_form(uri: str) -> None:
    medium = read_medium("image", uri)
    check_medium("image", medium, None)
    assert (medium.mime_type, medium.width, medium.height) == ("image/png", 64, 36)
    assert medium.data_uri() == f"data:image/png;base64,{BODY}"
    assert (medium.size, medium.name, medium.url) == (len(PNG), "image", None)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("data:image/png;base64", "comma"),
        ("data:", "comma"),
        ("data:image/png;base64,???", "Error"),
        (f"data:image/png;base64,{BODY[:41]}", "Error"),
        ("data:image/png;base64,AAA", "padding"),
        ("data:image/png;base64,-_-_", "Error"),
    ],
)
def test_a_damaged_data_uri_is_named_before_anything_is_sent(uri: str, said: str) -> None:
    with pytest.raises(
        PixverseRequestError, match=r"last_frame='data:.*cannot be read, nothing was sent"
    ) as it:
        read_medium("last_frame", uri)
    assert said in str(it.value)
    assert len(str(it.value)) < 300


@pytest.mark.parametrize("uri", ["data:image/png;base64,", "data:image/png,", "data:,"])
def test_an_empty_data_uri_is_no_picture(uri: str) -> None:
    with pytest.raises(PixverseRequestError, match=r"image \(image\): it is empty"):
        check_medium("image", read_medium("image", uri), None)


# --- files ------------------------------------------------------------------------------------------

CONTENTS: dict[str, tuple[str, bytes, str]] = {
    "a PNG": ("image", PNG, "image/png"),
    "a JPEG": ("image", picture("JPEG"), "image/jpeg"),
    "a WebP": ("image", picture("WEBP"), "image/webp"),
    "a GIF": ("image", picture("GIF"), "image/gif"),
    "an MP4": ("video", VIDEO, "video/mp4"),
    "a WAV": ("audio", recording(), "audio/wav"),
    "an MP3": ("audio", MP3, "audio/mpeg"),
}


@pytest.mark.parametrize(("field", "content", "mime_type"), CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("name", ["input", "input.txt"])
def test_a_file_is_known_by_its_content(
    field: str, content: bytes, mime_type: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    medium = read_medium(field, f"{tmp_path}/{name}")
    check_medium(field, medium, None)
    assert (medium.kind, medium.mime_type, medium.size) == (KINDS[field], mime_type, len(content))
    assert (medium.width, medium.height) == ((64, 36) if field == "image" else (0, 0))
    assert medium.name == name
    with medium.open() as file:
        assert file.read() == content


def test_what_has_no_mark_of_its_own_is_known_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "voice.mp3").write_bytes(BARE_MP3)
    assert read_medium("audio", f"{tmp_path}/voice.mp3").mime_type == "audio/mpeg"


@pytest.mark.parametrize(
    "content", [b"", b"<html></html>", VIDEO, PNG[:20]], ids=["empty", "text", "video", "cut"]
)
@pytest.mark.parametrize("name", ["cat.png", "cat"])
def test_what_is_no_picture_is_found_out_before_it_is_sent(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PixverseRequestError, match=rf"image \({name}\): it"):
        check_medium("image", read_medium("image", f"{tmp_path}/{name}"), None)


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    with open(tmp_path / "long.mp4", "wb") as file:
        file.write(VIDEO)
        file.truncate(512 * 1024 * 1024)
    tracemalloc.start()
    try:
        medium = read_medium("video", f"{tmp_path}/long.mp4")
        with medium.open() as file:
            file.read(1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert medium.size == 512 * 1024 * 1024
    assert peak < 4 * 1024 * 1024


@pytest.mark.parametrize(
    "value", ["{}/missing.png", "{}", "nowhere://bucket/cat.png", "file://{}/missing.png"]
)
def test_what_cannot_be_read_is_named_with_its_field(value: str, tmp_path: Path) -> None:
    with pytest.raises(
        PixverseRequestError, match=r"first_frame=.*cannot be read, nothing was sent"
    ) as caught:
        read_medium("first_frame", value.format(tmp_path))
    assert caught.value.__cause__ is not None


def takes_urls() -> bool:
    try:
        ObjectStoragePath("file:///")
    except TypeError:
        return False
    return True


needs_urls = pytest.mark.skipif(
    not takes_urls(), reason="with universal-pathlib 0.3, Airflow 3.0 takes no path that has a scheme"
)


@needs_urls
def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a cat.png").write_bytes(PNG)
    medium = read_medium("image", f"file://{tmp_path}/a cat.png")
    assert (medium.name, medium.width) == ("a cat.png", 64)


@needs_urls
def test_any_storage_that_airflow_knows_will_do() -> None:
    fsspec = pytest.importorskip("fsspec")
    from airflow.sdk.io import attach

    attach("memory", fs=fsspec.filesystem("memory"))
    ObjectStoragePath("memory://media/cat.png").write_bytes(PNG)
    medium = read_medium("image", "memory://media/cat.png")
    assert (medium.mime_type, medium.size) == ("image/png", len(PNG))
    assert medium.data_uri() == medium.data_uri() == f"data:image/png;base64,{BODY}"


# --- S3 ---------------------------------------------------------------------------------------------

BUCKET = "s3://moto@campaign"


def names(client: Any) -> list[str]:
    return [row["Key"] for row in client.list_objects_v2(Bucket="campaign").get("Contents", [])]


def content_of(client: Any, name: str) -> bytes:
    content: bytes = client.get_object(Bucket="campaign", Key=name)["Body"].read()
    return content


def test_a_picture_is_read_from_s3(s3: Any, pixverse_sandbox: SandboxInTest) -> None:
    s3.put_object(Bucket="campaign", Key="in/first frame.png", Body=PNG)
    medium = read_medium("image", f"{BUCKET}/in/first frame.png")
    assert (medium.mime_type, medium.size, medium.width) == ("image/png", len(PNG), 64)
    assert medium.name == "first frame.png"
    PixverseHook().submit(build(ImageToVideo, prompt="It moves", image=f"{BUCKET}/in/first frame.png"))
    (row,) = pixverse_sandbox.ledger()["generations"]
    assert row["request"]["image_url"] == f"data:image/png;base64,{BODY}"


def test_without_a_connection_s3_is_reached_as_this_machine_reaches_it(
    s3: Any, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_server,
    }.items():
        monkeypatch.setenv(name, value)
    s3.put_object(Bucket="campaign", Key="cat.png", Body=PNG)
    assert read_medium("image", "s3://campaign/cat.png").size == len(PNG)


@pytest.mark.parametrize(
    "value",
    [f"{BUCKET}/missing.png", f"{BUCKET}/in", "s3://moto@nobucket/cat.png"],
)
def test_what_s3_does_not_have_is_named_with_its_field(s3: Any, value: str) -> None:
    s3.put_object(Bucket="campaign", Key="in/cat.png", Body=PNG)
    with pytest.raises(PixverseRequestError):
        check_medium("image", read_medium("image", value), None)


@pytest.fixture
def finished(pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch) -> Generation:
    quicken(monkeypatch, download_retries=(0.0, 0.0))
    hook = PixverseHook()
    request = build(TextToVideo, prompt="A red kite over a green hill", resolution="360p", seed=1)
    return hook.wait(hook.submit(request).id, poll_interval=0.05)


@pytest.mark.parametrize("target", ["kite.mp4", "2026/01/kite.mp4", "videos/"])
def test_a_video_is_saved_to_s3_whole(s3: Any, finished: Generation, target: str) -> None:
    s3.put_object(Bucket="campaign", Key="kite.mp4", Body=b"an older one")
    path, saved = PixverseHook().save_video(finished, f"{BUCKET}/{target}")
    name = f"videos/{finished.id}.mp4" if target.endswith("/") else target
    assert path == f"{BUCKET}/{name}"
    assert sorted(names(s3)) == sorted({"kite.mp4", name})
    content = content_of(s3, name)
    assert len(content) == saved.size_bytes
    assert content[4:8] == b"ftyp"


@pytest.mark.parametrize(
    "fault", [{"truncate": True}, {"truncate_quietly": True}, {"on": "download", "status": 503}]
)
def test_a_download_that_fails_leaves_what_was_on_s3(
    s3: Any, finished: Generation, pixverse_sandbox: SandboxInTest, fault: dict[str, Any]
) -> None:
    s3.put_object(Bucket="campaign", Key="kite.mp4", Body=b"an older one")
    pixverse_sandbox.faults([{**fault, "times": None}])
    with pytest.raises(PixverseDownloadError):
        PixverseHook().save_video(finished, f"{BUCKET}/kite.mp4")
    assert (names(s3), content_of(s3, "kite.mp4")) == (["kite.mp4"], b"an older one")


def test_a_bucket_that_is_not_there_is_named_with_the_generation(s3: Any, finished: Generation) -> None:
    with pytest.raises(PixverseDownloadError, match="bucket does not exist") as caught:
        PixverseHook().save_video(finished, "s3://moto@nobucket/kite.mp4")
    assert caught.value.generation_id == finished.id


INTENDED = Intended(key="key-1", fingerprint="f" * 64, intended_at=1000.0)
SUBMITTED = Submitted(
    intended=INTENDED, generation_id="gen-1", submission=Purchase(generation_id="gen-1", deadline=1000.0)
)


@pytest.fixture(params=["beside the video", "in the configured folder"])
def place(request: pytest.FixtureRequest, s3: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    context: Any = {"ti": SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)}
    if request.param == "beside the video":
        return lambda: records_for(context, f"{BUCKET}/out/kite.mp4")
    monkeypatch.setenv("AIRFLOW__PIXVERSE__STATE_PATH", f"{BUCKET}/out/")
    return lambda: records_for(context, None)


def test_the_record_of_a_purchase_is_kept_on_s3(s3: Any, place: Callable[[], Any]) -> None:
    assert place().load() is None
    for record in (INTENDED, SUBMITTED, Delivered(submitted=SUBMITTED, result={})):
        place().keep(record)
        assert place().load() == record
    (name,) = names(s3)
    assert name.startswith("out/.pixverse-")
    place().forget()
    assert (place().load(), names(s3)) == (None, [])
    place().forget()


def test_a_damaged_record_on_s3_is_not_an_absent_one(s3: Any, place: Callable[[], Any]) -> None:
    place().keep(INTENDED)
    (name,) = names(s3)
    s3.put_object(Bucket="campaign", Key=name, Body=b"{")
    with pytest.raises(PixverseRecordError, match="damaged"):
        place().load()


def test_an_s3_that_is_away_is_not_an_empty_one(
    s3: Any, place: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place().keep(INTENDED)
    extra = {"endpoint_url": "http://127.0.0.1:9", "config_kwargs": {"retries": {"max_attempts": 0}}}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_MOTO", json.dumps(connection))
    from airflow.sdk.io import store

    store._STORE_CACHE.clear()
    with pytest.raises(PixverseRecordError, match="not known whether this video is paid for"):
        place().load()
    with pytest.raises(PixverseRecordError, match="retry could pay twice"):
        place().keep(INTENDED)


def test_a_task_on_s3_alone_pays_once(s3: Any, pixverse_sandbox: SandboxInTest) -> None:
    outcomes = []
    for number in (1, 2):
        operator = PixverseTextToVideoOperator(
            task_id="kite",
            deferrable=False,
            poll_interval=SOON,
            output_path=f"{BUCKET}/out/kite.mp4",
            **SMALL,
        )
        run = TaskRun(operator)
        run.ti.try_number = number
        del run.context["task_state_store"]
        outcomes.append(run.run())
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["output_path"] == f"{BUCKET}/out/kite.mp4"
    assert pixverse_sandbox.ledger()["bought"] == 1
    assert len(content_of(s3, "out/kite.mp4")) == outcomes[0]["size_bytes"]
    assert len(names(s3)) == 2
