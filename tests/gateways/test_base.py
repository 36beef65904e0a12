# SPDX-License-Identifier: Apache-2.0
"""What all gateways have in common."""

from __future__ import annotations

from typing import ClassVar

import httpx
import pytest

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseRequestError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.gateways import DEFAULT_GATEWAY, GATEWAYS, make_gateway
from airflow_provider_pixverse.gateways.base import (
    Gateway,
    json_object,
    rate_limited,
    unusable,
)
from airflow_provider_pixverse.gateways.words import speaks_of_moderation
from airflow_provider_pixverse.media import Medium, MediumKind
from airflow_provider_pixverse.requests import TextToVideo, build

KEY = "sk-0123456789abcdef"
EVERY_GATEWAY = pytest.mark.parametrize("name", GATEWAYS)


def limited(retry_after: str | None) -> tuple[float | None, float | None]:
    headers = [] if retry_after is None else [(b"Retry-After", retry_after.encode())]
    error = rate_limited("slower", httpx.Response(429, headers=headers))
    assert error.message == "slower"
    return error.retry_after, error.retry_at


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("0", (0.0, None)),
        ("120", (120.0, None)),
        (" 7 ", (7.0, None)),
        ("Wed, 21 Oct 2026 07:28:00 GMT", (None, 1792567680.0)),
        ("Wed, 21 Oct 2026 09:28:00 +0200", (None, 1792567680.0)),
        ("Wed, 21 Oct 2026 07:28:00", (None, 1792567680.0)),
        (None, (None, None)),
        ("", (None, None)),
        ("soon", (None, None)),
        ("-5", (None, None)),
        ("1.5", (None, None)),
        ("120, 120", (None, None)),
        ("Wed, 99 Oct 2026 07:28:00 GMT", (None, None)),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_left_out_where_it_cannot_be_read(
    header: str | None, told: tuple[float | None, float | None]
) -> None:
    assert limited(header) == told


@pytest.mark.parametrize("header", ["²", "Wed, 21 Oct 20260000000 07:28:00 GMT"])
def test_a_retry_after_that_only_looks_readable_is_left_out(header: str) -> None:
    assert limited(header) == (None, None)


@pytest.mark.parametrize(
    "words",
    [
        "The prompt was rejected by content moderation.",
        "ContentModerationError",
        "content_policy_violation",
        "This violates our content policy",
        "NSFW content detected",
        "Your request was rejected by our safety system.",
        "The input contains sensitive information.",
        "Prohibited content",
        "Inappropriate image",
        "moderation",
        "Content moderation",
        "The image failed moderation.",
        "Your prompt did not pass moderation",
        "video/image/text failed pre-moderation",
        "Moderation failed: the picture shows a brand",
        "Your request was rejected by our safety system. Please try again with another prompt.",
        "Rejected by the moderation service",
        "Blocked by content moderation and removed from the queue; try again later with another picture",
        "Request moderated",
        "The victim outside is inappropriate content",
        "Flagged by content policy in connection with violence",
        "moderation_blocked",
    ],
)
def test_words_of_a_content_refusal_are_known(words: str) -> None:
    assert speaks_of_moderation(words)


@pytest.mark.parametrize(
    "words",
    [
        "Body validation error",
        "Invalid enum value. Expected '5' | '8', received '7'",
        "Something wrong with the server. Please, try again later.",
        "Generation timeout",
        "You've run out of credits. Please top up your balance",
        "",
    ],
)
def test_other_words_are_no_content_refusal(words: str) -> None:
    assert not speaks_of_moderation(words)


@pytest.mark.parametrize(
    "words",
    [
        "Internal error: moderation service timed out, please retry",
        "worker crashed (moderation queue restarting)",
        "inappropriate scheduling state, job requeued too often",
        "moderation unavailable",
        "moderation service unavailable, your request was rejected",
        "Content moderation is temporarily down",
        "The moderation API did not respond: connection refused",
        "ContentModerationError: timeout",
        "moderation check pending for too long",
        "Moderation failed: HTTP 503",
        "moderation failed to run",
        "could not complete the safety check",
        "content policy service: internal server error",
        "nsfw detector crashed",
        "moderation queue is full, try again later",
        "waiting for moderation of other requests",
        "moderation was skipped",
    ],
)
def test_the_mention_of_moderation_is_no_verdict(words: str) -> None:
    assert not speaks_of_moderation(words)


