# SPDX-License-Identifier: Apache-2.0
"""
Makes the videos: H.264 and AAC in an MP4 that plays while it loads, from a picture or two and a caption.

A film depends on nothing but its :class:`Scene`, and :func:`sealed` on nothing but the seed, so that the
same request with the same seed is the same file, byte for byte, in every process.
"""

from __future__ import annotations

import hashlib
import io
import math
from array import array
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

import av
from PIL import Image, ImageDraw, ImageFont, ImageOps

from airflow_provider_pixverse.sandbox.pictures import landscape, open_picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAMES_PER_SECOND: Final = 24
AUDIO_RATE: Final = 44100
AUDIO_FRAME: Final = 1024
VARIANTS: Final = 3
"""How many pictures one prompt has. Few, so that a run of a hundred clips without a seed stays cheap."""

Sound = Literal["speech", "ambience"]


@dataclass(frozen=True)
class Scene:
    """All that a film is drawn from."""

    caption: str
    label: str
    width: int
    height: int
    seconds: float
    first_frame: bytes | None = None
    last_frame: bytes | None = None
    sound: Sound | None = None
    variant: int = 0

    def digest(self) -> str:
        whole = hashlib.sha256()
        for field in fields(self):
            part = getattr(self, field.name)
            whole.update(part if isinstance(part, bytes) else repr(part).encode())
            whole.update(b"\0")
        return whole.hexdigest()


@dataclass(frozen=True)
class Film:
    """A finished video file; ``tail`` belongs at the end of what is in ``path``."""

    path: Path
    tail: bytes
    size: int
    sha256: str
    width: int
    height: int
    seconds: float
    has_audio: bool

    def read(self) -> bytes:
        return self.path.read_bytes() + self.tail


def frame_size(short_side: int, ratio: float) -> tuple[int, int]:
    """
    Width and height for a short side and a width-to-height ratio.

    Both are even, which 4:2:0 needs, and the long side is at most three times the short one.
    """
    long_side = 2 * round(short_side * min(max(ratio, 1 / ratio), 3.0) / 2)
    return (long_side, short_side) if ratio >= 1 else (short_side, long_side)


def picture_size(content: bytes) -> tuple[int, int]:
    """Width and height of a picture file."""
    return open_picture(content).size


def render(scene: Scene, path: Path) -> None:
    """Write the film of a scene to ``path``."""
    unfinished = path.with_suffix(".part.mp4")
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(str(unfinished), "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=FRAMES_PER_SECOND)
        stream.options = {"preset": "ultrafast", "crf": "28", "threads": "1"}
        stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, "yuv420p"
        audio = container.add_stream("aac", rate=AUDIO_RATE, layout="mono") if scene.sound else None
        for picture in _pictures(scene):
            frame: av.VideoFrame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None and scene.sound is not None:
            for sound in _audio_frames(scene.sound, scene.seconds):
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))
    # Under its real name only when it is whole: a film found there is not rendered again.
    unfinished.rename(path)


def sealed(scene: Scene, path: Path, seed: int) -> Film:
    """
    Turn the rendered file into the film of one seed.

    The seed goes into a ``free`` box at the end, which players skip. So two generations that share a
    rendering still are two different files, and whoever mixes them up is found out.
    """
    note = f"pixverse sandbox, seed {seed}".encode()
    tail = (8 + len(note)).to_bytes(4, "big") + b"free" + note
    content = path.read_bytes() + tail
    return Film(
        path=path,
        tail=tail,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=scene.width,
        height=scene.height,
        seconds=scene.seconds,
        has_audio=scene.sound is not None,
    )


def _pictures(scene: Scene) -> Iterator[Image.Image]:
    size = (scene.width, scene.height)
    margin = min(size) // 12
    stage = (scene.width + 2 * margin, scene.height + margin)
    first = _backdrop(scene.first_frame, scene, stage)
    last = first if scene.last_frame is None else _backdrop(scene.last_frame, scene, stage)
    panel = _caption(scene, size)
    count = max(2, round(scene.seconds * FRAMES_PER_SECOND))
    picture = first
    for number in range(count):
        # Each picture twice: half the drawing, and the encoder has next to nothing to do for the second.
        if number % 2 == 0 or number == count - 1:
            progress = number / (count - 1)
            picture = _moved(first, last, size, margin, progress)
            picture.paste(panel, (0, scene.height - panel.height), panel)
            draw = ImageDraw.Draw(picture)
            draw.rectangle(
                (0, scene.height - 4, scene.width * _there_and_back(progress), scene.height), "white"
            )
        yield picture


def _moved(
    first: Image.Image, last: Image.Image, size: tuple[int, int], margin: int, progress: float
) -> Image.Image:
    """Let the camera sway and come back, so that equal first and last frames make a seamless loop."""
    left = margin + round(margin * math.sin(2 * math.pi * progress))
    top = round(margin * _there_and_back(progress))
    window = (left, top, left + size[0], top + size[1])
    if last is first or progress == 0:
        return first.crop(window)
    eased = progress * progress * (3 - 2 * progress)
    return Image.blend(first.crop(window), last.crop(window), eased)


def _there_and_back(progress: float) -> float:
    return (1 - math.cos(2 * math.pi * progress)) / 2


def _backdrop(content: bytes | None, scene: Scene, stage: tuple[int, int]) -> Image.Image:
    if content is None:
        return landscape(scene.caption, stage, scene.variant)
    return ImageOps.fit(open_picture(content), stage, Image.Resampling.BILINEAR)


def _caption(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """Draw the prompt on a dark panel, wrapped at words, in the lower part of the picture."""
    width, height = size
    letter = max(14, min(size) // 22)
    font, small = ImageFont.load_default(letter), ImageFont.load_default(max(11, letter * 2 // 3))
    lines = _wrapped(scene.caption, font, width - 2 * letter)
    room = max(1, (height // 2) // round(letter * 1.3))
    if len(lines) > room:
        lines = [*lines[: room - 1], lines[room - 1] + " …"]
    panel = Image.new("RGBA", (width, round(letter * 1.3) * len(lines) + 3 * letter), (0, 0, 0, 150))
    draw = ImageDraw.Draw(panel)
    for number, line in enumerate(lines):
        draw.text((letter, letter // 2 + round(letter * 1.3) * number), line, "white", font)
    draw.text((letter, panel.height - round(letter * 1.6)), scene.label, (255, 255, 255, 180), small)
    return panel


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _audio_frames(sound: Sound, seconds: float) -> Iterator[av.AudioFrame]:
    # One second of sound, over and over: whole numbers of cycles a second leave no seam.
    second = _second_of(sound)
    samples = round(seconds * AUDIO_RATE)
    whole = io.BytesIO((second * (samples // AUDIO_RATE + 1)).tobytes()[: samples * second.itemsize])
    position = 0
    while chunk := whole.read(AUDIO_FRAME * second.itemsize):
        count = len(chunk) // second.itemsize
        frame = av.AudioFrame(format="fltp", layout="mono", samples=count)
        # The plane is padded to the codec's alignment, and is written whole.
        frame.planes[0].update(chunk.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, position, Fraction(1, AUDIO_RATE)
        position += count
        yield frame


def _second_of(sound: Sound) -> array[float]:
    tones, beats = ((140, 280, 560), 4) if sound == "speech" else ((110, 165, 220), 1)
    return array(
        "f",
        (
            0.1
            * abs(math.sin(math.pi * beats * i / AUDIO_RATE))
            * sum(math.sin(2 * math.pi * tone * i / AUDIO_RATE) / (k + 1) for k, tone in enumerate(tones))
            for i in range(AUDIO_RATE)
        ),
    )
