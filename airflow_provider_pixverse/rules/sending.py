# SPDX-License-Identifier: Apache-2.0
"""
One try of a submission: send it, search for it at the vendor, or stop.

* Whoever sends asks :func:`begin` for the first step and :func:`decide` or :func:`decide_on_search` after
  each one. Values in, values out: no clock, no sleep, no store. ``now`` is an argument, in epoch seconds.
* "Nothing was bought" is believed only if the gateway's contract says so, or if the request never left.
  Every other answer without an id may have bought a video. The vendor is asked about it before the user's
  own choice (``on_ambiguous_submit``) counts.
* "Not there" and "could not be found out" are different answers: :class:`Absent` and an exception.
* The key under which the next send leaves is part of the decision, so that the record can name it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from typing import Literal

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Generation
from airflow_provider_pixverse.rules.pace import Pace, usual

OnAmbiguousSubmit = Literal["fail", "resubmit"]

UNREACHED_SENDS = 5
"""How often a request is sent that never reached the gateway."""

SAFE_REPEATS = 6
"""How often a submission of unknown fate is repeated at a vendor that knows it by its key."""


@dataclass(frozen=True, slots=True)
class Absent:
    """The vendor's records were read and do not hold the submission (yet)."""


Outcome = Generation | PixverseError
"""What one send gave: the accepted generation, or why there is none."""

Search = Generation | Absent | PixverseError
"""What one search of the vendor's records gave; an error means that it could not be found out."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """
    What has been tried so far for one submission.

    :param key: The submission's own key, named in errors so that a person can search for it.
    :param deadline: Epoch seconds after which nothing is sent any more.
    :param on_ambiguous_submit: The user's choice for a submission whose fate stays unknown.
    :param can_search: Whether the gateway has records to look a submission up in.
    :param repeats_safely: Whether sending it again under the same key buys nothing.
    :param resubmitted: Whether that choice was used up, by this try or an earlier one.
    :param pace: How long to wait for what.
    """

    key: str
    deadline: float
    on_ambiguous_submit: OnAmbiguousSubmit = "fail"
    can_search: bool = False
    repeats_safely: bool = False
    resubmitted: bool = False
    pace: Pace = field(default_factory=usual, repr=False)
    unreached: int = 0
    repeats: int = 0
    refused: int = 0
    searches: int = 0
    was_absent: bool = False
    doubt: PixverseError | None = field(default=None, repr=False)
    last_refusal: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """
    Send the submission after so many seconds.

    :param attempts: What has been tried; its ``key`` is the one to send under.
    :param reason: Why it is sent again; empty for the first send.
    :param fresh: Whether no earlier send can have bought a video. Until this one leaves there is nothing to
        find out about.
    """

    seconds: float
    attempts: Attempts
    reason: str
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Find:
    """Search the vendor's records for the submission after so many seconds."""

    seconds: float
    attempts: Attempts
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    The gateway has it.

    :param key: The key it was bought under.
    """

    generation: Generation
    key: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more may be sent."""

    error: PixverseError


Step = Send | Find | Accepted | Stop


def begin(attempts: Attempts, *, in_doubt: bool, now: float) -> Step:
    """
    Return the first step of a try.

    :param attempts: The submission; nothing was tried by this try.
    :param in_doubt: Whether an earlier try may have sent it under this key. The vendor is asked first, before
        anything else can fail.
    :param now: Epoch seconds.
    """
    if in_doubt:
        doubt = PixverseAmbiguousSubmitError("An earlier try ended while it was submitting")
        return decide(attempts, doubt, now=now)
    return Send(0.0, attempts, "", fresh=True)


def decide(attempts: Attempts, outcome: Outcome, *, now: float) -> Step:
    """
    Return what follows from one send.

    :param attempts: What has been tried so far.
    :param outcome: What the send gave.
    :param now: Epoch seconds.
    """
    match outcome:
        case Generation():
            return Accepted(outcome, attempts.key)
        case PixverseNotSentError():
            return _send_unreached(attempts, outcome, now)
        case PixverseRateLimitError():
            return _send_refused(attempts, outcome, now)
        case PixverseAmbiguousSubmitError() | PixverseUnavailableError():
            attempts = replace(attempts, searches=0, doubt=outcome)
            return _repeat(attempts, now) if attempts.repeats_safely else _find(attempts)
        case PixverseError():
            return _stop(attempts, outcome)


def decide_on_search(attempts: Attempts, search: Search) -> Step:
    """
    Return what follows from one search of the vendor's records.

    :param attempts: What has been tried so far.
    :param search: What the search gave.
    """
    match search:
        case Generation():
            return Accepted(search, attempts.key)
        case Absent():
            return _find(replace(attempts, was_absent=True))
        case PixverseUnavailableError() | PixverseRateLimitError():
            return _find(attempts)
        case PixverseError():
            return _remains_unknown(attempts)


