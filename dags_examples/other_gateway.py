# SPDX-License-Identifier: Apache-2.0
"""The same video through another gateway: only the connection changes, chosen when the DAG is started."""

from __future__ import annotations

import os

from airflow.sdk import DAG, Param

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108
CONNECTIONS = ["pixverse_segmind", "pixverse_aimlapi", "pixverse_pixverse"]

with DAG(
    "pixverse_other_gateway",
    schedule=None,
    tags=["pixverse"],
    doc_md=__doc__,
    params={"connection": Param(CONNECTIONS[0], type="string", enum=CONNECTIONS)},
) as dag:
    PixverseTextToVideoOperator(
        task_id="lighthouse",
        prompt="Waves break against a lighthouse in a storm, its light sweeps over the sea",
        resolution="540p",
        seed=7,
        pixverse_conn_id="{{ params.connection }}",
        output_path=f"{OUTPUT}/lighthouse_{{{{ params.connection }}}}.mp4",
        retries=2,
    )
