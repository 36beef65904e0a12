# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: RUF001 (Chinese has a comma of its own)
"""What may be shown of text from outside: valid, bounded, without key, prompt and signature."""

from __future__ import annotations

import html
import json
import random
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_pixverse.redaction import (
    LONGEST_ID,
    LONGEST_READ,
    LONGEST_URL,
    LONGEST_WORDS,
    clean,
    http_url,
    identifier,
    quoted,
    redact,
)

KEY = "sk-a/very:secret+key-0123456789"
PROMPT = 'A dragon "appears"\nabove the tällest/mountain & a <lake>, with its big red wings spread wide'
SIGNS = "一条龙在雪山上飞翔，背景是日落，镜头缓慢推进"
HALF_AN_EMOJI = json.loads(r'"\ud83d"')


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("cannot be shown")

    __repr__ = __str__


class TestClean:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("as it is", "as it is"),
            (" a \t b\r\nc\u2028d\u00a0e\u3000f ", "a b c d e f"),
            ("nul\x00 and bell\x07", "nul and bell"),
            (f"half {HALF_AN_EMOJI} an emoji", "half \ufffd an emoji"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("left \u202eto right\u202c", "left to right"),
            ("zero\u200bwidth\ufeff", "zerowidth"),
            ("日本語 é 🐉", "日本語 é 🐉"),
            (None, "None"),
            (5, "5"),
            ({"a": 1}, "{'a': 1}"),
            ("", ""),
        ],
    )
    def test_it_is_one_printable_line(self, text: object, shown: str) -> None:
        assert clean(text) == shown

    def test_it_is_bounded(self) -> None:
        assert clean("x" * 10_000_000) == "x" * (LONGEST_WORDS - 1) + "…"
        assert clean("x" * LONGEST_WORDS) == "x" * LONGEST_WORDS
        assert clean("abcdef", 3) == "ab…"

    @pytest.mark.parametrize("value", [10**5000, Odd()], ids=["an integer of 5000 digits", "an odd class"])
    def test_what_cannot_be_shown_is_named(self, value: object) -> None:
        assert clean(value) == f"a {type(value).__name__}"
        assert type(value).__name__ in quoted(value)


URLS = {
    "plain": "cannot fetch https://cdn.example.com/a.mp4?X-Amz-Signature=SECRET",
    "JSON in JSON": r'upstream: {"url":"https:\/\/cdn.example.com\/a.mp4?X-Amz-Signature=SECRET"}',
    "JSON in JSON in JSON": r"{\"url\":\"https:\\\/\\\/cdn.example.com\\\/a.mp4?Signature=SECRET\"}",
    "all escaped": r"https:\u002f\u002fcdn.example.com\u002fa.mp4\u003fX-Amz-Signature\u003dSECRET",
    "no scheme": "cannot fetch //cdn.example.com/a.mp4?X-Amz-Signature=SECRET",
    "no scheme, no slashes": "cannot fetch cdn.example.com/a.mp4?X-Amz-Signature=SECRET",
    "another scheme": "cannot fetch oss://bucket/a.mp4?OSSAccessKeyId=x&Signature=SECRET",
    "s3": "s3://bucket/a.mp4?X-Amz-Signature=SECRET",
    "upper case": "HTTPS://CDN.EXAMPLE.COM/A.MP4?SIG=SECRET",
    "after a quote": "cannot fetch 'https://cdn.example.com/a.mp4'?X-Amz-Signature=SECRET",
    "with quotes": "https://cdn.example.com/a.mp4?x='y'&X-Amz-Signature=SECRET",
    "no equals sign": "https://cdn.example.com/a.mp4?SECRET",
    "percent-encoded": "u=https%3A%2F%2Fcdn.example.com%2Fa.mp4%3FX-Amz-Signature%3DSECRET",
    "percent-encoded twice": "https%253A%252F%252Fcdn.example.com%253FX-Amz-Signature%253DSECRET",
    "HTML": "https://cdn.example.com/a.mp4?x=1&amp;X-Amz-Signature=SECRET",
    "HTML, all of it": "https://cdn.example.com/a.mp4&quest;X-Amz-Signature=SECRET",
    "in pieces": "https://cdn.example.com/a.mp4?X-Amz-Expires=5&\n  X-Amz-Signature=SECRET",
    "zero width": "https://cdn.example.com/a.mp4?X-Amz-Sig\u200bnature=SEC\u200bRET",
    "coloured": "https://cdn.example.com/a.mp4\x1b[0m?X-Amz-Signature=\x1b[1mSECRET",
    "user and password": "https://user:SECRET@cdn.example.com/a.mp4",
    "user and password, escaped": r"https:\/\/user:SECRET@cdn.example.com\/a.mp4",
    "fragment": "https://example.com/#access_token=SECRET",
    "parameters of the path": "https://cdn.example.com/a.mp4;token=SECRET",
    "token in the path": "https://cdn.example.com/SECRETSECRETSECRETSECRETSECRETSECRET0/a.mp4",
    "the query alone": "Expires=5&Signature=SECRET&Key-Pair-Id=SECRET",
    "a field": '{"access_token": "SECRET", "code": 5}',
    "a header": "Authorization: Bearer SECRETSECRETSECRETSECRET",
    "a data URI": "data:image/png;base64,SECRETSECRET==",
    "a value of the user's": repr({"url": "https://cdn.example.com/a.mp4?X-Amz-Signature=SECRET"}),
}


