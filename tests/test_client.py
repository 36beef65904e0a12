# SPDX-License-Identifier: Apache-2.0
"""The client on real sockets: what reaches the gateway, how often, and what is never sent or said."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import traceback
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from http import HTTPStatus
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_pixverse.client import LARGEST_ANSWER, Client, download
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseAuthError,
    PixverseCreditsError,
    PixverseDownloadError,
    PixverseError,
    PixverseModerationError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.gateways.aimlapi import AimlapiGateway
from airflow_provider_pixverse.generation import Balance, Generation, GenerationStatus
from airflow_provider_pixverse.media import Medium, MediumKind
from airflow_provider_pixverse.requests import TextToVideo
from airflow_provider_pixverse.rules.pace import Pace
from airflow_provider_pixverse.rules.sending import UNREACHED_SENDS
from airflow_provider_pixverse.submission import Submission, Unnoted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

KEY = "sk-a-very-secret-key"
SUBMISSION = "0b6a0f4e-8f0a-4d0e-9a55-3f2f7c1d9e11"
NOW = 1_790_000_000.0
REQUEST = TextToVideo(prompt="A dragon appears above the tallest mountain")
OLD_FORM_ID = "60ac7c34-3224-4b14-8e7d-0aa0db708325:pixverse/v5/text-to-video"
SIGNED = "X-Amz-Signature=0123456789abcdef"

HANG, CLOSE, RESET = "hang", "close", "reset"
"""What a server does in place of an answer, the request having arrived whole."""


@dataclass(frozen=True)
class Received:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Server:
    """
    Answers real connections on loopback, one request each, and remembers what arrived.

    :param answer: Makes the bytes to send back, or names what happens in their place.
    """

    def __init__(self, answer: Callable[[Received], bytes | str]) -> None:
        self.answer = answer
        self.received: list[Received] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def posts(self) -> int:
        return sum(each.method == "POST" for each in self.received)

    @property
    def looks_into_logs(self) -> int:
        return sum(each.target.startswith("/v2/logs") for each in self.received)

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[Server]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.received.append(Received(method, target, headers, body))
        answer = self.answer(self.received[-1])
        if answer == HANG:
            await reader.read()
        elif answer == RESET:
            lingering = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingering)
        elif isinstance(answer, bytes):
            writer.write(answer)
        writer.close()


def http(body: Any = b"", status: int = 200, **headers: str) -> bytes:
    """Return an answer; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(content)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content


ACCEPTED = http({"id": "gen-1", "status": "queued", "meta": {"usage": {"credits_used": 630_000}}})
NOT_LISTED = http({"data": [], "pagination": {"limit": 100, "offset": 0, "total": 0, "has_more": False}})
LOG_ROW = {
    "status": "succeeded",
    "cost": {"usd": 0.315, "credits": 630_000},
    "request_id": "req-1",
    "inference_id": "gen-1",
    "client_request_id": SUBMISSION,
}
LISTED = http({"data": [{**LOG_ROW, "client_request_id": "another"}, LOG_ROW], "pagination": {}})
LISTED_ELSEWHERE = http({"data": [{**LOG_ROW, "client_request_id": "another"}], "pagination": {}})

UNANSWERED = {
    "read time-out": HANG,
    "closed after accept": CLOSE,
    "reset after accept": RESET,
    "500": http({"message": "Something wrong with the server"}, 500),
    "502 page": http(b"<html>Bad Gateway</html>", 502, Content_Type="text/html"),
    "503": http({"message": "Service unavailable"}, 503),
    "504 empty": http(status=504),
    "empty 200": http(),
    "200 page": http(b"<html>One moment, please</html>", Content_Type="text/html"),
    "200 no id": http({"status": "queued"}),
    "200 blank id": http({"id": "  ", "status": "queued"}),
    "200 a list": http([{"id": "gen-1"}]),
    "cut short": http({"id": "gen-1", "status": "queued"}, Content_Length="5000"),
    "damaged gzip": http(b"no gzip at all", Content_Encoding="gzip"),
    "not HTTP": b"220 mail.example.com ESMTP\r\n\r\n",
    "undocumented 409": http({"message": "Conflict"}, 409),
}
"""Everything after which a video may have been bought and its id is not known."""


