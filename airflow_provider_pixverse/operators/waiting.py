# SPDX-License-Identifier: Apache-2.0
"""
Waiting for a generation and delivering its video: what operators and the sensor have in common.

They either defer to the trigger or wait on the worker, by the same rules. What was bought elsewhere is
looked at once before they defer; what was just submitted is not, since it cannot be ready. Whatever ends
the deferral (an event, a lost trigger, its time-out), the task looks at the vendor itself before it
believes anything.
"""

from __future__ import annotations

import logging
import math
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_provider_pixverse.exceptions import PixverseError, PixverseRecordError, PixverseRequestError
from airflow_provider_pixverse.operators import telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.generation import Generation
    from airflow_provider_pixverse.hooks.pixverse import PixverseHook
    from airflow_provider_pixverse.triggers.pixverse import PixverseGenerationTrigger

log = logging.getLogger(__name__)

SUBMISSION = "pixverse_submission"
"""XCom key under which a task keeps, for its resumption and for the gallery, what it waits for."""

LONGEST_CAUSE = 500
"""Characters of an error's message that are kept with the submission."""

LOST_TRIGGER = 900.0
"""Seconds after the deadline at which Airflow itself ends a deferral whose trigger never ran."""

LAST_LOOKS = 120.0
"""Seconds for which a gateway that fails to answer is asked again for a video known to be finished."""


