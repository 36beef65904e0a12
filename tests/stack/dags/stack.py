# SPDX-License-Identifier: Apache-2.0
"""The DAGs that the stack tests run; what differs from run to run comes with the run's `conf`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

SHARED: dict[str, Any] = {
    "prompt": "{{ dag_run.conf['prompt'] }}",
    "resolution": "360p",
    "output_path": "{{ dag_run.conf['output_path'] }}",
    "poll_interval": 2,
    "timeout": 300,
    "retries": 5,
    "retry_delay": timedelta(seconds=1),
}

with DAG("durable"):
    PixverseTextToVideoOperator(task_id="video", **SHARED)

with DAG("one_try"):
    PixverseTextToVideoOperator(task_id="video", **{**SHARED, "retries": 0})

with DAG("on_the_worker"):
    PixverseTextToVideoOperator(task_id="video", **SHARED, deferrable=False)

with DAG("impatient"):
    # Less than a video takes, though not less than its retries together.
    PixverseTextToVideoOperator(task_id="video", **{**SHARED, "timeout": 8})

with DAG("deadline"):
    PixverseTextToVideoOperator(task_id="video", **{**SHARED, "timeout": 45, "retries": 0})

with DAG("changing"):
    prompt = "{{ dag_run.conf['prompt'] }}, take {{ ti.try_number }}"
    PixverseTextToVideoOperator(task_id="video", **{**SHARED, "prompt": prompt})


def mapped(dag_id: str, *, durable: bool) -> None:
    with DAG(dag_id):

        @task(retries=50, retry_delay=timedelta(seconds=1))
        def prompts(**context: Any) -> list[str]:
            return list(context["dag_run"].conf["prompts"])

        PixverseTextToVideoOperator.partial(
            task_id="video",
            resolution="360p",
            pixverse_conn_id="pixverse_{{ dag_run.conf['gateway'] }}",
            output_path="{{ dag_run.conf['output_path'] }}/{{ run_id }}/{{ ti.map_index }}.mp4",
            poll_interval=2,
            timeout=300,
            retries=50,
            retry_delay=timedelta(seconds=1),
            durable=durable,
            # A try that is killed after it noted its intention and before the POST left has bought nothing,
            # which the next try can only conclude from the gateway's logs not listing it. By default the
            # task then stops, for a person to decide; nobody is there tonight, and the sandbox's logs are
            # complete after their lag, so here that conclusion is safe. It does not blind the test: had the
            # first POST arrived all the same, the second would be one more than N in the ledger's books.
            on_ambiguous_submit="resubmit",
            # More at a time than the machine can run only makes every one of them slow, and leaves the killer
            # too little time.
            max_active_tis_per_dag=3,
        ).expand(prompt=prompts())


mapped("chaos", durable=True)
mapped("chaos_without_record", durable=False)
