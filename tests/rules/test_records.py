# SPDX-License-Identifier: Apache-2.0
"""What a next try makes of what earlier ones left."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from test_purchase import DELIVERED, INTENDED, KEY, LOST, RECORDS, SUBMITTED

from airflow_provider_pixverse.exceptions import PixverseNotFoundError, PixverseRequestError
from airflow_provider_pixverse.purchase import Mark
from airflow_provider_pixverse.requests import ImageToVideo, LipSync, TextToVideo, Transition, build
from airflow_provider_pixverse.rules.records import (
    Asked,
    Attach,
    Begin,
    FindOut,
    NextTry,
    Repeat,
    adoptable,
    fingerprint,
    lost,
    next_try,
    still_lost,
    template_digest,
    was_cleared,
)
from airflow_provider_pixverse.rules.sending import Stop

if TYPE_CHECKING:
    from airflow_provider_pixverse.purchase import Record

# which purchase it is


def test_the_same_request_at_the_same_place_has_the_same_fingerprint() -> None:
    def made(**fields: Any) -> str:
        request = build(TextToVideo, **{"prompt": "a dragon", "version": "v5", **fields})
        return fingerprint(request, connection="pixverse_default", gateway="aimlapi")

    assert made() == made(duration=5) == made(version="5") == made(prompt=" a dragon ")
    assert len(made()) == 64
    changed = [
        made(prompt="a cat"),
        made(duration=8),
        made(seed=1),
        made(model="pixverse/v5/text-to-video"),
        made(extra={"motion": "slow"}),
    ]
    assert len({made(), *changed}) == 6


def test_another_connection_gateway_or_task_is_another_purchase() -> None:
    text = build(TextToVideo, prompt="a dragon")
    image = build(ImageToVideo, prompt="a dragon", image="s3://bucket/cat.png")
    prints = {
        fingerprint(text, connection="one", gateway="aimlapi"),
        fingerprint(text, connection="two", gateway="aimlapi"),
        fingerprint(text, connection="one", gateway="segmind"),
        fingerprint(image, connection="one", gateway="aimlapi"),
        fingerprint(
            image.model_copy(update={"image": "s3://bucket/dog.png"}), connection="one", gateway="aimlapi"
        ),
    }
    assert len(prints) == 5


def test_the_order_of_extra_fields_does_not_matter() -> None:
    one, other = (
        build(TextToVideo, prompt="a dragon", extra=extra) for extra in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert fingerprint(one, connection="c", gateway="g") == fingerprint(other, connection="c", gateway="g")


S3 = "https://bucket.s3.amazonaws.com/cat.png"
SIGNED = {
    "Amazon": f"{S3}?X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Date={{0}}&X-Amz-Expires=3600"
    "&X-Amz-Security-Token={0}&X-Amz-Signature={0}",
    "Amazon, version 2": f"{S3}?AWSAccessKeyId=AKIA&Expires={{0}}&Signature={{0}}",
    "Google": "https://storage.googleapis.com/b/cat.png?X-Goog-Algorithm=A&X-Goog-Credential=C&X-Goog-Date={0}&X-Goog-Signature={0}",
    "Azure": "https://a.blob.core.windows.net/b/cat.png?sv=2024-11-04&se={0}&sr=b&sp=r&sig={0}",
    "Azure, user delegation": "https://a.blob.core.windows.net/b/cat.png?skoid=o&sktid=t&skt={0}&ske={0}&sks=b"
    "&skv=2024-11-04&sv=2024-11-04&se={0}&sr=b&sp=r&sig={0}",
    "Alibaba": "https://b.oss-cn-beijing.aliyuncs.com/cat.png?OSSAccessKeyId=A&Expires={0}&Signature={0}",
    "Alibaba, version 4": "https://b.oss-cn-beijing.aliyuncs.com/cat.png?x-oss-signature-version=OSS4"
    "&x-oss-credential=C&x-oss-date={0}&x-oss-expires=60&x-oss-signature={0}",
    "Tencent": "https://b.cos.ap-beijing.myqcloud.com/cat.png?q-sign-algorithm=sha1&q-ak=A&q-sign-time={0}"
    "&q-key-time={0}&q-header-list=&q-url-param-list=&q-signature={0}",
    "CloudFront, custom policy": "https://d1.cloudfront.net/cat.png?Policy={0}&Signature={0}&Key-Pair-Id=K",
    "CloudFront": "https://d1.cloudfront.net/cat.png?Expires={0}&Signature={0}&Key-Pair-Id=K{0}",
}


def picture_print(image: str) -> str:
    request = build(ImageToVideo, prompt="a dragon", image=image)
    return fingerprint(request, connection="c", gateway="g")


@pytest.mark.parametrize("url", SIGNED.values(), ids=SIGNED.keys())
def test_a_url_that_is_signed_anew_in_each_try_still_asks_for_the_same_video(url: str) -> None:
    assert picture_print(url.format("20260101")) == picture_print(url.format("20260102"))
    assert picture_print(url.format(1)) != picture_print(url.format(1).replace("cat", "dog"))


@pytest.mark.parametrize(
    "other",
    [
        f"{S3}?versionId=2",
        f"{S3}?versionId=1&crop=face",
        f"{S3}?versionId=1#face",
        f"{S3}?versionId=1&token=2",
        f"{S3}?versionId=1&Signature=2",
        f"{S3}?versionId=1&grass",
        S3,
        "http://bucket.s3.amazonaws.com/cat.png?versionId=1",
    ],
)
def test_what_else_a_url_says_is_part_of_the_request(other: str) -> None:
    assert picture_print(f"{S3}?versionId=1") != picture_print(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://bucket/cat.png?Signature=1", "s3://bucket/cat.png?Signature=2"),
        ("https://a.example/share?token=A", "https://a.example/share?token=B"),
        ("https://a.example/picture?grass", "https://a.example/picture?fruit"),
        ("/data/cat.png", "/data/dog.png"),
        ("data:image/png;base64,AAAA", "data:image/png;base64,BBBB"),
    ],
)
def test_only_a_url_has_a_signature(one: str, other: str) -> None:
    assert picture_print(one) != picture_print(other)


def test_every_medium_of_a_request_counts() -> None:
    def made(first: str, last: str) -> str:
        request = build(Transition, prompt="a dragon", first_frame=first, last_frame=last)
        return fingerprint(request, connection="c", gateway="g")

    assert len({made("a.png", "b.png"), made("b.png", "a.png"), made("a.png", "a.png")}) == 3
    signed = f"{S3}?AWSAccessKeyId=A&Expires=1&Signature={{}}"
    assert made(signed.format(1), signed.format(2)) == made(signed.format(3), signed.format(4))


def test_a_medium_that_was_not_given_has_no_signature() -> None:
    request = build(LipSync, video=S3, speech="Hello")
    assert len(fingerprint(request, connection="c", gateway="g")) == 64


# what a next try does with what earlier ones left

FIRST = Mark(max_tries=2, try_number=1, retries=2, clear_number=0)
RETRIED = Mark(max_tries=2, try_number=2, retries=2, clear_number=0)
CLEARED = Mark(max_tries=3, try_number=2, retries=2, clear_number=1)


def kept(record: Record | None) -> Record | None:
    """Return the record as the first try of an unedited DAG has kept it."""
    if record is None:
        return None
    intended = INTENDED.model_copy(update={"mark": FIRST, "template": "t"})
    submitted = SUBMITTED.model_copy(update={"intended": intended})
    same: dict[str, Any] = {
        "intended": intended,
        "submitted": submitted,
        "delivered": DELIVERED.model_copy(update={"submitted": submitted, "mark": FIRST}),
        "lost": LOST.model_copy(update={"submitted": submitted, "mark": FIRST}),
    }
    found: Record = same[record.phase]
    return found


def after(
    record: Record | None, *, changed: bool = False, cleared: bool = False, edited: bool = False, **how: Any
) -> NextTry:
    now = "a" * 64 if changed else INTENDED.fingerprint
    mark = CLEARED if cleared else RETRIED
    return next_try(kept(record), Asked(now, "edited" if edited else "t", mark, **how))


TRIES = [
    # what is found, changed since, cleared since, what is done
    (None, False, False, Begin()),
    (None, False, True, Begin()),
    (None, True, False, Begin()),
    (INTENDED, False, False, FindOut),
    (INTENDED, False, True, FindOut),
    (SUBMITTED, False, False, Attach),
    (SUBMITTED, False, True, Attach),
    (DELIVERED, False, False, Repeat),
    (DELIVERED, False, True, Begin()),
    (LOST, False, False, Attach),
    (LOST, False, True, Attach),
]


@pytest.mark.parametrize(("record", "changed", "cleared", "done"), TRIES)
def test_a_next_try_goes_on_where_the_last_one_ended(
    record: Record | None, changed: bool, cleared: bool, done: Any
) -> None:
    step = after(record, changed=changed, cleared=cleared)
    assert step == done if isinstance(done, Begin) else isinstance(step, done)
    assert getattr(step, "warning", "") == ""


@pytest.mark.parametrize(("record", "done"), [(INTENDED, FindOut), (SUBMITTED, Attach)])
def test_a_template_that_renders_otherwise_in_a_retry_buys_nothing_and_is_warned_of(
    record: Record, done: Any
) -> None:
    step = after(record, changed=True)
    assert isinstance(step, done)
    assert "DAG is unchanged" in step.warning


def test_a_template_that_renders_otherwise_after_the_delivery_gives_the_delivered_one() -> None:
    assert isinstance(after(DELIVERED, changed=True), Repeat)


CHANGED = pytest.mark.parametrize(
    ("record", "named"), [(INTENDED, KEY), (SUBMITTED, "gen-1"), (DELIVERED, "gen-1"), (LOST, "gen-1")]
)
WAYS = pytest.mark.parametrize("way", [{"cleared": True}, {"edited": True}], ids=str)


@CHANGED
@WAYS
def test_a_changed_request_is_a_new_video_and_a_warning_that_names_the_old(
    record: Record, named: str, way: dict[str, bool]
) -> None:
    begin = after(record, changed=True, **way)
    assert isinstance(begin, Begin)
    assert named in begin.warning
    assert "has changed since" in begin.warning


@CHANGED
@WAYS
def test_a_changed_request_is_not_bought_if_that_is_forbidden(
    record: Record, named: str, way: dict[str, bool]
) -> None:
    step = after(record, changed=True, on_changed_request="fail", **way)
    assert isinstance(step, Stop)
    assert type(step.error) is PixverseRequestError
    for said in (named, "on_changed_request", "Nothing was bought"):
        assert said in str(step.error)


def test_a_clear_makes_the_choice_for_a_doubtful_submission_count_once_more() -> None:
    record = kept(INTENDED)
    assert record is not None
    used_up = record.model_copy(update={"resubmitted": True})
    for mark, resubmitted in ((RETRIED, True), (CLEARED, False)):
        step = next_try(used_up, Asked(INTENDED.fingerprint, "t", mark))
        assert isinstance(step, FindOut)
        assert step.intended.resubmitted is resubmitted


def test_what_was_lost_is_polled_once_more_before_a_retry_stops_with_its_id() -> None:
    attach = after(LOST)
    assert isinstance(attach, Attach)
    assert attach.was_lost
    step = still_lost(attach)
    assert isinstance(step, Stop)
    assert type(step.error) is PixverseNotFoundError
    assert step.error.generation_id == "gen-1"


def test_what_was_lost_is_polled_once_more_before_a_clear_buys_again() -> None:
    attach = after(LOST, cleared=True)
    assert isinstance(attach, Attach)
    assert attach.was_lost
    begin = still_lost(attach)
    assert isinstance(begin, Begin)
    assert "gen-1" in begin.warning


@pytest.mark.parametrize(("told", "when"), [(True, "2026-01-01T00:00:00+00:00"), (False, "unknown time")])
def test_what_was_lost_is_told_with_its_id_and_what_to_do(told: bool, when: str) -> None:
    known = SUBMITTED.submission if told else SUBMITTED.submission.model_copy(update={"submitted_at": None})
    error = lost(SUBMITTED.model_copy(update={"submission": known}))
    assert error.generation_id == "gen-1"
    for said in ("gen-1", when, "bought nothing", "clear the task"):
        assert said in str(error)


def test_no_retry_of_the_same_request_begins_anew_where_there_is_a_record() -> None:
    for record in RECORDS.values():
        assert not isinstance(after(record), Begin)


# what only a clear changes


def mark(max_tries: int, try_number: int, retries: int, clear_number: int | None = 0) -> Mark:
    return Mark(max_tries=max_tries, try_number=try_number, retries=retries, clear_number=clear_number)


KEPT = mark(2, 1, 2)


@pytest.mark.parametrize(
    ("now", "cleared"),
    [
        pytest.param(mark(2, 2, 2), False, id="a retry"),
        pytest.param(mark(2, 2, 5), False, id="a retry after retries were edited up"),
        pytest.param(mark(2, 2, 0), False, id="a retry after retries were edited down"),
        pytest.param(mark(2, 2, 2, 1), False, id="a retry after another task of the run was cleared"),
        pytest.param(mark(3, 2, 2, 1), True, id="a clear"),
        pytest.param(mark(3, 2, 2, 0), True, id="a clear of a running run on Airflow 3.0"),
        pytest.param(mark(6, 2, 5, 1), True, id="a clear after retries were edited up"),
        pytest.param(mark(1, 2, 0, 1), True, id="a clear after retries were edited to none"),
        pytest.param(mark(2, 2, 1, 1), True, id="a clear after an edit that makes the sum the same"),
        pytest.param(mark(2, 1, 2), True, id="the run was deleted and made again"),
    ],
)
def test_a_clear_is_told_from_a_retry_whatever_became_of_retries(now: Mark, cleared: bool) -> None:
    assert was_cleared(KEPT, now) is cleared


def test_without_the_clears_of_the_run_the_tries_tell() -> None:
    assert not was_cleared(mark(2, 1, 2, None), mark(2, 2, 3, None))
    assert was_cleared(mark(2, 1, 2, None), mark(4, 2, 3, None))
    # Edited from 3 to 2 before it ran, then cleared: the sum comes out the same.
    assert was_cleared(mark(3, 1, 2, None), mark(3, 2, 2, None))


def test_a_record_of_an_earlier_version_has_no_mark_and_counts_as_kept_by_a_try_before() -> None:
    assert not was_cleared(None, KEPT)


# the templates


def test_only_an_edit_changes_the_digest_of_the_templates() -> None:
    assert template_digest({"a": "{{ ds }}", "b": None}) == template_digest({"b": None, "a": "{{ ds }}"})
    assert template_digest({"a": "{{ ds }}"}) != template_digest({"a": "{{ ts }}"})


# a mapped list that is shorter after a clear

SHIFTED = Asked(INTENDED.fingerprint, "t", CLEARED)


@pytest.mark.parametrize("record", [INTENDED, SUBMITTED])
def test_what_another_index_has_paid_for_is_taken_after_a_clear(record: Record) -> None:
    found = kept(record)
    assert found is not None
    assert adoptable([found], SHIFTED) == found


@pytest.mark.parametrize("record", [DELIVERED, LOST])
def test_what_another_index_delivered_or_lost_is_not_taken(record: Record) -> None:
    found = kept(record)
    assert found is not None
    assert adoptable([found], SHIFTED) is None


def test_what_another_index_keeps_in_the_same_run_is_its_own() -> None:
    found = kept(SUBMITTED)
    assert found is not None
    assert adoptable([found], replace(SHIFTED, mark=RETRIED)) is None


def test_what_another_index_asked_otherwise_for_is_not_taken() -> None:
    found = kept(SUBMITTED)
    assert found is not None
    assert adoptable([found], replace(SHIFTED, fingerprint="a" * 64)) is None
