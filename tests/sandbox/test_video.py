# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest
from PIL import Image, ImageChops, ImageStat

from airflow_provider_pixverse.sandbox.pictures import PICTURES, landscape, picture_file
from airflow_provider_pixverse.sandbox.video import Scene, frame_size, render

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox_client import AimlApiClient

    from airflow_provider_pixverse.sandbox import Sandbox

IMAGE5, FRAMES5 = "pixverse/v5/image-to-video", "pixverse/v5/transition"
SPEECH = {"lip_sync_tts_content": "Hello", "lip_sync_tts_speaker": "Chloe"}
TALK = {"model": "pixverse/lip-sync", "prompt": ..., "resolution": ..., **SPEECH}


class Probe:
    def __init__(self, content: bytes) -> None:
        with av.open(io.BytesIO(content)) as container:
            stream = container.streams.video[0]
            self.codecs = [each.codec_context.name for each in container.streams]
            self.size = (stream.width, stream.height)
            self.pixels = stream.pix_fmt
            self.rate = stream.average_rate
            self.seconds = container.duration / av.time_base
            self.frames = [frame.to_image() for frame in container.decode(video=0)]


def boxes(content: bytes) -> list[str]:
    found, position = [], 0
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        found.append(content[position + 4 : position + 8].decode())
        position += length
    assert position == len(content)
    return found


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the upper half, where no caption is, from 0 to 255."""
    small = [picture.convert("RGB").resize((64, 64)).crop((0, 0, 64, 32)) for picture in (one, other)]
    return float(sum(ImageStat.Stat(ImageChops.difference(*small)).mean) / 3)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def plain(color: str, size: tuple[int, int] = (640, 360)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, "PNG")
    return file.getvalue()


def test_a_video_is_h264_that_plays_while_it_loads(aimlapi: AimlApiClient) -> None:
    content = aimlapi.make()
    probe = Probe(content)
    assert (probe.codecs, probe.pixels, probe.rate) == (["h264"], "yuv420p", 24)
    order = boxes(content)
    assert order[0] == "ftyp"
    assert order.index("moov") < order.index("mdat")


@pytest.mark.parametrize(
    ("fields", "size", "seconds"),
    [
        ({}, (640, 360), 5),
        ({"resolution": ...}, (1280, 720), 5),
        ({"aspect_ratio": "9:16", "duration": "8"}, (360, 640), 8),
        ({"aspect_ratio": "1:1", "resolution": "540p"}, (540, 540), 5),
        ({"aspect_ratio": "4:3"}, (480, 360), 5),
    ],
    ids=str,
)
def test_size_and_length_are_as_asked(
    aimlapi: AimlApiClient, fields: dict[str, Any], size: tuple[int, int], seconds: int
) -> None:
    probe = Probe(aimlapi.make(**fields))
    assert probe.size == size
    assert probe.seconds == pytest.approx(seconds, abs=0.05)
    assert len(probe.frames) == seconds * 24


@pytest.mark.parametrize(
    ("short_side", "ratio", "size"),
    [
        (1080, 16 / 9, (1920, 1080)),
        (720, 16 / 9, (1280, 720)),
        (540, 4 / 3, (720, 540)),
        (360, 864 / 1280, (360, 534)),
        (360, 100, (1080, 360)),
    ],
)
def test_sizes_are_even_and_never_a_thread(short_side: int, ratio: float, size: tuple[int, int]) -> None:
    assert frame_size(short_side, ratio) == size


@pytest.mark.parametrize(
    ("fields", "audio"),
    [
        ({}, False),
        (SPEECH, True),
        ({"model": "pixverse/v5-5-text-to-video", "generate_audio_switch": True}, True),
        ({"model": "pixverse/v5-5-text-to-video", "generate_audio_switch": False}, False),
        ({**TALK, "video_url": "https://example.com/face.mp4"}, True),
    ],
    ids=str,
)
def test_sound_is_there_when_asked_for(
    aimlapi: AimlApiClient, sandbox: Sandbox, fields: dict[str, Any], audio: bool
) -> None:
    probe = Probe(aimlapi.make(**fields))
    assert ("aac" in probe.codecs) is audio
    assert sandbox.ledger()["generations"][0]["file"]["has_audio"] is audio
    assert probe.seconds == pytest.approx(5, abs=0.1)


def test_the_picture_sent_is_in_the_video_and_gives_it_its_shape(aimlapi: AimlApiClient) -> None:
    picture = plain("red", (300, 400))
    probe = Probe(aimlapi.make(model=IMAGE5, image_url=data_uri(picture)))
    assert probe.size == (360, 480)
    assert difference(probe.frames[0], Image.open(io.BytesIO(picture))) < 12


def test_a_picture_on_this_machine_is_fetched(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    probe = Probe(aimlapi.make(model=IMAGE5, image_url=f"{sandbox.url}/_sandbox/pictures/portrait.jpg"))
    assert probe.size == (360, 640)
    assert difference(probe.frames[0], landscape("portrait", PICTURES["portrait"])) < 25


def test_a_picture_elsewhere_is_imagined_the_same_each_time(aimlapi: AimlApiClient) -> None:
    one, again, other = (
        Probe(aimlapi.make(model=IMAGE5, image_url=f"https://example.com/{name}", seed=1)).frames[0]
        for name in ("a.jpg", "a.jpg", "b.jpg")
    )
    assert difference(one, again) == 0
    assert difference(one, other) > 5


def test_a_transition_goes_from_the_first_frame_to_the_last(aimlapi: AimlApiClient) -> None:
    red, blue = plain("red"), plain("blue")
    frames = Probe(aimlapi.make(model=FRAMES5, image_url=data_uri(red), tail_image_url=data_uri(blue))).frames
    assert difference(frames[0], Image.new("RGB", (64, 64), "red")) < 12
    assert difference(frames[-1], Image.new("RGB", (64, 64), "blue")) < 12
    assert difference(frames[60], Image.new("RGB", (64, 64), (127, 0, 127))) < 25


def test_equal_first_and_last_frames_make_a_loop(aimlapi: AimlApiClient, sandbox: Sandbox) -> None:
    picture = f"{sandbox.url}/_sandbox/pictures/harbour.png"
    frames = Probe(aimlapi.make(model=FRAMES5, image_url=picture, tail_image_url=picture)).frames
    assert difference(frames[0], frames[-1]) < 2
    assert difference(frames[0], frames[30]) > 2


def test_lip_sync_keeps_picture_and_length_of_the_video(aimlapi: AimlApiClient, tmp_path: Path) -> None:
    path = tmp_path / "face.mp4"
    render(Scene("a face", "", 480, 360, 2.0, first_frame=plain("green")), path)
    content = aimlapi.make(**TALK, video_url=data_uri(path.read_bytes(), "video/mp4"))
    probe = Probe(content)
    assert probe.size == (480, 360)
    assert probe.seconds == pytest.approx(2, abs=0.1)
    assert difference(probe.frames[0], Image.new("RGB", (64, 64), "green")) < 12


def test_an_input_that_is_no_picture_fails_the_job(aimlapi: AimlApiClient) -> None:
    said = aimlapi.finish(aimlapi.submit(model=IMAGE5, image_url=data_uri(b"not a picture")).json()["id"])
    assert said["status"] == "error"
    assert "neither a picture nor a video" in said["error"]["message"]


def test_the_prompt_is_written_in_the_picture(aimlapi: AimlApiClient) -> None:
    short, long = (
        Probe(aimlapi.make(prompt=prompt, model=IMAGE5, image_url=data_uri(plain("red")), seed=1)).frames[0]
        for prompt in ("a lake", "a lake at dawn, with mist over the water and a heron that waits " * 4)
    )
    lower = (0, 180, 640, 340)
    assert difference(short, long) < 12
    assert ImageStat.Stat(ImageChops.difference(short.crop(lower), long.crop(lower))).mean[0] > 20
    assert short.crop(lower).getextrema()[2][1] > 200  # white letters; red has no blue in it


def test_the_same_request_and_seed_are_the_same_file(aimlapi: AimlApiClient) -> None:
    assert aimlapi.make(seed=5) == aimlapi.make(seed=5) != aimlapi.make(seed=6)


def test_a_scene_is_always_the_same_film(tmp_path: Path) -> None:
    scene = Scene("a lake", "label", 64, 36, 1.0, sound="speech")
    render(scene, tmp_path / "one.mp4")
    render(scene, tmp_path / "two.mp4")
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_sandbox_has_pictures_to_point_at(sandbox: Sandbox, suffix: str) -> None:
    for name, size in PICTURES.items():
        answer = httpx.get(f"{sandbox.url}/_sandbox/pictures/{name}.{suffix}")
        assert answer.headers["content-type"] == ("image/png" if suffix == "png" else "image/jpeg")
        assert Image.open(io.BytesIO(answer.content)).size == size
        assert answer.content == picture_file(name, suffix)
    assert "harbour" in httpx.get(f"{sandbox.url}/_sandbox/pictures/nothing.{suffix}").json()["error"]
