# SPDX-License-Identifier: Apache-2.0
"""Submit now, collect later: other work goes on while the video renders."""

from __future__ import annotations

import os

from airflow.sdk import DAG, task

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108

with DAG("pixverse_submit_and_sense", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:
    submit = PixverseTextToVideoOperator(
        task_id="submit",
        prompt="Waves roll onto a quiet beach at sunrise",
        aspect_ratio="9:16",
        wait_for_completion=False,
    )

    @task
    def write_caption() -> str:
        """Stand for whatever can be done before the video is there."""
        return "Good morning."

    video = PixverseGenerationSensor(
        task_id="video",
        generation_id=submit.output["generation_id"],
        output_path=f"{OUTPUT}/beach.mp4",
        retries=2,
    )

    @task
    def publish(video: dict[str, object], caption: str) -> str:
        """Use the result: where the video lies, its size and checksum, what it cost."""
        return f"{caption} {video['output_path']}, {video['size_bytes']} bytes"

    publish(video.output, write_caption())
