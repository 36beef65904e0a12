# SPDX-License-Identifier: Apache-2.0
"""What the list and the totals say of the rows that Airflow has."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse.plugins import gallery_data
from airflow_provider_pixverse.purchase import XCOM_KEY as SUBMISSION
from airflow_provider_pixverse.purchase import Purchase
from plugins.conftest import URL
from plugins.rows import NOW, add_generation, add_task, result, submission

if TYPE_CHECKING:
    from fastapi.testclient import TestClient
    from sqlalchemy.orm import Session

HOSTILE: list[Any] = [
    None,
    [],
    "",
    "{",
    '"text"',
    0,
    {},
    {"gateway": None, "cost": "much"},
    {"gateway": ["aimlapi"], "cost": {"amount": "1", "unit": "usd"}, "prompt": {"a": 1}},
    {"gateway": "aimlapi", "cost": {"amount": float("nan"), "unit": "usd"}},
    {"gateway": "aimlapi", "cost": {"amount": float("inf"), "unit": "credits"}, "duration": float("-inf")},
    {"gateway": "aimlapi", "cost": {"amount": -5, "unit": "usd"}},
    {"gateway": "aimlapi", "cost": {"amount": 10**400, "unit": "usd"}, "seed": 10**400},
    {"gateway": "aimlapi", "cost": {"amount": True, "unit": "usd"}},
    {"gateway": "aimlapi", "cost": {"amount": 5, "unit": ["usd"]}, "error": "broken"},
    {"gateway": "aimlapi", "cost": {"amount": 5, "unit": "doubloons"}, "error": {"type": 5, "message": []}},
    {
        "prompt": "\ud800 half a character",
        "generation_id": 10**4000,
        "submitted_at": "0001-01-01T00:00:00+23:59",
    },
    {"submitted_at": "yesterday", "completed_at": 12, "video_url": "https://[", "output_path": 7},
    {"submitted_at": "2026-01-01T00:00:00", "completed_at": "9999-12-31T23:59:59-23:59", "size_bytes": "12"},
    {"video_url": "javascript:alert(1)", "output_path": "../../etc/passwd", "size_bytes": 10**30},
    {"prompt": "x" * 100_000},
]


def listed(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(f"{URL}api/generations", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["generations"])


def totals(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get(f"{URL}api/summary", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_finished_one_is_told_in_full(session: Session, viewer: TestClient) -> None:
    identity = add_generation(session, told=result(output_path="/videos/gen-1.mp4", size_bytes=10))
    session.commit()
    (shown,) = listed(viewer)
    assert shown["id"] == identity
    expected = {
        "dag_id": "campaign",
        "run_id": "run_1",
        "task_id": "film",
        "map_index": -1,
        "state": "finished",
        "generation_id": "gen-1",
        "gateway": "aimlapi",
        "version": "v5",
        "prompt": "A red kite over a green hill",
        "resolution": "720p",
        "duration": 5,
        "aspect_ratio": "16:9",
        "seconds": 42.0,
        "cost": {"amount": 0.525, "unit": "usd", "gateway": "aimlapi"},
        "saved": True,
        "error": None,
    }
    assert {name: shown[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("task_state", "state"),
    [
        ("success", "finished"),
        ("failed", "failed"),
        ("skipped", "failed"),
        ("upstream_failed", "failed"),
        ("removed", "failed"),
        ("up_for_retry", "retrying"),
        ("deferred", "running"),
        ("running", "running"),
        ("queued", "running"),
        (None, "running"),
    ],
)
def test_its_state_is_that_of_its_task(
    session: Session, viewer: TestClient, task_state: str | None, state: str
) -> None:
    add_generation(session, state=task_state, told=result() if task_state == "success" else None)
    session.commit()
    assert [each["state"] for each in listed(viewer)] == [state]
    assert totals(viewer)["states"][state] == 1
    for asked in gallery_data.State:
        assert len(listed(viewer, state=asked)) == totals(viewer, state=asked)["total"] == (asked == state)


def test_one_whose_task_did_not_wait_is_submitted(session: Session, viewer: TestClient) -> None:
    add_generation(session, told=result(status="queued", video_url=None, completed_at=None))
    session.commit()
    assert [each["state"] for each in listed(viewer)] == ["submitted"]
    assert len(listed(viewer, state="submitted")) == 1
    assert listed(viewer, state="finished") == []


def test_why_it_failed_is_told(session: Session, viewer: TestClient) -> None:
    cause = {"type": "PixverseTimeout", "message": "not finished in time"}
    add_generation(session, state="failed", kept={**submission(), "error": cause})
    session.commit()
    assert [each["error"] for each in listed(viewer)] == [cause]


def test_other_tasks_and_other_xcoms_are_not_listed(session: Session, viewer: TestClient) -> None:
    add_task(session, xcoms={"return_value": result(), "generation_id": "gen-1"})
    session.commit()
    assert listed(viewer) == []


def test_each_mapped_task_is_one(session: Session, viewer: TestClient) -> None:
    for index in range(3):
        kept = submission(f"gen-{index}")
        add_generation(session, map_index=index, kept=kept, told=result(f"gen-{index}"))
    session.commit()
    assert [each["generation_id"] for each in listed(viewer)] == ["gen-2", "gen-1", "gen-0"]


def test_the_filters_choose(session: Session, viewer: TestClient) -> None:
    day = timedelta(days=1)
    for number, (dag_id, run_id, gateway) in enumerate(
        [("a", "r1", "aimlapi"), ("a", "r2", "segmind"), ("b", "r1", "pixverse")]
    ):
        kept = submission(f"gen-{number}", gateway=gateway)
        add_generation(session, dag_id=dag_id, run_id=run_id, kept=kept, at=NOW - number * day)
    session.commit()

    def ids(**query: Any) -> list[str]:
        found = [each["generation_id"] for each in listed(viewer, **query)]
        assert totals(viewer, **query)["total"] == len(found)
        return found

    assert ids(dag_id="a") == ["gen-0", "gen-1"]
    assert ids(dag_id="a", run_id="r2") == ["gen-1"]
    assert ids(gateway="pixverse") == ["gen-2"]
    assert ids(since="2026-11-19") == ["gen-0", "gen-1"]
    assert ids(until="2026-11-19") == ["gen-1", "gen-2"]
    assert ids(since="2026-11-19", until="2026-11-19") == ["gen-1"]
    assert ids(dag_id="' OR 1=1 --") == []


def test_the_choices_are_those_there_are(session: Session, viewer: TestClient) -> None:
    for number, run_id in enumerate(["old", "new"]):
        add_generation(session, dag_id="a", run_id=run_id, at=NOW + timedelta(hours=number))
    add_generation(session, dag_id="b", run_id="another")
    session.commit()
    choices = viewer.get(f"{URL}api/options?dag_id=a").json()
    assert choices["dags"] == ["a", "b"]
    assert choices["runs"] == ["new", "old"]
    assert choices["gateways"] == ["aimlapi", "pixverse", "segmind"]


def test_pages_hold_each_once_while_others_are_submitted(session: Session, viewer: TestClient) -> None:
    # Mapped tasks submit within the same second.
    for number in range(25):
        add_generation(session, map_index=number, at=NOW + timedelta(seconds=number // 10))
    session.commit()
    seen, after = [], None
    while True:
        answer = viewer.get(f"{URL}api/generations", params={"limit": 7, "after": after}).json()
        seen += [each["map_index"] for each in answer["generations"]]
        add_generation(session, map_index=100 + len(seen), at=NOW + timedelta(minutes=1))
        session.commit()
        if (after := answer["next"]) is None:
            break
    assert seen == list(range(24, -1, -1))


@pytest.mark.parametrize("after", ["x", "bnVsbA==", "WzEsMiwzLDRd", "W10=", "é", "WyIyMDI2LTEtMSJd"])
def test_a_position_that_is_none_is_refused(viewer: TestClient, after: str) -> None:
    assert viewer.get(f"{URL}api/generations", params={"after": after}).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "state=lost", "since=x", "until=0001-01-01", "dag_id=" + "x" * 251],
)
def test_a_question_that_makes_no_sense_is_refused(viewer: TestClient, query: str) -> None:
    assert viewer.get(f"{URL}api/generations?{query}").status_code == 422


def test_costs_are_added_by_day_and_by_dag_and_by_currency(session: Session, viewer: TestClient) -> None:
    day = timedelta(days=1)
    bought = [
        ("a", "segmind", 0.1, "usd", 0),
        ("a", "segmind", 0.2, "usd", 0),
        ("b", "aimlapi", 0.5, "usd", 1),
        ("a", "pixverse", 45, "credits", 0),
        ("b", "aimlapi", 420_000, "credits", 0),
    ]
    for number, (dag_id, gateway, amount, unit, days) in enumerate(bought):
        cost = {"amount": amount, "unit": unit}
        kept = submission(f"gen-{number}", gateway=gateway, cost=cost)
        told = result(f"gen-{number}", gateway=gateway, cost=cost)
        add_generation(session, dag_id=dag_id, map_index=number, kept=kept, told=told, at=NOW - days * day)
    session.commit()
    assert totals(viewer)["costs"] == [
        {
            "unit": "usd",
            "gateway": None,
            "total": 0.8,
            "by_day": {"2026-11-19": 0.5, "2026-11-20": 0.3},
            "by_dag": {"b": 0.5, "a": 0.3},
        },
        {
            "unit": "credits",
            "gateway": "pixverse",
            "total": 45,
            "by_day": {"2026-11-20": 45},
            "by_dag": {"a": 45},
        },
        {
            "unit": "credits",
            "gateway": "aimlapi",
            "total": 420_000,
            "by_day": {"2026-11-20": 420_000},
            "by_dag": {"b": 420_000},
        },
    ]


def test_what_was_bought_elsewhere_costs_nothing_again(session: Session, viewer: TestClient) -> None:
    add_generation(session, task_id="submit", told=result(status="queued"))
    # As the sensor and the task that only saves keep and return it.
    add_generation(
        session,
        task_id="wait",
        kept=Purchase(generation_id="gen-1", deadline=NOW).as_xcom(None),
        told=result(),
    )
    session.commit()
    assert [each["bought"] for each in listed(viewer)] == [False, True]
    assert [each["total"] for each in totals(viewer)["costs"]] == [0.525]


def test_a_summary_is_bounded_and_says_so(
    session: Session, viewer: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        add_generation(session, map_index=number)
    session.commit()
    monkeypatch.setattr(gallery_data, "LONGEST_SUMMARY", 3)
    assert (totals(viewer)["total"], totals(viewer)["complete"]) == (3, False)
    monkeypatch.setattr(gallery_data, "LONGEST_SUMMARY", 4)
    assert (totals(viewer)["total"], totals(viewer)["complete"]) == (4, True)


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_value_breaks_the_page_or_another_row(session: Session, viewer: TestClient, value: Any) -> None:
    add_generation(session, map_index=0, told=result())
    add_task(session, map_index=1, xcoms={SUBMISSION: value, "return_value": value})
    add_task(session, map_index=2, state="failed", xcoms={SUBMISSION: value})
    session.commit()
    assert [each["map_index"] for each in listed(viewer)] == [2, 1, 0]
    assert totals(viewer)["costs"][0]["by_dag"] == {"campaign": 0.525}
    for query in ({"gateway": "aimlapi"}, {"state": "finished"}, {"state": "submitted"}, {"state": "failed"}):
        found = len(listed(viewer, **query))
        assert found == totals(viewer, **query)["total"]


def test_only_web_addresses_are_links(session: Session, viewer: TestClient) -> None:
    for number, url in enumerate(
        [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "//x.example",
            "https://u:p@x.example/",
        ]
    ):
        add_generation(session, map_index=number, told=result(video_url=url))
    session.commit()
    assert {each["video_url"] for each in listed(viewer)} == {None}


def test_xcoms_that_were_written_through_the_rest_api_are_read(
    session: Session, as_user: Any, viewer: TestClient
) -> None:
    add_generation(session, told=result())
    session.commit()
    changed = as_user("ADMIN").patch(
        f"/api/v2/dags/campaign/dagRuns/run_1/taskInstances/film/xcomEntries/{SUBMISSION}",
        json={"value": submission(prompt="Another prompt"), "map_index": -1},
    )
    assert changed.status_code in (200, 404), changed.text
    if changed.status_code == 200:
        assert [each["prompt"] for each in listed(viewer)] == ["Another prompt"]
