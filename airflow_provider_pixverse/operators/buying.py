# SPDX-License-Identifier: Apache-2.0
"""The purchase of one try: from the intention that is kept before it leaves to what is known of it after."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_pixverse import telemetry
from airflow_provider_pixverse.generation import GenerationStatus
from airflow_provider_pixverse.operators.keeper import Note
from airflow_provider_pixverse.purchase import Intended, Purchase, moment
from airflow_provider_pixverse.rules.waiting import failure
from airflow_provider_pixverse.submission import Submission

if TYPE_CHECKING:
    from airflow_provider_pixverse.generation import Cost
    from airflow_provider_pixverse.operators.commission import Commission
    from airflow_provider_pixverse.operators.run import Run
    from airflow_provider_pixverse.requests import GenerationRequest
    from airflow_provider_pixverse.rules.records import Asked
    from airflow_provider_pixverse.rules.sending import Accepted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Order:
    """
    What a try is asked to have bought.

    :param commission: As its operator says it.
    :param request: The request, built and checked.
    :param asked: The same as the rules see it.
    :param model: The vendor's model that serves it.
    :param version: Its PixVerse version, if that is known.
    """

    commission: Commission
    request: GenerationRequest
    asked: Asked
    model: str
    version: str | None


def buy(run: Run, order: Order, earlier: Intended | None = None, *, warning: str = "") -> Purchase:
    """
    Buy the video that a run's task asks for, and return what is known of it.

    :param run: The try.
    :param order: What to buy.
    :param earlier: The intention of an earlier try, which may have bought it: the vendor is asked first.
    :param warning: Names an earlier video that stays paid for, or is empty.
    :raises PixverseError: any of its kinds but those about a finished video.
    """
    if warning:
        log.warning(warning)
    commission, asked = order.commission, order.asked
    run.keeper.in_doubt = earlier is not None
    if earlier is None and run.task.output_path:
        run.hook.check_output_path(run.task.output_path)
    if commission.durable and not run.keeper.survives:
        log.warning(
            "A retry of this task would buy the video again: this Airflow has no task state store. Set "
            "[pixverse] state_path, or an output_path, to keep a record of the submission there."
        )
    settings = run.hook.settings
    intended = earlier or Intended(
        key=str(uuid.uuid4()),
        fingerprint=asked.fingerprint,
        template=asked.template,
        intended_at=moment(time.time()),
        place=settings.place,
        account=settings.account,
        mark=asked.mark,
    )
    note = Note(run.keeper, intended)
    expected = run.hook.expected_cost(order.request)
    if expected:
        log.info("Expected cost by the gateway's published prices: %s.", expected)
    deadline = time.time() + run.task.timeout
    with telemetry.span("pixverse.submit", run.about):
        accepted = run.hook.buy(
            Submission(
                request=order.request,
                key=intended.key,
                deadline=deadline,
                on_ambiguous_submit=commission.on_ambiguous_submit,
                media=intended.media,
                in_doubt_since=None if earlier is None else earlier.intended_at.timestamp(),
                resubmitted=intended.resubmitted,
                journal=note,
            )
        )
    purchase = _described(run, order, accepted, deadline, expected)
    run.keeper.keep(note.submitted(accepted.key, purchase))
    telemetry.submitted(purchase.model_dump(mode="json"))
    generation = accepted.generation
    log.info(
        "Submitted to %s: generation %s, model %s, cost %s.",
        generation.gateway, generation.id, purchase.model, generation.cost or expected or "not stated",
    )  # fmt: skip
    run.announce(purchase)
    if generation.status is GenerationStatus.FAILED:
        raise failure(generation)
    return purchase


def _described(
    run: Run, order: Order, accepted: Accepted, deadline: float, expected: Cost | None
) -> Purchase:
    generation, settings, request = accepted.generation, run.hook.settings, order.request
    cost = generation.cost or expected
    return Purchase(
        generation_id=generation.id,
        gateway=generation.gateway,
        connection=run.task.pixverse_conn_id,
        task=str(request.task),
        version=order.version,
        model=order.model,
        cost=cost.as_dict() if cost else None,
        seed=getattr(request, "seed", None) if generation.seed is None else generation.seed,
        submitted_at=moment(float(int(time.time()))),
        deadline=moment(deadline),
        output_path=run.task.output_path,
        place=settings.place,
        account=settings.account,
        asked=dict(order.commission.shown()),
    )