class Time:
    """A clock that goes on only by sleeping."""

    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client_of(url: str, time: Time, **settings: Any) -> Client:
    return Client(
        AimlapiGateway(KEY, base_url=url),
        clock=time.clock,
        sleep=time.sleep,
        **{"request_timeout": 1.0, **settings},
    )


@asynccontextmanager
async def gateway(
    answer: Callable[[Received], bytes | str], **settings: Any
) -> AsyncIterator[tuple[Server, Client, Time]]:
    time = Time()
    async with Server(answer).listening() as server, client_of(server.url, time, **settings) as client:
        yield server, client, time


def answers(
    submit: bytes | str | list[bytes | str], logs: bytes | str | list[bytes | str] = NOT_LISTED
) -> Callable[[Received], bytes | str]:
    """Answer submissions, and looks into the logs, in turn; the last answer of each stays."""
    posts, gets = (
        chain(turn, repeat(turn[-1]))
        for turn in (each if isinstance(each, list) else [each] for each in (submit, logs))
    )
    return lambda received: next(posts if received.method == "POST" else gets)


async def submit(client: Client, **arguments: Any) -> Any:
    asked = {"key": SUBMISSION, "deadline": NOW + 1800, **arguments}
    return (await client.submit(Submission(request=REQUEST, **asked))).generation


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def told(error: BaseException) -> str:
    """Return everything that a traceback of the error shows of it."""
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.asyncio
async def test_a_submission_is_sent_once_and_carries_its_key() -> None:
    async with gateway(answers(ACCEPTED)) as (server, client, time):
        generation = await submit(client)
    assert (generation.id, generation.status) == ("gen-1", GenerationStatus.QUEUED)
    assert str(generation.cost) == "630,000 credits"
    (received,) = server.received
    assert (received.method, received.target) == ("POST", "/v2/video/generations")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["x-client-request-id"] == SUBMISSION
    assert json.loads(received.body)["prompt"] == REQUEST.prompt
    assert time.slept == []


