# SPDX-License-Identifier: Apache-2.0
"""The sensor that waits for a generation submitted elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_pixverse.exceptions import PixverseError, PixverseTimeout
from airflow_provider_pixverse.links.pixverse import PixverseVideoLink
from airflow_provider_pixverse.operators.waiting import WaitsForVideo

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.providers.common.compat.sdk import Context


class PixverseGenerationSensor(WaitsForVideo, BaseSensorOperator):
    """
    Wait until a generation is finished; its XCom is the same result as the operators'. Buys nothing.

    :param generation_id: The gateway's id, for example ``submit.output["generation_id"]``.
    :param pixverse_conn_id: The connection whose account the generation belongs to.
    :param deferrable: ``False``: wait on the worker, or in ``mode="reschedule"`` between looks.
    :param poll_interval: Seconds between polls; ``poke_interval`` is understood as the same.
    :param timeout: Seconds to wait before ``PixverseTimeout``.
    :param output_path: Where to save the video, as the operators take it.
    """

    template_fields: Sequence[str] = ("generation_id", "pixverse_conn_id", "output_path")
    operator_extra_links = (PixverseVideoLink(),)
    ui_color = "#e8defc"

    def __init__(
        self,
        *,
        generation_id: str,
        pixverse_conn_id: str = "pixverse_default",
        deferrable: bool = True,
        poll_interval: float | None = None,
        poke_interval: float | None = None,
        timeout: float = 1800.0,
        output_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        interval = poke_interval if poll_interval is None else poll_interval
        interval = 10.0 if interval is None else interval
        super().__init__(poke_interval=interval, timeout=timeout, **kwargs)
        self.generation_id = generation_id
        self.pixverse_conn_id = pixverse_conn_id
        self.deferrable = deferrable
        self.poll_interval = self.poke_interval
        self.output_path = output_path

    def execute(self, context: Context) -> Any:
        """Wait as asked."""
        if not self.deferrable and self.mode == "reschedule":
            try:
                return super().execute(context)
            except AirflowSensorTimeout as error:
                # Airflow looks at the time once more after the last poke, and may be first to see it over.
                raise PixverseTimeout(
                    f"Generation {self.generation_id} was not finished in time. It is not cancelled, no "
                    f"gateway can: a retry goes on waiting for it.",
                    generation_id=str(self.generation_id),
                ) from error
        return self._wait_for_bought_elsewhere(context)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Look once; in ``mode="reschedule"`` Airflow calls this again and again."""
        from airflow_provider_pixverse.hooks.pixverse import PixverseHook
        from airflow_provider_pixverse.polling import Deliver, GiveUp, Watch

        with self._failing():
            submission = self._bought_elsewhere()
            hook = PixverseHook(self.pixverse_conn_id)
            first_look = context["ti"].get_first_reschedule_date(context)
            since = first_look.timestamp() if first_look else time.time()
            watch = Watch(
                submission["generation_id"], since + self.timeout, self.poll_interval, missing_since=since
            )
            match hook.decide(watch):
                case Deliver(generation):
                    return PokeReturnValue(True, self._deliver(context, hook, generation, submission))
                case GiveUp(error):
                    raise error
            return False

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            with super()._failing():
                yield
        except PixverseError as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
