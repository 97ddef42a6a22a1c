"""The lives of problems are made anew from the raw output, as they were made live."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from projections.problem_tables import NAME, rebuild_problems
from tests.projections.incident import TASK, store_incident


@pytest.fixture
async def incident(database_url: str) -> str:
    """A ledger in which problems came, went, and came back."""
    await store_incident(database_url)
    return database_url


def rows_of(url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type, unused-ignore]


def lives(url: str) -> list[dict[str, Any]]:
    return rows_of(url, "SELECT * FROM projection.problem_life ORDER BY task_id, problem")


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)  # type: ignore[arg-type, unused-ignore]


async def test_a_rebuild_gives_what_was_made_live(incident: str) -> None:
    before = lives(incident)
    told: list[tuple[int, int]] = []
    rebuilt = await rebuild_problems(incident, on_progress=lambda done, of: told.append((done, of)))
    assert lives(incident) == before
    assert (rebuilt.name, rebuilt.rows, rebuilt.differing_rows) == (NAME, len(before), 0)
    assert rebuilt.position == rows_of(incident, "SELECT max(position) AS last FROM ledger.event")[0]["last"]
    assert told == [(1, 1)]


async def test_rows_that_do_not_follow_from_the_ledger_are_told_and_put_right(incident: str) -> None:
    before = lives(incident)
    execute(
        incident,
        "UPDATE projection.problem_life SET status = 'new' WHERE problem = 1",
        "DELETE FROM projection.problem_life WHERE problem = 2",
        # Of a task that is not in the ledger any more.
        """
        INSERT INTO projection.problem_life
        SELECT (json_populate_record(one, '{"task_id": "gone"}')).*
        FROM projection.problem_life AS one
        WHERE problem = 3
        """,
    )
    rebuilt = await rebuild_problems(incident)
    assert lives(incident) == before
    # The wrong row and the right one, the one that was missing, and the one too many.
    assert rebuilt.differing_rows == 4


async def test_what_was_set_aside_is_read_again(incident: str) -> None:
    columns = "name, task_id, position, error"
    execute(incident, f"INSERT INTO projection.set_aside ({columns}) VALUES ('{NAME}', '{TASK}', 2, 'unreadable')")
    await rebuild_problems(incident)
    assert rows_of(incident, "SELECT * FROM projection.set_aside") == []


async def test_an_empty_ledger_has_no_problems(database_url: str) -> None:
    rebuilt = await rebuild_problems(database_url)
    assert (rebuilt.rows, rebuilt.position, rebuilt.differing_rows) == (0, 0, 0)
