# SPDX-License-Identifier: Apache-2.0
"""
What the benchmarks talk to: a bare HTTP server on loopback, in a process of its own.

It knows just enough HTTP to cost next to nothing: whatever is asked for is still running, which it says
after a while, in words that an AI/ML API client and an Anthropic client both understand.
``GET /counts`` tells what it has seen, and a path that ends in ``.mp4`` is a video of that many bytes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

ANSWER_AFTER = 0.05
"""Seconds after which a poll is answered."""

STILL_RUNNING = json.dumps(
    {
        "id": "msgbatch_1",
        "type": "message_batch",
        "status": "generating",
        "processing_status": "in_progress",
        "request_counts": {"processing": 1, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "ended_at": None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
).encode()
BLOCK = bytes(256 * 1024)


class Counts:
    """What the server has seen."""

    def __init__(self) -> None:
        self.polls = self.connections = self.most_connections = 0


class Conversation(asyncio.Protocol):
    """One connection."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.sending: asyncio.Task[None] | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=8 * len(BLOCK))
        self.counts.connections += 1
        self.counts.most_connections = max(self.counts.most_connections, self.counts.connections)

    def connection_lost(self, error: Exception | None) -> None:
        self.counts.connections -= 1

        self.writable.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        # Nobody here pipelines, and a request without a body fits into one segment on loopback.
        path = data.split(b" ", 2)[1].decode()
        if path == "/counts":
            self.answer(json.dumps(vars(self.counts)).encode())
            self.counts.most_connections = self.counts.connections
        elif path.endswith(".mp4"):
            self.sending = asyncio.ensure_future(self.send_video(int(path[1:-4])))
        else:
            self.counts.polls += 1
            asyncio.get_running_loop().call_later(ANSWER_AFTER, self.answer, STILL_RUNNING)

    def answer(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    async def send_video(self, size: int) -> None:
        boxes = (16).to_bytes(4, "big") + b"ftypisom" + bytes(4) + (8).to_bytes(4, "big") + b"moov"
        boxes += (1).to_bytes(4, "big") + b"mdat" + (size - len(boxes)).to_bytes(8, "big")
        self.transport.write(
            f"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: {size}\r\n\r\n".encode() + boxes
        )
        left = size - len(boxes)
        while left and not self.transport.is_closing():
            await self.writable.wait()
            self.transport.write(BLOCK[:left])
            left -= min(left, len(BLOCK))


def _serve(pipe: Connection) -> None:
    async def serve() -> None:
        counts = Counts()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Conversation(counts), "127.0.0.1", 0, backlog=10_000)
        pipe.send(server.sockets[0].getsockname()[1])
        # The pipe ends when the benchmark does, however that ends.
        with suppress(EOFError):
            await asyncio.to_thread(pipe.recv)

    asyncio.run(serve())


@contextmanager
def vendor() -> Iterator[str]:
    """Run the server; yields its base URL."""
    ours, its = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(its,), daemon=True)
    process.start()
    its.close()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        ours.close()
        process.terminate()
        process.join()


def counts(url: str) -> dict[str, int]:
    """Return what the server has seen; the most connections are those since the last time."""
    with urlopen(f"{url}/counts") as response:
        return dict(json.load(response), at=time.monotonic())
