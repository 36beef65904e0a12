# SPDX-License-Identifier: Apache-2.0
"""
One try of one task: go on with what an earlier try bought, or buy, then wait and deliver.

A :class:`Run` holds what the try works with: the context, the connection, the record. A worker enters it at
:meth:`Run.start`, or at :meth:`Run.resume` after a deferral; :meth:`Run.ending` ends it. What may be done is
decided in ``rules/``; here it is carried out.
"""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, assert_never

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_pixverse import catalog, telemetry
from airflow_provider_pixverse.exceptions import (
    PixverseError,
    PixverseGenerationFailed,
    PixverseNotFoundError,
    PixverseRecordError,
    PixverseRequestError,
)
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.operators.buying import Order, buy
from airflow_provider_pixverse.operators.commission import bought_elsewhere, check_task
from airflow_provider_pixverse.operators.failing import final
from airflow_provider_pixverse.operators.keeper import RecordKeeper
from airflow_provider_pixverse.operators.records import Nowhere, mark_of, records_for
from airflow_provider_pixverse.operators.reporting import Reporter
from airflow_provider_pixverse.purchase import (
    Delivered,
    Intended,
    Lost,
    Purchase,
    bought,
    intended,
    iso,
    moment,
)
from airflow_provider_pixverse.rules.outcome import Forget, Keep, MarkLost, may_retry, settle
from airflow_provider_pixverse.rules.pace import usual
from airflow_provider_pixverse.rules.records import (
    Asked,
    Attach,
    Begin,
    FindOut,
    NextTry,
    Repeat,
    adoptable,
    fingerprint,
    lost,
    next_try,
    still_lost,
    template_digest,
)
from airflow_provider_pixverse.rules.sending import Stop
from airflow_provider_pixverse.rules.waiting import Deliver, GiveUp, Wait, Watch, not_before, wrong_account
from airflow_provider_pixverse.triggers.pixverse import PixverseGenerationTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.generation import Generation
    from airflow_provider_pixverse.operators.commission import Commission
    from airflow_provider_pixverse.purchase import Mark, Record

log = logging.getLogger(__name__)

LOST_TRIGGER = 900.0
"""Seconds after the deadline at which Airflow itself ends a deferral whose trigger never ran."""

LAST_POLLS = 120.0
"""Seconds for which a gateway that fails to answer is polled for a video known to be finished."""


class VideoTask(Protocol):
    """What a run uses of its operator or sensor; the fields mean what the operators' do."""

    pixverse_conn_id: str
    poll_interval: float
    timeout: float
    deferrable: bool
    output_path: Any
    outlets: Any
    retries: int | None
    generation_id: Any
    video_url: str | None


