# SPDX-License-Identifier: Apache-2.0
"""
Streams a saved video as HTTP has it: whole, in ranges, or not again.

The path comes from the task's own result, never from whoever asks. A result can be forged by somebody who
may edit XComs, so the file is looked at before a byte of it leaves: it has the size on record and
starts as an MP4 does. All of this runs in threads; never more than a chunk is in memory.
"""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from airflow.providers.common.compat.sdk import ObjectStoragePath
from starlette.responses import Response, StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

log = logging.getLogger(__name__)

CHUNK = 256 * 1024
"""Bytes read at a time."""

REFUSED_SCHEMES = frozenset({"http", "https", "ftp", "sftp", "ssh", "webdav", "github", "data", "memory"})
"""No task saves a video there, and a forged result must not make Airflow send requests."""


class NoVideo(Exception):
    """There is no file that is the recorded video."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file: its first byte and the one after its last."""

    start: int
    end: int


def open_video(path: str, size: int) -> BinaryIO:
    """
    Open a saved video for reading.

    :param path: Object-storage URL or path, as recorded.
    :param size: Bytes, as recorded.
    :raises NoVideo: where there is no such file, or another one than the record describes.
    """
    scheme = path.partition("://")[0].lower() if "://" in path else ""
    # Two colons chain file systems, so that what comes first does not tell where the bytes come from.
    if scheme in REFUSED_SCHEMES or "::" in path.partition("/")[0]:
        raise NoVideo("no video is kept there")
    file: BinaryIO | None = None
    try:
        place = ObjectStoragePath(path)
        known = place.fs.info(place.path)
        if known.get("type") != "file" or known.get("size") != size:
            raise NoVideo("what is there is not the file on record")
        file = place.fs.open(place.path, "rb")
        if file.read(8)[4:] != b"ftyp":
            raise NoVideo("what is there is no MP4")
    except Exception as error:
        if file is not None:
            file.close()
        if isinstance(error, NoVideo):
            raise
        # Whatever a file system raises: OSError, botocore's ClientError, a missing connection.
        log.info("A saved video cannot be read here: %s", type(error).__name__)
        raise NoVideo("the file cannot be read") from error
    return file


def respond(file: BinaryIO, size: int, *, tag: str, method: str, headers: Mapping[str, str]) -> Response:
    """
    Answer a request for the video.

    :param file: It is closed when the answer has been sent.
    :param size: Bytes.
    :param tag: What changes when the video does.
    :param method: ``GET`` or ``HEAD``.
    :param headers: The request's.
    """
    etag = f'"{tag}"'
    described = {"Accept-Ranges": "bytes", "ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in re.findall(r'"[^"]*"', headers.get("if-none-match", "")):
        file.close()
        return Response(status_code=304, headers=described)
    span: Span | None = None
    if headers.get("if-range", etag) == etag:
        try:
            span = parse_range(headers.get("range"), size)
        except ValueError:
            file.close()
            return Response(status_code=416, headers={**described, "Content-Range": f"bytes */{size}"})
    part = span or Span(0, size)
    described["Content-Length"] = str(part.end - part.start)
    if span:
        described["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    status = 206 if span else 200
    if method == "HEAD":
        file.close()
        return Response(status_code=status, headers=described, media_type="video/mp4")
    return StreamingResponse(_read(file, part), status_code=status, headers=described, media_type="video/mp4")


def parse_range(header: str | None, size: int) -> Span | None:
    """
    Return what a ``Range`` header asks for; ``None`` is all of it, as HTTP has it of what is not understood.

    :param header: The header, if there is one.
    :param size: Bytes of the file.
    :raises ValueError: where it asks for what is not there.
    """
    asked = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,19})-(\d{0,19})\s*", header or "", re.IGNORECASE | re.ASCII)
    if asked is None or asked.groups() == ("", ""):
        return None
    first, last = asked.groups()
    if first == "":
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), size if last == "" else min(size, int(last) + 1)
        if last and int(last) < start:
            return None
    if start >= end:
        raise ValueError("the range is outside of the file")
    return Span(start, end)


def _read(file: BinaryIO, span: Span) -> Iterator[bytes]:
    """Read a stretch in chunks; Starlette calls this in threads, and forgets it where the client leaves."""
    try:
        file.seek(span.start)
        left = span.end - span.start
        while left > 0:
            chunk: Any = file.read(min(CHUNK, left))
            if not chunk:
                # The announced length is not reached: the server ends the connection, which says so.
                return
            left -= len(chunk)
            yield chunk
    finally:
        with suppress(Exception):
            file.close()
