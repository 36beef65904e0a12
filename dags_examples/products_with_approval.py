# SPDX-License-Identifier: Apache-2.0
"""
Product pictures become videos, and a person approves them before they are published.

The three folders are parameters of the run: local ones here, or ``s3://aws_default@shop/pictures`` and the
like. On Airflow 3.0, which cannot ask a person, it ends with the videos and publishes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException, ObjectStoragePath
from airflow.sdk import DAG, Param, task

from airflow_provider_pixverse.operators.pixverse import PixverseImageToVideoOperator

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator
except (ImportError, AirflowOptionalProviderFeatureException):
    ApprovalOperator = None  # type: ignore[assignment, misc]

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108
PICTURES = os.environ.get("PIXVERSE_EXAMPLE_PRODUCTS", str(Path(__file__).parent / "products"))

with DAG(
    "pixverse_products_with_approval",
    schedule=None,
    tags=["pixverse"],
    doc_md=__doc__,
    params={
        "pictures": Param(PICTURES, type="string", title="Folder with the products' pictures"),
        "review": Param(f"{OUTPUT}/review", type="string", title="Folder for videos nobody has seen"),
        "published": Param(f"{OUTPUT}/published", type="string", title="Folder for approved videos"),
    },
) as dag:

    @task
    def products(params: dict[str, str]) -> list[dict[str, str]]:
        """Find the pictures, and name each video after its own."""
        pictures = sorted(ObjectStoragePath(params["pictures"]).iterdir(), key=str)
        return [
            {"image": str(picture), "output_path": f"{params['review']}/{picture.stem}.mp4"}
            for picture in pictures
            if picture.suffix in (".jpg", ".jpeg", ".png")
        ]

    videos = PixverseImageToVideoOperator.partial(
        task_id="video",
        prompt="The product turns slowly on its table, soft light, no text",
        resolution="540p",
        retries=2,
    ).expand_kwargs(products())

    if ApprovalOperator:
        approve = ApprovalOperator(
            task_id="approve",
            subject="Publish these product videos?",
            body="{% for video in ti.xcom_pull('video') %}* {{ video.output_path }}\n{% endfor %}",
        )

        @task
        def publish(videos: list[dict[str, Any]], params: dict[str, str]) -> list[str]:
            """Copy what was approved; within one object storage no byte passes through here."""
            published = []
            for video in videos:
                source = ObjectStoragePath(video["output_path"])
                target = ObjectStoragePath(params["published"]) / source.name
                target.parent.mkdir(parents=True, exist_ok=True)
                source.copy(target)
                published.append(str(target))
            return published

        videos >> approve >> publish(videos.output)  # type: ignore[arg-type]
