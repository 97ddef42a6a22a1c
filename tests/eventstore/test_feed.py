"""The feed: everything once and in order, past and new, and only from a place that this ledger has."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import CursorError, LedgerError
from domain.events import Event, Failed, Started
from eventstore.append import APPEND_LOCK, Appender
from eventstore.codec import Unreadable
from eventstore.doorbell import Doorbell
from eventstore.feed import Batch, Cursor, Feed
from eventstore.ledger import Ledger
from eventstore.pages import PAGE_EVENTS_FEW, PAGE_STORED_BYTES_MAX

NewEvent = Callable[..., Event]
Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]


@pytest.fixture
def feed(database_url: str) -> Feed:
    return Feed(database_url, poll_seconds=0.01)


@pytest.fixture
async def live(feed: Feed) -> AsyncIterator[AsyncGenerator[Batch, None]]:
    """A reader that follows."""
    async with aclosing(feed.batches()) as batches:
        yield batches


async def all_of(feed: Feed, after: Cursor | None = None, batch_events_max: int = 1000) -> list[Batch]:
    return [batch async for batch in feed.batches(after, follow=False, batch_events_max=batch_events_max)]


def positions(*batches: Batch) -> list[int]:
    return [record.position for batch in batches for record in batch.events]


# --- catching up ----------------------------------------------------------------------------------------


async def test_an_empty_ledger_gives_nothing(feed: Feed) -> None:
    assert await all_of(feed) == []


async def test_events_come_in_order_of_position_as_they_were_stored(
    feed: Feed, ledger: Ledger, new_event: NewEvent
) -> None:
    sent = [new_event("one-1.1"), new_event("two-1"), new_event("one-1.1", Started(), worker="w", epoch=3)]
    receipts = await ledger.append(sent)
    [batch] = await all_of(feed)
    assert [record.event for record in batch.events] == sent
    assert [(r.position, r.version) for r in batch.events] == [(r.position, r.version) for r in receipts]


async def test_batches_hold_no_more_events_than_asked_for(feed: Feed, ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event() for _ in range(7)])
    assert [len(batch.events) for batch in await all_of(feed, batch_events_max=3)] == [3, 3, 1]


async def test_large_events_make_small_batches(feed: Feed, ledger: Ledger, new_event: NewEvent) -> None:
    incompressible = random.Random(1).randbytes(PAGE_STORED_BYTES_MAX // 16).hex()
    large = Failed(error=incompressible)
    sent = [new_event(body=large) for _ in range(PAGE_EVENTS_FEW * 2 + 1)]
    await ledger.append(sent)
    batches = await all_of(feed)
    assert [len(batch.events) for batch in batches][:2] == [PAGE_EVENTS_FEW] * 2
    assert [record.event for batch in batches for record in batch.events] == sent


async def test_any_printable_name_is_read_back_as_it_was_sent(
    feed: Feed, ledger: Ledger, new_event: NewEvent
) -> None:
    sent = [new_event('say "hi" \\o/ ü😀', Started(), worker='w\\"1', epoch=0)]
    await ledger.append(sent)
    [batch] = await all_of(feed)
    assert [record.event for record in batch.events] == sent


async def test_a_reader_goes_on_after_the_cursor_of_any_batch(
    feed: Feed, ledger: Ledger, new_event: NewEvent
) -> None:
    receipts = await ledger.append([new_event() for _ in range(9)])
    for batch in await all_of(feed, batch_events_max=2):
        rest = positions(*await all_of(feed, batch.cursor))
        assert rest == [r.position for r in receipts if r.position is not None and r.position > batch.cursor.position]


async def test_positions_that_were_rolled_back_are_passed_over(
    feed: Feed, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    connection = await connect()
    await ledger.append([new_event()])
    for _ in range(3):
        async with connection.transaction(force_rollback=True):
            await Appender(connection).append([new_event()])
        await ledger.append([new_event()])
    assert positions(*await all_of(feed)) == [1, 3, 5, 7]


# --- following ------------------------------------------------------------------------------------------


async def test_a_reader_that_has_caught_up_is_given_what_comes(
    live: AsyncGenerator[Batch, None], ledger: Ledger, new_event: NewEvent
) -> None:
    for _ in range(3):
        [receipt] = await ledger.append([new_event()])
        assert positions(await anext(live)) == [receipt.position]


async def test_a_doorbell_wakes_a_reader_that_would_not_look_by_itself(
    database_url: str, ledger: Ledger, new_event: NewEvent
) -> None:
    async with (
        Doorbell(database_url) as bell,
        aclosing(Feed(database_url, bell, poll_seconds=3600).batches()) as live,
    ):
        for _ in range(3):
            waiting = asyncio.ensure_future(anext(live))
            [receipt] = await ledger.append([new_event()])
            async with asyncio.timeout(60):
                assert positions(await waiting) == [receipt.position]


async def test_an_event_that_commits_late_is_not_skipped(
    live: AsyncGenerator[Batch, None], connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    holder = await connect()
    await ledger.append([new_event("tree-1.1")])
    assert positions(await anext(live)) == [1]

    async with holder.transaction():
        await Appender(holder).append([new_event("tree-1.2")])
        await ledger.append([new_event("tree-1.1")])
        waiting = asyncio.ensure_future(anext(live))
        await until_barrier_waits(await connect())
        assert not waiting.done()
    late = positions(await waiting)
    while len(late) < 2:
        late += positions(await anext(live))
    assert late == [2, 3]


async def test_a_reader_does_not_wait_for_an_append_that_is_rolled_back(
    live: AsyncGenerator[Batch, None], connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    holder = await connect()
    async with holder.transaction(force_rollback=True):
        await Appender(holder).append([new_event("tree-1.2")])
        await ledger.append([new_event("tree-1.1")])
    assert positions(await anext(live)) == [2]


async def test_a_reader_takes_what_lies_before_a_hole(
    live: AsyncGenerator[Batch, None], connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    assert positions(await anext(live)) == [1]
    holder = await connect()
    await ledger.append([new_event()])
    async with holder.transaction():
        await Appender(holder).append([new_event("tree-1.2")])
        await ledger.append([new_event()])
        assert positions(await anext(live)) == [2]


async def test_no_lock_is_left_behind_by_a_reader(
    live: AsyncGenerator[Batch, None], connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    await anext(live)
    row = await (await (await connect()).execute("SELECT pg_try_advisory_lock(%s)", [APPEND_LOCK])).fetchone()
    assert row == (True,)


async def until_barrier_waits(observer: Connection) -> None:
    """Wait until a reader asks for quiet and is kept waiting by an append."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
        " AND mode = 'ExclusiveLock' AND NOT granted AND datname = current_database())"
    )
    async with asyncio.timeout(30):
        while await (await observer.execute(query)).fetchone() != (True,):
            pass


