# SPDX-License-Identifier: Apache-2.0
"""Requests on real sockets: bounded in time and size, without cookies, through the environment's proxies."""

from __future__ import annotations

import asyncio
import gzip
import http.cookiejar
import json
import tracemalloc
import zlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from airflow_provider_pixverse.exceptions import (
    PixverseNotSentError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.proxies import proxy_for
from airflow_provider_pixverse.transport import LARGEST_ANSWER, Transport, tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{scheme}_proxy", raising=False)
        monkeypatch.delenv(f"{scheme}_PROXY".upper(), raising=False)


@pytest.fixture
def fresh_tls() -> Iterator[None]:
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


def answer(body: bytes, **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body)), **{k.replace("_", "-"): v for k, v in headers.items()}}
    return (
        b"HTTP/1.1 200 OK\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items()).encode() + b"\r\n" + body
    )


@asynccontextmanager
async def serving(
    first: bytes, drips: bytes = b"", method: str = "GET"
) -> AsyncIterator[tuple[Transport, Any]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(first)
                while drips and not writer.is_closing():
                    writer.write(drips)
                    await asyncio.sleep(0.02)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    transport = Transport("aimlapi", request_timeout=0.3, max_connections=2)
    try:
        yield transport, httpx.Request(method, url)
    finally:
        await transport.aclose()
        server.close()


DRIPS = {
    "status line": (b"HTTP/1.1 2", b"0"),
    "headers": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
    "early hints": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" "),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("first", "drips"), DRIPS.values(), ids=DRIPS)
@pytest.mark.asyncio
async def test_an_answer_in_drips_is_ended(first: bytes, drips: bytes, method: str) -> None:
    async with serving(first, drips, method) as (transport, request), asyncio.timeout(5):
        with pytest.raises(PixverseUnavailableError) as caught:
            await transport.send(request)
    # It was sent, so it may have been acted on.
    assert not isinstance(caught.value, PixverseNotSentError)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "deflate, gzip"])
@pytest.mark.asyncio
async def test_an_answer_is_bounded_after_decoding(coding: str) -> None:
    body = b'{"pad":"' + b"a" * 50_000_000
    for each in coding.split(", "):
        body = gzip.compress(body, 6) if each == "gzip" else zlib.compress(body, 6)
    async with serving(answer(body, Content_Encoding=coding)) as (transport, request):
        tracemalloc.start()
        response = await transport.send(request)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(response.content) <= LARGEST_ANSWER + 1
    assert peak < 4 * LARGEST_ANSWER


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "identity", "GZIP"])
@pytest.mark.asyncio
async def test_a_coded_answer_is_decoded(coding: str) -> None:
    body = json.dumps({"id": "gen-1"}).encode()
    raw = zlib.compressobj(wbits=-15)
    coded = {
        "gzip": gzip.compress(body),
        "GZIP": gzip.compress(body),
        "deflate": zlib.compress(body),
        "raw deflate": raw.compress(body) + raw.flush(),
        "identity": body,
    }[coding]
    sent = answer(coded, Content_Encoding=coding.removeprefix("raw "))
    async with serving(sent) as (transport, request):
        response = await transport.send(request)
    assert response.json() == {"id": "gen-1"}


@pytest.mark.asyncio
async def test_a_coding_that_was_not_asked_for_is_no_usable_answer() -> None:
    async with serving(answer(b"{}", Content_Encoding="br")) as (transport, request):
        with pytest.raises(PixverseUnavailableError, match="not asked for"):
            await transport.send(request)


@pytest.mark.asyncio
async def test_no_cookie_is_kept() -> None:
    async with serving(answer(b"{}", Set_Cookie="a=b; Path=/")) as (transport, request):
        for _ in range(3):
            response = await transport.send(request)
            assert "cookie" not in response.request.headers
        for client in transport._clients.values():
            assert [each for each in client.cookies.jar if isinstance(each, http.cookiejar.Cookie)] == []


@pytest.mark.asyncio
async def test_the_same_request_can_be_sent_again() -> None:
    async with serving(answer(b"{}")) as (transport, request):
        assert [(await transport.send(request)).status_code for _ in range(3)] == [200] * 3


PROXIES = {"https_proxy": "http://p:1", "HTTP_PROXY": "p:2", "ALL_PROXY": "socks5://p:3"}


@pytest.mark.parametrize(
    ("url", "no_proxy", "found"),
    [
        ("https://a.example.com", "", ("https_proxy", "http://p:1")),
        ("http://a.example.com", "", ("HTTP_PROXY", "http://p:2")),
        ("https://a.example.com", "example.com", None),
        ("https://a.example.com", ".example.com", None),
        ("https://a.example.com", "*.example.com", None),
        ("https://aexample.com", "example.com", ("https_proxy", "http://p:1")),
        ("https://a.example.com:8443", "a.example.com:8443", None),
        ("https://a.example.com", "a.example.com:8443", ("https_proxy", "http://p:1")),
        ("https://a.example.com", "x, *", None),
        ("https://10.1.2.3", "localhost,10.0.0.0/8,fd00::/8", None),
        ("https://11.1.2.3", "localhost,10.0.0.0/8,fd00::/8", ("https_proxy", "http://p:1")),
        ("https://[fd00::5]/", "10.0.0.0/8,fd00::/8", None),
        ("https://[fe00::5]/", "10.0.0.0/8,fd00::/8", ("https_proxy", "http://p:1")),
        ("https://[::1]:5/", "[::1]", None),
        ("https://a", "::/::,///,[,]:x,%,http://", ("https_proxy", "http://p:1")),
    ],
)
def test_a_proxy_is_found_as_the_environment_says(
    url: str, no_proxy: str, found: tuple[str, str] | None
) -> None:
    assert proxy_for(url, {**PROXIES, "NO_PROXY": no_proxy}) == found
    assert proxy_for("gopher://a", PROXIES) == ("ALL_PROXY", "socks5://p:3")


@pytest.mark.parametrize("proxy", ["ftp://user:SECRET@p", "http://user:SECRET@p:port", "nonsense://p"])
@pytest.mark.asyncio
async def test_a_proxy_that_cannot_be_used_is_named(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    async with serving(answer(b"{}")) as (transport, request):
        with pytest.raises(PixverseRequestError, match="HTTP_PROXY") as caught:
            await transport.send(request)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE"])
@pytest.mark.usefixtures("fresh_tls")
def test_a_missing_ca_file_names_the_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(PixverseRequestError, match=variable):
        tls_context()
