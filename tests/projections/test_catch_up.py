"""Whoever is about to read the read models can bring them up to the ledger first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from domain.errors import LedgerError
from eventstore.ledger import Ledger
from projections.catch_up import catch_up
from projections.models import ALL
from projections.rebuild import rebuild
from projections.runner import Runner
from tests.projections.tables_of import positions_of

History = Any


@pytest.fixture
def task(history: History) -> History:
    """A task of which one subtask is done."""
    history.plan(2, 30.0, 10.0)
    history.start(10, 1)
    history.complete(15, 1)
    history.accept(16, 1)
    return history


async def test_an_empty_ledger_is_caught_up_with_at_once(database_url: str) -> None:
    assert await catch_up(database_url) == 0


async def test_everything_that_is_in_the_ledger_is_taken_in(database_url: str, ledger: Ledger, task: History) -> None:
    await ledger.append(task.events)
    assert await catch_up(database_url) == len(task.events)
    assert set(positions_of(database_url).values()) == {len(task.events)}
    # With nothing new there is nothing to do.
    assert await catch_up(database_url) == len(task.events)


async def test_a_runner_and_several_who_read_do_not_disturb_each_other(
    database_url: str, ledger: Ledger, new_history: Callable[[str], History]
) -> None:
    runner = asyncio.create_task(Runner(database_url, ALL).run())
    try:
        for number in range(1, 5):
            history = new_history(f"tree-{number}")
            history.submit()
            history.plan(2, 30.0, 10.0)
            await ledger.append(history.events)
            reached = await asyncio.gather(*(catch_up(database_url) for _ in range(3)))
            assert min(reached) >= number * len(history.events)
    finally:
        runner.cancel()
        await asyncio.gather(runner, return_exceptions=True)
    assert {one.differing_rows for one in await rebuild(database_url, ALL)} == {0}


async def test_tables_of_another_version_are_left_to_a_rebuild(
    database_url: str, ledger: Ledger, task: History
) -> None:
    await ledger.append(task.events)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE projection.build SET version = 0")
    assert await catch_up(database_url) == 0


async def test_who_has_no_time_for_a_long_ledger_is_told_what_is_quicker(
    database_url: str, ledger: Ledger, task: History
) -> None:
    await ledger.append(task.events)
    with pytest.raises(LedgerError, match=r"some 11 events behind: pw rebuild --all is the quickest way$"):
        await catch_up(database_url, events_max=10)
    assert await catch_up(database_url, events_max=11) == len(task.events) == 11


async def test_a_database_that_is_away_is_one_line() -> None:
    with pytest.raises(LedgerError, match=r"^the ledger cannot be reached: "):
        await catch_up("postgresql://postgres@127.0.0.1:1/postgres")
