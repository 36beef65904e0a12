# SPDX-License-Identifier: Apache-2.0
"""The trigger: what Airflow stores of it, and the one event it ends in."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.triggers.base import TriggerEvent
from pacing import quicken

from airflow_provider_pixverse import poller as pollers
from airflow_provider_pixverse.generation import Generation, GenerationStatus
from airflow_provider_pixverse.hooks import pixverse as hooks
from airflow_provider_pixverse.hooks.pixverse import PixverseHook, shared_poller
from airflow_provider_pixverse.requests import TextToVideo
from airflow_provider_pixverse.rules.pace import Pace
from airflow_provider_pixverse.triggers import pixverse as triggers
from airflow_provider_pixverse.triggers.pixverse import PixverseGenerationTrigger

try:
    from airflow.sdk import serde
except ImportError:
    from airflow.serialization import serde

if TYPE_CHECKING:
    from airflow_provider_pixverse.rules.waiting import Watch
    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

LAKE = TextToVideo(prompt="A quiet lake", resolution="360p")
OLD_FORM_ID = "60ac7c34-3224-4b14-8e7d-0aa0db708325:pixverse/v5/text-to-video"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let triggers fire as soon as they know."""
    quicken(monkeypatch)


@pytest.fixture
def look_ups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the look-ups of connections."""
    looked_up: list[str] = []
    look_up = hooks.get_async_connection

    async def counted(conn_id: str, *args: Any, **kwargs: Any) -> Any:
        looked_up.append(conn_id)
        await asyncio.sleep(0.02)
        return await look_up(conn_id, *args, **kwargs)

    monkeypatch.setattr(hooks, "get_async_connection", counted)
    return looked_up


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Watch, float]]:
    """Collect what triggers ask of the poller, which finds every video finished."""
    asked: list[tuple[Watch, float]] = []

    async def wait(watch: Watch, *, first_look: float) -> Generation:
        asked.append((watch, first_look))
        return Generation(watch.generation_id, "aimlapi", GenerationStatus.FINISHED)

    monkeypatch.setattr(triggers, "shared_poller", lambda _: SimpleNamespace(wait=wait))
    return asked


def trigger(
    generation_id: str = "gen-1", *, timeout: float = 60.0, **arguments: Any
) -> PixverseGenerationTrigger:
    return PixverseGenerationTrigger(
        **{
            "pixverse_conn_id": "pixverse_default",
            "generation_id": generation_id,
            "poll_interval": 0.05,
            "deadline": time.time() + timeout,
            **arguments,
        }
    )


async def events(trigger: PixverseGenerationTrigger) -> list[dict[str, Any]]:
    async with asyncio.timeout(10):
        fired = [event async for event in trigger.run()]
    assert all(type(event) is TriggerEvent for event in fired)
    return [event.payload for event in fired]


def run(trigger: PixverseGenerationTrigger) -> dict[str, Any]:
    """Return the payload of the only event."""
    (event,) = asyncio.run(events(trigger))
    assert event.keys() == {"generation_id", "outcome", "message"}
    assert event["generation_id"] == trigger.generation_id
    assert json.loads(json.dumps(event)) == event
    return event


class TestSerialization:
    def test_there_and_back_through_airflows_own_serde(self) -> None:
        original = PixverseGenerationTrigger("mine", OLD_FORM_ID, 12.5, 1_790_000_000.25)
        path, kwargs = original.serialize()
        assert path == "airflow_provider_pixverse.triggers.pixverse.PixverseGenerationTrigger"
        stored = json.dumps(serde.serialize(kwargs))
        restored = PixverseGenerationTrigger(**serde.deserialize(json.loads(stored)))
        assert restored.serialize() == (path, kwargs)
        fields = ("pixverse_conn_id", "generation_id", "poll_interval", "deadline")
        assert [getattr(restored, field) for field in fields] == ["mine", OLD_FORM_ID, 12.5, 1_790_000_000.25]

    def test_nothing_but_what_may_be_stored_in_plain_text(self) -> None:
        _, kwargs = trigger().serialize()
        assert kwargs.keys() == {"pixverse_conn_id", "generation_id", "poll_interval", "deadline"}

    def test_the_moment_of_the_first_look_goes_with_it(self) -> None:
        original = PixverseGenerationTrigger(
            "mine", "gen-1", 10.0, 1_790_001_800.0, not_before=1_790_000_017.5
        )
        path, kwargs = original.serialize()
        restored = PixverseGenerationTrigger(
            **serde.deserialize(json.loads(json.dumps(serde.serialize(kwargs))))
        )
        assert restored.not_before == 1_790_000_017.5
        assert restored.serialize() == (path, kwargs)

    def test_what_was_stored_before_it_was_known_still_runs(
        self, pixverse_sandbox: SandboxInTest, at_once: None
    ) -> None:
        stored = {
            "pixverse_conn_id": "pixverse_default",
            "generation_id": PixverseHook().submit(LAKE).id,
            "poll_interval": 0.05,
            "deadline": time.time() + 60,
        }
        assert run(PixverseGenerationTrigger(**stored))["outcome"] == "finished"

    def test_nothing_is_read_or_secret_after_it_has_run(
        self, pixverse_sandbox: SandboxInTest, at_once: None
    ) -> None:
        ran = trigger(PixverseHook().submit(LAKE).id)
        before = ran.serialize()
        run(ran)
        assert ran.serialize() == before

    def test_a_subclass_is_stored_as_itself(self) -> None:
        path, _ = OwnTrigger("mine", "gen-1").serialize()
        assert path == f"{__name__}.OwnTrigger"


class OwnTrigger(PixverseGenerationTrigger):
    pass


ODD = [None, "", "soon", -1, float("nan"), [], {}, object()]


class TestConstructor:
    @pytest.mark.parametrize(
        "field", ["pixverse_conn_id", "generation_id", "poll_interval", "deadline", "not_before"]
    )
    @pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
    def test_it_never_raises(self, field: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hooks, "get_async_connection", None)
        made = trigger(**{field: value})
        assert made.serialize()[1].get(field) is value

    @pytest.mark.parametrize(
        "arguments",
        [{"poll_interval": None}, {"deadline": "soon"}, {"poll_interval": []}, {"not_before": "soon"}],
        ids=str,
    )
    def test_odd_values_end_in_an_event(
        self, arguments: dict[str, Any], pixverse_sandbox: SandboxInTest, at_once: None
    ) -> None:
        assert run(trigger(**arguments))["outcome"] == "error"
        assert pixverse_sandbox.ledger()["polled"] == 0


@pytest.mark.usefixtures("at_once")
class TestOutcome:
    def test_finished(self, pixverse_sandbox: SandboxInTest) -> None:
        generation = PixverseHook().submit(LAKE)
        event = run(trigger(generation.id))
        assert event == {"generation_id": generation.id, "outcome": "finished", "message": ""}
        assert pixverse_sandbox.ledger()["downloaded"] == 0

    def test_finished_after_trouble_on_the_way(self, pixverse_sandbox: SandboxInTest) -> None:
        generation = PixverseHook().submit(LAKE)
        troubles: list[dict[str, Any]] = [
            {"status": 500},
            {"html": True},
            {"empty": True},
            {"drop": "before"},
        ]
        pixverse_sandbox.faults([{"on": "poll", **trouble} for trouble in troubles])
        assert run(trigger(generation.id))["outcome"] == "finished"
        assert pixverse_sandbox.ledger()["polled"] > len(troubles)

    def test_timeout(self, pixverse_sandbox: SandboxInTest) -> None:
        generation = PixverseHook().submit(LAKE)
        pixverse_sandbox.faults([{"on": "poll", "status": 503, "times": None}])
        event = run(trigger(generation.id, timeout=0.2))
        assert event == {"generation_id": generation.id, "outcome": "timeout", "message": "PixverseTimeout"}

    def test_a_restarted_triggerer_does_not_start_the_deadline_over(
        self, pixverse_sandbox: SandboxInTest
    ) -> None:
        generation = PixverseHook().submit(LAKE)
        pixverse_sandbox.faults([{"on": "poll", "status": 503, "times": None}])
        _, kwargs = trigger(generation.id, timeout=-5).serialize()
        assert run(PixverseGenerationTrigger(**kwargs))["outcome"] == "timeout"
        assert pixverse_sandbox.ledger()["polled"] == 1

    @pytest.mark.parametrize(
        ("fate", "words"),
        [
            ({"fail": {"message": "out of paint"}}, "PixverseGenerationFailed"),
            ({"moderation": True}, "PixverseModerationError"),
            ({"no_url": True}, "PixverseResponseError"),
        ],
        ids=str,
    )
    def test_error(self, fate: dict[str, Any], words: str, pixverse_sandbox: SandboxInTest) -> None:
        pixverse_sandbox.faults([fate])
        event = run(trigger(PixverseHook().submit(LAKE).id))
        assert event["outcome"] == "error"
        assert event["message"] == words

    def test_a_refused_key(self, pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch) -> None:
        connection = {
            "conn_type": "pixverse",
            "password": "sk-wrong",
            "host": f"{pixverse_sandbox.url}/aimlapi",
        }
        monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", json.dumps(connection))
        event = run(trigger(timeout=0.3))
        assert (event["outcome"], event["message"]) == ("error", "PixverseAuthError")

    @pytest.mark.parametrize(
        "connection", [None, '{"conn_type": "pixverse"}', "pixverse://:k@?gateway=vimeo"]
    )
    def test_a_connection_that_is_missing_or_wrong(
        self, connection: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if connection:
            monkeypatch.setenv("AIRFLOW_CONN_MINE", connection)
        assert run(trigger(pixverse_conn_id="mine", timeout=0.3))["outcome"] in ("error", "timeout")

    def test_no_url_in_the_event_of_a_video(self, pixverse_sandbox: SandboxInTest) -> None:
        event = run(trigger(PixverseHook().submit(LAKE).id))
        assert "://" not in json.dumps(event)
        assert "_seed" not in json.dumps(event)

    def test_no_url_in_the_event_of_a_failure(
        self, pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "airflow_provider_pixverse")
        url = "https://media.example.com/me.png?X-Amz-Signature=0123456789abcdef"
        pixverse_sandbox.faults([{"fail": {"name": "InputError", "message": f"Failed to fetch {url}"}}])
        event = run(trigger(PixverseHook().submit(LAKE).id))
        assert event["message"] == "PixverseGenerationFailed"
        assert "X-Amz-Signature" not in caplog.text

    def test_a_cancelled_one_fires_nothing(self, pixverse_sandbox: SandboxInTest) -> None:
        pixverse_sandbox.faults([{"on": "poll", "status": 503, "times": None}])

        async def cancel() -> None:
            task = asyncio.create_task(events(trigger()))
            for _ in range(500):
                await asyncio.sleep(0.01)
                if pixverse_sandbox.ledger()["polled"]:
                    break
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(cancel())


class TestEarliestEvent:
    @pytest.mark.parametrize(
        ("waited", "left"), [(0.0, Pace().earliest_event), (2.0, Pace().earliest_event - 2), (60.0, 0.0)]
    )
    def test_it_fires_no_sooner_after_its_start(
        self, waited: float, left: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock, slept = SimpleNamespace(now=100.0), []

        async def wait(self: PixverseGenerationTrigger) -> tuple[str, str]:
            clock.now += waited
            return "finished", "is finished"

        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        monkeypatch.setattr(PixverseGenerationTrigger, "_wait", wait)
        monkeypatch.setattr(triggers, "asyncio", SimpleNamespace(sleep=sleep))
        monkeypatch.setattr(triggers, "time", SimpleNamespace(monotonic=lambda: clock.now))

        async def first() -> TriggerEvent:
            event = await anext(trigger().run())
            # Slept before it came, not after.
            assert slept == [left]
            return event

        assert asyncio.run(first()).payload["outcome"] == "finished"

    def test_errors_wait_as_well(self, monkeypatch: pytest.MonkeyPatch) -> None:
        quicken(monkeypatch, earliest_event=0.3)
        started = time.monotonic()
        run(trigger(pixverse_conn_id="missing", timeout=-1))
        assert time.monotonic() - started >= 0.3

    def test_a_worker_has_reported_by_then(self) -> None:
        # A worker's exit is noticed up to 5 s late.
        assert 6 <= Pace().earliest_event <= 10


@pytest.mark.usefixtures("at_once")
class TestSharing:
    def test_triggers_on_one_connection_look_it_up_once(
        self, pixverse_sandbox: SandboxInTest, look_ups: list[str]
    ) -> None:
        ids = [PixverseHook().submit(LAKE).id for _ in range(3)]

        async def together() -> None:
            await asyncio.gather(*(events(trigger(each)) for each in ids))

        asyncio.run(together())
        assert look_ups == ["pixverse_default"]
        # Nothing of them is left, so those that come later look it up anew.
        asyncio.run(together())
        assert look_ups == ["pixverse_default"] * 2

    def test_a_thousand_that_start_together_look_it_up_once(
        self, pixverse_sandbox: SandboxInTest, look_ups: list[str]
    ) -> None:
        generation = PixverseHook().submit(LAKE)

        async def together() -> list[Any]:
            return await asyncio.gather(*(anext(trigger(generation.id).run()) for _ in range(1000)))

        outcomes = {event.payload["outcome"] for event in asyncio.run(together())}
        assert (outcomes, look_ups) == ({"finished"}, ["pixverse_default"])

    def test_nothing_is_left_of_them(self, pixverse_sandbox: SandboxInTest) -> None:
        ids = [PixverseHook().submit(LAKE).id for _ in range(3)]

        async def together() -> None:
            await asyncio.gather(*(events(trigger(each)) for each in ids))
            assert not any(pollers._shared.values())
            assert asyncio.all_tasks() == {asyncio.current_task()}

        asyncio.run(together())

    def test_another_connection_is_another_look_up(
        self, pixverse_sandbox: SandboxInTest, look_ups: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", pixverse_sandbox.connection("aimlapi"))
        generation_id = PixverseHook().submit(LAKE).id

        async def both() -> None:
            names = ("pixverse_default", "other")
            await asyncio.gather(*(events(trigger(generation_id, pixverse_conn_id=name)) for name in names))

        asyncio.run(both())
        assert sorted(look_ups) == ["other", "pixverse_default"]

    def test_an_event_loop_has_pollers_of_its_own(self) -> None:
        async def pollers() -> list[Any]:
            return [shared_poller(name) for name in ("a", "a", "b")]

        first, second = asyncio.run(pollers()), asyncio.run(pollers())
        assert first[0] is first[1] is not first[2]
        assert not {id(each) for each in first} & {id(each) for each in second}

    def test_triggers_that_start_together_do_not_look_together(
        self, waits: list[tuple[Watch, float]]
    ) -> None:
        async def start() -> None:
            await asyncio.gather(*(events(trigger(poll_interval=10.0)) for _ in range(100)))

        asyncio.run(start())
        looks = [first_look for _, first_look in waits]
        assert min(looks) < 3
        assert max(looks) > 7
        assert all(0 <= look <= 10 for look in looks)

    @pytest.mark.parametrize(
        ("starts_in", "timeout", "earliest", "latest"),
        [
            (17.0, 1800.0, 16.0, 17.0),
            (17.0, 5.0, 4.0, 5.0),
            (-17.0, 1800.0, 0.0, 10.0),
            (None, 1800.0, 0.0, 10.0),
        ],
    )
    def test_the_first_look_comes_when_a_video_can_be_ready_and_not_after_the_deadline(
        self,
        starts_in: float | None,
        timeout: float,
        earliest: float,
        latest: float,
        waits: list[tuple[Watch, float]],
    ) -> None:
        not_before = None if starts_in is None else time.time() + starts_in
        run(trigger(poll_interval=10.0, timeout=timeout, not_before=not_before))
        ((_, first_look),) = waits
        assert earliest <= first_look <= latest

    def test_none_looks_after_its_deadline_first(self, waits: list[tuple[Watch, float]]) -> None:
        for _ in range(20):
            run(trigger(poll_interval=10_000.0, timeout=5.0))
        assert all(0 <= first_look <= 5 for _, first_look in waits)

    @pytest.mark.parametrize("poll_interval", [0, -1, float("nan"), "0.001"])
    def test_none_takes_the_event_loop_from_its_neighbours(
        self, poll_interval: Any, waits: list[tuple[Watch, float]]
    ) -> None:
        run(trigger(poll_interval=poll_interval))
        ((watch, _),) = waits
        assert watch.poll_interval >= 0.1


@pytest.mark.asyncio
async def test_a_task_that_is_cleared_while_it_waits_says_what_it_leaves_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await PixverseGenerationTrigger("pixverse_default", "gen-1").on_kill()
    assert "Generation gen-1 is not cancelled" in caplog.text
    assert "may finish and be charged" in caplog.text
