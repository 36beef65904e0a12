# SPDX-License-Identifier: Apache-2.0
"""A loop without a seam: a transition whose last frame is its first."""

from __future__ import annotations

import os

from airflow.sdk import DAG, Param

from airflow_provider_pixverse.operators.pixverse import PixverseTransitionOperator

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108
IMAGE = os.environ.get(
    "PIXVERSE_EXAMPLE_IMAGE",
    "https://s2-111386.kwimgs.com/bs2/mmu-aiplatform-temp/kling/20240620/1.jpeg",
)

with DAG(
    "pixverse_seamless_loop",
    schedule=None,
    tags=["pixverse"],
    doc_md=__doc__,
    params={"image": Param(IMAGE, type="string")},
) as dag:
    PixverseTransitionOperator(
        task_id="loop",
        prompt="She puts her glasses on, changes her mind, takes them off again and smiles",
        first_frame="{{ params.image }}",
        last_frame="{{ params.image }}",
        duration=8,
        output_path=f"{OUTPUT}/loop.mp4",
        retries=2,
    )
