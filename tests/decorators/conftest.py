# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from operators.running import _without_waiting, dag_run  # noqa: F401
