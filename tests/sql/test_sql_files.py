"""The SQL files are whole, are named after what they make, and say what it is."""

from __future__ import annotations

import importlib.resources
import re
from importlib.resources.abc import Traversable

import psycopg
import pytest

_ROOT = importlib.resources.files("sql")


def files_of(folder: str) -> list[Traversable]:
    files = (file for file in _ROOT.joinpath(folder).iterdir() if file.name.endswith(".sql"))
    return sorted(files, key=lambda file: file.name)


VIEWS, MIGRATIONS = files_of("views"), files_of("migrations")
OTHERS = files_of("functions") + files_of("roles") + files_of("postmortem")
FORWARD = [file for file in MIGRATIONS if not file.name.endswith(".rollback.sql")]
every_file = pytest.mark.parametrize("file", VIEWS + MIGRATIONS + OTHERS, ids=lambda file: file.name)
every_view = pytest.mark.parametrize("file", VIEWS, ids=lambda file: file.name)

_COMMENT = re.compile(r"^COMMENT ON (VIEW|TABLE|COLUMN|SCHEMA)\s+([\w.]+)\s+IS\s+'((?:[^']|'')*)';", re.MULTILINE)


def comments_in(file: Traversable) -> list[tuple[str, str, str]]:
    found = _COMMENT.findall(file.read_text(encoding="utf-8"))
    return [(kind, name, text.replace("''", "'")) for kind, name, text in found]


def query(url: str, statement: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement, values).fetchall()


@every_file
def test_a_file_ends_with_one_newline(file: Traversable) -> None:
    text = file.read_bytes()
    assert text.endswith(b"\n")
    assert not text.endswith(b"\n\n")


@every_file
def test_a_file_has_neither_tabs_nor_carriage_returns(file: Traversable) -> None:
    assert not {b"\t", b"\r"} & {bytes([byte]) for byte in file.read_bytes()}


def test_migrations_are_numbered_without_gaps() -> None:
    assert [file.name[:5] for file in FORWARD] == [f"{number:04}_" for number in range(1, len(FORWARD) + 1)]


def test_every_migration_has_a_way_back() -> None:
    names = {file.name for file in MIGRATIONS}
    assert names == {file.name for file in FORWARD} | {file.name.replace(".sql", ".rollback.sql") for file in FORWARD}


def test_the_way_back_leaves_nothing_behind(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP SCHEMA analytics CASCADE")
        for file in reversed(FORWARD):
            back = _ROOT.joinpath("migrations").joinpath(file.name.replace(".sql", ".rollback.sql"))
            connection.execute(back.read_text(encoding="utf-8"))
    left = query(
        database_url,
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|public$|information_schema$)'",
    )
    # What keeps book of the migrations is not made by one.
    assert left == [("migration",)]