class WaitsForVideo:
    """Mixed into an operator or sensor with these fields, which mean what the operators' do."""

    pixverse_conn_id: str
    poll_interval: float
    timeout: float
    deferrable: bool
    output_path: str | None
    outlets: Any
    execute: Any
    defer: Any

    generation_id: str | None = None
    video_url: str | None = None
    _about: Mapping[str, Any] = MappingProxyType({})

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """
        Go on after the trigger.

        :param context: The task's context.
        :param event: The trigger's event, or ``None`` where the trigger was lost.
        """
        with self._failing(), self._keeping_cause(context):
            self._check_waiting()
            self._about = submission = self._submission(context, event or {})
            outcome = (event or {"outcome": "error"}).get("outcome")
            if outcome == "error" and event:
                log.warning("The trigger gave up: %s", event.get("message"))
            return self._conclude(context, submission, outcome=outcome)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Look once more where Airflow resumes the task only to fail it, its trigger being lost."""
        if self._belongs_to_an_earlier_try(context):
            return self.execute(context)
        if next_method != "__fail__":
            return super().resume_execution(next_method, next_kwargs, context)  # type: ignore[misc]
        log.warning(
            "The trigger ended without an event (%s). Looking at the generation before giving up.",
            (next_kwargs or {}).get("error", "unknown reason"),
        )
        return self.execute_complete(context)

    def _belongs_to_an_earlier_try(self, context: Context) -> bool:
        """Return whether Airflow resumes what an earlier try deferred: 3.0 does, in a retry."""
        kept = _kept(context)
        return kept is not None and kept.get("try_number") not in (None, context["ti"].try_number)

    def on_kill(self) -> None:
        """Say what a killed task leaves behind: no gateway can cancel."""
        if self.generation_id:
            log.warning(
                "Killed while generation %s may still be running. It is not cancelled, no gateway can: "
                "it may finish and be charged.",
                self.generation_id,
            )

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Count the provider's errors, and turn them into Airflow's ways to fail."""
        from airflow_provider_pixverse.hooks.failing import sparing_retries

        try:
            with sparing_retries():
                yield
        except PixverseError as error:
            telemetry.failed(error, self._about)
            raise

    def _check_waiting(self) -> None:
        """
        Make sure that the wait can be carried out, before anything is bought for it.

        :raises PixverseRequestError: naming the field, its value and what is allowed.
        """
        for field in ("poll_interval", "timeout"):
            value = getattr(self, field)
            seconds = value.total_seconds() if isinstance(value, timedelta) else value
            try:
                number = float(seconds)
            except (TypeError, ValueError):
                number = math.nan
            if isinstance(value, bool) or not 0 < number < math.inf:
                raise PixverseRequestError(
                    f"{field}={value!r}: allowed is a number of seconds above 0. Nothing was sent."
                )
            setattr(self, field, number)
        # What a template renders to blanks is absent, as in every other field.
        self.output_path = str(self.output_path or "").strip() or None
        if not isinstance(self.pixverse_conn_id, str) or not self.pixverse_conn_id:
            raise PixverseRequestError(
                f"pixverse_conn_id={self.pixverse_conn_id!r}: allowed is the id of a connection. "
                "Nothing was sent."
            )

    def _wait_for(
        self,
        context: Context,
        hook: PixverseHook,
        submission: dict[str, Any],
        *,
        not_before: float | None = None,
    ) -> dict[str, Any]:
        """Wait as the DAG author chose, not looking before that moment (epoch seconds), then deliver."""
        self.generation_id = submission["generation_id"]
        if self.deferrable:
            self._defer(submission, not_before)
        generation = hook.wait(
            submission["generation_id"],
            timeout=submission["deadline"] - time.time(),
            poll_interval=self.poll_interval,
            not_before=not_before,
        )
        return self._deliver(context, hook, generation, submission)

    def _bought_elsewhere(self) -> dict[str, Any]:
        """
        Describe the generation that the task was given by its id.

        :raises PixverseRequestError: where it was given none.
        """
        self._check_waiting()
        generation_id = str(self.generation_id or "").strip()
        if generation_id in ("", "None"):
            raise PixverseRequestError(
                f"generation_id={self.generation_id!r}: allowed is the id of a generation. Is the task that "
                f"submits it upstream, and did it succeed?"
            )
        return described(generation_id, deadline=time.time() + self.timeout)

    def _wait_for_bought_elsewhere(self, context: Context) -> dict[str, Any]:
        from airflow_provider_pixverse.hooks.pixverse import PixverseHook

        with self._failing(), self._keeping_cause(context):
            submission = self._bought_elsewhere()
            hook = PixverseHook(self.pixverse_conn_id)
            if self.output_path:
                hook.check_output_path(self.output_path)
            self._keep(context, submission)
            if self.deferrable:
                return self._conclude(context, submission, hook=hook)
            return self._wait_for(context, hook, submission)

    def _keep(self, context: Context, submission: dict[str, Any]) -> None:
        """Keep for the resumption of this try what is known of the submission."""
        self._about = submission
        ti = context["ti"]
        kept = {**submission, **self._asked(), "try_number": ti.try_number}
        ti.xcom_push(key=SUBMISSION, value=kept)

    def _asked(self) -> dict[str, Any]:
        """Return what of the task's fields a person wants to see beside the video."""
        return {"output_path": self.output_path}

    def _said(self) -> list[str]:
        """Return the words of the request, which no error that is kept may repeat."""
        return []

    @contextmanager
    def _keeping_cause(self, context: Context) -> Iterator[None]:
        """Keep with the submission why the task failed after it; nobody but the gallery asks for that."""
        try:
            yield
        except PixverseError as error:
            try:
                kept = _kept(context)
                if kept is not None and not self._belongs_to_an_earlier_try(context):
                    told = {"type": type(error).__name__, "message": cause(error, self._said())}
                    context["ti"].xcom_push(key=SUBMISSION, value={**kept, "error": told})
            except Exception:
                log.debug("The cause was not kept for the gallery.", exc_info=True)
            raise

    def _conclude(
        self,
        context: Context,
        submission: dict[str, Any],
        *,
        outcome: str | None = None,
        hook: PixverseHook | None = None,
    ) -> dict[str, Any]:
        """Look once, then deliver, raise or defer."""
        from airflow_provider_pixverse.hooks.pixverse import PixverseHook
        from airflow_provider_pixverse.polling import Deliver, GiveUp, Wait, Watch

        hook = hook or PixverseHook(self.pixverse_conn_id)
        self.generation_id = submission["generation_id"]
        watch = Watch(
            submission["generation_id"],
            submission["deadline"],
            self.poll_interval,
            # The trigger has waited out the time in which an unknown id is not believed.
            missing_since=0.0 if outcome == "error" else epoch(submission["submitted_at"]),
        )
        match hook.decide(watch):
            case Deliver(generation):
                return self._deliver(context, hook, generation, submission)
            case GiveUp(error):
                raise error
            case Wait(seconds):
                not_before = time.time() + seconds
        if outcome is None or outcome == "timeout":
            self._defer(submission, not_before)
        # Where the trigger saw it finished, this look met a passing trouble; where the trigger failed, the
        # next one would as well. Neither is worth another deferral.
        left = LAST_LOOKS if outcome == "finished" else submission["deadline"] - time.time()
        generation = hook.wait(
            watch.generation_id, timeout=left, poll_interval=self.poll_interval, not_before=not_before
        )
        return self._deliver(context, hook, generation, submission)

    def _defer(self, submission: dict[str, Any], not_before: float | None) -> NoReturn:
        log.info(
            "Waiting for generation %s without a worker slot, until %s at the latest.",
            submission["generation_id"], _iso(submission["deadline"]),
        )  # fmt: skip
        left = max(0.0, submission["deadline"] - time.time())
        self.defer(
            trigger=self._trigger(submission["generation_id"], submission["deadline"], not_before),
            method_name="execute_complete",
            timeout=timedelta(seconds=left + LOST_TRIGGER),
        )
        raise AssertionError("defer() does not return")

    def _trigger(
        self, generation_id: str, deadline: float, not_before: float | None = None
    ) -> PixverseGenerationTrigger:
        from airflow_provider_pixverse.triggers.pixverse import PixverseGenerationTrigger

        return PixverseGenerationTrigger(
            pixverse_conn_id=self.pixverse_conn_id,
            generation_id=generation_id,
            poll_interval=self.poll_interval,
            deadline=deadline,
            not_before=not_before,
        )

    def _submission(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Return what this try kept before it deferred; XComs survive a deferral, though not a retry."""
        if (kept := _kept(context)) is not None:
            return kept
        if not event.get("generation_id"):
            raise PixverseRecordError(
                "Which generation this task waits for is not known: its XComs were deleted and the trigger "
                "gave no id. This try bought nothing."
            )
        return described(str(event["generation_id"]), deadline=time.time())

    def _deliver(
        self, context: Context, hook: PixverseHook, generation: Generation, submission: dict[str, Any]
    ) -> dict[str, Any]:
        """Save the video where it was asked for and return the task's result."""
        self.video_url = generation.video_url
        result = report(generation, submission)
        if self.output_path:
            target, saved = hook.save_video(generation, str(self.output_path))
            result.update(output_path=target, size_bytes=saved.size_bytes, sha256=saved.sha256)
            log.info(
                "Delivered generation %s to %s%s: %d bytes, sha256 %s.",
                generation.id, target, _time_taken(submission), saved.size_bytes, saved.sha256,
            )  # fmt: skip
        else:
            log.info(
                "Generation %s is finished. Its video was not saved, no output_path was given, and its URL "
                "(in XCom) expires.",
                generation.id,
            )
        telemetry.delivered(submission, result)
        self._tell_outlets(context, result)
        return result

    def _tell_outlets(self, context: Context, result: dict[str, Any]) -> None:
        from airflow_provider_pixverse.operators.outlets import tell_outlets

        tell_outlets(context, self.outlets or (), result)


def _kept(context: Context) -> dict[str, Any] | None:
    ti = context["ti"]
    kept = ti.xcom_pull(task_ids=ti.task_id, key=SUBMISSION, map_indexes=ti.map_index)
    return kept if isinstance(kept, dict) else None


def described(
    generation_id: str,
    *,
    deadline: float,
    gateway: str | None = None,
    task: str | None = None,
    version: str | None = None,
    model: str | None = None,
    cost: dict[str, Any] | None = None,
    seed: int | None = None,
    submitted_at: str | None = None,
) -> dict[str, Any]:
    """
    Return what is known of a generation when the wait for it begins, as kept in XCom.

    :param generation_id: The gateway's id.
    :param deadline: When to stop waiting, epoch seconds.
    :param submitted_at: ISO 8601; ``None``, like the rest, where it was bought elsewhere.
    """
    return {
        "generation_id": generation_id,
        "gateway": gateway,
        "task": task,
        "version": version,
        "model": model,
        "cost": cost,
        "seed": seed,
        "submitted_at": submitted_at,
        "deadline": deadline,
    }


def report(generation: Generation, submission: dict[str, Any]) -> dict[str, Any]:
    """
    Return a task's result, as it is pushed to XCom and to the outlets' events.

    :param generation: The generation as last seen.
    :param submission: What :func:`described` kept of its submission.
    """
    finished = not generation.status.is_pending
    return {
        "generation_id": generation.id,
        "gateway": generation.gateway,
        "task": submission["task"],
        "version": submission["version"],
        "model": submission["model"],
        "status": str(generation.status),
        "video_url": generation.video_url,
        "output_path": None,
        "size_bytes": None,
        "sha256": None,
        "cost": generation.cost.as_dict() if generation.cost else submission["cost"],
        "seed": submission["seed"] if generation.seed is None else generation.seed,
        "submitted_at": submission["submitted_at"],
        "completed_at": _iso(time.time()) if finished else None,
    }


def _time_taken(submission: dict[str, Any]) -> str:
    submitted_at = epoch(submission["submitted_at"])
    if submitted_at is None:
        return ""
    return f", {time.time() - submitted_at:.0f} s after submission"


def epoch(moment: str | None) -> float | None:
    """Return an ISO 8601 moment in epoch seconds."""
    return datetime.fromisoformat(moment).timestamp() if moment else None


def cause(error: PixverseError, said: list[str]) -> str:
    """
    Return an error's message as it may be shown: without a URL and without the words of the request.

    :param error: The error; a key in it was redacted by whoever raised it.
    :param said: What a vendor may have repeated.
    """
    message = str(error)
    for words in sorted(filter(None, said), key=len, reverse=True):
        message = message.replace(words, "[prompt]")
    return re.sub(r"\bhttps?://\S+", "[URL]", message)[:LONGEST_CAUSE]


def unfinished(submission: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a task that does not wait: what :func:`report` gives, without a video."""
    nothing = ("video_url", "output_path", "size_bytes", "sha256", "completed_at")
    known = ("generation_id", "gateway", "task", "version", "model", "cost", "seed", "submitted_at")
    return {
        **{field: submission[field] for field in known},
        **dict.fromkeys(nothing),
        "status": "queued",
    }


def now_iso() -> str:
    """Return the time as the results give it: ISO 8601, UTC."""
    return _iso(time.time())


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds")
