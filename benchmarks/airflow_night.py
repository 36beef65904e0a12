# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks on a real Airflow have in common: a folder of their own, and how a night begins."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_api import Run
    from airflow_stack import AirflowStack

DAGS = Path(__file__).parent / "airflow_dags"


def start(stack: AirflowStack, dag_id: str, prompts: list[str]) -> Run:
    return stack.api.run(dag_id, prompts=prompts, output_path=str(stack.videos))


def seconds(stack: AirflowStack, run: Run) -> float:
    """Return how long a run took, by Airflow's own clock."""
    took = "select extract(epoch from end_date - start_date) from dag_run where run_id = %s"
    ((found,),) = stack.query(took, run.run_id)
    return float(found)


@contextmanager
def private_home(name: str) -> Iterator[Path]:
    """Yield a new folder; it is kept where something failed, for its logs."""
    home = Path(tempfile.mkdtemp(prefix=f"pixverse-{name}-"))
    try:
        yield home
    except BaseException:
        print(f"What the components and tasks logged is kept in {home}", flush=True)
        raise
    shutil.rmtree(home, ignore_errors=True)


def end_everything_when_told_to() -> None:
    """Let a termination end all that was started, as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
