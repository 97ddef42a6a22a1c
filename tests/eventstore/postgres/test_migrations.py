"""Migrations run once, views follow their files, and the ledger refuses change."""

from __future__ import annotations

import hashlib
import importlib.resources
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from domain.errors import LedgerError
from eventstore.postgres import migrations
from eventstore.postgres.migrations import migrate


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement).fetchall()


def names_of_migrations() -> list[str]:
    return [name for name in sorted(_stems("migrations")) if not name.endswith(".rollback")]


def _stems(folder: str) -> list[str]:
    files = importlib.resources.files("sql").joinpath(folder).iterdir()
    return [file.name.removesuffix(".sql") for file in files if file.name.endswith(".sql")]


@pytest.fixture
def views_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands in for `sql/views`."""
    real = migrations._files
    monkeypatch.setattr(
        migrations, "_files", lambda name: sorted(tmp_path.iterdir()) if name == "views" else real(name)
    )
    return tmp_path


def test_an_empty_database_gets_every_migration_in_order(empty_database_url: str) -> None:
    assert migrate(empty_database_url) == names_of_migrations()


def test_migrating_again_changes_nothing(empty_database_url: str) -> None:
    migrate(empty_database_url)
    before = query(empty_database_url, "SELECT oid, relfilenode, xmin::text FROM pg_class ORDER BY oid")
    assert migrate(empty_database_url) == []
    after = query(empty_database_url, "SELECT oid, relfilenode, xmin::text FROM pg_class ORDER BY oid")
    assert before == after


def test_migrations_at_the_same_time_apply_each_file_once(empty_database_url: str) -> None:
    callers = 4
    barrier = threading.Barrier(callers)

    def one_caller(_: int) -> list[str]:
        barrier.wait()
        return migrate(empty_database_url)

    with ThreadPoolExecutor(callers) as pool:
        applied = [name for names in pool.map(one_caller, range(callers)) for name in names]
    assert sorted(applied) == names_of_migrations()


def test_the_lock_of_a_killed_migration_is_no_obstacle(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE SCHEMA migration")
        connection.execute(
            "CREATE TABLE migration.yoyo_lock (locked int PRIMARY KEY DEFAULT 1, ctime timestamp, pid int NOT NULL)"
        )
        connection.execute("INSERT INTO migration.yoyo_lock (pid) VALUES (1)")
    assert migrate(empty_database_url) == names_of_migrations()


def test_the_schema_public_stays_empty(database_url: str) -> None:
    assert query(database_url, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_a_function_arrives_in_the_database_as_its_file_has_it(database_url: str) -> None:
    [(body,)] = query(database_url, "SELECT prosrc FROM pg_proc WHERE oid = 'ledger.refuse_change'::regproc")
    file = importlib.resources.files("sql").joinpath("migrations/0001_ledger.sql")
    assert str(body) in file.read_text(encoding="utf-8")


def test_no_view_files_give_an_empty_schema(empty_database_url: str, views_folder: Path) -> None:
    migrate(empty_database_url)
    assert query(empty_database_url, "SELECT obj_description('analytics'::regnamespace) IS NOT NULL") == [(True,)]


def test_views_follow_their_files(database_url: str, views_folder: Path) -> None:
    (views_folder / "01_one.sql").write_text("CREATE VIEW analytics.one AS SELECT 1 AS n;")
    (views_folder / "02_two.sql").write_text("CREATE VIEW analytics.two AS SELECT n + 1 AS n FROM analytics.one;")
    migrate(database_url)
    assert query(database_url, "TABLE analytics.two") == [(2,)]

    (views_folder / "01_one.sql").write_text("CREATE VIEW analytics.one AS SELECT 10 AS n;")
    migrate(database_url)
    assert query(database_url, "TABLE analytics.two") == [(11,)]

    (views_folder / "02_two.sql").unlink()
    migrate(database_url)
    assert query(database_url, "SELECT viewname FROM pg_views WHERE schemaname = 'analytics'") == [("one",)]


def test_views_are_left_alone_while_their_files_are_the_same(database_url: str, views_folder: Path) -> None:
    (views_folder / "one.sql").write_text("CREATE VIEW analytics.one AS SELECT 1 AS n;")
    migrate(database_url)
    before = query(database_url, "SELECT 'analytics.one'::regclass::oid")
    migrate(database_url)
    assert query(database_url, "SELECT 'analytics.one'::regclass::oid") == before


def test_a_broken_view_file_is_named_and_the_old_views_stay(database_url: str, views_folder: Path) -> None:
    (views_folder / "one.sql").write_text("CREATE VIEW analytics.one AS SELECT 1 AS n;")
    migrate(database_url)
    (views_folder / "two.sql").write_text("CREATE VIEW analytics.two AS SELECT missing FROM analytics.one;")
    with pytest.raises(LedgerError, match=r'^views in two\.sql failed: column "missing" does not exist$'):
        migrate(database_url)
    assert query(database_url, "TABLE analytics.one") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger.event SET version = 2", "DELETE FROM ledger.event", "TRUNCATE ledger.event"],
)
@pytest.mark.parametrize("filled", [False, True], ids=["empty", "filled"])
def test_a_stored_event_cannot_be_changed(database_url: str, statement: str, *, filled: bool) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        if filled:
            _insert_event(connection)
        with pytest.raises(psycopg.DatabaseError, match="the ledger is append-only") as refused:
            connection.execute(statement)
        assert refused.value.sqlstate == "PW001"
        assert connection.execute("SELECT count(*) FROM ledger.event").fetchone() == (int(filled),)


def _insert_event(connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO ledger.event (task_id, stream_id, version, position, message_id, type, schema_version,"
        " occurred_at, payload, content_hash)"
        " VALUES ('t', 't', 1, 1, gen_random_uuid(), 'started', 1, now(), '{}', %s)",
        [hashlib.sha256(b"").digest()],
    )
