# SPDX-License-Identifier: Apache-2.0
"""Airflow as its users reach it: the public REST API, in the words of the tests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

RECORD = "pixverse_submission"
ENDED = ("success", "failed")
PATIENCE = 150.0
"""Seconds for what takes a few on a free machine; two busy cores are slow, not broken."""

ValueT = TypeVar("ValueT")


def eventually(
    look: Callable[[], ValueT | None],
    what: str | Callable[[], str],
    *,
    within: float = PATIENCE,
    every: float = 0.2,
) -> ValueT:
    """Return the first truthy answer; say what was waited for where there is none."""
    deadline = time.monotonic() + within
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        time.sleep(every)


class AirflowApi:
    """
    A client of one Airflow.

    :param url: Origin of its api-server.
    :param user: Name and password, where not everybody is an admin.
    """

    def __init__(self, url: str, user: dict[str, str] | None = None) -> None:
        self.url = url
        self._http = httpx.Client(base_url=f"{url}/api/v2", timeout=60)
        self._user = user

    def token(self) -> str:
        """Log in."""
        auth = f"{self.url}/auth/token"
        answer = httpx.post(auth, json=self._user, timeout=60) if self._user else httpx.get(auth, timeout=60)
        return str(answer.raise_for_status().json()["access_token"])

    def call(self, method: str, path: str, **kwargs: Any) -> Any:
        """Make one call; Airflow answers 5xx for a moment where two clients change the same row."""
        for attempt in range(5):
            if "Authorization" not in self._http.headers:
                self._http.headers["Authorization"] = f"Bearer {self.token()}"
            answer = self._http.request(method, path, **kwargs)
            if answer.is_server_error and attempt < 4:
                time.sleep(1.0)
                continue
            if answer.is_error:
                raise httpx.HTTPStatusError(answer.text, request=answer.request, response=answer)
            return answer.json() if answer.content else None
        raise AssertionError("unreachable")

    def found(self, path: str, **kwargs: Any) -> Any:
        """Return what is there, or ``None``."""
        try:
            return self.call("GET", path, **kwargs)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise

    def await_dags(self, *dag_ids: str) -> None:
        def all_there() -> bool:
            return all((self.found(f"/dags/{dag_id}") or {}).get("is_paused") is False for dag_id in dag_ids)

        def why() -> str:
            return f"DAGs {dag_ids}; import errors: {self.call('GET', '/importErrors')}"

        eventually(all_there, why)

    def run(self, dag_id: str, **conf: Any) -> Run:
        body = {"logical_date": None, "conf": conf}
        answer = self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)
        return Run(self, dag_id, answer["dag_run_id"])


@dataclass(frozen=True)
class Run:
    """One DAG run; its task of interest is called ``video`` everywhere."""

    api: AirflowApi
    dag_id: str
    run_id: str
    task_id: str = "video"

    @property
    def path(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    @property
    def state(self) -> str:
        return str(self.api.call("GET", self.path)["state"])

    def instances(self) -> list[dict[str, Any]]:
        """Return the task's instances: one, or one a map index."""
        found: list[dict[str, Any]] = []
        while True:
            page = {"limit": 100, "offset": len(found), "order_by": "map_index"}
            answer = self.api.call("GET", f"{self.path}/taskInstances", params=page)
            found += answer["task_instances"]
            if not answer["task_instances"] or len(found) >= answer["total_entries"]:
                return [each for each in found if each["task_id"] == self.task_id]

    def instance(self) -> dict[str, Any]:
        (only,) = self.instances()
        return only

    def await_state(self, *states: str, within: float = PATIENCE, tries: int = 0) -> dict[str, Any]:
        """Wait until the task is in one of these states, at this try or a later one."""

        def reached() -> dict[str, Any] | None:
            found = self.instance()
            return found if found["state"] in states and found["try_number"] >= tries else None

        return eventually(
            reached, lambda: f"{' or '.join(states)}; it is {self.instance()}\n{self.log()}", within=within
        )

    def await_end(self, *, within: float = PATIENCE, every: float = 0.2) -> str:
        """
        Wait for the run's end and return its state.

        The run's, not the task's: a clear that arrives while the scheduler closes the run is lost.
        """

        def ended() -> str | None:
            state = self.state
            return state if state in ENDED else None

        return eventually(
            ended, lambda: f"the end of {self.path}: {self._unfinished()}", within=within, every=every
        )

    def clear(self) -> None:
        body = {"dry_run": False, "only_failed": False, "dag_run_id": self.run_id, "task_ids": [self.task_id]}
        self.api.call("POST", f"/dags/{self.dag_id}/clearTaskInstances", json=body)

    def mark_failed(self) -> None:
        path = f"{self.path}/taskInstances/{self.task_id}"
        self.api.call("PATCH", path, json={"new_state": "failed"})

    def log(self, *, tries: int = 0, map_index: int = -1) -> str:
        """Return what one try logged (or all did), a line an event, as the UI shows it."""
        last = max((each["try_number"] for each in self.instances()), default=0)
        lines: list[str] = []
        for number in [tries] if tries else range(1, last + 1):
            answer = self.api.found(
                f"{self.path}/taskInstances/{self.task_id}/logs/{number}",
                params={"map_index": map_index, "full_content": True},
                headers={"Accept": "application/json"},
            )
            lines += [_line(number, each) for each in (answer or {}).get("content", ())]
        return "\n".join(lines)

    def xcom(self, key: str = "return_value", *, map_index: int = -1) -> Any:
        path = f"{self.path}/taskInstances/{self.task_id}/xcomEntries/{key}"
        found = self.api.found(path, params={"map_index": map_index, "deserialize": True})
        return None if found is None else found["value"]

    def record(self, *, map_index: int = -1) -> dict[str, Any] | None:
        """Return the provider's record of the purchase in the task state store."""
        path = f"{self.path}/taskInstances/{self.task_id}/state-store/{RECORD}"
        found = self.api.found(path, params={"map_index": map_index})
        return None if found is None else found["value"]

    def _unfinished(self) -> list[tuple[Any, ...]]:
        """Return how those stand that have not succeeded; of hundreds, the others would hide them."""
        return [
            (each["map_index"], each["state"], each["try_number"])
            for each in self.instances()
            if each["state"] != "success"
        ]


def _line(number: int, entry: Any) -> str:
    if not isinstance(entry, dict):
        return f"[{number}] {entry}"
    told = [f"[{number}]", entry.get("timestamp") or "", entry.get("level") or "", entry["event"]]
    told += [f"{name}={entry[name]}" for name in ("error_detail", "exc_info", "stack") if entry.get(name)]
    return " ".join(str(each) for each in told if each)
