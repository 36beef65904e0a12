# SPDX-License-Identifier: Apache-2.0
"""
Streams a finished video into object storage, checked.

The bytes are written beside the target and looked at on their way: length, MP4 structure, sha256. Only
a file that passed is moved into place, so whoever finds something at ``output_path`` finds a whole
video. At no time are more than a few MiB of it in memory.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import posixpath
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_pixverse.exceptions import PixverseDownloadError, PixverseError
from airflow_provider_pixverse.rules.pace import usual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from airflow_provider_pixverse.client import Download

log = logging.getLogger(__name__)

BLOCK = 1_000_000
"""
Bytes that are hashed and written together; two such blocks are in memory.

Not a power of two: page caches take up what fills whole ranges of pages in large pieces, which a virtual
machine may have to fetch from its host first. Saving 1 GiB then took twice as long.
"""

PART = 8 * 1024 * 1024
"""Bytes that an object store's client collects before it sends a part; S3 takes 10,000 of at least 5 MiB."""

LONGEST_NAME = 120
"""Characters of an id in a file name; file systems take 255 bytes."""

NEEDED_BOXES = frozenset({b"ftyp", b"moov", b"mdat"})


class FileSystem(Protocol):
    """What is used of an fsspec file system; Airflow's ``ObjectStoragePath.fs`` is one."""

    protocol: Any

    def open(self, path: str, mode: str, block_size: int) -> Any:
        """Open a file."""

    def makedirs(self, path: str, exist_ok: bool) -> None:
        """Create a folder and those above it."""

    def cp_file(self, path1: str, path2: str) -> None:
        """Copy a file, replacing what is there."""

    def mv(self, path1: str, path2: str) -> None:
        """Move a file, replacing what is there."""

    def rm_file(self, path: str) -> None:
        """Delete a file."""


@dataclass(frozen=True, slots=True)
class SavedVideo:
    """
    A video that lies where it was asked to be.

    :param size_bytes: Its size in bytes.
    :param sha256: Its SHA-256, in hex.
    """

    size_bytes: int
    sha256: str


def file_name(output_path: str, generation_id: str) -> str:
    """
    Return the full target: a trailing ``/`` means a folder, the file is then named after the id.

    :param output_path: As the DAG author wrote it.
    :param generation_id: The gateway's id, whose ``:`` and ``/`` cannot stand in a file name.
    """
    if not output_path.endswith("/"):
        return output_path
    return f"{output_path}{_as_name(generation_id)}.mp4"


def save(
    download: Callable[[], AbstractContextManager[Download]],
    fs: FileSystem,
    path: str,
    *,
    generation_id: str,
    file_size: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> SavedVideo:
    """
    Fetch a finished video and put it in place, replacing what is there.

    :param download: Starts the download; called again where one did not arrive whole.
    :param fs: The file system of the target.
    :param path: The target on it.
    :param generation_id: For the error messages.
    :param file_size: Size in bytes as the vendor describes it. A whole file of another size is kept,
        with a warning: a paid video is not held back because of its description.
    :param sleep: Waits so many seconds.
    :raises PixverseDownloadError: where nothing could be put in place; nothing of it is left there.
    """
    for delay in (*usual().download_retries, None):
        try:
            video = _save_once(download, fs, path)
            break
        except Exception as error:
            # Whatever a file system raises, too: OSError, botocore's ClientError, a credentials error.
            if delay is None:
                raise undelivered(generation_id, path, error) from error
            log.warning(
                "Generation %s was not saved (%s). Downloading it again in %.0f s.",
                generation_id, _words(error), delay,
            )  # fmt: skip
            sleep(delay)
    if file_size is not None and file_size != video.size_bytes:
        log.warning(
            "Generation %s: the vendor describes a file of %d bytes; the video is whole with %d bytes "
            "and was kept.",
            generation_id, file_size, video.size_bytes,
        )  # fmt: skip
    return video


def _save_once(
    download: Callable[[], AbstractContextManager[Download]], fs: FileSystem, path: str
) -> SavedVideo:
    # A name of its own for each writer: a worker presumed dead may still be writing beside its retry.
    beside = posixpath.join(posixpath.dirname(path), f".pixverse-{secrets.token_hex(8)}.part")
    boxes, sha256 = BoxWalk(), hashlib.sha256()
    # A block is hashed, a third of what saving costs, in a thread while it is written and the next arrives.
    with download() as video, _removed_on_failure(fs, beside), ThreadPoolExecutor(1) as thread:
        hashing: Future[None] | None = None
        with _opened(fs, beside) as file:
            for block in in_blocks(video.chunks):
                boxes.feed(block)
                if hashing:
                    hashing.result()
                hashing = thread.submit(sha256.update, block)
                # A client of an object store may keep what it is given for longer than the block holds.
                file.write(block if _is_local(fs) else bytes(block))
        if hashing:
            hashing.result()
        if video.length is not None and boxes.size != video.length:
            raise PixverseDownloadError(f"{boxes.size} bytes of {video.length} arrived")
        if fault := boxes.fault():
            raise PixverseDownloadError(f"it is not an MP4: {fault}")
        saved = SavedVideo(boxes.size, sha256.hexdigest())
        _move_into_place(fs, beside, path)
    return saved


def replace_file(fs: FileSystem, path: str, content: bytes) -> None:
    """
    Write a small file so that a reader finds the old one or the new one, never a part.

    :param fs: Its file system.
    :param path: Its path there.
    :param content: All of its bytes.
    """
    beside = f"{path}.part"
    with _removed_on_failure(fs, beside):
        with _opened(fs, beside) as file:
            file.write(content)
        _move_into_place(fs, beside, path)


def _is_local(fs: FileSystem) -> bool:
    return "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def _opened(fs: FileSystem, path: str) -> Any:
    try:
        return fs.open(path, "wb", block_size=PART)
    except FileNotFoundError:
        # Only where it has to be: to an object store, asking for a folder means asking for rights.
        fs.makedirs(posixpath.dirname(path), exist_ok=True)
        return fs.open(path, "wb", block_size=PART)


def _move_into_place(fs: FileSystem, beside: str, path: str) -> None:
    if _is_local(fs):
        # fsspec moves like mv does, into the folder where the target is one.
        os.replace(beside, path)
    else:
        try:
            # Not fs.mv(), which takes what the path says for a pattern or a folder.
            fs.cp_file(beside, path)
        except NotImplementedError:
            fs.mv(beside, path)
            return
        try:
            fs.rm_file(beside)
        except Exception:
            log.warning(
                "The video is in place, but %s beside it could not be deleted.", beside, exc_info=True
            )


@contextmanager
def _removed_on_failure(fs: FileSystem, path: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(Exception):
            fs.rm_file(path)
        raise


def undelivered(generation_id: str, path: str, error: Exception) -> PixverseDownloadError:
    """Return the error for a video that exists but could not be put where it was asked to be."""
    return PixverseDownloadError(
        f"Generation {generation_id} is finished and paid for, but was not saved to {path}: {_words(error)}. "
        f"Nothing was left there. Mend the cause and retry or clear the task before the video expires.",
        generation_id=generation_id,
    )


def _words(error: Exception) -> str:
    return error.message if isinstance(error, PixverseError) else f"{type(error).__name__}: {error}"


def _as_name(generation_id: str) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]", "_", generation_id).lstrip(".") or "video"
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 17]}-{hashlib.sha256(generation_id.encode()).hexdigest()[:16]}"


