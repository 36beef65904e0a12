# SPDX-License-Identifier: Apache-2.0
"""What a body orders, in the sandbox's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse.sandbox.jobs import Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.pixverse_uploads import Upload

    Take = Callable[[int, str], Upload]

_INPUTS = {
    "img_id": ("first_frame", "image"),
    "first_frame_img": ("first_frame", "image"),
    "last_frame_img": ("last_frame", "image"),
    "video_media_id": ("video", "video"),
    "source_video_id": ("video", "source"),
    "audio_media_id": ("audio", "audio"),
}
"""Where each id of a body goes, and what it has to be the id of."""


def order_of(
    kind: str, body: dict[str, Any], take: Take, draw_seed: Callable[[], int]
) -> tuple[Order, float]:
    """
    Return the order, and the seconds of the recording that goes with it.

    :param kind: what is generated, as it stands in the path.
    :param body: a valid body.
    :param take: finds what an id stands for, given the id and the kind; refuses where there is none.
    :param draw_seed: makes a seed.
    """
    inputs = {_INPUTS[name][0]: take(body[name], _INPUTS[name][1]) for name in body if name in _INPUTS}
    sources = {place: upload.source for place, upload in inputs.items()}
    if kind == "extend":
        # A video to extend is where the new one starts, and not what it is made over.
        sources["first_frame"] = sources.pop("video")
    heard = body.get("generate_audio_switch") or body.get("sound_effect_switch")
    speaks = kind == "lip_sync" or body.get("lip_sync_switch")
    order = Order(
        model=body.get("model", "lip-sync"),
        prompt=body.get("prompt") or body.get("lip_sync_tts_content", ""),
        short_side=int(body.get("quality", "720p").removesuffix("p")),
        seconds=float(body.get("duration", 5)),
        # 0 is what the vendor takes for "any".
        seed=body.get("seed") or draw_seed(),
        aspect_ratio=body.get("aspect_ratio"),
        first_frame=sources.get("first_frame"),
        last_frame=sources.get("last_frame"),
        video=sources.get("video"),
        sound="speech" if speaks else "ambience" if heard else None,
    )
    recording = inputs.get("audio")
    return order, (recording and recording.seconds) or order.seconds