class TestUnansweredSubmit:
    @pytest.mark.parametrize("answer", UNANSWERED.values(), ids=UNANSWERED)
    @pytest.mark.asyncio
    async def test_it_is_looked_up_and_not_sent_again(self, answer: bytes | str) -> None:
        async with gateway(answers(answer, LISTED)) as (server, client, time):
            generation = await submit(client)
        assert (generation.id, str(generation.cost)) == ("gen-1", "630,000 credits")
        assert (server.posts, server.looks_into_logs) == (1, 1)
        assert time.slept == [Pace().look_up_delays[0]]

    @pytest.mark.parametrize("answer", UNANSWERED.values(), ids=UNANSWERED)
    @pytest.mark.asyncio
    async def test_left_unknown_it_is_not_sent_again(self, answer: bytes | str) -> None:
        async with gateway(answers(answer, LISTED_ELSEWHERE)) as (server, client, time):
            with pytest.raises(PixverseAmbiguousSubmitError, match=SUBMISSION):
                await submit(client)
        assert (server.posts, server.looks_into_logs) == (1, len(Pace().look_up_delays))
        assert time.slept == list(Pace().look_up_delays)

    @pytest.mark.asyncio
    async def test_the_logs_are_searched_from_before_the_first_send(self) -> None:
        async with gateway(answers(["reset", LISTED], LISTED)) as (server, client, _):
            await submit(client)
        window = parse_qs(urlsplit(server.received[1].target).query)
        start, end = (datetime.fromisoformat(window[name][0]).timestamp() for name in ("start", "end"))
        assert start < NOW < NOW + Pace().look_up_delays[0] <= end

    @pytest.mark.asyncio
    async def test_logs_that_lag_are_looked_into_again(self) -> None:
        async with gateway(answers(RESET, [NOT_LISTED, NOT_LISTED, LISTED])) as (server, client, time):
            assert (await submit(client)).id == "gen-1"
        assert (server.posts, time.slept) == (1, list(Pace().look_up_delays[:3]))

    @pytest.mark.parametrize("trouble", ["reset after accept", "read time-out", "503", "429"])
    @pytest.mark.asyncio
    async def test_logs_that_cannot_be_read_are_looked_into_again(self, trouble: str) -> None:
        unread = {**UNANSWERED, "429": http({"message": "slow"}, 429)}[trouble]
        async with gateway(answers(RESET, [unread, LISTED])) as (server, client, _):
            assert (await submit(client)).id == "gen-1"
        assert (server.posts, server.looks_into_logs) == (1, 2)

    @pytest.mark.asyncio
    async def test_the_logs_are_read_page_by_page(self) -> None:
        first = http(
            {"data": [{**LOG_ROW, "client_request_id": None}] * 100, "pagination": {"has_more": True}}
        )
        async with gateway(answers(RESET, [first, LISTED])) as (server, client, time):
            assert (await submit(client)).id == "gen-1"
        offsets = [parse_qs(urlsplit(each.target).query)["offset"] for each in server.received[1:]]
        assert (offsets, len(time.slept)) == ([["0"], ["100"]], 1)

    @pytest.mark.asyncio
    async def test_a_key_that_may_not_read_the_logs_leaves_it_unknown_at_once(self) -> None:
        async with gateway(answers(RESET, http({"message": "no"}, 401))) as (server, client, _):
            with pytest.raises(PixverseAmbiguousSubmitError):
                await submit(client)
        assert (server.posts, server.looks_into_logs) == (1, 1)

    @pytest.mark.parametrize("trouble", [http(status=503), http({"message": "no"}, 401)], ids=["503", "401"])
    @pytest.mark.asyncio
    async def test_unreadable_logs_are_not_said_to_lack_it(self, trouble: bytes) -> None:
        async with gateway(answers(RESET, trouble)) as (_, client, _time):
            with pytest.raises(PixverseAmbiguousSubmitError) as caught:
                await submit(client)
        assert "do not show it" not in str(caught.value)

    @pytest.mark.parametrize(
        "logs",
        [{"data": [], "pagination": None}, {"data": [{**LOG_ROW, "cost": "free"}]}],
        ids=["no pagination", "cost in words"],
    )
    @pytest.mark.asyncio
    async def test_odd_logs_end_in_an_answer_about_the_money(self, logs: dict[str, Any]) -> None:
        async with gateway(answers(RESET, http(logs))) as (_, client, _time):
            with suppress(PixverseAmbiguousSubmitError):
                assert (await submit(client)).id == "gen-1"

    @pytest.mark.asyncio
    async def test_an_answer_that_nobody_thought_of_is_looked_up_too(self) -> None:
        class Surprised(AimlapiGateway):
            def submitted(self, response: httpx.Response) -> Generation:
                raise KeyError("id")

        time = Time()
        async with Server(answers(ACCEPTED, LISTED)).listening() as server:
            gateway = Surprised(KEY, base_url=server.url)
            async with Client(gateway, clock=time.clock, sleep=time.sleep) as client:
                assert (await submit(client)).id == "gen-1"
        assert (server.posts, server.looks_into_logs) == (1, 1)

    @pytest.mark.asyncio
    async def test_resubmitting_as_asked_looks_first_and_sends_once_more(self) -> None:
        async with gateway(answers([RESET, ACCEPTED])) as (server, client, _):
            assert (await submit(client, on_ambiguous_submit="resubmit")).id == "gen-1"
        methods = [each.method for each in server.received]
        assert methods == ["POST", *["GET"] * len(Pace().look_up_delays), "POST"]

    @pytest.mark.asyncio
    async def test_resubmitting_is_not_done_where_the_logs_have_it(self) -> None:
        async with gateway(answers(RESET, LISTED)) as (server, client, _):
            await submit(client, on_ambiguous_submit="resubmit")
        assert server.posts == 1

    @pytest.mark.asyncio
    async def test_resubmitting_is_done_once_only(self) -> None:
        async with gateway(answers(RESET)) as (server, client, _):
            with pytest.raises(PixverseAmbiguousSubmitError, match="submitted twice"):
                await submit(client, on_ambiguous_submit="resubmit")
        assert server.posts == 2

    @pytest.mark.asyncio
    async def test_what_was_chosen_is_done_though_the_deadline_is_over(self) -> None:
        time = Time()

        def answer(_: Received) -> str:
            time.now += 60
            return RESET

        async with Server(answer).listening() as server, client_of(server.url, time) as client:
            with pytest.raises(PixverseAmbiguousSubmitError):
                await submit(client, deadline=NOW + 30, on_ambiguous_submit="resubmit")
        assert server.posts == 2


