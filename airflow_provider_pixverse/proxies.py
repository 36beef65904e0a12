# SPDX-License-Identifier: Apache-2.0
"""
Which proxy the environment names for a URL (``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``).

httpx reads these variables itself, but raises ``InvalidURL`` for an IPv6 range in ``NO_PROXY`` and takes an
IPv4 range for a single address (encode/httpx#3221).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


def proxy_for(url: str, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """
    Return the variable that names a proxy for a URL, and the proxy's URL, or ``None`` for none.

    :param url: Where a request goes.
    :param environment: The variables; names in lower case win, as everywhere.
    """
    parts = urlsplit(url)
    if _is_exempt(parts.hostname or "", parts.port, _value("no_proxy", environment)[1]):
        return None
    for variable in (f"{parts.scheme}_proxy", "all_proxy"):
        name, value = _value(variable, environment)
        if value:
            return name, value if "://" in value else f"http://{value}"
    return None


def _value(variable: str, environment: Mapping[str, str]) -> tuple[str, str]:
    for name in (variable, variable.upper()):
        if value := environment.get(name, "").strip():
            return name, value
    return variable, ""


def _is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    return any(_covers(each.strip().lower(), host.lower(), port) for each in no_proxy.split(","))


def _covers(entry: str, host: str, port: int | None) -> bool:
    if not entry or entry == "*":
        return entry == "*"
    entry = entry.rpartition("://")[2]
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        name, colon, number = entry.rpartition(":")
        if colon and number.isdigit():
            return port == int(number) and _covers(name, host, port)
        name = entry.removeprefix("*").removeprefix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.version == network.version and address in network
