# SPDX-License-Identifier: Apache-2.0
"""What the outlets of a task are told of its video, for DAGs that are scheduled on them."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.providers.common.compat.sdk import Context

log = logging.getLogger(__name__)


def tell_outlets(context: Context, outlets: Iterable[Any], result: dict[str, Any]) -> None:
    """
    Give each outlet's event the result; where an outlet is an alias, the saved file becomes its asset.

    :param context: The task's context.
    :param outlets: The task's outlets.
    :param result: The task's result.
    """
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra.update(result)
        elif isinstance(outlet, AssetAlias):
            _tell_alias(context, outlet, result)


def asset_uri(output_path: str) -> str:
    """
    Return the URI of the asset that a saved file is: where it lies, not how it is reached.

    :param output_path: Where the file was saved; the Airflow connection in ``s3://aws_default@bucket/key``
        is left out, and a local path is made absolute.
    """
    scheme, there, rest = output_path.partition("://")
    if not there:
        scheme, rest = "file", os.path.abspath(output_path)
    # As Airflow reads a URI, what follows these would not belong to the path.
    rest = rest.replace("?", "%3F").replace("#", "%23")
    place, slash, key = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{key}"


def _tell_alias(context: Context, alias: AssetAlias, result: dict[str, Any]) -> None:
    if not result["output_path"]:
        log.info("The asset alias %s gets no asset: no video was saved.", alias.name)
        return
    # The video is paid for and in its place, so the task must not fail over how it is called.
    try:
        asset = Asset(uri=asset_uri(result["output_path"]))
        event = context["outlet_events"][alias]
        event.add(asset, extra=result if _takes_nested_values(event) else _flat(result))
    except Exception:
        log.warning("The asset alias %s gets no asset.", alias.name, exc_info=True)


def _takes_nested_values(event: Any) -> bool:
    """Return whether this Airflow can store them: up to 3.1 it fails the task that gave an alias one."""
    return "JsonValue" in str(type(event).__annotations__.get("extra"))


def _flat(result: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in result.items()}