class Noting(Unnoted):
    """A journal that tells a list of what it notes."""

    def __init__(self, seen: list[str], intention: Callable[[], str]) -> None:
        self.seen, self.intention = seen, intention

    def intend(self, key: str, **noted: Any) -> None:
        self.seen.append(self.intention())

    def withdraw(self) -> None:
        self.seen.append("nothing bought")


class TestEarlierTry:
    """A try that goes on where an earlier one ended while it was submitting."""

    @pytest.mark.asyncio
    async def test_what_it_bought_is_found_and_nothing_sent(self) -> None:
        async with gateway(answers(ACCEPTED, [NOT_LISTED, LISTED])) as (server, client, _):
            generation = await submit(client, in_doubt_since=NOW - 900, on_ambiguous_submit="resubmit")
        assert generation.id == "gen-1"
        assert (server.posts, server.looks_into_logs) == (0, 2)
        window = parse_qs(urlsplit(server.received[0].target).query)
        assert datetime.fromisoformat(window["start"][0]).timestamp() < NOW - 900

    @pytest.mark.parametrize(("choice", "posts"), [("fail", 0), ("resubmit", 1)])
    @pytest.mark.asyncio
    async def test_what_is_not_found_is_the_users_choice(self, choice: str, posts: int) -> None:
        async with gateway(answers(RESET)) as (server, client, _):
            with pytest.raises(PixverseAmbiguousSubmitError, match=SUBMISSION):
                await submit(client, in_doubt_since=NOW - 900, on_ambiguous_submit=choice)
        assert server.posts == posts

    @pytest.mark.asyncio
    async def test_the_next_one_is_told_before_anything_leaves_and_what_was_refused_is_taken_back(
        self,
    ) -> None:
        seen: list[str] = []
        async with gateway(answers([http(status=429), ACCEPTED])) as (server, client, _):
            await submit(client, journal=Noting(seen, lambda: f"intended after {server.posts}"))
        assert seen == ["intended after 0", "nothing bought", "intended after 1"]

    @pytest.mark.asyncio
    async def test_what_is_in_doubt_is_not_taken_back(self) -> None:
        seen: list[str] = []
        async with gateway(answers(RESET)) as (_, client, _):
            with pytest.raises(PixverseAmbiguousSubmitError):
                await submit(client, on_ambiguous_submit="resubmit", journal=Noting(seen, lambda: "intended"))
        # The second time to note that the user's choice is used up.
        assert seen == ["intended", "intended"]

    @pytest.mark.asyncio
    async def test_nothing_leaves_where_the_next_one_cannot_be_told(self) -> None:
        def fail() -> str:
            raise OSError("the state store is gone")

        async with gateway(answers(ACCEPTED)) as (server, client, _):
            with pytest.raises(OSError, match="state store"):
                await submit(client, journal=Noting([], fail))
        assert server.received == []