# --- places ---------------------------------------------------------------------------------------------


async def test_a_cursor_is_read_back_from_its_text(feed: Feed, ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event()])
    [batch] = await all_of(feed)
    assert Cursor.parse(str(batch.cursor)) == batch.cursor


@pytest.mark.parametrize("text", ["", "7", "a/b/c", "x" * 500, f"{UUID(int=1)}/-1/{UUID(int=1)}"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(CursorError, match=r"^'[^\n]*' is no place in a ledger$"):
        Cursor.parse(text)


async def test_a_cursor_of_another_ledger_is_refused(feed: Feed, ledger: Ledger, new_event: NewEvent) -> None:
    await ledger.append([new_event()])
    [batch] = await all_of(feed)
    foreign = msgspec.structs.replace(batch.cursor, incarnation=UUID(int=7))
    with pytest.raises(CursorError, match=r"^this is ledger .*, the place is one of 00000000-"):
        await all_of(feed, foreign)


async def test_a_ledger_that_lost_what_was_read_is_noticed(
    feed: Feed, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event(), new_event()])
    [batch] = await all_of(feed)
    await restore_to(1, await connect())
    with pytest.raises(CursorError, match=r"^position 2 is not the event that was read there: .*backup"):
        await all_of(feed, batch.cursor)


async def test_a_ledger_that_gave_the_position_to_another_event_is_noticed(
    feed: Feed, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event(), new_event()])
    [batch] = await all_of(feed)
    await restore_to(1, await connect())
    await ledger.append([new_event(), new_event()])
    with pytest.raises(CursorError, match=r"^position 2 is not the event that was read there"):
        await all_of(feed, batch.cursor)


async def test_a_backup_that_holds_all_that_was_read_is_continued(
    feed: Feed, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event(), new_event(), new_event()])
    first, *_ = await all_of(feed, batch_events_max=1)
    await restore_to(2, await connect())
    assert positions(*await all_of(feed, first.cursor)) == [2]


