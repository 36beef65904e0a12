# SPDX-License-Identifier: Apache-2.0
"""What a vendor says is made safe where it is read, and the user's own texts are not repeated."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseError,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.gateways import GATEWAYS, make_gateway
from airflow_provider_pixverse.gateways.base import Gateway, number
from airflow_provider_pixverse.gateways.words import own_texts, plain_text, sent_texts
from airflow_provider_pixverse.generation import Generation
from airflow_provider_pixverse.media import Medium, MediumKind
from airflow_provider_pixverse.requests import ImageToVideo, TextToVideo, build

KEY = "sk-0123456789abcdef"
SUBMISSION = "5f0c8f1e-4a39-4a3b-9a39-3c0c7d9d1e11"
PROMPT = "A secret dragon of the autumn campaign rises above the harbour"
NEGATIVE = "no rain, no umbrellas of the competitor"
EVERY_GATEWAY = pytest.mark.parametrize("name", GATEWAYS)

UNSAFE_IDS = [
    "gen-1\n::endgroup::\nTask succeeded: delivered\n",
    "gen\x1b[2K",
    "gen\x00",
    "gen\ud83d",
    "g" * 10_000,
    1.5,
    True,
    10**600,
    -0.0,
    {"id": "x"},
    ["x"],
    "",
    "  ",
]
UNSAFE_WORDS = [
    "cannot render 'a \ud83d'",
    "\x1b[2K\x1b[1A\x1b[32mall good\x1b[0m",
    "first\nTask succeeded\r\n::endgroup::",
    "nul\x00nul",
    "long " * 2_000_000,
    {"deep": [{"x": "\ud83d\n"}]},
    f"Bearer {KEY} is not valid",
    r'upstream: {"url":"https:\/\/cdn.example\/a.mp4?X-Amz-Signature=SECRETSIGNATURE"}',
    "cannot fetch //cdn.example/a.mp4?X-Amz-Signature=SECRETSIGNATURE",
]
UNSAFE_URLS = [
    "javascript:fetch('/api/v2/connections')",
    "https://cdn.example/a\nb.mp4",
    "https://cdn.example/\ud83d.mp4",
    "https://cdn.example/\x00.mp4",
    "https://cdn.example/" + "a" * 10_000,
    "ftp://cdn.example/a.mp4",
    "https://",
    17,
    {"url": 5},
]


def ask(**fields: Any) -> TextToVideo:
    return build(TextToVideo, **({"prompt": PROMPT, "negative_prompt": NEGATIVE} | fields))


def text(value: object) -> str:
    """Return JSON as a vendor may write it: half an emoji goes through."""
    return json.dumps(value)


def answer(request: httpx.Request, body: object, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        content=text(body).encode(),
        headers={"content-type": "application/json", **headers},
        request=request,
    )


def id_answer(name: str, value: object) -> object:
    return {
        "aimlapi": {"id": value, "status": "queued"},
        "segmind": {"request_id": value, "status": "QUEUED"},
        "pixverse": {"ErrCode": 0, "ErrMsg": "success", "Resp": {"video_id": value}},
    }[name]


def refusal(name: str, words: object) -> object:
    return {
        "aimlapi": {"message": words},
        "segmind": {"error": words},
        "pixverse": {"ErrCode": 400017, "ErrMsg": words, "Resp": None},
    }[name]


def state(name: str, word: object, url: object = None, error: object = None) -> object:
    return {
        "aimlapi": {"id": "gen-1", "status": word, "video": {"url": url}, "error": {"message": error}},
        "segmind": {"request_id": "gen-1", "status": word, "output": url, "error": error},
        "pixverse": {"ErrCode": 0, "ErrMsg": "success", "Resp": {"status": word, "url": url}},
    }[name]


def assert_safe(said: str, longest: int = 1500) -> None:
    said.encode()
    assert said.isprintable()
    assert len(said) <= longest
    assert KEY not in said
    assert "SECRETSIGNATURE" not in said


@EVERY_GATEWAY
@pytest.mark.parametrize("value", UNSAFE_IDS, ids=lambda value: repr(value)[:20])
def test_an_id_that_would_have_to_be_altered_is_not_an_id(name: str, value: object) -> None:
    gateway = make_gateway(name, KEY)
    response = answer(gateway.submit(ask(), key=SUBMISSION), id_answer(name, value))
    # PixVerse repeats safely, so what its answer does not say is asked for again.
    with pytest.raises((PixverseAmbiguousSubmitError, PixverseUnavailableError)) as caught:
        gateway.submitted(response)
    assert_safe(str(caught.value))


@pytest.mark.parametrize("value", ["1_000", "\uff11\uff12", "-5", 7.0, "0x1f", 2**70])
def test_pixverse_ids_are_digits(value: object) -> None:
    gateway = make_gateway("pixverse", KEY)
    with pytest.raises((PixverseAmbiguousSubmitError, PixverseUnavailableError)):
        gateway.submitted(answer(gateway.submit(ask(), key=SUBMISSION), id_answer("pixverse", value)))


def test_the_id_of_aimlapis_header_is_one_as_well() -> None:
    gateway = make_gateway("aimlapi", KEY)
    submission = gateway.submit(ask(), key=SUBMISSION)
    assert gateway.submitted(answer(submission, {}, **{"x-inference-id": "gen-9"})).id == "gen-9"
    with pytest.raises(PixverseAmbiguousSubmitError):
        gateway.submitted(answer(submission, {}, **{"x-inference-id": "g" * 600}))


def test_a_log_row_of_aimlapi_with_an_unusable_id_is_no_answer() -> None:
    gateway = make_gateway("aimlapi", KEY)
    request = ask()
    search = gateway.look_up(request, key=SUBMISSION, since=1.0, until=2.0)
    row = {"client_request_id": SUBMISSION, "inference_id": "gen\n1", "status": "succeeded"}
    with pytest.raises(PixverseAmbiguousSubmitError, match="an id that cannot be one"):
        gateway.looked_up(answer(search, {"data": [row]}), request=request, key=SUBMISSION)


def test_a_row_of_segmind_without_a_usable_id_is_not_a_row() -> None:
    gateway = make_gateway("segmind", KEY)
    request = ask()
    search = gateway.look_up(request, key=SUBMISSION, since=1.0, until=2.0)
    sent = json.loads(gateway.submit(request, key=SUBMISSION).content)
    row = {"request_id": "gen\n1", "model_status": "COMPLETED", "request_body": sent}
    assert gateway.looked_up(answer(search, [row]), request=request, key=SUBMISSION) is None


@EVERY_GATEWAY
@pytest.mark.parametrize("words", UNSAFE_WORDS, ids=lambda words: repr(words)[:20])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 406, 410, 422, 429, 500])
def test_words_are_safe_at_every_verb(name: str, words: object, status: int) -> None:
    gateway = make_gateway(name, KEY)
    body = refusal(name, words)
    request = ask()
    verbs = [
        (gateway.submit(request, key=SUBMISSION), gateway.submitted),
        (gateway.poll("gen-1"), gateway.polled),
        (gateway.balance(), gateway.balance_read),
    ]
    for sent, read in verbs:
        assert_outcome_is_safe(read, answer(sent, body, status))
    if gateway.has_records:
        search = gateway.look_up(request, key=SUBMISSION, since=1.0, until=2.0)
        assert_outcome_is_safe(
            lambda response: gateway.looked_up(response, request=request, key=SUBMISSION),
            answer(search, body, status),
        )


def assert_outcome_is_safe(read: Any, response: httpx.Response) -> None:
    try:
        found = read(response)
    except PixverseError as error:
        assert_safe(str(error))
        return
    if isinstance(found, Generation):
        assert_safe(f"{found.vendor_status} {found.error or ''}")


@EVERY_GATEWAY
@pytest.mark.parametrize("words", UNSAFE_WORDS, ids=lambda words: repr(words)[:20])
def test_status_words_and_failures_are_safe(name: str, words: object) -> None:
    gateway = make_gateway(name, KEY)
    failed = {"aimlapi": "failed", "segmind": "FAILED", "pixverse": 8}[name]
    for body in (state(name, words), state(name, failed, error=words)):
        assert_outcome_is_safe(gateway.polled, answer(gateway.poll("gen-1"), body))


@EVERY_GATEWAY
@pytest.mark.parametrize("url", UNSAFE_URLS, ids=lambda url: repr(url)[:20])
def test_what_is_not_an_http_url_is_no_video(name: str, url: object) -> None:
    gateway = make_gateway(name, KEY)
    finished = {"aimlapi": "completed", "segmind": "COMPLETED", "pixverse": 1}[name]
    request = gateway.poll("gen-1")
    found = gateway.polled(answer(request, state(name, finished, url)))
    while isinstance(found, httpx.Request):
        # Segmind: the result, then the history.
        found = gateway.polled(answer(found, state(name, finished, url)))
    assert found.video_url is None


def test_an_upload_of_segmind_is_an_http_url() -> None:
    gateway = make_gateway("segmind", KEY)
    medium = Medium(MediumKind.IMAGE, content=b"\x89PNG", mime_type="image/png")
    upload = gateway.upload("image", medium)
    assert isinstance(upload, httpx.Request)
    with pytest.raises(PixverseUnavailableError):
        gateway.uploaded(answer(upload, {"file_urls": ["javascript:alert(1)"]}))


@EVERY_GATEWAY
@pytest.mark.parametrize("status", [400, 422, 429, 500, 200])
@pytest.mark.parametrize(
    "quote", [PROMPT, NEGATIVE, PROMPT.upper(), json.dumps(PROMPT), PROMPT.replace(" ", "\n"), PROMPT[:40]]
)
def test_a_vendor_that_quotes_the_prompt_is_not_quoted(name: str, status: int, quote: str) -> None:
    gateway = make_gateway(name, KEY)
    request = ask()
    sent = [(gateway.submit(request, key=SUBMISSION), gateway.submitted)]
    if gateway.has_records:
        search = gateway.look_up(request, key=SUBMISSION, since=1.0, until=2.0)
        sent.append((search, lambda it: gateway.looked_up(it, request=request, key=SUBMISSION)))
    for asked, read in sent:
        response = answer(asked, refusal(name, f"the text '{quote}' is refused"), status)
        try:
            read(response)
        except PixverseError as error:
            said = " ".join(str(error).lower().split())
            assert "dragon of the autumn" not in said
            assert "umbrellas of the" not in said


@pytest.mark.parametrize("name", ["aimlapi", "segmind"])
def test_a_vendor_that_quotes_a_mediums_url_is_not_quoted(name: str) -> None:
    gateway = make_gateway(name, KEY)
    url = "https://media.example/campaign/unreleased-product.png"
    request = build(ImageToVideo, prompt=PROMPT, image=url)
    with pytest.raises(PixverseError) as caught:
        gateway.submitted(answer(gateway.submit(request, key=SUBMISSION), refusal(name, f"no {url}"), 400))
    assert "unreleased-product" not in str(caught.value)


def test_pixverse_does_not_repeat_the_url_of_an_upload() -> None:
    gateway = make_gateway("pixverse", KEY)
    upload = gateway.upload(
        "image", Medium(MediumKind.IMAGE, url="https://media.example/unreleased-product.png")
    )
    assert isinstance(upload, httpx.Request)
    said = "cannot fetch https://media.example/unreleased-product.png"
    with pytest.raises(PixverseError) as caught:
        gateway.uploaded(answer(upload, {"ErrCode": 500042, "ErrMsg": said}))
    assert "unreleased-product" not in str(caught.value)


def test_the_error_in_segminds_history_does_not_quote_the_body_beside_it() -> None:
    gateway = make_gateway("segmind", KEY)
    row = {
        "request_id": "gen-1",
        "model_status": "FAILED",
        "request_body": {"prompt": PROMPT, "quality": "720p"},
        "error": f"{PROMPT}: refused at 720p",
    }
    history = gateway.polled(answer(gateway.poll("gen-1"), {"error": "not found"}, 404))
    assert isinstance(history, httpx.Request)
    found = gateway.polled(answer(history, row))
    assert isinstance(found, Generation)
    assert found.error == "***: refused at 720p"


def test_words_of_the_vendors_own_are_not_cut_out() -> None:
    fields = {"model": "pixverse/v5", "quality": "720p", "prompt": "a", "seed": 7, "extra": {"text": ["b"]}}
    assert own_texts(fields) == ("a", "b")
    assert own_texts({"image_url": "data:image/png;base64,AAAA"}) == ()
    assert own_texts("plain") == ("plain",)
    nested: Any = "deep"
    for _ in range(100):
        nested = [nested]
    assert own_texts(nested) == ()


def test_texts_are_read_from_what_was_sent() -> None:
    assert sent_texts(httpx.Request("POST", "http://x", json={"prompt": "p"})) == ("p",)
    assert sent_texts(httpx.Request("POST", "http://x", json=["p"])) == ()
    assert sent_texts(httpx.Request("GET", "http://x")) == ()


@pytest.mark.parametrize("charset", ["hex", "undefined", "zlib", "utf-7", "no-such"])
def test_a_charset_of_the_vendors_choice_is_not_used(charset: str) -> None:
    headers = {"content-type": f"text/plain; charset={charset}"}
    assert plain_text(httpx.Response(400, headers=headers, content=b"no")) == "no"
    for name in GATEWAYS:
        gateway: Gateway = make_gateway(name, KEY)
        with pytest.raises(PixverseError):
            gateway.submitted(
                httpx.Response(
                    400, headers=headers, content=b"no", request=gateway.submit(ask(), key=SUBMISSION)
                )
            )


@pytest.mark.parametrize("value", [1e300, 2.0**64, "1e300", -1e30])
def test_numbers_are_bounded(value: float | str) -> None:
    assert number(value) is None
