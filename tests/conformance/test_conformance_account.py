# SPDX-License-Identifier: Apache-2.0
"""What buys nothing: the sensor, the save operator, the balance, and the connection's test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse.exceptions import (
    PixverseAuthError,
    PixverseNotFoundError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.operators.pixverse import PixverseSaveVideoOperator
from airflow_provider_pixverse.requests import TextToVideo
from airflow_provider_pixverse.sensors.pixverse import PixverseGenerationSensor
from conformance.world import SMALL

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.world import World

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
COLLECTORS = pytest.mark.parametrize("collector", [PixverseGenerationSensor, PixverseSaveVideoOperator])
RESULT = {
    "generation_id", "gateway", "task", "version", "model", "status", "video_url", "output_path",
    "size_bytes", "sha256", "cost", "seed", "submitted_at", "completed_at", "connection",
}  # fmt: skip


# --- submit now, collect later ----------------------------------------------------------------------


@BOTH_WAYS
@COLLECTORS
def test_a_video_is_collected_by_its_id(
    world: World, tmp_path: Path, collector: Any, deferrable: bool
) -> None:
    """Sensor and save operator: the same result, the same file, and nothing bought."""
    submitted = world.task(wait_for_completion=False).run()
    assert set(submitted) == RESULT
    assert (submitted["generation_id"], submitted["status"]) == (world.row["id"], "queued")
    world.faults({"on": "poll", "status": 503})
    run = world.bare_task(
        collector,
        generation_id=submitted["generation_id"],
        output_path=f"{tmp_path}/kite.mp4",
        deferrable=deferrable,
    )
    result = run.run()
    assert len(run.deferrals) == int(deferrable)
    assert set(result) == RESULT
    assert (result["generation_id"], result["status"]) == (world.row["id"], "finished")
    assert result["gateway"] == world.gateway
    assert result["sha256"] == world.row["file"]["sha256"]
    assert (tmp_path / "kite.mp4").stat().st_size == result["size_bytes"]
    assert world.sent == (1, 1)


@COLLECTORS
def test_an_id_that_the_gateway_never_gave(world: World, tmp_path: Path, collector: Any) -> None:
    """Row: poll says unknown id, for the sensor and the save operator."""
    run = world.bare_task(collector, generation_id=world.vendor.made_up, output_path=f"{tmp_path}/kite.mp4")
    with pytest.raises(PixverseNotFoundError, match=world.vendor.made_up):
        run.run()
    assert list(tmp_path.iterdir()) == []
    assert world.sent == (0, 0)


@BOTH_WAYS
@COLLECTORS
def test_a_collector_times_out_as_operators_do(
    world: World, tmp_path: Path, collector: Any, deferrable: bool
) -> None:
    """Row: timeout reached, for the sensor and the save operator."""
    generation_id = world.task(wait_for_completion=False).run()["generation_id"]
    world.faults(world.pending())
    fields = {"generation_id": generation_id, "output_path": f"{tmp_path}/kite.mp4", "timeout": 0.2}
    with pytest.raises(PixverseTimeout, match=generation_id):
        world.bare_task(collector, **fields, deferrable=deferrable).run()


# --- the hook's verbs -------------------------------------------------------------------------------


def test_the_hooks_verbs_make_a_video(world: World, tmp_path: Path) -> None:
    """Hook: submit, get_generation, aget_generation, wait, save_video."""
    hook = PixverseHook()
    bought = hook.submit(TextToVideo(**SMALL))
    assert (bought.id, bought.gateway) == (world.row["id"], world.gateway)
    assert hook.get_generation(bought.id).id == bought.id
    finished = hook.wait(bought.id, timeout=30, poll_interval=0.05)
    assert asyncio.run(PixverseHook().aget_generation(bought.id)) == finished
    path, saved = hook.save_video(finished, f"{tmp_path}/kite.mp4")
    assert (path, saved.sha256) == (f"{tmp_path}/kite.mp4", world.row["file"]["sha256"])
    assert world.sent == (1, 1)


def test_the_balance_falls_by_what_a_video_costs(world: World) -> None:
    """Hook: get_balance. Where it is counted in what the bill is counted in, the two agree."""
    before = PixverseHook().get_balance()
    cost = world.task().run()["cost"]
    after = PixverseHook().get_balance()
    assert before.unit == after.unit
    assert before.amount > after.amount
    assert cost["unit"] == world.vendor.unit
    assert world.ledger["balance"] == 2


def test_a_good_connection_says_so(world: World) -> None:
    """Hook: test_connection, with a good key; free of charge."""
    worked, words = PixverseHook().test_connection()
    assert worked, words
    assert world.gateway in words
    assert str(PixverseHook().get_balance()) in words
    assert world.sandbox.key not in words.replace("accepts the key", "")
    assert world.sent == (0, 0)


@pytest.mark.parametrize("password", ["wrong", "", "ключ"])
def test_a_bad_key_is_said_to_be_one(world: World, password: str) -> None:
    """Hook: test_connection and get_balance, with a bad key."""
    world.connect(password=password)
    worked, words = PixverseHook().test_connection()
    assert not worked
    assert "key" in words
    assert "password" in words
    with pytest.raises(PixverseAuthError):
        PixverseHook().get_balance()


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"html": True}, {"empty": True}, {"drop": "before"}], ids=str
)
def test_a_balance_that_cannot_be_had(world: World, fault: dict[str, Any]) -> None:
    """Hook: test_connection and get_balance, where the gateway gives no usable answer."""
    world.faults({"on": "balance", "times": None, **fault})
    worked, words = PixverseHook().test_connection()
    assert not worked
    assert world.gateway in words
    with pytest.raises(PixverseUnavailableError):
        PixverseHook().get_balance()


def test_the_account_is_empty(world: World) -> None:
    """Hook: the balance's own refusal for want of credits is a sentence as well."""
    world.faults({"on": "balance", "times": None, **world.vendor.no_credits})
    worked, words = PixverseHook().test_connection()
    assert not worked
    assert "no credits left" in words
