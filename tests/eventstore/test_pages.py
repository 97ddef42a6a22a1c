"""Reading ahead: what a reader gets is what it would have got page by page, over as many connections as there are."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.events import Event
from eventstore.append import Appender
from eventstore.feed import Batch, Feed
from eventstore.ledger import Ledger

NewEvent = Callable[..., Event]
Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]

LIMIT = 3


def positions(*batches: Batch) -> list[int]:
    return [record.position for batch in batches for record in batch.events]


async def count_of_feeds(connection: Connection) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'pw feed' AND datname = current_database() AND state IS NOT NULL"
    )
    row = await (await connection.execute(query)).fetchone()
    return int(row[0]) if row is not None else 0


async def roll_back(connection: Connection, events: list[Event]) -> None:
    async with connection.transaction(force_rollback=True):
        await Appender(connection).append(events)


@pytest.mark.parametrize("full_pages", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("missing", [0, 1, LIMIT, 4 * LIMIT])
async def test_pages_that_are_read_ahead_leave_nothing_out_where_positions_are_missing(
    database_url: str, connect: Connect, ledger: Ledger, new_event: NewEvent, full_pages: int, missing: int
) -> None:
    await ledger.append([new_event() for _ in range(full_pages * LIMIT)])
    if missing:
        await roll_back(await connect(), [new_event() for _ in range(missing)])
    await ledger.append([new_event() for _ in range(full_pages * LIMIT + 1)])
    rows = await (await connect()).execute("SELECT position FROM ledger.event ORDER BY position")
    stored = [position for (position,) in await rows.fetchall()]
    batches = [batch async for batch in Feed(database_url).batches(follow=False, batch_events_max=LIMIT)]
    assert positions(*batches) == stored
    assert max(len(batch.events) for batch in batches) == LIMIT


async def test_three_connections_read_while_there_is_much_and_one_waits(
    database_url: str, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    observer = await connect()
    await ledger.append([new_event() for _ in range(4 * LIMIT)])
    feed = Feed(database_url, poll_seconds=0.01)
    async with aclosing(feed.batches(batch_events_max=LIMIT)) as batches:
        assert positions(await anext(batches)) == [1, 2, 3]
        assert await count_of_feeds(observer) == 3
        for _ in range(3):
            await anext(batches)
        waiting = asyncio.ensure_future(anext(batches))
        async with asyncio.timeout(60):
            while await count_of_feeds(observer) != 1:
                pass
        await ledger.append([new_event()])
        assert positions(await waiting) == [13]


async def test_a_reader_that_gets_no_second_connection_reads_all_the_same(
    database_url: str, ledger: Ledger, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any) -> None:
        raise psycopg.OperationalError("sorry, too many clients already")

    await ledger.append([new_event() for _ in range(5 * LIMIT)])
    monkeypatch.setattr("eventstore.pages.connect", refuse)
    batches = [batch async for batch in Feed(database_url).batches(follow=False, batch_events_max=LIMIT)]
    assert positions(*batches) == list(range(1, 5 * LIMIT + 1))


async def test_what_comes_after_an_empty_page_was_read_ahead_is_given_without_waiting(
    database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event() for _ in range(LIMIT)])
    async with aclosing(Feed(database_url, poll_seconds=3600).batches(batch_events_max=LIMIT)) as batches:
        assert positions(await anext(batches)) == [1, 2, 3]
        await ledger.append([new_event()])
        assert positions(await anext(batches)) == [4]
