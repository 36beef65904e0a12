# SPDX-License-Identifier: Apache-2.0
"""Where the record of a purchase is kept: in the task state store, in object storage, or nowhere."""

from __future__ import annotations

import json
import logging
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse import storage
from airflow_provider_pixverse.exceptions import PixverseGenerationFailed, PixverseRecordError
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from airflow_provider_pixverse.operators.records import KEY, Records, records_for
from airflow_provider_pixverse.purchase import (
    Delivered,
    Intended,
    Lost,
    Mark,
    Purchase,
    Record,
    Submitted,
    encode,
)
from operators.running import NOT_YET, OLD_AIRFLOW, SMALL, SOON, TaskRun, bought, messages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

STATE_PATH = "AIRFLOW__PIXVERSE__STATE_PATH"
INTENDED = Intended(key="key-1", fingerprint="f" * 64, intended_at=1000.5)
KNOWN = Purchase(generation_id="gen-1", cost={"amount": 1.5}, deadline=1000.5)
SUBMITTED = Submitted(intended=INTENDED, generation_id="gen-1", submission=KNOWN)
DELIVERED = Delivered(submitted=SUBMITTED, mark=Mark(max_tries=1), result={"output_path": "räksmörgås.mp4"})
LOST = Lost(submitted=SUBMITTED, mark=Mark(max_tries=2))
EVERY_RECORD = pytest.mark.parametrize(
    "record", [INTENDED, SUBMITTED, DELIVERED, LOST], ids=lambda record: record.phase
)
DAMAGED = pytest.mark.parametrize(
    "content", ["", "{", "null", "[]", "5", '{"phase": "submitted"}', '{"state": "of something else"}']
)

RELATIVE = pytest.mark.skipif(OLD_AIRFLOW, reason="Airflow 3.0 takes a relative path for one from the root")


class Store:
    """A task state store; ``broken`` names the calls that fail."""

    def __init__(self, **kept: Any) -> None:
        self.kept: dict[str, Any] = kept
        self.broken: set[str] = set()
        self.calls: list[str] = []

    def get(self, key: str, default: Any = None) -> Any:
        self._called("get")
        return self.kept.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self._called("set")
        self.kept[key] = json.loads(json.dumps(value, allow_nan=False))

    def delete(self, key: str) -> None:
        self._called("delete")
        self.kept.pop(key, None)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.broken:
            raise RuntimeError("API server unreachable")


def instance(**fields: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, **fields})


def place(output_path: str | None = None, store: Store | None = None, **fields: Any) -> Records:
    context: Any = {"ti": instance(**fields), **({} if store is None else {"task_state_store": store})}
    return records_for(context, output_path)


def only_file(folder: Path) -> Path:
    (path,) = [path for path in folder.rglob("*") if path.is_file()]
    return path


@pytest.fixture(params=["state store", "object storage"])
def kept_in(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Records]:
    """Return the same record's place again and again, as each try looks for it."""
    store = Store()
    if request.param == "state store":
        return lambda: place(store=store)
    return lambda: place(f"{tmp_path}/kite.mp4")


# --- wherever it is kept ----------------------------------------------------------------------------


@EVERY_RECORD
def test_a_record_is_there_for_the_next_try(kept_in: Callable[[], Records], record: Record) -> None:
    assert kept_in().load() is None
    kept_in().keep(record)
    assert kept_in().load() == record


def test_a_record_takes_the_place_of_the_last_one(kept_in: Callable[[], Records]) -> None:
    for record in (DELIVERED, INTENDED, SUBMITTED):
        kept_in().keep(record)
    assert kept_in().load() == SUBMITTED


def test_a_record_that_is_forgotten_was_never_there(kept_in: Callable[[], Records]) -> None:
    kept_in().keep(SUBMITTED)
    kept_in().forget()
    assert kept_in().load() is None
    kept_in().forget()


# --- in the task state store ------------------------------------------------------------------------


def test_the_task_state_store_is_used_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_PATH, f"{tmp_path}/state")
    store = Store()
    place(f"{tmp_path}/videos/kite.mp4", store).keep(SUBMITTED)
    assert store.kept == {KEY: encode(SUBMITTED)}
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_read_is_not_an_empty_one() -> None:
    store = Store()
    store.broken = {"get"}
    with pytest.raises(PixverseRecordError, match="not known whether this video is paid") as caught:
        place(store=store).load()
    assert "RuntimeError: API server unreachable" in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_store_that_cannot_be_written_is_an_error() -> None:
    store = Store()
    store.broken = {"set"}
    with pytest.raises(PixverseRecordError, match=r"API server unreachable.*retry could pay twice"):
        place(store=store).keep(INTENDED)


@pytest.mark.parametrize(
    "value", ["", "{", [], 5, {}, {"phase": "submitted"}, {"state": "of another"}], ids=str
)
def test_a_damaged_value_in_the_store_is_an_error(value: Any) -> None:
    with pytest.raises(PixverseRecordError, match="damaged"):
        place(store=Store(**{KEY: value})).load()


