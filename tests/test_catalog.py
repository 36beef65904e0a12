# SPDX-License-Identifier: Apache-2.0
"""
The catalogue against the vendors' documentation.

What the vendors take is written out here once more, from their pages and not from the catalogue, so that
a row changed by mistake shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_pixverse import catalog
from airflow_provider_pixverse.catalog import Offering, check, identify
from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.requests import (
    Extend,
    GenerationRequest,
    ImageToVideo,
    LipSync,
    Task,
    TextToVideo,
    Transition,
    VideoRequest,
    build,
)

PICTURE = "https://example.com/cat.png"
VIDEO = "https://example.com/cat.mp4"


@dataclass(frozen=True)
class Documented:
    """One model as docs.aimlapi.com describes it (OpenAPI schemas, August 2026)."""

    model: str
    kind: type[GenerationRequest]
    version: str
    needs: dict[str, str]
    durations: tuple[int, ...]
    ratios: tuple[str, ...]
    takes: frozenset[str]
    schema_id: str = ""


PROMPT = {"prompt": "a dragon"}
RESOLUTIONS = ("360p", "540p", "720p", "1080p")
RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16")
V5 = frozenset({"negative_prompt", "style", "seed", "lip_sync_tts_content"})
V55 = frozenset(
    {
        "negative_prompt",
        "style",
        "seed",
        "generate_audio_switch",
        "generate_multi_clip_switch",
        "thinking_type",
    }
)
AIMLAPI = (
    Documented("pixverse/v5/text-to-video", TextToVideo, "v5", PROMPT, (5, 8), RATIOS, V5),
    Documented(
        "pixverse/v5/image-to-video", ImageToVideo, "v5", {**PROMPT, "image": PICTURE}, (5, 8), (), V5
    ),
    Documented(
        "pixverse/v5/transition",
        Transition,
        "v5",
        {**PROMPT, "first_frame": PICTURE, "last_frame": PICTURE},
        (5, 8),
        (),
        V5,
    ),
    Documented(
        "pixverse/v5-5-text-to-video",
        TextToVideo,
        "v5.5",
        PROMPT,
        (5, 8, 10),
        RATIOS,
        V55,
        "pixverse/v5.5/text-to-video",
    ),
    Documented(
        "pixverse/v5-5-image-to-video",
        ImageToVideo,
        "v5.5",
        {**PROMPT, "image": PICTURE},
        (5, 8, 10),
        (),
        V55,
        "pixverse/v5.5/image-to-video",
    ),
)
LIP_SYNC = "pixverse/lip-sync"
EVERY_MODEL = pytest.mark.parametrize("documented", AIMLAPI, ids=lambda row: row.model)

ASKED_AS: dict[str, dict[str, Any]] = {
    "negative_prompt": {"negative_prompt": "blur"},
    "style": {"style": "anime"},
    "seed": {"seed": 7},
    "lip_sync_tts_content": {"speech": "Hello"},
    "generate_audio_switch": {"audio": True},
    "generate_multi_clip_switch": {"multi_clip": True},
    "thinking_type": {"thinking": "disabled"},
    "no such thing at this gateway": {"sound_effect": "rain"},
}
"""Each optional field of the vendor and how a DAG author asks for it."""


def ask(documented: Documented, **fields: Any) -> GenerationRequest:
    named = fields if "model" in fields else {"version": documented.version, **fields}
    return build(documented.kind, **{**documented.needs, **named})


def refusal(gateway: str, request: GenerationRequest) -> str:
    with pytest.raises(PixverseRequestError) as caught:
        check(gateway, request)
    return str(caught.value)


def test_the_catalogue_lists_the_models_that_aimlapi_documents_and_no_other() -> None:
    listed = [row.model for row in catalog.OFFERINGS if row.gateway == "aimlapi"]
    assert sorted(listed) == sorted([*(row.model for row in AIMLAPI), LIP_SYNC])


def test_every_row_names_the_page_it_was_read_from() -> None:
    for row in catalog.OFFERINGS:
        assert "." in row.source.split(",")[0], row


def test_one_row_serves_a_version_of_a_task_at_a_gateway() -> None:
    served = [(row.gateway, row.task, row.version) for row in catalog.OFFERINGS]
    assert len(served) == len(set(served))
    ids = [(row.gateway, row.task, name) for row in catalog.OFFERINGS for name in (row.model, *row.aliases)]
    assert len(ids) == len(set(ids))


@EVERY_MODEL
def test_a_version_is_sent_under_the_documented_id(documented: Documented) -> None:
    assert identify("aimlapi", ask(documented)) == (documented.model, documented.version)


def test_lip_sync_is_one_model_without_a_version() -> None:
    request = build(LipSync, video=VIDEO, speech="Hello", voice="Chloe")
    row = check("aimlapi", request)
    assert row is not None
    assert row.model == LIP_SYNC
    assert identify("aimlapi", request) == (LIP_SYNC, None)
    assert check("aimlapi", build(LipSync, video=VIDEO, audio="https://example.com/cat.mp3")) == row


@pytest.mark.parametrize("spelling", ["v5.5", "v5-5", "5.5", "V5.5"])
@pytest.mark.parametrize("documented", [row for row in AIMLAPI if row.schema_id], ids=lambda row: row.model)
def test_version_5_5_is_sent_dashed_however_it_is_spelt(documented: Documented, spelling: str) -> None:
    assert identify("aimlapi", ask(documented, version=spelling)) == (documented.model, "v5.5")
    assert "5-5" in documented.model


@pytest.mark.parametrize("documented", [row for row in AIMLAPI if row.schema_id], ids=lambda row: row.model)
def test_the_dotted_id_is_known_as_the_same_model(documented: Documented) -> None:
    by_version = check("aimlapi", ask(documented))
    assert check("aimlapi", ask(documented, model=documented.schema_id)) == by_version
    assert check("aimlapi", ask(documented, model=documented.model)) == by_version
    text = refusal("aimlapi", ask(documented, model=documented.schema_id, duration=7))
    assert "duration=7: allowed are 5, 8, 10" in text


@EVERY_MODEL
def test_a_model_named_by_its_id_is_sent_verbatim_and_brings_its_own_version(documented: Documented) -> None:
    for name in filter(None, (documented.model, documented.schema_id)):
        assert identify("aimlapi", ask(documented, model=name)) == (name, documented.version)


def test_a_model_that_the_catalogue_does_not_know_is_sent_unchecked() -> None:
    request = build(
        TextToVideo, prompt="a dragon", model="pixverse/v9/text-to-video", duration=60, speech="Hi"
    )
    assert check("aimlapi", request) is None
    assert identify("aimlapi", request) == ("pixverse/v9/text-to-video", None)


@pytest.mark.parametrize(
    ("documented", "model"),
    [(AIMLAPI[0], AIMLAPI[1].model), (AIMLAPI[1], AIMLAPI[0].model), (AIMLAPI[2], LIP_SYNC)],
)
def test_a_model_that_is_known_to_make_something_else_is_refused(documented: Documented, model: str) -> None:
    assert model in refusal("aimlapi", ask(documented, model=model))


@EVERY_MODEL
@pytest.mark.parametrize("duration", range(1, 17))
def test_a_duration_is_taken_where_it_is_documented(documented: Documented, duration: int) -> None:
    request = ask(documented, duration=duration)
    if duration in documented.durations:
        assert check("aimlapi", request) is not None
    else:
        allowed = ", ".join(map(str, documented.durations))
        assert f"duration={duration}: allowed are {allowed}" in refusal("aimlapi", request)


@EVERY_MODEL
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_every_resolution_is_taken(documented: Documented, resolution: str) -> None:
    assert check("aimlapi", ask(documented, resolution=resolution)) is not None


@EVERY_MODEL
def test_1080p_does_not_go_with_8_seconds(documented: Documented) -> None:
    text = refusal("aimlapi", ask(documented, resolution="1080p", duration=8))
    others = ", ".join(str(length) for length in documented.durations if length != 8)
    assert "duration=8 does not go with resolution='1080p'" in text
    assert f"allowed are {others} s at 1080p, or 360p, 540p, 720p at 8 s" in text


@EVERY_MODEL
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_nothing_else_is_excluded(documented: Documented, resolution: str) -> None:
    for duration in documented.durations:
        if (resolution, duration) != ("1080p", 8):
            assert check("aimlapi", ask(documented, resolution=resolution, duration=duration)) is not None


@pytest.mark.parametrize("documented", [row for row in AIMLAPI if row.ratios], ids=lambda row: row.model)
@pytest.mark.parametrize("ratio", [*RATIOS, "2:3", "3:2", "21:9"])
def test_an_aspect_ratio_is_taken_where_it_is_documented(documented: Documented, ratio: str) -> None:
    request = ask(documented, aspect_ratio=ratio)
    if ratio in documented.ratios:
        assert check("aimlapi", request) is not None
    else:
        text = refusal("aimlapi", request)
        assert f"aspect_ratio='{ratio}': allowed are 16:9, 4:3, 1:1, 3:4, 9:16" in text


@EVERY_MODEL
@pytest.mark.parametrize("field", ASKED_AS)
def test_an_option_is_taken_where_it_is_documented(documented: Documented, field: str) -> None:
    ((ours, value),) = ASKED_AS[field].items()
    request = ask(documented, **{ours: value})
    if field in documented.takes:
        assert check("aimlapi", request) is not None
    else:
        text = refusal("aimlapi", request)
        assert f"{ours}={value!r}: this model does not take {ours}, leave it out" in text
        assert documented.model in text
        assert "nothing was sent" in text


@EVERY_MODEL
def test_a_refused_option_comes_with_those_that_are_taken(documented: Documented) -> None:
    taken = sorted(ours for field in documented.takes for ours in ASKED_AS[field])
    assert f"(it takes {', '.join(taken)})" in refusal("aimlapi", ask(documented, sound_effect="rain"))


@EVERY_MODEL
@pytest.mark.parametrize("style", ["anime", "3d_animation", "clay", "comic", "cyberpunk"])
def test_every_style_is_taken(documented: Documented, style: str) -> None:
    assert check("aimlapi", ask(documented, style=style)) is not None


def test_every_wrong_field_is_named_at_once() -> None:
    text = refusal(
        "aimlapi", build(TextToVideo, prompt="a dragon", duration=7, aspect_ratio="21:9", audio=True)
    )
    for said in ("pixverse/v5/text-to-video", "'aimlapi'", "duration=7", "aspect_ratio='21:9'", "audio=True"):
        assert said in text


def test_an_unknown_version_comes_with_those_there_are() -> None:
    text = refusal("aimlapi", build(TextToVideo, prompt="a dragon", version="v99"))
    assert "version='v99': for text-to-video the gateway 'aimlapi' has v5, v5.5" in text
    assert "no gateway here offers it" in text
    assert "in model" in text


def test_aimlapi_has_no_transition_of_v5_5() -> None:
    request = build(Transition, prompt="a dragon", first_frame=PICTURE, last_frame=PICTURE, version="v5.5")
    assert "version='v5.5': for transition the gateway 'aimlapi' has v5;" in refusal("aimlapi", request)


def test_a_missing_task_comes_with_the_gateways_that_offer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    extend = build(Extend, prompt="a dragon", video=VIDEO)
    assert not any(row.gateway == "aimlapi" for row in catalog.OFFERINGS if row.task is Task.EXTEND)
    here = tuple(row for row in catalog.OFFERINGS if row.gateway == "aimlapi")
    monkeypatch.setattr(catalog, "OFFERINGS", here)
    assert (
        refusal("aimlapi", extend)
        == "extend is not offered by the gateway 'aimlapi'; no gateway here offers it."
    )
    there = tuple(
        Offering(name, Task.EXTEND, version, "extend")
        for name in ("here", "there")
        for version in ("v5", "v6")
    )
    monkeypatch.setattr(catalog, "OFFERINGS", (*here, *there))
    assert refusal("aimlapi", extend).endswith("'aimlapi'; it is offered by here, there.")


def test_a_missing_version_comes_with_the_gateways_that_offer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Offering("elsewhere", Task.TEXT_TO_VIDEO, "v99", "ninety-nine")
    other_task = Offering("nowhere", Task.EXTEND, "v99", "ninety-nine")
    monkeypatch.setattr(catalog, "OFFERINGS", (*catalog.OFFERINGS, row, other_task))
    text = refusal("aimlapi", build(TextToVideo, prompt="a dragon", version="v99"))
    assert "it is offered by elsewhere." in text


def test_the_limits_are_those_of_the_gateway_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Offering("elsewhere", Task.TEXT_TO_VIDEO, "v5", "five", durations=(60,))
    monkeypatch.setattr(catalog, "OFFERINGS", (row, *catalog.OFFERINGS))
    request = build(TextToVideo, prompt="a dragon", duration=60)
    assert check("elsewhere", request) == row
    assert "allowed are 5, 8" in refusal("aimlapi", request)


def test_every_optional_field_is_known_to_the_check() -> None:
    framing = {"prompt", "version", "resolution", "duration", "voice", "model", "extra"}
    optional = {next(iter(asked)) for asked in ASKED_AS.values()}
    assert set(VideoRequest.model_fields) - framing == optional
