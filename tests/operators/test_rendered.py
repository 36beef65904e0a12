# SPDX-License-Identifier: Apache-2.0
"""Pictures given as data URIs: sent whole, shown short."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG
from PIL import Image

from airflow_provider_pixverse.operators.pixverse import PixverseImageToVideoOperator
from operators.running import SMALL, SOON

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest


def picture() -> str:
    content = io.BytesIO()
    Image.new("RGB", (640, 360), "teal").save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def shown(image: Any) -> Any:
    """Return the field as Airflow would store it for the page."""
    task = PixverseImageToVideoOperator(task_id="video", prompt="{{ 'snow' }}", image=image)
    task.render_template_fields({})
    assert task.prompt == "snow"
    return task.image if isinstance(task.image, str) else str(task.image)


def test_a_long_data_uri_is_shown_by_its_beginning_and_length() -> None:
    uri = picture()
    assert len(uri) > 1000
    assert shown(uri) == f"{uri[:40]}… ({len(uri):,} characters)"


@pytest.mark.parametrize(
    "image",
    ["data:image/png;base64,AAAA", "https://example.com/" + 300 * "a", "s3://bucket/picture.png"],
    ids=["short", "a URL", "a path"],
)
def test_everything_else_is_shown_as_it_is(image: str) -> None:
    assert shown(image) == image


def test_rendering_twice_changes_nothing() -> None:
    task = PixverseImageToVideoOperator(task_id="video", prompt="snow", image=picture())
    task.render_template_fields({})
    before = task.image
    task.render_template_fields({})
    assert task.image is before


@pytest.mark.parametrize("mapped", [False, True], ids=["alone", "mapped"])
def test_it_is_sent_whole(mapped: bool, run_dag: Callable[..., Any], pixverse_sandbox: SandboxInTest) -> None:
    with DAG(f"folded_{mapped}") as dag:
        if mapped:
            PixverseImageToVideoOperator.partial(task_id="video", **SMALL, poll_interval=SOON).expand(
                image=[picture()]
            )
        else:
            PixverseImageToVideoOperator(task_id="video", image=picture(), **SMALL, poll_interval=SOON)
    assert run_dag(dag).state == "success"
    (row,) = pixverse_sandbox.ledger()["generations"]
    assert row["request"]["image_url"] == picture()