def upload_again(
    error: PixverseError, times: int, *, deadline: float, now: float, pace: Pace
) -> float | None:
    """
    Return the seconds after which a failed upload is repeated, or ``None`` if it is not.

    An upload buys nothing, so it may be repeated whatever became of it.

    :param error: What the upload ended in.
    :param times: How often it has failed before.
    :param deadline: Epoch seconds after which nothing is sent any more.
    :param now: Epoch seconds.
    :param pace: How long to wait for what.
    """
    match error:
        case PixverseRateLimitError():
            seconds = max(_back_off(pace, times), error.delay(now) or 0.0)
        case PixverseUnavailableError() if times + 1 < UNREACHED_SENDS:
            seconds = _back_off(pace, times)
        case _:
            return None
    return seconds if now + seconds <= deadline else None


def _send_unreached(attempts: Attempts, outcome: PixverseNotSentError, now: float) -> Step:
    delay = _back_off(attempts.pace, attempts.unreached)
    unreached = attempts.unreached + 1
    if unreached >= UNREACHED_SENDS or now + delay > attempts.deadline:
        return _stop(attempts, outcome)
    return _send_again(replace(attempts, unreached=unreached), delay, outcome)


def _send_refused(attempts: Attempts, outcome: PixverseRateLimitError, now: float) -> Step:
    delay = max(_back_off(attempts.pace, attempts.refused), outcome.delay(now) or 0.0)
    if now + delay > attempts.deadline:
        return _stop(attempts, outcome)
    return _send_again(replace(attempts, refused=attempts.refused + 1), delay, outcome)


def _send_again(attempts: Attempts, delay: float, outcome: PixverseError) -> Send:
    fresh = attempts.doubt is None
    if fresh and attempts.repeats_safely:
        # A vendor that knows submissions by their key would only repeat its refusal.
        attempts = replace(attempts, key=_next_key(attempts.key))
    return Send(delay, attempts, outcome.message, fresh)


def _next_key(key: str) -> str:
    """Return the key that follows this one; the same one each time, so that a decision stays a value."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, key))


def _stop(attempts: Attempts, error: PixverseError) -> Step:
    """End with an error, unless an earlier send of this submission may have bought a video all the same."""
    # Vendors may check these before they look at the key under which the submission is repeated.
    says_nothing = isinstance(
        error, PixverseNotSentError | PixverseRateLimitError | PixverseAuthError | PixverseCreditsError
    )
    if attempts.doubt is None or (attempts.repeats_safely and not says_nothing):
        return Stop(error)
    return _remains_unknown(replace(attempts, resubmitted=True, last_refusal=str(error)))


def _repeat(attempts: Attempts, now: float) -> Step:
    delay = _back_off(attempts.pace, attempts.repeats)
    if attempts.repeats >= SAFE_REPEATS or now + delay > attempts.deadline:
        return _find(attempts)
    repeated = replace(attempts, repeats=attempts.repeats + 1)
    return Send(delay, repeated, f"{_sentence(attempts.doubt)} Under the same key this buys nothing more")


def _find(attempts: Attempts) -> Step:
    delays = attempts.pace.look_up_delays
    if not attempts.can_search or attempts.searches >= len(delays):
        return _remains_unknown(attempts)
    # A search buys nothing, so the deadline does not end it.
    searched = replace(attempts, searches=attempts.searches + 1)
    return Find(delays[attempts.searches], searched, str(attempts.doubt))


def _remains_unknown(attempts: Attempts) -> Step:
    if attempts.on_ambiguous_submit == "resubmit" and not attempts.resubmitted:
        # The deadline does not count here: the searches alone take a minute, and a short timeout would
        # silently take the user's choice away.
        reason = f"{_sentence(attempts.doubt)} Submitting once more as asked"
        return Send(0.0, replace(attempts, resubmitted=True), reason)
    searched = ""
    if attempts.can_search:
        searched = (
            f" The gateway's records {'do not show it' if attempts.was_absent else 'could not be read'}."
        )
    again = " It was submitted twice." if attempts.resubmitted else ""
    if attempts.last_refusal:
        again = f" The second submission bought nothing: {_sentence(attempts.last_refusal)}"
    return Stop(
        PixverseAmbiguousSubmitError(
            f"A video may have been bought and its id is not known: "
            f"{_sentence(attempts.doubt)}{searched}{again} "
            f"Look in the gateway's dashboard for the request {attempts.key}. If it is there, deliver it by "
            f"its id; if not, on_ambiguous_submit='resubmit' submits it once more and accepts the risk of "
            f"paying twice."
        )
    )


def _sentence(words: object) -> str:
    return f"{str(words).rstrip('.')}."


def _back_off(pace: Pace, times: int) -> float:
    return float(min(pace.first_back_off * 2 ** min(times, 10), pace.longest_back_off))
