# SPDX-License-Identifier: Apache-2.0
"""
What a gateway answers about one generation, in the provider's own words.

Every gateway turns its vendor's status words, cost fields and error texts into these types, so that
nothing outside ``gateways/`` compares a vendor's string.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class GenerationStatus(StrEnum):
    """Where a generation stands."""

    QUEUED = "queued"
    GENERATING = "generating"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_pending(self) -> bool:
        """Whether another look later may say something new."""
        return self in (GenerationStatus.QUEUED, GenerationStatus.GENERATING)


@dataclass(frozen=True, slots=True)
class Cost:
    """
    What a generation costs, as the gateway counts it.

    :param amount: How much, in ``unit``.
    :param unit: ``"credits"`` (the gateway's own credits) or ``"usd"``. Credits are never turned
        into money: their price depends on the plan.
    """

    amount: float
    unit: str

    def __str__(self) -> str:
        return f"{self.amount:,} {self.unit}"

    def as_dict(self) -> dict[str, Any]:
        """Return the form kept in XCom."""
        return {"amount": self.amount, "unit": self.unit}


@dataclass(frozen=True, slots=True)
class Balance:
    """
    What is left in the account behind a connection.

    :param amount: How much, in ``unit``.
    :param unit: ``"credits"`` or ``"usd"``.
    """

    amount: float
    unit: str

    def __str__(self) -> str:
        return f"{self.amount:,} {self.unit}"


@dataclass(frozen=True, slots=True)
class Generation:
    """
    One generation as a gateway last described it.

    :param id: The gateway's id, exactly as given.
    :param gateway: Name of the gateway that answered.
    :param status: Where it stands.
    :param vendor_status: The vendor's own word for it, for the log.
    :param recognized: ``False`` where the provider does not know that word; it is then taken for
        still running.
    :param video_url: Where the finished video can be fetched. It expires, and may be signed: never
        logged, and left out of ``repr``.
    :param cost: What was charged or quoted, or ``None`` where the gateway did not say.
    :param seed: The seed used, where the gateway tells it.
    :param error: The vendor's words about a failure.
    :param moderated: Whether that failure is a refusal by content moderation.
    :param file_size: Size of the finished file in bytes, where the vendor states it.
    """

    id: str
    gateway: str
    status: GenerationStatus
    vendor_status: str = ""
    recognized: bool = True
    video_url: str | None = field(default=None, repr=False)
    cost: Cost | None = None
    seed: int | None = None
    error: str | None = None
    moderated: bool = False
    file_size: int | None = None

    @property
    def condition(self) -> str:
        """How it stands, in words for a log line; unknown words are named as such."""
        if self.recognized:
            return str(self.status)
        return f"{self.status} (unknown status {self.vendor_status!r})"
