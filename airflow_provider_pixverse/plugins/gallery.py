# SPDX-License-Identifier: Apache-2.0
"""
The gallery's place in the Airflow UI.

Every component of Airflow imports this module, and only the API server serves the page. So nothing but
the entry in the navigation is made here; the application itself is made when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import AirflowPlugin, conf

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/pixverse-gallery"
"""Where the API server mounts it."""

TITLE = "PixVerse"
"""Short, since the navigation shows no more of it."""


class GalleryApp:
    """The gallery as an ASGI application."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            from airflow_provider_pixverse.plugins.gallery_app import make_app

            self._app = make_app()
        await self._app(scope, receive, send)


def _entry() -> dict[str, Any]:
    """Return the entry in the navigation, with Airflow's own path where it is not served from the root."""
    base = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return {
        "name": TITLE,
        # The slash at the end is what the page's relative links are relative to.
        "href": f"{base}{PREFIX}/",
        "icon": f"{base}{PREFIX}/static/icon.svg",
        "destination": "nav",
        "url_route": PREFIX.strip("/"),
        "nav_top_level": True,
    }


HAS_A_PLACE = hasattr(AirflowPlugin, "external_views")
"""Whether this Airflow's navigation takes pages of plugins: 3.0's does not."""


class PixverseGalleryPlugin(AirflowPlugin):
    """Adds the gallery to the navigation of Airflow 3.1 and later; on 3.0 it adds nothing."""

    name = "pixverse_gallery"
    fastapi_apps: list[Any] = (
        [{"app": GalleryApp(), "url_prefix": PREFIX, "name": TITLE}] if HAS_A_PLACE else []
    )
    external_views: list[Any] = [_entry()] if HAS_A_PLACE else []


def plugin_to_announce() -> type[AirflowPlugin] | None:
    """
    Return the plugin where it has to be announced as an entry point, so that it is there and there once.

    Airflow loads the plugins that providers list in their metadata only with ``[core]
    lazy_discover_providers`` switched off, and it is on by default.
    """
    is_left_out = conf.getboolean("core", "lazy_discover_providers", fallback=True)
    return PixverseGalleryPlugin if is_left_out else None


ANNOUNCED = plugin_to_announce()
