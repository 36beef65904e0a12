# SPDX-License-Identifier: Apache-2.0
"""
Still pictures: landscapes drawn from a word, and the pictures and videos a request points at.

The sandbox never leaves the machine. Only data URIs and URLs on loopback are read; any other address
stands for a landscape of its own, the same one each time.
"""

from __future__ import annotations

import base64
import binascii
import io
import ipaddress
import random
import urllib.error
import urllib.parse
import urllib.request
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import av
from PIL import Image, ImageDraw, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from http.client import HTTPMessage

PICTURES: Final = {
    "mountain": (1280, 720),
    "harbour": (1280, 720),
    "meadow": (960, 720),
    "portrait": (720, 1280),
}
"""What ``/_sandbox/pictures/<name>.png`` and ``.jpg`` offer, and how large."""

MAX_INPUT_BYTES: Final = 64 * 1024 * 1024
FETCH_TIMEOUT: Final = 5.0


Source = str | bytes
"""A data URI or URL, or the content of a file."""


class UnreadableInputError(Exception):
    """The address could be read, but what is there is neither a picture nor a video."""


@dataclass(frozen=True)
class Input:
    """A picture to start from; ``seconds`` is known where it came out of a video."""

    picture: bytes
    seconds: float | None = None


def landscape(word: str, size: tuple[int, int], variant: int = 0) -> Image.Image:
    """Sky, sun and hills: always the same for the same word, size and variant."""
    dice = random.Random(f"{word}/{variant}")  # noqa: S311 - a drawing, not a secret
    width, height = size
    hue = dice.random()
    ramp = Image.linear_gradient("L").resize(size)
    sky = ImageOps.colorize(ramp, _rgb(hue, 0.65, 0.45), _rgb(hue + 0.12, 0.35, 1.0))
    draw = ImageDraw.Draw(sky)
    radius, across = min(size) * dice.uniform(0.07, 0.13), width * dice.uniform(0.2, 0.8)
    sun = height * dice.uniform(0.2, 0.4)
    box = (across - radius, sun - radius, across + radius, sun + radius)
    draw.ellipse(box, fill=_rgb(hue + 0.14, 0.15, 1.0))
    for layer in range(4):
        base, step = height * (0.5 + 0.12 * layer), width / 6
        ridge = [(i * step, base - height * dice.uniform(0.0, 0.16)) for i in range(8)]
        shade = _rgb(hue + 0.05 * layer, 0.5 + 0.08 * layer, 0.7 - 0.15 * layer)
        draw.polygon([(0, height), (0, base), *ridge, (width, height)], fill=shade)
    return sky


def picture_file(name: str, suffix: str) -> bytes:
    """One of :data:`PICTURES` as a PNG or JPEG file."""
    file = io.BytesIO()
    landscape(name, PICTURES[name]).save(file, "PNG" if suffix == "png" else "JPEG", quality=90)
    return file.getvalue()


def read_input(source: Source) -> Input:
    """Return what a picture or video of a request is, given its address or the content of its file."""
    if isinstance(source, bytes):
        return _recognised(source)
    if source.startswith("data:"):
        return _recognised(decode_data_uri(source))
    content = _fetched(source) if _on_this_machine(source) else None
    if content is None:
        return Input(_png(landscape(source, (1280, 720))))
    return _recognised(content)


def decode_data_uri(address: str) -> bytes:
    """
    Return the bytes of a data URI.

    :raises ValueError: if it is not ``data:<type>;base64,<base64>``.
    """
    head, comma, payload = address.partition(",")
    if not comma or not head.endswith(";base64") or "/" not in head:
        raise ValueError("not a base64 data URI")
    try:
        return base64.b64decode(payload, validate=True)
    except binascii.Error as error:
        raise ValueError("not valid base64") from error


def open_picture(content: bytes) -> Image.Image:
    """Return the picture the right way up, whatever its camera noted, on white where it was transparent."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGBA")
    canvas = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(canvas, picture).convert("RGB")


def _recognised(content: bytes) -> Input:
    try:
        open_picture(content)
        return Input(content)
    except (UnidentifiedImageError, OSError):
        return _first_picture(content)


def _first_picture(content: bytes) -> Input:
    try:
        with av.open(io.BytesIO(content), "r") as video:
            frame = next(video.decode(video=0))
            seconds = float(video.duration or 0) / av.time_base
            still: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
            return Input(_png(still), seconds or None)
    except (av.FFmpegError, IndexError, StopIteration) as error:
        raise UnreadableInputError("The input is neither a picture nor a video.") from error


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _rgb(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = hsv_to_rgb(hue % 1.0, min(saturation, 1.0), max(value, 0.0))
    return int(red * 255), int(green * 255), int(blue * 255)


def _on_this_machine(address: str) -> bool:
    host = urllib.parse.urlsplit(address).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A redirect could lead off this machine, so none is followed."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


# Without proxies: one from the environment would carry loopback addresses to another machine.
_OPENER = urllib.request.build_opener(_StayHere, urllib.request.ProxyHandler({}))


def _fetched(address: str) -> bytes | None:
    try:
        with _OPENER.open(address, timeout=FETCH_TIMEOUT) as answer:
            content: bytes = answer.read(MAX_INPUT_BYTES)
            return content
    except (urllib.error.URLError, OSError, ValueError):
        return None