# --- in object storage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output_path", "folder"),
    [
        ("{}/kite.mp4", ""),
        ("{}/deep/er/kite.mp4", "deep/er"),
        ("{}/folder/", "folder"),
        ("{}/folder//", "folder"),
        pytest.param("kite.mp4", "", marks=RELATIVE),
        pytest.param("videos/kite.mp4", "videos", marks=RELATIVE),
    ],
)
def test_the_record_lies_beside_the_video(
    output_path: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place(output_path.format(tmp_path)).keep(SUBMITTED)
    path = only_file(tmp_path)
    assert path.parent == tmp_path / folder
    assert json.loads(path.read_bytes()) == encode(SUBMITTED)
    assert path.name.startswith(".pixverse-")
    assert path.suffix == ".json"
    assert len(path.name) < 60


@pytest.mark.parametrize("output_path", [None, "", "{}/videos/kite.mp4"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_configured_folder_wins(
    output_path: str | None, slash: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_PATH, f"{tmp_path}/state{slash}")
    place(output_path and output_path.format(tmp_path)).keep(SUBMITTED)
    assert only_file(tmp_path).parent == tmp_path / "state"


def test_the_record_is_found_again_whatever_the_video_is_called_now(tmp_path: Path) -> None:
    place(f"{tmp_path}/kite.mp4").keep(SUBMITTED)
    assert place(f"{tmp_path}/other.mp4").load() == SUBMITTED
    assert place(f"{tmp_path}/").load() == SUBMITTED


@pytest.mark.parametrize(
    "other",
    [
        {"dag_id": "d2"},
        {"run_id": "r2"},
        {"task_id": "t2"},
        {"map_index": 0},
        {"dag_id": "r", "run_id": "d"},
        {"dag_id": 'd", "r', "run_id": ""},
    ],
    ids=str,
)
def test_each_task_instance_has_a_record_of_its_own(other: dict[str, Any], tmp_path: Path) -> None:
    place(f"{tmp_path}/").keep(SUBMITTED)
    assert place(f"{tmp_path}/", **other).load() is None
    place(f"{tmp_path}/", **other).keep(INTENDED)
    assert place(f"{tmp_path}/").load() == SUBMITTED
    # A mapped task keeps a copy for what becomes of its index after a clear.
    assert len(list(tmp_path.iterdir())) == 2 + ("map_index" in other)


def test_ids_of_any_spelling_make_a_file_name(tmp_path: Path) -> None:
    odd = {"dag_id": "a/b", "run_id": "manual__2026-01-01T00:00:00+00:00", "task_id": "g.ü" * 60}
    place(f"{tmp_path}/", **odd).keep(SUBMITTED)
    assert place(f"{tmp_path}/", **odd).load() == SUBMITTED
    assert only_file(tmp_path).parent == tmp_path


@DAMAGED
def test_a_damaged_file_is_an_error_and_stays(content: str, tmp_path: Path) -> None:
    place(f"{tmp_path}/").keep(SUBMITTED)
    only_file(tmp_path).write_text(content)
    with pytest.raises(PixverseRecordError, match="damaged"):
        place(f"{tmp_path}/").load()
    assert only_file(tmp_path).read_text() == content


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    place(f"{tmp_path}/").keep(SUBMITTED)
    only_file(tmp_path).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PixverseRecordError, match="damaged"):
        place(f"{tmp_path}/").load()


def test_a_file_that_cannot_be_read_is_not_an_absent_one(tmp_path: Path) -> None:
    place(f"{tmp_path}/").keep(SUBMITTED)
    path = only_file(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(PixverseRecordError, match="not known whether this video is paid") as caught:
        place(f"{tmp_path}/").load()
    assert path.name in str(caught.value)
    assert "IsADirectoryError" in str(caught.value)


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in_the_way").write_text("")
    with pytest.raises(PixverseRecordError, match=r"cannot be written to .*retry could pay twice"):
        place(f"{tmp_path}/in_the_way/kite.mp4").keep(INTENDED)


def test_a_new_record_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(f"{tmp_path}/").keep(SUBMITTED)
    path, seen = only_file(tmp_path), []
    replace = os.replace

    def move(source: str, target: str) -> None:
        seen.append((json.loads(path.read_bytes()), os.path.dirname(source)))
        replace(source, target)

    monkeypatch.setattr(storage.os, "replace", move)
    place(f"{tmp_path}/").keep(DELIVERED)
    assert seen == [(encode(SUBMITTED), str(tmp_path))]
    assert json.loads(only_file(tmp_path).read_bytes()) == encode(DELIVERED)


def test_a_record_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(f"{tmp_path}/").keep(SUBMITTED)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full_disk:
        full_disk.setattr(storage.os, "replace", full)
        with pytest.raises(PixverseRecordError, match="No space left"):
            place(f"{tmp_path}/").keep(DELIVERED)
    only_file(tmp_path)
    assert place(f"{tmp_path}/").load() == SUBMITTED


def test_a_configured_folder_that_no_storage_answers_to_is_an_error_about_the_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(STATE_PATH, "nowhere://bucket/state")
    with pytest.raises(PixverseRecordError, match="nowhere"):
        place().load()


# --- nowhere ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("output_path", [None, ""])
def test_there_may_be_no_place_for_it(output_path: str | None) -> None:
    context: Any = {"ti": instance()}
    records = records_for(context, output_path)
    records.keep(SUBMITTED)
    assert (records.load(), records.survives) == (None, False)


def without_store(**fields: Any) -> TaskRun:
    run = TaskRun(PixverseTextToVideoOperator(task_id="video", poll_interval=SOON, **SMALL, **fields))
    del run.context["task_state_store"]
    return run


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [text for text in messages(caplog) if "would buy the video again" in text]


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_without_a_place_it_works_and_says_once_that_a_retry_would_buy_again(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    caplog.set_level(logging.WARNING)
    pixverse_sandbox.faults([NOT_YET])
    run = without_store(deferrable=deferrable)
    assert run.run()["status"] == "finished"
    assert len(run.deferrals) == int(deferrable)
    (said,) = warnings(caplog)
    assert "state_path" in said
    without_store(deferrable=deferrable).run()
    assert bought(pixverse_sandbox) == (2, 2)


def test_without_a_place_a_refused_submission_says_so_too(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    pixverse_sandbox.faults([{"on": "submit", "fail": True}])
    with pytest.raises(PixverseGenerationFailed):
        without_store().run()
    assert len(warnings(caplog)) == 1


@pytest.mark.parametrize("kept", ["beside the video", "in the configured folder"])
def test_with_a_place_nothing_is_said(
    pixverse_sandbox: SandboxInTest,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kept: str,
) -> None:
    caplog.set_level(logging.WARNING)
    fields = {"output_path": f"{tmp_path}/kite.mp4"}
    if kept == "in the configured folder":
        monkeypatch.setenv(STATE_PATH, str(tmp_path))
        fields = {}
    without_store(**fields).run()
    assert warnings(caplog) == []
    assert [path.suffix for path in tmp_path.iterdir() if path.name.startswith(".pixverse-")] == [".json"]


# --- durable=False ----------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_what_is_not_durable_touches_no_store(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture, tmp_path: Path, deferrable: bool
) -> None:
    caplog.set_level(logging.WARNING)
    pixverse_sandbox.faults([NOT_YET])
    store = Store(**{KEY: "not even read"})
    run = without_store(durable=False, deferrable=deferrable, output_path=f"{tmp_path}/kite.mp4")
    run.context["task_state_store"] = store
    assert run.run()["status"] == "finished"
    assert store.calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["kite.mp4"]
    assert warnings(caplog) == []


def test_what_is_not_durable_leaves_no_file(
    pixverse_sandbox: SandboxInTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(STATE_PATH, f"{tmp_path}/state")
    without_store(durable=False, output_path=f"{tmp_path}/kite.mp4").run()
    without_store(durable=False, output_path=f"{tmp_path}/kite.mp4").run()
    assert [path.name for path in tmp_path.iterdir()] == ["kite.mp4"]
    assert bought(pixverse_sandbox) == (2, 2)


# --- a store that breaks under a task ---------------------------------------------------------------


def with_store(store: Store, **fields: Any) -> TaskRun:
    run = without_store(**fields)
    run.context["task_state_store"] = store
    return run


@pytest.mark.parametrize("broken", ["get", "set"])
def test_a_store_that_is_broken_from_the_start_buys_nothing(
    pixverse_sandbox: SandboxInTest, broken: str
) -> None:
    store = Store()
    store.broken = {broken}
    with pytest.raises(PixverseRecordError):
        with_store(store).run()
    assert bought(pixverse_sandbox) == (0, 0)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
def test_a_store_that_breaks_after_the_purchase_does_not_lose_the_video(
    pixverse_sandbox: SandboxInTest, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    class Breaking(Store):
        def set(self, key: str, value: Any) -> None:
            super().set(key, value)
            self.broken = {"get", "set", "delete"}

    caplog.set_level(logging.WARNING)
    store = Breaking()
    run = with_store(store, deferrable=deferrable)
    assert run.run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (1, 1)
    updates = [text for text in messages(caplog) if "could not be updated" in text]
    # What cannot be read after the deferral is not closed either; a retry finds the video by its key.
    assert len(updates) == (1 if deferrable else 2)
    store.broken = set()
    assert with_store(store, deferrable=deferrable).run()["generation_id"] == run.ti.xcoms["generation_id"]
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_record_that_cannot_be_deleted_does_not_hide_why_the_task_failed(
    pixverse_sandbox: SandboxInTest,
) -> None:
    pixverse_sandbox.faults([{"on": "submit", "fail": True}])
    store = Store()
    store.broken = {"delete"}
    with pytest.raises(PixverseGenerationFailed):
        with_store(store).run()
    store.broken = set()
    assert with_store(store).run()["status"] == "finished"
    assert bought(pixverse_sandbox) == (2, 2)
