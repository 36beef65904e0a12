# SPDX-License-Identifier: Apache-2.0
"""
What is counted and traced of generations, through Airflow's own metrics and OpenTelemetry.

Where Airflow is told to send neither, nothing is sent; where a backend is broken, no task fails of it. Tags
are few and short: gateway, version, task and cause, never an id or a word of a request. ``docs/metrics.md``
lists the names.
"""

from __future__ import annotations

import logging
import platform
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

TAGS = ("gateway", "version", "task")

_waiting = 0


def submitted(submission: Mapping[str, Any]) -> None:
    """
    Count a purchase, in the one try that made it.

    :param submission: What is known of it, as the task keeps it.
    """

    def send(stats: Any) -> None:
        stats.incr("pixverse.submitted", tags=_tags(submission))
        _charge(stats, submission, submission["cost"])

    _send(send)


def delivered(submission: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """
    Count a video that is where it was asked to be, and trace the time since its submission.

    :param submission: What was known of it when the wait began.
    :param result: The task's result.
    """

    def send(stats: Any) -> None:
        stats.incr("pixverse.delivered", tags=_tags(result))
        if submission["submitted_at"] is not None:
            bought_at = datetime.fromisoformat(submission["submitted_at"]).timestamp()
            taken = timedelta(seconds=max(0.0, time.time() - bought_at))
            stats.timing("pixverse.delivery_duration", taken, tags=_tags(result))
            if submission["cost"] is None:
                _charge(stats, result, result["cost"])

    _send(send)
    _trace(result)


def failed(error: BaseException, about: Mapping[str, Any]) -> None:
    """
    Count a try that ended in an error of the provider, whether or not another follows.

    :param error: What it ended with.
    :param about: What is known of the generation; empty where there is none.
    """
    cause = type(error).__name__

    def send(stats: Any) -> None:
        stats.incr("pixverse.failed", tags={**_tags(about), "cause": cause})
        # For StatsD as it comes, which knows no tags.
        stats.incr(f"pixverse.failed.{cause}")

    _send(send)


@contextmanager
def waiting() -> Iterator[None]:
    """Gauge how many generations are waited for in this process, which is a triggerer's."""
    global _waiting  # noqa: PLW0603 - it belongs to the process, as Airflow's own gauge of triggers does
    _waiting += 1
    _gauge_waiting()
    try:
        yield
    finally:
        _waiting -= 1
        _gauge_waiting()


@contextmanager
def span(name: str, about: Mapping[str, Any]) -> Iterator[None]:
    """
    Trace what is done in it, below the span of the task.

    :param name: Of the span.
    :param about: What is known of the generation.
    """
    with ExitStack() as stack:
        current = None
        try:
            from opentelemetry import trace

            # The message of an error may repeat words of the request: its class is all that is told.
            begun = trace.get_tracer(__name__).start_as_current_span(
                name, attributes=_tags(about), record_exception=False, set_status_on_exception=False
            )
            current = stack.enter_context(begun)
        except Exception as error:
            _complain(error)
        try:
            yield
        except Exception as error:
            if current is not None:
                current.set_attribute("cause", type(error).__name__)
                current.set_status(trace.StatusCode.ERROR)
            raise


def _gauge_waiting() -> None:
    def send(stats: Any) -> None:
        host = platform.node()
        stats.gauge("pixverse.waiting", _waiting, tags={"hostname": host})
        stats.gauge(f"pixverse.waiting.{host}", _waiting)

    _send(send)


def _charge(stats: Any, about: Mapping[str, Any], cost: Mapping[str, Any] | None) -> None:
    if cost is not None and cost["amount"] > 0:
        stats.incr(f"pixverse.cost.{cost['unit']}", cost["amount"], tags=_tags(about))


def _trace(result: Mapping[str, Any]) -> None:
    """Leave a span from the submission to now, which no process lived through as a whole."""
    if result["submitted_at"] is None:
        return
    try:
        from opentelemetry import trace

        began = datetime.fromisoformat(result["submitted_at"]).timestamp()
        whole = trace.get_tracer(__name__).start_span(
            "pixverse.generation",
            start_time=int(began * 1e9),
            attributes={**_tags(result), "generation_id": result["generation_id"]},
        )
        if result["cost"] is not None:
            whole.set_attribute("cost", f"{result['cost']['amount']} {result['cost']['unit']}")
        whole.end()
    except Exception as error:
        _complain(error)


def _tags(about: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(about[name]) for name in TAGS if about.get(name)}


def _send(send: Callable[[Any], None]) -> None:
    try:
        from airflow.providers.common.compat.sdk import Stats

        send(Stats)
    except Exception as error:
        _complain(error)


def _complain(error: Exception) -> None:
    log.debug("A metric or span could not be sent: %s: %s", type(error).__name__, error)
