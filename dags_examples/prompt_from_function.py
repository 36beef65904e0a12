# SPDX-License-Identifier: Apache-2.0
"""A function says what the video should be: ``@task.pixverse``, once for each city of a list."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, task

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108

with DAG("pixverse_prompt_from_function", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:

    @task
    def forecast() -> list[dict[str, Any]]:
        """Stand for a query to the weather service."""
        return [{"city": "Lisbon", "celsius": 31}, {"city": "Oslo", "celsius": -4}]

    @task.pixverse(resolution="540p", aspect_ratio="9:16", retries=2)
    def weather(report: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of the video; a plain string would be its prompt."""
        season = "summer sun, people in shirts" if report["celsius"] > 15 else "snow falling, warm windows"
        return {
            "prompt": f"A street in {report['city']}, {season}, slow camera flight",
            "output_path": f"{OUTPUT}/weather_{report['city'].lower()}.mp4",
        }

    weather.expand(report=forecast())
