# SPDX-License-Identifier: Apache-2.0
"""An auth manager that shows one user some DAGs and not others, as those for more than a try do."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

ONLY: dict[str, set[str]] = {"marketing": {"product_clips"}}
"""The DAGs of users who do not see all of them."""


class PerDagAuthManager(SimpleAuthManager):
    """Airflow's simple auth manager, with rights a DAG."""

    def is_authorized_dag(
        self, *, method: Any, user: Any, access_entity: Any = None, details: Any = None
    ) -> bool:
        if details is not None and details.id and details.id not in ONLY.get(user.username, {details.id}):
            return False
        return bool(
            super().is_authorized_dag(method=method, user=user, access_entity=access_entity, details=details)
        )
