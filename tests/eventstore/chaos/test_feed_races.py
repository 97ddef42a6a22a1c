"""A reader at the tail of a ledger that others write to: committed events once and in order, none skipped.

Positions are given out before their transactions commit. Here the transactions are held open, committed and rolled
back in an order that a seed decides, and the same seed decides when the reader looks: nothing depends on time.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.events import Event, TaskCompleted
from eventstore.append import Appender
from eventstore.doorbell import Doorbell
from eventstore.feed import Batch, Cursor, Feed
from eventstore.ledger import Ledger

Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]
NewEvent = Callable[..., Event]

WRITERS = 4
STEPS = 80
#: The last event of a test.
MARK = TaskCompleted()


class Writer:
    """A connection that appends in transactions, each to be ended by another step."""

    def __init__(self, connection: Connection, new_event: NewEvent, stream: str) -> None:
        self._connection = connection
        self._new_event = new_event
        self._stream = stream
        self._positions: list[int] = []

    @property
    def is_open(self) -> bool:
        return self._positions != []

    async def append(self, count: int) -> None:
        if not self.is_open:
            await self._connection.execute("BEGIN")
        receipts = await Appender(self._connection).append([self._new_event(self._stream) for _ in range(count)])
        self._positions += [receipt.position for receipt in receipts if receipt.position]

    async def commit(self) -> list[int]:
        await self._connection.execute("COMMIT")
        committed, self._positions = self._positions, []
        return committed

    async def roll_back(self) -> None:
        await self._connection.execute("ROLLBACK")
        self._positions = []


class Bell(Doorbell):
    """Rings when the test says so, whatever time has passed, and tells when the reader waits for it."""

    def __init__(self) -> None:
        super().__init__("")
        self._reader_waits = asyncio.Event()

    async def wait(self, rings: int, *, timeout_seconds: float) -> None:
        if self._rings == rings:
            self._reader_waits.set()
        async with self._rang:
            await self._rang.wait_for(lambda: self._rings > rings)

    async def hand_over(self) -> None:
        """Let the reader look, until it has nothing more to give."""
        self._reader_waits.clear()
        await self._ring()
        await self._reader_waits.wait()


class Reader:
    """Follows the ledger and keeps what it was given, together with the place."""

    def __init__(self, url: str, batch_events_max: int) -> None:
        self.fed: list[int] = []
        self._bell = Bell()
        self.is_at_the_mark = False
        self._feed = Feed(url, self._bell)
        self._batch_events_max = batch_events_max
        self._cursor: Cursor | None = None
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        batches = self._feed.batches(self._cursor, batch_events_max=self._batch_events_max)
        async with aclosing(batches):
            async for batch in batches:
                self.fed += [record.position for record in batch.events]
                self._cursor = batch.cursor
                self.is_at_the_mark = batch.events[-1].event.body == MARK

    async def stop(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def restart(self) -> None:
        await self.stop()
        self._task = asyncio.create_task(self._read())
        await self.look()

    async def look(self) -> None:
        looking = asyncio.create_task(self._bell.hand_over())
        await asyncio.wait({looking, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            looking.cancel()
            self._task.result()


@asynccontextmanager
async def reading(url: str, batch_events_max: int) -> AsyncGenerator[Reader, None]:
    reader = Reader(url, batch_events_max)
    try:
        yield reader
    finally:
        await reader.stop()


async def tangle(writers: list[Writer], reader: Reader, chance: random.Random, *, restarts: bool) -> list[int]:
    """Have writers and reader take steps in turns; give the positions that were committed."""
    committed: list[int] = []
    for _ in range(STEPS):
        writer = chance.choice(writers)
        step = chance.choice(["append", "append", "commit", "roll back", "look", "restart"])
        if step == "append":
            await writer.append(chance.randint(1, 3))
        elif step == "commit" and writer.is_open:
            committed += await writer.commit()
        elif step == "roll back" and writer.is_open:
            await writer.roll_back()
        elif step == "restart" and restarts:
            await reader.restart()
        else:
            await reader.look()
    for writer in writers:
        if writer.is_open:
            committed += await writer.commit()
    return committed


@pytest.mark.parametrize("restarts", [False, True], ids=["one reader", "restarted from its cursors"])
@pytest.mark.parametrize("seed", range(6), ids="seed={}".format)
async def test_in_whatever_order_writers_commit_the_reader_is_given_all_of_it_once_and_in_order(
    database_url: str, connect: Connect, ledger: Ledger, new_event: NewEvent, seed: int, restarts: bool
) -> None:
    chance = random.Random(seed)
    # A look that an open transaction keeps waiting is to end soon; how soon makes no difference to what is given.
    await (await connect()).execute("ALTER FUNCTION ledger.settled_position SET lock_timeout = '5ms'")
    writers = [Writer(await connect(), new_event, f"tree-1.{number}") for number in range(WRITERS)]

    async with reading(database_url, batch_events_max=chance.choice([1, 2, 3, 1000])) as reader:
        committed = await tangle(writers, reader, chance, restarts=restarts)
        [mark] = await ledger.append([new_event(body=MARK)])
        # A hole is looked at twice before it is asked whether it is settled.
        for _ in range(5):
            await reader.look()
        assert reader.is_at_the_mark

    assert reader.fed == [*sorted(committed), mark.position]


# --- two processes' worth of writers --------------------------------------------------------------------


async def hammer(ledgers: list[Ledger], new_event: NewEvent, chance: random.Random) -> None:
    """Append with 16 callers for each ledger, to streams of their own and to one that all share."""

    async def one_caller(ledger: Ledger, number: int, sizes: list[int]) -> None:
        for size in sizes:
            streams = [f"tree-1.{number}", "tree-1"][: 1 + size % 2]
            await ledger.append([new_event(stream) for stream in streams for _ in range(size)])

    await asyncio.gather(
        *[
            one_caller(ledger, number, [chance.randint(1, 4) for _ in range(10)])
            for number, ledger in enumerate(ledgers * 16)
        ]
    )
    await ledgers[0].append([new_event(body=MARK)])


async def stored_positions(connection: Connection) -> list[int]:
    cursor = await connection.execute("SELECT position FROM ledger.event ORDER BY position")
    return [position for (position,) in await cursor.fetchall()]


async def read_to_the_mark(feed: Feed, *, restart_after: int | None) -> list[int]:
    """Follow; stop after so many batches, and go on from the cursor of the last."""
    fed: list[int] = []
    cursor: Cursor | None = None
    while True:
        async with aclosing(feed.batches(cursor)) as live:
            async for batch in _first(live, restart_after):
                fed += [record.position for record in batch.events]
                cursor = batch.cursor
                if batch.events[-1].event.body == MARK:
                    return fed


async def _first(live: AsyncIterator[Batch], count: int | None) -> AsyncIterator[Batch]:
    for _ in itertools.count() if count is None else range(count):
        yield await anext(live)


@pytest.mark.parametrize("restart_after", [None, 1, 3], ids="restarted after {} batches".format)
@pytest.mark.parametrize("seed", [21, 22], ids="seed={}".format)
async def test_a_reader_of_two_busy_ledgers_is_given_all_of_it_once_and_in_order(
    database_url: str, connect: Connect, new_event: NewEvent, seed: int, restart_after: int | None
) -> None:
    feed = Feed(database_url, poll_seconds=0.001)
    async with Ledger.open(database_url) as one, Ledger.open(database_url) as other:
        fed, _ = await asyncio.gather(
            read_to_the_mark(feed, restart_after=restart_after),
            hammer([one, other], new_event, random.Random(seed)),
        )
    assert fed == await stored_positions(await connect())
