# SPDX-License-Identifier: Apache-2.0
"""
Ways to run a task: as a worker and a triggerer would, without a database; or in a DAG, reading what it left.

Nothing of the provider is replaced. The gateway is the sandbox, over HTTP.
"""

from __future__ import annotations

import asyncio
import copy
import json
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath, TaskDeferred
from airflow.sdk.execution_time.context import OutletEventAccessors
from pacing import quicken

from airflow_provider_pixverse.triggers import pixverse as triggers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PENDING = {"on": "poll", "status": 200, "body": {"id": "whatever", "status": "generating"}, "times": None}
"""The fault by which no video is ever finished."""

NOT_YET = {"on": "poll", "status": 503}
"""The fault by which the first look finds out nothing, so that a deferrable task has to defer."""

SOON = 0.05
"""Seconds between polls of jobs that take a tenth of a second."""

SMALL = {"resolution": "360p", "duration": 5, "seed": 1, "prompt": "A red kite over a green hill"}
"""A request whose video is drawn once for all tests that make it."""

MAX_DEFERRALS = 6


def _takes_urls() -> bool:
    try:
        ObjectStoragePath("file:///")
    except TypeError:
        return False
    return True


TARGETS = pytest.mark.parametrize(
    "scheme",
    [
        "",
        pytest.param(
            "file://",
            marks=pytest.mark.skipif(
                not _takes_urls(), reason="universal-pathlib is newer than this Airflow can do with"
            ),
        ),
    ],
)
"""The ways to write a path on this machine."""

OLD_AIRFLOW = airflow.__version__.startswith("3.0.")
"""Whether a retry of a task that had deferred resumes it, where later ones start it anew."""


