"""Rows get into tables as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from projections.rows import as_csv

_TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20) | st.sampled_from(
    ["", "null", '"', "\\", '\\"', "a\nb", "]\n[", "\t\r\b\f", "\\n", "\\.", "{a,b}", "\x01\x7f", "ü\u2028", "NULL"]
)
_COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "task_id": _TEXTS,
    "worker_id": st.none() | _TEXTS,
    "passed": st.booleans(),
    "position": st.integers(-(2**63), 2**63 - 1),
    "seconds": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "at": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "codes": st.lists(_TEXTS, max_size=3),
    "depends_on": st.lists(st.integers(1, 99), max_size=3),
}
_ROWS = st.tuples(*_COLUMNS.values()).map(lambda values: dict(zip(_COLUMNS, values, strict=True)))


def copied(url: str, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Copy rows into a table, and read them again."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE made (task_id text, worker_id text, passed boolean, position bigint,"
            " seconds float8, at timestamptz, codes text[], depends_on integer[])"
        )
        connection.execute("SET TIME ZONE 'UTC'")
        statement = sql.SQL("COPY made FROM STDIN (FORMAT csv, NULL 'null', QUOTE '\"', ESCAPE '\\')")
        with connection.cursor() as cursor, cursor.copy(statement) as copying:
            copying.write(as_csv(rows, ["codes", "depends_on"]))
        return connection.execute("TABLE made").fetchall()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_ROWS, min_size=1, max_size=8))
def test_what_is_copied_is_what_is_read_again(database_url: str, rows: list[dict[str, Any]]) -> None:
    assert copied(database_url, rows) == [tuple(row.values()) for row in rows]


def test_lists_with_and_without_quotes_are_read_again(database_url: str) -> None:
    lists = [
        [], [""], ["", ""], ["a", ""], ["", "a"], ["a"], ["a", "b.py"], ["a,b"], ["a,b", "c"], ["a,b", ""], [","],
        ["null"], ["NULL", "x"], ["{}"], ["a b"], ["\u00fc"], ["x\n"], ["-Werror=unused", "clippy::all"],
    ]  # fmt: skip
    row = dict.fromkeys(_COLUMNS) | {"depends_on": [1, 22]}
    found = copied(database_url, [row | {"codes": codes} for codes in lists])
    assert [(codes, numbers) for *_, codes, numbers in found] == [(codes, [1, 22]) for codes in lists]
