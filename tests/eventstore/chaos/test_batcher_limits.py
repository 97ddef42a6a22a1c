"""What the queue of appends does when the database is slow: it is bounded, and nobody waits longer than he wants.

The lock that all appends share is held by another connection, which stands for a database that is slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import LedgerError, OutcomeUnknownError, OverloadedError
from domain.events import Event, Failed, Receipt
from domain.ids import TaskId
from eventstore import batcher
from eventstore.append import APPEND_LOCK
from eventstore.ledger import Ledger

Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]
NewEvent = Callable[..., Event]
Sending = asyncio.Task[list[Receipt]]

TASK = TaskId("tree-1")


class Database:
    """Makes appends wait, and lets them go on."""

    def __init__(self, holder: Connection) -> None:
        self._holder = holder

    async def stall(self) -> None:
        await self._holder.execute("SELECT pg_advisory_lock(%s)", [APPEND_LOCK])

    async def go_on(self) -> None:
        await self._holder.execute("SELECT pg_advisory_unlock(%s)", [APPEND_LOCK])

    async def until_append_waits(self) -> None:
        query = (
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pw append'"
            " AND wait_event_type = 'Lock' AND datname = current_database())"
        )
        while await (await self._holder.execute(query)).fetchone() != (True,):
            pass


@pytest.fixture
async def database(connect: Connect, ledger: Ledger) -> AsyncIterator[Database]:
    holder = await connect()
    yield Database(holder)
    # Whatever has happened: the ledger, which is closed after this, stores what waits.
    await holder.execute("SELECT pg_advisory_unlock_all()")


@pytest.fixture
async def in_flight(database: Database, ledger: Ledger, new_event: NewEvent) -> AsyncIterator[Sending]:
    """An append that the database has and does not answer, so that all others wait in the queue."""
    await database.stall()
    sending = asyncio.create_task(ledger.append([new_event()]))
    await database.until_append_waits()
    yield sending
    await sending


async def send(ledger: Ledger, *events: Event, timeout_seconds: float = 60) -> Sending:
    """Put events into the queue."""
    sending = asyncio.create_task(ledger.append(events, timeout_seconds=timeout_seconds))
    # The task runs up to where it waits.
    await asyncio.sleep(0)
    return sending


async def stored(ledger: Ledger) -> list[Event]:
    """What was stored behind the append in flight."""
    return [record.event for record in (await ledger.read_task(TASK))[1:]]


# --- back-pressure --------------------------------------------------------------------------------------


async def test_a_call_that_finds_the_queue_full_is_refused_and_nothing_of_it_is_taken(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "QUEUE_EVENTS_MAX", 4)
    taken = [new_event() for _ in range(3)]
    waiting = await send(ledger, *taken)
    with pytest.raises(OverloadedError, match=r"^3 events wait to be stored: try again later$") as refusal:
        await ledger.append([new_event(), new_event()])
    assert refusal.value.retry_after_seconds >= 1
    await database.go_on()
    await waiting
    assert await stored(ledger) == taken


async def test_the_queue_is_bounded_in_bytes_too(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "QUEUE_BYTES_MAX", 3000)
    large = [new_event(body=Failed(error="x" * 1000)) for _ in range(3)]
    waiting = [await send(ledger, event) for event in large[:2]]
    with pytest.raises(OverloadedError):
        await ledger.append([large[2]])
    await database.go_on()
    await asyncio.gather(*waiting)
    assert await stored(ledger) == large[:2]


async def test_there_is_room_again_once_the_queue_has_drained(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "QUEUE_EVENTS_MAX", 2)
    first, second = [new_event(), new_event()], [new_event(), new_event()]
    waiting = await send(ledger, *first)
    with pytest.raises(OverloadedError):
        await ledger.append(second)
    await database.go_on()
    await waiting
    await ledger.append(second)
    assert await stored(ledger) == [*first, *second]


async def test_what_was_cancelled_in_the_queue_makes_room_when_the_queue_moves_on(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batcher, "QUEUE_EVENTS_MAX", 2)
    given_up = await send(ledger, new_event(), new_event())
    given_up.cancel()
    await database.go_on()
    await in_flight
    event = new_event()
    await ledger.append([event])
    assert await stored(ledger) == [event]


# --- deadlines ------------------------------------------------------------------------------------------


async def test_a_call_whose_time_is_up_in_the_queue_is_not_stored(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent
) -> None:
    with pytest.raises(LedgerError, match=r"^not stored in time: the database is too slow$") as refusal:
        await ledger.append([new_event()], timeout_seconds=0)
    assert not isinstance(refusal.value, OutcomeUnknownError)
    await database.go_on()
    event = new_event()
    await ledger.append([event])
    assert await stored(ledger) == [event]


async def test_a_call_whose_time_is_up_after_it_was_sent_has_an_unknown_outcome(
    database: Database, ledger: Ledger, new_event: NewEvent
) -> None:
    event = new_event()
    await database.stall()
    with pytest.raises(OutcomeUnknownError, match=r"^no answer in time, the events may be stored or not: "):
        await ledger.append([event], timeout_seconds=0)
    await database.go_on()
    # Sending it again tells.
    [receipt] = await ledger.append([event])
    assert (receipt.status, receipt.version) == ("duplicate", 1)


async def test_a_neighbour_with_more_time_is_stored(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent
) -> None:
    impatient, patient = new_event(), new_event()
    waiting = await send(ledger, impatient, timeout_seconds=0)
    neighbour = await send(ledger, patient)
    with pytest.raises(LedgerError, match=r"^not stored in time: "):
        await waiting
    await database.go_on()
    assert [receipt.status for receipt in await neighbour] == ["created"]
    assert await stored(ledger) == [patient]


# --- closing and giving up ------------------------------------------------------------------------------


async def test_closing_stores_what_waits(
    database: Database, ledger: Ledger, database_url: str, new_event: NewEvent
) -> None:
    events = [new_event() for _ in range(20)]
    await database.stall()
    async with Ledger.open(database_url) as closing:
        waiting = [await send(closing, event) for event in events[:10]]
        await database.until_append_waits()
        waiting += [await send(closing, event) for event in events[10:]]
        await database.go_on()
    receipts = [receipt for [receipt] in await asyncio.gather(*waiting)]
    assert [receipt.status for receipt in receipts] == ["created"] * 20
    assert [record.event for record in await ledger.read_task(TASK)] == events


async def test_a_call_that_is_cancelled_in_the_queue_is_not_stored_and_its_neighbours_are(
    database: Database, ledger: Ledger, in_flight: Sending, new_event: NewEvent
) -> None:
    events = [new_event() for _ in range(5)]
    waiting = [await send(ledger, event) for event in events]
    waiting[2].cancel()
    await database.go_on()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[2], asyncio.CancelledError)
    assert await stored(ledger) == [*events[:2], *events[3:]]


async def test_a_call_that_is_cancelled_in_flight_does_no_harm_to_its_neighbours(
    database: Database, ledger: Ledger, new_event: NewEvent
) -> None:
    events = [new_event() for _ in range(3)]
    await database.stall()
    sending = [asyncio.create_task(ledger.append([event])) for event in events]
    await database.until_append_waits()
    sending[0].cancel()
    await database.go_on()
    answers = await asyncio.gather(*sending, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert [answer[0].version for answer in answers[1:] if isinstance(answer, list)] == [2, 3]
    assert [record.event for record in await ledger.read_task(TASK)] == events