class TestSignatures:
    @pytest.mark.parametrize("words", URLS.values(), ids=URLS)
    def test_what_signs_a_url_is_cut_out(self, words: str) -> None:
        for said in (words, json.dumps(words), f"{words} {words}"):
            assert "SECRET" not in redact(said)
            assert "SECRET" not in quoted(said)

    @pytest.mark.parametrize(
        "words",
        [
            "cannot fetch https://cdn.example.com/a/b%2Fc.mp4: HTTP 403",
            "Generation 60ac7c34-3224-4b14-8e7d-0aa0db708325:pixverse/v5 not found",
            "https://cdn.example.com/60ac7c34-3224-4b14-8e7d-0aa0db708325/a.mp4 is gone",
            "Why? Because it is 5 > 3; and so on # 7",
            "Invalid token: expired",
            "Body validation error: duration must be 5 or 8",
            "50 % of 100 & more",
            "提示词包含敏感内容？请修改",
            "Key: value, Basic plan",
        ],
    )
    def test_other_words_stay(self, words: str) -> None:
        assert redact(words, secrets=(KEY, PROMPT)) == words

    def test_the_rest_of_the_words_stays(self) -> None:
        words = '{"url":"https://cdn.example.com/a.mp4?X-Amz-Signature=x","message":"refused by moderation"}'
        assert redact(words) == '{"url":"https://cdn.example.com/a.mp4?…","message":"refused by moderation"}'


WAYS_TO_QUOTE = {
    "as it is": str,
    "on one line": lambda secret: " ".join(secret.split()),
    "JSON": json.dumps,
    "JSON as JavaScript writes it": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON as PHP writes it": lambda secret: json.dumps(secret).replace("/", r"\/"),
    "JSON as Go writes it": lambda secret: json.dumps(secret).replace("&", r"\u0026").replace("<", r"\u003c"),
    "JSON in JSON": lambda secret: json.dumps(json.dumps(secret)),
    "Python": repr,
    "HTML": html.escape,
    "a query": quote,
    "a query in a query": lambda secret: quote(quote(secret)),
    "upper case": str.upper,
    "zero width": "\u200b".join,
    "other quotes": lambda secret: secret.replace('"', "”"),
    "wrapped": lambda secret: secret.replace(" ", "\r\n   "),
}


class TestSecrets:
    @pytest.mark.parametrize("write", WAYS_TO_QUOTE.values(), ids=WAYS_TO_QUOTE)
    @pytest.mark.parametrize("secret", [KEY, PROMPT, SIGNS, "a kite", "龙"])
    def test_a_secret_is_cut_out_however_it_is_written(self, secret: str, write: Any) -> None:
        shown = redact(f"Refused: {write(secret)} (see the log)", secrets=("another", secret))
        assert "***" in shown
        assert shown.startswith("Refused: ")
        assert shown.endswith("(see the log)")
        for word in ("dragon", "mountain", "wings", "secret", "0123", "kite", "龙", "日落", "drag", "llest"):
            assert word not in shown.casefold()

    @pytest.mark.parametrize(
        ("said", "shown"),
        [
            (f"prompt {PROMPT[:49]}… is refused", "prompt ***… is refused"),
            (f"…{PROMPT[30:]} is refused", "…*** is refused"),
            (f"'{SIGNS[3:14]}' 违规", "'***' 违规"),
        ],
    )
    def test_a_long_part_of_it_is_cut_out_too(self, said: str, shown: str) -> None:
        assert redact(said, secrets=(PROMPT, SIGNS)) == shown

    @pytest.mark.parametrize(
        ("secret", "said", "shown"),
        [
            ("cat", "a cat in the catalogue", "a *** in the catalogue"),
            ("a", "a cat", "a cat"),
            ("", "a cat", "a cat"),
            ("...", "and so on...", "and so on***"),
            ("龙", "失败：龙在天上", "失败：***在天上"),
            ("a kite", "via kite", "via kite"),
            ("🐉🔥", "no 🐉🔥 here", "no *** here"),
            ("🐉🔥", r'{"p":"\ud83d\udc09\ud83d\udd25"}', '{"p":"***"}'),
        ],
    )
    def test_a_short_one_only_as_a_word(self, secret: str, said: str, shown: str) -> None:
        assert redact(said, secrets=(secret,)) == shown

    @pytest.mark.parametrize("missing", range(1, len(KEY)))
    def test_one_that_the_bound_cuts_through_is_not_shown_in_part(self, missing: int) -> None:
        text = " " * (LONGEST_READ - len(KEY) + missing) + KEY + " and more"
        assert KEY[:6] not in redact(text, secrets=(KEY,))

    def test_what_is_shown_is_cut_last(self) -> None:
        for before in range(LONGEST_WORDS):
            assert "0123" not in redact("x" * before + KEY, secrets=(KEY,))


