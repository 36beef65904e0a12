# SPDX-License-Identifier: Apache-2.0
"""A gateway of the sandbox, the tasks that go there, and what the ledger says of their purchases."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
from operators.running import TaskRun

from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from conformance.vendors import VENDORS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest
    from conformance.vendors import Rule

CONNECTION = "AIRFLOW_CONN_PIXVERSE_DEFAULT"
SOON = 0.02
SMALL = {"prompt": "A red kite over a green hill", "resolution": "360p", "duration": 5, "seed": 1}
"""A request that each gateway's sandbox draws once for all tests."""


class World:
    """
    One gateway, to which ``pixverse_default`` leads.

    :param gateway: Its name.
    :param sandbox: Where it is played.
    :param patch: Ends with the test.
    """

    def __init__(self, gateway: str, sandbox: SandboxInTest, patch: pytest.MonkeyPatch) -> None:
        self.gateway, self.vendor = gateway, VENDORS[gateway]
        self.sandbox, self._patch = sandbox, patch
        self.connect()

    def connect(self, *, extra: dict[str, Any] | None = None, **fields: Any) -> None:
        """Let the connection lead here, with some of its fields changed."""
        connection = json.loads(self.sandbox.connection(self.gateway))
        connection["extra"] |= extra or {}
        self._patch.setenv(CONNECTION, json.dumps(connection | fields))

    def faults(self, *rules: Rule) -> None:
        self.sandbox.faults(list(rules))

    def used(self) -> list[int]:
        """Return how often each fault has happened."""
        return [rule["used"] for rule in self.sandbox.pending_faults()]

    def pending(self, **fields: Any) -> Rule:
        """Return the fault by which the video is not finished, for as many polls as are asked."""
        return {"on": "poll", "status": 200, "body": self.vendor.pending, "times": None, **fields}

    def forgotten(self) -> list[Rule]:
        """Return the faults by which the vendor knows an id no more, wherever it is looked for."""
        return [{"on": on, "times": None, **self.vendor.unknown} for on in self.vendor.expired]

    def records_down(self) -> Rule:
        return {"on": "logs", "status": 500, "times": None}

    def task(self, operator: Any = PixverseTextToVideoOperator, **fields: Any) -> TaskRun:
        given = {"task_id": "video", "poll_interval": SOON, "timeout": 30.0, **SMALL, **fields}
        return TaskRun(operator(**given))

    def bare_task(self, operator: Any, **fields: Any) -> TaskRun:
        """Return a task without the fields that describe a new video."""
        return TaskRun(operator(**{"task_id": "video", "poll_interval": SOON, "timeout": 30.0, **fields}))

    @property
    def ledger(self) -> dict[str, Any]:
        books: dict[str, Any] = self.sandbox.ledger()
        own: dict[str, Any] = books["gateways"][self.gateway]
        others = [name for name in books["gateways"] if name != self.gateway]
        assert not any(sum(books["gateways"][name].values()) for name in others), "sent to another gateway"
        return {**own, "generations": books["generations"], "refused": books["refused"]}

    @property
    def bought(self) -> int:
        return int(self.ledger["bought"])

    @property
    def sent(self) -> tuple[int, int]:
        """Return how many submissions arrived, and how many videos they bought."""
        return self.ledger["submitted"], self.ledger["bought"]

    @property
    def row(self) -> dict[str, Any]:
        """Return the only video that was bought."""
        [row] = self.ledger["generations"]
        return dict(row)


def next_try(run: TaskRun, *, cleared: bool = False) -> TaskRun:
    """Let Airflow start the task once more: XComs do not survive that, the record of a purchase does."""
    run.ti.try_number += 1
    run.ti.xcoms.clear()
    run.deferrals.clear()
    run.ti.max_tries += int(cleared)
    return run


@dataclass(frozen=True)
class Film:
    """What can be seen and heard of a video file."""

    width: int
    height: int
    seconds: float
    sounds: bool = False


def probe(path: Path | str) -> Film:
    with closing(av.open(str(path))) as container:
        [video] = container.streams.video
        assert container.duration is not None
        seconds = round(container.duration / av.time_base, 1)
        frame = next(container.decode(video))
        assert (frame.width, frame.height) == (video.width, video.height)
        return Film(video.width, video.height, seconds, sounds=bool(container.streams.audio))


def data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
