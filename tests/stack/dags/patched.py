# SPDX-License-Identifier: Apache-2.0
"""
DAGs for which the provider's longest waits are cut short.

In a file of their own: who reads it has the waits patched, and so only the workers of these DAGs do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_pixverse.operators import run
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.rules import pace

# Airflow ends the deferral at the deadline instead of a quarter of an hour later.
run.LOST_TRIGGER = 0.0
# The sandbox's logs are complete within a second.
pace.PACE = pace.Pace(look_up_delays=(1.0, 2.0, 2.0))

SHARED: dict[str, Any] = {
    "prompt": "{{ dag_run.conf['prompt'] }}",
    "resolution": "360p",
    "output_path": "{{ dag_run.conf['output_path'] }}",
    "poll_interval": 2,
    "retry_delay": timedelta(seconds=1),
}

with DAG("lost_trigger"):
    PixverseTextToVideoOperator(task_id="video", **SHARED, timeout=20, retries=0)

with DAG("short_look_up"):
    PixverseTextToVideoOperator(task_id="video", **SHARED, timeout=300, retries=5)
