# SPDX-License-Identifier: Apache-2.0
"""
What follows from one poll of a generation: wait, deliver it, or give up.

* Every waiting loop of the provider asks :func:`decide`.
* Values in, values out: no clock, no sleep, no log. ``now`` is an argument, in epoch seconds.
* The video is already paid for. Whatever can be trouble on the way to the gateway (an outage, a refused key,
  a login page, an empty account) is waited out until the deadline. Only what a further poll cannot change
  ends the wait before.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseGoneError,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRateLimitError,
    PixverseResponseError,
    PixverseTimeout,
    PixverseWrongAccountError,
)
from airflow_provider_pixverse.generation import Generation, GenerationStatus
from airflow_provider_pixverse.rules.pace import Pace, usual

LONGEST_PAUSE = 300.0
"""Seconds beyond which a gateway's word on when to come back is a mistake, and counts as no word."""

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
    :param failures: How many polls in a row have failed.
    :param bought_here: Whether the connection leads where the generation was bought. Elsewhere, an unknown
        id proves nothing.
    :param pace: How long to wait for what.
    """

    generation_id: str
    deadline: float
    poll_interval: float
    missing_since: float | None = None
    failures: int = 0
    bought_here: bool = True
    pace: Pace = field(default_factory=usual, repr=False)


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
    asked = _believed(look, now)
    if asked is not None:
        return replace(so_far, until=max(so_far.until, now + asked))
    if began < so_far.until:
        return so_far
    refusals = so_far.refusals + 1
    return Pause(now + _back_off(watch, refusals), refusals)


def decide(watch: Watch, look: Look, *, now: float, chance: float = 0.0) -> Decision:
    """
    Say what follows from one look.

    :param watch: What is being waited for.
    :param look: The generation as the gateway described it, or the error that the look ended in.
    :param now: Epoch seconds.
    :param chance: From 0 to 1; keeps those whom the same trouble met from coming back together.
    """
    match look:
        case Generation():
            return _decide_on_answer(replace(watch, missing_since=None, failures=0), look, now)
        case PixverseGoneError() if watch.bought_here:
            return GiveUp(look)
        case PixverseNotFoundError() if watch.bought_here:
            return _wait_or_lose(watch, look, now)
        case PixverseNotFoundError():
            return GiveUp(wrong_account(watch.generation_id))
        case PixverseRateLimitError():
            seconds = max(watch.poll_interval, _believed(look, now) or 0.0) + chance * watch.poll_interval
            return _wait_or_time_out(watch, seconds, now, look)
        case PixverseModerationError() | PixverseGenerationFailed() | PixverseResponseError():
            return GiveUp(look)
        case PixverseError():
            watch = replace(watch, failures=watch.failures + 1)
            seconds = _back_off(watch, watch.failures) * (1 + chance / 4)
            return _wait_or_time_out(watch, seconds, now, look)


def wrong_account(generation_id: str) -> PixverseWrongAccountError:
    """Return the error for a generation that is asked for where it was not bought."""
    return PixverseWrongAccountError(
        f"Generation {generation_id} was bought through another account, host or gateway than the connection "
        f"names now. Let pixverse_conn_id name the connection it was bought through, or restore that "
        f"connection, and retry or clear the task: the video is paid for. This try bought nothing.",
        generation_id=generation_id,
    )


def condition(look: Look) -> str:
    """Return a key that changes only when a new log line is due."""
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


def _believed(look: PixverseRateLimitError, now: float) -> float | None:
    """Return the seconds that the gateway asked to wait, unless it did not say or asked for too much."""
    asked = look.delay(now)
    return asked if asked is not None and asked <= LONGEST_PAUSE else None


def _back_off(watch: Watch, times: int) -> float:
    """Return the interval, stretched to twice and then four times while trouble lasts."""
    interval = watch.poll_interval
    return max(interval, min(interval * (1, 2, 4)[min(times, 3) - 1], watch.pace.longest_back_off))


def _wait_or_lose(watch: Watch, look: PixverseNotFoundError, now: float) -> Decision:
    """Believe that an id is unknown only if the gateway says so for minutes."""
    since = now if watch.missing_since is None else watch.missing_since
    if now - since >= watch.pace.unknown_id_grace:
        return GiveUp(look)
    return _wait_or_time_out(replace(watch, missing_since=since), watch.poll_interval, now, look)


def _wait_or_time_out(watch: Watch, seconds: float, now: float, standing: str | PixverseError) -> Decision:
    if now < watch.deadline:
        return Wait(max(0.0, min(seconds, watch.deadline - now)), watch)
    match standing:
        case PixverseAuthError():
            return GiveUp(
                PixverseAuthError(
                    f"Generation {watch.generation_id} is paid for, and the gateway refused the API key "
                    f"until the deadline: {standing.message.rstrip('.')}. Correct the connection's password; "
                    f"a retry polls the same generation again.",
                    generation_id=watch.generation_id,
                )
            )
        case PixverseError():
            standing = standing.message
        case str():
            pass
    return GiveUp(
        PixverseTimeout(
            f"Generation {watch.generation_id} was not finished in time ({standing}). It is not "
            f"cancelled, no gateway can: it may still finish and be charged. A retry goes on waiting "
            f"for the same generation; a larger timeout gives it longer.",
            generation_id=watch.generation_id,
        )
    )
