# SPDX-License-Identifier: Apache-2.0
"""A DAG that Airflow starts because a video was delivered, and what it is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_api import Run, eventually

if TYPE_CHECKING:
    from scenario import Scenario


def test_a_dag_scheduled_on_an_alias_reads_the_result(scenario: Scenario) -> None:
    api = scenario.stack.api
    run = scenario.run("announcing")
    run.await_state("deferred")
    assert run.await_end() == "success"
    scenario.assert_delivered(run)

    def started() -> list[dict[str, str]]:
        return list(api.call("GET", "/dags/listening/dagRuns")["dag_runs"])

    [listening] = eventually(started, "a run of the DAG that is scheduled on the alias")
    heard = Run(api, "listening", listening["dag_run_id"])
    assert heard.await_end() == "success"
    assert heard.xcom() == [{"uri": f"file://{scenario.file}", "extra": run.xcom()}]
