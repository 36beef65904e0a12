# SPDX-License-Identifier: Apache-2.0
"""
The vendors' gateways on loopback: real HTTP, strict validation, real MP4 files, no key and no bill.

From a shell::

    python -m airflow_provider_pixverse.sandbox --speed 10

From Python::

    with Sandbox(speed=1000) as sandbox:
        os.environ["AIRFLOW_CONN_PIXVERSE_DEFAULT"] = sandbox.connection("aimlapi")
        ...
        assert sandbox.ledger()["bought"] == 1

In pytest, the fixture ``pixverse_sandbox`` (:mod:`airflow_provider_pixverse.sandbox.pytest_plugin`).
What can be made to go wrong is listed in :mod:`airflow_provider_pixverse.sandbox.faults`, what is
counted in :mod:`airflow_provider_pixverse.sandbox.ledger`.

It does not import the rest of the provider: it is there to catch the provider's mistakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_pixverse.sandbox.local import Sandbox

__all__ = ["Sandbox"]


def __getattr__(name: str) -> Any:
    # The web server and the video encoder take most of a second to import, and pytest imports this
    # package at the start of every session of everybody who has the provider installed.
    if name == "Sandbox":
        from airflow_provider_pixverse.sandbox.local import Sandbox

        return Sandbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
