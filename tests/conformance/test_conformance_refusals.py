# SPDX-License-Identifier: Apache-2.0
"""Rows of the behaviour table in which nothing is bought: invalid, refused, moderated, busy, unreachable."""

from __future__ import annotations

import logging
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseCreditsError,
    PixverseError,
    PixverseModerationError,
    PixverseNotSentError,
    PixverseRateLimitError,
    PixverseRequestError,
)
from airflow_provider_pixverse.operators.pixverse import (
    PixverseExtendOperator,
    PixverseImageToVideoOperator,
    PixverseLipSyncOperator,
    PixverseTransitionOperator,
)
from airflow_provider_pixverse.sandbox import Sandbox
from conformance.world import SMALL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.world import World

SELDOM_SOLD = {
    "extend": (PixverseExtendOperator, {**SMALL, "video": "https://example.com/a.mp4"}),
    "lip_sync": (PixverseLipSyncOperator, {"video": "https://example.com/a.mp4", "speech": "Good morning."}),
}


def ends_at_once(error: pytest.ExceptionInfo[PixverseError]) -> bool:
    """Return whether no retries are used up."""
    return isinstance(error.value, AirflowFailException)


def untouched(world: World) -> bool:
    """Return whether not a single request has arrived."""
    return not any(count for count in world.ledger.values() if isinstance(count, int))


