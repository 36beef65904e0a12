# SPDX-License-Identifier: Apache-2.0
"""A night's campaign: as many videos as the run's `conf` has prompts, all wanted at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator


def night(dag_id: str, **differs: Any) -> None:
    # Airflow lets 16 tasks of a DAG run at a time unless told otherwise; only the slots are to bound it here.
    with DAG(dag_id, max_active_tasks=1000):

        @task
        def prompts(**context: Any) -> list[str]:
            return list(context["dag_run"].conf["prompts"])

        PixverseTextToVideoOperator.partial(
            task_id="video",
            resolution="360p",
            output_path="{{ dag_run.conf['output_path'] }}/{{ run_id }}/{{ ti.map_index }}.mp4",
            **differs,
        ).expand(prompt=prompts())


night("deferred")
night("on_the_worker", deferrable=False)
night(
    "killed",
    retries=5,
    retry_delay=timedelta(seconds=5),
    # A worker that is killed between noting its intention and sending it has bought nothing, which the retry
    # concludes from the gateway's logs not listing it. By default it would stop there and leave the rest to a
    # person; the sandbox's logs are complete after their lag. Were the conclusion wrong, the books would show
    # one video too many.
    on_ambiguous_submit="resubmit",
)
