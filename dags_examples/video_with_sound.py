# SPDX-License-Identifier: Apache-2.0
"""A film with sound in several shots: what v5.5 and later can do beside the picture."""

from __future__ import annotations

import os

from airflow.sdk import DAG

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108

with DAG("pixverse_video_with_sound", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:
    PixverseTextToVideoOperator(
        task_id="harbour",
        prompt="A fishing boat leaves the harbour at dawn, gulls circle, the captain waves to the shore",
        version="v5.5",
        resolution="720p",
        duration=8,
        audio=True,
        multi_clip=True,
        thinking="enabled",
        output_path=f"{OUTPUT}/harbour.mp4",
        retries=2,
    )
