# SPDX-License-Identifier: Apache-2.0
"""
Which gateway serves which task and version, under which vendor name, with which limits.

This is data: one :class:`Offering` a row, each with the page it was read from. A new model is a new
row. :func:`check` holds a request against its row before anything is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.media import MediumKind, MediumLimits
from airflow_provider_pixverse.requests import GenerationRequest, LipSync, Task, VideoRequest, shown

ALL_RESOLUTIONS = ("360p", "540p", "720p", "1080p")
FIVE_RATIOS = ("16:9", "4:3", "1:1", "3:4", "9:16")
EIGHT_RATIOS = (*FIVE_RATIOS, "2:3", "3:2", "21:9")

ANY_SEED = (0, 2147483647)
SEGMIND_SEEDS = (1, 999_999)

VOICE_IDS = {
    "auto": "auto", "Emily": "1", "James": "2", "Isabella": "3", "Liam": "4", "Chloe": "5", "Adrian": "6",
    "Harper": "7", "Ava": "8", "Sophia": "9", "Julia": "10", "Mason": "11", "Jack": "12", "Oliver": "13",
    "Ethan": "14",
}  # fmt: skip
"""PixVerse's own numbers of the system voices, for gateways that take these instead of the names."""


@dataclass(frozen=True, slots=True)
class Offering:
    """
    One model of one gateway.

    :param gateway: Name of the gateway.
    :param task: What it makes.
    :param version: PixVerse model version; empty where the gateway has one model for the task.
    :param model: The vendor's model id or slug that is sent.
    :param durations: Allowed lengths in seconds; empty where the input decides.
    :param resolutions: Allowed short sides; empty where the input decides.
    :param aspect_ratios: Allowed ratios; empty where the input picture decides.
    :param options: Optional request fields that the model takes.
    :param excluded: Pairs of resolution and duration that it refuses.
    :param seeds: The lowest and the highest seed that it takes.
    :param aliases: Other ids of the same model.
    :param source: The vendor page the row was read from.
    """

    gateway: str
    task: Task
    version: str
    model: str
    durations: tuple[int, ...] = ()
    resolutions: tuple[str, ...] = ()
    aspect_ratios: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    excluded: frozenset[tuple[str, int]] = frozenset()
    seeds: tuple[int, int] = ANY_SEED
    aliases: tuple[str, ...] = ()
    source: str = ""


_AIML_V5 = frozenset({"negative_prompt", "style", "seed", "speech"})
_AIML_V55 = frozenset({"negative_prompt", "style", "seed", "audio", "multi_clip", "thinking"})
_AIML_1080P = frozenset({("1080p", 8)})

_PIXVERSE_ANY = frozenset({"negative_prompt", "style", "seed"})
_PIXVERSE_SPOKEN = _PIXVERSE_ANY | {"speech", "sound_effect"}
_PIXVERSE_AUDIBLE = _PIXVERSE_ANY | {"audio"}
_PIXVERSE_CLIPS = _PIXVERSE_AUDIBLE | {"multi_clip", "thinking"}
_PIXVERSE_TO_V5 = {
    Task.TEXT_TO_VIDEO: _PIXVERSE_SPOKEN,
    Task.IMAGE_TO_VIDEO: _PIXVERSE_SPOKEN,
    Task.TRANSITION: _PIXVERSE_SPOKEN,
    Task.EXTEND: _PIXVERSE_ANY,
}
_PIXVERSE_V55 = {
    Task.TEXT_TO_VIDEO: _PIXVERSE_CLIPS,
    Task.IMAGE_TO_VIDEO: _PIXVERSE_CLIPS,
    Task.TRANSITION: _PIXVERSE_AUDIBLE,
}
_PIXVERSE_V6 = {**_PIXVERSE_V55, Task.EXTEND: _PIXVERSE_AUDIBLE}
_PIXVERSE_C1 = dict.fromkeys(_PIXVERSE_V55, _PIXVERSE_AUDIBLE)
_UP_TO_15 = tuple(range(1, 16))
_NOT_8 = frozenset({("1080p", 8)})
_NOT_10 = frozenset({("1080p", 10)})