@pytest.mark.parametrize(
    "words",
    [
        "Invalid enum value. Expected 'normal' | 'fast', received 'moderate'",
        "Field names are case-sensitive",
    ],
)
def test_words_that_only_look_alike_are_no_content_refusal(words: str) -> None:
    assert not speaks_of_moderation(words)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"id": "x"}', {"id": "x"}),
        (b"{}", {}),
        (b"", None),
        (b"[]", None),
        (b"null", None),
        (b'"text"', None),
        (b"<html></html>", None),
        (b'{"id": ', None),
        (b"\xff\xfe\x00", None),
    ],
)
def test_only_a_json_object_is_read(content: bytes, value: dict[str, str] | None) -> None:
    assert json_object(httpx.Response(200, content=content)) == value


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (httpx.Response(200), "HTTP 200 with an empty body"),
        (httpx.Response(502, html="<h1>Bad Gateway</h1>"), "HTTP 502 with no JSON object (text/html)"),
        (httpx.Response(200, json=[]), "HTTP 200 with no JSON object (application/json)"),
        (httpx.Response(503, content=b"x"), "HTTP 503 with no JSON object (unknown type)"),
        (httpx.Response(500, json={"message": "oops"}), "HTTP 500 with nothing about the generation"),
    ],
)
def test_an_answer_that_says_nothing_is_described_by_what_it_is(response: httpx.Response, said: str) -> None:
    error = unusable("aimlapi", response)
    assert type(error) is PixverseUnavailableError
    assert error.message == f"aimlapi answered {said}"


PLACES = {
    "https://gateway.example/v2/x?signature=SECRET#SECRET": "https://gateway.example/v2/x",
    "https://user:SECRET@gateway.example:8443/": "https://gateway.example:8443/",
    "//gateway.example/login": "https://gateway.example/login",
    "https://gateway.example/" + "SECRET" * 10: "https://gateway.example/…",
    "https://gateway.example/a\u2028b": None,
    "https://[": "an address that cannot be read",
    "https://gateway.example:99999/": "an address that cannot be read",
}


@EVERY_GATEWAY
@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("location", PLACES)
def test_a_submission_that_is_redirected_bought_nothing(name: str, code: int, location: str) -> None:
    gateway = make_gateway(name, KEY)
    request = gateway.submit(build(TextToVideo, prompt="a kite"), key="5f0c8f1e-4a39-4a3b-9a39-3c0c7d9d1e11")
    headers = {"location": location.encode()}
    response = httpx.Response(code, headers=headers, html="<h1>Moved</h1>", request=request)
    with pytest.raises(PixverseRequestError, match=f"HTTP {code} with a redirect to ") as caught:
        gateway.submitted(response)
    said = str(caught.value)
    assert "nothing was bought. Check the connection's host" in said
    assert "SECRET" not in said
    assert said.isprintable()
    if place := PLACES[location]:
        assert f"redirect to {place}. It was not followed" in said


@EVERY_GATEWAY
def test_a_303_or_a_redirect_to_nowhere_may_have_bought_a_video(name: str) -> None:
    gateway = make_gateway(name, KEY)
    request = gateway.submit(build(TextToVideo, prompt="a kite"), key="5f0c8f1e-4a39-4a3b-9a39-3c0c7d9d1e11")
    for code, headers in ((303, {"location": "/result"}), (302, {})):
        with pytest.raises((PixverseAmbiguousSubmitError, PixverseUnavailableError)):
            gateway.submitted(httpx.Response(code, headers=headers, request=request))


@pytest.mark.parametrize("name", ["segmind", "pixverse"])
def test_an_upload_that_is_redirected_names_the_place(name: str) -> None:
    gateway = make_gateway(name, KEY)
    upload = gateway.upload("image", Medium(MediumKind.IMAGE, content=b"\x89PNG", mime_type="image/png"))
    assert isinstance(upload, httpx.Request)
    with pytest.raises(PixverseRequestError, match=r"redirect to https://gateway\.example/up\. "):
        gateway.uploaded(
            httpx.Response(301, headers={"location": "https://gateway.example/up"}, request=upload)
        )


@EVERY_GATEWAY
def test_a_look_that_is_redirected_says_nothing_about_the_generation(name: str) -> None:
    gateway = make_gateway(name, KEY)
    for request, read in ((gateway.poll("7"), gateway.polled), (gateway.balance(), gateway.balance_read)):
        response = httpx.Response(302, headers={"location": "https://login.example/?x=1"}, request=request)
        with pytest.raises(
            PixverseUnavailableError, match=r"a redirect to https://login\.example/, which"
        ) as it:
            read(response)
        assert "bought" not in str(it.value)


