# SPDX-License-Identifier: Apache-2.0
"""An input medium: a picture, video or recording that a request refers to, and what a gateway takes of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from enum import StrEnum
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from airflow_provider_pixverse.exceptions import PixverseRequestError

if TYPE_CHECKING:
    from collections.abc import Callable


class MediumKind(StrEnum):
    """What an input medium is."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


KINDS = {
    "image": MediumKind.IMAGE,
    "first_frame": MediumKind.IMAGE,
    "last_frame": MediumKind.IMAGE,
    "video": MediumKind.VIDEO,
    "audio": MediumKind.AUDIO,
}
"""What the request fields that hold a medium expect."""


@dataclass(frozen=True, slots=True)
class Medium:
    """
    One input medium: somewhere on the web, in memory, or in storage that can be read in chunks.

    :param kind: What it is.
    :param url: Its http(s) URL, left to the gateway to fetch; ``None`` where the provider has it.
    :param content: Its bytes, where they are in memory.
    :param opener: Opens it, where it is in storage.
    :param size: Bytes.
    :param mime_type: For example ``image/png``; empty where only the URL is known.
    :param name: A file name for uploads.
    :param width: Pixels, of a picture; 0 where unknown.
    :param height: Likewise.
    """

    kind: MediumKind
    url: str | None = None
    content: bytes = field(default=b"", repr=False)
    opener: Callable[[], BinaryIO] | None = field(default=None, repr=False)
    size: int = 0
    mime_type: str = ""
    name: str = ""
    width: int = 0
    height: int = 0

    def open(self) -> BinaryIO:
        """Return a file to read the medium from, so that what is large need not be in memory."""
        return BytesIO(self.content) if self.opener is None else self.opener()

    def data_uri(self) -> str:
        """Return the medium as a data URI (RFC 2397)."""
        with self.open() as file:
            return f"data:{self.mime_type};base64,{base64.b64encode(file.read()).decode()}"


@dataclass(frozen=True, slots=True)
class MediumLimits:
    """
    What a gateway takes of one kind of medium.

    :param mime_types: Allowed types.
    :param max_bytes: Largest size.
    :param max_side: Longest side of a picture in pixels; 0 where there is no limit.
    :param source: The vendor page they were read from.
    """

    mime_types: tuple[str, ...]
    max_bytes: int
    max_side: int = 0
    source: str = ""


def check_medium(name: str, medium: Medium, limits: MediumLimits | None) -> None:
    """
    Hold a medium against the gateway's limits; one that is only a URL is left to the gateway.

    :param name: The request field it was given in.
    :param medium: The medium.
    :param limits: What the gateway takes, or ``None`` where it states nothing.
    :raises PixverseRequestError: naming field, value and what is allowed.
    """
    if medium.url is not None:
        return
    wrong = ""
    if not medium.size:
        wrong = "it is empty"
    elif not medium.mime_type.startswith(f"{medium.kind}/"):
        wrong = f"it is {medium.mime_type or 'of an unknown type'}, not {_a(medium.kind)}"
    elif medium.kind is MediumKind.IMAGE and not (medium.width and medium.height):
        wrong = "its picture cannot be read"
    elif limits is not None:
        wrong = _beyond(medium, limits)
    if wrong:
        raise PixverseRequestError(f"{name} ({medium.name}): {wrong}. Nothing was sent.")


def _beyond(medium: Medium, limits: MediumLimits) -> str:
    if medium.mime_type not in limits.mime_types:
        return f"{medium.mime_type} is not taken, allowed are {', '.join(limits.mime_types)}"
    if medium.size > limits.max_bytes:
        return f"it has {medium.size:,} bytes, allowed are {limits.max_bytes:,}"
    if limits.max_side and max(medium.width, medium.height) > limits.max_side:
        return f"it has {medium.width} x {medium.height} pixels, allowed are {limits.max_side} a side"
    return ""


def _a(kind: MediumKind) -> str:
    return f"{'a' if kind is MediumKind.VIDEO else 'an'} {kind}"
