# SPDX-License-Identifier: Apache-2.0
"""
What every generating operator does: go on with what an earlier try bought, or buy, then wait and deliver.

What a try may do is decided in ``submission.py``; here it is carried out.
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRecordError,
    PixverseRequestError,
)
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators import telemetry
from airflow_provider_pixverse.operators.rendered import fold, unfolded
from airflow_provider_pixverse.operators.waiting import (
    WaitsForVideo,
    described,
    epoch,
    now_iso,
    unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Unpack

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.generation import Generation
    from airflow_provider_pixverse.hooks.pixverse import PixverseHook
    from airflow_provider_pixverse.operators.fields import (
        OnAmbiguousSubmit,
        Resolution,
        Style,
        TaskFields,
        Thinking,
        Version,
        Voice,
    )
    from airflow_provider_pixverse.operators.records import Records
    from airflow_provider_pixverse.polling import Deliver, Wait
    from airflow_provider_pixverse.requests import GenerationRequest
    from airflow_provider_pixverse.submission import Delivered, Intended, Submitted

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

    def _do_render_template_fields(self, parent: Any, *args: Any, **kwargs: Any) -> None:
        # What Airflow calls for a mapped task as well, unlike `render_template_fields`.
        super()._do_render_template_fields(parent, *args, **kwargs)
        if parent is self:
            fold(self)

    def execute(self, context: Context) -> dict[str, Any]:
        """Go on with what an earlier try bought, or submit; then wait as asked."""
        from airflow_provider_pixverse.hooks.pixverse import PixverseHook

        with self._failing(), self._settling(context), self._keeping_cause(context):
            self._check_waiting()
            request = self._request()
            hook = PixverseHook(self.pixverse_conn_id)
            _, version = hook.check(request)
            self._about = {
                "gateway": hook.settings.gateway,
                "version": version,
                "task": str(request.task),
            }
            if self.output_path:
                hook.check_output_path(self.output_path)
            return self._next_try(context, hook, request)

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the trigger."""
        with self._settling(context):
            return super().execute_complete(context, event)

    def _request(self) -> GenerationRequest:
        """Return the request that the rendered fields describe."""
        from airflow_provider_pixverse import requests

        if self.on_ambiguous_submit not in ("fail", "resubmit"):
            raise PixverseRequestError(
                f"on_ambiguous_submit={self.on_ambiguous_submit!r}: allowed are 'fail' and 'resubmit'. "
                f"Nothing was sent."
            )
        fields = {name: unfolded(getattr(self, name)) for name in (*self.own_fields, *self.shared_fields)}
        kind: type[GenerationRequest] = getattr(requests, self.kind)
        return requests.build(kind, **fields)

    def _next_try(self, context: Context, hook: PixverseHook, request: GenerationRequest) -> dict[str, Any]:
        from airflow_provider_pixverse import submission as money
        from airflow_provider_pixverse.polling import Deliver

        asked = money.fingerprint(request, connection=self.pixverse_conn_id, gateway=hook.settings.gateway)
        records = self._records(context)
        found = records.load() if records else None
        seen: Deliver | Wait | None = None
        match money.next_try(found, fingerprint=asked, clears=_clears(context, self.retries)):
            case money.Stop(error):
                raise error
            case money.Repeat(delivered):
                return self._repeat(context, delivered)
            case money.Attach(submitted) if seen := self._look_again(hook, submitted, records):
                submission = {**submitted.submission, "deadline": time.time() + self.timeout}
                log.info(
                    "Going on with generation %s, bought at %s by an earlier try: nothing is submitted.",
                    submitted.generation_id, submission["submitted_at"],
                )  # fmt: skip
                self._announce(context, submission)
            case money.FindOut(intended):
                submission = self._submit(context, hook, request, intended, in_doubt=True)
            case step:
                if warning := getattr(step, "warning", ""):
                    log.warning(warning)
                intended = money.Intended(
                    key=str(uuid.uuid4()),
                    fingerprint=asked,
                    intended_at=time.time(),
                )
                submission = self._submit(context, hook, request, intended)
        if not self.wait_for_completion:
            result = unfinished(submission)
            self._tell_outlets(context, result)
            return self._closed(context, result)
        if isinstance(seen, Deliver):
            return self._deliver(context, hook, seen.generation, submission)
        return self._wait_for(context, hook, submission, not_before=self._not_before(submission, seen))

    def _not_before(self, submission: dict[str, Any], seen: Wait | None) -> float:
        """Return when to look next, epoch seconds: once a video can be ready, and not right after a look."""
        from airflow_provider_pixverse.catalog import shortest_rendering
        from airflow_provider_pixverse.polling import not_before

        now = time.time()
        since = epoch(submission["submitted_at"]) if seen else now
        ready = not_before(shortest_rendering(submission["version"]), timeout=self.timeout, now=since or now)
        return max(ready, now + seen.seconds) if seen else ready

    def _look_again(
        self, hook: PixverseHook, submitted: Submitted, records: Records | None
    ) -> Deliver | Wait | None:
        """Look at what an earlier try bought; ``None`` where the vendor failed to make it."""
        from airflow_provider_pixverse.polling import GiveUp, Watch

        bought_at = epoch(submitted.submission["submitted_at"])
        watch = Watch(submitted.generation_id, time.time() + self.timeout, self.poll_interval, bought_at)
        match hook.decide(watch):
            case GiveUp(PixverseGenerationFailed() as error):
                log.warning("%s It was bought by an earlier try.", error)
                if records:
                    records.forget()
                return None
            case GiveUp(error):
                raise error
            case seen:
                return seen

    def _submit(
        self,
        context: Context,
        hook: PixverseHook,
        request: GenerationRequest,
        intended: Intended,
        *,
        in_doubt: bool = False,
    ) -> dict[str, Any]:
        from airflow_provider_pixverse.generation import GenerationStatus
        from airflow_provider_pixverse.hooks.failing import final
        from airflow_provider_pixverse.polling import failure
        from airflow_provider_pixverse.submission import Submitted

        records = self._records(context)
        if records is None and self.durable:
            log.warning(
                "A retry of this task would buy the video again: this Airflow has no task state store. Set "
                "[pixverse] state_path, or an output_path, to keep a record of the submission there."
            )
        deadline = time.time() + self.timeout
        expected = hook.expected_cost(request)
        if expected:
            log.info("Expected cost by the gateway's published prices: %s.", expected)
        try:
            with telemetry.span("pixverse.submit", self._about):
                generation = hook.submit(
                    request,
                    key=intended.key,
                    timeout=self.timeout,
                    on_ambiguous_submit=self.on_ambiguous_submit,
                    before_send=lambda key: self._intend(records, intended, key),
                    nothing_bought=lambda: self._on_record(context, lambda kept: kept.forget()),
                    in_doubt_since=intended.intended_at if in_doubt else None,
                )
        except PixverseAmbiguousSubmitError as error:
            # With a record, a retry looks again and buys nothing before it knows; else it would just buy.
            looks_again = records is not None and self.on_ambiguous_submit == "fail"
            raise error if looks_again else final(error) from error.__cause__
        except PixverseRecordError:
            raise
        except PixverseError:
            # Every other error says that this try bought nothing; an earlier one may have.
            if not in_doubt:
                self._on_record(context, lambda kept: kept.forget())
            raise
        model, version = hook.check(request)
        cost = generation.cost or expected
        submission = described(
            generation.id,
            deadline=deadline,
            gateway=generation.gateway,
            task=str(request.task),
            version=version,
            model=model,
            cost=cost.as_dict() if cost else None,
            seed=getattr(request, "seed", None) if generation.seed is None else generation.seed,
            submitted_at=now_iso(),
        )
        submitted = Submitted(intended=intended, generation_id=generation.id, submission=submission)
        self._on_record(context, lambda kept: kept.keep(submitted))
        telemetry.submitted(submission)
        log.info(
            "Submitted to %s: generation %s, model %s, cost %s.",
            generation.gateway, generation.id, model, cost or "not stated",
        )  # fmt: skip
        self._announce(context, submission)
        if generation.status is GenerationStatus.FAILED:
            raise failure(generation)
        return submission

    def _intend(self, records: Records | None, intended: Intended, key: str) -> None:
        # Where it cannot be stored, nothing may leave: not what Airflow has given up, either, whose
        # supervisor is gone.
        if records is not None:
            records.keep(intended.model_copy(update={"key": key}))

    def _submission(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        from airflow_provider_pixverse.submission import Submitted

        try:
            return super()._submission(context, event)
        except PixverseRecordError:
            records = self._records(context)
            record = records.load() if records else None
            if not isinstance(record, Submitted):
                raise
            return {**record.submission, "deadline": time.time() + self.timeout}

    def _asked(self) -> dict[str, Any]:
        fields = {*self.own_fields, *self.shared_fields}
        asked = {name: getattr(self, name) for name in SHOWN_FIELDS if name in fields}
        return {"prompt": self.speech, **asked, "output_path": self.output_path}

    def _said(self) -> list[str]:
        words = (getattr(self, name, None) for name in WORDS)
        return [said.strip() for said in words if isinstance(said, str)]

    def _announce(self, context: Context, submission: dict[str, Any]) -> None:
        self.generation_id = submission["generation_id"]
        context["ti"].xcom_push(key="generation_id", value=self.generation_id)
        self._keep(context, submission)

    def _repeat(self, context: Context, delivered: Delivered) -> dict[str, Any]:
        """Give the result of an earlier try, of which Airflow never learned that it had succeeded."""
        result = delivered.result
        log.info(
            "Generation %s was delivered by an earlier try (output_path %s): nothing is submitted.",
            result["generation_id"], result["output_path"],
        )  # fmt: skip
        self._announce(context, delivered.submitted.submission)
        self.video_url = result["video_url"]
        self._tell_outlets(context, result)
        return result

    def _deliver(
        self, context: Context, hook: PixverseHook, generation: Generation, submission: dict[str, Any]
    ) -> dict[str, Any]:
        return self._closed(context, super()._deliver(context, hook, generation, submission))

    def _closed(self, context: Context, result: dict[str, Any]) -> dict[str, Any]:
        """Close the record: from here on, clearing the task means to make the video again."""
        from airflow_provider_pixverse.submission import Delivered, Submitted

        def close(records: Records) -> None:
            record = records.load()
            if isinstance(record, Submitted):
                clears = _clears(context, self.retries)
                records.keep(Delivered(submitted=record, clears=clears, result=result))

        self._on_record(context, close)
        return result

    @contextmanager
    def _settling(self, context: Context) -> Iterator[None]:
        """Leave a record that lets the next try do what the error of this one says it does."""
        from airflow_provider_pixverse.submission import Lost, Submitted, lost

        try:
            yield
        except (PixverseGenerationFailed, PixverseModerationError):
            self._on_record(context, lambda records: records.forget())
            raise
        except PixverseNotFoundError:
            records = self._records(context)
            record = records.load() if records else None
            if records is None or not isinstance(record, Submitted):
                raise
            records.keep(Lost(submitted=record, clears=_clears(context, self.retries)))
            raise lost(record) from None

    def _on_record(self, context: Context, change: Callable[[Records], None]) -> None:
        """Change the record where a failure to do so must not undo what was achieved."""
        records = self._records(context)
        if records is None:
            return
        try:
            change(records)
        except Exception:
            log.warning(
                "The record of generation %s could not be updated; a retry asks the gateway about it.",
                self.generation_id, exc_info=True,
            )  # fmt: skip

    def _records(self, context: Context) -> Records | None:
        """Return where this task's record is kept, or ``None`` where it is not."""
        from airflow_provider_pixverse.operators.records import records_for

        return records_for(context, self.output_path) if self.durable else None


def _clears(context: Context, retries: int | None) -> int:
    """
    Return a number that changes when the task is cleared and stays the same from retry to retry.

    Clearing raises a task instance's ``max_tries`` to its tries so far plus its retries; retrying
    leaves it as it is.
    """
    return int(getattr(context["ti"], "max_tries", None) or 0) - int(retries or 0)