class TestSubmitThatBoughtNothing:
    @pytest.mark.asyncio
    async def test_a_refused_connection_is_tried_again(self) -> None:
        port, time, server = unused_port(), Time(), Server(answers(ACCEPTED))
        async with AsyncExitStack() as stack:

            async def sleep(seconds: float) -> None:
                await time.sleep(seconds)
                if len(time.slept) == 2:
                    await stack.enter_async_context(server.listening(port))

            gateway = AimlapiGateway(KEY, base_url=f"http://127.0.0.1:{port}")
            async with Client(gateway, clock=time.clock, sleep=sleep) as client:
                assert (await submit(client)).id == "gen-1"
        assert (server.posts, time.slept) == (1, [1, 2])

    @pytest.mark.asyncio
    async def test_a_gateway_that_stays_out_of_reach_is_given_up(self) -> None:
        time = Time()
        async with client_of(f"http://127.0.0.1:{unused_port()}", time) as client:
            with pytest.raises(PixverseNotSentError, match="could not be reached: ConnectError"):
                await submit(client)
        assert len(time.slept) == UNREACHED_SENDS - 1

    @pytest.mark.parametrize(
        ("headers", "slept"),
        [
            ({"Retry-After": "7"}, 7),
            ({"Retry-After": formatdate(NOW + 90, usegmt=True)}, 90),
            ({"Retry-After": formatdate(NOW - 90, usegmt=True)}, 1),
            ({"Retry-After": "in a while"}, 1),
            ({"Retry-After": "-3"}, 1),
            ({}, 1),
        ],
        ids=["seconds", "date", "past date", "words", "negative", "none"],
    )
    @pytest.mark.asyncio
    async def test_a_429_waits_for_what_the_gateway_asked(
        self, headers: dict[str, str], slept: float
    ) -> None:
        refused = http({"message": "Too Many Requests"}, 429, **headers)
        async with gateway(answers([refused, ACCEPTED])) as (server, client, time):
            assert (await submit(client)).id == "gen-1"
        assert (server.posts, time.slept) == (2, [slept])

    @pytest.mark.asyncio
    async def test_a_retry_after_that_only_looks_like_a_number_is_a_plain_back_off(self) -> None:
        refused = http({"message": "Too Many Requests"}, 429, Retry_After="\xb2")
        async with gateway(answers([refused, ACCEPTED])) as (_, client, time):
            await submit(client)
        assert time.slept == [1]

    @pytest.mark.asyncio
    async def test_429s_without_a_word_back_off_until_the_deadline(self) -> None:
        async with gateway(answers(http(status=429))) as (server, client, time):
            with pytest.raises(PixverseRateLimitError, match="nothing was bought"):
                await submit(client, deadline=NOW + 200)
        assert time.slept == [1, 2, 4, 8, 16, 32, 60, 60]
        assert server.posts == 9

    @pytest.mark.asyncio
    async def test_a_429_that_asks_for_more_time_than_there_is_ends_at_once(self) -> None:
        async with gateway(answers(http(status=429, Retry_After="500"))) as (server, client, time):
            with pytest.raises(PixverseRateLimitError):
                await submit(client, deadline=NOW + 200)
        assert (server.posts, time.slept) == (1, [])

    @pytest.mark.parametrize(
        ("status", "message", "error"),
        [
            (400, "Body validation error", PixverseRequestError),
            (400, "Your prompt was flagged by content moderation", PixverseModerationError),
            (401, "This request requires a valid API key", PixverseAuthError),
            (403, "You've run out of credits", PixverseCreditsError),
            (403, "Forbidden resource", PixverseAuthError),
            (404, "Cannot POST /v2", PixverseRequestError),
        ],
    )
    @pytest.mark.asyncio
    async def test_a_refusal_ends_it_with_the_vendors_words(
        self, status: int, message: str, error: type[PixverseError]
    ) -> None:
        async with gateway(answers(http({"message": message}, status))) as (server, client, time):
            with pytest.raises(error, match=message.split()[0]):
                await submit(client)
        assert (len(server.received), time.slept) == (1, [])

    @pytest.mark.asyncio
    async def test_a_base_url_without_a_host_to_send_to_is_the_users_mistake(self) -> None:
        async with client_of("localhost:8765", Time()) as client:
            with pytest.raises(PixverseRequestError, match="host"):
                await submit(client)


class TestSecrets:
    ECHO = f"Incorrect API key provided: {KEY}. Header was 'Bearer {KEY}'"

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 409, 429, 500])
    @pytest.mark.asyncio
    async def test_a_vendor_that_repeats_the_key_is_redacted(
        self, status: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "airflow_provider_pixverse")
        echo = http({"message": self.ECHO, "error": {"name": KEY}, "details": [KEY]}, status)
        async with gateway(answers(echo, echo)) as (_, client, _time):
            with pytest.raises(PixverseError, match=r"\*\*\*") as caught:
                await submit(client, deadline=NOW + 40)
        assert KEY not in told(caught.value) + caplog.text

    @pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500])
    @pytest.mark.asyncio
    async def test_likewise_when_it_is_asked_how_a_generation_stands(self, status: int) -> None:
        failed = {"id": "gen-1", "status": "error"}
        async with gateway(lambda _: http({**failed, "error": {"message": self.ECHO}}, status)) as (
            _, client, _time,
        ):  # fmt: skip
            try:
                said = repr(await client.look("gen-1"))
            except PixverseError as error:
                said = told(error)
        assert "***" in said
        assert KEY not in said

    @pytest.mark.asyncio
    async def test_a_key_that_no_header_can_hold_is_not_repeated(self) -> None:
        async with (
            Server(lambda _: ACCEPTED).listening() as server,
            Client(AimlapiGateway(f"{KEY}\n", base_url=server.url)) as client,
        ):
            with pytest.raises(PixverseRequestError) as caught:
                await client.balance()
        assert KEY not in told(caught.value)

    def test_the_gateways_repr_is_without_the_key(self) -> None:
        assert KEY not in repr(AimlapiGateway(KEY))

    @pytest.mark.asyncio
    async def test_a_redirect_takes_the_key_nowhere(self) -> None:
        async with Server(lambda _: ACCEPTED).listening() as elsewhere:
            away = http(status=307, Location=f"{elsewhere.url}/v2/video/generations")
            async with gateway(lambda _: away) as (_, client, _time):
                with pytest.raises(PixverseRequestError, match=f"a redirect to {elsewhere.url}/v2/video"):
                    await submit(client)
                with pytest.raises(PixverseUnavailableError):
                    await client.look("gen-1")
        assert elsewhere.received == []


