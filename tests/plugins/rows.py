# SPDX-License-Identifier: Apache-2.0
"""Rows as Airflow's scheduler and workers leave them, for the gallery to read."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.models import DagModel, DagRun, TaskInstance
from airflow.models.dagbundle import DagBundleModel
from airflow.models.xcom import XComModel
from sqlalchemy import insert, select

from airflow_provider_pixverse.purchase import XCOM_KEY as SUBMISSION
from airflow_provider_pixverse.purchase import Purchase

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def add_dag(session: Session, dag_id: str, *, bundle: str = "dags-folder") -> None:
    if session.get(DagBundleModel, bundle) is None:
        session.execute(insert(DagBundleModel).values(name=bundle))
    if session.get(DagModel, dag_id) is None:
        session.execute(
            insert(DagModel).values(
                dag_id=dag_id,
                bundle_name=bundle,
                max_active_tasks=16,
                max_active_runs=16,
                max_consecutive_failed_dag_runs=0,
                has_task_concurrency_limits=False,
            )
        )


def add_run(session: Session, dag_id: str, run_id: str) -> int:
    add_dag(session, dag_id)
    known = session.scalar(select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    if known is not None:
        return int(known)
    values = {"dag_id": dag_id, "run_id": run_id, "run_type": "manual", "run_after": NOW, "state": "running"}
    session.execute(insert(DagRun).values(**values))
    return add_run(session, dag_id, run_id)


def add_task(
    session: Session,
    *,
    dag_id: str = "campaign",
    run_id: str = "run_1",
    task_id: str = "film",
    map_index: int = -1,
    state: str | None = "success",
    xcoms: dict[str, Any] | None = None,
    at: datetime = NOW,
) -> str:
    """Add a task instance with XComs, stored as they are given, and return its id."""
    run = add_run(session, dag_id, run_id)
    where = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    identity = uuid.uuid4()
    stored = identity if TaskInstance.id.type.python_type is uuid.UUID else str(identity)
    session.execute(
        insert(TaskInstance).values(**where, id=stored, pool="default_pool", state=state, try_number=1)
    )
    for key, value in (xcoms or {}).items():
        session.execute(insert(XComModel).values(**where, dag_run_id=run, key=key, value=value, timestamp=at))
    return str(identity)


def submission(generation_id: str = "gen-1", **fields: Any) -> dict[str, Any]:
    """Return what a task keeps when it has submitted."""
    known: dict[str, Any] = {
        "gateway": "aimlapi",
        "task": "text-to-video",
        "version": "v5",
        "model": "pixverse/v5/text-to-video",
        "cost": {"amount": 0.525, "unit": "usd"},
        "submitted_at": NOW.isoformat(),
    }
    asked = {
        "prompt": "A red kite over a green hill",
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "duration": 5,
        "output_path": None,
        "try_number": 1,
    }
    names = known.keys() | {"seed"}
    told = {**known, **{name: fields.pop(name) for name in list(fields) if name in names}}
    deadline = NOW + timedelta(seconds=1800)
    kept = Purchase(generation_id=generation_id, deadline=deadline, **told).as_xcom(None)
    return {**kept, **asked, **fields}


def result(generation_id: str = "gen-1", **fields: Any) -> dict[str, Any]:
    """Return what a task returns when it has delivered."""
    return {
        "generation_id": generation_id,
        "gateway": "aimlapi",
        "task": "text-to-video",
        "version": "v5",
        "model": "pixverse/v5/text-to-video",
        "status": "finished",
        "video_url": "https://cdn.example.com/video.mp4?signature=abc",
        "output_path": None,
        "size_bytes": None,
        "sha256": None,
        "cost": {"amount": 0.525, "unit": "usd"},
        "seed": 7,
        "submitted_at": NOW.isoformat(),
        "completed_at": (NOW + timedelta(seconds=42)).isoformat(),
        **fields,
    }


def add_generation(
    session: Session,
    *,
    kept: Any = None,
    told: Any = None,
    **where: Any,
) -> str:
    """Add a task that submitted, and that delivered where it is given a result."""
    xcoms = {SUBMISSION: submission() if kept is None else kept}
    if told is not None:
        xcoms["return_value"] = told
    return add_task(session, xcoms=xcoms, **where)
