# SPDX-License-Identifier: Apache-2.0
"""
What a user asks for, in one vocabulary for every gateway.

Each task is one frozen pydantic model. The models know what is true of every gateway (types, ranges,
fields that belong together); what depends on the gateway, task and version is data in ``catalog.py``.
:func:`build` makes one from plain fields and says which field is wrong, its value and what is allowed.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from airflow_provider_pixverse.exceptions import PixverseRequestError

VOICES = (
    "Harper", "Ava", "Isabella", "Sophia", "Emily", "Chloe", "Julia", "Mason", "Jack", "Liam", "James",
    "Oliver", "Adrian", "Ethan",
)  # fmt: skip
"""Names of the system voices, the same fourteen on every gateway; ``auto`` lets the vendor choose."""

_SHOWN = 80


class Task(StrEnum):
    """The kinds of generation."""

    TEXT_TO_VIDEO = "text-to-video"
    IMAGE_TO_VIDEO = "image-to-video"
    TRANSITION = "transition"
    EXTEND = "extend"
    LIP_SYNC = "lip-sync"


def _blank_is_absent(value: Any) -> Any:
    # An unset template variable renders to an empty string, not to None.
    return None if isinstance(value, str) and not value.strip() else value


def _blank_is_default(default: Any) -> BeforeValidator:
    return BeforeValidator(lambda value: default if _blank_is_absent(value) is None else value)


def _goes_into_json(value: dict[str, Any] | None) -> dict[str, Any] | None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"it cannot be sent as JSON: {error}") from None
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_absent)]
Media = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
OptionalMedia = Annotated[Media | None, BeforeValidator(_blank_is_absent)]
Resolution = Literal["360p", "540p", "720p", "1080p"]
AspectRatio = Literal["16:9", "4:3", "1:1", "3:4", "9:16", "2:3", "3:2", "21:9"]
Style = Literal["anime", "3d_animation", "clay", "comic", "cyberpunk"]
Thinking = Literal["auto", "enabled", "disabled"]


class GenerationRequest(BaseModel):
    """
    What every task has in common.

    :param model: A vendor's model id, sent as it is, for a model the catalogue does not know yet.
    :param extra: Fields sent to the vendor as they are, unchecked; they win over the provider's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    task: ClassVar[Task]
    media_fields: ClassVar[tuple[str, ...]] = ()

    model: OptionalText = None
    extra: Annotated[dict[str, Any] | None, AfterValidator(_goes_into_json)] = None


class _Spoken(GenerationRequest):
    """
    Words to be spoken with lips in sync.

    :param speech: The words.
    :param voice: ``auto`` or one of :data:`VOICES`, in any case of letters.
    """

    speech: OptionalText = None
    voice: str = "auto"

    @field_validator("voice", mode="before")
    @classmethod
    def _know_the_voice(cls, value: Any) -> str:
        known = {name.lower(): name for name in ("auto", *VOICES)}
        name = known.get(str(_blank_is_absent(value) or "auto").strip().lower())
        if name is None:
            raise ValueError(f"allowed are {', '.join(known.values())}")
        return name


class VideoRequest(_Spoken):
    """
    What the tasks that make a new video from a prompt have in common.

    :param prompt: What the video shows.
    :param version: PixVerse model: ``v5``, ``v5.5`` (``v5-5`` is understood), ``v6``, ``c1``.
    :param resolution: Short side: 360p, 540p, 720p, 1080p.
    :param duration: Seconds.
    :param negative_prompt: What the video must not show.
    :param style: anime, 3d_animation, clay, comic, cyberpunk.
    :param seed: 0 to 2147483647; ``None`` is a random one.
    :param sound_effect: What should be heard; ``None`` is silence.
    :param audio: Let the model make sound (v5.5 and later).
    :param multi_clip: Several clips with camera changes (v5.5 and later).
    :param thinking: Prompt enhancement by the vendor: auto, enabled, disabled (v5.5 and later).
    """

    prompt: Text
    version: str = "v5"
    resolution: Resolution = "720p"
    duration: Annotated[int, Field(gt=0)] = 5
    negative_prompt: OptionalText = None
    style: Annotated[Style | None, BeforeValidator(_blank_is_absent)] = None
    seed: Annotated[int | None, Field(ge=0, le=2147483647), BeforeValidator(_blank_is_absent)] = None
    sound_effect: OptionalText = None
    audio: Annotated[bool, _blank_is_default(False)] = False
    multi_clip: Annotated[bool, _blank_is_default(False)] = False
    thinking: Annotated[Thinking, _blank_is_default("auto")] = "auto"

    @field_validator("version", mode="before")
    @classmethod
    def _spell_the_version(cls, value: Any) -> str:
        text = str(_blank_is_absent(value) or "v5").strip().lower().replace("-", ".")
        if text[:1].isdigit():
            text = f"v{text}"
        if not re.fullmatch(r"[a-z]\d+(\.\d+)?", text):
            raise ValueError("a version looks like v5, v5.5 or c1")
        return text

    @model_validator(mode="after")
    def _voice_needs_words(self) -> Self:
        if self.voice != "auto" and self.speech is None:
            raise ValueError(f"voice {self.voice!r} needs speech, the words to say")
        return self


