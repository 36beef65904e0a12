# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import time
import uuid
import wave
from typing import TYPE_CHECKING, Any

import av
import httpx
from PIL import Image

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox import Sandbox

GENERATING = 5


class PixverseClient:
    """A plain client of PixVerse's own platform, which knows nothing of the provider."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.http = httpx.Client(
            base_url=f"{sandbox.url}/pixverse/openapi/v2", headers={"API-KEY": sandbox.key}, timeout=20
        )

    def get(self, path: str, trace: str | None = None) -> Any:
        return self.http.get(path, headers=_traced(trace)).json()

    def submit(self, kind: str = "text", trace: str | None = None, **fields: Any) -> Any:
        body: dict[str, Any] = {}
        if kind != "lip_sync":
            body = {"model": "v5", "prompt": "a quiet lake", "duration": 5, "quality": "360p"}
        if kind == "text":
            body["aspect_ratio"] = "16:9"
        if kind == "extend":
            body["seed"] = 3
        body = {name: value for name, value in {**body, **fields}.items() if value is not ...}
        return self.http.post(f"video/{kind}/generate", json=body, headers=_traced(trace)).json()

    def bought(self, kind: str = "text", **fields: Any) -> int:
        answer = self.submit(kind, **fields)
        assert (answer["ErrCode"], answer["ErrMsg"]) == (0, "success"), answer
        number: int = answer["Resp"]["video_id"]
        return number

    def poll(self, number: int | str, trace: str | None = None) -> Any:
        return self.get(f"video/result/{number}", trace)

    def finish(self, number: int) -> dict[str, Any]:
        for _ in range(1000):
            said: dict[str, Any] = self.poll(number)["Resp"]
            if said["status"] != GENERATING:
                return said
            time.sleep(0.02)
        raise AssertionError(f"never finished: {said}")

    def make(self, kind: str = "text", **fields: Any) -> bytes:
        """Submit, wait and download."""
        return httpx.get(self.finish(self.bought(kind, **fields))["url"]).content

    def upload(
        self, path: str, name: str, content: bytes | str, trace: str | None = None, **fields: str
    ) -> Any:
        file = ("name", content) if isinstance(content, bytes) else (None, content)
        parts = {**{field: (None, value) for field, value in fields.items()}, name: file}
        return self.http.post(f"{path}/upload", files=parts, headers=_traced(trace)).json()

    def picture(self, color: str = "red", size: tuple[int, int] = (640, 360)) -> int:
        number: int = self.upload("image", "image", picture(color, size))["Resp"]["img_id"]
        return number


def _traced(trace: str | None) -> dict[str, str]:
    return {"Ai-trace-id": trace or str(uuid.uuid4())}


def picture(color: str = "red", size: tuple[int, int] = (640, 360), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def recording(seconds: float = 2.0) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * round(seconds * 8000))
    return file.getvalue()


def colour_of(video: bytes) -> str:
    """Return which of red, green and blue the middle of a video's first picture is."""
    with av.open(io.BytesIO(video)) as film:
        frame = next(film.decode(video=0)).to_image()
    values = frame.getpixel((frame.width // 2, frame.height // 4))
    return ("red", "green", "blue")[values.index(max(values))]


def streams_of(video: bytes) -> tuple[int, int, float, bool]:
    """Return width, height, seconds, and whether there is sound."""
    with av.open(io.BytesIO(video)) as film:
        stream = film.streams.video[0]
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        return stream.width, stream.height, round(seconds, 1), bool(film.streams.audio)
