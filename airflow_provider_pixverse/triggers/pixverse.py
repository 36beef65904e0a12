# SPDX-License-Identifier: Apache-2.0
"""The trigger that waits for a generation without holding a worker slot."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_pixverse import telemetry
from airflow_provider_pixverse.exceptions import PixverseTimeout
from airflow_provider_pixverse.hooks.pixverse import shared_poller
from airflow_provider_pixverse.rules.pace import usual
from airflow_provider_pixverse.rules.waiting import Watch, first_look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

SHORTEST_INTERVAL = 0.1
"""Seconds between looks below which a trigger would take the event loop from its neighbours."""


class PixverseGenerationTrigger(BaseTrigger):
    """
    Fires once, when a generation is finished, when time is up, or when looking further cannot help.

    Its event is ``{"generation_id": …, "outcome": "finished" | "timeout" | "error", "message": …}``; the
    message is the class of the error, or empty.
    The arguments are stored in plain text: no key is among them, and no URL is in the event.

    :param pixverse_conn_id: The connection.
    :param generation_id: The gateway's id.
    :param poll_interval: Seconds between looks.
    :param deadline: When to stop waiting, epoch seconds; a restarted triggerer does not start it over.
    :param not_before: Epoch seconds before which no video can be ready, and nothing is looked at.
    """

    # Nothing may be checked here: a constructor that raises takes the whole triggerer down.
    def __init__(
        self,
        pixverse_conn_id: str,
        generation_id: str,
        poll_interval: float = 10.0,
        deadline: float = 0.0,
        not_before: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call]
        self.pixverse_conn_id = pixverse_conn_id
        self.generation_id = generation_id
        self.poll_interval = poll_interval
        self.deadline = deadline
        self.not_before = not_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to run the trigger elsewhere."""
        arguments = {
            "pixverse_conn_id": self.pixverse_conn_id,
            "generation_id": self.generation_id,
            "poll_interval": self.poll_interval,
            "deadline": self.deadline,
        }
        if self.not_before is not None:
            arguments["not_before"] = self.not_before
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait in the poller that all triggers of the connection share."""
        started = time.monotonic()
        with telemetry.waiting():
            outcome, message = await self._wait()
        await asyncio.sleep(max(0.0, usual().earliest_event - (time.monotonic() - started)))
        event = {"generation_id": self.generation_id, "outcome": outcome, "message": message}
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """
        Say what a task that is cleared or marked while deferred leaves behind (Airflow 3.3 and later).

        It is also called where the trigger only moves to another triggerer, so nothing is done about it.
        """
        log.warning(
            "This wait has ended. Generation %s is not cancelled, no gateway can: it may finish and be "
            "charged.",
            self.generation_id,
        )

    async def _wait(self) -> tuple[str, str]:
        try:
            interval = max(SHORTEST_INTERVAL, float(self.poll_interval))
            watch = Watch(self.generation_id, float(self.deadline), interval)
            # Spread, so that a thousand triggers that start together do not look together.
            in_seconds = first_look(
                watch,
                not_before=float(self.not_before or 0.0),
                now=time.time(),
                chance=random.random(),  # noqa: S311
            )
            await shared_poller(self.pixverse_conn_id).wait(watch, first_look=in_seconds)
        except PixverseTimeout as error:
            return "timeout", type(error).__name__
        except Exception as error:
            # The operator polls once more whatever it was. An event carries the class of the error and
            # never a vendor's words, which Airflow may not be able to store.
            log.debug("Waiting for generation %s ended", self.generation_id, exc_info=True)
            return "error", type(error).__name__
        return "finished", ""
