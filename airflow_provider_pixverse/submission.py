# SPDX-License-Identifier: Apache-2.0
"""
The purchase of one video: what is known of it, and whether anything may be sent (again).

The house rules:

* Every rule about money is here. Whoever sends asks :func:`decide` what to do after each attempt.
* Values in, values out: no clock, no sleep, no store. ``now`` is an argument, in epoch seconds.
* "Nothing was bought" is believed only where the gateway's contract says so, or where the request
  never left. Every other answer without an id may have bought a video, and is looked up at the vendor
  before the user's own choice (``on_ambiguous_submit``) is asked.
* "Not there" and "could not find out" are different answers: :class:`Absent` and an exception.

The three phases of a purchase are three types: :class:`Intended`, :class:`Submitted`,
:class:`Delivered`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Generation

if TYPE_CHECKING:
    from airflow_provider_pixverse.requests import GenerationRequest

OnAmbiguousSubmit = Literal["fail", "resubmit"]

UNREACHED_SENDS = 5
"""How often a request is sent that never reached the gateway."""

SAFE_REPEATS = 6
"""How often a submission of unknown fate is repeated where the vendor knows it by its key."""

FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
"""Seconds between sends where the gateway did not say when to come back."""

LOOK_UP_DELAYS = (2.0, 4.0, 8.0, 16.0, 30.0)
"""
Seconds before each look for a submission that may have been accepted. Vendors' records lag behind
(docs.aimlapi.com, "Request Tracing and Cost Headers"), so not being listed at first proves nothing.
"""


@dataclass(frozen=True, slots=True)
class Intended:
    """
    A video is about to be submitted, or may have been.

    :param key: The submission's own key, sent along so that the vendor can be asked for it later.
    :param fingerprint: What :func:`fingerprint` makes of the request.
    :param intended_at: Epoch seconds, before the first send.
    """

    key: str
    fingerprint: str
    intended_at: float


@dataclass(frozen=True, slots=True)
class Submitted:
    """The gateway accepted it and gave it an id."""

    intended: Intended
    generation_id: str
    submitted_at: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """The video is where it was asked to be."""

    submitted: Submitted
    delivered_at: float


def fingerprint(request: GenerationRequest, *, connection: str, gateway: str) -> str:
    """
    Return what tells one purchase from another: the request as typed and where it is sent.

    :param request: The request before its media are fetched, so that a signed URL's content is not read.
    :param connection: The connection id.
    :param gateway: Name of the gateway.
    """
    content = {
        "task": request.task,
        "request": request.model_dump(mode="json"),
        "connection": connection,
        "gateway": gateway,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Absent:
    """The vendor's records were read and do not hold the submission (yet)."""


Outcome = Generation | PixverseError
"""What one send gave: the accepted generation, or why there is none."""

LookUp = Generation | Absent | PixverseError
"""What one look into the vendor's records gave; an error means it could not be found out."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """
    What has been tried so far for one submission.

    :param key: The submission's own key, named in errors so that a person can search for it.
    :param deadline: Epoch seconds after which nothing is sent any more.
    :param on_ambiguous_submit: The user's choice for what stays unknown.
    :param can_look_up: Whether the gateway has records to look a submission up in.
    :param repeats_safely: Whether sending it again under the same key buys nothing.
    """

    key: str
    deadline: float
    on_ambiguous_submit: OnAmbiguousSubmit = "fail"
    can_look_up: bool = False
    repeats_safely: bool = False
    unreached: int = 0
    repeats: int = 0
    refused: int = 0
    looks: int = 0
    resubmitted: bool = False
    doubt: PixverseError | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Send the submission after so many seconds."""

    seconds: float
    attempts: Attempts
    reason: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Look the submission up in the vendor's records after so many seconds."""

    seconds: float
    attempts: Attempts
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway has it."""

    generation: Generation


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more may be sent."""

    error: PixverseError


