# SPDX-License-Identifier: Apache-2.0
"""Saving a video: whatever goes wrong on the way, what lies at the target is whole or untouched."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import random
import threading
import tracemalloc
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_pixverse.client import Download
from airflow_provider_pixverse.exceptions import PixverseDownloadError
from airflow_provider_pixverse.rules.pace import Pace
from airflow_provider_pixverse.storage import BLOCK, BoxWalk, file_name, save

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

OLD_FORM_ID = "60ac7c34-3224-4b14-8e7d-0aa0db708325:pixverse/v5/text-to-video"
RETRY_DELAYS = Pace().download_retries
TRIES = len(RETRY_DELAYS) + 1
CHUNK = 64 * 1024


def box(name: bytes, content: bytes = b"", *, form: str = "32") -> bytes:
    """Make a box with its length in 32 bits, in 64 bits, or left open to the end of the file."""
    if form == "64":
        return (1).to_bytes(4, "big") + name + (16 + len(content)).to_bytes(8, "big") + content
    length = 0 if form == "open" else 8 + len(content)
    return length.to_bytes(4, "big") + name + content


FTYP, MOOV, MDAT = box(b"ftyp", b"isom\0\0\2\0isom"), box(b"moov", b"m" * 300), box(b"mdat", b"d" * 5000)
VIDEO = FTYP + MOOV + MDAT
SHA256 = hashlib.sha256(VIDEO).hexdigest()

WHOLE = {
    "moov first": VIDEO,
    "mdat first": FTYP + MDAT + MOOV,
    "more boxes": FTYP + box(b"free") + MOOV + MDAT + box(b"uuid", b"u" * 33),
    "a 64-bit mdat": FTYP + MOOV + box(b"mdat", b"d" * 5000, form="64"),
    "a 64-bit ftyp": box(b"ftyp", b"isom", form="64") + MDAT + MOOV,
    "an open mdat": FTYP + MOOV + box(b"mdat", b"d" * 5000, form="open"),
    "an empty open mdat": FTYP + MOOV + box(b"mdat", form="open"),
}
NOT_WHOLE = {
    "nothing": (b"", "no ftyp"),
    "a page": (
        b"<!DOCTYPE html><html><body>Sign in</body></html>",
        "no ftyp box and starts with b'<!DOCTYPE html",
    ),
    "an S3 error": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "no ftyp"),
    "JSON": (b'{"message": "expired"}', "no ftyp"),
    "zeros": (bytes(4096), "no ftyp"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(4096), "no ftyp"),
    "half of it": (VIDEO[: len(VIDEO) // 2], "cut short"),
    "all but a byte": (VIDEO[:-1], "cut short"),
    "cut in a header": (FTYP + MOOV + MDAT[:6], "cut short"),
    "cut in a 64-bit length": (FTYP + MOOV + box(b"mdat", b"d", form="64")[:12], "cut short"),
    "cut after moov": (FTYP + MOOV, "no mdat"),
    "cut after mdat": (FTYP + MDAT, "no moov"),
    "an open mdat before moov": (FTYP + box(b"mdat", MOOV, form="open"), "no moov"),
    "an open moov": (FTYP + MDAT + box(b"moov", b"m" * 300, form="open"), "impossible length"),
    "something behind it": (VIDEO + b"\n", "cut short"),
    "an impossible length": (FTYP + MOOV + (4).to_bytes(4, "big") + b"mdat" + MDAT, "impossible length"),
    "an impossible 64-bit length": (
        FTYP + MOOV + (1).to_bytes(4, "big") + b"mdat" + (9).to_bytes(8, "big"),
        "impossible length",
    ),
}


class Source:
    """
    Where downloads come from: each is the next of these, the last one for ever.

    :param videos: The bytes to give, or the error to fail with after half of the video.
    """

    def __init__(self, *videos: bytes | Exception, length: int | None = None, chunk: int = 1000) -> None:
        self.videos = list(videos)
        self.length = length
        self.chunk = chunk
        self.count = self.closed = 0

    @contextmanager
    def __call__(self) -> Iterator[Download]:
        video = self.videos[min(self.count, len(self.videos) - 1)]
        self.count += 1
        try:
            yield Download(self._chunks(video), self.length)
        finally:
            self.closed += 1

    def _chunks(self, video: bytes | Exception) -> Iterator[bytes]:
        content = VIDEO[: len(VIDEO) // 2] if isinstance(video, Exception) else video
        for start in range(0, len(content), self.chunk):
            yield content[start : start + self.chunk]
        if isinstance(video, Exception):
            raise video


class Naps:
    def __init__(self) -> None:
        self.taken: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def local() -> LocalFileSystem:
    return LocalFileSystem(skip_instance_cache=True)


def keep(
    source: Callable[[], AbstractContextManager[Download]], path: Path | str, fs: Any = None, **arguments: Any
) -> Any:
    options = {"generation_id": "gen-1", "sleep": Naps(), **arguments}
    return save(source, fs or local(), str(path), **options)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestWhole:
    @pytest.mark.parametrize("video", WHOLE.values(), ids=WHOLE)
    def test_it_is_kept_as_it_is(self, video: bytes, tmp_path: Path) -> None:
        saved = keep(Source(video, length=len(video)), tmp_path / "a.mp4")
        assert (tmp_path / "a.mp4").read_bytes() == video
        assert (saved.size_bytes, saved.sha256) == (len(video), hashlib.sha256(video).hexdigest())
        assert files(tmp_path) == ["a.mp4"]

    @pytest.mark.parametrize("chunk", [1, 2, 7, 8, 9, 16, 100, 10**6])
    @pytest.mark.parametrize("video", WHOLE.values(), ids=WHOLE)
    def test_however_it_comes_in_pieces(self, video: bytes, chunk: int) -> None:
        assert walked(video, chunk).fault() == ""
        assert walked(video, chunk).size == len(video)

    def test_a_length_that_was_not_announced_is_not_missed(self, tmp_path: Path) -> None:
        assert keep(Source(VIDEO, length=None), tmp_path / "a.mp4").size_bytes == len(VIDEO)

    def test_folders_are_made(self, tmp_path: Path) -> None:
        keep(Source(VIDEO), tmp_path / "2026-09-25" / "clips" / "a.mp4")
        assert files(tmp_path) == ["2026-09-25/clips/a.mp4"]

    def test_what_is_there_is_replaced_at_once(self, tmp_path: Path) -> None:
        target = tmp_path / "a.mp4"
        target.write_bytes(b"yesterday's")
        with target.open("rb") as reader:
            seen = []
            source = Source(VIDEO)

            @contextmanager
            def watched() -> Iterator[Download]:
                with source() as video:
                    yield Download(look_on(video.chunks, lambda: seen.append(target.read_bytes())), None)

            keep(watched, target)
            # Whoever was reading the old file goes on reading the old file.
            assert reader.read() == b"yesterday's"
        assert set(seen) == {b"yesterday's"}
        assert target.read_bytes() == VIDEO
        assert files(tmp_path) == ["a.mp4"]

    def test_what_a_killed_worker_left_is_no_obstacle(self, tmp_path: Path) -> None:
        with pytest.raises(PixverseDownloadError):
            keep(Source(b"x"), tmp_path / "a.mp4", fs=Unremovable(skip_instance_cache=True))
        left = files(tmp_path)
        assert left
        assert "a.mp4" not in left
        keep(Source(VIDEO), tmp_path / "a.mp4")
        assert "a.mp4" in files(tmp_path)
        assert (tmp_path / "a.mp4").read_bytes() == VIDEO

    def test_it_is_written_in_parts_that_object_stores_take(self, tmp_path: Path) -> None:
        sizes = []

        class Recording(LocalFileSystem):
            def open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
                sizes.append(block_size)
                return super().open(path, mode, block_size, **kwargs)

        keep(Source(VIDEO), tmp_path / "a.mp4", fs=Recording(skip_instance_cache=True))
        (size,) = sizes
        # S3 takes 10,000 parts of at least 5 MiB.
        assert size >= 5 * 2**20

    @pytest.mark.parametrize("chunk", [CHUNK, BLOCK - 1, BLOCK, 5 * BLOCK])
    @pytest.mark.parametrize("size", [2 * BLOCK, 4 * BLOCK + 1])
    def test_however_many_blocks_it_fills(self, size: int, chunk: int, tmp_path: Path) -> None:
        video = WHOLE["an open mdat"]
        video += random.Random(size).randbytes(size - len(video))
        saved = keep(Source(video, chunk=chunk), tmp_path / "a.mp4")
        assert (tmp_path / "a.mp4").read_bytes() == video
        assert saved.sha256 == hashlib.sha256(video).hexdigest()

    def test_an_object_store_may_keep_what_it_is_given(self) -> None:
        written: list[bytes] = []

        class Keeping(MemoryFileSystem):
            def open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
                file = super().open(path, mode, **kwargs)
                file.write = written.append
                return file

        video = WHOLE["an open mdat"] + random.Random(1).randbytes(4 * BLOCK)
        keep(Source(video, chunk=CHUNK), f"/{uuid4()}.mp4", fs=Keeping())
        assert b"".join(written) == video

    def test_two_at_once_do_not_spoil_one_another(self, tmp_path: Path) -> None:
        # More than is written at a time, so that the disk has seen some of it.
        video = FTYP + MOOV + box(b"mdat", b"d" * 3 * BLOCK)
        target, second_began, first_ended = tmp_path / "a.mp4", threading.Event(), threading.Event()

        @contextmanager
        def in_parts(parts: Iterable[bytes]) -> Iterator[Download]:
            yield Download(iter(parts), None)

        def late() -> Iterator[bytes]:
            second_began.set()
            first_ended.wait(5)
            yield video

        def keep_second() -> None:
            with suppress(PixverseDownloadError):
                keep(lambda: in_parts(late()), target)

        second = threading.Thread(target=keep_second)

        def early() -> Iterator[bytes]:
            yield video[: 2 * BLOCK]
            second.start()
            second_began.wait(5)
            yield video[2 * BLOCK :]

        try:
            saved = keep(lambda: in_parts(early()), target)
            assert hashlib.sha256(target.read_bytes()).hexdigest() == saved.sha256
        finally:
            first_ended.set()
            second.join()


class TestNotWhole:
    @pytest.mark.parametrize(("video", "words"), NOT_WHOLE.values(), ids=NOT_WHOLE)
    def test_nothing_is_left_of_it(self, video: bytes, words: str, tmp_path: Path) -> None:
        source, naps = Source(video, length=len(video)), Naps()
        with pytest.raises(PixverseDownloadError, match=r"gen-1.*paid for") as caught:
            keep(source, tmp_path / "a.mp4", sleep=naps)
        assert words in str(caught.value)
        assert caught.value.generation_id == "gen-1"
        assert files(tmp_path) == []
        assert (source.count, naps.taken) == (TRIES, list(RETRY_DELAYS))

    @pytest.mark.parametrize("chunk", [1, 2, 7, 8, 9, 16, 100, 10**6])
    @pytest.mark.parametrize(("video", "words"), NOT_WHOLE.values(), ids=NOT_WHOLE)
    def test_however_it_comes_in_pieces(self, video: bytes, words: str, chunk: int) -> None:
        assert words in walked(video, chunk).fault()

    @pytest.mark.parametrize("length", [len(VIDEO) - 1, len(VIDEO) + 1])
    def test_a_whole_file_of_another_length_than_announced_is_a_failed_download(
        self, length: int, tmp_path: Path
    ) -> None:
        with pytest.raises(PixverseDownloadError, match=f"{len(VIDEO)} bytes of {length} arrived"):
            keep(Source(VIDEO, length=length), tmp_path / "a.mp4")
        assert files(tmp_path) == []

    def test_what_was_there_stays(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(b"yesterday's")
        with pytest.raises(PixverseDownloadError):
            keep(Source(VIDEO[:-1]), tmp_path / "a.mp4")
        assert (tmp_path / "a.mp4").read_bytes() == b"yesterday's"
        assert files(tmp_path) == ["a.mp4"]


class TestAgain:
    @pytest.mark.parametrize(
        "fault",
        [VIDEO[:-1], b"<html>", PixverseDownloadError("cdn: ReadError")],
        ids=["short", "page", "reset"],
    )
    def test_the_download_alone_is_tried_again(
        self, fault: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        source, naps = Source(fault, fault, VIDEO), Naps()
        assert keep(source, tmp_path / "a.mp4", sleep=naps).sha256 == SHA256
        assert (source.count, source.closed, naps.taken) == (3, 3, list(RETRY_DELAYS))
        assert [each.levelname for each in caplog.records] == ["WARNING", "WARNING"]
        assert "gen-1" in caplog.text
        assert files(tmp_path) == ["a.mp4"]

    def test_a_download_that_does_not_begin_is_tried_again(self, tmp_path: Path) -> None:
        source = Source(VIDEO)
        begun = []

        def download() -> AbstractContextManager[Download]:
            begun.append(True)
            return refused() if len(begun) == 1 else source()

        @contextmanager
        def refused() -> Iterator[Download]:
            raise PixverseDownloadError("cdn answered HTTP 503")
            yield

        assert keep(download, tmp_path / "a.mp4").sha256 == SHA256
        assert len(begun) == 2

    def test_the_last_words_of_the_host_are_given(self, tmp_path: Path) -> None:
        error = PixverseDownloadError("cdn.example.com answered HTTP 403")
        with pytest.raises(PixverseDownloadError, match=r"HTTP 403.*Nothing was left there"):
            keep(Source(VIDEO[:-1], VIDEO[:-1], error), tmp_path / "a.mp4")


class TestDescribedSize:
    def test_a_wrong_description_is_told_and_the_video_kept(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        saved = keep(Source(VIDEO), tmp_path / "a.mp4", file_size=len(VIDEO) + 7)
        assert saved.size_bytes == len(VIDEO)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        for part in ("gen-1", f"{len(VIDEO)} bytes", f"{len(VIDEO) + 7} bytes"):
            assert part in record.getMessage()
        assert files(tmp_path) == ["a.mp4"]

    @pytest.mark.parametrize("file_size", [None, len(VIDEO)])
    def test_a_right_one_or_none_is_not_worth_a_word(
        self, file_size: int | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        keep(Source(VIDEO), tmp_path / "a.mp4", file_size=file_size)
        assert caplog.records == []

    def test_it_excuses_no_broken_file(self, tmp_path: Path) -> None:
        half = VIDEO[: len(VIDEO) // 2]
        with pytest.raises(PixverseDownloadError):
            keep(Source(half, length=len(half)), tmp_path / "a.mp4", file_size=len(half))
        assert files(tmp_path) == []


class Full(LocalFileSystem):
    """A disk that is full after so many bytes, or when the last of them are written out."""

    room = 3000
    on_close = False

    def open(self, path: str, mode: str = "rb", block_size: int | None = None, **kwargs: Any) -> Any:
        file, left = super().open(path, mode, block_size, **kwargs), [self.room]
        full = OSError(errno.ENOSPC, "No space left on device")
        write, close = file.write, file.close

        def limited_write(content: bytes) -> int:
            left[0] -= len(content)
            if left[0] < 0 and not self.on_close:
                raise full
            return int(write(content))

        def limited_close() -> None:
            close()
            if self.on_close:
                raise full

        file.write, file.close = limited_write, limited_close
        file.__class__ = type("Limited", (file.__class__,), {"__exit__": lambda self, *_: self.close()})
        return file


class FullOnClose(Full):
    on_close = True


class Immovable(LocalFileSystem):
    """As an object store whose copy fails; not called "file", so that it is not renamed but moved."""

    protocol = "bucket"

    def cp_file(self, path1: str, path2: str, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "AccessDenied")


class Unremovable(LocalFileSystem):
    def rm_file(self, path: str) -> None:
        raise PermissionError(errno.EACCES, "AccessDenied")


class Undeletable(Unremovable):
    """As a bucket whose policy lets a worker write but not delete."""

    protocol = "bucket"


class TestFileSystem:
    @pytest.mark.parametrize(
        ("kind", "words"),
        [(Full, "No space left"), (FullOnClose, "No space left"), (Immovable, "AccessDenied")],
    )
    def test_one_that_fails_is_left_as_it_was(
        self, kind: type[LocalFileSystem], words: str, tmp_path: Path
    ) -> None:
        (tmp_path / "a.mp4").write_bytes(b"yesterday's")
        source, naps = Source(VIDEO), Naps()
        with pytest.raises(PixverseDownloadError, match=f"paid for.*{words}") as caught:
            keep(source, tmp_path / "a.mp4", fs=kind(skip_instance_cache=True), sleep=naps)
        assert isinstance(caught.value.__cause__, OSError)
        assert (tmp_path / "a.mp4").read_bytes() == b"yesterday's"
        assert files(tmp_path) == ["a.mp4"]
        assert (source.count, source.closed, naps.taken) == (TRIES, TRIES, list(RETRY_DELAYS))

    def test_nothing_was_left_there_is_true_where_nothing_can_be_deleted(self, tmp_path: Path) -> None:
        with suppress(PixverseDownloadError):
            keep(Source(VIDEO), tmp_path / "a.mp4", fs=Undeletable(skip_instance_cache=True))
            return
        assert not (tmp_path / "a.mp4").exists()

    def test_one_that_cannot_clean_up_hides_no_cause(self, tmp_path: Path) -> None:
        with pytest.raises(PixverseDownloadError, match="no ftyp"):
            keep(Source(b"<html>"), tmp_path / "a.mp4", fs=Unremovable(skip_instance_cache=True))
        assert not (tmp_path / "a.mp4").exists()

    def test_a_folder_in_the_way_stays_as_it_is(self, tmp_path: Path) -> None:
        target = tmp_path / "clips"
        target.mkdir()
        (target / "other.mp4").write_bytes(b"another's")
        with pytest.raises(PixverseDownloadError, match=str(target)):
            keep(Source(VIDEO), target)
        assert files(tmp_path) == ["clips/other.mp4"]

    def test_a_file_where_a_folder_should_be_stays_as_it_is(self, tmp_path: Path) -> None:
        (tmp_path / "clips").write_bytes(b"a file")
        with pytest.raises(PixverseDownloadError):
            keep(Source(VIDEO), tmp_path / "clips" / "a.mp4")
        assert files(tmp_path) == ["clips"]

    @pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
    def test_who_is_interrupted_leaves_nothing(
        self, interruption: type[BaseException], tmp_path: Path
    ) -> None:
        @contextmanager
        def interrupted() -> Iterator[Download]:
            def chunks() -> Iterator[bytes]:
                yield VIDEO[:3000]
                raise interruption

            yield Download(chunks(), None)

        with pytest.raises(interruption):
            keep(interrupted, tmp_path / "a.mp4")
        assert files(tmp_path) == []

    def test_any_fsspec_file_system_will_do(self) -> None:
        fs, folder = MemoryFileSystem(), f"/{uuid4()}"
        with pytest.raises(PixverseDownloadError):
            keep(Source(VIDEO[:-1]), f"{folder}/clips/a.mp4", fs)
        assert fs.find(folder) == []
        for name in ("old", "new"):
            video = FTYP + box(b"free", name.encode()) + MOOV + MDAT
            assert keep(Source(video), f"{folder}/clips/a.mp4", fs).size_bytes == len(video)
            assert fs.find(folder) == [f"{folder}/clips/a.mp4"]
            assert fs.cat_file(f"{folder}/clips/a.mp4") == video


class TestNames:
    @pytest.mark.parametrize(
        ("output_path", "generation_id", "target"),
        [
            ("s3://bucket/clips/", "AbC-_09", "s3://bucket/clips/AbC-_09.mp4"),
            ("clips/", OLD_FORM_ID, f"clips/{OLD_FORM_ID.replace(':', '_').replace('/', '_')}.mp4"),
            ("clips/", "../../etc/passwd", "clips/_.._etc_passwd.mp4"),
            ("clips/", "..", "clips/video.mp4"),
            ("clips/a.mp4", "gen-1", "clips/a.mp4"),
            ("clips/a", "gen-1", "clips/a"),
        ],
    )
    def test_a_trailing_slash_means_a_folder(self, output_path: str, generation_id: str, target: str) -> None:
        assert file_name(output_path, generation_id) == target

    def test_ids_of_the_old_form_can_be_kept(self, tmp_path: Path) -> None:
        target = file_name(f"{tmp_path}/clips/", OLD_FORM_ID)
        keep(Source(VIDEO), target, generation_id=OLD_FORM_ID)
        assert files(tmp_path) == [os.path.relpath(target, tmp_path)]


def test_memory_does_not_grow_with_the_video(tmp_path: Path) -> None:
    size = 64 * 2**20
    head = FTYP + MOOV + (8 + size).to_bytes(4, "big") + b"mdat"

    @contextmanager
    def big() -> Iterator[Download]:
        def chunks() -> Iterator[bytes]:
            yield head
            for number in range(size // CHUNK):
                yield bytes([number % 256]) * CHUNK

        yield Download(chunks(), len(head) + size)

    tracemalloc.start()
    try:
        saved = keep(big, tmp_path / "a.mp4")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert saved.size_bytes == (tmp_path / "a.mp4").stat().st_size == len(head) + size
    assert peak < 16 * 2**20


def walked(video: bytes, chunk: int) -> BoxWalk:
    boxes = BoxWalk()
    for start in range(0, len(video), chunk):
        boxes.feed(video[start : start + chunk])
    return boxes


def look_on(chunks: Iterable[bytes], look: Callable[[], Any]) -> Iterator[bytes]:
    for chunk in chunks:
        look()
        yield chunk
