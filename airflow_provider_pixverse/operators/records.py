# SPDX-License-Identifier: Apache-2.0
"""
Where the record of a purchase is kept between the tries of a task.

In Airflow's task state store (3.3 and later), which survives retries and clears; before that in a small
JSON file in object storage. A mapped task keeps a copy there in any case if there is a place for it, since
its index, by which Airflow's store knows it, may be another one after a clear. Only reading and writing is
here; what a record means is in ``rules/records.py``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import ObjectStoragePath, conf

from airflow_provider_pixverse import purchase
from airflow_provider_pixverse.exceptions import PixverseRecordError
from airflow_provider_pixverse.purchase import Delivered, Mark
from airflow_provider_pixverse.storage import replace_file

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_pixverse.purchase import Record

log = logging.getLogger(__name__)

KEY = "pixverse_submission"
"""Key of the record in the task state store."""


class Records(Protocol):
    """Keeps the one record of a task instance."""

    @property
    def survives(self) -> bool:
        """Whether a retry finds what this try keeps."""

    def load(self) -> Record | None:
        """
        Return the record, or ``None`` if there is none.

        :raises PixverseRecordError: if that could not be found out.
        """

    def keep(self, record: Record) -> None:
        """
        Store the record in place of the last one.

        :raises PixverseRecordError: if it could not be stored.
        """

    def forget(self) -> None:
        """Delete the record."""

    def of_other_indexes(self, fingerprint: str) -> list[Record]:
        """
        Return the records of the other indexes of a mapped task that ask for the same.

        :param fingerprint: Of the request.
        """


def mark_of(context: Context, retries: int | None) -> Mark:
    """
    Return what tells a clear of the task from a retry.

    :param context: The task's context.
    :param retries: Of the task, as its author wrote it.
    """
    ti, dag_run = context["ti"], context.get("dag_run")
    clear_number = getattr(dag_run, "clear_number", None)
    return Mark(
        max_tries=getattr(ti, "max_tries", None) or 0,
        try_number=ti.try_number,
        retries=retries or 0,
        clear_number=clear_number if isinstance(clear_number, int) else None,
    )


def records_for(context: Context, output_path: str | None) -> Records:
    """
    Return where the record of this task instance is kept.

    :param context: The task's context.
    :param output_path: Where the video goes; the record lies beside it if nothing better is there.
    """
    ti = context["ti"]
    folder = conf.get("pixverse", "state_path", fallback="") or _folder_of(output_path)
    index = -1 if ti.map_index is None else ti.map_index
    store = context.get("task_state_store")
    if not folder:
        return Nowhere() if store is None else _InStateStore(store)
    shelf = _Shelf(folder, [ti.dag_id, ti.run_id, ti.task_id], index)
    own = shelf.own() if store is None else _InStateStore(store)
    return _OfMapped(own, shelf) if index >= 0 else own


class Nowhere:
    """Keeps nothing: there is no place for a record, or none is wanted."""

    survives = False

    def load(self) -> None:
        """Return none."""

    def keep(self, record: Record) -> None:
        """Keep nothing."""

    def forget(self) -> None:
        """Forget nothing."""

    def of_other_indexes(self, fingerprint: str) -> list[Record]:
        """Return none."""
        return []


class _InStateStore:
    survives = True

    def __init__(self, store: Any) -> None:
        self._store = store

    def load(self) -> Record | None:
        try:
            stored = self._store.get(KEY)
        except Exception as error:
            raise _unreadable("Airflow's task state store", error) from error
        return None if stored is None else purchase.decode(stored)

    def keep(self, record: Record) -> None:
        try:
            self._store.set(KEY, purchase.encode(record))
        except Exception as error:
            raise _unwritable("Airflow's task state store", error) from error

    def forget(self) -> None:
        self._store.delete(KEY)

    def of_other_indexes(self, fingerprint: str) -> list[Record]:
        return []


class _InObjectStorage:
    survives = True

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
        return purchase.decode(stored)

    def keep(self, record: Record) -> None:
        content = json.dumps(purchase.encode(record)).encode()
        try:
            replace_file(self._path.fs, self._path.path, content)
        except Exception as error:
            raise _unwritable(self._url, error) from error

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)

    def of_other_indexes(self, fingerprint: str) -> list[Record]:
        return []


class _Shelf:
    """
    The records of one task and run in object storage.

    :param folder: Where they lie.
    :param task: DAG id, run id, task id.
    :param map_index: Of this task instance.
    """

    def __init__(self, folder: str, task: list[str], map_index: int) -> None:
        self._folder = folder.removesuffix("/")
        self._task = task
        self._map_index = map_index

    def own(self) -> Records:
        """Return the record of this task instance, known by its index."""
        name = _digest([*self._task, self._map_index])
        return _InObjectStorage(f"{self._folder}/.pixverse-{name}.json")

    def copy(self, fingerprint: str) -> _InObjectStorage:
        """Return the copy of the record, known by what was asked for."""
        return _InObjectStorage(f"{self._folder}/{self._prefix(fingerprint)}{self._map_index}.json")

    def others(self, fingerprint: str) -> list[_InObjectStorage]:
        """Return the copies that other indexes keep of records that ask for the same."""
        prefix = self._prefix(fingerprint)
        path = ObjectStoragePath(self._folder)
        names = [each.name for each in path.iterdir()] if path.exists() else []
        found = sorted(name for name in names if name.startswith(prefix) and name.endswith(".json"))
        own = f"{prefix}{self._map_index}.json"
        return [_InObjectStorage(f"{self._folder}/{name}") for name in found if name != own]

    def _prefix(self, fingerprint: str) -> str:
        return f".pixverse-{_digest(self._task)}-{fingerprint[:16]}-"


class _OfMapped:
    """Keeps the record of one index of a mapped task, and a copy that another index can find."""

    survives = True

    def __init__(self, own: Records, shelf: _Shelf) -> None:
        self._own = own
        self._shelf = shelf
        self._last: Record | None = None

    def load(self) -> Record | None:
        self._last = self._own.load()
        return self._last

    def keep(self, record: Record) -> None:
        self._own.keep(record)
        self._last = record
        # What is delivered is of no use to another index.
        self._copy(record, wanted=not isinstance(record, Delivered))

    def forget(self) -> None:
        self._own.forget()
        if self._last is not None:
            self._copy(self._last, wanted=False)

    def of_other_indexes(self, fingerprint: str) -> list[Record]:
        try:
            found = [each.load() for each in self._shelf.others(fingerprint)]
        except Exception as error:
            raise _unreadable("object storage", error) from error
        return [record for record in found if record is not None]

    def _copy(self, record: Record, *, wanted: bool) -> None:
        # The record itself is kept: without its copy only a list that changes after a clear is worse off.
        try:
            copy = self._shelf.copy(purchase.intended(record).fingerprint)
            if wanted:
                copy.keep(record)
            else:
                copy.forget()
        except Exception as error:
            log.warning("A copy of the record could not be kept: %s.", type(error).__name__)


def _digest(identity: list[Any]) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]


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
