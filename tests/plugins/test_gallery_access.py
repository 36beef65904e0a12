# SPDX-License-Identifier: Apache-2.0
"""Who sees what: nothing without Airflow's word for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.dagbundle import DagBundleModel
from sqlalchemy import insert

from plugins.conftest import URL
from plugins.rows import add_dag, add_generation, result, submission

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi.testclient import TestClient
    from sqlalchemy.orm import Session

EVERYTHING = [
    "static/gallery.js",
    "static/icon.svg",
    "api/generations",
    "api/summary",
    "api/options",
    "api/generations/00000000-0000-4000-8000-000000000000/video",
]


@pytest.mark.parametrize("path", EVERYTHING)
def test_without_a_user_nothing_is_given(as_user: Callable[..., TestClient], path: str) -> None:
    answer = as_user(None).get(URL + path)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Not authenticated"}


@pytest.mark.parametrize("path", ["", *EVERYTHING])
def test_a_made_up_token_is_no_user(api_server: Any, as_user: Callable[..., TestClient], path: str) -> None:
    for client, headers in (
        (as_user(None), {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."}),
        (as_user(None), {"Cookie": "_token=eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."}),
    ):
        assert client.get(URL + path, headers=headers).status_code in (303, 401, 403)


def test_whoever_opens_the_page_without_a_user_is_led_to_the_login(
    as_user: Callable[..., TestClient],
) -> None:
    answer = as_user(None).get(URL)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/auth/login?next=")


def test_a_viewer_may_open_it(viewer: TestClient) -> None:
    assert viewer.get(URL).status_code == 200


def test_nothing_can_be_changed(as_user: Callable[..., TestClient]) -> None:
    admin = as_user("ADMIN")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("", "api/generations", "api/summary", "api/options"):
            assert admin.request(method, URL + path).status_code == 405


class TestSomeDags:
    """Two DAGs, of which the user may read one."""

    @pytest.fixture(params=[None, DagAccessEntity.XCOM, DagAccessEntity.TASK_INSTANCE], ids=str)
    def user(
        self,
        request: pytest.FixtureRequest,
        session: Session,
        as_user: Callable[..., TestClient],
        monkeypatch: pytest.MonkeyPatch,
    ) -> TestClient:
        """Return one whom Airflow refuses the secret DAG, or only its XComs, or only its tasks."""
        self.ids = {
            dag_id: add_generation(
                session,
                dag_id=dag_id,
                run_id=f"run_of_{dag_id}",
                kept=submission(f"gen-{dag_id}", gateway="segmind"),
                told=result(f"gen-{dag_id}", output_path="/x.mp4", size_bytes=1),
            )
            for dag_id in ("open", "secret")
        }
        session.commit()
        manager = type(get_auth_manager())
        allowed = manager.is_authorized_dag

        def is_authorized_dag(
            self: Any, *, access_entity: Any = None, details: Any = None, **rest: Any
        ) -> bool:
            if access_entity == request.param and details is not None and details.id == "secret":
                return False
            return bool(allowed(self, access_entity=access_entity, details=details, **rest))

        monkeypatch.setattr(manager, "is_authorized_dag", is_authorized_dag)
        return as_user("VIEWER")

    @pytest.mark.parametrize(
        "path",
        [
            "api/generations",
            "api/generations?dag_id=secret",
            "api/generations?run_id=run_of_secret",
            "api/generations?gateway=segmind&state=finished",
            "api/summary",
            "api/summary?dag_id=secret",
            "api/options",
            "api/options?dag_id=secret",
        ],
    )
    def test_the_other_is_nowhere(self, user: TestClient, path: str) -> None:
        answer = user.get(URL + path)
        assert answer.status_code == 200
        assert "secret" not in answer.text

    def test_what_may_be_seen_is_there(self, user: TestClient) -> None:
        assert [each["dag_id"] for each in user.get(f"{URL}api/generations").json()["generations"]] == [
            "open"
        ]
        assert user.get(f"{URL}api/summary").json()["total"] == 1
        assert user.get(f"{URL}api/options").json()["dags"] == ["open"]

    def test_the_video_of_the_other_is_refused(self, user: TestClient) -> None:
        assert user.get(f"{URL}api/generations/{self.ids['secret']}/video").status_code == 403
        assert user.get(f"{URL}api/generations/{self.ids['open']}/video").status_code == 404


def test_a_user_of_one_team_sees_nothing_of_another(
    session: Session, as_user: Callable[..., TestClient]
) -> None:
    team = pytest.importorskip("airflow.models.team", reason="this Airflow has no teams")
    for name in ("red", "blue"):
        session.execute(insert(team.Team).values(name=name))
        session.execute(insert(DagBundleModel).values(name=f"bundle_{name}"))
        session.execute(
            insert(team.dag_bundle_team_association_table).values(
                dag_bundle_name=f"bundle_{name}", team_name=name
            )
        )
        add_dag(session, f"dag_of_{name}", bundle=f"bundle_{name}")
        add_generation(session, dag_id=f"dag_of_{name}", told=result())
    session.commit()
    user = as_user("USER", teams=["red"])
    seen = user.get(f"{URL}api/generations").json()["generations"]
    assert [each["dag_id"] for each in seen] == ["dag_of_red"]
    assert "blue" not in user.get(f"{URL}api/summary").text + user.get(f"{URL}api/options").text


def test_a_signed_url_is_given_to_whoever_may_read_the_result(session: Session, viewer: TestClient) -> None:
    add_generation(session, told=result(video_url="https://cdn.example.com/v.mp4?signature=s"))
    session.commit()
    (shown,) = viewer.get(f"{URL}api/generations").json()["generations"]
    assert shown["video_url"] == "https://cdn.example.com/v.mp4?signature=s"
