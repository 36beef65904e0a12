# SPDX-License-Identifier: Apache-2.0
"""PixVerse's own uploads: pictures, videos and recordings, looked at before they are given an id."""

from __future__ import annotations

import hashlib
import io
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import av
from aiohttp import web
from PIL import Image, UnidentifiedImageError

from airflow_provider_pixverse.sandbox.pictures import UnreadableInputError, read_input
from airflow_provider_pixverse.sandbox.pixverse_models import (
    EMPTY_PARAMETER,
    INVALID_PARAMETER,
    NOT_FOUND,
    Refusal,
)

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.pictures import Source

LARGEST_PICTURE: Final = 20 * 1024**2
LONGEST_SIDE: Final = 10_000
PICTURE_FORMATS: Final = ("JPEG", "PNG", "WEBP")
LARGEST_MEDIUM: Final = 50 * 1024**2
LONGEST_VIDEO_SIDE: Final = 1920
LONGEST_MEDIUM: Final = 30.0

INVALID_PICTURE_ID: Final = 400032
PICTURE_TOO_LARGE: Final = 500030
PICTURE_UNREADABLE: Final = 500031
PICTURE_FORMAT: Final = 500032
PICTURE_SIDES: Final = 500033


@dataclass(frozen=True)
class Upload:
    """
    Something that was uploaded.

    :param kind: image, video or audio.
    :param source: where or what it is.
    :param seconds: how long it lasts, where that is known.
    """

    kind: str
    source: Source
    seconds: float | None = None


class Form(NamedTuple):
    """The fields and the files of a multipart form."""

    fields: dict[str, str]
    files: dict[str, bytes]


async def read_form(request: web.Request) -> Form:
    """
    Read an upload.

    :raises Refusal: if it is no multipart form.
    """
    if request.content_type != "multipart/form-data":
        raise Refusal(
            INVALID_PARAMETER, f"the content type is {request.content_type}, not multipart/form-data"
        )
    form = Form({}, {})
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            form.files[name] = value.file.read()
        else:
            form.fields[name] = str(value)
    return form


def read_picture(form: Form) -> Upload:
    """
    Return the picture of a form.

    :raises Refusal: with the vendor's code.
    """
    content, address = _one_of("image", form)
    if content is not None:
        _check_picture(content)
        return Upload("image", content)
    try:
        found = read_input(address)
    except UnreadableInputError as error:
        raise Refusal(PICTURE_UNREADABLE, str(error)) from error
    if found.seconds is not None:
        raise Refusal(PICTURE_FORMAT, "image format error: it is a video")
    _check_picture(found.picture)
    return Upload("image", found.picture)


def read_medium(form: Form) -> Upload:
    """
    Return the video or recording of a form.

    :raises Refusal: with the vendor's code.
    """
    content, address = _one_of("file", form)
    said = form.fields.get("media_type")
    if said not in ("video", "audio", None):
        raise Refusal(INVALID_PARAMETER, f"invalid media_type {said}")
    if content is None:
        return Upload(said or "video", address)
    if len(content) > LARGEST_MEDIUM:
        raise Refusal(INVALID_PARAMETER, "the file is larger than 50 MB")
    kind, seconds, side = _probed(content)
    if said is not None and kind != said:
        raise Refusal(INVALID_PARAMETER, f"media_type is {said}, the file is {kind}")
    if seconds > LONGEST_MEDIUM + 0.5 or side > LONGEST_VIDEO_SIDE:
        raise Refusal(INVALID_PARAMETER, "the file is longer than 30 s or wider than 1920 pixels")
    return Upload(kind, content, seconds)


class Shelf:
    """The uploads that were taken, by the number each was given."""

    def __init__(self) -> None:
        self._uploads: dict[int, Upload] = {}
        self._sources: dict[str, Source] = {}

    def keep(self, upload: Upload) -> dict[str, Any]:
        """Give it a number, and describe it as the vendor does."""
        number, source = new_id(), upload.source
        digest = hashlib.sha256(source if isinstance(source, bytes) else source.encode()).hexdigest()
        # The same picture a thousand times over is kept once.
        self._uploads[number] = replace(upload, source=self._sources.setdefault(digest, source))
        address = f"https://media.pixverse.ai/upload/{number}"
        if upload.kind == "image":
            return {"img_id": number, "img_url": address}
        return {"media_id": number, "media_type": upload.kind, "url": address}

    def take(self, number: int, kind: str) -> Upload:
        """
        Return what was given this number.

        :param kind: image, video or audio.
        :raises Refusal: if there is no such thing of this kind.
        """
        upload = self._uploads.get(number)
        if upload is None or upload.kind != kind:
            raise Refusal(INVALID_PICTURE_ID if kind == "image" else NOT_FOUND, f"invalid {kind} id {number}")
        return upload


def new_id() -> int:
    """Make an id of 18 digits, beyond what a double holds."""
    return 10**17 + secrets.randbelow(9 * 10**17)


def _one_of(name: str, form: Form) -> tuple[bytes | None, str]:
    content, address = form.files.get(name), form.fields.get(f"{name}_url", "")
    if (content is None) == (not address):
        raise Refusal(EMPTY_PARAMETER, f"one of {name} and {name}_url is required")
    if unknown := [
        each for each in (*form.files, *form.fields) if each not in (name, f"{name}_url", "media_type")
    ]:
        raise Refusal(INVALID_PARAMETER, f"invalid param: {', '.join(unknown)}")
    if content is None and not address.startswith(("http://", "https://")):
        raise Refusal(INVALID_PARAMETER, f"{name}_url is not an http(s) address")
    return content, address


def _check_picture(content: bytes) -> None:
    if len(content) > LARGEST_PICTURE:
        raise Refusal(PICTURE_TOO_LARGE, "the image is larger than 20 MB")
    try:
        with Image.open(io.BytesIO(content)) as picture:
            kind, sides = picture.format, picture.size
            if kind in PICTURE_FORMATS and max(sides) <= LONGEST_SIDE:
                picture.load()
    except Image.DecompressionBombError as error:
        raise Refusal(PICTURE_SIDES, str(error)) from error
    except (UnidentifiedImageError, OSError) as error:
        raise Refusal(PICTURE_UNREADABLE, "cannot read the image's information") from error
    if kind not in PICTURE_FORMATS:
        raise Refusal(PICTURE_FORMAT, f"image format error: {kind}")
    if max(sides) > LONGEST_SIDE:
        raise Refusal(PICTURE_SIDES, f"image width or height error: {sides[0]} x {sides[1]}")


def _probed(content: bytes) -> tuple[str, float, int]:
    """Return whether it is a video or a recording, how long it lasts, and its longer side."""
    try:
        with av.open(io.BytesIO(content), "r") as medium:
            seconds = float(medium.duration or 0) / av.time_base
            streams: Any = medium.streams
            if streams.video:
                return "video", seconds, max(streams.video[0].width, streams.video[0].height)
            if streams.audio:
                return "audio", seconds, 0
    except (av.FFmpegError, IndexError) as error:
        raise Refusal(INVALID_PARAMETER, "the file is neither a video nor a recording") from error
    raise Refusal(INVALID_PARAMETER, "the file is neither a video nor a recording")
