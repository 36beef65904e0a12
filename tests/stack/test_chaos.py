# SPDX-License-Identifier: Apache-2.0
"""Promise 3 as a whole: each requested video is submitted once, delivered once and paid for once."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from chaos import FAULTS, Chaos, judge
from killing import running_tasks

if TYPE_CHECKING:
    from airflow_api import Run
    from scenario import Scenario

GENERATIONS = int(os.environ.get("GENERATIONS") or 8)
KILLS = int(os.environ.get("KILLS") or 6)
GATEWAY = os.environ.get("GATEWAY") or "aimlapi"
WITHIN = 150.0 + 15.0 * (GENERATIONS + KILLS)


def start(scenario: Scenario, dag_id: str, number: int) -> tuple[Run, list[str]]:
    prompts = [f"{scenario.prompt}, clip {index}" for index in range(number)]
    videos = str(scenario.stack.videos)
    run = scenario.stack.api.run(dag_id, prompts=prompts, output_path=videos, gateway=GATEWAY)
    return run, prompts


def test_chaos(scenario: Scenario, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    scenario.stack.sandbox.faults(*FAULTS)
    run, prompts = start(scenario, "chaos", GENERATIONS)
    chaos = Chaos(scenario.stack, run, KILLS, seed)
    try:
        chaos.reign(within=WITHIN)
    finally:
        scenario.stack.sandbox.faults()
        tries = sum(each["try_number"] for each in run.instances())
        with capsys.disabled():
            print(
                f"\nSEED={seed}, {GATEWAY}: {GENERATIONS} generations in {time.monotonic() - started:.0f} s "
                f"and {tries} tries; killed: {dict(chaos.killed)}; bought: {len(scenario.bought())}"
            )
    judge(scenario.stack, run, prompts, scenario.bought())
    # Where the dice send the killer to processes that end before it strikes, the videos may be done first.
    assert chaos.killed.total() > KILLS / 2


def test_without_the_record_chaos_costs_money(scenario: Scenario) -> None:
    """The control: with `durable=False` the same judge finds what was paid for twice."""
    # Both are killed when they have bought and were not told yet.
    scenario.faults({"on": "submit", "hang": True, "times": 2})
    run, prompts = start(scenario, "chaos_without_record", 2)
    scenario.stack.sandbox.await_use(times=2)
    assert all([task.kill_runner() for task in running_tasks(scenario.stack)])
    assert run.await_end() == "success"
    bought = scenario.bought()
    assert len(bought) == 4
    with pytest.raises(AssertionError, match="bought 4 for 2 prompts"):
        judge(scenario.stack, run, prompts, bought)
