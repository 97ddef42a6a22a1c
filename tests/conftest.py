"""Fixtures on a real Postgres: one server for the session, one migrated database of its own for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate


@contextmanager
def _server_folder() -> Iterator[Path]:
    # pytest's own temporary folders are private, and root's server runs under another account.
    folder = Path(tempfile.mkdtemp(prefix="pw-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """An empty folder that the embedded server's account can enter."""
    with _server_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """The URL of a server whose user may create databases: `PW_TEST_DATABASE_URL`, else an embedded one."""
    given = os.environ.get("PW_TEST_DATABASE_URL")
    if given:
        yield given
    else:
        with _server_folder() as folder, embedded_server(folder) as url:
            _hurry(url)
            yield url


def _hurry(url: str) -> None:
    """Leave the disk out: nobody kills this server (tests that do have their own), and each test drops a database."""
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


@pytest.fixture(scope="session")
def database_template(database_server: str) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to."""
    with _database(database_server, template=None) as url:
        migrate(url)
        yield str(conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database_url(database_server: str, database_template: str) -> Iterator[str]:
    """The URL of a migrated database of this test's own, dropped afterwards."""
    with _database(database_server, template=database_template) as url:
        yield url


@pytest.fixture
def empty_database_url(database_server: str) -> Iterator[str]:
    """The URL of a database without a schema, dropped after the test."""
    with _database(database_server, template=None) as url:
        yield url


@contextmanager
def _database(server: str, *, template: str | None) -> Iterator[str]:
    # The name is random, so that several runs may share one server.
    name = sql.Identifier(f"pw_test_{uuid.uuid4().hex}")
    # A copy of files is the faster one where nothing waits for the disk.
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
        name, sql.Identifier(template or "template0")
    )
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(create)
    try:
        yield _url_of(server, name.as_string().strip('"'))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _url_of(server: str, database: str) -> str:
    """The server's URL with another database, as a URL again, because some libraries read nothing else."""
    parameters = conninfo_to_dict(make_conninfo(server, dbname=database))
    return f"postgresql:///?{urlencode({name: value for name, value in parameters.items() if value})}"


_INSERT_RAW = """
    WITH sent AS (
        SELECT
            split_part(%(stream_id)s, '.', 1) AS task_id, %(stream_id)s::text AS stream_id,
            %(message_id)s::uuid AS message_id, %(type)s::text AS type,
            %(schema_version)s::smallint AS schema_version, %(worker_id)s::text AS worker_id,
            %(lease_epoch)s::integer AS lease_epoch,
            %(occurred_at)s::timestamptz AS occurred_at, %(payload)s::jsonb AS payload
    )
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch,
        occurred_at, payload, content_hash
    )
    SELECT
        task_id, stream_id, (SELECT count(*) + 1 FROM ledger.event WHERE stream_id = sent.stream_id),
        nextval('ledger.position'), message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload,
        sha256(convert_to(ledger.content_text(
            task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload
        ), 'UTF8'))
    FROM sent
    RETURNING position
"""


@pytest.fixture
def append_raw() -> Callable[..., list[int]]:
    """Store rows without the domain: `append_raw(connection, rows)` gives positions; columns may be left out."""
    numbers = itertools.count(1)

    def append(connection: psycopg.Connection, rows: Sequence[Mapping[str, object]]) -> list[int]:
        positions = []
        for row in rows:
            columns = {
                "stream_id": "tree.1",
                "message_id": uuid.UUID(int=next(numbers)),
                "type": "progress",
                "schema_version": 1,
                "worker_id": None,
                "lease_epoch": None,
                "occurred_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
                "payload": "{}",
            }
            positions += [position for (position,) in connection.execute(_INSERT_RAW, columns | dict(row))]
        return positions

    return append
