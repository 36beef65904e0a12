# SPDX-License-Identifier: Apache-2.0
"""Where the video lands, and what is left where it could not."""

from __future__ import annotations

import hashlib
import resource
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pixverse.exceptions import PixverseDownloadError, PixverseError
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator
from operators.running import NOT_YET, SMALL, SOON, TARGETS, TaskRun, bought, fire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_provider_pixverse.sandbox.pytest_plugin import SandboxInTest

BOTH_WAYS = pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "on the worker"])
DOWNLOAD_FAULTS = pytest.mark.parametrize(
    "fault",
    [
        {"truncate": True},
        {"truncate_quietly": True},
        {"html": True},
        {"empty": True},
        {"status": 403},
        {"status": 404},
        {"status": 503},
        {"drop": "before"},
        {"hang": True},
    ],
    ids=str,
)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_pixverse.connection.REQUEST_TIMEOUT", 0.3)


def task(**fields: Any) -> TaskRun:
    given = {"task_id": "video", "poll_interval": SOON, **SMALL, **fields}
    return TaskRun(PixverseTextToVideoOperator(**given))


def videos(folder: Path) -> list[Path]:
    """Return the videos in a folder, whole or not."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".mp4", ".part"))


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- where --------------------------------------------------------------------------------------------


@TARGETS
@BOTH_WAYS
def test_a_file_lands_where_it_was_asked_for(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, scheme: str, deferrable: bool
) -> None:
    target = tmp_path / "not" / "there" / "yet" / "kite.mp4"
    result = task(output_path=f"{scheme}{target}", deferrable=deferrable).run()
    [row] = pixverse_sandbox.ledger()["generations"]
    assert result["output_path"] == f"{scheme}{target}"
    assert checksum(target) == row["file"]["sha256"] == result["sha256"]
    assert target.stat().st_size == row["file"]["size"] == result["size_bytes"]
    assert videos(tmp_path) == [target]
    assert (row["downloads"], pixverse_sandbox.ledger()["leaked"]) == (1, 0)


@TARGETS
def test_in_a_folder_the_file_is_named_after_the_id(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, scheme: str
) -> None:
    result = task(output_path=f"{scheme}{tmp_path}/clips/").run()
    target = tmp_path / "clips" / f"{result['generation_id']}.mp4"
    assert result["output_path"] == f"{scheme}{target}"
    assert videos(tmp_path) == [target]


def test_what_is_there_is_replaced(pixverse_sandbox: SandboxInTest, tmp_path: Path) -> None:
    target = tmp_path / "kite.mp4"
    target.write_bytes(b"an older and longer video" * 10_000)
    result = task(output_path=str(target)).run()
    assert checksum(target) == result["sha256"]
    assert videos(tmp_path) == [target]


# --- download breaks off, wrong length, not an MP4 ----------------------------------------------------


@BOTH_WAYS
@DOWNLOAD_FAULTS
def test_a_download_that_fails_is_retried_and_nothing_is_bought_for_it(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, fault: dict[str, Any], deferrable: bool
) -> None:
    pixverse_sandbox.faults([{"on": "download", "times": 2, **fault}])
    target = tmp_path / "kite.mp4"
    result = task(output_path=str(target), deferrable=deferrable).run()
    assert checksum(target) == result["sha256"]
    assert videos(tmp_path) == [target]
    assert bought(pixverse_sandbox) == (1, 1)
    assert pixverse_sandbox.pending_faults()[0]["left"] == 0


@DOWNLOAD_FAULTS
def test_a_download_that_keeps_failing_leaves_nothing_and_buys_nothing(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, fault: dict[str, Any]
) -> None:
    pixverse_sandbox.faults([{"on": "download", "times": None, **fault}])
    run = task(output_path=str(tmp_path / "kite.mp4"))
    with pytest.raises(PixverseDownloadError, match="paid for") as failed:
        run.run()
    assert failed.value.generation_id == run.ti.xcoms["generation_id"]
    assert videos(tmp_path) == []
    assert bought(pixverse_sandbox) == (1, 1)


def test_a_download_that_keeps_failing_leaves_the_older_video(
    pixverse_sandbox: SandboxInTest, tmp_path: Path
) -> None:
    pixverse_sandbox.faults([{"on": "download", "truncate": True, "times": None}])
    target = tmp_path / "kite.mp4"
    target.write_bytes(b"an older video")
    with pytest.raises(PixverseDownloadError):
        task(output_path=str(target)).run()
    assert target.read_bytes() == b"an older video"
    assert videos(tmp_path) == [target]


# --- disk or bucket full ------------------------------------------------------------------------------


@pytest.fixture
def files_at_most() -> Iterator[Callable[[int], None]]:
    """Let no file grow beyond so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_nothing_and_buys_nothing(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, files_at_most: Callable[[int], None]
) -> None:
    pixverse_sandbox.faults([NOT_YET])
    run = task(output_path=str(tmp_path / "kite.mp4"))
    event = fire(run.begin())
    assert pixverse_sandbox.ledger()["generations"][0]["file"]["size"] > 60_000
    files_at_most(50_000)
    with pytest.raises(PixverseDownloadError, match="File too large"):
        run.resume("execute_complete", {"event": event})
    assert videos(tmp_path) == []
    assert bought(pixverse_sandbox) == (1, 1)


@pytest.mark.parametrize("taken", ["a folder stands there", "a file stands in the way"])
def test_a_target_that_cannot_be_written_leaves_nothing_and_buys_nothing_more(
    pixverse_sandbox: SandboxInTest, tmp_path: Path, taken: str
) -> None:
    if taken == "a folder stands there":
        target = tmp_path / "kite.mp4"
        target.mkdir()
    else:
        (tmp_path / "clips").write_text("not a folder")
        target = tmp_path / "clips" / "kite.mp4"
    with pytest.raises(PixverseError):
        task(output_path=str(target)).run()
    assert [path for path in videos(tmp_path) if path.is_file()] == []
    assert bought(pixverse_sandbox)[1] <= 1
