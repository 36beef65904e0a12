# SPDX-License-Identifier: Apache-2.0
"""What is known of a purchase: its record, phase by phase, its XCom and its result."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from airflow_provider_pixverse.exceptions import PixverseRecordError
from airflow_provider_pixverse.generation import Cost, Generation, GenerationStatus
from airflow_provider_pixverse.purchase import (
    Delivered,
    Intended,
    Lost,
    Mark,
    Purchase,
    Record,
    Submitted,
    bought,
    decode,
    encode,
    from_xcom,
    iso,
    moment,
)

BEGAN = moment(1000.0)
KEY = "6f1f7a52-0000-4000-8000-000000000001"


def rows(table: dict[str, Any], name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(name, table.values(), ids=table.keys())


# the record: its phases and its stored form

INTENDED = Intended(key=KEY, fingerprint="f" * 64, intended_at=BEGAN)
SUBMITTED = Submitted(
    intended=INTENDED,
    generation_id="gen-1",
    submission=Purchase(
        generation_id="gen-1", submitted_at="2026-01-01T00:00:00+00:00", deadline="2026-01-01T00:30:00+00:00"
    ),
)
DELIVERED = Delivered(
    submitted=SUBMITTED, mark=Mark(max_tries=1), result={"generation_id": "gen-1", "output_path": "x"}
)
LOST = Lost(submitted=SUBMITTED, mark=Mark(max_tries=1))
RECORDS: dict[str, Record] = {
    "intended": INTENDED,
    "submitted": SUBMITTED,
    "delivered": DELIVERED,
    "lost": LOST,
}


@rows(RECORDS, "record")
def test_a_record_is_read_as_it_was_stored(record: Record) -> None:
    stored = json.loads(json.dumps(encode(record), allow_nan=False))
    assert decode(stored) == record
    assert type(decode(stored)) is type(record)


@rows(RECORDS, "record")
def test_a_record_names_the_purchase_that_it_tells_of(record: Record) -> None:
    assert bought(record) == (None if record is INTENDED else SUBMITTED)
    assert bought(None) is None


@rows(RECORDS, "record")
def test_a_record_is_not_changed_afterwards(record: Record) -> None:
    for field in type(record).model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(record, field, "another")


@rows(RECORDS, "record")
def test_a_record_of_a_later_release_may_say_more(record: Record) -> None:
    assert decode({**encode(record), "note": "new"}) == record


DAMAGED: dict[str, object] = {
    "null": None,
    "an empty object": {},
    "an empty text": "",
    "a text": "gen-1",
    "a list": [encode(SUBMITTED)],
    "a number": 5,
    "JSON that was not decoded": json.dumps(encode(SUBMITTED)),
    "of another provider": {"job_id": "gen-1", "state": "submitted"},
    "no phase": {name: value for name, value in encode(SUBMITTED).items() if name != "phase"},
    "an unknown phase": {**encode(SUBMITTED), "phase": "refunded"},
    "a phase that is no word": {**encode(SUBMITTED), "phase": None},
    "a phase it has not the fields of": {**encode(INTENDED), "phase": "submitted"},
    "a delivery of nothing": {**encode(DELIVERED), "submitted": None},
    "a delivery of an intention": {**encode(DELIVERED), "submitted": encode(INTENDED)},
    "a submission without an intention": {**encode(SUBMITTED), "intended": {}},
    "an id that is none": {**encode(SUBMITTED), "generation_id": None},
    "a moment in words": {**encode(INTENDED), "intended_at": "yesterday"},
    "a mark in words": {**encode(LOST), "mark": "often"},
    "a result that is none": {**encode(DELIVERED), "result": None},
    **{
        f"{phase} without {field}": {name: value for name, value in encode(record).items() if name != field}
        for phase, record in RECORDS.items()
        for field in encode(record)
        if field not in ("phase", "mark", "media", "resubmitted")
    },
}


@rows(DAMAGED, "stored")
def test_a_damaged_record_is_an_error_and_not_an_absence(stored: object) -> None:
    with pytest.raises(PixverseRecordError, match="not known whether this video is paid for") as caught:
        decode(stored)
    assert "Nothing was bought" in str(caught.value)
    assert caught.value.__cause__ is None


# its XCom and its result

PURCHASE = Purchase(
    generation_id="gen-1",
    gateway="aimlapi",
    connection="pixverse_default",
    task="text-to-video",
    version="v5",
    model="pixverse/v5/text-to-video",
    cost={"amount": 315_000, "unit": "credits"},
    seed=1,
    submitted_at=BEGAN,
    deadline=moment(2800.5),
    output_path="s3://campaign/kite.mp4",
    place="aimlapi https://api.aimlapi.com",
    account="0123456789abcdef",
    asked={"prompt": "A red kite", "resolution": "720p"},
)


def test_it_is_read_from_xcom_as_it_was_pushed() -> None:
    pushed = json.loads(json.dumps(PURCHASE.as_xcom(3)))
    assert from_xcom(pushed) == (PURCHASE, 3)
    assert pushed["prompt"] == "A red kite"
    assert pushed["deadline"] == 2800.5


@pytest.mark.parametrize(
    "kept", [None, "gen-1", [], {}, {"generation_id": "gen-1"}, {"deadline": 0.0}], ids=str
)
def test_what_else_lies_in_xcom_is_no_purchase(kept: Any) -> None:
    assert from_xcom(kept) is None


def test_a_try_that_is_no_number_is_unknown() -> None:
    found = from_xcom({**PURCHASE.as_xcom(None), "try_number": "first"})
    assert found == (PURCHASE, None)


def test_the_record_does_not_hold_the_prompt() -> None:
    assert "red kite" not in json.dumps(PURCHASE.model_dump(mode="json"))
    assert "red kite" not in repr(PURCHASE)


def test_the_result_prefers_what_the_gateway_said_last() -> None:
    finished = Generation(
        "gen-1", "aimlapi", GenerationStatus.FINISHED, video_url="https://v.example/1.mp4",
        cost=Cost(5, "usd"), seed=7,
    )  # fmt: skip
    result = PURCHASE.result(finished, now=moment(1100.4))
    assert (result["cost"], result["seed"]) == ({"amount": 5, "unit": "usd"}, 7)
    assert (result["status"], result["completed_at"]) == ("finished", "1970-01-01T00:18:20+00:00")
    assert (result["submitted_at"], result["connection"]) == ("1970-01-01T00:16:40+00:00", "pixverse_default")


def test_the_result_falls_back_on_what_was_known_when_it_was_bought() -> None:
    running = Generation("gen-1", "aimlapi", GenerationStatus.GENERATING)
    result = PURCHASE.result(running, now=BEGAN)
    assert (result["cost"], result["seed"]) == (PURCHASE.cost, 1)
    assert result["completed_at"] is None
    assert PURCHASE.unfinished_result().keys() == result.keys()


def test_a_moment_that_is_not_known_has_no_text() -> None:
    assert iso(None) is None
