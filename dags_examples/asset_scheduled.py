# SPDX-License-Identifier: Apache-2.0
"""A DAG that starts whenever another has delivered a video: the saved file becomes an asset of an alias."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, AssetAlias, task

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108
CLIPS = AssetAlias("pixverse-clips")

with DAG("pixverse_makes_clips", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:
    PixverseTextToVideoOperator(
        task_id="clip",
        prompt="A hot-air balloon rises over a valley in autumn",
        resolution="540p",
        output_path=f"{OUTPUT}/balloon.mp4",
        outlets=[CLIPS],
        retries=2,
    )

with DAG("pixverse_announces_clips", schedule=[CLIPS], tags=["pixverse"], doc_md=__doc__) as announcing:

    @task
    def announce(**context: Any) -> list[str]:
        """Read of each new clip what the task that made it returned."""
        events = context["triggering_asset_events"][CLIPS]
        return [f"{event.asset.uri}: {event.extra['size_bytes']} bytes" for event in events]

    announce()
