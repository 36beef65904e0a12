# SPDX-License-Identifier: Apache-2.0
"""A campaign: one video for each product of a list, all of them waiting at once, without a worker."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108

with DAG("pixverse_campaign", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:

    @task
    def products() -> list[dict[str, Any]]:
        """Stand for a query to the shop."""
        return [
            {
                "prompt": f"{name} turns slowly on a marble table, soft light",
                "output_path": f"{OUTPUT}/{file}",
            }
            for name, file in (
                ("A red running shoe", "shoe.mp4"),
                ("A steel water bottle", "bottle.mp4"),
                ("A leather backpack", "backpack.mp4"),
            )
        ]

    videos = PixverseTextToVideoOperator.partial(
        task_id="video",
        resolution="540p",
        aspect_ratio="1:1",
        negative_prompt="text, watermark",
        retries=2,
        max_active_tis_per_dagrun=16,
    ).expand_kwargs(products())

    @task
    def bill(videos: list[dict[str, Any]]) -> dict[str, Any]:
        """Add up what the campaign cost."""
        costs = [video["cost"] for video in videos if video["cost"]]
        return {
            "videos": len(videos),
            "amount": sum(cost["amount"] for cost in costs),
            "unit": costs[0]["unit"] if costs else None,
        }

    bill(videos.output)
