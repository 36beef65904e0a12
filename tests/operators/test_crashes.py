# SPDX-License-Identifier: Apache-2.0
"""
A worker that dies: crash point by crash point, what the next try buys and delivers.

A crash is an exception that nothing may catch, raised between two steps. What survives it is what
survives in Airflow: the record of the purchase, and the task instance's number of tries; XComs do not.
The sandbox's ledger is the judge of what was bought.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Asset
from pacing import quicken

from airflow_provider_pixverse import storage
from airflow_provider_pixverse.exceptions import (
    PixverseAmbiguousSubmitError,
    PixverseError,
    PixverseGenerationFailed,
    PixverseModerationError,
    PixverseNotFoundError,
    PixverseRecordError,
)
from airflow_provider_pixverse.hooks import pixverse as hooks
from airflow_provider_pixverse.hooks.pixverse import PixverseHook
from airflow_provider_pixverse.operators import records, run
from airflow_provider_pixverse.operators.pixverse import (
    PixverseGenerateOperator,
    PixverseImageToVideoOperator,
    PixverseTextToVideoOperator,
)
from airflow_provider_pixverse.purchase import Delivered, Intended, Submitted
from airflow_provider_pixverse.sandbox.pictures import picture_file
from operators.running import NOT_YET, SMALL, SOON, StateStore, TaskRun, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow.providers.common.compat.sdk import TaskDeferred

    from airflow_provider_pixverse.rules.waiting import Watch
    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

RETRIES = 9
ASSET = Asset(name="kite", uri="s3://campaign/kite")
BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
BOTH_STORES = pytest.mark.parametrize("kept", ["state store", "object storage"])
FAILED_TOO = pytest.mark.parametrize("cleared", [False, True], ids=["retried", "cleared"])


class Crash(BaseException):
    """The process is gone."""


# --- where it dies ----------------------------------------------------------------------------------


class CrashingRecords:
    """Keeps the record, and dies before or after one of its phases was written."""

    def __init__(self, kept: Any, *, before: type | None, after: type | None) -> None:
        self._kept, self._before, self._after = kept, before, after
        self.load, self.forget = kept.load, kept.forget
        self.survives, self.of_other_indexes = kept.survives, kept.of_other_indexes

    def keep(self, record: Any) -> None:
        if type(record) is self._before:
            raise Crash
        self._kept.keep(record)
        if type(record) is self._after:
            raise Crash


def _dies(*_: Any, **__: Any) -> Any:
    raise Crash


def _at_record(*, before: type | None = None, after: type | None = None) -> Callable[..., None]:
    def install(patch: pytest.MonkeyPatch) -> None:
        place = run.records_for

        def crashing(*args: Any) -> Any:
            kept = place(*args)
            return CrashingRecords(kept, before=before, after=after)

        patch.setattr(run, "records_for", crashing)

    return install


def _before_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PixverseHook, "buy", _dies)


def _before_waiting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run.Run, "defer", _dies)
    patch.setattr(PixverseHook, "watch", _dies)


def _while_waiting(patch: pytest.MonkeyPatch) -> None:
    def watch(self: PixverseHook, watch: Watch, **_: Any) -> None:
        with suppress(PixverseError):
            self.get_generation(watch.generation_id)
        raise Crash

    patch.setattr(PixverseHook, "watch", watch)
    patch.setattr(TaskRun, "go_on", _dies)


def _while_downloading(patch: pytest.MonkeyPatch) -> None:
    begin = hooks.download

    @contextmanager
    def download(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with begin(*args, **kwargs) as video:
            yield replace(video, chunks=_broken_off(video.chunks))

    patch.setattr(hooks, "download", download)


def _broken_off(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield next(chunks)[:100]
    raise Crash


def _in_place(patch: pytest.MonkeyPatch) -> None:
    save = PixverseHook.save_video

    def save_video(self: PixverseHook, *args: Any) -> None:
        save(self, *args)
        raise Crash

    patch.setattr(PixverseHook, "save_video", save_video)


POINTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before the intention": _before_intent,
    "before the POST": _at_record(after=Intended),
    "after the POST": _at_record(before=Submitted),
    "with the id": _at_record(after=Submitted),
    "before the wait": _before_waiting,
    "in the wait": _while_waiting,
    "in the download": _while_downloading,
    "with the file": _in_place,
    "closed": _at_record(after=Delivered),
}
UNKNOWN = "before the POST"
"""Where only a person can tell: the intention is recorded, and the vendor knows nothing of it."""

KNOWN = [point for point in POINTS if point != UNKNOWN]

BOUGHT_BEFORE = {"before the intention": 0, UNKNOWN: 0}
"""How many videos were bought when it died, where that is not one."""


# --- the task over its tries ------------------------------------------------------------------------


@dataclass
class Task:
    """
    One task instance: each try is a new process, with nothing but what Airflow keeps for it.

    :param sandbox: The gateway.
    :param folder: Where the video goes.
    :param kept: Where the record is kept: ``state store`` or ``object storage``.
    :param fields: Of the operator.
    """

    sandbox: SandboxInTest
    folder: Path
    kept: str = "state store"
    fields: dict[str, Any] = field(default_factory=dict)
    operator: type[PixverseGenerateOperator] = PixverseTextToVideoOperator

    def __post_init__(self) -> None:
        self.store = StateStore()
        self.tries, self.max_tries = 0, RETRIES

    def clear(self) -> None:
        """Clear the task as Airflow does, which gives it all of its retries again."""
        self.max_tries = self.tries + RETRIES

    def attempt(self, **changed: Any) -> dict[str, Any]:
        """Run the next try to its end."""
        return self.next_try(**changed).run()

    def next_try(self, **changed: Any) -> TaskRun:
        self.tries += 1
        fields = {
            "task_id": "video",
            "retries": RETRIES,
            "poll_interval": SOON,
            "timeout": 20.0,
            "output_path": f"{self.folder}/kite.mp4",
            "outlets": [ASSET],
            **SMALL,
            **self.fields,
            **changed,
        }
        self.run = TaskRun(self.operator(**fields))
        self.run.ti.try_number, self.run.ti.max_tries = self.tries, self.max_tries
        self.run.context["task_state_store"] = self.store
        if self.kept == "object storage":
            del self.run.context["task_state_store"]
        return self.run

    def looks_in_vain(self) -> None:
        """Let the first look find out nothing, so that a try waits for a video that may be there."""
        self.sandbox.faults([NOT_YET])

    def crash(self, point: str, **changed: Any) -> bool:
        """Run the next try, which dies at a point; return whether it got that far."""
        with pytest.MonkeyPatch.context() as patch:
            POINTS[point](patch)
            try:
                self.attempt(**changed)
            except Crash:
                return True
            except PixverseError:
                return False
        return False

    @property
    def bought(self) -> int:
        return int(self.sandbox.ledger()["bought"])

    def delivered(self, result: dict[str, Any]) -> None:
        """Make sure that a try has ended with one video in its place, of which everybody was told."""
        paths = [path for path in self.folder.iterdir() if path.suffix != ".json"]
        assert [path.name for path in paths] == ["kite.mp4"]
        content = paths[0].read_bytes()
        assert result["output_path"] == str(paths[0])
        assert (result["size_bytes"], result["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert result["generation_id"] in {row["id"] for row in self.sandbox.ledger()["generations"]}
        assert self.run.ti.xcoms["generation_id"] == result["generation_id"]
        assert self.run.context["outlet_events"][ASSET].extra == result


@pytest.fixture
def task(pixverse_sandbox: SandboxInTest, tmp_path: Path) -> Callable[..., Task]:
    def make(
        kept: str = "state store", *, operator: Any = PixverseTextToVideoOperator, **fields: Any
    ) -> Task:
        made = Task(pixverse_sandbox, tmp_path, kept, fields, operator)
        made.looks_in_vain()
        return made

    return make


# --- crash point by next try: what is bought, what is delivered -------------------------------------


@BOTH_STORES
@BOTH_WAYS
@pytest.mark.parametrize("point", KNOWN)
def test_a_retry_ends_with_the_video_bought_once(
    task: Callable[..., Task], point: str, deferrable: bool, kept: str
) -> None:
    dying = task(kept, deferrable=deferrable)
    assert dying.crash(point)
    assert dying.bought == BOUGHT_BEFORE.get(point, 1)

    dying.delivered(dying.attempt())

    assert dying.bought == 1


@BOTH_STORES
@BOTH_WAYS
@pytest.mark.parametrize("point", KNOWN)
def test_a_clear_buys_again_only_what_was_delivered(
    task: Callable[..., Task], point: str, deferrable: bool, kept: str
) -> None:
    dying = task(kept, deferrable=deferrable)
    assert dying.crash(point)
    dying.clear()

    dying.delivered(dying.attempt())

    assert dying.bought == (2 if point == "closed" else 1)


@BOTH_STORES
@BOTH_WAYS
@FAILED_TOO
def test_what_only_a_person_can_tell_is_asked_of_a_person(
    task: Callable[..., Task], deferrable: bool, kept: str, cleared: bool
) -> None:
    dying = task(kept, deferrable=deferrable)
    assert dying.crash(UNKNOWN)
    if cleared:
        dying.clear()
    for _ in range(2):
        with pytest.raises(PixverseAmbiguousSubmitError, match="An earlier try ended") as stopped:
            dying.attempt()
        # A retry only looks again; whoever has looked for themselves may go on.
        assert not isinstance(stopped.value, AirflowFailException)
        assert "do not show it" in str(stopped.value)
    assert dying.sandbox.ledger()["submitted"] == 0
    assert dying.sandbox.ledger()["logs"] > 2

    dying.delivered(dying.attempt(on_ambiguous_submit="resubmit"))

    assert dying.bought == 1


@BOTH_STORES
@BOTH_WAYS
@FAILED_TOO
@pytest.mark.parametrize("point", ["before the intention", UNKNOWN, "after the POST", "with the id"])
def test_who_accepts_the_risk_pays_once_where_the_vendor_can_tell(
    task: Callable[..., Task], point: str, deferrable: bool, kept: str, cleared: bool
) -> None:
    dying = task(kept, deferrable=deferrable, on_ambiguous_submit="resubmit")
    assert dying.crash(point)
    if cleared:
        dying.clear()

    dying.delivered(dying.attempt())

    assert dying.bought == 1


@pytest.mark.parametrize("second", POINTS)
@pytest.mark.parametrize("first", POINTS)
def test_two_crashes_in_a_row_are_paid_for_once(task: Callable[..., Task], first: str, second: str) -> None:
    dying = task(deferrable=False, on_ambiguous_submit="resubmit")
    assert dying.crash(first)
    dying.looks_in_vain()
    assert dying.crash(second) == reaches(first, second)
    if (first, second) == (UNKNOWN, UNKNOWN):
        # Submitted once more as asked, over all tries together; only a person can ask for it again.
        with pytest.raises(PixverseAmbiguousSubmitError):
            dying.attempt()
        dying.clear()

    dying.delivered(dying.attempt())

    assert dying.bought == 1


def reaches(first: str, second: str) -> bool:
    """Return whether a try after a crash at the first point comes by the second one."""
    order = list(POINTS)
    if first == "closed" or (first, second) == ("after the POST", UNKNOWN):
        return False
    return order.index(first) <= order.index("after the POST") or order.index(second) > order.index(
        "with the id"
    )


@BOTH_STORES
def test_a_task_that_dies_at_every_point_in_turn_is_paid_for_once(
    task: Callable[..., Task], kept: str
) -> None:
    dying = task(kept, deferrable=False, on_ambiguous_submit="resubmit")
    for point in POINTS:
        dying.looks_in_vain()
        assert dying.crash(point), point
    dying.delivered(dying.attempt())
    assert dying.bought == 1


@BOTH_STORES
@BOTH_WAYS
def test_what_was_delivered_is_given_again_to_every_retry_and_made_again_by_every_clear(
    task: Callable[..., Task], deferrable: bool, kept: str
) -> None:
    closed = task(kept, deferrable=deferrable)
    ids = []
    for bought in (1, 2, 3):
        result = closed.attempt()
        assert (closed.attempt(), closed.attempt()) == (result, result)
        closed.delivered(result)
        ids.append(result["generation_id"])
        assert closed.bought == bought
        closed.clear()
    assert ids == [row["id"] for row in closed.sandbox.ledger()["generations"]]
    assert closed.sandbox.ledger()["downloaded"] == 3


def test_a_clear_of_a_clear_that_did_not_deliver_goes_on_with_its_video(task: Callable[..., Task]) -> None:
    dying = task()
    dying.attempt()
    dying.clear()
    assert dying.crash("with the id")
    dying.clear()
    dying.delivered(dying.attempt())
    assert dying.bought == 2


def resumed_retry(task: Task) -> dict[str, Any]:
    """Run the next try as Airflow 3.0 does after a deferral: resumed with the old event, its XComs kept."""
    before = task.run
    run = task.next_try()
    run.ti.xcoms = before.ti.xcoms
    return run.resume_to_the_end("execute_complete", {"event": before.events[-1]})


@BOTH_STORES
@FAILED_TOO
@pytest.mark.parametrize("point", ["in the download", "with the file", "closed"])
def test_a_next_try_that_is_resumed_where_the_last_one_had_deferred_pays_as_any_other(
    task: Callable[..., Task], point: str, kept: str, cleared: bool
) -> None:
    dying = task(kept, deferrable=True)
    assert dying.crash(point)
    if cleared:
        dying.clear()
    dying.delivered(resumed_retry(dying))
    assert dying.bought == (2 if cleared and point == "closed" else 1)


def test_a_failed_video_is_submitted_anew_by_a_retry_that_is_resumed_where_the_last_one_had_deferred(
    task: Callable[..., Task],
) -> None:
    unlucky = task(deferrable=True)
    unlucky.sandbox.faults([{"on": "submit", "fail": True}, NOT_YET])
    with pytest.raises(PixverseGenerationFailed):
        unlucky.attempt()
    unlucky.delivered(resumed_retry(unlucky))
    assert unlucky.bought == 2


@BOTH_WAYS
@FAILED_TOO
def test_a_task_that_does_not_wait_is_done_with_the_id(
    task: Callable[..., Task], deferrable: bool, cleared: bool
) -> None:
    submitting = task(deferrable=deferrable, wait_for_completion=False)
    assert submitting.crash("with the id")
    result = submitting.attempt()
    assert (submitting.bought, result["output_path"]) == (1, None)
    if cleared:
        submitting.clear()
    again = submitting.attempt()
    assert (again == result) is not cleared
    assert submitting.bought == (2 if cleared else 1)


def test_what_a_killed_process_left_half_written_is_not_in_the_way(
    task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = task()
    with monkeypatch.context() as killed:
        killed.setattr(storage, "_removed_on_failure", lambda *_: nullcontext())
        killed.setattr(storage, "BLOCK", 50)
        assert dying.crash("in the download")
    (part,) = dying.folder.iterdir()
    assert (part.suffix, part.stat().st_size) == (".part", 100)
    result = dying.attempt()
    part.unlink()
    dying.delivered(result)
    assert dying.bought == 1


@BOTH_STORES
def test_an_answer_that_was_lost_on_the_way_before_the_crash_is_paid_for_once(
    task: Callable[..., Task], kept: str
) -> None:
    dying = task(kept)
    dying.sandbox.faults(
        [{"on": "submit", "drop": "after"}, {"on": "logs", "status": 503, "times": 3}],
    )
    with pytest.raises(PixverseAmbiguousSubmitError, match="could not be read"):
        dying.attempt()
    assert dying.bought == 1
    dying.delivered(dying.attempt())
    assert dying.bought == 1


# --- the other rows about a next try ----------------------------------------------------------------


@BOTH_STORES
@BOTH_WAYS
@FAILED_TOO
def test_what_the_vendor_failed_to_make_is_submitted_anew(
    task: Callable[..., Task], deferrable: bool, kept: str, cleared: bool
) -> None:
    unlucky = task(kept, deferrable=deferrable)
    unlucky.sandbox.faults([{"on": "submit", "fail": True}])
    with pytest.raises(PixverseGenerationFailed):
        unlucky.attempt()
    if cleared:
        unlucky.clear()
    unlucky.delivered(unlucky.attempt())
    assert (unlucky.bought, unlucky.sandbox.ledger()["refunded"]) == (2, 1)


@BOTH_STORES
@BOTH_WAYS
def test_what_was_refused_by_moderation_is_submitted_anew_by_a_clear(
    task: Callable[..., Task], deferrable: bool, kept: str
) -> None:
    refused = task(kept, deferrable=deferrable)
    refused.sandbox.faults([{"on": "submit", "moderation": True}])
    with pytest.raises(PixverseModerationError) as stopped:
        refused.attempt()
    assert isinstance(stopped.value, AirflowFailException)
    refused.clear()
    refused.delivered(refused.attempt())
    assert refused.bought == 2


@BOTH_STORES
@BOTH_WAYS
def test_what_the_vendor_failed_to_make_while_nobody_looked_is_submitted_anew(
    task: Callable[..., Task], caplog: pytest.LogCaptureFixture, deferrable: bool, kept: str
) -> None:
    unlucky = task(kept, deferrable=deferrable)
    unlucky.sandbox.faults([{"on": "submit", "fail": True}])
    assert unlucky.crash("with the id")
    while unlucky.sandbox.ledger()["generations"][0]["state"] != "failed":
        time.sleep(0.01)
    unlucky.delivered(unlucky.attempt())
    assert unlucky.bought == 2
    first = unlucky.sandbox.ledger()["generations"][0]["id"]
    assert any(first in text and "bought by an earlier try" in text for text in messages(caplog))


@BOTH_STORES
@BOTH_WAYS
def test_an_id_that_expired_stops_every_retry_and_is_bought_anew_by_a_clear(
    task: Callable[..., Task],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    deferrable: bool,
    kept: str,
) -> None:
    quicken(monkeypatch, unknown_id_grace=0.0)
    late = task(kept, deferrable=deferrable)
    assert late.crash("with the id")
    (row,) = late.sandbox.ledger()["generations"]
    late.sandbox.faults([{"on": "poll", "status": 404, "times": None}])
    for _ in range(2):
        with pytest.raises(PixverseNotFoundError, match="clear the task to buy") as stopped:
            late.attempt()
        assert stopped.value.generation_id == row["id"]
        assert row["id"] in str(stopped.value)
        # A further try may not use the video, but costs nothing and may follow a repair.
        assert not isinstance(stopped.value, AirflowFailException)
    assert late.bought == 1

    # A clear polls once more before it buys.
    late.sandbox.faults([{"on": "poll", "status": 404, "times": 1}])
    late.clear()
    late.delivered(late.attempt())

    assert late.bought == 2
    assert any(row["id"] in text and "lost" in text for text in messages(caplog))


@BOTH_STORES
@FAILED_TOO
@pytest.mark.parametrize(
    ("point", "changed"),
    [
        (UNKNOWN, {"seed": 2}),
        ("after the POST", {"seed": 2}),
        ("with the id", {"seed": 2}),
        ("in the download", {"prompt": "A blue kite"}),
        ("with the file", {"extra": {"style": "anime"}}),
    ],
)
def test_a_changed_request_is_a_new_video_with_a_warning_that_names_the_old(
    task: Callable[..., Task],
    caplog: pytest.LogCaptureFixture,
    point: str,
    changed: dict[str, Any],
    kept: str,
    cleared: bool,
) -> None:
    edited = task(kept, deferrable=False)
    assert edited.crash(point)
    before = edited.bought
    if cleared:
        edited.clear()
    caplog.set_level(logging.WARNING)

    edited.delivered(edited.attempt(**changed))

    assert edited.bought == before + 1
    (warning,) = [text for text in messages(caplog) if "has changed since" in text]
    old = edited.sandbox.ledger()["generations"][:before]
    assert all(row["id"] in warning or row["client_request_id"] in warning for row in old)


@BOTH_STORES
def test_another_place_for_the_same_video_is_no_other_request(task: Callable[..., Task], kept: str) -> None:
    moved = task(kept)
    assert moved.crash("in the download")
    result = moved.attempt(output_path=f"{moved.folder}/other.mp4", timeout=10.0, deferrable=False)
    assert (moved.bought, result["output_path"]) == (1, f"{moved.folder}/other.mp4")


@BOTH_STORES
@FAILED_TOO
@pytest.mark.parametrize("point", [UNKNOWN, "after the POST", "with the id", "closed"])
def test_a_record_that_cannot_be_read_buys_nothing(
    task: Callable[..., Task], point: str, kept: str, cleared: bool
) -> None:
    unreadable = task(kept)
    assert unreadable.crash(point)
    before = unreadable.bought
    if cleared:
        unreadable.clear()
    if kept == "state store":
        unreadable.store.kept[records.KEY] = {"phase": "sold"}
    else:
        (path,) = unreadable.folder.glob(".pixverse-*.json")
        path.write_text("{")
    for _ in range(2):
        with pytest.raises(PixverseRecordError, match="Nothing was bought"):
            unreadable.attempt()
    assert unreadable.bought == before
    assert unreadable.sandbox.ledger()["submitted"] == before


@BOTH_WAYS
def test_a_store_that_is_away_for_a_try_buys_nothing_in_it(
    task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    away = task(deferrable=deferrable)
    assert away.crash("with the id")
    with monkeypatch.context() as outage:
        outage.setattr(StateStore, "get", _raise(RuntimeError("API server unreachable")))
        with pytest.raises(PixverseRecordError, match="API server unreachable"):
            away.attempt()
    away.delivered(away.attempt())
    assert away.bought == 1


def _raise(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


# --- a try that cannot even ask about what an earlier one may have bought ---------------------------


def test_a_doubtful_purchase_is_found_though_its_picture_is_gone(
    task: Callable[..., Task], tmp_path_factory: pytest.TempPathFactory
) -> None:
    picture = tmp_path_factory.mktemp("input") / "first.png"
    picture.write_bytes(picture_file("mountain", "png"))
    dying = task(operator=PixverseImageToVideoOperator, image=str(picture))
    assert dying.crash("after the POST")
    picture.rename(f"{picture}.away")

    dying.delivered(dying.attempt())

    assert dying.bought == 1


def test_a_refused_key_does_not_make_a_doubtful_purchase_forgotten_where_the_key_repeats_it(
    task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    dying = task()
    right = dying.sandbox.connect("pixverse")
    assert dying.crash("after the POST")
    assert dying.bought == 1
    wrong = right.replace(f'"{dying.sandbox.key}"', '"revoked"')
    monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", wrong)
    with pytest.raises(PixverseAmbiguousSubmitError):
        dying.attempt()
    monkeypatch.setenv("AIRFLOW_CONN_PIXVERSE_DEFAULT", right)
    dying.clear()

    dying.delivered(dying.attempt())

    assert dying.bought == 1


def test_a_gateway_that_knows_a_submission_by_its_key_gives_the_same_video_again(
    task: Callable[..., Task],
) -> None:
    for point in ("after the POST", UNKNOWN):
        dying = task()
        dying.sandbox.connect("pixverse")
        before = dying.bought
        assert dying.crash(point)
        dying.delivered(dying.attempt())
        assert dying.bought == before + 1


@pytest.mark.parametrize("event", [None, {}, {"outcome": "finished"}], ids=str)
def test_a_resumption_that_knows_no_id_does_not_call_the_video_lost(
    task: Callable[..., Task], event: dict[str, Any] | None
) -> None:
    resumed = task(deferrable=True)
    deferred: TaskDeferred = resumed.next_try().begin()
    resumed.run.ti.xcoms.clear()
    try:
        resumed.run.resume_to_the_end(deferred.method_name, {"event": event})
    except PixverseNotFoundError:
        resumed.attempt()
    assert resumed.bought == 1
