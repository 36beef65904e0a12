# SPDX-License-Identifier: Apache-2.0
"""
What a task wants to have bought, as its operator says it, and the checks of the fields that all tasks share.

Everything here happens before a request leaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse.exceptions import PixverseRequestError
from airflow_provider_pixverse.purchase import Purchase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airflow_provider_pixverse.requests import GenerationRequest
    from airflow_provider_pixverse.rules.records import OnChangedRequest
    from airflow_provider_pixverse.rules.sending import OnAmbiguousSubmit

LONGEST_WAIT = timedelta(days=30).total_seconds()
"""Seconds beyond which a timeout is a mistake. Airflow cannot store a moment that is far enough away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """
    One video to buy, and how.

    :param request: Builds the request from the rendered fields; raises ``PixverseRequestError``.
    :param template: The fields as the author wrote them, before they were rendered.
    :param shown: Returns what of the request is kept for people to see beside the video.
    :param words: Returns the request's words, which no error that is kept may repeat.
    :param durable: Whether a record is kept, so that a retry goes on with what is paid for.
    :param on_ambiguous_submit: What to do if it stays unknown whether a submission was bought.
    :param on_changed_request: What to do if a clear or an edit asks for another video than is paid for.
    :param wait_for_completion: ``False``: the task ends with the id.
    :param adopt: Called with the purchase that a resumed task goes on with.
    """

    request: Callable[[], GenerationRequest]
    template: Mapping[str, Any] = field(repr=False)
    shown: Callable[[], Mapping[str, Any]] = field(repr=False)
    words: Callable[[], tuple[str, ...]] = field(repr=False)
    durable: bool = True
    on_ambiguous_submit: OnAmbiguousSubmit = "fail"
    on_changed_request: OnChangedRequest = "submit"
    wait_for_completion: bool = True
    adopt: Callable[[Purchase], None] = field(default=lambda purchase: None, repr=False)


def check_task(task: Any) -> None:
    """
    Make sure that a wait can be carried out, before anything is bought for it; fields are set as understood.

    :param task: An operator or sensor.
    :raises PixverseRequestError: naming the field, its value and what is allowed.
    """
    for name in ("poll_interval", "timeout"):
        setattr(task, name, _seconds(name, getattr(task, name)))
    # What a template renders to blanks is absent, as in every other field.
    path = task.output_path
    task.output_path = None if str(path).strip() in ("", "None") else str(path).strip()
    if not isinstance(task.pixverse_conn_id, str) or not task.pixverse_conn_id:
        raise PixverseRequestError(
            f"pixverse_conn_id={task.pixverse_conn_id!r}: must be the id of a connection. Nothing was sent."
        )


def bought_elsewhere(task: Any, deadline: datetime) -> Purchase:
    """
    Describe the generation that a task was given by its id, or by the result of the task that submitted it.

    :param task: An operator or sensor.
    :param deadline: When to stop waiting.
    :raises PixverseRequestError: if it was given none.
    """
    generation_id = task.generation_id
    if isinstance(generation_id, dict):
        generation_id = generation_id.get("generation_id")
    known = str(generation_id or "").strip()
    if known in ("", "None"):
        raise PixverseRequestError(
            f"generation_id={task.generation_id!r}: must be the id of a generation. Is the task that "
            f"submits it upstream, and did it succeed?"
        )
    connection = task.pixverse_conn_id
    return Purchase(
        generation_id=known, connection=connection, deadline=deadline, output_path=task.output_path
    )


def _seconds(name: str, value: object) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    try:
        number = float(seconds)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0 < number <= LONGEST_WAIT:
        raise PixverseRequestError(
            f"{name}={value!r}: must be a number of seconds above 0 and at most {LONGEST_WAIT:,.0f}. "
            f"Nothing was sent."
        )
    return number