class TextToVideo(VideoRequest):
    """
    A video from words alone.

    :param aspect_ratio: 16:9, 4:3, 1:1, 3:4, 9:16; some versions also 2:3, 3:2, 21:9.
    """

    task: ClassVar[Task] = Task.TEXT_TO_VIDEO

    aspect_ratio: AspectRatio = "16:9"


class ImageToVideo(VideoRequest):
    """
    A video that starts from a picture, in the picture's aspect ratio.

    :param image: http(s) URL, data URI, local path or object-storage path of the first frame.
    """

    task: ClassVar[Task] = Task.IMAGE_TO_VIDEO
    media_fields: ClassVar[tuple[str, ...]] = ("image",)

    image: Media


class Transition(VideoRequest):
    """
    A video from one picture to another; the same picture twice makes a seamless loop.

    :param first_frame: http(s) URL, data URI, local path or object-storage path.
    :param last_frame: Likewise.
    """

    task: ClassVar[Task] = Task.TRANSITION
    media_fields: ClassVar[tuple[str, ...]] = ("first_frame", "last_frame")

    first_frame: Media
    last_frame: Media


class Extend(VideoRequest):
    """
    A video that goes on where another ends.

    :param video: http(s) URL, data URI, local path or object-storage path of the video to extend.
    """

    task: ClassVar[Task] = Task.EXTEND
    media_fields: ClassVar[tuple[str, ...]] = ("video",)

    video: Media


class LipSync(_Spoken):
    """
    A video whose lips follow a recording, or words spoken by a system voice.

    :param video: http(s) URL, data URI, local path or object-storage path of the video.
    :param audio: Likewise, of the recording; or give ``speech`` (and ``voice``) instead.
    """

    task: ClassVar[Task] = Task.LIP_SYNC
    media_fields: ClassVar[tuple[str, ...]] = ("video", "audio")

    video: Media
    audio: OptionalMedia = None

    @model_validator(mode="after")
    def _one_source_of_sound(self) -> Self:
        if (self.audio is None) == (self.speech is None):
            raise ValueError("give either audio or speech (with voice), not both and not neither")
        if self.audio is not None and self.voice != "auto":
            raise ValueError(f"voice {self.voice!r} goes with speech, not with audio")
        return self


RequestT = TypeVar("RequestT", bound=GenerationRequest)


def build(kind: type[RequestT], **fields: Any) -> RequestT:
    """
    Make a request from plain fields.

    :param kind: The request class, for example :class:`TextToVideo`.
    :param fields: Its fields, as typed by a DAG author or rendered from templates.
    :raises PixverseRequestError: naming every wrong field, its value and what is allowed.
    """
    try:
        return kind(**fields)
    except ValidationError as error:
        wrong = "; ".join(_explain(problem, kind) for problem in error.errors())
        raise PixverseRequestError(f"Invalid {kind.task} request, nothing was sent: {wrong}.") from None


def shown(value: Any) -> str:
    """
    Return a value as an error message may show it: short, and without what may sign a URL.

    :param value: Any value of a request field.
    """
    text = re.sub(r"\?[^\s'\"]*", "", repr(value)) if "://" in repr(value) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _explain(problem: Any, kind: type[GenerationRequest]) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not field:
        return message
    if problem["type"] == "extra_forbidden":
        return f"{field} is not a field of it, which has {', '.join(sorted(kind.model_fields))}"
    if problem["type"] == "missing":
        return f"{field} is required"
    return f"{field}={shown(problem['input'])}: {message}"
