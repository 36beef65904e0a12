# SPDX-License-Identifier: Apache-2.0
"""Reads input media from where Airflow can reach them, so that a gateway can be given them."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import posixpath
from urllib.parse import unquote_to_bytes

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.media import KINDS, Medium
from airflow_provider_pixverse.requests import shown


def read_medium(field: str, value: str) -> Medium:
    """
    Return the medium that a request field names.

    :param field: Name of the request field.
    :param value: http(s) URL, which is left to the gateway; data URI; or any path that
        ``ObjectStoragePath`` takes, with its Airflow connection.
    :raises PixverseRequestError: where it cannot be read.
    """
    kind = KINDS[field]
    if value.startswith(("http://", "https://")):
        return Medium(kind, url=value)
    try:
        if value.startswith("data:"):
            mime_type, content = _decode(value)
            return Medium(kind, content=content, mime_type=mime_type, name=field)
        content = ObjectStoragePath(value).read_bytes()
    except Exception as error:
        # Whatever a file system raises: OSError, botocore's ClientError, a missing provider.
        raise PixverseRequestError(
            f"{field}={shown(value, media=True)} cannot be read, nothing was sent: "
            f"{type(error).__name__}: {error}"
        ) from error
    name = posixpath.basename(value)
    return Medium(kind, content=content, mime_type=mimetypes.guess_type(name)[0] or "", name=name)


def _decode(uri: str) -> tuple[str, bytes]:
    head, comma, body = uri.removeprefix("data:").partition(",")
    if not comma:
        raise ValueError("a data URI has a comma between its type and its content")
    mime_type, *parameters = head.split(";")
    if "base64" not in parameters:
        return mime_type, unquote_to_bytes(body)
    try:
        return mime_type, base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise ValueError(f"its base64 content is damaged: {error}") from None
