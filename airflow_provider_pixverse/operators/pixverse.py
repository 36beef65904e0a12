# SPDX-License-Identifier: Apache-2.0
"""
Operators that make PixVerse videos: submit once, free the worker while it renders, deliver the file.

Each operator is its request (``requests.py``) with Airflow around it; all of them run the same few
steps in :class:`PixverseGenerateOperator`.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.waiting import SUBMISSION, WaitsForVideo, described, now_iso, report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.generation import Generation
    from airflow_provider_pixverse.hooks.pixverse import PixverseHook
    from airflow_provider_pixverse.requests import GenerationRequest

log = logging.getLogger(__name__)

SHARED_FIELDS = (
    "version",
    "resolution",
    "duration",
    "negative_prompt",
    "style",
    "seed",
    "speech",
    "voice",
    "sound_effect",
    "audio",
    "multi_clip",
    "thinking",
    "model",
    "extra",
)


class PixverseGenerateOperator(WaitsForVideo, BaseOperator):
    """
    What all generating operators share. Each successful submission is charged by the gateway.

    :param version: PixVerse model: ``v5``, ``v5.5``, ``v6``, …
    :param resolution: Short side: 360p, 540p, 720p, 1080p.
    :param duration: Seconds.
    :param negative_prompt: What the video must not show.
    :param style: anime, 3d_animation, clay, comic, cyberpunk.
    :param seed: 0 to 2147483647; ``None`` is a random one.
    :param speech: Words to speak with lips in sync.
    :param voice: Voice by name (``Chloe``) on every gateway, or ``auto``.
    :param sound_effect: What should be heard; ``None`` is silence on every gateway.
    :param audio: Let the model make sound (v5.5 and later).
    :param multi_clip: Several clips with camera changes (v5.5 and later).
    :param thinking: Prompt enhancement: auto, enabled, disabled (v5.5 and later).
    :param model: A vendor's model id, verbatim, for a model the catalogue does not know yet.
    :param extra: Fields sent to the vendor as they are, unchecked.
    :param pixverse_conn_id: The connection, which names the gateway.
    :param wait_for_completion: ``False``: push the id and finish; a sensor can wait for it.
    :param deferrable: ``False``: wait on the worker.
    :param poll_interval: Seconds between polls.
    :param timeout: Seconds that one try waits for the video before ``PixverseTimeout``.
    :param output_path: Object-storage URL or path of the video, replaced if it exists; a trailing
        ``/`` means a folder, the file is then named after the id.
    :param durable: Re-attach on retry instead of submitting again.
    :param on_ambiguous_submit: ``fail`` or ``resubmit``: what to do where it stays unknown whether a
        submission was bought.
    """

    kind: ClassVar[str]
    own_fields: ClassVar[tuple[str, ...]]

    template_fields: Sequence[str] = (*SHARED_FIELDS, "pixverse_conn_id", "output_path")
    template_fields_renderers: ClassVar[dict[str, str]] = {"extra": "json"}
    operator_extra_links = (PixverseVideoLink(),)
    ui_color = "#e8defc"

    def __init__(
        self,
        *,
        version: str = "v5",
        resolution: str = "720p",
        duration: int | str = 5,
        negative_prompt: str | None = None,
        style: str | None = None,
        seed: int | str | None = None,
        speech: str | None = None,
        voice: str = "auto",
        sound_effect: str | None = None,
        audio: bool | str = False,
        multi_clip: bool | str = False,
        thinking: str = "auto",
        model: str | None = None,
        extra: dict[str, Any] | None = None,
        pixverse_conn_id: str = "pixverse_default",
        wait_for_completion: bool = True,
        deferrable: bool = True,
        poll_interval: float = 10.0,
        timeout: float = 1800.0,
        output_path: str | None = None,
        durable: bool = True,
        on_ambiguous_submit: str = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.version = version
        self.resolution = resolution
        self.duration = duration
        self.negative_prompt = negative_prompt
        self.style = style
        self.seed = seed
        self.speech = speech
        self.voice = voice
        self.sound_effect = sound_effect
        self.audio = audio
        self.multi_clip = multi_clip
        self.thinking = thinking
        self.model = model
        self.extra = extra
        self.pixverse_conn_id = pixverse_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.output_path = output_path
        self.durable = durable
        self.on_ambiguous_submit = on_ambiguous_submit

    def execute(self, context: Context) -> dict[str, Any]:
        """Submit, and wait as asked."""
        from airflow_provider_pixverse.hooks.pixverse import PixverseHook

        with self._failing():
            self._check_waiting()
            request = self._request()
            hook = PixverseHook(self.pixverse_conn_id)
            generation, submission = self._submit(context, hook, request)
            if not self.wait_for_completion:
                return report(generation, submission)
            return self._wait_for(context, hook, submission)

    def _request(self) -> GenerationRequest:
        """Return the request that the rendered fields describe."""
        from airflow_provider_pixverse import requests

        if self.on_ambiguous_submit not in ("fail", "resubmit"):
            raise PixverseRequestError(
                f"on_ambiguous_submit={self.on_ambiguous_submit!r}: allowed are 'fail' and 'resubmit'. "
                f"Nothing was sent."
            )
        fields = {name: getattr(self, name) for name in (*self.own_fields, *SHARED_FIELDS)}
        kind: type[GenerationRequest] = getattr(requests, self.kind)
        return requests.build(kind, **fields)

    def _submit(
        self, context: Context, hook: PixverseHook, request: GenerationRequest
    ) -> tuple[Generation, dict[str, Any]]:
        model = hook.check(request)
        deadline = time.time() + self.timeout
        log.debug("Submitting to %s: %s, model %s.", hook.settings.gateway, request.task, model)
        generation = hook.submit(
            request,
            timeout=self.timeout,
            on_ambiguous_submit=self.on_ambiguous_submit,  # type: ignore[arg-type]
        )
        self.generation_id = generation.id
        context["ti"].xcom_push(key="generation_id", value=generation.id)
        log.info(
            "Submitted to %s: generation %s, model %s, cost %s.",
            generation.gateway, generation.id, model, generation.cost or "not stated",
        )  # fmt: skip
        submission = described(
            generation.id,
            deadline=deadline,
            gateway=generation.gateway,
            task=str(request.task),
            version=getattr(request, "version", None),
            model=model,
            cost=generation.cost.as_dict() if generation.cost else None,
            seed=getattr(request, "seed", None),
            submitted_at=now_iso(),
        )
        context["ti"].xcom_push(key=SUBMISSION, value=submission)
        return generation, submission


class PixverseTextToVideoOperator(PixverseGenerateOperator):
    """
    Make a video from words alone; see :class:`PixverseGenerateOperator` for the shared fields.

    :param prompt: What the video shows.
    :param aspect_ratio: 16:9, 4:3, 1:1, 3:4, 9:16.
    """

    kind = "TextToVideo"
    own_fields = ("prompt", "aspect_ratio")
    template_fields = (*own_fields, *PixverseGenerateOperator.template_fields)

    def __init__(self, *, prompt: str, aspect_ratio: str = "16:9", **kwargs: Any) -> None:
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

    def __init__(self, *, prompt: str, image: str, **kwargs: Any) -> None:
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

    def __init__(self, *, prompt: str, first_frame: str, last_frame: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.first_frame = first_frame
        self.last_frame = last_frame
