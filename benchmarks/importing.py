# SPDX-License-Identifier: Apache-2.0
"""
What importing a provider's operators costs after `airflow.sdk`: every parse of a DAG file pays it.

Each time in a new process, the providers in turn; the median counts. Prints one line.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

OPERATORS = {
    "this provider": "airflow_provider_pixverse.operators.pixverse",
    "openai": "airflow.providers.openai.operators.openai",
    "anthropic": "airflow.providers.anthropic.operators.batch",
    "dbt-cloud": "airflow.providers.dbt.cloud.operators.dbt",
}
CODE = """
import time
import airflow.sdk
from airflow.sdk import DAG
from airflow.providers.common.compat.sdk import BaseOperator, BaseHook

begun = time.perf_counter()
import {module}

print(time.perf_counter() - begun)
"""


def seconds(module: str) -> float:
    """Return what one import takes, in a process of its own."""
    command = [sys.executable, "-c", CODE.format(module=module)]
    environment = os.environ | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(run.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="how often each is imported (default: 5)")
    options = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in OPERATORS}
    for _ in range(options.times):
        for name, module in OPERATORS.items():
            taken[name].append(seconds(module))
    told = (f"{name} {1000 * statistics.median(each):.0f} ms" for name, each in taken.items())
    print(f"import of the operators after airflow.sdk: {', '.join(told)}")


if __name__ == "__main__":
    main()
