# SPDX-License-Identifier: Apache-2.0
"""
What a connection says: which gateway, where it is, with which key, and how it is to be reached.

An API key goes only to the vendor that made it. So a connection of another type is refused, and nothing
that a connection says is left out silently: a field that is not known, or that would have no effect, is an
error that names it. No error quotes the key, or a user and a password that stand in the host.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, urlsplit

import httpx

from airflow_provider_pixverse.client import MAX_CONNECTIONS, REQUEST_TIMEOUT, Client
from airflow_provider_pixverse.exceptions import PixverseAuthError, PixverseRequestError
from airflow_provider_pixverse.gateways import DEFAULT_GATEWAY, make_gateway
from airflow_provider_pixverse.redaction import quoted, redact

if TYPE_CHECKING:
    from airflow_provider_pixverse.gateways.base import Gateway

CONN_TYPE = "pixverse"

KNOWN_FIELDS = ("gateway", "region", "request_timeout", "max_connections", "usd_per_credit", "budget")
"""The fields of a connection's extra."""

FORM_PREFIX = f"extra__{CONN_TYPE}__"
"""Before the name of a field where Airflow's form of old has written it."""

LONGEST_REQUEST_TIMEOUT = 86_400.0
"""Seconds; beyond some 10⁹ the sockets of the system cannot count them."""

MOST_CONNECTIONS = 10_000


class Connection(Protocol):
    """The parts of Airflow's ``Connection`` that are read here."""

    conn_id: Any
    conn_type: Any
    host: Any
    schema: Any
    login: Any
    password: Any
    port: Any
    extra: Any


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What a connection says about its gateway.

    :param gateway: Name of the gateway.
    :param api_key: The key; left out of ``repr``.
    :param base_url: Base of everything the gateway offers; empty for the vendor's own.
    :param region: The vendor's region, if it has several and ``base_url`` is empty.
    :param request_timeout: Seconds that an answer may take.
    :param max_connections: Most connections open to the gateway at a time.
    """

    gateway: str
    api_key: str = field(repr=False)
    base_url: str = ""
    region: str | None = None
    request_timeout: float = REQUEST_TIMEOUT
    max_connections: int = MAX_CONNECTIONS

    def make_gateway(self) -> Gateway:
        """Return the contract that this connection speaks."""
        return make_gateway(self.gateway, self.api_key, base_url=self.base_url, region=self.region)

    def client(self) -> Client:
        """Return a client for this connection."""
        return Client(
            self.make_gateway(),
            request_timeout=self.request_timeout,
            max_connections=self.max_connections,
        )

    @property
    def place(self) -> str:
        """
        The gateway and its base URL, as in ``aimlapi https://api.aimlapi.com``.

        The same after the key was changed for another one; it may be stored and shown.
        """
        return f"{self.gateway} {self.make_gateway().base_url}"

    @property
    def account(self) -> str:
        """
        16 hexadecimal digits that change if the place or the key does; the key cannot be told from them.

        An id of another account proves nothing by being unknown here. It may be stored and shown.
        """
        return hashlib.sha256(f"{self.place}\n{self.api_key}".encode()).hexdigest()[:16]


def read_settings(connection: Connection, extra: dict[str, Any]) -> Settings:
    """
    Read a connection.

    :param connection: The connection, as Airflow gives it.
    :param extra: Its extra, decoded.
    :raises PixverseAuthError: if it has no usable API key.
    :raises PixverseRequestError: if it is not a PixVerse connection, or another field of it is wrong.
    """
    _check_type(connection)
    key = _key(connection)
    fields = _fields(connection, extra)
    gateway = str(fields.get("gateway") or DEFAULT_GATEWAY).strip().lower()
    region = str(fields.get("region") or "").strip().lower() or None
    settings = Settings(
        gateway=gateway,
        api_key=key,
        base_url=_base_url(connection),
        region=region,
        request_timeout=_number(fields, "request_timeout", REQUEST_TIMEOUT, most=LONGEST_REQUEST_TIMEOUT),
        max_connections=int(
            _number(fields, "max_connections", MAX_CONNECTIONS, most=MOST_CONNECTIONS, whole=True)
        ),
    )
    settings.make_gateway()
    return settings


def _check_type(connection: Connection) -> None:
    kind = str(connection.conn_type or "").strip()
    if kind.lower() != CONN_TYPE:
        has = f"is of type {quoted(kind)}" if kind else "has no type"
        raise PixverseRequestError(
            f"connection {connection.conn_id!r} {has}, so its password may be for another system and was "
            f"sent nowhere. Name a connection of type {CONN_TYPE!r} in pixverse_conn_id, or correct its "
            f"conn_type."
        )


def _key(connection: Connection) -> str:
    key, login = (connection.password or "").strip(), (connection.login or "").strip()
    if not key or not key.isascii() or not key.isprintable():
        fault = "has characters that no API key has" if key else "is empty"
        misplaced = (
            " Its login is not: a key belongs behind a colon there (pixverse://:KEY@)." if login else ""
        )
        raise PixverseAuthError(
            f"The password of connection {connection.conn_id!r}, which is the API key, {fault}."
            + (misplaced if login and not key else "")
        )
    if login:
        raise PixverseRequestError(
            f"The login of connection {connection.conn_id!r} has no meaning here: gateways take a key alone. "
            f"Leave it empty; the API key is its password."
        )
    return key


def _fields(connection: Connection, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the extra by their names; one that is not known is refused, not ignored."""
    if not isinstance(extra, dict) or (
        not extra and (connection.extra or "{}").strip() not in ("{}", "null")
    ):
        raise PixverseRequestError(
            f"The extra of connection {connection.conn_id!r} is not a JSON object, so its gateway is "
            f"not known."
        )
    fields: dict[str, Any] = {}
    for given, value in extra.items():
        name = str(given).removeprefix(FORM_PREFIX)
        if name not in KNOWN_FIELDS:
            meant = name.strip().lower().replace("-", "_").removeprefix(FORM_PREFIX)
            hint = f" Did you mean {meant}?" if meant in KNOWN_FIELDS else ""
            raise PixverseRequestError(
                f"unknown field {quoted(given)} in the extra of connection {connection.conn_id!r}; valid "
                f"fields are {', '.join(KNOWN_FIELDS)}.{hint}"
            )
        if fields.get(name) not in (None, "", value) and value not in (None, ""):
            raise PixverseRequestError(
                f"{name} is given twice, and differently, in the extra of connection "
                f"{connection.conn_id!r}: as {name} and as {FORM_PREFIX}{name}."
            )
        fields[name] = fields.get(name) if value in (None, "") else value
    return fields