class TestLook:
    @pytest.mark.parametrize("generation_id", ["gen-1", OLD_FORM_ID, "a&b=c d/é%2F+"])
    @pytest.mark.asyncio
    async def test_an_id_arrives_as_it_was_given(self, generation_id: str) -> None:
        async with gateway(lambda _: http({"status": "generating"})) as (server, client, _):
            generation = await client.look(generation_id)
        assert (generation.id, generation.status) == (generation_id, GenerationStatus.GENERATING)
        query = urlsplit(server.received[0].target).query
        assert parse_qs(query) == {"generation_id": [generation_id]}

    @pytest.mark.parametrize(
        "trouble",
        ["read time-out", "closed after accept", "reset after accept", "502 page", "empty 200", "200 page"],
    )
    @pytest.mark.asyncio
    async def test_no_usable_answer_says_nothing_about_the_generation(self, trouble: str) -> None:
        async with gateway(lambda _: UNANSWERED[trouble]) as (server, client, time):
            with pytest.raises(PixverseUnavailableError):
                await client.look("gen-1")
        # Whether and when to ask again is not for the client to decide.
        assert (len(server.received), time.slept) == (1, [])

    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.asyncio
    async def test_an_answer_without_end_is_not_read_to_its_end(self, announced: bool) -> None:
        sent = 0

        async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            length = b"Content-Length: 9000000000\r\n" if announced else b""
            writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
            with suppress(ConnectionError):
                while sent < 20 * LARGEST_ANSWER:
                    writer.write(bytes(2**16))
                    await writer.drain()
                    sent += 2**16

        server = await asyncio.start_server(pour, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, client_of(f"http://127.0.0.1:{port}", Time()) as client:
            with pytest.raises(PixverseUnavailableError, match="no JSON object"):
                await client.look("gen-1")
        assert sent < 10 * LARGEST_ANSWER

    @pytest.mark.asyncio
    async def test_an_answer_in_drips_takes_no_longer_than_the_request_timeout(self) -> None:
        async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await asyncio.sleep(0.05)

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, client_of(f"http://127.0.0.1:{port}", Time(), request_timeout=0.2) as client:
            with pytest.raises(PixverseUnavailableError):
                async with asyncio.timeout(1):
                    await client.look("gen-1")

    @pytest.mark.asyncio
    async def test_the_balance_is_read(self) -> None:
        async with gateway(lambda _: http({"current_balance": 12.5, "currency": "USD"})) as (
            server,
            client,
            _,
        ):
            assert await client.balance() == Balance(12.5, "usd")
        assert server.received[0].target == "/v2/billing"

    @pytest.mark.asyncio
    async def test_media_go_along_without_an_upload(self) -> None:
        async with gateway(lambda _: http()) as (server, client, _):
            picture = Medium(MediumKind.IMAGE, content=b"\x89PNG", mime_type="image/png")
            assert await client.upload("image", picture) == "data:image/png;base64,iVBORw=="
            elsewhere = Medium(MediumKind.IMAGE, url="https://example.com/a.png")
            assert await client.upload("image", elsewhere) == "https://example.com/a.png"
        assert server.received == []


def fetched(url: str, **settings: Any) -> tuple[bytes, int | None, int]:
    with download(url, **{"request_timeout": 0.3, **settings}) as video:
        chunks = list(video.chunks)
        return b"".join(chunks), video.length, max(map(len, chunks), default=0)


KEY_HEADERS = {"authorization", "x-api-key", "api-key", "cookie"}


FAILED_DOWNLOADS = {
    "refused": (http(b"AccessDenied", 403), "HTTP 403"),
    "gone": (http(status=404), "HTTP 404"),
    "500": (http(status=500), "HTTP 500"),
    "a part": (http(b"vid", 206, Content_Range="bytes 0-2/5"), "HTTP 206"),
    "cut short": (http(b"half", Content_Length="8"), "RemoteProtocolError"),
    "cut short, no length": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvideo\r\n",
        "RemoteProtocolError",
    ),
    "redirects for ever": (http(status=302, Location=f"/again?{SIGNED}"), "TooManyRedirects"),
    "redirect to ftp": (http(status=302, Location=f"ftp://example.com/?{SIGNED}"), "UnsupportedProtocol"),
    "redirect to nowhere": (http(status=302, Location=f"http://example.com:port/?{SIGNED}"), "127.0.0.1"),
    "not HTTP": (b"not HTTP at all\r\n\r\n", "RemoteProtocolError"),
    "closed": (CLOSE, "RemoteProtocolError"),
    "reset": (RESET, "ReadError"),
    "silent": (HANG, "ReadTimeout"),
}