@every_view
def test_a_view_file_makes_the_view_that_it_is_named_after(file: Traversable) -> None:
    made = re.findall(r"^CREATE VIEW ([\w.]+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert made == [f"analytics.{file.name[3:].removesuffix('.sql')}"]


def test_the_views_in_the_database_are_those_of_the_files(database_url: str) -> None:
    found = query(database_url, "SELECT viewname FROM pg_views WHERE schemaname = 'analytics' ORDER BY 1")
    assert found == sorted((file.name[3:].removesuffix(".sql"),) for file in VIEWS)


@every_view
def test_a_view_file_says_what_its_view_is(file: Traversable) -> None:
    view = f"analytics.{file.name[3:].removesuffix('.sql')}"
    kinds = {(kind, name) for kind, name, _ in comments_in(file)}
    assert ("VIEW", view) in kinds
    assert {name.rpartition(".")[0] for kind, name in kinds if kind == "COLUMN"} <= {view}


@pytest.mark.parametrize("file", VIEWS + FORWARD, ids=lambda file: file.name)
def test_every_comment_of_a_file_is_on_something_that_is_there(database_url: str, file: Traversable) -> None:
    comments = comments_in(file)
    assert len(comments) == file.read_text(encoding="utf-8").count("COMMENT ON ")
    # A later migration may say it better, or have taken the thing away.
    later = [other.read_text(encoding="utf-8") for other in FORWARD if file in FORWARD and other.name > file.name]
    valid = [
        one for one in comments if not any(re.search(rf"(COMMENT ON|DROP) \w+ {one[1]}\b", text) for text in later)
    ]
    assert [(kind, name, _comment_on(database_url, kind, name)) for kind, name, _ in valid] == valid


def _comment_on(url: str, kind: str, name: str) -> object:
    if kind == "COLUMN":
        relation, _, column = name.rpartition(".")
        [(comment,)] = query(
            url,
            "SELECT col_description(attrelid, attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = %s",
            relation,
            column,
        )
        return comment
    catalog, cast = ("pg_namespace", "regnamespace") if kind == "SCHEMA" else ("pg_class", "regclass")
    [(comment,)] = query(url, f"SELECT obj_description(%s::{cast}, %s)", name, catalog)
    return comment


@every_view
def test_a_view_of_an_empty_ledger_is_empty(database_url: str, file: Traversable) -> None:
    view = file.name[3:].removesuffix(".sql")
    assert query(database_url, f"SELECT * FROM analytics.{view}") == []


def test_every_unique_key_of_the_ledger_holds_the_task(database_url: str) -> None:
    # But for the tables that belong to no task: they are small, and stay in one place.
    keys = query(
        database_url,
        """
        SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true)
        FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
        WHERE indisunique AND relnamespace = 'ledger'::regnamespace
            AND relname NOT IN ('seal', 'import', 'incarnation')
        ORDER BY 1
        """,
    )
    assert keys == [
        ("ledger.archive_pkey", "task_id"),
        ("ledger.artifact_pkey", "task_id"),
        ("ledger.event_message_key", "task_id"),
        ("ledger.event_pkey", "task_id"),
        ("ledger.event_stream_version_key", "task_id"),
    ]


def test_the_table_of_events_has_no_index_that_every_append_would_pay_for_in_vain(database_url: str) -> None:
    indexes = query(
        database_url,
        """
        SELECT indexrelid::regclass::text, pg_get_expr(indpred, indrelid)
        FROM pg_index
        WHERE indrelid = 'ledger.event'::regclass
        ORDER BY 1
        """,
    )
    assert indexes == [
        ("ledger.event_message_key", None),
        ("ledger.event_pkey", None),
        ("ledger.event_position_idx", None),
        ("ledger.event_recorded_at_idx", None),
        ("ledger.event_stream_version_key", None),
        # One event of a task is in it, and to all others it costs the look at their type.
        ("ledger.event_task_submitted_idx", "(type = 'task_submitted'::text)"),
    ]


def test_what_is_history_refuses_every_way_of_changing_it(database_url: str) -> None:
    # Read from the catalogue: BEFORE, per statement, on DELETE (8), UPDATE (16) and TRUNCATE (32), always on.
    triggers = query(
        database_url,
        """
        SELECT tgrelid::regclass::text, bit_or(tgtype & 56), bit_or(tgtype & 1), bit_and(tgtype & 2)
        FROM pg_trigger
        WHERE tgfoid IN ('ledger.refuse_change'::regproc, 'ledger.refuse_unless_archived'::regproc)
            AND tgenabled = 'O'
        GROUP BY tgrelid
        ORDER BY 1
        """,
    )
    tables = ["archive", "artifact", "event", "incarnation", "seal"]
    assert triggers == [(f"ledger.{table}", 56, 0, 2) for table in tables]


def test_what_leaves_the_ledger_is_held_against_the_archive(database_url: str) -> None:
    # AFTER (no 2), per statement (no 1), on DELETE (8).
    triggers = query(
        database_url,
        """
        SELECT tgrelid::regclass::text, tgtype::integer
        FROM pg_trigger
        WHERE tgfoid IN ('ledger.refuse_unrecorded_removal'::regproc, 'ledger.refuse_unarchived_artifact'::regproc)
            AND tgenabled = 'O'
        ORDER BY 1
        """,
    )
    assert triggers == [("ledger.artifact", 8), ("ledger.event", 8)]
