# SPDX-License-Identifier: Apache-2.0
"""The provider's client at the sandbox's PixVerse: what the one sends, the other takes."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pixverse_client import picture, recording

from airflow_provider_pixverse.catalog import OFFERINGS, Offering
from airflow_provider_pixverse.client import Client
from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseCreditsError,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRequestError,
)
from airflow_provider_pixverse.gateways.pixverse import PixverseGateway
from airflow_provider_pixverse.generation import Generation, GenerationStatus
from airflow_provider_pixverse.media import KINDS, Medium, MediumKind
from airflow_provider_pixverse.requests import (
    Extend,
    GenerationRequest,
    ImageToVideo,
    LipSync,
    Task,
    TextToVideo,
    Transition,
    build,
)
from airflow_provider_pixverse.submission import Submission

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airflow_provider_pixverse.sandbox import Sandbox

ROWS = [row for row in OFFERINGS if row.gateway == "pixverse"]
ASKED: dict[str, Any] = {
    "negative_prompt": "blur", "style": "anime", "seed": 7, "speech": "Hello", "sound_effect": "rain",
    "audio": True, "multi_clip": True, "thinking": "enabled",
}  # fmt: skip
KIND: dict[Task, type[GenerationRequest]] = {
    Task.TEXT_TO_VIDEO: TextToVideo,
    Task.IMAGE_TO_VIDEO: ImageToVideo,
    Task.TRANSITION: Transition,
    Task.EXTEND: Extend,
    Task.LIP_SYNC: LipSync,
}
ADDRESS = {MediumKind.IMAGE: "https://example.com/a.png", MediumKind.VIDEO: "https://example.com/a.mp4"}


def at(sandbox: Sandbox, work: Callable[[Client], Awaitable[Any]], key: str | None = None) -> Any:
    """Do something with a client of the provider that waits for nobody."""

    async def do() -> Any:
        gateway = PixverseGateway(key or sandbox.key, base_url=f"{sandbox.url}/pixverse")
        async with Client(gateway, sleep=lambda _: asyncio.sleep(0)) as client:
            return await work(client)

    return asyncio.run(do())


async def buy(client: Client, request: GenerationRequest, media: dict[str, Medium]) -> Generation:
    ids = {field: await client.upload(field, medium) for field, medium in media.items()}
    whole = request.model_copy(update=ids)
    wanted = Submission(request=whole, key=str(uuid.uuid4()), deadline=time.time() + 60)
    return (await client.submit(wanted)).generation


async def finish(client: Client, generation: Generation) -> Generation:
    while generation.status.is_pending:
        await asyncio.sleep(0.02)
        generation = await client.look(generation.id)
    return generation


def of(row: Offering, **fields: Any) -> tuple[GenerationRequest, dict[str, Medium]]:
    """Return a request that a row of the catalogue serves, and its media."""
    kind = KIND[row.task]
    needed = ["video"] if kind is LipSync else list(kind.media_fields)
    media = {field: Medium(KINDS[field], url=ADDRESS[KINDS[field]]) for field in needed}
    basics = {"speech": "Hello"} if kind is LipSync else {"prompt": "a lake", "version": row.version}
    return build(kind, **{**basics, **dict.fromkeys(needed, "there"), **fields}), media


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.task}-{row.version}")
def test_everything_in_the_catalogue_is_taken(sandbox: Sandbox, row: Offering) -> None:
    sandbox.faults([{"fail": True, "times": None}])
    options = {} if row.task is Task.LIP_SYNC else {name: ASKED[name] for name in row.options}
    for fields in ({}, options):
        assert at(sandbox, lambda client, fields=fields: buy(client, *of(row, **fields))).id.isdecimal()
    assert sandbox.ledger()["bought"] == 2


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.task is Task.TEXT_TO_VIDEO], ids=lambda row: row.version
)
@pytest.mark.parametrize("resolution", ["360p", "540p", "720p", "1080p"])
def test_a_published_price_is_what_is_charged(sandbox: Sandbox, row: Offering, resolution: str) -> None:
    sandbox.faults([{"fail": True, "times": None}])
    lengths = [each for each in row.durations if (resolution, each) not in row.excluded]

    async def compare(client: Client) -> None:
        for duration in lengths:
            for audio in (False, True) if "audio" in row.options else (False,):
                request, _ = of(row, resolution=resolution, duration=duration, audio=audio)
                expected = client.gateway.expected_cost(request)
                charged = (await buy(client, request, {})).cost
                assert expected in (charged, None)

    at(sandbox, compare)
    assert sandbox.ledger()["bought"] == len(lengths) * (2 if "audio" in row.options else 1)


def test_a_video_from_a_file_to_the_last_byte(sandbox: Sandbox) -> None:
    medium = Medium(MediumKind.IMAGE, content=picture(), mime_type="image/png", name="cat.png")
    request = build(ImageToVideo, prompt="a cat", image="cat.png", resolution="360p", seed=77)

    async def make(client: Client) -> Generation:
        return await finish(client, await buy(client, request, {"image": medium}))

    generation = at(sandbox, make)
    assert (generation.status, generation.seed) == (GenerationStatus.FINISHED, 77)
    assert str(generation.cost) == "45 credits"
    assert len(httpx.get(generation.video_url).content) == generation.file_size
    assert sandbox.ledger()["leaked"] == 0


def test_lips_from_files(sandbox: Sandbox) -> None:
    async def make(client: Client, request: GenerationRequest, media: dict[str, Medium]) -> Generation:
        return await finish(client, await buy(client, request, media))

    silent = build(TextToVideo, prompt="a face", version="v6", duration=2, resolution="360p")
    content = httpx.get(at(sandbox, lambda client: make(client, silent, {})).video_url).content
    media = {
        "video": Medium(MediumKind.VIDEO, content=content, mime_type="video/mp4", name="face.mp4"),
        "audio": Medium(MediumKind.AUDIO, content=recording(), mime_type="audio/x-wav", name="words.wav"),
    }
    spoken = at(sandbox, lambda client: make(client, build(LipSync, video="v", audio="a"), media))
    assert spoken.status is GenerationStatus.FINISHED


@pytest.mark.parametrize(
    "effect",
    [
        {"drop": "before"}, {"drop": "after"}, {"empty": True}, {"html": True}, {"status": 500},
        {"accept_then_status": 502}, {"status": 429}, {"status": 503},
    ],
    ids=str,
)  # fmt: skip
def test_whatever_happens_to_the_answer_one_video_is_bought(sandbox: Sandbox, effect: dict[str, Any]) -> None:
    sandbox.faults([{"on": "submit", "times": 3, **effect}])
    generation = at(sandbox, lambda client: buy(client, build(TextToVideo, prompt="a lake"), {}))
    ledger = sandbox.ledger()
    assert (ledger["submitted"], ledger["bought"]) == (4, 1)
    assert ledger["generations"][0]["id"] == generation.id


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"status": 401}, PixverseAuthError),
        ({"status": 402}, PixverseCreditsError),
        ({"status": 400}, PixverseRequestError),
        (
            {"status": 200, "body": {"ErrCode": 500063, "ErrMsg": "no", "Resp": None}},
            PixverseModerationError,
        ),
    ],
    ids=str,
)
def test_what_is_refused_is_sent_once(sandbox: Sandbox, fault: dict[str, Any], kind: type[Exception]) -> None:
    sandbox.faults([{"on": "submit", **fault}])
    with pytest.raises(kind):
        at(sandbox, lambda client: buy(client, build(TextToVideo, prompt="a lake"), {}))
    assert (sandbox.ledger()["submitted"], sandbox.ledger()["bought"]) == (1, 0)


def test_balance_and_a_key_that_is_wrong(sandbox: Sandbox) -> None:
    assert at(sandbox, lambda client: client.balance()).amount == 1_072_650
    with pytest.raises(PixverseAuthError):
        at(sandbox, lambda client: client.balance(), key="other")


@pytest.mark.parametrize("generation_id", ["627410861853514292", "no number", "3yFHGAkECD5RPnpL11mHe"])
def test_an_id_that_is_unknown(sandbox: Sandbox, generation_id: str) -> None:
    with pytest.raises(PixverseNotFoundError):
        at(sandbox, lambda client: client.look(generation_id))