INSTALLED = any(
    "airflow_provider_pixverse" in point.value for point in entry_points(group="apache_airflow_provider")
)
"""Whether Airflow finds the provider, which it has to before it offers a decorator."""


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every pause short; which of them are taken is for the tests of the decisions."""
    quicken(monkeypatch)


class StateStore:
    """The task state store of Airflow 3.3 and later, as a dict."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class TaskInstance:
    """What a task is given of its instance; its XComs are a dict, and have to be JSON."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.dag_id, self.run_id, self.map_index = "a_dag", "a_run", -1
        self.try_number, self.max_tries = 1, 0
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, task_ids: str | None = None, key: str = "return_value", **which: Any) -> Any:
        own = task_ids in (None, self.task_id) and which.get("map_indexes") in (None, self.map_index)
        return self.xcoms.get(key) if own else None

    def get_first_reschedule_date(self, context: Any) -> None:
        return None


class TaskRun:
    """
    One try of a task: the worker's part, the triggerer's part, and the worker's again.

    :param operator: The task.
    """

    def __init__(self, operator: Any) -> None:
        self.operator = operator
        self.ti = TaskInstance(operator.task_id)
        self.context: dict[str, Any] = {
            "ti": self.ti,
            "task_instance": self.ti,
            "task": operator,
            "outlet_events": OutletEventAccessors(),
            "task_state_store": StateStore(),
            "params": {},
        }
        self.deferrals: list[TaskDeferred] = []
        self.events: list[dict[str, Any]] = []

    def run(self) -> dict[str, Any]:
        """Return the result, or raise what the task ends with."""
        try:
            return self._checked(self._fresh().execute(self.context))
        except TaskDeferred as deferred:
            return self.go_on(deferred)

    def begin(self) -> TaskDeferred:
        """Run the task up to its deferral."""
        with pytest.raises(TaskDeferred) as deferred:
            self._fresh().execute(self.context)
        return deferred.value

    def go_on(self, deferred: TaskDeferred) -> dict[str, Any]:
        """Let the trigger fire, and the task end; it may defer again."""
        while True:
            self.deferrals.append(deferred)
            assert len(self.deferrals) <= MAX_DEFERRALS, "the task defers again and again"
            self.events.append(fire(deferred))
            try:
                return self.resume(deferred.method_name, {"event": self.events[-1]})
            except TaskDeferred as again:
                deferred = again

    def resume(self, method: str, kwargs: dict[str, Any] | None) -> dict[str, Any]:
        """Resume the task as Airflow does: in a new process, so with a new operator."""
        return self._checked(self._fresh().resume_execution(method, kwargs, self.context))

    def resume_to_the_end(self, method: str, kwargs: dict[str, Any] | None) -> dict[str, Any]:
        """Resume the task, which may defer again or wait on the worker."""
        try:
            return self.resume(method, kwargs)
        except TaskDeferred as deferred:
            return self.go_on(deferred)

    def _fresh(self) -> Any:
        self.ran = copy.copy(self.operator)
        return self.ran

    @staticmethod
    def _checked(result: Any) -> Any:
        assert json.loads(json.dumps(result)) == result, "not what XCom keeps"
        return result


def fire(deferred: TaskDeferred) -> dict[str, Any]:
    """Run the trigger as another process would: from what Airflow has stored of it."""
    path, kwargs = deferred.trigger.serialize()
    kind = getattr(triggers, path.rpartition(".")[2])

    async def first_event() -> Any:
        return await anext(kind(**json.loads(json.dumps(kwargs))).run())

    payload = asyncio.run(first_event()).payload
    return json.loads(json.dumps(payload))


class DagRunReport:
    """
    What a DAG run has left in the database.

    :param run: The DagRun.
    """

    def __init__(self, run: Any) -> None:
        self.run = run
        self.instances = {(ti.task_id, ti.map_index): ti for ti in run.get_task_instances()}

    def state(self, task_id: str, map_index: int = -1) -> str:
        return str(self.instances[task_id, map_index].state)

    def states(self) -> dict[str, str]:
        return {task_id: self.state(task_id, index) for task_id, index in self.instances}

    def tries(self, task_id: str) -> int:
        return int(self.instances[task_id, -1].try_number)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        return self.xcoms(task_id, key).get(map_index)

    def xcoms(self, task_id: str, key: str = "return_value") -> dict[int, Any]:
        """Return the values by map index."""
        from airflow.models.xcom import XComModel

        found = self._read(
            XComModel, dag_id=self.run.dag_id, run_id=self.run.run_id, task_id=task_id, key=key
        )
        return {row.map_index: XComModel.deserialize_value(row) for row in found}

    def asset_events(self) -> list[dict[str, Any]]:
        """Return the extras of the asset events."""
        from airflow.models.asset import AssetEvent

        found = self._read(AssetEvent, source_dag_id=self.run.dag_id, source_run_id=self.run.run_id)
        return [event.extra for event in found]

    @staticmethod
    def _read(model: Any, **columns: Any) -> list[Any]:
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            found = session.scalars(select(model).filter_by(**columns)).all()
            session.expunge_all()
        return list(found)


@pytest.fixture
def dag_run(run_dag: Callable[..., Any]) -> Callable[..., DagRunReport]:
    """Run a DAG made in a test and report what it has left."""

    def run(dag: Any, **kwargs: Any) -> DagRunReport:
        return DagRunReport(run_dag(dag, **kwargs))

    return run


def bought(sandbox: Any) -> tuple[int, int]:
    """Return how many submissions arrived, and how many videos they bought."""
    ledger = sandbox.ledger()
    return ledger["submitted"], ledger["bought"]


def by_prompt(sandbox: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the bought generations, by their prompts."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in sandbox.ledger()["generations"]:
        rows.setdefault(row["request"]["prompt"], []).append(row)
    return rows


def messages(caplog: pytest.LogCaptureFixture, *, logger: str = "airflow_provider_pixverse") -> Iterator[str]:
    """Return what a package has logged."""
    return (record.getMessage() for record in caplog.records if record.name.startswith(logger))
