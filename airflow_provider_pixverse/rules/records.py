# SPDX-License-Identifier: Apache-2.0
"""
What a try does with the record that earlier tries of its task left.

* What is paid for and not delivered is picked up: in a retry whatever the template renders to now, after a
  clear or an edit of the DAG if the request is still the same.
* What is delivered is given again to a retry, and made again after a clear.
* What the gateway no longer knows is asked for once more before anything is bought.

Values in, values out: no clock, no store.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, assert_never

from airflow_provider_pixverse.exceptions import PixverseNotFoundError, PixverseRequestError
from airflow_provider_pixverse.purchase import Delivered, Intended, Lost, Submitted, bought, intended, iso
from airflow_provider_pixverse.rules.sending import Stop
from airflow_provider_pixverse.rules.signatures import without_signature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_pixverse.purchase import Mark, Record
    from airflow_provider_pixverse.requests import GenerationRequest

OnChangedRequest = Literal["submit", "fail"]


@dataclass(frozen=True, slots=True)
class Begin:
    """
    Submit a new video.

    :param warning: Names an earlier one that stays paid for, or is empty.
    """

    warning: str = ""


@dataclass(frozen=True, slots=True)
class FindOut:
    """
    An earlier try ended while it was submitting: ask the vendor before anything is bought.

    :param warning: As in :class:`Begin`.
    """

    intended: Intended
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Attach:
    """
    Go on with the generation that is paid for.

    :param warning: As in :class:`Begin`.
    :param was_lost: Whether an earlier try was told that the gateway does not know it any more.
    :param cleared: Whether the task was cleared since the record was kept.
    """

    submitted: Submitted
    warning: str = ""
    was_lost: bool = False
    cleared: bool = False


@dataclass(frozen=True, slots=True)
class Repeat:
    """An earlier try delivered, and Airflow never learned of it: give its result again."""

    delivered: Delivered


NextTry = Begin | FindOut | Attach | Repeat | Stop


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What the task asks for now.

    :param fingerprint: See :func:`fingerprint`.
    :param template: See :func:`template_digest`.
    :param mark: Of the task instance.
    :param on_changed_request: What a cleared or edited task does if it asks for another video than the one
        that is paid for: buy it, or fail.
    """

    fingerprint: str
    template: str
    mark: Mark
    on_changed_request: OnChangedRequest = "submit"


def next_try(record: Record | None, asked: Asked) -> NextTry:
    """
    Return what a try does with what earlier ones left.

    :param record: The stored record, or ``None`` if there is none.
    :param asked: What the task asks for now.
    """
    if record is None:
        return Begin()
    if difference := _difference(record, asked):
        return _another(record, difference, asked)
    match record:
        case Intended():
            if was_cleared(record.mark, asked.mark):
                # A person has asked again, so what they chose for a doubtful submission counts once more.
                record = record.model_copy(update={"resubmitted": False})
            return FindOut(record, _rendered_otherwise(record, asked))
        case Submitted():
            return Attach(record, _rendered_otherwise(record.intended, asked))
        case Delivered():
            return Begin() if was_cleared(record.mark, asked.mark) else Repeat(record)
        case Lost():
            return Attach(record.submitted, was_lost=True, cleared=was_cleared(record.mark, asked.mark))
        case never:
            assert_never(never)


def still_lost(attach: Attach) -> Begin | Stop:
    """
    Return what follows when the gateway does not know a generation again that it had called unknown before.

    :param attach: The decision to go on with it; ``was_lost`` is set.
    """
    if attach.cleared:
        old = attach.submitted.generation_id
        return Begin(
            f"Generation {old} was bought and lost: the gateway does not know it any more. The task was "
            f"cleared since: submitting a new one."
        )
    return Stop(lost(attach.submitted))