def test_the_default_gateway_is_aimlapi() -> None:
    assert DEFAULT_GATEWAY == "aimlapi"
    assert DEFAULT_GATEWAY in GATEWAYS


@EVERY_GATEWAY
def test_a_gateway_is_made_by_its_name(name: str) -> None:
    gateway = make_gateway(name, KEY)
    assert gateway.name == name
    assert gateway.base_url == next(iter(gateway.base_urls.values()))
    for region, base in gateway.base_urls.items():
        assert make_gateway(name, KEY, region=region).base_url == base
        assert base.startswith("https://")


def test_an_unknown_gateway_is_refused_with_the_known_ones() -> None:
    with pytest.raises(PixverseRequestError, match=r"gateway='fal': allowed are .*aimlapi.*extra"):
        make_gateway("fal", KEY)


@EVERY_GATEWAY
def test_an_unknown_region_is_refused_with_the_known_ones(name: str) -> None:
    regions = ", ".join(GATEWAYS[name].base_urls)
    with pytest.raises(PixverseRequestError, match=f"region='mars': {name} has {regions}"):
        make_gateway(name, KEY, region="mars")


@EVERY_GATEWAY
def test_a_host_given_is_the_base_of_everything_a_gateway_offers(name: str) -> None:
    for given in ("http://127.0.0.1:8765/here", "http://127.0.0.1:8765/here/"):
        gateway = make_gateway(name, KEY, base_url=given)
        assert gateway.base_url == "http://127.0.0.1:8765/here"
        for request in (gateway.poll("gen-1"), gateway.balance()):
            assert str(request.url).startswith("http://127.0.0.1:8765/here/")


@EVERY_GATEWAY
def test_the_key_is_not_shown(name: str) -> None:
    gateway = make_gateway(name, KEY)
    assert KEY not in f"{gateway!r} {gateway}"
    assert KEY not in repr(gateway.poll("gen-1"))
    assert KEY not in str(gateway.poll("gen-1").url)


@EVERY_GATEWAY
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (f"Invalid key {KEY}!", "Invalid key ***!"),
        (f"{KEY} and {KEY}", "*** and ***"),
        ("two\n lines", "two lines"),
        ("", ""),
    ],
)
def test_a_vendors_words_are_raised_without_the_key(name: str, words: str, shown: str) -> None:
    assert make_gateway(name, KEY).redact(words) == shown


@EVERY_GATEWAY
def test_a_vendors_words_are_cut_but_never_through_the_key(name: str) -> None:
    gateway = make_gateway(name, KEY)
    for length in range(470, 510):
        text = gateway.redact("x" * length + KEY + "y" * 1000)
        assert len(text) == 500
        assert text.endswith("…")
        assert KEY[:4] not in text


@EVERY_GATEWAY
def test_without_a_key_nothing_is_replaced(name: str) -> None:
    assert make_gateway(name, "").redact("abc") == "abc"


class Plain(Gateway):
    """A gateway with nothing but what every one must have."""

    name = "plain"
    base_urls: ClassVar[dict[str, str]] = {"here": "https://plain.example"}
    submit = submitted = poll = polled = balance = balance_read = None  # type: ignore[assignment]


def test_a_gateway_promises_nothing_it_does_not_have() -> None:
    gateway = Plain(KEY)
    assert (gateway.has_records, gateway.repeats_safely) == (False, False)
    assert gateway.expected_cost(None) is None  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="plain has no records"):
        gateway.look_up(None, key="k", since=0, until=1)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="plain takes no uploads"):
        gateway.uploaded(httpx.Response(200))


def test_a_gateway_that_fetches_takes_a_url_as_it_is_and_bytes_inline() -> None:
    gateway = Plain(KEY)
    there = Medium(MediumKind.IMAGE, url="https://example.com/a.png?signature=1")
    here = Medium(MediumKind.IMAGE, content=b"\x89PNG", mime_type="image/png")
    assert gateway.upload("image", there) == "https://example.com/a.png?signature=1"
    assert gateway.upload("image", here) == "data:image/png;base64,iVBORw=="


def test_a_gateway_must_say_all_of_the_contract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Gateway(KEY)  # type: ignore[abstract]
