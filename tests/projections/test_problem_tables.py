"""The lives of problems are made anew from the raw output, as they were made live."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from projections.catch_up import catch_up
from projections.models import named
from projections.problem_tables import NAME, rebuild_problems
from projections.rebuild import rebuild
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


async def test_what_the_table_had_yet_to_take_in_is_no_difference(incident: str) -> None:
    before = lives(incident)
    execute(incident, "DELETE FROM projection.problem_life", "UPDATE projection.problem_place SET position = 0")
    rebuilt = await rebuild_problems(incident)
    assert (rebuilt.rows, rebuilt.differing_rows) == (len(before), 0)
    assert lives(incident) == before


@pytest.mark.parametrize("read_models", ["as they were", "made anew"])
async def test_of_a_ledger_that_lost_its_last_event_it_is_at_that_ledger_s_end(
    incident: str, read_models: str
) -> None:
    execute(
        incident,
        "SET session_replication_role = replica",
        "DELETE FROM ledger.event WHERE position = (SELECT max(position) FROM ledger.event)",
    )
    if read_models == "made anew":
        await rebuild(incident, named(["plan"]))
    rebuilt = await rebuild_problems(incident)
    [last] = rows_of(incident, "SELECT max(position) AS position FROM ledger.event")
    assert (rebuilt.position, rebuilt.differing_rows) == (last["position"], None)
    assert rows_of(incident, "SELECT position FROM projection.problem_place") == [last]


async def test_what_was_set_aside_is_read_again(incident: str) -> None:
    columns = "name, task_id, position, error"
    execute(incident, f"INSERT INTO projection.set_aside ({columns}) VALUES ('{NAME}', '{TASK}', 2, 'unreadable')")
    await rebuild_problems(incident)
    assert rows_of(incident, "SELECT * FROM projection.set_aside") == []


async def test_of_a_task_with_an_event_that_cannot_be_read_they_are_known_up_to_there_and_of_others_all(
    incident: str, append_raw: Callable[..., list[int]]
) -> None:
    before = lives(incident)
    submitted = {"repository": "/tree", "base_commit": "c0", "branch": "pw/tree", "options": {}}
    with psycopg.connect(incident, autocommit=True) as connection:
        _, bad = append_raw(
            connection,
            [
                {"stream_id": "over", "type": "task_submitted", "payload": json.dumps(submitted)},
                {"stream_id": "over", "type": "problems_observed", "schema_version": 9},
            ],
        )

    reached = await catch_up(incident)

    aside = rows_of(incident, f"SELECT position, error FROM projection.set_aside WHERE name = '{NAME}'")
    assert [row["position"] for row in aside] == [bad]
    assert aside[0]["error"].startswith(f"the event of over at position {bad}, of type 'problems_observed', ")
    assert reached == bad
    assert rows_of(incident, "SELECT position FROM projection.problem_place") == [{"position": bad}]
    assert lives(incident) == before


async def test_an_empty_ledger_has_no_problems(database_url: str) -> None:
    rebuilt = await rebuild_problems(database_url)
    assert (rebuilt.rows, rebuilt.position, rebuilt.differing_rows) == (0, 0, 0)
