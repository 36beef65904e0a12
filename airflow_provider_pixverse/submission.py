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

The first half is about one try: what follows from an answer to a send. The second half is about the
next one: the record that tries leave to each other, and what :func:`next_try` makes of it. Its phases
are types: :class:`Intended`, :class:`Submitted`, :class:`Delivered`, and :class:`Lost`.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseNotFoundError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRecordError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.generation import Generation

if TYPE_CHECKING:
    from airflow_provider_pixverse.requests import GenerationRequest

_SIGNATURE = re.compile(
    r"x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|sig|expires|key-pair-id|policy|token|s[etvrkp]",
    re.IGNORECASE,
)
"""Query parameters that sign a URL at Amazon, Google, Azure and CloudFront; nothing of its content."""

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
    was_absent: bool = False
    resubmitted: bool = False
    doubt: PixverseError | None = field(default=None, repr=False)
    last_refusal: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """
    Send the submission after so many seconds.

    :param anew: Whether the last send bought nothing and none before it is in doubt, so that this one is a
        submission of its own. Until it leaves there is nothing to find out about.
    """

    seconds: float
    attempts: Attempts
    reason: str
    anew: bool = False


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
    return _stop(attempts, outcome)


def decide_on_look_up(attempts: Attempts, look_up: LookUp, *, now: float) -> Step:
    """
    Say what follows from one look into the vendor's records.

    :param attempts: What has been tried so far.
    :param look_up: What the look gave.
    :param now: Epoch seconds.
    """
    if isinstance(look_up, Generation):
        return Accepted(look_up)
    if isinstance(look_up, Absent):
        return _ask(replace(attempts, was_absent=True), now)
    if isinstance(look_up, PixverseUnavailableError | PixverseRateLimitError):
        return _ask(attempts, now)
    return _remains_unknown(attempts, now)


def unfinished() -> PixverseAmbiguousSubmitError:
    """Return what a try that ended while it was submitting leaves to the next one."""
    return PixverseAmbiguousSubmitError("An earlier try ended while it was submitting")


def _send_unreached(attempts: Attempts, outcome: PixverseNotSentError, now: float) -> Step:
    delay = _back_off(attempts.unreached)
    unreached = attempts.unreached + 1
    if unreached >= UNREACHED_SENDS or now + delay > attempts.deadline:
        return _stop(attempts, outcome)
    return Send(delay, replace(attempts, unreached=unreached), outcome.message, anew=attempts.doubt is None)


def _send_refused(attempts: Attempts, outcome: PixverseRateLimitError, now: float) -> Step:
    told = outcome.delay(now)
    delay = max(_back_off(attempts.refused), told or 0.0)
    if now + delay > attempts.deadline:
        return _stop(attempts, outcome)
    refused = replace(attempts, refused=attempts.refused + 1)
    return Send(delay, refused, outcome.message, anew=attempts.doubt is None)


def _stop(attempts: Attempts, error: PixverseError) -> Step:
    """End with an error, unless an earlier send of this submission may have bought a video all the same."""
    # What a vendor may look at before the key under which the submission is repeated.
    says_nothing = isinstance(
        error, PixverseNotSentError | PixverseRateLimitError | PixverseAuthError | PixverseCreditsError
    )
    if attempts.doubt is None or (attempts.repeats_safely and not says_nothing):
        return Stop(error)
    return _remains_unknown(replace(attempts, resubmitted=True, last_refusal=str(error)), now=0.0)


def _repeat(attempts: Attempts, now: float) -> Step:
    delay = _back_off(attempts.repeats)
    if attempts.repeats >= SAFE_REPEATS or now + delay > attempts.deadline:
        return _ask(attempts, now)
    repeated = replace(attempts, repeats=attempts.repeats + 1)
    return Send(delay, repeated, f"{_sentence(attempts.doubt)} Under the same key this buys nothing more")


def _ask(attempts: Attempts, now: float) -> Step:
    if not attempts.can_look_up or attempts.looks >= len(LOOK_UP_DELAYS):
        return _remains_unknown(attempts, now)
    # Looking buys nothing, so it is done whatever the deadline says.
    delay = LOOK_UP_DELAYS[attempts.looks]
    reason = str(attempts.doubt)
    return Ask(delay, replace(attempts, looks=attempts.looks + 1), reason)


def _remains_unknown(attempts: Attempts, now: float) -> Step:
    may_resubmit = attempts.on_ambiguous_submit == "resubmit" and not attempts.resubmitted
    if may_resubmit and now <= attempts.deadline:
        return Send(
            0.0,
            replace(attempts, resubmitted=True),
            f"{_sentence(attempts.doubt)} Submitting once more as asked",
        )
    looked = ""
    if attempts.can_look_up:
        looked = f" The gateway's records {'do not show it' if attempts.was_absent else 'could not be read'}."
    again = " It was submitted twice." if attempts.resubmitted else ""
    if attempts.last_refusal:
        again = f" The second submission bought nothing: {_sentence(attempts.last_refusal)}"
    return Stop(
        PixverseAmbiguousSubmitError(
            f"A video may have been bought and its id is not known: "
            f"{_sentence(attempts.doubt)}{looked}{again} "
            f"Look in the gateway's dashboard for the request {attempts.key}. If it is there, deliver it by "
            f"its id; if not, on_ambiguous_submit='resubmit' submits it once more and accepts the risk of "
            f"paying twice."
        )
    )


def _sentence(words: object) -> str:
    return f"{str(words).rstrip('.')}."