class TestDownload:
    @pytest.mark.asyncio
    async def test_it_sends_no_key_and_keeps_the_escapes_of_the_url(self) -> None:
        async with Server(lambda _: http(b"video")).listening() as server:
            path = f"/panda/pixverse%2Fmp4%2Fmedia%2Fweb%2Fori%2Fa_seed1.mp4?{SIGNED}&x=%2B%20y"
            assert await asyncio.to_thread(fetched, server.url + path) == (b"video", 5, 5)
        (received,) = server.received
        assert (received.method, received.target) == ("GET", path)
        assert not KEY_HEADERS & received.headers.keys()

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.asyncio
    async def test_it_follows_redirects_without_a_key(self, status: int) -> None:
        async with Server(lambda _: http(b"video")).listening() as store:
            there = f"{store.url}/a%2Fb.mp4?{SIGNED}"
            async with Server(lambda _: http(status=status, Location=there)).listening() as server:
                assert (await asyncio.to_thread(fetched, f"{server.url}/short"))[0] == b"video"
        (received,) = store.received
        assert received.target == f"/a%2Fb.mp4?{SIGNED}"
        assert not (KEY_HEADERS | {"referer"}) & received.headers.keys()

    @pytest.mark.asyncio
    async def test_no_line_of_the_log_shows_the_url(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        async with Server(lambda _: http(b"video")).listening() as server:
            await asyncio.to_thread(fetched, f"{server.url}/a.mp4?{SIGNED}")
        assert SIGNED not in caplog.text

    @pytest.mark.asyncio
    async def test_it_holds_no_more_than_what_has_just_arrived(self) -> None:
        size = 5 * 256 * 1024 + 17
        async with Server(lambda _: http(bytes(size))).listening() as server:
            content, length, largest = await asyncio.to_thread(fetched, server.url)
        assert (len(content), length) == (size, size)
        assert largest <= 64 * 1024

    @pytest.mark.asyncio
    async def test_an_unannounced_length_is_none(self) -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nvideo\r\n0\r\n\r\n"
        async with Server(lambda _: chunked).listening() as server:
            assert await asyncio.to_thread(fetched, server.url) == (b"video", None, 5)

    @pytest.mark.parametrize(("answer", "words"), FAILED_DOWNLOADS.values(), ids=FAILED_DOWNLOADS)
    @pytest.mark.asyncio
    async def test_a_failed_one_names_host_and_cause_but_not_the_url(
        self, answer: bytes | str, words: str
    ) -> None:
        async with Server(lambda _: answer).listening() as server:
            with pytest.raises(PixverseDownloadError, match=words) as caught:
                await asyncio.to_thread(fetched, f"{server.url}/a.mp4?{SIGNED}")
        assert str(caught.value).startswith("127.0.0.1")
        assert SIGNED not in told(caught.value)

    @pytest.mark.parametrize("url", ["http://127.0.0.1:port/", "gopher://example.com/", "http://a\x00b/", ""])
    def test_what_is_no_url_is_a_failed_one(self, url: str) -> None:
        with pytest.raises(PixverseDownloadError):
            fetched(url)

    def test_a_refused_connection_is_a_failed_one(self) -> None:
        with pytest.raises(PixverseDownloadError, match="ConnectError"):
            fetched(f"http://127.0.0.1:{unused_port()}/")
