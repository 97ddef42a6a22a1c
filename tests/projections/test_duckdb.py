"""DuckDB reads what analysts read, through its own extension for Postgres."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from domain.ids import TaskId
from tests.projections.incident import store_incident, store_killed_run

#: Where the package `duckdb-extension-postgres-scanner` keeps what DuckDB would fetch from its own site.
_EXTENSION = Path(
    str(files("duckdb_extension_postgres_scanner")),
    f"extensions/v{duckdb.__version__}/postgres_scanner.duckdb_extension",
)

_VIEWS = """
    SELECT table_name FROM information_schema.views WHERE table_schema = 'analytics' ORDER BY table_name
"""


@pytest.fixture
async def ledger_url(database_url: str) -> str:
    """A ledger in which something of everything has happened."""
    await store_incident(database_url)
    return database_url


@pytest.fixture
def duck(ledger_url: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB to which the ledger is attached for reading."""
    with duckdb.connect() as connection:
        connection.execute(f"LOAD '{_EXTENSION}'")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{ledger_url}' AS pw (TYPE postgres, READ_ONLY)")
        yield connection


def _plain(rows: list[tuple[Any, ...]]) -> list[list[str]]:
    """Bring rows into an order of their own, lists and objects as the text that DuckDB has of them."""
    return sorted([_text(value) for value in row] for row in rows)


def _text(value: Any) -> str:
    if isinstance(value, str) and value.startswith(("[", "{")):
        value = json.loads(value)
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else str(value)


async def test_every_view_says_the_same_in_duckdb(ledger_url: str, duck: duckdb.DuckDBPyConnection) -> None:
    await store_killed_run(ledger_url, TaskId("killed-1"))
    async with await psycopg.AsyncConnection.connect(ledger_url) as connection:
        await connection.execute("SET TIME ZONE 'UTC'")
        views = [name for (name,) in await (await connection.execute(_VIEWS)).fetchall()]
        assert len(views) == 17
        for view in views:
            by_postgres = await (await connection.execute(f"SELECT * FROM analytics.{view}")).fetchall()  # type: ignore[arg-type, unused-ignore]
            # As an Arrow table: for times in a zone DuckDB's own way to Python wants one more package.
            table = duck.execute(f"SELECT * FROM pw.analytics.{view}").to_arrow_table()
            by_duckdb = [tuple(row.values()) for row in table.to_pylist()]
            assert by_postgres, view
            assert _plain(by_duckdb) == _plain(by_postgres), view


def test_duckdb_sums_up_what_it_reads(duck: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT outcome, count(*) FROM pw.analytics.attempt GROUP BY 1 ORDER BY 1"
    assert duck.execute(query).fetchall() == [("accepted", 7), ("failed", 1), ("lost", 1), ("rejected", 2)]


def test_lists_of_a_view_are_text_that_duckdb_takes_apart(duck: duckdb.DuckDBPyConnection) -> None:
    query = """
        SELECT code, count(*)
        FROM pw.analytics.attempt, unnest(from_json(codes, '["VARCHAR"]')) AS list (code)
        GROUP BY 1 ORDER BY 1
    """
    assert duck.execute(query).fetchall() == [("E501", 3), ("I001", 7), ("invalid-syntax", 1)]
