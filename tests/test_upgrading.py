# SPDX-License-Identifier: Apache-2.0
"""
What released versions have stored, read by this one. Nothing here may change: add what a new version stores.

A deferred task outlives an upgrade as the arguments of its trigger, and a purchase as its record.
"""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pixverse import purchase
from airflow_provider_pixverse.exceptions import PixverseRecordError
from airflow_provider_pixverse.rules import records
from airflow_provider_pixverse.triggers.pixverse import PixverseGenerationTrigger

INTENDED = {
    "phase": "intended",
    "key": "6f1c2a34-8a65-4a53-a4a7-0c8b1f7e9d10",
    "fingerprint": "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b",
    "intended_at": 1795226400.5,
}
KNOWN = {
    "generation_id": "gen-1",
    "gateway": "segmind",
    "task": "text-to-video",
    "version": "v5",
    "model": "pixverse-5-video",
    "cost": {"amount": 0.5, "unit": "usd"},
    "seed": 424242,
    "submitted_at": "2026-11-21T02:00:04+00:00",
}
SUBMITTED = {
    "phase": "submitted",
    "intended": INTENDED,
    "generation_id": "gen-1",
    "submission": {**KNOWN, "deadline": 1795228200.5},
}
RESULT = {
    **KNOWN,
    "status": "finished",
    "video_url": "https://images.segmind.com/generations/gen-1.mp4",
    "output_path": "s3://campaign/dragon.mp4",
    "size_bytes": 4182913,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "completed_at": "2026-11-21T02:01:19+00:00",
}
RECORDS = {
    "0.1.0 intended": (INTENDED, records.FindOut),
    "0.1.0 submitted": (SUBMITTED, records.Attach),
    "0.1.0 delivered": (
        {"phase": "delivered", "submitted": SUBMITTED, "clears": 0, "result": RESULT},
        records.Repeat,
    ),
    "0.1.0 lost": ({"phase": "lost", "submitted": SUBMITTED, "clears": 0}, records.Attach),
}
TRIGGERS = {
    "0.1.0": {
        "pixverse_conn_id": "pixverse_default",
        "generation_id": "gen-1",
        "poll_interval": 10.0,
        "deadline": 1795228200.5,
    },
    "0.1.0, just submitted": {
        "pixverse_conn_id": "pixverse_default",
        "generation_id": "gen-1",
        "poll_interval": 10.0,
        "deadline": 1795228200.5,
        "not_before": 1795226409.5,
    },
}


@pytest.mark.parametrize("stored", RECORDS)
def test_a_record_of_an_earlier_version_is_gone_on_with(stored: str) -> None:
    content, step = RECORDS[stored]
    record = purchase.decode(content)
    asked = records.Asked(str(INTENDED["fingerprint"]), "any", purchase.Mark(max_tries=3, try_number=2))
    assert isinstance(records.next_try(record, asked), step)
    assert purchase.decode(purchase.encode(record)) == record


def test_a_record_of_a_later_version_that_says_more_is_read() -> None:
    assert purchase.decode({**SUBMITTED, "priority": "high"}) == purchase.decode(SUBMITTED)


def test_a_record_of_a_later_version_in_a_phase_nobody_knows_buys_nothing() -> None:
    with pytest.raises(PixverseRecordError, match="Nothing was bought"):
        purchase.decode({**SUBMITTED, "phase": "refunded"})


@pytest.mark.parametrize("stored", TRIGGERS)
def test_a_trigger_of_an_earlier_version_is_made_again(stored: str) -> None:
    arguments: dict[str, Any] = TRIGGERS[stored]
    path, again = PixverseGenerationTrigger(**arguments).serialize()
    assert path == "airflow_provider_pixverse.triggers.pixverse.PixverseGenerationTrigger"
    assert again == arguments


def test_a_trigger_of_a_later_version_that_says_more_is_made() -> None:
    later = {**TRIGGERS["0.1.0"], "priority": "high"}
    assert PixverseGenerationTrigger(**later).serialize()[1] == TRIGGERS["0.1.0"]