class TestQuoted:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            ("a\nb", r"'a\nb'"),
            (None, "None"),
            (5.5, "5.5"),
            (HALF_AN_EMOJI, r"'\ud83d'"),
            ({"image": "https://x.example.com/a?sig=1"}, "{'image': 'https://x.example.com/a?…'}"),
            ("data:image/png;base64," + "iVBOR" * 70_000, "'data:image/png;base64,…"),
        ],
    )
    def test_it_is_the_repr_redacted(self, value: object, shown: str) -> None:
        assert quoted(value).startswith(shown)
        assert len(quoted(value)) <= LONGEST_WORDS

    def test_it_is_as_short_as_asked(self) -> None:
        assert quoted("x" * 10_000_000, limit=10) == "'xxxxxxxx…"


class TestIdentifier:
    @pytest.mark.parametrize("value", ["gen-1", 5, "60ac7c34:pixverse/v5", "é", 2**63, " gen-1 ", "a b"])
    def test_an_id(self, value: object) -> None:
        assert identifier(value) == str(value).strip()

    @pytest.mark.parametrize(
        "value",
        [
            "", " ", None, True, 1.5, [], {}, "a\nb", "a\x00b", "\x1b[1mid", "a\u202eb", "a  b",
            HALF_AN_EMOJI, "x" * (LONGEST_ID + 1), 10**5000, "a\u200bb",
        ],
        ids=lambda value: ascii(value)[:20] if isinstance(value, str) else type(value).__name__,
    )  # fmt: skip
    def test_not_an_id(self, value: object) -> None:
        assert identifier(value) is None


class TestHttpUrl:
    @pytest.mark.parametrize(
        "value",
        [
            "https://a.example.com/b%2Fc.mp4?X=1",
            " http://127.0.0.1:8765/a ",
            "HTTPS://a/b",
            "http://[::1]:80/",
        ],
    )
    def test_a_url(self, value: str) -> None:
        assert http_url(value) == value.strip()

    @pytest.mark.parametrize(
        "value",
        [
            None, 5, "", "javascript:alert(1)", "ftp://a/b", "//a/b", "https://", "https:///a",
            "https://a b/",
            "https://a/\n", "https://a/\x00b", "https://a/\u202eb", f"https://a/{HALF_AN_EMOJI}",
            "https://[::1", "https://a:99999/", "https://a:port/", "https://a:0/", "data:video/mp4;base64,AA",
            "https://evil.example.com\\@a/", "https://a/" + "b" * LONGEST_URL, ["https://a/"], " ",
        ],
        ids=lambda value: ascii(value)[:30],
    )  # fmt: skip
    def test_not_a_url(self, value: object) -> None:
        expected = "https://a/" if value == "https://a/\n" else None
        assert http_url(value) == expected


BOMBS = [
    "a", "?", "\\", "/", "\\/", "http://", "%", "%25", "%3F", "&", "&#", "&a=", "a=&", "'&", '"', "\x1b]",
    "\x1b[1", "-", " ", "x-amz-", "key", "data:", "data:,", "//?", "Bearer ", "a-", HALF_AN_EMOJI, "@", "//@",
    "\\u003f", "token=", "é", "\u200b", "=", ";", "\\\\\\\\",
]  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS, ids=ascii)
def test_ten_million_characters_are_no_work(bomb: str) -> None:
    text = bomb * (10_000_000 // len(bomb))
    for words in (text, f"https://{text}", f"https://a/b?{text}"):
        shown = redact(words, secrets=(KEY, PROMPT, bomb * 5000))
        assert len(shown) <= LONGEST_WORDS
        assert len(clean(words)) <= LONGEST_WORDS


def test_whatever_comes_what_is_shown_is_safe_and_stays_so() -> None:
    chance = random.Random(20260101)
    alphabet = [
        *"ab1 ?&=/:;#%\\'\"<>@.-_\n\t\r\x00\x1b\x07\x85\u2028\u202e\u200b\ufeff龙é🐉", HALF_AN_EMOJI,
        json.loads(r'"\udc09"'), "https://", r"\/\/", r"\u003f", "%3F", "&amp;", "token=", "X-Amz-Signature=",
        "\x1b[31m", KEY, PROMPT, "\U0010ffff", "\ue000",
    ]  # fmt: skip
    for _ in range(3000):
        text = "".join(chance.choices(alphabet, k=chance.randrange(60)))
        limit = chance.choice([1, 20, LONGEST_WORDS])
        for shown in (clean(text, limit), redact(text, secrets=(KEY, PROMPT), limit=limit), quoted(text)):
            shown.encode()
            assert shown.isprintable()
            assert shown == " ".join(shown.split())
            assert len(shown) <= max(limit, LONGEST_WORDS)
        assert KEY not in redact(text, secrets=(KEY,))
        found, url = identifier(text), http_url(text)
        assert found is None or found == clean(found, LONGEST_ID)
        assert url is None or url.isprintable()
