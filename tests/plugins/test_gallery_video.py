# SPDX-License-Identifier: Apache-2.0
"""Saved videos over HTTP: ranges, and what is never given."""

from __future__ import annotations

import hashlib
import os
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse.plugins import gallery_video
from airflow_provider_pixverse.plugins.gallery_video import NoVideo, Span, open_video, parse_range
from plugins.conftest import URL
from plugins.rows import add_generation, result

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx
    from fastapi.testclient import TestClient
    from sqlalchemy.orm import Session

CONTENT = b"\0\0\0\x10ftypisom\0\0\0\0" + bytes(range(256)) * 4000
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def ask(session: Session, viewer: TestClient, saved: Path) -> Callable[..., httpx.Response]:
    """Return what asks for the video of a task that recorded it."""

    def ask(method: str = "GET", told: dict[str, Any] | None = None, **headers: str) -> Any:
        recorded = {"output_path": str(saved), "size_bytes": SIZE, "sha256": SHA256, **(told or {})}
        identity = add_generation(session, run_id=str(uuid.uuid4()), told=result(**recorded))
        session.commit()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return viewer.request(method, f"{URL}api/generations/{identity}/video", headers=sent)

    return ask


def test_the_whole_of_it(ask: Callable[..., httpx.Response]) -> None:
    answer = ask()
    assert answer.status_code == 200
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["content-length"] == str(SIZE)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=100-199", 100, 200),
        ("bytes=300000-900000", 300_000, 900_001),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=10-{SIZE + 1000}", 10, SIZE),
        ("bytes=-500", SIZE - 500, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
    ],
)
def test_a_range_of_it(ask: Callable[..., httpx.Response], asked: str, start: int, end: int) -> None:
    answer = ask(range=asked)
    assert answer.status_code == 206
    assert answer.content == CONTENT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert answer.headers["content-length"] == str(end - start)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_a_range_that_is_not_there(ask: Callable[..., httpx.Response], asked: str) -> None:
    answer = ask(range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "asked",
    ["", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "lines=1-2", "bytes=0-1,5-6", "bytes=\u0661-"],
)
def test_a_range_that_is_not_understood_is_all_of_it(asked: str) -> None:
    assert parse_range(asked, 100) is None


def test_a_suffix_of_a_file_shorter_than_it() -> None:
    assert parse_range("bytes=-500", 100) == Span(0, 100)


def test_head_tells_without_a_body(ask: Callable[..., httpx.Response]) -> None:
    answer = ask("HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(SIZE)
    assert ask("HEAD", range="bytes=0-9").headers["content-length"] == "10"


def test_it_is_not_sent_again_where_it_is_known(ask: Callable[..., httpx.Response]) -> None:
    answer = ask(if_none_match=f'W/"old", "{SHA256}"')
    assert (answer.status_code, answer.content) == (304, b"")


def test_a_range_of_another_video_is_not_mixed_in(ask: Callable[..., httpx.Response]) -> None:
    assert ask(range="bytes=0-9", if_range=f'"{SHA256}"').status_code == 206
    assert ask(range="bytes=0-9", if_range='"another"').status_code == 200


def test_it_is_read_in_chunks(ask: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    threads: set[str] = set()

    def opened(path: str, size: int) -> Any:
        file = open_video(path, size)
        read = file.read

        class Watched:
            seek, close = file.seek, file.close

            def read(self, count: int) -> bytes:
                asked.append(count)
                threads.add(threading.current_thread().name)
                return read(count)

        return Watched()

    monkeypatch.setattr("airflow_provider_pixverse.plugins.gallery_app.open_video", opened)
    assert ask().content == CONTENT
    assert max(asked) <= gallery_video.CHUNK
    assert len(asked) >= SIZE // gallery_video.CHUNK
    assert all("worker thread" in name for name in threads), threads


class TestNeverGiven:
    """A result is only an XCom: whoever may edit those can write any path into it."""

    @pytest.mark.parametrize(
        "path", ["/etc/passwd", "/proc/self/environ", "/dev/zero", "/", "/nowhere", "\0", "~"]
    )
    def test_a_file_that_is_no_video(self, ask: Callable[..., httpx.Response], path: str) -> None:
        for size in (os.stat(path).st_size if os.path.exists(path) and "\0" not in path else 1, 1, 4096):
            answer = ask(told={"output_path": path, "size_bytes": size or 1})
            assert answer.status_code == 404
            assert "root:" not in answer.text
            assert path == "/" or path not in answer.text

    def test_one_of_another_size(self, ask: Callable[..., httpx.Response]) -> None:
        assert ask(told={"size_bytes": SIZE - 1}).status_code == 404
        assert ask(told={"size_bytes": SIZE + 1}).status_code == 404

    @pytest.mark.parametrize("size", [None, 0, -1, "12", True, 1.5, 10**30, float("nan"), [SIZE]])
    def test_one_without_a_size(self, ask: Callable[..., httpx.Response], size: Any) -> None:
        assert ask(told={"size_bytes": size}).status_code == 404

    def test_one_that_only_is_called_an_mp4(self, ask: Callable[..., httpx.Response], saved: Path) -> None:
        saved.write_bytes(b"x" * SIZE)
        assert ask().status_code == 404

    def test_a_pipe_is_not_waited_for(self, ask: Callable[..., httpx.Response], tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.mp4")
        assert ask(told={"output_path": str(tmp_path / "pipe.mp4")}).status_code == 404

    @pytest.mark.parametrize(
        "path",
        [
            "http://127.0.0.1:{port}/x.mp4",
            "https://127.0.0.1:{port}/x.mp4",
            "HTTP://127.0.0.1:{port}/x.mp4",
            "ftp://127.0.0.1:{port}/x.mp4",
            "simplecache::http://127.0.0.1:{port}/x.mp4",
            "filecache::simplecache::http://127.0.0.1:{port}/x.mp4",
            "zip://x.mp4::http://127.0.0.1:{port}/x.zip",
            "reference://::http://127.0.0.1:{port}/x.json",
            "conn@http://127.0.0.1:{port}/x.mp4",
        ],
    )
    def test_airflow_is_not_made_to_ask_another_server(self, path: str) -> None:
        asked: list[Any] = []
        with _listener(asked) as port, pytest.raises(NoVideo):
            open_video(path.format(port=port), 5)
        assert asked == []

    @pytest.mark.parametrize("query", ["path=/etc/passwd", "output_path=/etc/passwd", "size_bytes=1"])
    def test_a_path_that_the_client_names(
        self, session: Session, viewer: TestClient, saved: Path, query: str
    ) -> None:
        told = result(output_path=str(saved), size_bytes=SIZE)
        identity = add_generation(session, told=told)
        session.commit()
        assert viewer.get(f"{URL}api/generations/{identity}/video?{query}").content == CONTENT

    @pytest.mark.parametrize(
        "identity", ["1", "..%2f..", "x" * 300, "00000000-0000-0000-0000-00000000000g", "%00"]
    )
    def test_an_id_that_is_none(self, viewer: TestClient, identity: str) -> None:
        assert viewer.get(f"{URL}api/generations/{identity}/video").status_code in (404, 422)

    def test_an_id_of_nothing(self, viewer: TestClient) -> None:
        assert viewer.get(f"{URL}api/generations/{uuid.uuid4()}/video").status_code == 404


def _listener(asked: list[Any]) -> Any:
    """Serve on loopback, and note who comes."""
    from contextlib import contextmanager
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            asked.append(self.client_address)
            super().setup()

        def log_message(self, *_: Any) -> None: ...

    @contextmanager
    def serving() -> Any:
        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()

    return serving()
