# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

URL = "https://cdn.example.com/pixverse%2Fa_seed42.mp4?X-Amz-Signature=0123456789abcdef"


@pytest.mark.parametrize(
    ("operator", "link"),
    [
        (SimpleNamespace(video_url=URL), URL),
        (SimpleNamespace(video_url=None), ""),
        (SimpleNamespace(), ""),
    ],
    ids=["finished", "not finished", "another operator"],
)
def test_it_leads_to_the_video_once_there_is_one(operator: Any, link: str) -> None:
    assert PixverseVideoLink().get_link(operator, ti_key=None) == link  # type: ignore[arg-type]


def test_the_operators_have_it() -> None:
    operator = PixverseTextToVideoOperator(task_id="dragon", prompt="A dragon")
    (link,) = operator.operator_extra_links
    assert isinstance(link, PixverseVideoLink)
    assert link.get_link(operator, ti_key=None) == ""  # type: ignore[arg-type]
    operator.video_url = URL
    assert link.get_link(operator, ti_key=None) == URL  # type: ignore[arg-type]


def test_its_name_is_on_the_button() -> None:
    assert PixverseVideoLink().name == "Watch video"
