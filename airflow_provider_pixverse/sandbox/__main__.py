# SPDX-License-Identifier: Apache-2.0
"""The command line: ``python -m airflow_provider_pixverse.sandbox``, or ``pixverse-sandbox``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.server import Settings


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until it is interrupted."""
    options = _parser().parse_args(arguments)
    try:
        from airflow_provider_pixverse.sandbox.server import Settings
    except ModuleNotFoundError as error:
        if error.name not in ("aiohttp", "av", "PIL"):
            raise
        print(
            f"The sandbox needs {error.name}: pip install 'airflow-provider-pixverse[sandbox]'",
            file=sys.stderr,
        )
        return 1
    try:
        asyncio.run(_run(Settings(**vars(options))))
    except OSError as error:
        print(f"The sandbox cannot listen on {options.host}:{options.port}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pixverse-sandbox",
        description="PixVerse's gateways on this machine: real HTTP, real MP4 files, no key and no bill.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: loopback only)")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--speed", type=_positive, default=1.0, help="10 renders ten times as fast")
    parser.add_argument("--key", default="sandbox", help="the API key it takes (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="makes chance repeatable")
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return value


async def _run(settings: Settings) -> None:
    from airflow_provider_pixverse.sandbox.server import serve

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, _announce, stop)


def _announce(origin: str, connections: dict[str, str]) -> None:
    for connection in connections.values():
        quoted = connection.replace("'", "'\"'\"'")
        print(f"AIRFLOW_CONN_PIXVERSE_DEFAULT='{quoted}'", flush=True)


if __name__ == "__main__":
    sys.exit(main())