Step = Send | Ask | Accepted | Stop


def decide(attempts: Attempts, outcome: Outcome, *, now: float) -> Step:
    """
    Say what follows from one send.

    :param attempts: What has been tried so far.
    :param outcome: What the send gave.
    :param now: Epoch seconds.
    """
    if isinstance(outcome, Generation):
        return Accepted(outcome)
    if isinstance(outcome, PixverseNotSentError):
        return _send_unreached(attempts, outcome, now)
    if isinstance(outcome, PixverseRateLimitError):
        return _send_refused(attempts, outcome, now)
    if isinstance(outcome, PixverseAmbiguousSubmitError | PixverseUnavailableError):
        attempts = replace(attempts, looks=0, doubt=outcome)
        return _repeat(attempts, now) if attempts.repeats_safely else _ask(attempts, now)
    return Stop(outcome)


def decide_on_look_up(attempts: Attempts, look_up: LookUp, *, now: float) -> Step:
    """
    Say what follows from one look into the vendor's records.

    :param attempts: What has been tried so far.
    :param look_up: What the look gave.
    :param now: Epoch seconds.
    """
    if isinstance(look_up, Generation):
        return Accepted(look_up)
    worth_another_look = isinstance(look_up, Absent | PixverseUnavailableError | PixverseRateLimitError)
    return _ask(attempts, now) if worth_another_look else _remains_unknown(attempts)


def _send_unreached(attempts: Attempts, outcome: PixverseNotSentError, now: float) -> Step:
    delay = _back_off(attempts.unreached)
    unreached = attempts.unreached + 1
    if unreached >= UNREACHED_SENDS or now + delay > attempts.deadline:
        return Stop(outcome)
    return Send(delay, replace(attempts, unreached=unreached), outcome.message)


def _send_refused(attempts: Attempts, outcome: PixverseRateLimitError, now: float) -> Step:
    told = outcome.delay(now)
    delay = _back_off(attempts.refused) if told is None else told
    if now + delay > attempts.deadline:
        return Stop(outcome)
    return Send(delay, replace(attempts, refused=attempts.refused + 1), outcome.message)


def _repeat(attempts: Attempts, now: float) -> Step:
    delay = _back_off(attempts.repeats)
    if attempts.repeats >= SAFE_REPEATS or now + delay > attempts.deadline:
        return _ask(attempts, now)
    repeated = replace(attempts, repeats=attempts.repeats + 1)
    return Send(delay, repeated, f"{attempts.doubt} Under the same key this buys nothing more")


def _ask(attempts: Attempts, now: float) -> Step:
    if not attempts.can_look_up or attempts.looks >= len(LOOK_UP_DELAYS):
        return _remains_unknown(attempts)
    delay = LOOK_UP_DELAYS[attempts.looks]
    if now + delay > attempts.deadline:
        return _remains_unknown(attempts)
    reason = str(attempts.doubt)
    return Ask(delay, replace(attempts, looks=attempts.looks + 1), reason)


def _remains_unknown(attempts: Attempts) -> Step:
    if attempts.on_ambiguous_submit == "resubmit" and not attempts.resubmitted:
        return Send(
            0.0, replace(attempts, resubmitted=True), f"{attempts.doubt} Submitting once more as asked"
        )
    looked = " The gateway's records do not show it." if attempts.can_look_up else ""
    again = " It was submitted twice." if attempts.resubmitted else ""
    return Stop(
        PixverseAmbiguousSubmitError(
            f"A video may have been bought and its id is not known: {attempts.doubt}{looked}{again} Look in "
            f"the gateway's dashboard for the request {attempts.key}. If it is there, deliver it by its id; "
            f"if not, clear this task to submit it again. on_ambiguous_submit='resubmit' accepts the risk "
            f"of paying twice."
        )
    )


def _back_off(times: int) -> float:
    return float(min(FIRST_BACK_OFF * 2**times, LONGEST_BACK_OFF))
