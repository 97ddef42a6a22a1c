"""What the ledger knows of files that change together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.analysis.co_change import CoChange, co_change_of
from domain.ids import TaskId
from eventstore.ledger import Ledger
from projections.co_change import co_change

History = Any
Connection = psycopg.AsyncConnection[TupleRow]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


def merge(history: History, number: int, *files: str) -> None:
    """Add a subtask that is accepted with changes to these files."""
    history.plan(0, 1.0)
    history.start(1, number)
    history.complete(2, number)
    history.accept(3, number, files=files)


async def test_without_merges_nothing_is_known(connection: Connection) -> None:
    assert await co_change(connection, "/tree") == CoChange.from_merges([])


async def test_files_of_one_accepted_subtask_have_changed_together(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    for number in range(1, 5):
        merge(history, number, "schema.sql", "migration.py")
    for number in range(5, 9):
        merge(history, number, f"{number}.py", f"{number}.txt")
    await ledger.append(history.events)

    known = await co_change(connection, "/tree")

    assert known.likely("schema.sql", "migration.py") == pytest.approx(2.0)
    assert known.likely("5.py", "5.txt") == 0.0


async def test_a_subtask_whose_files_were_not_recorded_says_nothing(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    merge(history, 1)
    await ledger.append(history.events)

    assert (await co_change(connection, "/tree")).merges == 0


async def test_another_repository_is_another_history(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    merge(history, 1, "a.py", "b.py")
    await ledger.append(history.events)

    assert (await co_change(connection, "/elsewhere")).merges == 0


async def test_the_query_finds_what_a_fold_over_the_events_finds(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    for number in range(1, 5):
        merge(history, number, "a.py", "b.py", "c.py")
    merge(history, 5)
    await ledger.append(history.events)

    assert await co_change(connection, "/tree") == co_change_of(await ledger.read_task(TaskId(history.task)))
