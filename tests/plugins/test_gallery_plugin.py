# SPDX-License-Identifier: Apache-2.0
"""How Airflow comes to the gallery: there once, where there is a place for it, and cheap to import."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowPlugin

import airflow_provider_pixverse
from airflow_provider_pixverse.get_provider_info import get_provider_info
from airflow_provider_pixverse.plugins import gallery

HAS_A_PLACE = hasattr(AirflowPlugin, "external_views")
ROOT = Path(airflow_provider_pixverse.__file__).parent.parent


def python(code: str, **environment: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip().splitlines()[-1]


def test_importing_it_loads_nothing_that_only_the_api_server_needs() -> None:
    # Every component imports it, each worker's task too.
    code = (
        "import sys, airflow_provider_pixverse.plugins.gallery\n"
        "late = ('airflow_provider_pixverse.plugins.gallery_app', 'airflow.api_fastapi.app')\n"
        "print([name for name in late if name in sys.modules])"
    )
    assert python(code) == "[]"


@pytest.mark.skipif(HAS_A_PLACE, reason="this Airflow has a place for it")
def test_an_airflow_without_a_place_for_it_is_left_alone() -> None:
    assert gallery.PixverseGalleryPlugin.fastapi_apps == []
    assert gallery.PixverseGalleryPlugin.external_views == []


@pytest.mark.skipif(not HAS_A_PLACE, reason="this Airflow has no place for it")
def test_it_is_a_page_in_the_navigation() -> None:
    (view,) = gallery.PixverseGalleryPlugin.external_views
    (app,) = gallery.PixverseGalleryPlugin.fastapi_apps
    assert (view["destination"], view["href"]) == ("nav", f"{app['url_prefix']}/")


@pytest.mark.skipif(not HAS_A_PLACE, reason="this Airflow has no place for it")
def test_its_links_know_the_path_that_airflow_is_served_under() -> None:
    code = (
        "from airflow_provider_pixverse.plugins.gallery import PixverseGalleryPlugin as plugin\n"
        "print(plugin.external_views[0]['href'], plugin.external_views[0]['icon'])"
    )
    hrefs = python(code, AIRFLOW__API__BASE_URL="https://example.com/team/airflow/").split()
    assert hrefs == ["/team/airflow/pixverse-gallery/", "/team/airflow/pixverse-gallery/static/icon.svg"]


@pytest.mark.parametrize("lazy", ["True", "False"])
def test_it_is_announced_exactly_where_airflow_reads_no_plugins_of_providers(lazy: str) -> None:
    code = (
        "from airflow_provider_pixverse.plugins.gallery import ANNOUNCED\n"
        "from airflow.settings import LAZY_LOAD_PROVIDERS\n"
        "print(ANNOUNCED is not None, LAZY_LOAD_PROVIDERS)"
    )
    assert python(code, AIRFLOW__CORE__LAZY_DISCOVER_PROVIDERS=lazy) == f"{lazy} {lazy}"


def test_both_announcements_name_it() -> None:
    (listed,) = get_provider_info()["plugins"]
    assert listed["name"] == gallery.PixverseGalleryPlugin.name
    module, _, name = listed["plugin-class"].rpartition(".")
    assert (module, name) == (gallery.__name__, gallery.PixverseGalleryPlugin.__name__)
    for entry in importlib.metadata.entry_points(group="airflow.plugins"):
        if entry.name == "pixverse_gallery":
            assert entry.value == f"{gallery.__name__}:ANNOUNCED"
