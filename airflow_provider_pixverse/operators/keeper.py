# SPDX-License-Identifier: Apache-2.0
"""The record that a try works with: as it was loaded or last kept, and how changes of it are stored."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from airflow_provider_pixverse.exceptions import PixverseRecordError
from airflow_provider_pixverse.purchase import Intended, Submitted
from airflow_provider_pixverse.rules.pace import usual

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_pixverse.operators.records import Records
    from airflow_provider_pixverse.purchase import Purchase, Record

log = logging.getLogger(__name__)


class RecordKeeper:
    """
    Loads and stores the record of one try.

    :param records: Where it is kept.
    :param sleep: Waits so many seconds.
    """

    def __init__(self, records: Records, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.records = records
        self.record: Record | None = None
        self.in_doubt = False
        self.unread = False
        self._sleep = sleep

    @property
    def survives(self) -> bool:
        """Whether a retry finds the record."""
        return self.records.survives

    def load(self) -> Record | None:
        """
        Load the record.

        :raises PixverseRecordError: if it cannot be read; that is not the same as no record.
        """
        self.record = self.records.load()
        return self.record

    def load_if_possible(self) -> Record | None:
        """Load the record of a video that is paid for, which can be delivered without it."""
        try:
            self.unread = False
            return self.load()
        except PixverseRecordError as error:
            self.unread = True
            log.warning("%s The video is delivered without it.", error)
            return None

    def intend(self, intended: Intended) -> None:
        """
        Store that a video may be bought from now on.

        :raises PixverseRecordError: if it cannot be stored. Nothing may leave then: a retry could pay twice.
        """
        self.records.keep(intended)
        self.record = intended

    def keep(self, record: Record) -> None:
        """
        Store the record of a video that is paid for: again if it fails, and else in a later step of the try.

        :param record: What to keep.
        """
        self.record = record
        for delay in (*usual().record_retries, None):
            try:
                self.records.keep(record)
                return
            except Exception as error:
                if delay is None:
                    log.warning(
                        "The record of %s could not be updated (%s); a retry asks the gateway about it.",
                        _named(record), type(error).__name__, exc_info=True,
                    )  # fmt: skip
                    return
                self._sleep(delay)

    def forget(self) -> None:
        """Delete the record, if it can be."""
        record, self.record = self.record, None
        try:
            self.records.forget()
        except Exception:
            log.warning(
                "The record of %s could not be updated; a retry asks the gateway about it.",
                _named(record), exc_info=True,
            )  # fmt: skip


class Note:
    """
    The journal of a submission: keeps its intention before it can leave.

    :param keeper: Keeps it.
    :param intended: The intention; the key that it leaves under is filled in.
    """

    LONGEST_REFERENCE = 2048
    """Characters of what stands for a medium beyond which it is not recorded: a picture as a data URI."""

    def __init__(self, keeper: RecordKeeper, intended: Intended) -> None:
        self._keeper = keeper
        self.intended = intended

    def intend(self, key: str, *, media: Mapping[str, str], resubmitted: bool) -> None:
        """Keep the intention under this key; nothing leaves if that fails."""
        small = all(len(reference) <= self.LONGEST_REFERENCE for reference in media.values())
        noted = {"key": key, "media": dict(media) if small else {}, "resubmitted": resubmitted}
        self.intended = self.intended.model_copy(update=noted)
        self._keeper.intend(self.intended)

    def withdraw(self) -> None:
        """Take the intention back: nothing was bought, and the next send is waited for."""
        self._keeper.forget()

    def submitted(self, key: str, purchase: Purchase) -> Submitted:
        """Return the record of the purchase made under this key."""
        intended = self.intended.model_copy(update={"key": key})
        return intended.bought_as(purchase)


def _named(record: Record | None) -> str:
    match record:
        case None:
            return "the purchase"
        case Intended():
            return f"request {record.key}"
        case Submitted():
            return f"generation {record.generation_id}"
        case _:
            return f"generation {record.submitted.generation_id}"
