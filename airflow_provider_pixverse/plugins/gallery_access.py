# SPDX-License-Identifier: Apache-2.0
"""What a user may see in the gallery: what Airflow itself would let them read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from fastapi import Depends

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

User = Annotated[Any, Depends(get_user)]
"""Whoever asks, by Airflow's cookie or bearer token; without either the answer is 401."""

SHOWN = (None, DagAccessEntity.XCOM, DagAccessEntity.TASK_INSTANCE)
"""What the gallery shows of a DAG: that it exists, its XComs, and the state of its tasks."""


def readable(dag_ids: Iterable[str], *, user: Any, session: Session) -> set[str]:
    """
    Return those of the DAGs of which the user may read everything that the gallery shows.

    :param dag_ids: The DAGs in question.
    :param user: As Airflow's auth manager knows them.
    :param session: The database session.
    """
    asked = {dag_id: _requests(dag_id, team) for dag_id, team in _teams(set(dag_ids), session).items()}
    manager = get_auth_manager()
    # Most users may read all or nothing of it, and auth managers answer many questions at once.
    if manager.batch_is_authorized_dag([each for some in asked.values() for each in some], user=user):
        return set(asked)
    return {
        dag_id for dag_id, requests in asked.items() if manager.batch_is_authorized_dag(requests, user=user)
    }


def _requests(dag_id: str, team: dict[str, Any]) -> list[Any]:
    details = DagDetails(id=dag_id, **team)
    return [{"method": "GET", "access_entity": entity, "details": details} for entity in SHOWN]


def _teams(dag_ids: set[str], session: Session) -> dict[str, dict[str, Any]]:
    """Return the team of each DAG as a field of its details, where this Airflow has teams."""
    look_up = getattr(DagModel, "get_dag_id_to_team_name_mapping", None)
    if look_up is None:
        return {dag_id: {} for dag_id in dag_ids}
    teams = look_up(list(dag_ids), session=session) if dag_ids else {}
    return {dag_id: {"team_name": teams.get(dag_id)} for dag_id in dag_ids}
