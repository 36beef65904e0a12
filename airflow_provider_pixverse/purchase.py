# SPDX-License-Identifier: Apache-2.0
"""
What is known of one purchase: as the record between tries, as the XCom beside a waiting task, as the result.

A record is in one of four phases, which are types: :class:`Intended` (about to be submitted, or sent and
without an answer), :class:`Submitted` (the gateway gave an id), :class:`Delivered`, and :class:`Lost`
(bought, and the gateway said that it no longer knows the id). Moments are :data:`Moment` everywhere and are
written as ISO 8601.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from airflow_provider_pixverse.exceptions import PixverseRecordError

if TYPE_CHECKING:
    from airflow_provider_pixverse.generation import Generation

Moment = Annotated[AwareDatetime, PlainSerializer(lambda moment: moment.isoformat(), return_type=str)]
"""A point in time. Epoch seconds are read as well: version 0.1.0 stored some moments as these."""

XCOM_KEY = "pixverse_submission"
"""XCom key under which a task keeps, for its resumption and for the gallery, what it waits for."""

SHOWN_FIELDS = ("prompt", "aspect_ratio", "resolution", "duration")
"""Fields of a request that are kept in XCom with its purchase, for people to see beside the video."""


def moment(epoch: float) -> datetime:
    """Return the moment of so many epoch seconds."""
    return datetime.fromtimestamp(epoch, UTC)


def iso(when: datetime | None) -> str | None:
    """Return a moment as results give it: ISO 8601 in UTC, whole seconds."""
    return None if when is None else when.astimezone(UTC).isoformat(timespec="seconds")


class _Frozen(BaseModel):
    # What a later version adds is read over.
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Purchase(_Frozen):
    """
    What is known of a generation that is waited for. What was bought elsewhere has an id and a deadline only.

    :param generation_id: The gateway's id.
    :param gateway: Name of the gateway.
    :param connection: Id of the Airflow connection it was bought through.
    :param task: Kind of generation, for example ``text-to-video``.
    :param version: PixVerse model version.
    :param model: The vendor's model id.
    :param cost: ``{"amount": …, "unit": …}`` as charged or expected, if that is known.
    :param seed: The seed sent or reported.
    :param submitted_at: When the gateway accepted it.
    :param deadline: When this try stops waiting.
    :param output_path: Where this try saves the video.
    :param place: Gateway and host that it was bought from; see ``connection.Settings.place``.
    :param account: Digest of the place and the API key; see ``connection.Settings.account``.
    :param asked: What :data:`SHOWN_FIELDS` names of the request. In XCom only: it holds the prompt.
    """

    generation_id: str
    gateway: str | None = None
    connection: str | None = None
    task: str | None = None
    version: str | None = None
    model: str | None = None
    cost: dict[str, Any] | None = None
    seed: int | None = None
    submitted_at: Moment | None = None
    deadline: Moment
    output_path: str | None = None
    place: str | None = None
    account: str | None = None
    asked: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)

    def as_xcom(self, try_number: int | None) -> dict[str, Any]:
        """Return the form kept in XCom for the resumption of this try and for the gallery."""
        known = {**self.model_dump(mode="json"), "deadline": self.deadline.timestamp()}
        return {**known, **self.asked, "try_number": try_number}

    def result(self, generation: Generation, *, now: datetime) -> dict[str, Any]:
        """
        Return the task's result.

        :param generation: The generation as last seen.
        :param now: When that was.
        """
        return {
            **self._known(),
            "generation_id": generation.id,
            "gateway": generation.gateway,
            "status": str(generation.status),
            "video_url": generation.video_url,
            **dict.fromkeys(("output_path", "size_bytes", "sha256")),
            "cost": generation.cost.as_dict() if generation.cost else self.cost,
            "seed": self.seed if generation.seed is None else generation.seed,
            "completed_at": None if generation.status.is_pending else iso(now),
        }

    def unfinished_result(self) -> dict[str, Any]:
        """Return the result of a task that does not wait for its video."""
        nothing = ("video_url", "output_path", "size_bytes", "sha256", "completed_at")
        return {**self._known(), **dict.fromkeys(nothing), "status": "queued"}

    def _known(self) -> dict[str, Any]:
        return {
            "generation_id": self.generation_id,
            "gateway": self.gateway,
            "connection": self.connection,
            "task": self.task,
            "version": self.version,
            "model": self.model,
            "cost": self.cost,
            "seed": self.seed,
            "submitted_at": iso(self.submitted_at),
        }


def from_xcom(kept: object) -> tuple[Purchase, int | None] | None:
    """
    Read the form of :meth:`Purchase.as_xcom`.

    :param kept: The XCom's value, which anybody may have edited.
    :return: The purchase and the try that kept it; ``None`` if the value is not one.
    """
    if not isinstance(kept, dict):
        return None
    asked = {name: kept[name] for name in SHOWN_FIELDS if name in kept}
    try:
        purchase = Purchase.model_validate({**kept, "asked": asked})
    except ValidationError:
        return None
    number = kept.get("try_number")
    return purchase, number if isinstance(number, int) else None


class Mark(_Frozen):
    """
    What tells a clear of the task from a retry; see ``rules.records.was_cleared``.

    :param max_tries: Of the task instance. Only a clear changes it.
    :param try_number: Of the task instance. It only grows, unless the run was deleted and made again.
    :param retries: Of the task, as its author wrote it.
    :param clear_number: Of the DAG run: how often tasks of it were cleared, if Airflow says so.
    """

    max_tries: int = 0
    try_number: int = 0
    retries: int = 0
    clear_number: int | None = None


class Intended(_Frozen):
    """
    A video is about to be submitted, or may have been.

    :param key: The submission's own key, sent along so that the vendor can be asked for it later.
    :param fingerprint: Digest of the request as rendered; see ``rules.records.fingerprint``.
    :param intended_at: Before the first send.
    :param template: Digest of the task's fields before they were rendered, which only an edit changes.
    :param media: What stands for the media that were handed over to the gateway, by request field.
    :param resubmitted: Whether ``on_ambiguous_submit="resubmit"`` was used up.
    :param place: As in :class:`Purchase`.
    :param account: As in :class:`Purchase`.
    :param mark: Of the try that kept it.
    """

    phase: Literal["intended"] = "intended"
    key: str
    fingerprint: str
    intended_at: Moment
    template: str | None = None
    media: dict[str, str] = Field(default_factory=dict)
    resubmitted: bool = False
    place: str | None = None
    account: str | None = None
    mark: Mark | None = None

    def bought_as(self, purchase: Purchase) -> Submitted:
        """Return the record of the purchase that this intention became."""
        return Submitted(intended=self, generation_id=purchase.generation_id, submission=purchase)


class Submitted(_Frozen):
    """
    The gateway accepted it and gave it an id.

    :param submission: What is known of it.
    """

    phase: Literal["submitted"] = "submitted"
    intended: Intended
    generation_id: str
    submission: Purchase


class Delivered(_Frozen):
    """
    The video is where it was asked to be.

    :param mark: When it was delivered; a record of version 0.1.0 has none.
    :param result: The task's result, for a try that finds the work done.
    """

    phase: Literal["delivered"] = "delivered"
    submitted: Submitted
    mark: Mark | None = None
    result: dict[str, Any]


class Lost(_Frozen):
    """
    It was bought, and the gateway said that it does not know it any more.

    :param mark: When that was found out.
    """

    phase: Literal["lost"] = "lost"
    submitted: Submitted
    mark: Mark | None = None


Record = Intended | Submitted | Delivered | Lost

_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="phase")])


def encode(record: Record) -> dict[str, Any]:
    """Return the form in which a record is stored; JSON."""
    return record.model_dump(mode="json", exclude_none=True)


def decode(stored: object) -> Record:
    """
    Read a stored record.

    :raises PixverseRecordError: if it is not one. That is not the same as no record.
    """
    try:
        return _RECORD.validate_python(stored)
    except ValidationError as error:
        raise PixverseRecordError(
            f"The record of an earlier submission is damaged ({error.error_count()} faults), so it is "
            f"not known whether this video is paid for already. Nothing was bought by this try."
        ) from None


def intended(record: Record) -> Intended:
    """Return the intention that every record begins with, in whatever phase it is."""
    match record:
        case Intended():
            return record
        case Submitted():
            return record.intended
        case Delivered() | Lost():
            return record.submitted.intended


def bought(record: Record | None) -> Submitted | None:
    """Return the purchase that a record tells of, in whatever phase, or ``None`` if it tells of none."""
    match record:
        case None | Intended():
            return None
        case Submitted():
            return record
        case Delivered() | Lost():
            return record.submitted
