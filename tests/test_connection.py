# SPDX-License-Identifier: Apache-2.0
"""What is read from a connection, as Airflow gives it: from JSON, from a URI, from the form."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from airflow_provider_pixverse.client import MAX_CONNECTIONS, REQUEST_TIMEOUT
from airflow_provider_pixverse.connection import (
    KNOWN_FIELDS,
    LONGEST_REQUEST_TIMEOUT,
    MOST_CONNECTIONS,
    Settings,
    read_settings,
)
from airflow_provider_pixverse.exceptions import PixverseAuthError, PixverseError, PixverseRequestError
from airflow_provider_pixverse.get_provider_info import get_provider_info
from airflow_provider_pixverse.hooks.pixverse import PixverseHook

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk-a/very:secret+key"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., PixverseHook]:
    """Set a connection, by its fields or as Airflow would read it from the environment."""

    def connect(value: str | None = None, **fields: Any) -> PixverseHook:
        value = value or json.dumps({"conn_type": "pixverse", "password": KEY, **fields})
        monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", value)
        return PixverseHook()

    return connect


class TestConnection:
    def test_a_key_is_enough(self, connect: Callable[..., PixverseHook]) -> None:
        settings = connect().settings
        assert (settings.gateway, settings.api_key, settings.base_url) == ("aimlapi", KEY, "")
        assert (settings.request_timeout, settings.max_connections) == (REQUEST_TIMEOUT, MAX_CONNECTIONS)

    def test_everything_it_can_say(self, connect: Callable[..., PixverseHook]) -> None:
        extra = {"gateway": "aimlapi", "request_timeout": 12.5, "max_connections": 7}
        settings = connect(host="http://127.0.0.1:8765/aimlapi", extra=extra).settings
        assert (settings.base_url, settings.request_timeout) == ("http://127.0.0.1:8765/aimlapi", 12.5)
        assert settings.max_connections == 7

    def test_as_a_uri(self, connect: Callable[..., PixverseHook]) -> None:
        extra = json.dumps({"gateway": "aimlapi", "request_timeout": "12.5", "max_connections": "7"})
        host = "http://127.0.0.1:8765/aimlapi"
        connection = Connection(conn_id="x", conn_type="pixverse", password=KEY, host=host, extra=extra)
        settings = connect(connection.get_uri()).settings
        assert (settings.api_key, settings.base_url) == (KEY, host)
        assert (settings.request_timeout, settings.max_connections) == (12.5, 7)

    def test_as_a_uri_written_by_hand(self, connect: Callable[..., PixverseHook]) -> None:
        settings = connect(
            "pixverse://:s%2Fk@http%3A%2F%2F127.0.0.1%3A1%2Faimlapi?max_connections=3"
        ).settings
        assert (settings.api_key, settings.base_url) == ("s/k", "http://127.0.0.1:1/aimlapi")
        assert settings.max_connections == 3

    @pytest.mark.parametrize(
        ("host", "base_url"),
        [
            ("", ""),
            ("  ", ""),
            ("gateway.example.com", "https://gateway.example.com"),
            ("gateway.example.com/aimlapi", "https://gateway.example.com/aimlapi"),
            (" http://127.0.0.1:1/aimlapi/ ", "http://127.0.0.1:1/aimlapi/"),
        ],
    )
    def test_a_host_without_a_scheme_is_reached_by_https(
        self, host: str, base_url: str, connect: Callable[..., PixverseHook]
    ) -> None:
        assert connect(host=host).settings.base_url == base_url

    def test_a_host_and_its_port(self, connect: Callable[..., PixverseHook]) -> None:
        assert connect(host="gateway.example.com", port=8443).settings.base_url == (
            "https://gateway.example.com:8443"
        )

    @pytest.mark.parametrize(
        ("host", "base_url"),
        [
            ("http://127.0.0.1", "http://127.0.0.1:8765"),
            ("gateway.example.com/aimlapi", "https://gateway.example.com:8765/aimlapi"),
        ],
    )
    def test_a_port_belongs_to_the_host(
        self, host: str, base_url: str, connect: Callable[..., PixverseHook]
    ) -> None:
        assert connect(host=host, port=8765).settings.base_url == base_url

    @pytest.mark.parametrize(
        "host",
        [
            "http://127.0.0.1:port",
            "http://127.0.0.1:99999",
            "ftp://example.com",
            "https://",
        ],
    )
    def test_a_host_that_is_no_base_url(self, host: str, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseRequestError, match="host"):
            _ = connect(host=host).settings

    @pytest.mark.parametrize(("scheme", "reached"), [("http", "http"), ("https", "https")])
    def test_the_scheme_in_its_usual_place(
        self, scheme: str, reached: str, connect: Callable[..., PixverseHook]
    ) -> None:
        settings = connect(f"pixverse://:k@127.0.0.1:8765/{scheme}").settings
        assert settings.base_url == f"{reached}://127.0.0.1:8765"

    def test_a_region(self, connect: Callable[..., PixverseHook]) -> None:
        assert connect(extra={"region": " International"}).settings.region == "international"
        assert connect(extra={"region": ""}).settings.region is None
        china = connect(extra={"gateway": "pixverse", "region": "china"}).settings
        assert china.make_gateway().base_url == "https://app-api.pixverseai.cn"
        with pytest.raises(PixverseRequestError, match=r"region='mars': aimlapi has international"):
            _ = connect(extra={"region": "mars"}).settings

    def test_an_extra_that_is_no_object(self) -> None:
        connection = SimpleNamespace(
            conn_id="mine",
            conn_type="pixverse",
            password=KEY,
            login=None,
            host="",
            port=None,
            schema="",
            extra="gateway=x",
        )
        with pytest.raises(PixverseRequestError, match=r"extra of connection 'mine' is not a JSON object"):
            read_settings(connection, {})  # type: ignore[arg-type]

    @pytest.mark.parametrize("password", [None, "", "   ", "\n"])
    def test_a_missing_key(self, password: str | None, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseAuthError, match=r"pixverse_default.*API key.*is empty"):
            _ = connect(password=password).settings

    @pytest.mark.parametrize("password", ["sk-secrét", "sk-sec\nret", "sk-“secret”"])
    def test_a_key_that_can_be_none(self, password: str, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseAuthError, match="no API key has") as caught:
            _ = connect(password=password).settings
        assert "sec" not in str(caught.value)

    def test_white_space_around_the_key_is_none_of_it(self, connect: Callable[..., PixverseHook]) -> None:
        assert connect(password=f" {KEY}\n").settings.api_key == KEY

    def test_an_unknown_gateway(self, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseRequestError, match=r"gateway='vimeo': allowed are .*aimlapi"):
            _ = connect(extra={"gateway": "vimeo"}).settings

    @pytest.mark.parametrize("gateway", [None, "", " AIMLAPI "])
    def test_a_gateway_however_it_is_written(
        self, gateway: str | None, connect: Callable[..., PixverseHook]
    ) -> None:
        assert connect(extra={"gateway": gateway}).settings.gateway == "aimlapi"

    @pytest.mark.parametrize("field", ["request_timeout", "max_connections"])
    @pytest.mark.parametrize("value", ["soon", 0, -1, "0.5", "nan", "inf", [], {}])
    def test_a_number_that_is_none(
        self, field: str, value: Any, connect: Callable[..., PixverseHook]
    ) -> None:
        with pytest.raises(PixverseRequestError) as caught:
            _ = connect(extra={field: value}).settings
        assert f"{field}={value!r}" in str(caught.value)

    @pytest.mark.parametrize("value", [None, ""])
    def test_a_field_left_empty_in_the_form(self, value: Any, connect: Callable[..., PixverseHook]) -> None:
        settings = connect(extra={"request_timeout": value, "max_connections": value}).settings
        assert (settings.request_timeout, settings.max_connections) == (REQUEST_TIMEOUT, MAX_CONNECTIONS)

    def test_it_is_looked_up_once(
        self, connect: Callable[..., PixverseHook], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hook = connect()
        first = hook.settings
        monkeypatch.delenv("AIRFLOW_CONN_PIXVERSE_DEFAULT")
        assert hook.settings is first is hook.get_conn()

    def test_it_shows_no_key(self, connect: Callable[..., PixverseHook]) -> None:
        hook = connect()
        assert KEY not in f"{hook.settings!r} {hook!r} {hook.settings.client().gateway!r}"

    def test_it_makes_the_client_it_describes(self, connect: Callable[..., PixverseHook]) -> None:
        settings = connect(host="http://127.0.0.1:1/aimlapi/").settings
        assert settings.client().gateway.base_url == "http://127.0.0.1:1/aimlapi"


class TestAnotherSystemsConnection:
    @pytest.mark.parametrize("conn_type", ["aws", "http", "generic", "pixverse_", "pixverse2", "", None])
    def test_its_secret_is_not_taken_for_a_key(
        self, conn_type: str | None, connect: Callable[..., PixverseHook]
    ) -> None:
        with pytest.raises(PixverseRequestError, match=r"pixverse_default.*sent nowhere") as caught:
            _ = connect(conn_type=conn_type).settings
        assert KEY not in str(caught.value)

    @pytest.mark.parametrize("conn_type", ["pixverse", "PixVerse", " pixverse "])
    def test_the_type_however_it_is_written(
        self, conn_type: str, connect: Callable[..., PixverseHook]
    ) -> None:
        assert connect(conn_type=conn_type).settings.api_key == KEY

    def test_a_uri_of_another_type(self, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseRequestError, match="is of type 'aws'"):
            _ = connect("aws://AKIA:secret@/?region_name=eu-west-1").settings
        assert connect("PIXVERSE://:k@").settings.api_key == "k"


class TestNothingIsLeftOut:
    @pytest.mark.parametrize(
        ("given", "hint"),
        [
            ("Gateway", "Did you mean gateway?"),
            ("GATEWAY", "Did you mean gateway?"),
            ("gateway ", "Did you mean gateway?"),
            ("request-timeout", "Did you mean request_timeout?"),
            ("extra__pixverse__Gateway", "Did you mean gateway?"),
            ("extra__http__gateway", "valid fields are gateway"),
            ("gatway", "valid fields are gateway"),
            ("region_name", "valid fields are gateway"),
        ],
    )
    def test_a_field_nobody_knows_is_refused(
        self, given: str, hint: str, connect: Callable[..., PixverseHook]
    ) -> None:
        with pytest.raises(PixverseRequestError, match=f"unknown field '{given}'") as caught:
            _ = connect(extra={given: "segmind-SECRET"}).settings
        assert hint in str(caught.value)
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize("field", KNOWN_FIELDS)
    def test_the_form_of_old_is_understood(self, field: str, connect: Callable[..., PixverseHook]) -> None:
        value = {"gateway": "segmind", "region": "international"}.get(field, "7")
        old, new = connect(extra={f"extra__pixverse__{field}": value}).settings, connect(extra={field: value})
        assert old == new.settings
        both = {field: "", f"extra__pixverse__{field}": value}
        assert connect(extra=both).settings == old
        with pytest.raises(PixverseRequestError, match=f"{field} is given twice"):
            _ = connect(extra={field: "other", f"extra__pixverse__{field}": value}).settings

    def test_every_field_of_the_form_is_known(self) -> None:
        assert set(get_provider_info()["connection-types"][0]["conn-fields"]) <= set(KNOWN_FIELDS)

    @pytest.mark.parametrize(
        ("uri", "base_url"),
        [
            ("pixverse://http://:k@host:1/mirror?gateway=aimlapi", "http://host:1/mirror"),
            ("pixverse://:k@host/mirror", "https://host/mirror"),
            ("pixverse://:k@host:8443/a/b/", "https://host:8443/a/b"),
            ("pixverse://:k@host/a%2Fb", "https://host/a/b"),
            ("pixverse://:k@http%3A%2F%2Fhost%3A1%2Fa/b", "http://host:1/a/b"),
            ("pixverse://:k@https%3A%2F%2Fhost/https", "https://host"),
            ("pixverse://:k@host/", "https://host"),
        ],
    )
    def test_the_path_of_a_uri_is_below_the_host(
        self, uri: str, base_url: str, connect: Callable[..., PixverseHook]
    ) -> None:
        assert connect(uri).settings.base_url == base_url

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"schema": "mirror"}, "schema, 'mirror', but no host"),
            ({"schema": "https"}, "no host"),
            ({"port": 8443}, "port, 8443, but no host"),
            ({"host": "http://host", "schema": "https"}, "schema is https and contradicts it"),
            ({"host": "http://host:1", "port": 2}, "port is 2 and contradicts it"),
            ({"host": "http://host", "schema": "http://elsewhere"}, "schema"),
            ({"host": "http://host?a=b"}, "neither it nor the schema may have"),
            ({"host": "http://host", "schema": "a?b"}, "neither it nor the schema may have"),
            ({"host": "http://host#a"}, "neither it nor the schema may have"),
            ({"host": "my host"}, "neither it nor the schema may have"),
            ({"host": "http://a\\b"}, "neither it nor the schema may have"),
            ({"login": "me"}, "login of connection 'pixverse_default' has no meaning"),
        ],
        ids=str,
    )
    def test_what_would_have_no_effect_is_refused(
        self, fields: dict[str, Any], words: str, connect: Callable[..., PixverseHook]
    ) -> None:
        with pytest.raises(PixverseRequestError) as caught:
            _ = connect(**fields).settings
        assert words in str(caught.value)

    def test_a_key_in_the_place_of_the_login(self, connect: Callable[..., PixverseHook]) -> None:
        with pytest.raises(PixverseAuthError, match=r"is empty. Its login is not") as caught:
            _ = connect("pixverse://sk-SECRET@").settings
        assert "SECRET" not in str(caught.value)

    @pytest.mark.parametrize(
        "extra",
        [
            {"max_connections": 7.5},
            {"max_connections": MOST_CONNECTIONS + 1},
            {"max_connections": True},
            {"request_timeout": LONGEST_REQUEST_TIMEOUT + 1},
            {"request_timeout": 1e300},
            {"request_timeout": True},
            {"request_timeout": 10**400},
        ],
        ids=lambda extra: f"{extra}"[:40],
    )
    def test_a_number_that_would_be_changed_or_break_later(
        self, extra: dict[str, Any], connect: Callable[..., PixverseHook]
    ) -> None:
        with pytest.raises(PixverseRequestError, match="number from 1 to"):
            _ = connect(extra=extra).settings

    def test_an_ipv6_host(self, connect: Callable[..., PixverseHook]) -> None:
        assert connect(host="fd00::1", port=8443).settings.base_url == "https://[fd00::1]:8443"
        assert connect(host="http://[::1]:5/a").settings.base_url == "http://[::1]:5/a"


@pytest.mark.parametrize(
    "host",
    [
        "https://user:SECRET@host",
        "user:SECRET@host",
        "https://SECRET@host/path",
        "https://user:SECRET@[::1",
        "user:SECRET@host:port",
        "ftp://user:SECRET@host",
        "https://user:SEC/RET:SECRET@host",
    ],
)
def test_a_user_and_a_password_in_the_host_are_refused_and_not_quoted(
    host: str, connect: Callable[..., PixverseHook]
) -> None:
    with pytest.raises(PixverseRequestError, match="leave them out") as caught:
        _ = connect(host=host).settings
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


class TestAccount:
    HERE = Settings("aimlapi", KEY)

    def test_the_place_is_gateway_and_base_url(self) -> None:
        assert self.HERE.place == "aimlapi https://api.aimlapi.com"
        assert Settings("aimlapi", "another").place == self.HERE.place
        assert Settings("aimlapi", KEY, "http://h/").place == "aimlapi http://h"
        china = Settings("pixverse", KEY, region="china")
        assert china.place == "pixverse https://app-api.pixverseai.cn"

    def test_the_account_changes_with_the_key_and_the_place_and_nothing_else(self) -> None:
        others = [
            Settings("aimlapi", "another"),
            Settings("segmind", KEY),
            Settings("aimlapi", KEY, "http://h"),
            Settings("pixverse", KEY),
            Settings("pixverse", KEY, region="china"),
        ]
        assert len({each.account for each in (self.HERE, *others)}) == 6
        assert Settings("aimlapi", KEY, request_timeout=5, max_connections=1).account == self.HERE.account
        # Stored with purchases: another release must find the same.
        assert self.HERE.account == "4b2bfec298affd60"

    def test_it_does_not_show_the_key(self) -> None:
        assert len(self.HERE.account) == 16
        assert KEY not in f"{self.HERE.account} {self.HERE.place} {self.HERE!r}"


ODD = [
    None, "", " ", "x", "://", "@", ":", "//", "http://", "[", "[::1", "?", "#", "%", "%zz", "\x00", "\ud83d",
    "é", "龙", "a b", "x" * 5000, "http://x:99999999", "-1", 0, -1, 8443, "http://.", "http://a..b", "*",
]  # fmt: skip


def outcome(decoded: dict[str, Any], **fields: Any) -> str:
    """Return what reading a connection raises that is ours, or the request that its gateway makes of it."""
    nothing = dict.fromkeys(("login", "host", "schema", "port", "extra"))
    told = {"conn_id": "mine", "conn_type": "pixverse", "password": "sk-SECRET", **nothing, **fields}
    try:
        settings = read_settings(SimpleNamespace(**told), decoded)  # type: ignore[arg-type]
    except PixverseError as error:
        return str(error)
    return repr(settings.make_gateway().poll("gen-1"))


def test_whatever_a_connection_says_only_our_errors_are_raised_and_no_key_shown() -> None:
    texts = [each if each is None else str(each) for each in ODD]
    said = [outcome({}, host=host, schema=schema, port=port)
            for host in texts for schema in texts for port in (None, 0, -1, 8443, 99999)]  # fmt: skip
    said += [outcome({field: value}, extra="{}")
             for field in KNOWN_FIELDS for value in (*ODD, [], {}, True, 1e400, float("nan"))]  # fmt: skip
    for words in said:
        assert "SECRET" not in words
        words.encode()


def test_settings_are_read_from_any_connection() -> None:
    connection = Connection(conn_id="mine", conn_type="pixverse", password=KEY)
    settings: Settings = read_settings(connection, {"max_connections": 2})
    assert (settings.api_key, settings.max_connections) == (KEY, 2)
