# SPDX-License-Identifier: Apache-2.0
"""
What a retry does, by the cause of the failure; Airflow 3.3 and later, as before there are only retries.

Errors that a retry would only repeat (a wrong field, a refused key, no credits, moderation) never come
to the policy: they end the task at once, and nothing is bought.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_pixverse.exceptions import (
    PixverseDownloadError,
    PixverseGenerationFailed,
    PixverseRateLimitError,
    PixverseTimeout,
    PixverseUnavailableError,
)
from airflow_provider_pixverse.operators.pixverse import PixverseTextToVideoOperator

try:
    from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
except ImportError:
    BY_CAUSE: dict[str, Any] = {}
else:
    BY_CAUSE = {
        "retry_policy": ExceptionRetryPolicy(
            rules=[
                RetryRule(
                    [PixverseTimeout, PixverseDownloadError],
                    RetryAction.RETRY,
                    retry_delay=timedelta(minutes=1),
                    reason="The video is paid for: a retry goes on with it and costs nothing.",
                ),
                RetryRule(
                    [PixverseRateLimitError, PixverseUnavailableError],
                    RetryAction.RETRY,
                    retry_delay=timedelta(minutes=30),
                    reason="Nothing was bought, and the gateway needs time.",
                ),
                RetryRule(
                    PixverseGenerationFailed,
                    RetryAction.FAIL,
                    reason="A retry would buy another video: let a person look at the prompt first.",
                ),
            ],
            # An error that no rule names.
            default=RetryAction.DEFAULT,
        )
    }

OUTPUT = os.environ.get("PIXVERSE_EXAMPLE_OUTPUT", "/tmp/pixverse")  # noqa: S108

with DAG("pixverse_retry_policy", schedule=None, tags=["pixverse"], doc_md=__doc__) as dag:
    PixverseTextToVideoOperator(
        task_id="glacier",
        prompt="A glacier calves into a blue fjord, seen from a boat",
        output_path=f"{OUTPUT}/glacier.mp4",
        retries=5,
        **BY_CAUSE,
    )