# Version, lengths, ratios, refused pairs, and the tasks with the options each of them takes. Where the
# vendor's pages contradict one another, what its price list or its newest reference offers is let through,
# since a refused request costs nothing: v5 at 1080p for 8 s, c1 at 1080p for more than 5 s.
_PIXVERSE = (
    ("v3.5", (5, 8), FIVE_RATIOS, _NOT_8, _PIXVERSE_TO_V5),
    ("v4", (5, 8), FIVE_RATIOS, _NOT_8, _PIXVERSE_TO_V5),
    ("v4.5", (5, 8), FIVE_RATIOS, _NOT_8, _PIXVERSE_TO_V5),
    ("v5", (5, 8), FIVE_RATIOS, frozenset[tuple[str, int]](), _PIXVERSE_TO_V5),
    ("v5.5", (5, 8, 10), FIVE_RATIOS, _NOT_10, _PIXVERSE_V55),
    ("v5.6", (5, 8, 10), FIVE_RATIOS, _NOT_10, _PIXVERSE_V55),
    ("v6", _UP_TO_15, EIGHT_RATIOS, frozenset[tuple[str, int]](), _PIXVERSE_V6),
    ("c1", _UP_TO_15, EIGHT_RATIOS, frozenset[tuple[str, int]](), _PIXVERSE_C1),
)

_SEGMIND_V5 = frozenset({"negative_prompt", "seed", "speech", "sound_effect"})
_SEGMIND_V6 = frozenset({"negative_prompt", "seed", "audio", "thinking"})

OFFERINGS: tuple[Offering, ...] = (
    Offering(
        "aimlapi", Task.TEXT_TO_VIDEO, "v5", "pixverse/v5/text-to-video",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS, aspect_ratios=FIVE_RATIOS,
        options=_AIML_V5, excluded=_AIML_1080P,
        source="docs.aimlapi.com, video models, pixverse, v5/text-to-video",
    ),
    Offering(
        "aimlapi", Task.IMAGE_TO_VIDEO, "v5", "pixverse/v5/image-to-video",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=_AIML_V5, excluded=_AIML_1080P,
        source="docs.aimlapi.com, video models, pixverse, v5/image-to-video",
    ),
    Offering(
        "aimlapi", Task.TRANSITION, "v5", "pixverse/v5/transition",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=_AIML_V5, excluded=_AIML_1080P,
        source="docs.aimlapi.com, video models, pixverse, v5/transition",
    ),
    # The samples with real output send the dashed id; the dotted one stands only in the schema's enum.
    Offering(
        "aimlapi", Task.TEXT_TO_VIDEO, "v5.5", "pixverse/v5-5-text-to-video",
        durations=(5, 8, 10), resolutions=ALL_RESOLUTIONS, aspect_ratios=FIVE_RATIOS,
        options=_AIML_V55, excluded=_AIML_1080P, aliases=("pixverse/v5.5/text-to-video",),
        source="docs.aimlapi.com, video models, pixverse, v5.5/text-to-video",
    ),
    Offering(
        "aimlapi", Task.IMAGE_TO_VIDEO, "v5.5", "pixverse/v5-5-image-to-video",
        durations=(5, 8, 10), resolutions=ALL_RESOLUTIONS,
        options=_AIML_V55, excluded=_AIML_1080P, aliases=("pixverse/v5.5/image-to-video",),
        source="docs.aimlapi.com, video models, pixverse, v5.5/image-to-video",
    ),
    Offering(
        "aimlapi", Task.LIP_SYNC, "", "pixverse/lip-sync",
        options=frozenset({"speech", "audio"}),
        source="docs.aimlapi.com, video models, pixverse, lip-sync",
    ),
    # One slug makes v5 from text or from an image. "Only 5 is allowed for [...] 1080p quality"; its page
    # has lip_sync_switch, and is taken to have the fields that go with it as on the transition's page.
    Offering(
        "segmind", Task.TEXT_TO_VIDEO, "v5", "pixverse-5-video",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS, aspect_ratios=FIVE_RATIOS,
        options=_SEGMIND_V5, excluded=_NOT_8, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-5-video/api",
    ),
    Offering(
        "segmind", Task.IMAGE_TO_VIDEO, "v5", "pixverse-5-video",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=_SEGMIND_V5, excluded=_NOT_8, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-5-video/api",
    ),
    # Its page knows no rule about 1080p, and PixVerse has a price for v5 at 1080p and 8 s.
    Offering(
        "segmind", Task.TRANSITION, "v5", "pixverse-5-transition",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=frozenset({"seed", "speech", "sound_effect"}), seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-5-transition/api",
    ),
    Offering(
        "segmind", Task.EXTEND, "v5", "pixverse-5-extend",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=frozenset({"negative_prompt", "seed"}), excluded=_NOT_8, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-5-extend/api",
    ),
    Offering(
        "segmind", Task.TEXT_TO_VIDEO, "v4.5", "pixverse-4.5-video",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS, aspect_ratios=FIVE_RATIOS,
        options=frozenset({"negative_prompt", "seed"}), excluded=_NOT_8, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-4.5-video/api",
    ),
    Offering(
        "segmind", Task.IMAGE_TO_VIDEO, "v4.5", "pixverse-4.5-video",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=frozenset({"negative_prompt", "seed"}), excluded=_NOT_8, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-4.5-video/api",
    ),
    # Its page knows no rule about 1080p, but PixVerse's has it for every v4.5: 1080p is not made with 8 s.
    Offering(
        "segmind", Task.TRANSITION, "v4.5", "pixverse-4.5-transition",
        durations=(5, 8), resolutions=ALL_RESOLUTIONS,
        options=frozenset({"seed"}), excluded=_NOT_8, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-4.5-transition/api",
    ),
    # The part of the page that was seen ends before a seed; every other PixVerse slug takes one.
    Offering(
        "segmind", Task.TEXT_TO_VIDEO, "v6", "pixverse-v6",
        durations=_UP_TO_15, resolutions=ALL_RESOLUTIONS, aspect_ratios=EIGHT_RATIOS,
        options=_SEGMIND_V6, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-v6/api",
    ),
    Offering(
        "segmind", Task.IMAGE_TO_VIDEO, "v6", "pixverse-v6",
        durations=_UP_TO_15, resolutions=ALL_RESOLUTIONS,
        options=_SEGMIND_V6, seeds=SEGMIND_SEEDS,
        source="segmind.com/models/pixverse-v6/api",
    ),
    *(
        Offering(
            "pixverse", task, version, version,
            durations=durations, resolutions=ALL_RESOLUTIONS,
            aspect_ratios=ratios if task is Task.TEXT_TO_VIDEO else (),
            options=options, excluded=excluded,
            source="docs.platform.pixverse.ai, API reference and capability matrix",
        )
        for version, durations, ratios, excluded, tasks in _PIXVERSE
        for task, options in tasks.items()
    ),
    Offering(
        "pixverse", Task.LIP_SYNC, "", "lip-sync",
        options=frozenset({"speech", "audio"}),
        source="docs.platform.pixverse.ai, Speech(Lipsync) generation",
    ),
)  # fmt: skip

