# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_pixverse.generation import Balance, Cost, Generation, GenerationStatus


@pytest.mark.parametrize(
    ("status", "pending"),
    [
        (GenerationStatus.QUEUED, True),
        (GenerationStatus.GENERATING, True),
        (GenerationStatus.FINISHED, False),
        (GenerationStatus.FAILED, False),
    ],
)
def test_only_what_may_still_change_is_pending(status: GenerationStatus, pending: bool) -> None:
    assert status.is_pending is pending


def test_every_status_is_listed_above() -> None:
    assert [str(status) for status in GenerationStatus] == ["queued", "generating", "finished", "failed"]


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(420_000, "credits"), "420,000 credits"),
        (Cost(0.375, "usd"), "0.375 usd"),
        (Cost(0, "credits"), "0 credits"),
    ],
)
def test_a_cost_reads_as_an_amount_and_its_unit(cost: Cost, text: str) -> None:
    assert str(cost) == text
    assert cost.as_dict() == {"amount": cost.amount, "unit": cost.unit}


def test_a_video_url_may_be_signed_and_is_not_shown() -> None:
    generation = Generation(
        "gen-1",
        "aimlapi",
        GenerationStatus.FINISHED,
        video_url="https://cdn.example/video.mp4?signature=s3cr3t",
    )
    assert "s3cr3t" not in repr(generation)
    assert "s3cr3t" not in f"{generation}"
    assert "gen-1" in repr(generation)


def test_an_unknown_status_word_is_named_as_such() -> None:
    known = Generation("gen-1", "aimlapi", GenerationStatus.QUEUED, vendor_status="waiting")
    unknown = Generation(
        "gen-1", "aimlapi", GenerationStatus.GENERATING, vendor_status="dreaming", recognized=False
    )
    assert known.condition == "queued"
    assert unknown.condition == "generating (unknown status 'dreaming')"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Cost(1, "usd"), "amount"),
        (Balance(1, "usd"), "amount"),
        (Generation("gen-1", "aimlapi", GenerationStatus.QUEUED), "status"),
    ],
)
def test_what_a_gateway_said_is_not_changed_afterwards(value: object, field: str) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, field, "other")