def _back_off(times: int) -> float:
    return float(min(FIRST_BACK_OFF * 2 ** min(times, 10), LONGEST_BACK_OFF))


class _Phase(BaseModel):
    model_config = ConfigDict(frozen=True)


class Intended(_Phase):
    """
    A video is about to be submitted, or may have been.

    :param key: The submission's own key, sent along so that the vendor can be asked for it later.
    :param fingerprint: What :func:`fingerprint` makes of the request.
    :param intended_at: Epoch seconds, before the first send.
    """

    phase: Literal["intended"] = "intended"
    key: str
    fingerprint: str
    intended_at: float


class Submitted(_Phase):
    """
    The gateway accepted it and gave it an id.

    :param submission: What is known of it: id, gateway, model, cost, when; as reported in the end.
    """

    phase: Literal["submitted"] = "submitted"
    intended: Intended
    generation_id: str
    submission: dict[str, Any]


class Delivered(_Phase):
    """
    The video is where it was asked to be.

    :param clears: Tells one clearing of the task from the next, and is the same in all retries between two;
        here, when it was delivered.
    :param result: The task's result, for a try that finds the work done.
    """

    phase: Literal["delivered"] = "delivered"
    submitted: Submitted
    clears: int
    result: dict[str, Any]


class Lost(_Phase):
    """
    It was bought, but the gateway no longer knows it, and a person was told so.

    :param clears: As in :class:`Delivered`, when that was found out.
    """

    phase: Literal["lost"] = "lost"
    submitted: Submitted
    clears: int


Record = Intended | Submitted | Delivered | Lost

_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="phase")])


def encode(record: Record) -> dict[str, Any]:
    """Return the form in which a record is stored; JSON."""
    return record.model_dump(mode="json")


def decode(stored: object) -> Record:
    """
    Read a stored record.

    :raises PixverseRecordError: where it is not one. That is not the same as no record.
    """
    try:
        return _RECORD.validate_python(stored)
    except ValidationError as error:
        raise PixverseRecordError(
            f"The record of an earlier submission is damaged ({error.error_count()} faults), so it is "
            f"not known whether this video is paid for already. Nothing was bought by this try."
        ) from None


@dataclass(frozen=True, slots=True)
class Begin:
    """Submit a new video; ``warning`` names an earlier one that stays paid for."""

    warning: str = ""


@dataclass(frozen=True, slots=True)
class FindOut:
    """An earlier try ended while it was submitting: ask the vendor before anything is bought."""

    intended: Intended


@dataclass(frozen=True, slots=True)
class Attach:
    """Go on with the generation that is paid for."""

    submitted: Submitted


@dataclass(frozen=True, slots=True)
class Repeat:
    """An earlier try delivered, though Airflow never learned of it: give its result again."""

    delivered: Delivered


NextTry = Begin | FindOut | Attach | Repeat | Stop


def next_try(record: Record | None, *, fingerprint: str, clears: int) -> NextTry:
    """
    Say what a try does with what earlier ones left.

    :param record: The stored record, or ``None`` where there is none.
    :param fingerprint: Of the request as it is now.
    :param clears: As in :class:`Delivered`, now. Clearing means "make it again" once it was delivered.
    """
    match record:
        case None:
            return Begin()
        case Intended():
            if record.fingerprint == fingerprint:
                return FindOut(record)
            return Begin(
                f"The request has changed since an earlier try, which may have bought a video (request "
                f"{record.key}): submitting a new one."
            )
        case Submitted():
            if record.intended.fingerprint == fingerprint:
                return Attach(record)
            return Begin(_changed(record))
        case Delivered():
            if record.submitted.intended.fingerprint != fingerprint:
                return Begin(_changed(record.submitted))
            return Repeat(record) if record.clears == clears else Begin()
        case Lost():
            old = record.submitted.generation_id
            if record.clears == clears:
                return Stop(lost(record.submitted))
            return Begin(f"Generation {old} was bought and lost. Cleared since: submitting a new one.")


def _changed(submitted: Submitted) -> str:
    return (
        f"The request has changed since generation {submitted.generation_id} was bought: submitting a new "
        f"one. The old one is not cancelled and stays paid for."
    )


def lost(submitted: Submitted) -> PixverseNotFoundError:
    """Return the error for a generation that was bought and that the gateway no longer knows."""
    bought_at = submitted.submission.get("submitted_at") or "an unknown time"
    return PixverseNotFoundError(
        f"Generation {submitted.generation_id} was bought at {bought_at}, but the gateway does not know it "
        f"any more: it has expired. This try bought nothing. Ask the gateway's support with this id, or "
        f"clear the task to buy the video again.",
        generation_id=submitted.generation_id,
    )


def fingerprint(request: GenerationRequest, *, connection: str, gateway: str) -> str:
    """
    Return what tells one purchase from another: the request as typed and where it is sent.

    :param request: The request as typed, before its media are handed over.
    :param connection: The connection id.
    :param gateway: Name of the gateway.
    """
    asked = request.model_dump(mode="json")
    for medium in request.media_fields:
        asked[medium] = _without_signature(asked[medium])
    content = {
        "task": request.task,
        "request": asked,
        "connection": connection,
        "gateway": gateway,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _without_signature(medium: str | None) -> str | None:
    """Leave out what signs a URL: a template that signs anew in each try still asks for the same video."""
    if medium is None or not medium.startswith(("http://", "https://")):
        return medium
    url = urlsplit(medium)
    query = [(name, value) for name, value in parse_qsl(url.query) if not _SIGNATURE.fullmatch(name)]
    return urlunsplit(url._replace(query=urlencode(query)))