_PIXVERSE_UPLOADS = "docs.platform.pixverse.ai, upload image, upload video and audio, error codes"

MEDIA_LIMITS: dict[tuple[str, MediumKind], MediumLimits] = {
    ("pixverse", MediumKind.IMAGE): MediumLimits(
        ("image/jpeg", "image/png", "image/webp"), 20 * 10**6, max_side=10_000, source=_PIXVERSE_UPLOADS
    ),
    ("pixverse", MediumKind.VIDEO): MediumLimits(
        ("video/mp4", "video/quicktime", "video/webm"), 50 * 10**6, source=_PIXVERSE_UPLOADS
    ),
    ("pixverse", MediumKind.AUDIO): MediumLimits(
        ("audio/mpeg", "audio/wav"), 50 * 10**6, source=_PIXVERSE_UPLOADS
    ),
}
"""What a gateway states of input media; the others state nothing."""

SHORTEST_RENDERING = {
    # A clip of 1 s at 360p with sound, by a client's log: from its creation to its last change.
    "v6": 17.0,
    # 5 s at 540p with sound, by the same log.
    "c1": 34.0,
}
"""Seconds of the shortest rendering seen, by version: a video is not looked for before it can be there."""

SHORTEST_UNSEEN = 5.0
"""
Seconds for what is not among them. Vendors' pages tell averages (46 to 112 s) and single samples (34 to
123 s) of the others, which say nothing about the shortest.
"""

_OPTIONAL = {
    "negative_prompt": None,
    "style": None,
    "seed": None,
    "speech": None,
    "sound_effect": None,
    "audio": False,
    "multi_clip": False,
    "thinking": "auto",
}
"""Optional fields and the value that asks for nothing, which every gateway can honour."""


