# SPDX-License-Identifier: Apache-2.0
"""
The Airflow that tests run in.

Its environment is set here, before anything imports Airflow, because Airflow reads it once, at import.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _private_airflow() -> Path:
    # What a developer's own Airflow is told must not reach the tests, its connections least of all.
    for name in [name for name in os.environ if name.startswith("AIRFLOW_")]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="airflow-provider-pixverse-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    (home / "dags").mkdir()
    os.environ |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Tests change a DAG and run it again within the half minute that Airflow would wait by default.
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    return home


_HOME = _private_airflow()

# Airflow 3.0 leaves structlog as it comes where tasks run in this process: at DEBUG, and with every local
# variable, keys included, in a traceback. Later ones set it up themselves when they are imported.
structlog.configure(
    wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.set_exc_info,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ],
)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    return _HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """Make the SQLite database, once; for tests that run a DAG."""
    from airflow.utils import db

    db.initdb()
    return airflow_home / "airflow.db"


@pytest.fixture
def run_dag(airflow_db: Path) -> Callable[..., Any]:
    """Run a DAG made in a test, with `dag.test()`, and return its DagRun."""

    def run(dag: Any, **kwargs: Any) -> Any:
        _serialize(dag)
        return dag.test(**kwargs)

    return run


def _serialize(dag: Any) -> None:
    # `dag.test()` runs only what is in the database (3.1 and later), with outlets that are known there (all),
    # and would look for it in the DAGs folder itself. What writes it there has moved twice.
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:
        from airflow.models import dagbag

        DagBag, sync_bag_to_db = dagbag.DagBag, getattr(dagbag, "sync_bag_to_db", None)

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    # Reading a DAG file sets this, and 3.0 does not serialize without it.
    dag.relative_fileloc = Path(dag.fileloc).name
    bag.bag_dag(dag)
    if sync_bag_to_db is None:
        bag.sync_to_db("dags-folder", None)
    else:
        sync_bag_to_db(bag, "dags-folder", None)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    pytest.importorskip("airflow.providers.amazon", reason="the amazon provider is not installed")
    pytest.importorskip("s3fs", reason="the amazon provider is installed without s3fs")
    moto = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a client of an S3 with one empty bucket, to which the connection ``moto`` leads."""
    import boto3
    import s3fs
    from airflow.sdk.io import store

    connection = {
        "conn_type": "aws",
        "login": "key",
        "password": "secret",
        "extra": {"endpoint_url": s3_server, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_MOTO", json.dumps(connection))
    # Both remember, by connection, what another test had here.
    store._STORE_CACHE.clear()
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="campaign")
    yield client
    for found in client.list_objects_v2(Bucket="campaign").get("Contents", ()):
        client.delete_object(Bucket="campaign", Key=found["Key"])
    client.delete_bucket(Bucket="campaign")
