# SPDX-License-Identifier: Apache-2.0
"""
Operators that make PixVerse videos: submit once, free the worker while it renders, deliver the file.

Each operator is its request (``requests.py``) with Airflow around it; all of them run the same few
steps in :class:`PixverseGenerateOperator`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.generate import (
    PixverseGenerateOperator,
    resume_execution,
    warn_of_kill,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.operators.fields import (
        AspectRatio,
        SharedFields,
        TaskFields,
        VideoFields,
    )
    from airflow_provider_pixverse.operators.run import Run

__all__ = [
    "PixverseExtendOperator",
    "PixverseGenerateOperator",
    "PixverseImageToVideoOperator",
    "PixverseLipSyncOperator",
    "PixverseSaveVideoOperator",
    "PixverseTextToVideoOperator",
    "PixverseTransitionOperator",
]


class PixverseTextToVideoOperator(PixverseGenerateOperator):
    """
    Make a video from words alone; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What the video shows.
    :param aspect_ratio: 16:9, 4:3, 1:1, 3:4, 9:16.
    """

    kind = "TextToVideo"
    own_fields = ("prompt", "aspect_ratio")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(
        self, *, prompt: str, aspect_ratio: AspectRatio | str = "16:9", **kwargs: Unpack[VideoFields]
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.aspect_ratio = aspect_ratio


class PixverseImageToVideoOperator(PixverseGenerateOperator):
    """
    Make a video that starts from a picture; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What happens in the video.
    :param image: http(s) URL, data URI, local path or object-storage path of the first frame.
    """

    kind = "ImageToVideo"
    own_fields = ("prompt", "image")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(self, *, prompt: str, image: str, **kwargs: Unpack[VideoFields]) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.image = image


class PixverseTransitionOperator(PixverseGenerateOperator):
    """
    Make a video from one picture to another; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What happens between them.
    :param first_frame: http(s) URL, data URI, local path or object-storage path.
    :param last_frame: Likewise; the first frame again makes a seamless loop.
    """

    kind = "Transition"
    own_fields = ("prompt", "first_frame", "last_frame")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(
        self, *, prompt: str, first_frame: str, last_frame: str, **kwargs: Unpack[VideoFields]
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.first_frame = first_frame
        self.last_frame = last_frame


class PixverseExtendOperator(PixverseGenerateOperator):
    """
    Make a video that goes on where another ends; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What happens next.
    :param video: http(s) URL, data URI, local path or object-storage path of the video to extend.
    """

    kind = "Extend"
    own_fields = ("prompt", "video")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(self, *, prompt: str, video: str, **kwargs: Unpack[VideoFields]) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.video = video


class PixverseLipSyncOperator(PixverseGenerateOperator):
    """
    Make the lips of a video follow a recording, or words spoken by a system voice.

    The video decides resolution and length: of the shared fields of :class:`PixverseGenerateOperator`,
    those that describe a new video are left as they are.

    :param video: http(s) URL, data URI, local path or object-storage path of the video.
    :param audio: Likewise, of the recording; or give ``speech`` (and ``voice``) instead.
    """

    kind = "LipSync"
    own_fields = ("video", "audio", "speech", "voice", "model", "extra")
    shared_fields = ()
    template_fields = ("video", *PixverseGenerateOperator.template_fields)

    def __init__(self, *, video: str, audio: str | None = None, **kwargs: Unpack[SharedFields]) -> None:
        super().__init__(**kwargs)
        self.video = video
        # Here the recording, where the other operators have a switch of this name.
        self.audio = audio  # type: ignore[assignment]


class PixverseSaveVideoOperator(BaseOperator):
    """
    Deliver a generation that was bought elsewhere, waiting for it where it is not finished yet. Buys nothing.

    :param generation_id: The gateway's id.
    :param output_path: Object-storage URL or path of the video, replaced if it exists; a trailing
        ``/`` means a folder, the file is then named after the id.
    :param pixverse_conn_id: The connection whose account the generation belongs to.
    :param deferrable: ``False``: wait on the worker.
    :param poll_interval: Seconds between polls.
    :param timeout: Seconds to wait before ``PixverseTimeout``.
    """

    template_fields: Sequence[str] = ("generation_id", "output_path", "pixverse_conn_id")
    operator_extra_links = (PixverseVideoLink(),)
    ui_color = "#e8defc"
    video_url: str | None = None
    _run: Run | None = None

    def __init__(
        self,
        *,
        generation_id: str,
        output_path: str,
        pixverse_conn_id: str = "pixverse_default",
        deferrable: bool = True,
        poll_interval: float = 10.0,
        timeout: float = 1800.0,
        **kwargs: Unpack[TaskFields],
    ) -> None:
        super().__init__(**kwargs)
        self.generation_id = generation_id
        self.output_path = output_path
        self.pixverse_conn_id = pixverse_conn_id
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout

    def execute(self, context: Context) -> dict[str, Any]:
        """Wait if need be, then save."""
        return self._try(context).start()

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """
        Go on after the trigger.

        :param context: The task's context.
        :param event: The trigger's event, or ``None`` if the trigger was lost.
        """
        return self._try(context).resume(event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Look once more if Airflow resumes the task only to fail it, its trigger being lost."""
        return resume_execution(self, self._try(context), next_method, next_kwargs, super().resume_execution)

    def on_kill(self) -> None:
        """Log what a killed task leaves behind: no gateway can cancel."""
        warn_of_kill(self.generation_id if self._run is not None else None)

    def _try(self, context: Context) -> Run:
        from airflow_provider_pixverse.operators.run import Run

        if self._run is None or self._run.context is not context:
            self._run = Run(self, context, needs_path=True)
        return self._run
