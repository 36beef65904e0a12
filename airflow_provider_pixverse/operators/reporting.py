# SPDX-License-Identifier: Apache-2.0
"""
What a task leaves for others to see: XComs for its resumption and for the gallery, and its outlets' events.

A video is paid for by then: nothing that fails here fails the task.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from airflow_provider_pixverse.operators.outlets import tell_outlets
from airflow_provider_pixverse.purchase import XCOM_KEY, from_xcom
from airflow_provider_pixverse.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.exceptions import PixverseError
    from airflow_provider_pixverse.purchase import Purchase

log = logging.getLogger(__name__)

LONGEST_CAUSE = 500
"""Characters of an error's message that are kept with the purchase."""


class Reporter:
    """
    Pushes the XComs of one try.

    :param context: The task's context.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._ti = context["ti"]
        self._kept: dict[str, Any] | None = None

    def announce(self, purchase: Purchase) -> None:
        """Push the id, then all that is known of the purchase."""
        self._push("generation_id", purchase.generation_id)
        self.keep(purchase)

    def keep(self, purchase: Purchase) -> None:
        """Push what is known of the purchase."""
        self._kept = purchase.as_xcom(self._ti.try_number)
        self._push(XCOM_KEY, self._kept)

    def kept(self) -> tuple[Purchase, int | None] | None:
        """Return the purchase that this task has pushed, and the try that did; ``None`` if there is none."""
        ti = self._ti
        value = ti.xcom_pull(task_ids=ti.task_id, key=XCOM_KEY, map_indexes=ti.map_index)
        self._kept = value if isinstance(value, dict) else None
        return from_xcom(value)

    def fail(self, error: PixverseError, said: Iterable[str]) -> None:
        """
        Keep with the purchase why the task failed after it; nothing if nothing was bought by this try.

        :param error: What ends the try.
        :param said: The words of the request, which are cut out of the message.
        """
        if self._kept is not None and self._kept.get("try_number") in (None, self._ti.try_number):
            told = {"type": type(error).__name__, "message": cause(error, said)}
            self._push(XCOM_KEY, {**self._kept, "error": told})

    def tell_outlets(self, outlets: Iterable[Any], result: dict[str, Any]) -> None:
        """
        Give the result to the events of the task's outlets.

        :param outlets: The outlets.
        :param result: The task's result.
        """
        tell_outlets(self._context, outlets, result)

    def _push(self, key: str, value: Any) -> None:
        try:
            self._ti.xcom_push(key=key, value=value)
        except Exception as error:
            log.warning("The XCom %s could not be pushed: %s.", key, type(error).__name__)
            log.debug("The XCom %s could not be pushed.", key, exc_info=True)


def cause(error: PixverseError, said: Iterable[str]) -> str:
    """
    Return an error's message as it may be shown: without a URL and without the words of the request.

    :param error: The error.
    :param said: What a vendor may have repeated.
    """
    message = str(error)
    for words in sorted(filter(None, said), key=len, reverse=True):
        message = message.replace(words, "[prompt]")
    return redact(re.sub(r"\bhttps?://\S+", "[URL]", message), limit=LONGEST_CAUSE)
