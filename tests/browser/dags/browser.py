# SPDX-License-Identifier: Apache-2.0
"""The DAGs whose generations the browser looks at; what differs between runs comes with their `conf`."""

from __future__ import annotations

import base64
import io
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_pixverse.operators.pixverse import (
    PixverseImageToVideoOperator,
    PixverseTextToVideoOperator,
)

SHARED: dict[str, Any] = {
    "pixverse_conn_id": "{{ dag_run.conf.get('pixverse_conn_id', 'pixverse_default') }}",
    "resolution": "{{ dag_run.conf.get('resolution', '360p') }}",
    "poll_interval": 2,
    "retries": 0,
    "retry_delay": timedelta(seconds=1),
}

with DAG("launch_film", tags=["launch"]):
    PixverseTextToVideoOperator(
        task_id="video",
        prompt="{{ dag_run.conf['prompt'] }}",
        aspect_ratio="{{ dag_run.conf.get('aspect_ratio', '16:9') }}",
        output_path="{{ dag_run.conf.get('output_path') }}",
        **SHARED,
    )

with DAG("product_clips"):

    @task
    def clips(**context: Any) -> list[dict[str, str]]:
        return list(context["dag_run"].conf["clips"])

    PixverseTextToVideoOperator.partial(task_id="video", **SHARED).expand_kwargs(clips())

with DAG("picture_comes_alive"):

    @task
    def picture() -> str:
        from PIL import Image

        content = io.BytesIO()
        Image.effect_noise((640, 360), 40).save(content, "PNG")
        return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"

    PixverseImageToVideoOperator(
        task_id="video",
        prompt="Snow falls on the picture",
        image=picture(),  # type: ignore[arg-type]
        output_path="{{ dag_run.conf['output_path'] }}",
        extra={"style": "clay"},
        **SHARED,
    )
