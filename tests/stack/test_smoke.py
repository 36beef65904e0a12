# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from scenario import Scenario
import time


def test_plain(scenario: Scenario) -> None:
    t = time.time()
    run = scenario.run("durable")
    print("triggered", time.time() - t)
    run.await_state("deferred")
    print("deferred", time.time() - t)
    assert run.await_end() == "success"
    print("end", time.time() - t)
    scenario.assert_delivered(run)
    print(run.log())
    print(run.record())
    print(run.xcom())
