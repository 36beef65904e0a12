# SPDX-License-Identifier: Apache-2.0
"""Rows of the behaviour table about the file: downloads that go wrong, and what was at output_path before."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_pixverse.exceptions import PixverseDownloadError
from conformance.world import next_try

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.world import World

DOWNLOAD_FAULTS = pytest.mark.parametrize(
    "fault",
    [
        {"truncate": True},
        {"truncate_quietly": True},
        {"html": True},
        {"empty": True},
        {"status": 404},
        {"status": 503},
        {"drop": "before"},
        {"status": 200, "body": "no film at all"},
    ],
    ids=str,
)


@DOWNLOAD_FAULTS
def test_a_download_that_fails_leaves_nothing_and_is_not_bought_again(
    world: World, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """Row: download breaks off, wrong length, not an MP4: nothing is left, then the task is retried."""
    world.faults({"on": "download", "times": None, **fault})
    run = world.task(output_path=f"{tmp_path}/kite.mp4")
    with pytest.raises(PixverseDownloadError, match="paid for") as failed:
        run.run()
    assert not isinstance(failed.value, AirflowFailException)
    assert list(tmp_path.iterdir()) == []
    world.faults()
    result = next_try(run).run()
    assert [file.name for file in tmp_path.iterdir()] == ["kite.mp4"]
    assert hashlib.sha256((tmp_path / "kite.mp4").read_bytes()).hexdigest() == result["sha256"]
    assert result["sha256"] == world.row["file"]["sha256"]
    assert world.sent == (1, 1)


@DOWNLOAD_FAULTS
def test_the_download_alone_is_tried_again_first(world: World, tmp_path: Path, fault: dict[str, Any]) -> None:
    """Row: download breaks off …: the download alone is retried."""
    world.faults({"on": "download", "times": 2, **fault})
    result = world.task(output_path=f"{tmp_path}/kite.mp4").run()
    assert (tmp_path / "kite.mp4").stat().st_size == result["size_bytes"] == world.row["file"]["size"]
    assert world.used() == [2]
    assert world.sent == (1, 1)


def test_a_folder_that_cannot_be_written_to(world: World, tmp_path: Path) -> None:
    """Row: download …, disk or bucket full: the video is not bought again."""
    (tmp_path / "file").write_text("in the way")
    run = world.task(output_path=f"{tmp_path}/file/kite.mp4")
    with pytest.raises(PixverseDownloadError):
        run.run()
    (tmp_path / "file").unlink()
    assert next_try(run).run()["generation_id"] == world.row["id"]
    assert (tmp_path / "file" / "kite.mp4").exists()
    assert world.sent == (1, 1)


def test_what_is_at_the_output_path_is_replaced(world: World, tmp_path: Path) -> None:
    """Row: output_path exists: kept while the new one cannot be had, then replaced."""
    (tmp_path / "kite.mp4").write_text("the old one")
    run = world.task(output_path=f"{tmp_path}/kite.mp4")
    world.faults({"on": "download", "truncate": True, "times": None})
    with pytest.raises(PixverseDownloadError):
        run.run()
    assert (tmp_path / "kite.mp4").read_text() == "the old one"
    world.faults()
    assert next_try(run).run()["size_bytes"] == (tmp_path / "kite.mp4").stat().st_size
    assert [file.name for file in tmp_path.iterdir()] == ["kite.mp4"]


def test_a_folder_gets_a_file_named_after_the_id(world: World, tmp_path: Path) -> None:
    """Field output_path: a trailing slash means a folder."""
    result = world.task(output_path=f"{tmp_path}/clips/").run()
    assert result["output_path"] == f"{tmp_path}/clips/{world.row['id']}.mp4"
    assert [file.name for file in (tmp_path / "clips").iterdir()] == [f"{world.row['id']}.mp4"]


def test_a_whole_film_of_another_size_than_described_is_delivered(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Smaller things: a paid video is not held back because of its description."""
    world.faults({"on": "submit", "wrong_file_size": True})
    size = world.task(output_path=f"{tmp_path}/kite.mp4").run()["size_bytes"]
    assert size == world.row["file"]["size"] == (tmp_path / "kite.mp4").stat().st_size
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    named = [line for line in warnings if str(size) in line and str(size + 1024) in line]
    assert len(named) == int(world.vendor.states_size)
