# SPDX-License-Identifier: Apache-2.0
"""Makes one video with the first example DAG against the sandbox: no key, no spending."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from sandbox_process import GATEWAYS, sandbox

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
VIDEOS = DEMO / "videos"
EXAMPLES = ROOT / "dags_examples"


def configure_airflow(connection: str) -> None:
    """Set the environment that Airflow reads when it is first imported."""
    home = DEMO / "airflow"
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW_CONN_PIXVERSE_DEFAULT": connection,
        "PIXVERSE_EXAMPLE_OUTPUT": str(VIDEOS),
    }


def load_dag(path: Path) -> Any:
    """Import a DAG file and return the DAG in it."""
    from airflow.sdk import DAG

    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    dags = [value for value in vars(module).values() if isinstance(value, DAG)]
    if not dags:
        raise SystemExit(f"{path} defines no DAG at module level")
    return dags[0]


def run_dag(path: Path) -> str:
    """Run the DAG in this process, as `airflow dags test` does, and return the state it ended in."""
    from airflow.utils import db

    db.initdb()
    return str(load_dag(path).test().state)


def newest_video() -> Path | None:
    return max(VIDEOS.rglob("*.mp4"), key=lambda path: path.stat().st_mtime, default=None)


def describe(video: Path) -> str:
    """Measure the video, leave a still from its middle beside it, and say so."""
    import av

    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        seconds = (container.duration or 0) / av.time_base
        size = f"{stream.width} x {stream.height}, {seconds:.2f} s, {video.stat().st_size:,} bytes"
        still = video.with_suffix(".png")
        _middle_frame(container, seconds).to_image().save(still)
        return "\n".join(
            (
                f"  video     {video}",
                f"  size      {size}",
                f"  still     {still}",
            )
        )


def _middle_frame(container: Any, seconds: float) -> Any:
    frame = None
    for frame in container.decode(video=0):
        if frame.time is not None and frame.time >= seconds / 2:
            break
    if frame is None:
        raise SystemExit("the video has no picture in it")
    return frame


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gateway", choices=GATEWAYS, default=GATEWAYS[0])
    parser.add_argument("--dag", type=Path, default=EXAMPLES / "text_to_video.py")
    parser.add_argument(
        "--speed", type=float, default=20.0, help="the sandbox renders this much faster than life"
    )
    options = parser.parse_args()

    # Nothing from an earlier run may pass for the result of this one.
    shutil.rmtree(DEMO, ignore_errors=True)
    VIDEOS.mkdir(parents=True)
    started = time.monotonic()
    with sandbox(speed=options.speed) as connections:
        configure_airflow(connections[options.gateway])
        state = run_dag(options.dag)
    took = time.monotonic() - started

    video = newest_video()
    print(f"\n{'-' * 72}\n{options.dag.stem} on {options.gateway}: {state} after {took:.0f} s", flush=True)
    if state != "success" or video is None:
        print("no video was delivered; the reason is in the log above")
        return 1
    print(describe(video))
    return 0


if __name__ == "__main__":
    sys.exit(main())
