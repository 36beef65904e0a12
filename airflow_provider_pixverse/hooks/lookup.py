# SPDX-License-Identifier: Apache-2.0
"""
What a failed lookup of a connection means: it does not exist, or it could not be asked for.

Airflow answers "isn't defined" to both, since it leaves out any secrets backend that raises. A task that ends
for good because a vault was restarted would be wrong, so the backends are asked once more, for their errors.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_provider_pixverse.exceptions import PixverseError, PixverseNotSentError, PixverseRequestError
from airflow_provider_pixverse.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def explained(conn_id: str, *, ask_again: bool = True) -> Iterator[None]:
    """
    Raise what goes wrong while a connection is looked up as an error of ours.

    :param conn_id: The connection.
    :param ask_again: Whether the secrets backends may be asked why they do not have it, which blocks. If
        not, a connection that is not found counts as one that could not be asked for.
    :raises PixverseRequestError: if there is no such connection; a retry would find none either.
    :raises PixverseNotSentError: if it could not be asked for; a retry may find it.
    """
    try:
        yield
    except PixverseError:
        raise
    except AirflowNotFoundException as error:
        trouble = trouble_of_backends(conn_id) if ask_again else "it is not defined, or a backend is away"
        if not trouble:
            raise PixverseRequestError(
                f"There is no connection {conn_id!r}, nothing was sent. Make one of type 'pixverse' whose "
                f"password is the API key: in Airflow under Admin, Connections, or as the environment "
                f"variable AIRFLOW_CONN_{conn_id.upper()}; or correct pixverse_conn_id."
            ) from error
        raise PixverseNotSentError(
            f"connection {conn_id!r} could not be looked up, nothing was sent: {trouble}."
        ) from error
    except Exception as error:
        # Not chained: Airflow quotes a URI that it cannot read, and with it the key.
        raise PixverseNotSentError(
            f"connection {conn_id!r} could not be looked up, nothing was sent: {type(error).__name__}: "
            f"{redact(error)}"
        ) from None


def trouble_of_backends(conn_id: str) -> str:
    """
    Return why a connection may exist although Airflow did not find it, or an empty string.

    :param conn_id: The connection.
    """
    try:
        from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

        backends = list(ensure_secrets_backend_loaded())
    except Exception as error:
        return f"the secrets backends cannot be loaded ({type(error).__name__})"
    for backend in backends:
        try:
            if backend.get_connection(conn_id=conn_id):
                return f"{type(backend).__name__} did not have it a moment ago"
        except Exception as error:
            return f"{type(backend).__name__} fails ({type(error).__name__})"
    return _trouble_of_the_api_server(conn_id)


def _trouble_of_the_api_server(conn_id: str) -> str:
    # Airflow's own backend for workers returns None for any error of the API server; what it was is only
    # said on the channel that it asks through.
    try:
        from airflow.sdk.execution_time import comms, task_runner

        channel: Any = getattr(task_runner, "SUPERVISOR_COMMS", None)
        if channel is None:
            return ""
        answer = channel.send(comms.GetConnection(conn_id=conn_id))
    except Exception as error:
        return f"the API server cannot be asked ({type(error).__name__})"
    kind = getattr(getattr(answer, "error", None), "value", "")
    return "" if kind in ("", "CONNECTION_NOT_FOUND") else f"the API server answers {kind}"
