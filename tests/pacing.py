# SPDX-License-Identifier: Apache-2.0
"""The pace of tests that do not wait; which waits are taken is for the tests of the decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse.rules import pace

if TYPE_CHECKING:
    import pytest

QUICK = pace.Pace(
    first_back_off=0.01,
    look_up_delays=(0.01, 0.02, 0.05),
    unknown_id_grace=0.3,
    rendering_share=0.0,
    earliest_event=0.0,
    download_retries=(0.01, 0.02),
    record_retries=(0.01,),
)


def quicken(monkeypatch: pytest.MonkeyPatch, **otherwise: Any) -> None:
    """
    Let nothing be waited for in this process.

    :param otherwise: Fields of the pace that a test needs to be otherwise.
    """
    monkeypatch.setattr(pace, "PACE", replace(QUICK, **otherwise))
