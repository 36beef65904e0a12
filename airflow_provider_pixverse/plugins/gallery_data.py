# SPDX-License-Identifier: Apache-2.0
"""
Which generations there are: what tasks kept in XCom when they submitted, with their state and result.

There is no other store. A page is read by its position (newest first), so that what is submitted
meanwhile shifts nothing, and no more is read than is shown.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, case, func, not_, or_, select, tuple_
from sqlalchemy.orm import aliased

from airflow_provider_pixverse.plugins.gallery_generation import charged, describe, is_submitted_only
from airflow_provider_pixverse.purchase import XCOM_KEY as SUBMISSION

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session
    from sqlalchemy.sql import ColumnElement, Select

LONGEST_SUMMARY = 20_000
"""Generations, the newest, that a summary counts; more of them would take seconds."""

LONGEST_CHOICE = 200
"""Runs that are offered to choose from."""


class State(StrEnum):
    """Where a generation stands, in the words of the page."""

    RUNNING = "running"
    RETRYING = "retrying"
    SUBMITTED = "submitted"
    FINISHED = "finished"
    FAILED = "failed"


ENDED_BADLY = ("failed", "upstream_failed", "skipped", "removed")

Purse = tuple[str, str | None]
"""What amounts can be added up: a unit, and the gateway where it is the gateway's own."""

Result = aliased(XComModel, name="result")


@dataclass(frozen=True, slots=True)
class Filters:
    """
    What of all generations is asked for; ``None`` is no restriction.

    :param since: First day, UTC.
    :param until: Last day, UTC.
    """

    dag_id: str | None = None
    run_id: str | None = None
    state: State | None = None
    gateway: str | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the list a generation stands."""

    timestamp: datetime
    dag_run_id: int
    task_id: str
    map_index: int

    def encoded(self) -> str:
        """Return it as the page hands it back."""
        fields = [self.timestamp.isoformat(), self.dag_run_id, self.task_id, self.map_index]
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()

    @classmethod
    def decoded(cls, text: str) -> Position:
        """
        Read it back.

        :raises ValueError: where it is none.
        """
        try:
            timestamp, dag_run_id, task_id, map_index = json.loads(base64.urlsafe_b64decode(text))
            moment = datetime.fromisoformat(timestamp)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError("not a position in the list") from error
        whole = type(dag_run_id) is int and type(map_index) is int and isinstance(task_id, str)
        if not whole or moment.tzinfo is None or max(abs(dag_run_id), abs(map_index)) >= 2**31:
            raise ValueError("not a position in the list")
        return cls(moment, dag_run_id, task_id, map_index)


def dags_with_generations(session: Session) -> set[str]:
    """Return the ids of the DAGs that ever submitted one, readable or not."""
    return set(session.scalars(select(XComModel.dag_id).where(XComModel.key == SUBMISSION).distinct()))


def page(
    session: Session, dags: set[str], filters: Filters, *, after: Position | None, limit: int
) -> dict[str, Any]:
    """
    Return a stretch of the list, newest first.

    :param dags: The DAGs that the user may read.
    :param after: The position of the last generation shown; ``None`` is the beginning.
    :param limit: At most so many.
    """
    query = _generations(session, dags, filters).order_by(
        XComModel.timestamp.desc(),
        XComModel.dag_run_id.desc(),
        XComModel.task_id.desc(),
        XComModel.map_index.desc(),
    )
    if after is not None:
        same = tuple_(XComModel.dag_run_id, XComModel.task_id, XComModel.map_index)
        query = query.where(
            or_(
                XComModel.timestamp < after.timestamp,
                and_(
                    XComModel.timestamp == after.timestamp,
                    same < (after.dag_run_id, after.task_id, after.map_index),
                ),
            )
        )
    rows = session.execute(query.limit(limit + 1)).all()
    shown = rows[:limit]
    more = len(rows) > limit
    last = shown[-1] if more else None
    return {
        "generations": [_described(row) for row in shown],
        "next": Position(last.timestamp, last.dag_run_id, last.task_id, last.map_index).encoded()
        if last
        else None,
    }


def generation(session: Session, task_instance: UUID) -> Any:
    """Return the one of a task instance as it is stored, or ``None``."""
    everything = select_columns().where(TaskInstance.id == _stored(task_instance))
    return session.execute(everything).one_or_none()


def summary(session: Session, dags: set[str], filters: Filters) -> dict[str, Any]:
    """Return how many there are in each state, and what they cost by day and by DAG, by currency."""
    query = _generations(session, dags, filters).order_by(XComModel.timestamp.desc())
    states = dict.fromkeys(State, 0)
    by_day: dict[Purse, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    by_dag: dict[Purse, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    read = 0
    for row in session.execute(query.limit(LONGEST_SUMMARY + 1)).yield_per(500):
        read += 1
        if read > LONGEST_SUMMARY:
            break
        states[_state(row)] += 1
        if cost := charged(row.submission, row.result):
            # Each gateway counts credits of its own.
            purse = (cost["unit"], None if cost["unit"] == "usd" else cost["gateway"])
            by_day[purse][row.timestamp.astimezone(UTC).date().isoformat()] += cost["amount"]
            by_dag[purse][row.dag_id] += cost["amount"]
    return {
        "total": min(read, LONGEST_SUMMARY),
        "complete": read <= LONGEST_SUMMARY,
        "states": states,
        "costs": [
            {
                "unit": unit,
                "gateway": gateway,
                "total": _rounded(sum(days.values())),
                "by_day": {day: _rounded(amount) for day, amount in sorted(days.items())},
                "by_dag": {
                    dag: _rounded(amount)
                    for dag, amount in sorted(by_dag[unit, gateway].items(), key=lambda item: -item[1])
                },
            }
            for (unit, gateway), days in sorted(by_day.items(), key=str, reverse=True)
        ],
    }


def runs(session: Session, dags: set[str], dag_id: str) -> list[str]:
    """Return the ids of a DAG's runs that have generations, newest first."""
    newest = func.max(XComModel.timestamp)
    query = (
        select(XComModel.run_id)
        .where(XComModel.key == SUBMISSION, XComModel.dag_id.in_(dags), XComModel.dag_id == dag_id)
        .group_by(XComModel.run_id)
        .order_by(newest.desc())
        .limit(LONGEST_CHOICE)
    )
    return list(session.scalars(query))


