# SPDX-License-Identifier: Apache-2.0
"""The "Watch video" button on a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.providers.common.compat.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, TaskInstanceKey


class PixverseVideoLink(BaseOperatorLink):
    """Opens the video at the vendor, once it is finished and until its URL expires."""

    name = "Watch video"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """
        Return the video's URL; Airflow asks on the worker, when the task defers and when it ends.

        :param operator: The operator as it ran.
        :param ti_key: Not used: the operator knows its own video.
        """
        return getattr(operator, "video_url", None) or ""