async def restore_to(position: int, connection: Connection) -> None:
    """Put the ledger back to what an older backup of it would hold."""
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("DELETE FROM ledger.event WHERE position > %s", [position])
    await connection.execute("SELECT setval('ledger.position', %s)", [position])


# --- the database is gone -------------------------------------------------------------------------------


async def test_a_reader_goes_on_after_its_connection_was_ended(
    live: AsyncGenerator[Batch, None], connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    await anext(live)
    other = await connect()
    await other.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE application_name = 'pw feed' AND datname = current_database()"
    )
    await ledger.append([new_event()])
    assert positions(await anext(live)) == [2]


async def test_reading_to_the_end_without_a_database_is_one_clear_line(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("empty")
    with pytest.raises(LedgerError, match=r"^the ledger cannot be reached: [^\n]+$"):
        await all_of(Feed(f"postgresql:///ledger?host={folder}"))


async def test_an_event_that_cannot_be_read_is_named_with_its_position(
    feed: Feed, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event(), new_event()])
    connection = await connect()
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE ledger.event SET type = 'teleported' WHERE position = 2")
    with pytest.raises(LedgerError, match=r"^the event of tree-1 at position 2, of type 'teleported', cannot be"):
        await all_of(feed)


# --- what is passed over ----------------------------------------------------------------------------------


class Passing:
    """A reader that passes over what it cannot read, and where that was."""

    def __init__(self, url: str) -> None:
        self.passed_over: list[Unreadable] = []
        self.feed = Feed(url, poll_seconds=0.01, on_unreadable=self.passed_over.append)

    @property
    def places(self) -> list[int]:
        return [one.position for one in self.passed_over]


@pytest.fixture
def passing(database_url: str) -> Passing:
    return Passing(database_url)


async def make_unreadable(connect: Connect, *places: int) -> None:
    connection = await connect()
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE ledger.event SET schema_version = 9 WHERE position = ANY (%s)", [list(places)])


@pytest.mark.parametrize("batch_events_max", [1, 2, 3, 1000])
async def test_events_beside_one_that_is_passed_over_all_come_once(
    passing: Passing, connect: Connect, ledger: Ledger, new_event: NewEvent, batch_events_max: int
) -> None:
    await ledger.append([new_event(f"tree-{number}") for number in range(1, 8)])
    await make_unreadable(connect, 1, 4, 5, 7)
    batches = await all_of(passing.feed, batch_events_max=batch_events_max)
    assert positions(*batches) == [2, 3, 6]
    assert [(one.task_id, one.position) for one in passing.passed_over] == [
        ("tree-1", 1), ("tree-4", 4), ("tree-5", 5), ("tree-7", 7),
    ]  # fmt: skip
    assert passing.passed_over[0].reason.startswith("the event of tree-1 at position 1, of type 'progress', ")
    assert batches[-1].cursor.position == 7


async def test_a_reader_goes_on_behind_what_it_has_passed_over(
    passing: Passing, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event(), new_event()])
    await make_unreadable(connect, 2)
    [batch] = await all_of(passing.feed)
    await ledger.append([new_event()])
    assert positions(*await all_of(passing.feed, batch.cursor)) == [3]
    assert passing.places == [2]


async def test_a_follower_moves_on_where_nothing_but_an_event_that_cannot_be_read_has_come(
    passing: Passing, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    await make_unreadable(connect, 1)
    async with aclosing(passing.feed.batches()) as live:
        batch = await anext(live)
        assert (list(batch.events), batch.cursor.position, passing.places) == ([], 1, [1])
        await ledger.append([new_event()])
        assert positions(await anext(live)) == [2]


async def test_what_lies_behind_a_hole_is_not_passed_over_before_the_hole_is_filled(
    passing: Passing, connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event()])
    async with aclosing(passing.feed.batches()) as live:
        assert positions(await anext(live)) == [1]
        holder = await connect()
        await ledger.append([new_event()])
        async with holder.transaction():
            await Appender(holder).append([new_event("tree-1.2")])
            await ledger.append([new_event()])
            await make_unreadable(connect, 2, 4)
            assert (positions(await anext(live)), passing.places) == ([], [2])
        found = positions(await anext(live))
        while len(passing.places) < 2:
            found += positions(await anext(live))
        assert (found, passing.places) == ([3], [2, 4])
