# SPDX-License-Identifier: Apache-2.0
"""The vendor's own programs run against the sandbox, with nothing changed but address and key."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox import Sandbox

SAMPLES = Path(__file__).parent / "vendor_samples"


@pytest.mark.parametrize(
    ("sample", "word", "size", "streams"),
    [
        ("text_to_video", "completed", (1920, 1080), 1),
        ("image_to_video", "completed", (1280, 720), 1),
        ("image_to_video_with_speech", "succeeded", (1280, 720), 2),
        ("transition", "completed", (1280, 720), 1),
        ("v5_5_image_to_video", "succeeded", (1280, 720), 1),
        ("lip_sync", "succeeded", (1280, 720), 2),
    ],
)
def test_the_vendors_program_gets_its_video(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sample: str,
    word: str,
    size: tuple[int, int],
    streams: int,
) -> None:
    source = (SAMPLES / f"{sample}.py").read_text()
    source = source.replace("https://api.aimlapi.com", f"{sandbox.url}/aimlapi")
    source = source.replace("<YOUR_AIMLAPI_KEY>", sandbox.key)
    pause = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: pause(0.02))
    program: dict[str, Any] = {"__name__": sample}
    exec(compile(source, sample, "exec"), program)  # noqa: S102 - the file beside this one
    result = program["main"]()
    assert result["status"] == word
    assert "Processing complete" in capsys.readouterr().out
    with av.open(io.BytesIO(httpx.get(result["video"]["url"]).content)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == size
        assert len(video.streams) == streams
    assert sandbox.ledger()["bought"] == 1
