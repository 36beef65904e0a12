# SPDX-License-Identifier: Apache-2.0
"""
What goes wrong next: an ordered list of rules, set by ``POST /_sandbox/faults``.

The body is the list (an empty one clears it); it replaces the list before it. Each rule says *when*::

    on           submit | poll | download | logs | balance | upload | any; has a default where an effect
                 belongs to one kind of request only
    gateway      only at this gateway
    match        only where the prompt contains this
    after        let so many matching requests pass first                                   (default 0)
    times        for how many requests, null for ever                                       (default 1)
    probability  per matching request; the dice are seeded by --seed                        (default 1)

and has exactly one effect. In place of the answer, on every kind of request:

    status              this HTTP status; nothing was accepted. With ``body`` (JSON or text) and
                        ``headers``; without a body, the vendor's own kind of error for that status
    latency             so many seconds later, then as usual (also if the client has given up by then)
    drop                "before": the connection closes without an answer, nothing was accepted;
                        "after": what was asked for is done, then the connection closes without an answer
    hang                it is done, and the answer never comes
    accept_then_status  it is done, and the answer is this status, with ``body`` and ``headers``
    empty               it is done, and the answer is 200 with no body
    html                200 and an HTML page, as from a proxy on the way; nothing was accepted

What becomes of the job, decided when it is submitted (or, on ``poll``, for the job then asked about):

    fail                it ends as failed: true, or {"name": …, "message": …}
    moderation          it ends as refused by moderation, in the vendor's words (true) or these
    no_url              it finishes without a video URL
    wrong_file_size     where the vendor describes the file, the size it gives is not the file's

And of single answers:

    status_word         on poll: what is said instead of the vendor's word while the job is pending
    truncate            on download: half the file under the whole Content-Length, then the connection
                        breaks
    truncate_quietly    on download: half the file under a matching Content-Length
    lag                 on logs: only what is older than so many seconds is listed

Of the rules that fit a request, the first of the job's fate and the first of the others apply. The rules
behind them do not count the request.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

if TYPE_CHECKING:
    from collections.abc import Collection

On = Literal["submit", "poll", "download", "logs", "balance", "upload"]
Status = Annotated[int, Field(ge=200, le=599)]

FATES: Final = ("fail", "moderation", "no_url", "wrong_file_size")
ANSWERS: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(("status", "latency", "drop", "hang", "accept_then_status", "empty", "html"), ()),
    "status_word": ("poll",),
    "truncate": ("download",),
    "truncate_quietly": ("download",),
    "lag": ("logs",),
}
"""Each effect, and the only kind of request it makes sense on (none named: it fits all)."""
EFFECTS: Final[dict[str, tuple[str, ...]]] = {**dict.fromkeys(FATES, ("submit", "poll")), **ANSWERS}


class Failure(BaseModel):
    """Why a job failed, as far as the vendor would say; what is missing is the vendor's usual text."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    message: str | None = None


