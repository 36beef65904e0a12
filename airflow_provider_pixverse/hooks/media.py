# SPDX-License-Identifier: Apache-2.0
"""Reads input media from where Airflow can reach them, so that a gateway can be given them."""

from __future__ import annotations

import base64
import mimetypes
import posixpath
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote_to_bytes

import imagesize
import puremagic
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.media import KINDS, Medium, MediumKind
from airflow_provider_pixverse.requests import shown

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD = 64 * 1024
"""Bytes that are enough to tell a type."""


def read_medium(field: str, value: str) -> Medium:
    """
    Return the medium that a request field names.

    :param field: Name of the request field.
    :param value: http(s) URL, which is left to the gateway; data URI; or any path that
        ``ObjectStoragePath`` takes, with its Airflow connection.
    :raises PixverseRequestError: where it cannot be read.
    """
    scheme = value.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return Medium(KINDS[field], url=value)
    try:
        if scheme == "data":
            content = _decode(value)
            return _described(field, field, len(content), lambda: BytesIO(content))
        path = ObjectStoragePath(value)
        return _described(field, posixpath.basename(value), path.stat().st_size, lambda: path.open("rb"))  # type: ignore[no-untyped-call]
    except Exception as error:
        # Whatever a file system raises: OSError, botocore's ClientError, a missing provider.
        raise PixverseRequestError(
            f"{field}={shown(value)} cannot be read, nothing was sent: {type(error).__name__}: {error}"
        ) from error


def _described(field: str, name: str, size: int, opener: Callable[[], BinaryIO]) -> Medium:
    kind = KINDS[field]
    with opener() as file:
        mime_type = _mime_type(file.read(HEAD), name)
        file.seek(0)
        width, height = imagesize.get(file) if kind is MediumKind.IMAGE else (0, 0)
    return Medium(
        kind,
        opener=opener,
        size=size,
        mime_type=mime_type,
        name=name,
        width=max(0, int(width)),
        height=max(0, int(height)),
    )


def _mime_type(head: bytes, name: str) -> str:
    try:
        found = puremagic.from_string(head, mime=True)
    except (puremagic.PureError, ValueError):
        found = ""
    # What has no signature of its own (an MP3 without tags, some containers) is known by its name.
    found = found or mimetypes.guess_type(name)[0] or ""
    return _USUAL.get(found, found)


_USUAL = {"audio/wave": "audio/wav", "audio/x-wav": "audio/wav", "audio/mp3": "audio/mpeg"}


def _decode(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise ValueError("a data URI has a comma between its type and its content")
    content = unquote_to_bytes(body)
    if "base64" in head.lower().split(";")[1:]:
        return base64.b64decode(b"".join(content.split()), validate=True)
    return content