def was_cleared(then: Mark | None, now: Mark) -> bool:
    """
    Return whether the task was cleared between two of its tries, or its run deleted and made again.

    Clearing sets ``max_tries`` to the tries so far plus the task's retries; a retry leaves it, and so does an
    edit of ``retries``. Only if such an edit makes the sum come out the same is the run's ``clear_number``
    needed, which counts the clears of all of its tasks (airflow/models/taskinstance.py,
    ``clear_task_instances``).

    :param then: When the record was kept; ``None`` in a record of version 0.1.0, which counts as a retry.
    :param now: Of the present try.
    """
    if then is None:
        return False
    if now.try_number <= then.try_number:
        return True
    if now.max_tries != then.max_tries:
        return True
    if then.clear_number is not None and then.clear_number == now.clear_number:
        return False
    return now.max_tries == now.try_number - 1 + now.retries


def fingerprint(request: GenerationRequest, *, connection: str, gateway: str) -> str:
    """
    Return what tells one purchase from another: the request as rendered and where it is sent.

    :param request: The request, before its media are handed over.
    :param connection: The connection id.
    :param gateway: Name of the gateway.
    """
    asked = request.model_dump(mode="json")
    for medium in request.media_fields:
        asked[medium] = without_signature(asked[medium])
    return _digest({"task": request.task, "request": asked, "connection": connection, "gateway": gateway})


def template_digest(fields: Mapping[str, Any]) -> str:
    """
    Return a digest of a task's fields as its author wrote them, which only an edit of the DAG changes.

    :param fields: The fields before they were rendered.
    """
    return _digest(dict(fields))


def lost(submitted: Submitted) -> PixverseNotFoundError:
    """Return the error for a generation that was bought and that the gateway no longer knows."""
    bought_at = iso(submitted.submission.submitted_at) or "an unknown time"
    return PixverseNotFoundError(
        f"Generation {submitted.generation_id} was bought at {bought_at}, but the gateway does not know it "
        f"any more: it has expired. This try bought nothing. Ask the gateway's support with this id, or "
        f"clear the task to buy the video again.",
        generation_id=submitted.generation_id,
    )


def adoptable(records: list[Record], asked: Asked) -> Record | None:
    """
    Return the record of another index of a mapped task that this one goes on with, or ``None``.

    After a clear the list that a task is mapped over may be shorter, and what was paid for under one index is
    asked for under another. Only what is not delivered and was kept before the run was cleared is taken: the
    other index may be alive else.

    :param records: The records with this fingerprint, of other indexes of the same task and run.
    :param asked: What this index asks for.
    """
    for record in records:
        if isinstance(record, Delivered | Lost):
            continue
        began = intended(record)
        kept_before = began.mark is not None and _clears(began.mark) < _clears(asked.mark)
        if kept_before and began.fingerprint == asked.fingerprint:
            return record
    return None


def _clears(mark: Mark) -> int:
    return mark.clear_number or 0


def _difference(record: Record, asked: Asked) -> str:
    """Return why the present request is another one than the one that was paid for, or nothing."""
    began = intended(record)
    if began.fingerprint == asked.fingerprint:
        return ""
    kept = record.mark if isinstance(record, Delivered | Lost) else began.mark
    if was_cleared(kept, asked.mark):
        return "The request has changed"
    if began.template is None or began.template != asked.template:
        return "The request has changed"
    # A retry of an unchanged DAG: a person changed nothing, the template rendered to something else.
    return ""


def _rendered_otherwise(intended: Intended, asked: Asked) -> str:
    if intended.fingerprint == asked.fingerprint:
        return ""
    return (
        "The request renders to something else than in the try that bought the video, and the DAG is "
        "unchanged. The video that is paid for is used. Clear the task after it ended to make a new one."
    )


def _another(record: Record, difference: str, asked: Asked) -> Begin | Stop:
    submitted = bought(record)
    if submitted is None:
        old = f"since an earlier try, which may have bought a video (request {intended(record).key})"
    else:
        old = f"since generation {submitted.generation_id} was bought"
    if asked.on_changed_request == "fail":
        return Stop(
            PixverseRequestError(
                f"{difference} {old}, and on_changed_request='fail' forbids to buy another video. Restore "
                f"the request, or set on_changed_request='submit'. Nothing was bought by this try."
            )
        )
    return Begin(
        f"{difference} {old}: submitting a new one. The old one is not cancelled and stays paid for."
    )


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