# --- invalid field, unsupported combination: PixverseRequestError before any request ----------------


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"version": "v9"}, ["version='v9'"]),
        ({"resolution": "4k"}, ["resolution='4k'", "1080p"]),
        ({"duration": 7}, ["duration=7", "5, 8"]),
        ({"aspect_ratio": "21:9"}, ["aspect_ratio='21:9'", "16:9"]),
        ({"voice": "Chloe"}, ["voice 'Chloe'", "speech"]),
        ({"speech": "Hello", "voice": "Nobody"}, ["voice='Nobody'", "Chloe"]),
        ({"audio": True}, ["audio=True"]),
        ({"seed": -1}, ["seed=-1"]),
        ({"prompt": " "}, ["prompt"]),
        ({"poll_interval": object()}, ["poll_interval"]),
        ({"timeout": float("nan")}, ["timeout"]),
        ({"on_ambiguous_submit": "guess"}, ["on_ambiguous_submit='guess'"]),
        ({"output_path": "nowhere://bucket/kite.mp4"}, ["output_path"]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_an_invalid_field_is_named_before_any_request(
    world: World, fields: dict[str, Any], words: list[str]
) -> None:
    """Row: invalid field, unsupported combination. Promise 2."""
    with pytest.raises(PixverseRequestError) as refused:
        world.task(**fields).run()
    assert [word for word in words if word not in str(refused.value)] == []
    assert ends_at_once(refused)
    assert untouched(world)


def test_1080p_with_a_length_it_does_not_go_with(world: World) -> None:
    """Row: invalid field, unsupported combination; where each gateway draws that line."""
    version, duration = world.vendor.too_long_at_1080p
    with pytest.raises(
        PixverseRequestError, match=f"duration={duration} does not go with resolution='1080p'"
    ):
        world.task(version=version, duration=duration, resolution="1080p").run()
    assert untouched(world)


@pytest.mark.parametrize("image", ["/nowhere/at/all.png", "data:image/png;base64,???", "nowhere://a/b.png"])
def test_a_picture_that_cannot_be_read_is_named_before_any_request(world: World, image: str) -> None:
    """Row: invalid field (an unreadable image)."""
    with pytest.raises(PixverseRequestError, match="image") as refused:
        world.task(PixverseImageToVideoOperator, image=image).run()
    assert ends_at_once(refused)
    assert untouched(world)


def test_a_file_that_is_no_picture_is_named_before_any_request(world: World, tmp_path: Path) -> None:
    """Row: invalid field (an unreadable image); in the second of two media, so nothing is uploaded either."""
    (tmp_path / "last.png").write_text("this is no picture")
    with pytest.raises(PixverseRequestError, match="last_frame"):
        world.task(
            PixverseTransitionOperator,
            first_frame=f"{world.sandbox.url}/_sandbox/pictures/meadow.png",
            last_frame=f"{tmp_path}/last.png",
        ).run()
    assert untouched(world)


def test_a_task_that_the_gateway_lacks_names_those_that_have_it(world: World) -> None:
    """Row: unsupported combination."""
    name, version, words = world.vendor.lacks
    operator, fields = SELDOM_SOLD[name]
    versions = {"version": version} if version else {}
    with pytest.raises(PixverseRequestError) as refused:
        world.bare_task(operator, **{**fields, **versions}).run()
    assert [word for word in words if word not in str(refused.value)] == []
    assert ends_at_once(refused)
    assert untouched(world)


def test_what_the_vendor_calls_invalid_is_said_in_its_words(world: World) -> None:
    """Row: invalid field, seen by the vendor alone: its 400 is a request error too."""
    with pytest.raises(PixverseRequestError, match="mood") as refused:
        world.task(extra={"mood": "gloomy"}).run()
    assert ends_at_once(refused)
    assert world.sent == (1, 0)


# --- key refused (401) ------------------------------------------------------------------------------


def test_a_refused_key_ends_the_task(world: World) -> None:
    """Row: key refused."""
    world.connect(password="wrong")
    with pytest.raises(PixverseAuthError) as refused:
        world.task().run()
    assert ends_at_once(refused)
    assert world.sent == (1, 0)


def test_an_empty_key_is_not_even_sent(world: World) -> None:
    """Row: key refused."""
    world.connect(password="")
    with pytest.raises(PixverseAuthError, match="pixverse_default") as refused:
        world.task().run()
    assert ends_at_once(refused)
    assert untouched(world)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_a_key_refused_until_the_deadline_leaves_the_video_to_a_retry(world: World, deferrable: bool) -> None:
    """Row: key refused on a poll of a paid video."""
    refusal = {**world.vendor.words("This key is not valid"), "on": "poll", "after": 1, "times": None}
    world.faults(refusal, world.pending())
    with pytest.raises(PixverseAuthError, match="This key is not valid") as refused:
        world.task(deferrable=deferrable, timeout=1.0).run()
    assert not ends_at_once(refused)
    assert world.bought == 1


def test_a_key_that_the_vendor_repeats_is_redacted(world: World) -> None:
    """Smaller things: a vendor's error text that repeats the key."""
    world.faults({"on": "submit", **world.vendor.words(f"The key {world.sandbox.key} is not valid")})
    with pytest.raises(PixverseAuthError, match=r"The key \*\*\* is not valid"):
        world.task().run()


# --- no credits (AIML 403, Segmind 406, PixVerse 500090) --------------------------------------------


def test_an_empty_account_ends_the_task(world: World) -> None:
    """Row: no credits."""
    world.faults({"on": "submit", **world.vendor.no_credits})
    with pytest.raises(PixverseCreditsError, match=r"(?i)credits|balance") as refused:
        world.task().run()
    assert ends_at_once(refused)
    assert world.sent == (1, 0)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_an_account_that_runs_empty_does_not_lose_a_video_that_was_paid_for(
    world: World, deferrable: bool
) -> None:
    """Row: no credits, after the purchase. Promise 3."""
    world.faults({"on": "poll", "times": 3, **world.vendor.no_credits})
    assert world.task(deferrable=deferrable).run()["status"] == "finished"
    assert world.used() == [3]
    assert world.sent == (1, 1)


# --- moderation refuses input or output -------------------------------------------------------------


def test_an_input_refused_by_moderation_ends_the_task(world: World) -> None:
    """Row: moderation refuses the input."""
    world.faults({"on": "submit", **world.vendor.moderated})
    with pytest.raises(PixverseModerationError, match=r"policy|moderation") as refused:
        world.task().run()
    assert ends_at_once(refused)
    assert world.sent == (1, 0)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_an_output_refused_by_moderation_ends_the_task(world: World, deferrable: bool) -> None:
    """Row: moderation refuses the output."""
    world.faults({"on": "submit", "moderation": True})
    with pytest.raises(PixverseModerationError) as refused:
        world.task(deferrable=deferrable).run()
    assert ends_at_once(refused)
    assert refused.value.generation_id == world.row["id"]
    assert world.sent == (1, 1)
    assert world.ledger["refunded"] == 1


# --- 429, concurrency limit, overload, on submit ----------------------------------------------------


def test_a_gateway_that_takes_no_more_for_now_is_waited_for(world: World) -> None:
    """Row: 429, concurrency limit, overload: backs off."""
    rules = [{"on": "submit", "times": 2, **rule} for rule in world.vendor.busy]
    world.faults(*rules)
    assert world.task().run()["status"] == "finished"
    assert world.sent == (1 + 2 * len(rules), 1)


def test_a_gateway_that_says_when_to_come_back_is_sent_to_again_then(world: World) -> None:
    """Row: 429, concurrency limit, overload: waits as told."""
    world.faults({"on": "submit", **world.vendor.busy_for(0)})
    assert world.task().run()["status"] == "finished"
    assert world.sent == (2, 1)


def test_a_gateway_that_says_to_come_back_too_late_is_not_sent_to_again(world: World) -> None:
    """Row: 429, concurrency limit, overload: within timeout, then PixverseRateLimitError."""
    world.faults({"on": "submit", "times": None, **world.vendor.busy_for(3600)})
    with pytest.raises(PixverseRateLimitError, match="nothing was bought") as refused:
        world.task().run()
    assert not ends_at_once(refused)
    assert world.sent == (1, 0)


def test_backing_off_ends_with_the_timeout(world: World) -> None:
    """Row: 429, concurrency limit, overload: within timeout, then PixverseRateLimitError."""
    world.faults({"on": "submit", "times": None, **world.vendor.busy[0]})
    with pytest.raises(PixverseRateLimitError):
        world.task(timeout=0.5).run()
    submitted, paid = world.sent
    assert submitted > 1
    assert paid == 0


# --- connection never made on submit ----------------------------------------------------------------


@pytest.fixture
def deaf_port(world: World) -> int:
    """Let the connection lead to a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    world.connect(host=f"http://127.0.0.1:{port}/{world.gateway}")
    return port


@contextmanager
def a_sandbox_after_the_first_attempt(port: int) -> Iterator[list[Sandbox]]:
    """Open the gateway only once the provider has said that it could not reach it."""
    opened: list[Sandbox] = []

    class Opener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not opened and "could not be reached" in record.getMessage():
                opened.append(stack.enter_context(Sandbox(speed=1000, seed=1, port=port)))

    handler, logger = Opener(), logging.getLogger("airflow_provider_pixverse.client")
    with ExitStack() as stack:
        logger.addHandler(handler)
        stack.callback(logger.removeHandler, handler)
        yield opened


def test_a_gateway_that_could_not_be_reached_is_sent_to_again(deaf_port: int, world: World) -> None:
    """Row: connection never made on submit."""
    with a_sandbox_after_the_first_attempt(deaf_port) as opened:
        assert world.task(wait_for_completion=False).run()["status"] == "queued"
        [sandbox] = opened
        books = sandbox.ledger()["gateways"][world.gateway]
    assert (books["submitted"], books["bought"]) == (1, 1)
    assert untouched(world)


@pytest.mark.usefixtures("deaf_port")
def test_a_gateway_that_is_never_reached_has_sold_nothing(world: World) -> None:
    """Row: connection never made on submit, for good."""
    with pytest.raises(PixverseNotSentError, match="could not be reached") as unreached:
        world.task().run()
    assert not ends_at_once(unreached)
    assert untouched(world)