def in_blocks(chunks: Iterable[bytes]) -> Iterator[memoryview]:
    """
    Gather what arrives in small pieces into blocks of :data:`BLOCK` bytes, the last one shorter.

    Each block takes the place of the one before the last: it holds until the next but one is asked for.
    """
    blocks = itertools.cycle([memoryview(bytearray(BLOCK)), memoryview(bytearray(BLOCK))])
    block, filled = next(blocks), 0
    for chunk in chunks:
        rest = memoryview(chunk)
        while rest:
            step = min(len(rest), BLOCK - filled)
            block[filled : filled + step] = rest[:step]
            rest, filled = rest[step:], filled + step
            if filled == BLOCK:
                yield block
                block, filled = next(blocks), 0
    if filled:
        yield block[:filled]


class BoxWalk:
    """
    Walks the top-level boxes of an MP4 (ISO/IEC 14496-12, section 4.2) as its bytes come by.

    A file is whole when the boxes end exactly where it ends and ``ftyp``, ``moov`` and ``mdat`` are
    among them. That also finds a body cut short under a matching ``Content-Length``.
    """

    def __init__(self) -> None:
        self.size = 0
        self._header = b""
        self._to_skip: int | None = 0
        self._found: set[bytes] = set()
        self._broken = ""
        self._start = b""

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        self.size += len(chunk)
        self._start = (self._start + chunk[:16])[:16]
        at = 0
        while at < len(chunk) and self._to_skip is not None and not self._broken:
            if self._to_skip:
                step = min(self._to_skip, len(chunk) - at)
                self._to_skip -= step
            else:
                step = min(self._missing_of_header(), len(chunk) - at)
                self._header += chunk[at : at + step]
                if not self._missing_of_header():
                    self._enter_box()
            at += step

    def fault(self) -> str:
        """Return what is wrong with the bytes as a whole, or an empty string."""
        if b"ftyp" not in self._found:
            return f"it has no ftyp box and starts with {self._start!r}"
        if self._broken:
            return self._broken
        if self._to_skip or self._header:
            return f"its last box is cut short after {self.size} bytes"
        if missing := NEEDED_BOXES - self._found:
            return f"it has no {', '.join(sorted(name.decode() for name in missing))} box"
        return ""

    def _missing_of_header(self) -> int:
        is_large = self._header[:4] == b"\x00\x00\x00\x01"
        return (16 if is_large else 8) - len(self._header)

    def _enter_box(self) -> None:
        header, self._header = self._header, b""
        length, name = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0 and name == b"mdat":
            self._to_skip = None  # the box reaches to the end of the file, however long that is
        elif length < len(header):
            self._broken = f"its box {name!r} has an impossible length"
        else:
            self._to_skip = length - len(header)
        self._found.add(name)