class Fault(BaseModel):
    """One rule, as described at the top of this module."""

    model_config = ConfigDict(extra="forbid")

    on: On | Literal["any"] | None = None
    gateway: str | None = None
    match: str | None = None
    after: NonNegativeInt = 0
    times: PositiveInt | None = 1
    probability: float = Field(1.0, gt=0, le=1)

    status: Status | None = None
    latency: NonNegativeFloat | None = None
    drop: Literal["before", "after"] | None = None
    hang: Literal[True] | None = None
    accept_then_status: Status | None = None
    empty: Literal[True] | None = None
    html: Literal[True] | None = None
    body: Any = None
    headers: dict[str, str] = Field(default_factory=dict)

    fail: Literal[True] | Failure | None = None
    moderation: Literal[True] | str | None = None
    no_url: Literal[True] | None = None
    wrong_file_size: Literal[True] | None = None

    status_word: str | None = None
    truncate: Literal[True] | None = None
    truncate_quietly: Literal[True] | None = None
    lag: NonNegativeFloat | None = None

    @model_validator(mode="after")
    def _one_effect_where_it_belongs(self) -> Self:
        effects = [name for name in EFFECTS if getattr(self, name) is not None]
        if len(effects) != 1:
            raise ValueError(
                f"a rule has one effect of {', '.join(EFFECTS)}; this one has {effects or 'none'}"
            )
        only_on = EFFECTS[effects[0]]
        if self.on is None and not only_on:
            raise ValueError(f"'on' is missing: on which kind of request {effects[0]!r} happens")
        if self.on is not None and only_on and self.on not in only_on:
            raise ValueError(f"{effects[0]!r} happens on {' or '.join(only_on)}, not on {self.on}")
        if (self.body is not None or self.headers) and effects[0] not in ("status", "accept_then_status"):
            raise ValueError("'body' and 'headers' belong to 'status' and 'accept_then_status'")
        self.on = self.on or only_on[0]  # type: ignore[assignment]
        return self

    @property
    def effect(self) -> str:
        return next(name for name in EFFECTS if getattr(self, name) is not None)

    def fits(self, on: On, gateway: str, prompt: str | None) -> bool:
        return (
            self.on in (on, "any")
            and self.gateway in (None, gateway)
            and (self.match is None or self.match in (prompt or ""))
        )


_FAULTS: Final = TypeAdapter(list[Fault])


def read_faults(body: Any, *, gateways: Collection[str]) -> list[Fault]:
    """
    Read the rules from decoded JSON.

    :param gateways: those there are.
    :raises ValueError: with a sentence for each thing that is wrong.
    """
    try:
        faults = _FAULTS.validate_python(body)
    except ValidationError as error:
        raise ValueError("\n".join(_sentence(problem) for problem in error.errors())) from error
    for number, fault in enumerate(faults):
        if fault.gateway is not None and fault.gateway not in gateways:
            raise ValueError(
                f"Rule {number}, gateway: there is no {fault.gateway!r}, only {', '.join(gateways)}"
            )
    return faults


def _sentence(problem: Any) -> str:
    if not problem["loc"]:
        return "The body is a list of rules, for example [{'on': 'submit', 'status': 503}]."
    number, *path = problem["loc"]
    field = f", {path[0]}" if path else ""
    return f"Rule {number}{field}: {problem['msg'].removeprefix('Value error, ')}"


class Plan:
    """The rules in force, and how often each has been seen and used."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self.set([])

    def set(self, faults: list[Fault]) -> None:
        # The dice start over too, so that a seeded scenario can be played again in the same process.
        self._dice = random.Random(self._seed)  # noqa: S311 - chance in a test, not a secret
        self._rules = [_Rule(fault) for fault in faults]

    def fate(self, on: On, gateway: str, prompt: str | None) -> Fault | None:
        """Take what is to become of the job."""
        return self._take(on, gateway, prompt, FATES)

    def answer(self, on: On, gateway: str, prompt: str | None) -> Fault | None:
        """Take what is to happen to this request."""
        return self._take(on, gateway, prompt, tuple(ANSWERS))

    def listed(self) -> list[dict[str, Any]]:
        return [rule.listed() for rule in self._rules]

    def _take(self, on: On, gateway: str, prompt: str | None, effects: tuple[str, ...]) -> Fault | None:
        for rule in self._rules:
            fits = rule.fault.effect in effects and rule.fault.fits(on, gateway, prompt)
            if fits and rule.takes(self._dice):
                return rule.fault
        return None


class _Rule:
    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.used = 0

    def takes(self, dice: random.Random) -> bool:
        if self.fault.times is not None and self.used >= self.fault.times:
            return False
        self.seen += 1
        if self.seen <= self.fault.after or dice.random() >= self.fault.probability:
            return False
        self.used += 1
        return True

    def listed(self) -> dict[str, Any]:
        left = None if self.fault.times is None else self.fault.times - self.used
        return {
            **self.fault.model_dump(exclude_unset=True),
            "seen": self.seen,
            "used": self.used,
            "left": left,
        }
