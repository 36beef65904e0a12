# SPDX-License-Identifier: Apache-2.0
"""A DAG whose videos become assets of an alias, and one that is scheduled on them."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, AssetAlias, task

CLIPS = AssetAlias("clips")

with DAG("announcing"):

    @task.pixverse(resolution="360p", poll_interval=2, timeout=300, outlets=[CLIPS])
    def video(**context: Any) -> dict[str, Any]:
        conf = context["dag_run"].conf
        return {"prompt": conf["prompt"], "output_path": conf["output_path"]}

    video()

with DAG("listening", schedule=[CLIPS]):

    @task(task_id="video")
    def heard(**context: Any) -> list[Any]:
        events = context["triggering_asset_events"][CLIPS]
        return [{"uri": event.asset.uri, "extra": event.extra} for event in events]

    heard()