def find(gateway: str, request: GenerationRequest) -> Offering | None:
    """
    Return the row that serves a request, or ``None`` for a ``model`` the catalogue does not know.

    :raises PixverseRequestError: where no row of the gateway serves the task or the version.
    """
    of_task = [row for row in OFFERINGS if row.task == request.task]
    here = [row for row in of_task if row.gateway == gateway]
    if request.model is not None:
        return _named(request.model, here, gateway, request)
    version = request.version if isinstance(request, VideoRequest) else ""
    for row in here:
        if row.version == version:
            return row
    if not here:
        raise PixverseRequestError(
            f"{request.task} is not offered by the gateway {gateway!r}; {_offered_by(of_task)}."
        )
    raise PixverseRequestError(
        f"version={shown(version)}: for {request.task} the gateway {gateway!r} has "
        f"{_listed([row.version for row in here])}; "
        f"{_offered_by([row for row in of_task if row.version == version])}. "
        f"A newer model can be named by the vendor's id in model."
    )


def _named(model: str, here: list[Offering], gateway: str, request: GenerationRequest) -> Offering | None:
    version = getattr(request, "version", "")
    rows = [row for row in OFFERINGS if row.gateway == gateway and model in (row.model, *row.aliases)]
    for_task = [row for row in rows if row in here]
    if rows and not for_task:
        raise PixverseRequestError(
            f"model={shown(model)}: at the gateway {gateway!r} it makes "
            f"{_listed({row.task for row in rows})}, not {request.task}."
        )
    return next((row for row in for_task if row.version == version), for_task[0] if for_task else None)


def check(gateway: str, request: GenerationRequest) -> Offering | None:
    """
    Hold a request against the limits of the model that would serve it.

    :param gateway: Name of the gateway.
    :param request: What the user asks for.
    :return: The row that serves it, or ``None`` for a ``model`` the catalogue does not know, which
        is sent unchecked.
    :raises PixverseRequestError: naming every field that the model does not take as it is, its
        value and what is allowed.
    """
    row = find(gateway, request)
    if row is None:
        return None
    wrong = [*_wrong_frame(row, request), *_wrong_options(row, request)]
    if wrong:
        raise PixverseRequestError(
            f"{row.model} at the gateway {gateway!r} cannot make this, nothing was sent: {'; '.join(wrong)}."
        )
    return row


def identify(gateway: str, request: GenerationRequest) -> tuple[str, str | None]:
    """Return the vendor's model id that serves a checked request, and its PixVerse version where known."""
    row = find(gateway, request)
    return request.model or (row.model if row else ""), (row.version or None) if row else None


def shortest_rendering(version: str | None) -> float:
    """Return the seconds before which no video of this PixVerse version was ever finished."""
    return SHORTEST_RENDERING.get(version or "", SHORTEST_UNSEEN)


def _wrong_frame(row: Offering, request: GenerationRequest) -> list[str]:
    if not isinstance(request, VideoRequest):
        return []
    wrong = []
    ratio = getattr(request, "aspect_ratio", None)
    for field, value, allowed in (
        ("duration", request.duration, row.durations),
        ("resolution", request.resolution, row.resolutions),
        ("aspect_ratio", ratio, row.aspect_ratios),
    ):
        if value is not None and allowed and value not in allowed:
            wrong.append(f"{field}={value!r}: allowed are {_listed(allowed)}")
    if request.seed is not None and not row.seeds[0] <= request.seed <= row.seeds[1]:
        wrong.append(f"seed={request.seed}: allowed are {row.seeds[0]} to {row.seeds[1]}")
    if (request.resolution, request.duration) in row.excluded:
        lengths = [d for d in row.durations if (request.resolution, d) not in row.excluded]
        sides = [r for r in row.resolutions if (r, request.duration) not in row.excluded]
        wrong.append(
            f"duration={request.duration} does not go with resolution={request.resolution!r}: "
            f"allowed are {_listed(lengths)} s at {request.resolution}, "
            f"or {_listed(sides)} at {request.duration} s"
        )
    return wrong


def _wrong_options(row: Offering, request: GenerationRequest) -> list[str]:
    if isinstance(request, LipSync):
        return []
    return [
        f"{field}={shown(getattr(request, field))}: this model does not take {field}, leave it out "
        f"(it takes {_listed(sorted(row.options))})"
        for field, nothing in _OPTIONAL.items()
        if field not in row.options and getattr(request, field) != nothing
    ]


def _offered_by(rows: list[Offering]) -> str:
    names = dict.fromkeys(row.gateway for row in rows)
    return f"it is offered by {_listed(names)}" if names else "no gateway here offers it"


def _listed(values: object) -> str:
    return ", ".join(str(value) for value in values) or "nothing"  # type: ignore[attr-defined]