def select_columns() -> Select[Any]:
    """Return the query of all generations there are, for whoever may see them all."""
    return (
        select(
            XComModel.timestamp,
            XComModel.dag_run_id,
            XComModel.dag_id,
            XComModel.run_id,
            XComModel.task_id,
            XComModel.map_index,
            XComModel.value.label("submission"),
            Result.value.label("result"),
            TaskInstance.id.label("task_instance_id"),
            TaskInstance.state.label("task_state"),
            TaskInstance.try_number,
            TaskInstance.operator,
        )
        .join(TaskInstance, _same_task(TaskInstance))
        .outerjoin(Result, and_(_same_task(Result), Result.key == "return_value"))
        .where(XComModel.key == SUBMISSION)
    )


def _same_task(other: Any) -> ColumnElement[bool]:
    return and_(
        other.dag_id == XComModel.dag_id,
        other.task_id == XComModel.task_id,
        other.run_id == XComModel.run_id,
        other.map_index == XComModel.map_index,
    )


def _generations(session: Session, dags: set[str], filters: Filters) -> Select[Any]:
    query = select_columns().where(XComModel.dag_id.in_(dags))
    if filters.dag_id is not None:
        query = query.where(XComModel.dag_id == filters.dag_id)
    if filters.run_id is not None:
        query = query.where(XComModel.run_id == filters.run_id)
    if filters.gateway is not None:
        query = query.where(_field(session, XComModel.value, "gateway") == filters.gateway)
    if filters.since is not None:
        query = query.where(XComModel.timestamp >= _midnight(filters.since))
    if filters.until is not None:
        query = query.where(XComModel.timestamp < _midnight(filters.until) + timedelta(days=1))
    if filters.state is not None:
        query = query.where(_is_in(session, filters.state))
    return query


def _is_in(session: Session, state: State) -> ColumnElement[bool]:
    """Return :func:`_state` as a condition."""
    task_state = TaskInstance.state
    queued = func.coalesce(_field(session, Result.value, "status"), "") == "queued"
    match state:
        case State.FINISHED:
            return and_(task_state == "success", not_(queued))
        case State.SUBMITTED:
            return and_(task_state == "success", queued)
        case State.FAILED:
            return task_state.in_(ENDED_BADLY)
        case State.RETRYING:
            return task_state == "up_for_retry"
        case State.RUNNING:
            ended = ("success", "up_for_retry", *ENDED_BADLY)
            return or_(task_state.is_(None), task_state.not_in(ended))


def _state(row: Any) -> State:
    if row.task_state == "success":
        return State.SUBMITTED if is_submitted_only(row.result) else State.FINISHED
    if row.task_state in ENDED_BADLY:
        return State.FAILED
    return State.RETRYING if row.task_state == "up_for_retry" else State.RUNNING


def _described(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.task_instance_id),
        "dag_id": row.dag_id,
        "run_id": row.run_id,
        "task_id": row.task_id,
        "map_index": row.map_index,
        "try_number": row.try_number,
        "state": _state(row),
        "task_state": row.task_state,
        "announced_at": row.timestamp.isoformat(),
        **describe(row.submission, row.result),
    }


def _field(session: Session, column: Any, name: str) -> ColumnElement[str]:
    """Return a field of a JSON column as text, ``NULL`` where the value is no object with such a field."""
    field: ColumnElement[str] = column[name].as_string()
    if session.get_bind().dialect.name != "sqlite":
        return field
    # SQLite keeps what Python wrote, and refuses the whole query where it finds a NaN in it.
    return case((func.json_valid(column) == 1, field))


def _stored(task_instance: UUID) -> Any:
    """Return the id as the column holds it, which has been text and may be a UUID."""
    try:
        is_uuid = TaskInstance.id.type.python_type is not str
    except NotImplementedError:
        is_uuid = False
    return task_instance if is_uuid else str(task_instance)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _rounded(amount: float) -> float:
    """Return an amount without what adding floats leaves in the last places."""
    return round(amount, 6)
