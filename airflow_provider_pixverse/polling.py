# SPDX-License-Identifier: Apache-2.0
"""
What to do after one look at a generation: wait, deliver it, or give up.

The house rules:

* Every rule about waiting is here, and every waiting loop of the provider asks :func:`decide`.
* Values in, values out: no clock, no sleep, no log. ``now`` is an argument, in epoch seconds.
* The video is already paid for. Whatever can be trouble on the way to the gateway is waited out until
  the deadline; only what a further look cannot change ends the wait before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_provider_pixverse.exceptions import (
    PixverseCreditsError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRateLimitError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Generation, GenerationStatus

NOT_FOUND_GRACE = 30.0
"""
Seconds for which "unknown id" is not believed. Gateways answer 404 for a moment after they accepted a
job, while it reaches the store that polls are answered from.
"""

Look = Generation | PixverseError
"""What one look at the gateway gave."""


@dataclass(frozen=True, slots=True)
class Watch:
    """
    One generation that is being waited for.

    :param generation_id: The gateway's id.
    :param deadline: When to stop waiting, epoch seconds.
    :param poll_interval: Seconds between looks.
    :param missing_since: When the gateway first called the id unknown, epoch seconds, if it has done
        so ever since.
    """

    generation_id: str
    deadline: float
    poll_interval: float
    missing_since: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again after so many seconds, with this watch."""

    seconds: float
    watch: Watch


@dataclass(frozen=True, slots=True)
class Deliver:
    """The video is finished and can be fetched."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Looking further cannot help."""

    error: PixverseError


Decision = Wait | Deliver | GiveUp


def decide(watch: Watch, look: Look, *, now: float) -> Decision:
    """
    Say what follows from one look.

    :param watch: What is being waited for.
    :param look: The generation as the gateway described it, or the error that the look ended in.
    :param now: Epoch seconds.
    """
    if isinstance(look, Generation):
        return _decide_on_answer(replace(watch, missing_since=None), look, now)
    if isinstance(look, PixverseNotFoundError):
        since = now if watch.missing_since is None else watch.missing_since
        if now - since >= NOT_FOUND_GRACE or now >= watch.deadline:
            return GiveUp(look)
        return _wait(replace(watch, missing_since=since), watch.poll_interval, now)
    if isinstance(look, PixverseRateLimitError):
        return _wait_or_time_out(watch, max(watch.poll_interval, look.delay(now) or 0.0), now, look.message)
    if isinstance(look, PixverseUnavailableError | PixverseCreditsError):
        # A look buys nothing, so an account without credits is no reason to lose a paid video.
        return _wait_or_time_out(watch, watch.poll_interval, now, look.message)
    return GiveUp(look)


def condition(look: Look) -> str:
    """Return the same word for looks between which nothing has changed that a person should read again."""
    if not isinstance(look, Generation):
        return type(look).__name__
    return str(look.status) if look.recognized else "unknown"


def _decide_on_answer(watch: Watch, generation: Generation, now: float) -> Decision:
    if generation.status is GenerationStatus.FINISHED:
        if generation.video_url:
            return Deliver(generation)
        return GiveUp(
            PixverseResponseError(
                f"{generation.gateway} calls generation {generation.id} finished "
                f"({generation.vendor_status!r}) but gives no video URL. It may have been charged; ask the "
                f"gateway's support with this id. A retry looks at the same generation again.",
                generation_id=generation.id,
            )
        )
    if generation.status is GenerationStatus.FAILED:
        return GiveUp(failure(generation))
    return _wait_or_time_out(watch, watch.poll_interval, now, f"still {generation.condition}")


def failure(generation: Generation) -> PixverseError:
    """Return the error for a generation that the vendor failed or refused to make."""
    words = generation.error or f"status {generation.vendor_status!r}, without a reason"
    if generation.moderated:
        return PixverseModerationError(
            f"{generation.gateway} refused generation {generation.id} by moderation: {words}. Change the "
            f"prompt or the input; the same request will be refused again.",
            generation_id=generation.id,
        )
    return PixverseGenerationFailed(
        f"{generation.gateway} failed to make generation {generation.id}: {words}. A retry submits it anew.",
        generation_id=generation.id,
    )


def _wait_or_time_out(watch: Watch, seconds: float, now: float, standing: str) -> Decision:
    if now >= watch.deadline:
        return GiveUp(
            PixverseTimeout(
                f"Generation {watch.generation_id} was not finished in time ({standing}). It is not "
                f"cancelled, no gateway can: it may still finish and be charged. A retry goes on waiting "
                f"for the same generation; a larger timeout gives it longer.",
                generation_id=watch.generation_id,
            )
        )
    return _wait(watch, seconds, now)


def _wait(watch: Watch, seconds: float, now: float) -> Wait:
    return Wait(max(0.0, min(seconds, watch.deadline - now)), watch)
