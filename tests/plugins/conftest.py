# SPDX-License-Identifier: Apache-2.0
"""The API server as it is, on a database of its own, with the gallery mounted and Airflow's own users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient
    from sqlalchemy.orm import Session

if not hasattr(AirflowPlugin, "external_views"):
    # Airflow 3.0 has no place for it; that nothing is put there is checked in test_gallery_plugin.py.
    collect_ignore = [f"test_gallery_{part}.py" for part in ("access", "list", "page", "video")]

URL = "/pixverse-gallery/"


@pytest.fixture
def session(airflow_db: Path) -> Iterator[Session]:
    """Return a session of the API server's database, with no generations in it when the test begins."""
    from airflow.models import DagRun, TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import delete

    with create_session(scoped=False) as session:
        # Whatever ran before in this process has left its own: tests of examples run whole DAGs.
        for model in (XComModel, TaskInstance, DagRun):
            session.execute(delete(model))
        session.commit()
        yield session
        session.rollback()


@pytest.fixture(scope="session")
def api_server(airflow_db: Path) -> Iterator[Any]:
    """Return Airflow's API server with the gallery as its plugin."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    from airflow_provider_pixverse.plugins.gallery import PREFIX, PixverseGalleryPlugin

    purge_cached_app()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(
            "AIRFLOW__API_AUTH__JWT_SECRET",
            "a secret of the tests, as long as it should be: 64 bytes and more",
        )
        yield _with_gallery(create_app(), PREFIX, PixverseGalleryPlugin)
    purge_cached_app()


def _with_gallery(app: Any, prefix: str, plugin: Any) -> Any:
    if not any(getattr(route, "path", None) == prefix for route in app.routes):
        # Where the provider is not installed, Airflow does not know its plugin.
        (entry,) = plugin.fastapi_apps
        app.mount(prefix, entry["app"])
        app.router.routes.insert(0, app.router.routes.pop())
    return app


@pytest.fixture
def as_user(api_server: Any) -> Callable[..., TestClient]:
    """Return a client that is logged in with a role of Airflow's simple auth manager, or not at all."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    def client(role: str | None, **fields: Any) -> TestClient:
        made = TestClient(api_server, base_url="http://testserver", follow_redirects=False)
        if role is not None:
            user = SimpleAuthManagerUser(username=role.lower(), role=role, **fields)
            token = get_auth_manager().generate_jwt(user)
            made.cookies.set("_token", token)
        return made

    return client


@pytest.fixture
def viewer(as_user: Callable[..., TestClient]) -> TestClient:
    """Return a client that may only look."""
    return as_user("VIEWER")
