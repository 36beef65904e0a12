# SPDX-License-Identifier: Apache-2.0
"""A video from words. One task: it submits, frees the worker while the video renders, and delivers it."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

# Any object-storage path will do: s3://campaign/videos, gs://…, with an Airflow connection.
OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108

with DAG("pixverse_text_to_video", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:
    PixverseTextToVideoOperator(
        task_id="dragon",
        prompt="A dragon appears above the tallest mountain, then rushes toward the camera",
        version="v5",
        resolution="720p",
        duration=5,
        aspect_ratio="16:9",
        output_path=f"{OUTPUT}/dragon.mp4",
        retries=2,
    )
