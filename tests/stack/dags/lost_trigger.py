# SPDX-License-Identifier: Apache-2.0
"""
A DAG whose deferral Airflow itself ends at the deadline, instead of a quarter of an hour later.

In a file of its own: who reads it has the patience patched, and so only this DAG's workers do.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_provider_pixverse.operators import waiting
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

waiting.LOST_TRIGGER = 0.0

with DAG("lost_trigger"):
    PixverseTextToVideoOperator(
        task_id="video",
        prompt="{{ dag_run.conf['prompt'] }}",
        resolution="360p",
        output_path="{{ dag_run.conf['output_path'] }}",
        poll_interval=2,
        timeout=20,
        retries=0,
        retry_delay=timedelta(seconds=1),
    )
