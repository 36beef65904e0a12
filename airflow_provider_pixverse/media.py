# SPDX-License-Identifier: Apache-2.0
"""An input medium: a picture, video or recording that a request refers to."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from enum import StrEnum


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
    One input medium, either somewhere on the web or read into memory.

    :param kind: What it is.
    :param url: Its http(s) URL; ``None`` where its content is given.
    :param content: Its bytes; empty where the URL is given.
    :param mime_type: For example ``image/png``; empty where only the URL is known.
    :param name: A file name for uploads.
    """

    kind: MediumKind
    url: str | None = None
    content: bytes = field(default=b"", repr=False)
    mime_type: str = ""
    name: str = ""

    def data_uri(self) -> str:
        """Return the content as a data URI (RFC 2397)."""
        return f"data:{self.mime_type};base64,{base64.b64encode(self.content).decode()}"
