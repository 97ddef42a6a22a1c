"""Many callers at once, over several ledgers and processes: one wins, nobody is lost, nobody harms a neighbour."""

from __future__ import annotations

import asyncio
import random
import string
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, islice
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import InvalidEventError, LedgerError, VersionConflictError
from domain.events import Event, Failed, Receipt
from domain.ids import TaskId
from eventstore.append import APPEND_LOCK, Appender
from eventstore.ledger import Ledger

Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]
NewEvent = Callable[..., Event]

SERVICE = Path(__file__).with_name("service.py")
TASK = TaskId("tree-1")


@pytest.fixture
async def ledgers(database_url: str) -> AsyncIterator[list[Ledger]]:
    """Four, each with a queue and connections of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(Ledger.open(database_url)) for _ in range(4)]


async def outcomes(calls: Sequence[Awaitable[list[Receipt]]]) -> Counter[str]:
    """Count what became of calls of one event each: a receipt's status, or the name of an error."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    return Counter(type(one).__name__ if isinstance(one, BaseException) else one[0].status for one in answers)


# --- who wins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(3))
async def test_of_50_callers_that_send_the_same_event_one_creates_it(
    ledgers: list[Ledger], new_event: NewEvent, attempt: int
) -> None:
    event = new_event()
    receipts = [
        receipt
        for [receipt] in await asyncio.gather(*[ledger.append([event]) for ledger in islice(cycle(ledgers), 50)])
    ]
    assert Counter(receipt.status for receipt in receipts) == Counter(created=1, duplicate=49)
    assert len({(receipt.position, receipt.version) for receipt in receipts}) == 1
    assert [record.event for record in await ledgers[0].read_task(TASK)] == [event]


async def test_of_callers_that_send_other_content_under_one_message_id_one_creates_it(
    ledgers: list[Ledger], new_event: NewEvent
) -> None:
    events = [new_event(body=Failed(error=str(number)), message=UUID(int=1)) for number in range(20)]
    assert await outcomes(
        [ledger.append([event]) for ledger, event in zip(cycle(ledgers), events, strict=False)]
    ) == Counter(created=1, conflict=19)


@pytest.mark.parametrize("attempt", range(3))
async def test_of_20_callers_that_expect_the_same_version_one_creates_its_event(
    ledgers: list[Ledger], new_event: NewEvent, attempt: int
) -> None:
    await ledgers[0].append([new_event()])
    calls = [ledger.append([new_event()], expected={"tree-1.1": 1}) for ledger in islice(cycle(ledgers), 20)]
    assert await outcomes(calls) == Counter(created=1, VersionConflictError=19)
    assert [record.version for record in await ledgers[0].read_task(TASK)] == [1, 2]


async def test_callers_that_go_on_from_what_they_found_all_get_their_turn(
    ledgers: list[Ledger], new_event: NewEvent
) -> None:
    async def increment(ledger: Ledger) -> int:
        while True:
            version = len(await ledger.read_task(TASK))
            try:
                [receipt] = await ledger.append([new_event()], expected={"tree-1.1": version})
            except VersionConflictError:
                continue
            assert receipt.version == version + 1
            return receipt.version

    versions = await asyncio.gather(*[increment(ledger) for ledger in ledgers * 3])
    assert sorted(versions) == list(range(1, 13))


# --- two processes --------------------------------------------------------------------------------------


def busy_service(url: str, first: int, end: int) -> subprocess.Popen[str]:
    """A process that makes the calls of these numbers, and tells about them."""
    command = [sys.executable, str(SERVICE), url, str(first), str(end)]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def test_two_processes_on_one_hot_stream_leave_no_gap_and_lose_nothing(
    database_url: str, reckon: Callable[..., dict[str, int]], lawful: Callable[[int], dict[str, int]]
) -> None:
    calls = 400
    with busy_service(database_url, 0, calls) as one, busy_service(database_url, calls, 2 * calls) as other:
        journals = [one.communicate()[0].splitlines(), other.communicate()[0].splitlines()]
    assert [one.returncode, other.returncode] == [0, 0]

    told = {int(line.split()[1]) for journal in journals for line in journal if line.startswith("acknowledged ")}
    messages = {UUID(int=2 * number + place) for number in told for place in (0, 1)}
    assert len(told) == 2 * calls
    assert reckon(database_url, messages, messages) == lawful(4 * calls)


