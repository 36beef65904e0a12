# SPDX-License-Identifier: Apache-2.0
"""A news presenter: a picture begins to move and speaks, its lips in sync, in the voice of Chloe."""

from __future__ import annotations

import os

from airflow.sdk import DAG, Param

from airflow_provider_pixverse.operators.pixverse import PixverseImageToVideoOperator

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108
IMAGE = os.environ.get(
    "PIXVERSE_EXAMPLE_IMAGE",
    "https://raw.githubusercontent.com/aimlapi/api-docs/main/reference-files/news-presenter.jpg",
)

with DAG(
    "pixverse_news_presenter",
    schedule=None,
    tags=["pixverse"],
    doc_md=__doc__,
    params={
        "image": Param(IMAGE, type="string", title="First frame: a URL, data URI or object-storage path"),
        "headlines": Param(
            "Hello and welcome. This is our latest news update, and here are the headlines.", type="string"
        ),
    },
) as dag:
    PixverseImageToVideoOperator(
        task_id="presenter",
        prompt="A young news presenter standing in the studio, facing the camera, calm and professional, "
        "minimal head movement, with a gentle friendly smile, studio lighting, broadcast framing",
        image="{{ params.image }}",
        speech="{{ params.headlines }}",
        voice="Chloe",
        output_path=f"{OUTPUT}/presenter.mp4",
        retries=2,
    )
