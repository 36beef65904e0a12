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
from airflow_provider_pixverse.operators.generate import resume_execution, warn_of_kill

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.operators.run import Run


class PixverseGenerationSensor(BaseSensorOperator):
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
    video_url: str | None = None
    _run: Run | None = None

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
        with self._skipping():
            return self._try(context).start()

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> Any:
        """
        Go on after the trigger.

        :param context: The task's context.
        :param event: The trigger's event, or ``None`` if the trigger was lost.
        """
        with self._skipping():
            return self._try(context).resume(event)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Look once more if Airflow resumes the task only to fail it, its trigger being lost."""
        return resume_execution(self, self._try(context), next_method, next_kwargs, super().resume_execution)

    def poke(self, context: Context) -> bool | PokeReturnValue:
        """Poll once; in ``mode="reschedule"`` Airflow calls this again and again."""
        with self._skipping():
            first_poll = context["ti"].get_first_reschedule_date(context)
            since = first_poll.timestamp() if first_poll else time.time()
            result = self._try(context).poke(since)
            return False if result is None else PokeReturnValue(True, result)

    def on_kill(self) -> None:
        """Log what a killed task leaves behind: no gateway can cancel."""
        warn_of_kill(self.generation_id if self._run is not None else None)

    def _try(self, context: Context) -> Run:
        from airflow_provider_pixverse.operators.run import Run

        if self._run is None or self._run.context is not context:
            self._run = Run(self, context)
        return self._run

    @contextmanager
    def _skipping(self) -> Iterator[None]:
        try:
            yield
        except PixverseError as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