# --- neighbours -----------------------------------------------------------------------------------------


async def test_an_append_that_waits_for_one_stream_holds_no_other(
    connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    holder, observer = await connect(), await connect()
    # Whoever has to wait here would wait for one that waits for him.
    await holder.execute("SET lock_timeout = '100ms'")
    async with holder.transaction():
        await Appender(holder).append([new_event("tree-1.1")])
        crossed = asyncio.create_task(ledger.append([new_event("tree-1.2"), new_event("tree-1.1")]))
        await until_an_append_waits(observer)
        await Appender(holder).append([new_event("tree-1.2")])
    assert [receipt.version for receipt in await crossed] == [2, 2]


async def test_a_call_goes_on_from_the_last_version_of_each_of_its_streams(
    ledger: Ledger, new_event: NewEvent
) -> None:
    await ledger.append([new_event(stream) for stream in ("tree-1.1", "tree-1.3", "tree-1.3", "tree-1.3")])
    receipts = await ledger.append([new_event(stream) for stream in ("tree-1.3", "tree-1.2", "tree-1.1")])
    assert [receipt.version for receipt in receipts] == [4, 1, 2]


async def test_what_was_sent_before_is_no_conflict_of_versions_beside_a_new_event(
    ledger: Ledger, connect: Connect, new_event: NewEvent, flushes: list[int]
) -> None:
    known, holder, observer = new_event(), await connect(), await connect()
    await ledger.append([known], expected={"tree-1.1": 0})
    async with holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        first = asyncio.create_task(ledger.append([new_event("tree-1.3")]))
        await until_an_append_waits(observer)
        again = asyncio.create_task(ledger.append([known], expected={"tree-1.1": 0}))
        new = asyncio.create_task(ledger.append([new_event("tree-1.2")]))
        # They run up to where they wait.
        await asyncio.sleep(0)
    await first
    assert flushes[-1] == 2
    assert await outcomes([again, new]) == Counter(created=1, duplicate=1)


@pytest.fixture
def poison(new_event: NewEvent) -> Event:
    """An event that only the database refuses: the name of its stream is longer than what an index takes."""
    letters = random.Random(1).choices(string.ascii_letters + string.digits, k=10_000)
    return new_event("tree-1." + "".join(letters))


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls went into each flush, in their order; halves of a flush that was refused do not count."""
    sizes: list[int] = []
    send: Callable[..., Awaitable[list[list[Receipt] | LedgerError]]] = Appender.append_calls
    halving = False

    async def note(self: Appender, calls: Sequence[object], *rest: object) -> list[list[Receipt] | LedgerError]:
        nonlocal halving
        if halving:
            return await send(self, calls, *rest)
        sizes.append(len(calls))
        halving = True
        try:
            return await send(self, calls, *rest)
        finally:
            halving = False

    monkeypatch.setattr(Appender, "append_calls", note)
    return sizes


@pytest.mark.parametrize("place", [0, 1, 6, 12])
async def test_neighbours_of_an_event_that_the_database_refuses_are_stored(
    ledger: Ledger, connect: Connect, new_event: NewEvent, poison: Event, flushes: list[int], place: int
) -> None:
    good = [new_event() for _ in range(12)]
    holder, observer = await connect(), await connect()
    async with holder.transaction():
        # While the flush of the first call waits for the lock, the others gather for the next.
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        first = asyncio.create_task(ledger.append([new_event()]))
        await until_an_append_waits(observer)
        sending = [asyncio.create_task(ledger.append([event])) for event in (*good[:place], poison, *good[place:])]
        # They run up to where they wait.
        await asyncio.sleep(0)
    await first
    with pytest.raises(InvalidEventError, match=r"^the ledger cannot keep the event: [^\n]+$"):
        await sending.pop(place)
    receipts = [receipt for [receipt] in await asyncio.gather(*sending)]

    assert flushes == [1, 13]
    assert [receipt.status for receipt in receipts] == ["created"] * 12
    assert [record.event for record in (await ledger.read_task(TASK))[1:]] == good


async def until_an_append_waits(observer: Connection) -> None:
    query = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'pw append'"
        " AND wait_event_type = 'Lock' AND datname = current_database())"
    )
    while await (await observer.execute(query)).fetchone() != (True,):
        pass