class Run:
    """
    One try of one task.

    :param task: The operator or sensor.
    :param context: The task's context.
    :param commission: What to buy; ``None`` if the task only waits for what was bought elsewhere.
    :param needs_path: Whether a task that only waits has to save the video.
    """

    def __init__(
        self,
        task: VideoTask,
        context: Context,
        commission: Commission | None = None,
        *,
        needs_path: bool = False,
    ) -> None:
        self.task = task
        self.needs_path = needs_path
        self.context = context
        self.commission = commission
        self.reporter = Reporter(context)
        self.purchase: Purchase | None = None
        self.about: Mapping[str, Any] = {}

    @cached_property
    def hook(self) -> PixverseHook:
        """The hook of the task's connection, which is looked up once."""
        return PixverseHook(self.task.pixverse_conn_id)

    @cached_property
    def keeper(self) -> RecordKeeper:
        """The record of this task instance."""
        durable = self.commission is not None and self.commission.durable
        return RecordKeeper(records_for(self.context, self.task.output_path) if durable else Nowhere())

    def start(self) -> dict[str, Any]:
        """Begin the try: go on with what is paid for, or buy."""
        with self.ending():
            check_task(self.task)
            if self.commission is None:
                return self.collect()
            request = self.commission.request()
            model, version = self.hook.check(request)
            gateway = self.hook.settings.gateway
            self.about = {"gateway": gateway, "version": version, "task": str(request.task)}
            asked = Asked(
                fingerprint(request, connection=self.task.pixverse_conn_id, gateway=gateway),
                template_digest(self.commission.template),
                self._mark(),
                self.commission.on_changed_request,
            )
            order = Order(self.commission, request, asked, model, version)
            return self.carry_out(next_try(self._record(asked), asked), order)

    def resume(self, event: Mapping[str, Any] | None) -> dict[str, Any]:
        """
        Go on after a deferral.

        :param event: The trigger's event, or ``None`` if the trigger was lost.
        """
        with self.ending():
            check_task(self.task)
            purchase = self._recall(event or {})
            self.about = purchase.model_dump()
            if event and event.get("outcome") == "error":
                log.warning("The trigger gave up: %s", event.get("message"))
            return self.conclude(purchase, event)

    def poke(self, since: float) -> dict[str, Any] | None:
        """
        Poll once for what was bought elsewhere; return the result, or ``None`` if it is to be polled again.

        :param since: When the wait began, epoch seconds.
        """
        with self.ending():
            check_task(self.task)
            deadline = moment(since + self.task.timeout)
            purchase = self._take(bought_elsewhere(self.task, deadline))
            match self.hook.decide(self._watch(purchase, missing_since=since)):
                case Deliver(generation):
                    return self.deliver(purchase, generation)
                case GiveUp(error):
                    raise error
                case Wait():
                    return None
                case never:
                    assert_never(never)

    def is_of_earlier_try(self) -> bool:
        """Return whether Airflow resumes what an earlier try deferred: 3.0 does, in a retry."""
        kept = self.reporter.kept()
        return kept is not None and kept[1] not in (None, self.context["ti"].try_number)

    def carry_out(self, step: NextTry, order: Order) -> dict[str, Any]:
        """Do what was decided from the record."""
        match step:
            case Begin(warning):
                return self.wait(buy(self, order, warning=warning))
            case FindOut(earlier, warning):
                return self.wait(buy(self, order, earlier, warning=warning))
            case Attach():
                return self.attach(step, order)
            case Repeat(delivered):
                return self.repeat(delivered, order)
            case Stop(error):
                raise error
            case never:
                assert_never(never)

    def collect(self) -> dict[str, Any]:
        """Wait for what was bought elsewhere, and deliver it."""
        if self.needs_path and not self.task.output_path:
            raise PixverseRequestError(
                f"output_path={self.task.output_path!r}: must be a path or URL to save the video to."
            )
        deadline = moment(time.time() + self.task.timeout)
        purchase = bought_elsewhere(self.task, deadline)
        if self.task.output_path:
            self.hook.check_output_path(self.task.output_path)
        self._take(purchase)
        self.reporter.keep(purchase)
        if self.task.deferrable:
            return self.conclude(purchase, None, lost=False)
        return self.wait(purchase)

    def attach(self, step: Attach, order: Order) -> dict[str, Any]:
        """Go on with the generation that is paid for, after one poll."""
        submission = step.submitted.submission
        if step.warning:
            log.warning(step.warning)
        deadline = moment(time.time() + self.task.timeout)
        update = {
            "deadline": deadline,
            "output_path": self.task.output_path,
            "asked": dict(order.commission.shown()),
        }
        purchase = submission.model_copy(update=update)
        match self.hook.decide(self._watch(purchase, missing_since=0.0 if step.was_lost else None)):
            case GiveUp(PixverseGenerationFailed() as error):
                log.warning("%s It was bought by an earlier try.", error)
                self.keeper.forget()
                return self.carry_out(Begin(), order)
            case GiveUp(PixverseNotFoundError()) if step.was_lost:
                return self.carry_out(still_lost(step), order)
            case GiveUp(error):
                raise error
            case Deliver(generation):
                self._announce_attached(purchase, step, order)
                return self.deliver(purchase, generation)
            case Wait(seconds):
                self._announce_attached(purchase, step, order)
                return self.wait(purchase, polled_before=seconds)
            case never:
                assert_never(never)

    def repeat(self, delivered: Delivered, order: Order) -> dict[str, Any]:
        """Give the result of an earlier try that Airflow never learned of, if the file is still there."""
        result, before = delivered.result, delivered.submitted.submission.output_path
        path = result.get("output_path")
        moved = self.task.output_path is not None and before not in (None, self.task.output_path)
        if (self.task.output_path and not path) or moved or (path and not self.hook.is_saved(path)):
            log.warning(
                "Generation %s was delivered to %s, which is not there now.", result["generation_id"], path
            )
            return self.attach(Attach(delivered.submitted), order)
        log.info(
            "Generation %s was delivered by an earlier try (output_path %s): nothing is submitted.",
            result["generation_id"], path,
        )  # fmt: skip
        self.announce(delivered.submitted.submission)
        self.task.video_url = result["video_url"]
        self.reporter.tell_outlets(self.task.outlets or (), result)
        return result

    def wait(self, purchase: Purchase, *, polled_before: float | None = None) -> dict[str, Any]:
        """
        Wait as the DAG author chose, then deliver.

        :param purchase: What to wait for.
        :param polled_before: Seconds to the next poll, if it was polled just now.
        """
        if self.commission is not None and not self.commission.wait_for_completion:
            return self.hand_on(purchase)
        first = self._first_poll(purchase, polled_before)
        if self.task.deferrable:
            self.defer(purchase, first)
        generation = self.hook.watch(self._watch(purchase), not_before=first)
        return self.deliver(purchase, generation)

    def conclude(
        self, purchase: Purchase, event: Mapping[str, Any] | None, *, lost: bool = True
    ) -> dict[str, Any]:
        """
        Poll once, then deliver, raise or defer.

        :param purchase: What was waited for.
        :param event: The trigger's event, or ``None`` if there is none.
        :param lost: Whether that means that a trigger was lost, and did not only not run yet.
        """
        outcome = event.get("outcome") if event else None
        # The trigger has polled for minutes before it called an id unknown.
        unknown = outcome == "error" and (event or {}).get("message") == "PixverseNotFoundError"
        watch = self._watch(purchase, missing_since=0.0 if unknown else None, seen=outcome == "finished")
        match self.hook.decide(watch):
            case Deliver(generation):
                return self.deliver(purchase, generation)
            case GiveUp(error):
                raise error
            case Wait(seconds, watch):
                first = time.time() + seconds
            case never:
                assert_never(never)
        if outcome == "timeout" or (event is None and not lost):
            self.defer(purchase, first)
        # If the trigger saw it finished, this poll met a passing trouble. If the trigger failed, the next one
        # would as well. Neither is worth another deferral.
        return self.deliver(purchase, self.hook.watch(watch, not_before=first))

    def defer(self, purchase: Purchase, first_poll: float | None) -> NoReturn:
        """Free the worker until the trigger fires."""
        deadline = purchase.deadline.timestamp()
        log.info(
            "Waiting for generation %s without a worker slot, until %s at the latest.",
            purchase.generation_id, purchase.deadline.isoformat(timespec="seconds"),
        )  # fmt: skip
        trigger = PixverseGenerationTrigger(
            pixverse_conn_id=self.task.pixverse_conn_id,
            generation_id=purchase.generation_id,
            poll_interval=self.task.poll_interval,
            deadline=deadline,
            not_before=first_poll,
        )
        left = max(0.0, deadline - time.time())
        raise TaskDeferred(
            trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=left + LOST_TRIGGER)
        )

    def deliver(self, purchase: Purchase, generation: Generation) -> dict[str, Any]:
        """Save the video where it was asked for and return the task's result."""
        if self.commission is not None and not self.commission.wait_for_completion:
            return self.hand_on(purchase)
        self.task.video_url = generation.video_url
        result = purchase.result(generation, now=moment(time.time()))
        if self.task.output_path:
            target, saved = self.hook.save_video(generation, str(self.task.output_path))
            result.update(output_path=target, size_bytes=saved.size_bytes, sha256=saved.sha256)
            log.info(
                "Delivered generation %s to %s%s: %d bytes, sha256 %s.",
                generation.id, target, _time_taken(purchase), saved.size_bytes, saved.sha256,
            )  # fmt: skip
        else:
            log.info(
                "Generation %s is finished. Its video was not saved, no output_path was given, and its URL "
                "(in XCom) expires.",
                generation.id,
            )
        telemetry.delivered(purchase.model_dump(mode="json"), result)
        return self._close(result)

    def hand_on(self, purchase: Purchase) -> dict[str, Any]:
        """End a task that does not wait for its video."""
        if self.task.output_path:
            log.warning(
                "output_path is not used: wait_for_completion=False ends the task before there is a video. "
                "Save generation %s with PixverseSaveVideoOperator or PixverseGenerationSensor.",
                purchase.generation_id,
            )
        return self._close(purchase.unfinished_result())

    @contextmanager
    def ending(self) -> Iterator[None]:
        """End the try: settle the record, keep the cause, count it, and raise it as Airflow should see it."""
        try:
            yield
        except PixverseError as error:
            ended = self._settled(error)
            self.reporter.fail(ended, self.commission.words() if self.commission else ())
            telemetry.failed(ended, self.about)
            retry = may_retry(
                ended,
                bought=self.purchase is not None or bought(self.keeper.record) is not None,
                has_record=self.keeper.survives,
                on_ambiguous_submit=self.commission.on_ambiguous_submit if self.commission else "fail",
            )
            if retry and ended is error:
                raise
            raise (ended if retry else final(ended)) from error.__cause__

    def _settled(self, error: PixverseError) -> PixverseError:
        match settle(error, self.keeper.record, in_doubt=self.keeper.in_doubt):
            case Keep():
                return error
            case Forget():
                self.keeper.forget()
                return error
            case MarkLost(submitted):
                self.keeper.keep(Lost(submitted=submitted, mark=self._mark()))
                return lost(submitted)
            case never:
                assert_never(never)

    def _record(self, asked: Asked) -> Record | None:
        """Return the record of this task instance, or what another index of a mapped task left for it."""
        record = self.keeper.load()
        if asked.mark.clear_number and (record is None or intended(record).fingerprint != asked.fingerprint):
            others = self.keeper.records.of_other_indexes(asked.fingerprint)
            record = adoptable(others, asked) or record
        return record

    def _recall(self, event: Mapping[str, Any]) -> Purchase:
        """Return what is known of the purchase: by the record and this try's XCom, else by the event."""
        record, kept = self.keeper.load_if_possible(), self.reporter.kept()
        submitted = bought(record)
        if kept is not None:
            purchase = kept[0]
            if isinstance(record, Intended):
                # The write after the purchase had failed.
                submitted = record.bought_as(purchase)
                self.keeper.keep(submitted)
            if submitted is not None and submitted.generation_id == purchase.generation_id:
                # Anybody may edit an XCom. What was bought where is taken from the record.
                own = {"deadline": purchase.deadline, "asked": purchase.asked}
                purchase = submitted.submission.model_copy(update=own)
        elif submitted is not None:
            deadline = moment(time.time() + self.task.timeout)
            purchase = submitted.submission.model_copy(update={"deadline": deadline})
        elif event.get("generation_id"):
            purchase = Purchase(generation_id=str(event["generation_id"]), deadline=moment(time.time()))
        else:
            raise PixverseRecordError(
                "Which generation this task waits for is not known: its XComs were deleted and the trigger "
                "gave no id. This try bought nothing."
            )
        if self.commission is not None:
            self.commission.adopt(purchase)
        return self._take(purchase)

    def _take(self, purchase: Purchase) -> Purchase:
        self.purchase = purchase
        self.task.generation_id = purchase.generation_id
        return purchase

    def announce(self, purchase: Purchase) -> None:
        """Push the id and what is known of the purchase."""
        self.reporter.announce(self._take(purchase))

    def _announce_attached(self, purchase: Purchase, step: Attach, order: Order) -> None:
        log.info(
            "Going on with generation %s, bought at %s by an earlier try: nothing is submitted.",
            purchase.generation_id, iso(purchase.submitted_at),
        )  # fmt: skip
        kept, now = step.submitted.intended.mark, order.asked.mark
        cleared = kept is not None and (kept.max_tries, kept.clear_number) != (
            now.max_tries,
            now.clear_number,
        )
        if cleared or step.submitted.submission.output_path != purchase.output_path:
            marked = step.submitted.intended.model_copy(update={"mark": now})
            self.keeper.keep(marked.bought_as(purchase))
        self.announce(purchase)

    def _watch(self, purchase: Purchase, *, missing_since: float | None = None, seen: bool = False) -> Watch:
        """
        Return what to wait for.

        :raises PixverseError: if the connection leads to another gateway or host than it was bought from.
        """
        settings = self.hook.settings
        if purchase.place is not None and purchase.place != settings.place:
            raise wrong_account(purchase.generation_id)
        deadline = purchase.deadline.timestamp()
        return Watch(
            purchase.generation_id,
            max(deadline, time.time() + LAST_POLLS) if seen else deadline,
            self.task.poll_interval,
            missing_since=missing_since,
            bought_here=purchase.account in (None, settings.account),
        )

    def _first_poll(self, purchase: Purchase, polled_before: float | None) -> float | None:
        """Return when to poll first, epoch seconds: once a video can be ready, and not right after a poll."""
        if self.commission is None:
            return None
        now = time.time()
        since = (
            purchase.submitted_at.timestamp() if purchase.submitted_at and polled_before is not None else now
        )
        shortest = catalog.shortest_rendering(purchase.version) * usual().rendering_share
        ready = not_before(shortest, timeout=self.task.timeout, now=since)
        return ready if polled_before is None else max(ready, now + polled_before)

    def _close(self, result: dict[str, Any]) -> dict[str, Any]:
        """Tell the outlets and close the record: from here on, clearing the task means to make it again."""
        self.reporter.tell_outlets(self.task.outlets or (), result)
        record = self.keeper.load_if_possible() if self.keeper.unread else self.keeper.record
        submitted = bought(record)
        if isinstance(record, Intended) and self.purchase is not None:
            submitted = record.bought_as(self.purchase)
        if submitted is not None:
            self.keeper.keep(Delivered(submitted=submitted, mark=self._mark(), result=result))
        return result

    def _mark(self) -> Mark:
        return mark_of(self.context, self.task.retries)


def _time_taken(purchase: Purchase) -> str:
    if purchase.submitted_at is None:
        return ""
    return f", {time.time() - purchase.submitted_at.timestamp():.0f} s after submission"