def _base_url(connection: Connection) -> str:
    host, schema = (connection.host or "").strip(), (connection.schema or "").strip()
    if not host:
        for name, value in (("schema", schema), ("port", connection.port)):
            if value:
                raise PixverseRequestError(
                    f"connection {connection.conn_id!r} has a {name}, {quoted(value)}, but no host, so it "
                    f"would have no effect. Give the host as well, or leave both empty."
                )
        return ""
    try:
        return _joined(host, schema, connection.port)
    except (ValueError, httpx.InvalidURL) as error:
        raise PixverseRequestError(
            f"host={quoted(host) if '@' not in host else '***'} of connection {connection.conn_id!r}: "
            f"{redact(error).rstrip('.')}."
        ) from None


def _joined(host: str, schema: str, port: Any) -> str:
    """
    Return the base URL that host, schema and port make together.

    :param host: A URL, or a host with or without a path.
    :param schema: ``http`` or ``https``; else a path, which is what Airflow reads into it from a URI.
    :raises ValueError: if they do not make one, or one of them would have no effect.
    """
    if "@" in host:
        raise ValueError("it has an @, as before it a user and a password would stand; leave them out")
    scheme, separator, rest = host.partition("://")
    is_scheme = schema.lower() in ("http", "https")
    if not separator:
        scheme, rest = schema if is_scheme else "https", _bracketed(host)
    elif is_scheme and schema.lower() != scheme.lower():
        raise ValueError(f"the connection's schema is {schema} and contradicts it")
    url = urlsplit(f"{scheme.lower()}://{rest}")
    path = "" if is_scheme else schema.strip("/")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("it must be a URL, like https://host/path")
    if not rest.isprintable() or not path.isprintable() or set(" ?#\\") & {*rest, *path} or "://" in path:
        raise ValueError("neither it nor the schema may have spaces, control characters, ?, # or a backslash")
    made = f"{url.scheme}://{url.netloc}{_port(url, port)}{url.path}"
    made = f"{made.rstrip('/')}/{path}" if path else made
    httpx.URL(made)
    return made


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _port(url: SplitResult, port: Any) -> str:
    """Return what has to be added to a URL for a port."""
    number = int(port) if port else None
    for each in (url.port, number):
        if each is not None and not 0 < each < 65536:
            raise ValueError(f"there is no port {each}")
    if number and url.port not in (None, number):
        raise ValueError(f"the connection's port is {number} and contradicts it")
    return f":{number}" if number and url.port is None else ""


def _number(fields: dict[str, Any], name: str, default: float, *, most: float, whole: bool = False) -> float:
    value = fields.get(name)
    if value in (None, ""):
        return default
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = 0.0
    if not 1 <= number <= most or (whole and not number.is_integer()):
        kind = "a whole number" if whole else "a number"
        raise PixverseRequestError(
            f"{name}={quoted(value)} in the connection's extra: must be {kind} from 1 to {most:.0f}."
        )
    return number
