# SPDX-License-Identifier: Apache-2.0
"""
The gallery as the API server serves it: one page, its files, and what they ask for.

Every answer is for a user whom Airflow knows, about DAGs that Airflow lets them read. Whatever reads the
database or a file is a plain function: FastAPI runs those in threads, beside the event loop.
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 - FastAPI reads the annotations of what it calls
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003 - likewise

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import get_user
from airflow.utils.session import create_session
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.responses import FileResponse, RedirectResponse, Response

from airflow_provider_pixverse.catalog import OFFERINGS
from airflow_provider_pixverse.plugins import gallery_data as data
from airflow_provider_pixverse.plugins.gallery_access import User, readable
from airflow_provider_pixverse.plugins.gallery_generation import digest, saved_video
from airflow_provider_pixverse.plugins.gallery_video import NoVideo, open_video, respond

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "gallery_static"
FILES = {path.name: path for path in STATIC.iterdir() if path.suffix in (".css", ".js", ".svg")}
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        # A video that was not saved is played from the vendor, once the user asks for it.
        "media-src 'self' https: http://127.0.0.1:* http://localhost:*",
        "connect-src 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Cookie, Authorization",
}


class SecurityHeaders:
    """Puts the same headers on every answer, refusals and errors included."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                added = dict(HEADERS)
                if b"cache-control" not in given:
                    added["Cache-Control"] = "private, no-store"
                ours = [(name.lower().encode(), value.encode()) for name, value in added.items()]
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _filters(
    dag_id: Annotated[str | None, Query(max_length=250)] = None,
    run_id: Annotated[str | None, Query(max_length=250)] = None,
    state: data.State | None = None,
    gateway: Annotated[str | None, Query(max_length=50)] = None,
    since: date | None = None,
    until: date | None = None,
) -> data.Filters:
    if not all(day is None or 1970 <= day.year <= 9000 for day in (since, until)):
        raise HTTPException(422, "since and until are days from 1970 on")
    return data.Filters(dag_id, run_id, state, gateway, since, until)


Asked = Annotated[data.Filters, Depends(_filters)]


def make_app() -> FastAPI:
    """Return the application, as it is mounted in Airflow's API server."""
    app = FastAPI(
        title="PixVerse gallery",
        openapi_url=None,
        dependencies=[Depends(get_user)],
        exception_handlers={HTTPException: _refuse},
    )
    app.add_middleware(SecurityHeaders)
    app.get("/")(_page)
    app.get("/static/{name}")(_static)
    app.get("/api/generations")(_generations)
    app.get("/api/summary")(_summary)
    app.get("/api/options")(_options)
    app.api_route("/api/generations/{task_instance}/video", methods=["GET", "HEAD"])(_video)
    return app


async def _refuse(request: Request, error: Any) -> Response:
    """Lead whoever opens the page without being logged in to where that is done."""
    here, page = (request.scope.get(name, "").removesuffix("/") for name in ("path", "root_path"))
    if error.status_code == 401 and here == page:
        return RedirectResponse(get_auth_manager().get_url_login(next_url=str(request.url)), status_code=303)
    return await http_exception_handler(request, error)


def _page() -> Response:
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "private, no-cache"})


def _static(name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404, "There is no such file")
    return FileResponse(
        FILES[name],
        media_type=MEDIA_TYPES[FILES[name].suffix],
        headers={"Cache-Control": "private, no-cache"},
    )


def _generations(
    user: User,
    filters: Asked,
    after: Annotated[str | None, Query(max_length=1000)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
) -> dict[str, Any]:
    try:
        position = data.Position.decoded(after) if after else None
    except ValueError as error:
        raise HTTPException(400, f"after: {error}") from None
    with create_session(scoped=False) as session:
        dags = readable(data.dags_with_generations(session), user=user, session=session)
        return data.page(session, dags, filters, after=position, limit=limit)


def _summary(user: User, filters: Asked) -> dict[str, Any]:
    with create_session(scoped=False) as session:
        dags = readable(data.dags_with_generations(session), user=user, session=session)
        return data.summary(session, dags, filters)


def _options(user: User, dag_id: Annotated[str | None, Query(max_length=250)] = None) -> dict[str, Any]:
    with create_session(scoped=False) as session:
        dags = readable(data.dags_with_generations(session), user=user, session=session)
        return {
            "dags": sorted(dags),
            "runs": data.runs(session, dags, dag_id) if dag_id else [],
            "gateways": sorted({offering.gateway for offering in OFFERINGS}),
            "states": list(data.State),
        }


def _video(task_instance: UUID, request: Request, user: User) -> Response:
    # No session is held while the video is sent, which may take as long as the client likes.
    with create_session(scoped=False) as session:
        row = data.generation(session, task_instance)
        if row is None:
            raise HTTPException(404, "There is no such generation")
        if row.dag_id not in readable({row.dag_id}, user=user, session=session):
            raise HTTPException(403, "Forbidden")
        recorded, sha256 = saved_video(row.result), digest(row.result)
    if recorded is None:
        raise HTTPException(404, "This generation has no saved video")
    path, size = recorded
    try:
        file = open_video(path, size)
    except NoVideo as error:
        raise HTTPException(404, f"The saved video cannot be shown: {error}") from None
    tag = sha256 or f"{task_instance}-{size}"
    return respond(file, size, tag=tag, method=request.method, headers=request.headers)
