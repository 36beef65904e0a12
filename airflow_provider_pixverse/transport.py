# SPDX-License-Identifier: Apache-2.0
"""
One connection pool: sends a request and reads its answer, bounded in time and in size.

Nothing is kept between two requests but connections: no cookies are stored, and no redirect is followed. The
environment's proxies and certificates are honoured; if they are unusable, the error names the variable.
"""

from __future__ import annotations

import asyncio
import logging
import os
import zlib
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from airflow_provider_pixverse.exceptions import (
    PixverseNotSentError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.proxies import proxy_for

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

# httpx logs every URL at INFO: each poll, and the signed URL of each video.
if logging.getLogger("httpx").level == logging.NOTSET:
    logging.getLogger("httpx").setLevel(logging.WARNING)

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a host; how long an answer may take is the connection's request_timeout."""

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes, after decoding, beyond which an answer is cut off."""

SLOWEST_SEND = 32 * 1024
"""Bytes a second; a request that is sent more slowly is given up."""


@cache
def tls_context() -> ssl.SSLContext:
    """
    Return the TLS context of this process.

    Loading the certificates costs some 25 ms and most of a client's memory: an event loop that serves
    others does it in a thread before it makes its first client.

    :raises PixverseRequestError: if SSL_CERT_FILE or SSL_CERT_DIR names what cannot be loaded.
    """
    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        named = next((each for each in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(each)), "")
        what = f"the certificates that the environment variable {named} names" if named else "certificates"
        raise PixverseRequestError(
            f"Nothing was sent: {what} cannot be loaded ({type(error).__name__}). Correct or unset it."
        ) from error


class Transport:
    """
    Sends requests over one pool of connections.

    :param name: The gateway's name, for errors.
    :param request_timeout: Seconds that an answer may take, its headers included.
    :param max_connections: Most connections open at a time.
    """

    def __init__(self, name: str, *, request_timeout: float, max_connections: int) -> None:
        self._name = name
        self._request_timeout = request_timeout
        self._limits = httpx.Limits(
            max_connections=max_connections, max_keepalive_connections=max_connections
        )
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def send(self, request: httpx.Request) -> httpx.Response:
        """
        Send a request and return its whole answer; a redirect is an answer as well.

        :raises PixverseNotSentError: if the gateway was not reached, so that it cannot have done anything.
        :raises PixverseUnavailableError: if no usable answer came.
        :raises PixverseRequestError: if the request, or the environment's proxy, cannot be used.
        """
        begun, body = False, request.stream
        try:
            client = self._client(str(request.url))
            connecting = self._request_timeout + min(CONNECT_TIMEOUT, self._request_timeout)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(connecting) as bound:

                def on_begin() -> None:
                    nonlocal begun
                    begun = True
                    length = request.headers.get("content-length", "0")
                    sending = int(length) / SLOWEST_SEND if length.isdecimal() else 86_400.0
                    bound.reschedule(loop.time() + self._request_timeout + sending)

                # httpx bounds each silence; headers or a body in drips would hold a place without end.
                request.stream = _Watched(
                    body, on_begin, lambda: bound.reschedule(loop.time() + self._request_timeout)
                )
                return await _read(await client.send(request, stream=True))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise PixverseNotSentError(f"{self._name} could not be reached: {named(error)}") from error
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError) as error:
            # Without its text, which may repeat the header that it is about: the key's.
            raise PixverseRequestError(
                f"Nothing was sent to {self._name}: {type(error).__name__}. Check the connection's "
                f"host and password."
            ) from None
        except (httpx.HTTPError, TimeoutError) as error:
            if not begun:
                raise PixverseNotSentError(f"{self._name} could not be reached: {named(error)}") from error
            raise PixverseUnavailableError(f"{self._name} did not answer: {named(error)}") from error
        finally:
            # The same request may be sent again.
            request.stream = body

    def _client(self, url: str) -> httpx.AsyncClient:
        variable, proxy = proxy_for(url, os.environ) or ("", "")
        if proxy not in self._clients:
            try:
                self._clients[proxy] = httpx.AsyncClient(
                    verify=tls_context(),
                    timeout=httpx.Timeout(
                        self._request_timeout, connect=min(CONNECT_TIMEOUT, self._request_timeout)
                    ),
                    limits=self._limits,
                    proxy=proxy or None,
                    trust_env=False,
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    headers={"Accept-Encoding": "gzip, deflate"},
                )
            except (ImportError, ValueError, httpx.InvalidURL) as error:
                raise PixverseRequestError(
                    f"Nothing was sent to {self._name}: the proxy that the environment variable {variable} "
                    f"names cannot be used ({type(error).__name__}). Correct or unset it, or add the host to "
                    f"NO_PROXY; a SOCKS proxy needs the package socksio (pip install 'httpx[socks]')."
                ) from None
        return self._clients[proxy]


class _Watched(httpx.AsyncByteStream):
    """A request's body that reports when its sending begins and ends."""

    def __init__(self, body: object, begins: Callable[[], None], ends: Callable[[], None]) -> None:
        self._body, self._begins, self._ends = body, begins, ends

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self._begins()
        async for part in self._body:  # type: ignore[attr-defined]
            yield part
        self._ends()


async def _read(response: httpx.Response) -> httpx.Response:
    """Read an answer, and no more of it than an answer can be: a triggerer serves thousands of others."""
    try:
        length = response.headers.get("content-length", "")
        coding = response.headers.get("content-encoding", "").strip().lower()
        short = length.isascii() and length.isdigit() and int(length[:12]) <= LARGEST_ANSWER
        if short and len(length) <= 12 and coding in ("", "identity"):
            await response.aread()
            return response
        content = bytearray()
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > LARGEST_ANSWER:
                # Cut short it is still told from an answer by whoever reads it: JSON by its missing end.
                break
    finally:
        await response.aclose()
    skipped = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in skipped]
    return httpx.Response(
        response.status_code,
        headers=headers,
        content=_decoded(bytes(content), coding),
        request=response.request,
    )


def _decoded(content: bytes, codings: str) -> bytes:
    for coding in reversed([each.strip() for each in codings.split(",")][:3]):
        if coding in ("gzip", "x-gzip", "deflate"):
            content = _inflated(content, coding)
        elif coding not in ("", "identity"):
            raise httpx.DecodingError("in a coding that was not asked for")
    return content


def _inflated(content: bytes, coding: str) -> bytes:
    for window in (47, -15) if coding == "deflate" else (47,):
        try:
            return zlib.decompressobj(window).decompress(content, LARGEST_ANSWER + 1)
        except zlib.error as error:
            problem = error
    raise httpx.DecodingError(str(problem))


def named(error: Exception) -> str:
    """Return an error's class and text; many of httpx's errors have no text of their own."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
