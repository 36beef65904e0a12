# SPDX-License-Identifier: Apache-2.0
"""
What all generating operators share: their fields, and how these become a request.

The steps of a try are in ``run.py``.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.rendered import fold, unfolded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Unpack

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.operators.fields import (
        OnAmbiguousSubmit,
        OnChangedRequest,
        Resolution,
        Style,
        TaskFields,
        Thinking,
        Version,
        Voice,
    )
    from airflow_provider_pixverse.operators.run import Run
    from airflow_provider_pixverse.purchase import Purchase
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

SHOWN_FIELDS = ("prompt", "aspect_ratio", "resolution", "duration")
"""What of a request is kept with its submission, for people to see beside the video."""

WORDS = ("prompt", "negative_prompt", "speech", "sound_effect")
"""The fields in a person's own words."""


class PixverseGenerateOperator(BaseOperator):
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
    :param on_ambiguous_submit: ``fail`` or ``resubmit``: what to do if it stays unknown whether a
        submission was bought. It is resubmitted once, over all tries together.
    :param on_changed_request: ``submit`` or ``fail``: what a cleared or edited task does if it asks for
        another video than the one that is paid for.
    """

    generation_id: str | None = None
    video_url: str | None = None
    _template: dict[str, Any] | None = None
    _run: Run | None = None

    kind: str
    own_fields: tuple[str, ...]
    shared_fields: tuple[str, ...] = SHARED_FIELDS

    template_fields: Sequence[str] = (*SHARED_FIELDS, "pixverse_conn_id", "output_path")
    template_fields_renderers: ClassVar[dict[str, str]] = {"extra": "json"}
    operator_extra_links = (PixverseVideoLink(),)
    ui_color = "#e8defc"

    def __init__(
        self,
        *,
        version: Version | str = "v5",
        resolution: Resolution | str = "720p",
        duration: int | str = 5,
        negative_prompt: str | None = None,
        style: Style | str | None = None,
        seed: int | str | None = None,
        speech: str | None = None,
        voice: Voice | str = "auto",
        sound_effect: str | None = None,
        audio: bool | str = False,
        multi_clip: bool | str = False,
        thinking: Thinking | str = "auto",
        model: str | None = None,
        extra: dict[str, Any] | None = None,
        pixverse_conn_id: str = "pixverse_default",
        wait_for_completion: bool = True,
        deferrable: bool = True,
        poll_interval: float = 10.0,
        timeout: float = 1800.0,
        output_path: str | None = None,
        durable: bool = True,
        on_ambiguous_submit: OnAmbiguousSubmit = "fail",
        on_changed_request: OnChangedRequest = "submit",
        **kwargs: Unpack[TaskFields],
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
        self.on_changed_request = on_changed_request

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        # What Airflow calls for a mapped task as well, unlike `render_template_fields`.
        if parent is self and self._template is None:
            self._template = self._fields()
        super()._do_render_template_fields(parent, *args, **kwargs)
        if parent is self:
            fold(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Go on with what an earlier try bought, or submit; then wait as asked."""
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
        warn_of_kill(self.generation_id)

    def _try(self, context: Context) -> Run:
        from airflow_provider_pixverse.operators.commission import Commission
        from airflow_provider_pixverse.operators.run import Run

        if self._run is None or self._run.context is not context:
            commission = Commission(
                request=self._request,
                template=self._fields() if self._template is None else self._template,
                shown=self._shown_fields,
                words=self._words,
                durable=self.durable,
                on_ambiguous_submit=self.on_ambiguous_submit,
                on_changed_request=self.on_changed_request,
                wait_for_completion=self.wait_for_completion,
                adopt=self._adopt,
            )
            self._run = Run(self, context, commission)
        return self._run

    def _request(self) -> GenerationRequest:
        """Return the request that the rendered fields describe."""
        from airflow_provider_pixverse import requests

        for name, allowed in (
            ("on_ambiguous_submit", ("fail", "resubmit")),
            ("on_changed_request", ("submit", "fail")),
        ):
            if getattr(self, name) not in allowed:
                raise PixverseRequestError(
                    f"{name}={getattr(self, name)!r}: must be {allowed[0]!r} or {allowed[1]!r}. "
                    f"Nothing was sent."
                )
        fields = {name: unfolded(getattr(self, name)) for name in (*self.own_fields, *self.shared_fields)}
        kind: type[GenerationRequest] = getattr(requests, self.kind)
        return requests.build(kind, **fields)

    def _fields(self) -> dict[str, Any]:
        """Return what tells one purchase from another, as it stands in the fields now."""
        names = (*self.own_fields, *self.shared_fields, "pixverse_conn_id")
        return {name: unfolded(getattr(self, name)) for name in names}

    def _shown_fields(self) -> dict[str, Any]:
        fields = {*self.own_fields, *self.shared_fields}
        return {
            "prompt": self.speech,
            **{name: getattr(self, name) for name in SHOWN_FIELDS if name in fields},
        }

    def _words(self) -> tuple[str, ...]:
        words = (getattr(self, name, None) for name in WORDS)
        return tuple(said.strip() for said in words if isinstance(said, str))

    def _adopt(self, purchase: Purchase) -> None:
        """Take over what a resumed task cannot say of itself; here, its fields say it all."""


def resume_execution(
    task: Any, run: Run, next_method: str, next_kwargs: dict[str, Any] | None, usually: Any
) -> Any:
    """
    Resume a task that had deferred.

    :param task: The operator or sensor.
    :param run: Its try.
    :param next_method: What Airflow wants to call; ``__fail__`` if the trigger was lost.
    :param next_kwargs: Its arguments.
    :param usually: What Airflow's own class does.
    """
    if run.is_of_earlier_try():
        return task.execute(run.context)
    if next_method != "__fail__":
        return usually(next_method, next_kwargs, run.context)
    log.warning(
        "The trigger ended without an event (%s). Looking at the generation before giving up.",
        (next_kwargs or {}).get("error", "unknown reason"),
    )
    return task.execute_complete(run.context)


def warn_of_kill(generation_id: str | None) -> None:
    """Log what a killed task leaves behind."""
    if generation_id:
        log.warning(
            "Killed while generation %s may still be running. It is not cancelled, no gateway can: "
            "it may finish and be charged.",
            generation_id,
        )
