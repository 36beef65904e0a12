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

LONGEST_BACK_OFF = 60.0
"""Seconds between looks beyond which trouble does not stretch them; a longer interval stays as it is."""

LONGEST_PAUSE = 3600.0
"""Seconds for which a gateway is believed that it takes no requests; one that says a year is mistaken."""

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
    :param failures: How many looks in a row have failed.
    """

    generation_id: str
    deadline: float
    poll_interval: float
    missing_since: float | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """
    For how long nobody on a connection looks, because the gateway takes no requests.

    :param until: Its end, epoch seconds.
    :param refusals: How many looks in a row were refused without a word on when to come back.
    """

    until: float = 0.0
    refusals: int = 0


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


def not_before(shortest: float, *, timeout: float, now: float) -> float:
    """
    Return when a video that was submitted now is first looked at, epoch seconds.

    :param shortest: Seconds in which no such video was ever finished.
    :param timeout: Seconds that its task waits. A short one is not slept away: half of it is left to look.
    :param now: Epoch seconds.
    """
    return now + min(shortest, timeout / 2)


def first_look(watch: Watch, *, not_before: float = 0.0, now: float, chance: float = 0.0) -> float:
    """
    Return the seconds until the first look of a wait, which is not after its deadline.

    :param watch: What is being waited for.
    :param not_before: Epoch seconds before which nothing is looked at.
    :param now: Epoch seconds.
    :param chance: From 0 to 1. Waits that start together are spread by it over their interval; those
        that have a moment of their own to start at are spread already.
    """
    left = max(0.0, watch.deadline - now)
    if not_before > now:
        return min(not_before - now, left)
    return chance * min(watch.poll_interval, left / 2)


def pause(so_far: Pause, watch: Watch, look: Look, *, began: float, now: float) -> Pause:
    """
    Say for how long all waits of a connection keep still after one look of one of them.

    :param so_far: The pause up to now.
    :param watch: Whose look it was.
    :param look: What it gave.
    :param began: When it was sent, epoch seconds: of those sent together, the first refusal counts.
    :param now: Epoch seconds.
    """
    if isinstance(look, Generation):
        return replace(so_far, refusals=0) if so_far.refusals else so_far
    if not isinstance(look, PixverseRateLimitError):
        return so_far
    asked = look.delay(now)
    if asked is not None:
        return replace(so_far, until=max(so_far.until, now + min(asked, LONGEST_PAUSE)))
    if began < so_far.until:
        return so_far
    refusals = so_far.refusals + 1
    return Pause(now + _back_off(watch.poll_interval, refusals), refusals)


def decide(watch: Watch, look: Look, *, now: float, chance: float = 0.0) -> Decision:
    """
    Say what follows from one look.

    :param watch: What is being waited for.
    :param look: The generation as the gateway described it, or the error that the look ended in.
    :param now: Epoch seconds.
    :param chance: From 0 to 1; keeps those whom the same trouble met from coming back together.
    """
    if isinstance(look, Generation):
        return _decide_on_answer(replace(watch, missing_since=None, failures=0), look, now)
    if isinstance(look, PixverseNotFoundError):
        since = now if watch.missing_since is None else watch.missing_since
        if now - since >= NOT_FOUND_GRACE or now >= watch.deadline:
            return GiveUp(look)
        return _wait(replace(watch, missing_since=since), watch.poll_interval, now)
    if isinstance(look, PixverseRateLimitError):
        asked = min(look.delay(now) or 0.0, LONGEST_PAUSE)
        seconds = max(watch.poll_interval, asked) + chance * watch.poll_interval
        return _wait_or_time_out(watch, seconds, now, look.message)
    if isinstance(look, PixverseUnavailableError | PixverseCreditsError):
        # A look buys nothing, so an account without credits is no reason to lose a paid video.
        watch = replace(watch, failures=watch.failures + 1)
        seconds = _back_off(watch.poll_interval, watch.failures) * (1 + chance / 4)
        return _wait_or_time_out(watch, seconds, now, look.message)
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


def _back_off(interval: float, times: int) -> float:
    """Return the interval, stretched to twice and then four times while trouble lasts."""
    return max(interval, min(interval * (1, 2, 4)[min(times, 3) - 1], LONGEST_BACK_OFF))


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
