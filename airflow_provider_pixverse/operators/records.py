# SPDX-License-Identifier: Apache-2.0
"""
Where the record of a purchase is kept between the tries of a task.

In Airflow's task state store (3.3 and later), which survives retries and clears; before that in a small
JSON file in object storage. Only reading and writing is here; what a record means is in
``submission.py``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from airflow_provider_pixverse import submission
from airflow_provider_pixverse.exceptions import PixverseRecordError
from airflow_provider_pixverse.storage import replace_file

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.submission import Record

log = logging.getLogger(__name__)

KEY = "pixverse_submission"
"""Key of the record in the task state store."""


class Records(Protocol):
    """Keeps the one record of a task instance."""

    def load(self) -> Record | None:
        """
        Return the record, or ``None`` where there is none.

        :raises PixverseRecordError: where that could not be found out.
        """

    def keep(self, record: Record) -> None:
        """
        Store the record in place of the last one.

        :raises PixverseRecordError: where it could not be stored.
        """

    def forget(self) -> None:
        """Delete the record."""


def records_for(context: Context, output_path: str | None) -> Records | None:
    """
    Return where the record of this task instance is kept, or ``None`` where there is no place for it.

    :param context: The task's context.
    :param output_path: Where the video goes; the record lies beside it where nothing better is there.
    """
    store = context.get("task_state_store")
    if store is not None:
        return _InStateStore(store)
    folder = conf.get("pixverse", "state_path", fallback="") or _folder_of(output_path)
    if not folder:
        return None
    ti = context["ti"]
    identity = json.dumps([ti.dag_id, ti.run_id, ti.task_id, ti.map_index])
    name = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return _InObjectStorage(f"{folder.removesuffix('/')}/.pixverse-{name}.json")


class _InStateStore:
    def __init__(self, store: Any) -> None:
        self._store = store

    def load(self) -> Record | None:
        try:
            stored = self._store.get(KEY)
        except Exception as error:
            raise _unreadable("Airflow's task state store", error) from error
        return None if stored is None else submission.decode(stored)

    def keep(self, record: Record) -> None:
        try:
            self._store.set(KEY, submission.encode(record))
        except Exception as error:
            raise _unwritable("Airflow's task state store", error) from error

    def forget(self) -> None:
        self._store.delete(KEY)


class _InObjectStorage:
    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._path = ObjectStoragePath(url)
            self._path.fs  # noqa: B018 - where nothing answers to the URL, this is what says so
        except Exception as error:
            raise _unreadable(url, error) from error

    def load(self) -> Record | None:
        try:
            stored = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            stored = None
        except Exception as error:
            raise _unreadable(self._url, error) from error
        return submission.decode(stored)

    def keep(self, record: Record) -> None:
        content = json.dumps(submission.encode(record)).encode()
        try:
            replace_file(self._path.fs, self._path.path, content)
        except Exception as error:
            raise _unwritable(self._url, error) from error

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def _folder_of(output_path: str | None) -> str:
    if not output_path:
        return ""
    folder, slash, _ = str(output_path).rpartition("/")
    return f"{folder}/" if slash else "./"


def _unreadable(where: str, error: Exception) -> PixverseRecordError:
    return PixverseRecordError(
        f"The record of earlier tries in {where} cannot be read, so it is not known whether this video is "
        f"paid for already: {type(error).__name__}: {error}. This try bought nothing."
    )


def _unwritable(where: str, error: Exception) -> PixverseRecordError:
    return PixverseRecordError(
        f"The record of this submission cannot be written to {where}: {type(error).__name__}: {error}. "
        f"Without it a retry could pay twice."
    )
