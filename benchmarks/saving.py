# SPDX-License-Identifier: Apache-2.0
"""
Saving a large video, checked and hashed on its way, beside curl on the same local server.

They take turns, each time in a new process and to a disk that has nothing left to write; the fastest of each
counts. Prints one line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from vendor import vendor

MIB = 1024 * 1024


def save(url: str, target: str) -> None:
    """Save the video as the hook does, and tell how long it took and how much memory it took at most."""
    from fsspec.implementations.local import LocalFileSystem

    from airflow_provider_pixverse import storage
    from airflow_provider_pixverse.client import download

    # What is loaded once is not counted: a small video comes first.
    small = url.rsplit("/", 1)[0] + f"/{MIB}.mp4"
    storage.save(partial(download, small), LocalFileSystem(), f"{target}.small", generation_id="small")
    before, begun = peak_memory(), time.perf_counter()
    storage.save(partial(download, url), LocalFileSystem(), target, generation_id="large")
    print(json.dumps({"seconds": time.perf_counter() - begun, "more": peak_memory() - before}))


def peak_memory() -> int:
    """Return the most memory that this process ever held, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def clear(target: str) -> None:
    """Remove what was saved before: replacing a file lets some file systems write all of it out at once."""
    Path(target).unlink(missing_ok=True)
    os.sync()


def curl(url: str, target: str) -> float:
    begun = time.perf_counter()
    subprocess.run(["curl", "--silent", "--fail", "--output", target, url], check=True)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the video (default: 1024 MiB)")
    parser.add_argument("--times", type=int, default=5, help="how often each saves it (default: 5)")
    parser.add_argument("--folder", help="where to (default: a temporary folder)")
    parser.add_argument("--save", nargs=2, metavar=("URL", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.save:
        save(*options.save)
        return
    ours, theirs, more = [], [], 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, vendor() as base:
        url, target = f"{base}/{options.mib * MIB}.mp4", f"{folder}/video.mp4"
        for _ in range(options.times):
            clear(target)
            theirs.append(curl(url, target))
            clear(target)
            command = [sys.executable, __file__, "--save", url, target]
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            told = json.loads(run.stdout.splitlines()[-1])
            ours.append(told["seconds"])
            more = max(more, told["more"])
            assert Path(target).stat().st_size == options.mib * MIB
    print(
        f"saving {options.mib} MiB: {options.mib / min(ours):.0f} MiB/s, curl "
        f"{options.mib / min(theirs):.0f} MiB/s ({min(theirs) / min(ours):.2f} of it), "
        f"{more / MIB:.1f} MiB more memory"
    )


if __name__ == "__main__":
    main()
