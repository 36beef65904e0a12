# SPDX-License-Identifier: Apache-2.0
"""Promise 1, same step, any gateway: every task makes what was asked, and leaves vendors no choice."""

from __future__ import annotations

import io
import wave
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_pixverse.operators.pixverse import (
    PixverseExtendOperator,
    PixverseImageToVideoOperator,
    PixverseLipSyncOperator,
    PixverseTextToVideoOperator,
    PixverseTransitionOperator,
)
from airflow_provider_pixverse.sandbox.pictures import picture_file
from airflow_provider_pixverse.sandbox.video import Scene, render
from conformance.vendors import VENDORS
from conformance.world import SMALL, Film, data_uri, probe

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.world import World

EVERYWHERE = tuple(VENDORS)
SOURCE = Film(640, 360, 3.0)
"""The video that is extended and made to speak."""


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return paths of the pictures, the video and the recording that videos are made from."""
    folder = tmp_path_factory.mktemp("media")
    for name in ("meadow", "portrait", "harbour"):
        (folder / f"{name}.png").write_bytes(picture_file(name, "png"))
    render(
        Scene("A woman looks up", "source", SOURCE.width, SOURCE.height, SOURCE.seconds),
        folder / "source.mp4",
    )
    with wave.open(str(folder / "words.wav"), "wb") as recording:
        recording.setparams((1, 2, 8000, 0, "NONE", ""))
        recording.writeframes(b"\0\0" * 16000)
    return {file.stem: str(file) for file in folder.iterdir()}


def asked(name: str, operator: Any, fields: dict[str, Any], film: Film, *, at: tuple[str, ...]) -> list[Any]:
    return [pytest.param(gateway, operator, fields, film, id=f"{gateway}-{name}") for gateway in at]


WIDE, TALL = Film(640, 360, 5.0), Film(360, 640, 5.0)
ORDERS = [
    *asked("text", PixverseTextToVideoOperator, {}, WIDE, at=EVERYWHERE),
    *asked("text, tall", PixverseTextToVideoOperator, {"aspect_ratio": "9:16"}, TALL, at=EVERYWHERE),
    *asked(
        "text, square, 540p, 8 s",
        PixverseTextToVideoOperator,
        {"aspect_ratio": "1:1", "resolution": "540p", "duration": 8},
        Film(540, 540, 8.0),
        at=EVERYWHERE,
    ),
    *asked(
        "text, speaking",
        PixverseTextToVideoOperator,
        {"speech": "Good morning.", "voice": "Chloe"},
        Film(640, 360, 5.0, sounds=True),
        at=EVERYWHERE,
    ),
    *asked(
        "text, with a sound effect",
        PixverseTextToVideoOperator,
        {"sound_effect": "wind"},
        Film(640, 360, 5.0, sounds=True),
        at=("segmind", "pixverse"),
    ),
    *(
        order
        for gateway, vendor in VENDORS.items()
        for audio in (False, True)
        for order in asked(
            f"text, {vendor.audible}, {'audible' if audio else 'silent'}",
            PixverseTextToVideoOperator,
            {"version": vendor.audible, "audio": audio},
            Film(640, 360, 5.0, sounds=audio),
            at=(gateway,),
        )
    ),
    *asked("image", PixverseImageToVideoOperator, {"image": "meadow"}, Film(480, 360, 5.0), at=EVERYWHERE),
    *asked(
        "image, speaking",
        PixverseImageToVideoOperator,
        {"image": "portrait", "speech": "Good morning."},
        Film(360, 640, 5.0, sounds=True),
        at=EVERYWHERE,
    ),
    *asked(
        "transition",
        PixverseTransitionOperator,
        {"first_frame": "meadow", "last_frame": "harbour"},
        Film(480, 360, 5.0),
        at=EVERYWHERE,
    ),
    *asked(
        "loop, 8 s",
        PixverseTransitionOperator,
        {"first_frame": "harbour", "last_frame": "harbour", "duration": 8},
        Film(640, 360, 8.0),
        at=EVERYWHERE,
    ),
    *asked("extend", PixverseExtendOperator, {"video": "source"}, WIDE, at=("pixverse",)),
    pytest.param(
        "segmind",
        PixverseExtendOperator,
        {"video": "source"},
        WIDE,
        id="segmind-extend",
    ),
]
FIELDS_OF_MEDIA = ("image", "first_frame", "last_frame", "video", "audio")


def with_media(fields: dict[str, Any], media: dict[str, str]) -> dict[str, Any]:
    """Put the paths of the media in the place of their names."""
    return {
        name: media.get(str(value), value) if name in FIELDS_OF_MEDIA else value
        for name, value in fields.items()
    }


@pytest.mark.parametrize(("gateway", "operator", "fields", "film"), ORDERS)
def test_a_video_is_what_was_asked(
    world: World, media: dict[str, str], tmp_path: Path, operator: Any, fields: dict[str, Any], film: Film
) -> None:
    """Promise 1: frame size, length and sound; whatever the vendor would choose by itself."""
    result = world.task(operator, **with_media(fields, media), output_path=f"{tmp_path}/film.mp4").run()
    assert probe(tmp_path / "film.mp4") == film
    assert world.sent == (1, 1)
    assert (result["gateway"], result["status"]) == (world.gateway, "finished")
    assert result["cost"] == world.row["cost"]
    assert result["seed"] == world.row["seed"]
    assert result["version"] == fields.get("version", "v5")
    assert result["model"] == world.row["model"]


SAYING = {
    "words": {"speech": "Good morning.", "voice": "Ethan"},
    "a recording": {"audio": "words"},
}


@pytest.mark.parametrize("gateway", ["aimlapi", "pixverse"], indirect=True)
@pytest.mark.parametrize("said", SAYING.values(), ids=SAYING)
def test_a_video_is_made_to_speak(
    world: World, media: dict[str, str], tmp_path: Path, said: dict[str, Any]
) -> None:
    """Promise 1: lip-sync keeps the length of its video, and has sound."""
    fields = with_media({"video": "source", **said}, media)
    result = world.bare_task(PixverseLipSyncOperator, **fields, output_path=f"{tmp_path}/film.mp4").run()
    film = probe(tmp_path / "film.mp4")
    assert (film.seconds, film.sounds) == (SOURCE.seconds, True)
    assert film.width * SOURCE.height == film.height * SOURCE.width
    assert (result["task"], result["version"]) == ("lip-sync", None)
    assert world.sent == (1, 1)


@pytest.mark.parametrize("gateway", ["aimlapi", "pixverse"], indirect=True)
def test_a_video_that_is_made_to_speak_keeps_its_size(
    world: World, media: dict[str, str], tmp_path: Path
) -> None:
    """Promise 1: for lip-sync, the input decides the frame size."""
    fields = {"video": media["source"], "speech": "Good morning.", "output_path": f"{tmp_path}/film.mp4"}
    world.bare_task(PixverseLipSyncOperator, **fields).run()
    film = probe(tmp_path / "film.mp4")
    assert (film.width, film.height) == (SOURCE.width, SOURCE.height)


# --- media inputs -----------------------------------------------------------------------------------


def _takes_urls() -> bool:
    try:
        ObjectStoragePath("file:///")
    except TypeError:
        return False
    return True


FORMS_OF_MEDIA = {
    "http": lambda world, path: f"{world.sandbox.url}/_sandbox/pictures/meadow.png",
    "data": lambda world, path: data_uri(picture_file("meadow", "png"), "image/png"),
    "path": lambda world, path: path,
    **({"file": lambda world, path: f"file://{path}"} if _takes_urls() else {}),
}
"""The last one only where universal-pathlib is not newer than this Airflow can do with."""


def test_a_picture_is_the_same_however_it_is_given(world: World, media: dict[str, str]) -> None:
    """Inputs: an http(s) URL, a data URI, or any object-storage path."""
    for given in FORMS_OF_MEDIA.values():
        world.task(PixverseImageToVideoOperator, image=given(world, media["meadow"])).run()
    files = [row["file"] for row in world.ledger["generations"]]
    assert world.sent == (len(FORMS_OF_MEDIA), len(FORMS_OF_MEDIA))
    assert len({file["sha256"] for file in files}) == 1
    assert (files[0]["width"], files[0]["height"]) == (480, 360)


# --- what a vendor would default differently --------------------------------------------------------


def without_seed(**fields: Any) -> dict[str, Any]:
    """Return the least that a DAG author can write."""
    return {name: value for name, value in {**SMALL, **fields}.items() if name not in ("seed", "resolution")}


@pytest.mark.parametrize(
    ("gateway", "version"),
    [(gateway, version) for gateway, vendor in VENDORS.items() for version in vendor.explicit],
)
def test_what_a_vendor_would_choose_is_said(world: World, version: str) -> None:
    """Promise 1: values that a gateway would default differently are always sent."""
    world.bare_task(
        PixverseTextToVideoOperator, **without_seed(version=version), wait_for_completion=False
    ).run()
    body, explicit = world.row["request"], world.vendor.explicit[version]
    said = {name: body.get(name) for name in explicit}
    assert said == explicit
    assert world.vendor.absent[version] & set(body) == set()


def test_a_seed_that_is_left_out_is_a_random_one_and_told(world: World) -> None:
    """Promise 1: seed=None is a random one on every gateway, and the one used is reported."""
    results = [world.bare_task(PixverseTextToVideoOperator, **SMALL | {"seed": None}).run() for _ in range(3)]
    seeds = [row["seed"] for row in world.ledger["generations"]]
    assert len(set(seeds)) == 3
    assert [result["seed"] for result in results] == seeds


def test_a_seed_that_is_given_is_sent_and_makes_the_same_film(world: World) -> None:
    """Promise 1: a seed means the same on every gateway."""
    for _ in range(2):
        world.task(seed=4711).run()
    rows = world.ledger["generations"]
    assert [row["request"]["seed"] for row in rows] == [4711, 4711]
    assert len({row["file"]["sha256"] for row in rows}) == 1


def test_extra_fields_win_over_the_providers_own(world: World) -> None:
    """Field extra: sent to the vendor as they are."""
    world.task(extra={"seed": 77}, wait_for_completion=False).run()
    assert world.row["request"]["seed"] == 77


def test_a_recording_is_read_as_one(media: dict[str, str]) -> None:
    """The media themselves are what these tests take them for."""
    assert probe(media["source"]) == SOURCE
    with wave.open(io.FileIO(media["words"])) as recording:
        assert recording.getnframes() / recording.getframerate() == 2.0
