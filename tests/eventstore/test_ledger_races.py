"""Several connections at once: who waits for whom, who wins, and that nobody deadlocks.

A held transaction stands for an append that has not committed yet; that another one waits for it is read from
the server, never guessed from the time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain.errors import RepeatedMessageError, VersionConflictError
from domain.events import Event, Receipt, Started
from domain.ids import TaskId
from eventstore.append import APPEND_LOCK, Appender
from eventstore.ledger import Ledger

Connection = psycopg.AsyncConnection[TupleRow]
Connect = Callable[[], Awaitable[Connection]]
NewEvent = Callable[..., Event]
UntilBlocked = Callable[[Connection], Awaitable[None]]

TASK = TaskId("tree-1")
MESSAGE = UUID(int=1_000_000)


class Rival:
    """An append that starts while another transaction is open, and waits for it."""

    def __init__(self, connection: Connection, until_blocked: UntilBlocked) -> None:
        self.appender = Appender(connection)
        self._connection = connection
        self._until_blocked = until_blocked

    async def append(self, *events: Event) -> asyncio.Task[list[Receipt]]:
        task = asyncio.create_task(self.appender.append(events))
        waiting = asyncio.create_task(self._until_blocked(self._connection))
        done, _ = await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task in done:
            waiting.cancel()
            pytest.fail(f"the append did not wait: {task.exception() or task.result()}")
        waiting.result()
        return task


@pytest.fixture
async def rival(connect: Connect, until_blocked: UntilBlocked) -> Rival:
    return Rival(await connect(), until_blocked)


@pytest.fixture
async def holder(connect: Connect) -> Connection:
    """A connection for the transaction that is held open."""
    return await connect()


async def versions(ledger: Ledger, stream: str) -> list[int]:
    return [record.version for record in await ledger.read_task(TASK) if record.event.stream_id == stream]


# --- one stream -----------------------------------------------------------------------------------------


async def test_appends_of_many_connections_to_one_stream_leave_no_gap_and_lose_nothing(
    connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    calls = [[[new_event(), new_event()] for _ in range(15)] for _ in range(6)]

    async def one_caller(connection: Connection, batches: list[list[Event]]) -> None:
        for batch in batches:
            await Appender(connection).append(batch)

    await asyncio.gather(*[one_caller(await connect(), batches) for batches in calls])

    records = await ledger.read_task(TASK)
    assert [record.version for record in records] == list(range(1, 181))
    sent = [event.message_id for batches in calls for batch in batches for event in batch]
    assert Counter(record.event.message_id for record in records) == Counter(sent)


async def test_a_call_is_never_torn_apart_by_another(connect: Connect, ledger: Ledger, new_event: NewEvent) -> None:
    calls = [[new_event(worker=f"w{number}") for _ in range(20)] for number in range(6)]

    await asyncio.gather(*[Appender(await connect()).append(call) for call in calls])

    order = [record.event.worker_id for record in await ledger.read_task(TASK)]
    assert sum(one != other for one, other in pairwise(order)) == len(calls) - 1


async def test_an_append_waits_for_an_earlier_one_to_its_stream(
    holder: Connection, rival: Rival, new_event: NewEvent
) -> None:
    async with holder.transaction():
        await Appender(holder).append([new_event()])
        second = await rival.append(new_event())
    assert [receipt.version for receipt in await second] == [2]


async def test_the_version_of_an_append_that_is_rolled_back_is_given_again(
    holder: Connection, rival: Rival, ledger: Ledger, new_event: NewEvent
) -> None:
    async with holder.transaction(force_rollback=True):
        await Appender(holder).append([new_event()])
        second = await rival.append(new_event())
    assert [receipt.version for receipt in await second] == [1]
    assert await versions(ledger, "tree-1.1") == [1]


async def test_the_same_event_sent_twice_at_once_is_stored_once(
    holder: Connection, rival: Rival, ledger: Ledger, new_event: NewEvent
) -> None:
    event = new_event()
    async with holder.transaction():
        [first] = await Appender(holder).append([event])
        again = await rival.append(event)
    [second] = await again
    assert (first.status, second.status, second.position) == ("created", "duplicate", first.position)
    assert await versions(ledger, "tree-1.1") == [1]


async def test_the_same_event_is_stored_by_the_second_where_the_first_is_rolled_back(
    holder: Connection, rival: Rival, new_event: NewEvent
) -> None:
    event = new_event()
    async with holder.transaction(force_rollback=True):
        await Appender(holder).append([event])
        again = await rival.append(event)
    assert [receipt.status for receipt in await again] == ["created"]


# --- one message id, two streams ------------------------------------------------------------------------


async def test_a_message_id_that_another_stream_is_about_to_store_is_a_conflict(
    holder: Connection, rival: Rival, ledger: Ledger, new_event: NewEvent
) -> None:
    async with holder.transaction():
        [first] = await Appender(holder).append([new_event("tree-1.1", message=MESSAGE)])
        other = await rival.append(new_event("tree-1.2", message=MESSAGE))
    [second] = await other
    assert (second.status, second.position) == ("conflict", first.position)
    assert await versions(ledger, "tree-1.2") == []


async def test_the_neighbours_of_a_raced_message_are_stored_without_a_gap(
    holder: Connection, rival: Rival, ledger: Ledger, new_event: NewEvent
) -> None:
    async with holder.transaction():
        await Appender(holder).append([new_event("tree-1.1", message=MESSAGE)])
        other = await rival.append(
            new_event("tree-1.2"), new_event("tree-1.2", message=MESSAGE), new_event("tree-1.2")
        )
    assert [receipt.status for receipt in await other] == ["created", "conflict", "created"]
    assert await versions(ledger, "tree-1.2") == [1, 2]


async def test_a_message_id_is_free_again_where_the_first_is_rolled_back(
    holder: Connection, rival: Rival, ledger: Ledger, new_event: NewEvent
) -> None:
    async with holder.transaction(force_rollback=True):
        await Appender(holder).append([new_event("tree-1.1", message=MESSAGE)])
        other = await rival.append(new_event("tree-1.2", message=MESSAGE))
    assert [receipt.status for receipt in await other] == ["created"]
    assert await versions(ledger, "tree-1.2") == [1]


async def test_of_many_streams_that_race_for_a_message_id_one_wins(
    connect: Connect, ledger: Ledger, new_event: NewEvent
) -> None:
    connections = [await connect() for _ in range(8)]
    barrier = asyncio.Barrier(len(connections))
    rounds = [UUID(int=2_000_000 + number) for number in range(10)]

    async def one_caller(number: int, connection: Connection) -> list[str]:
        answers = []
        for message in rounds:
            await barrier.wait()
            [receipt] = await Appender(connection).append([new_event(f"tree-1.{number}", message=message)])
            answers.append(str(receipt.status))
        return answers

    answers = await asyncio.gather(*[one_caller(*pair) for pair in enumerate(connections, 1)])

    per_round = [Counter(statuses) for statuses in zip(*answers, strict=True)]
    assert per_round == [Counter(created=1, conflict=7)] * len(rounds)
    assert [record.event.message_id for record in await ledger.read_task(TASK)] == rounds


# --- the locks ------------------------------------------------------------------------------------------


async def test_appends_to_different_streams_do_not_wait_for_each_other(
    holder: Connection, ledger: Ledger, new_event: NewEvent
) -> None:
    async with asyncio.timeout(30), holder.transaction():
        await Appender(holder).append([new_event("tree-1.1")])
        [receipt] = await ledger.append([new_event("tree-1.2")])
    assert receipt.status == "created"


async def test_streams_named_in_another_order_do_not_deadlock(
    holder: Connection, rival: Rival, new_event: NewEvent
) -> None:
    async with holder.transaction():
        await Appender(holder).append([new_event("tree-1.1")])
        crossed = await rival.append(new_event("tree-1.2"), new_event("tree-1.1"))
        # The waiting one must not hold tree-1.2 already.
        await Appender(holder).append([new_event("tree-1.2")])
    assert [receipt.version for receipt in await crossed] == [2, 2]


async def test_an_append_that_was_overtaken_keeps_the_order_of_its_events(
    holder: Connection, rival: Rival, ledger: Ledger, new_event: NewEvent
) -> None:
    events = [new_event("tree-1.2"), new_event("tree-1.1"), new_event("tree-1.2")]
    async with holder.transaction():
        await Appender(holder).append([new_event("tree-1.1")])
        overtaken = await rival.append(*events)
    assert [receipt.version for receipt in await overtaken] == [1, 2, 2]
    stored = [record.event.message_id for record in await ledger.read_task(TASK)]
    assert stored[1:] == [event.message_id for event in events]


async def test_an_append_that_was_overtaken_is_a_conflict_where_it_expected_a_version(
    holder: Connection, connect: Connect, until_blocked: UntilBlocked, new_event: NewEvent
) -> None:
    second = await connect()
    async with holder.transaction():
        await Appender(holder).append([new_event()])
        waiting = asyncio.create_task(Appender(second).append([new_event()], expected={"tree-1.1": 0}))
        await until_blocked(second)
    with pytest.raises(VersionConflictError, match=r"^tree-1\.1 is at version 1, not 0$"):
        await waiting


async def test_an_append_waits_while_a_reader_asks_for_quiet(
    holder: Connection, rival: Rival, new_event: NewEvent
) -> None:
    async with holder.transaction():
        await holder.execute("SELECT pg_advisory_xact_lock(%s)", [APPEND_LOCK])
        waiting = await rival.append(new_event())
    assert [receipt.status for receipt in await waiting] == ["created"]


async def test_a_reader_has_quiet_only_when_no_append_is_under_way(
    holder: Connection, connect: Connect, new_event: NewEvent
) -> None:
    reader = await connect()
    ask = "SELECT pg_try_advisory_lock(%s)"
    async with holder.transaction():
        await Appender(holder).append([new_event()])
        assert await (await reader.execute(ask, [APPEND_LOCK])).fetchone() == (False,)
    assert await (await reader.execute(ask, [APPEND_LOCK])).fetchone() == (True,)


# --- cancellation ---------------------------------------------------------------------------------------


async def test_an_append_that_is_cancelled_stores_nothing_and_leaves_the_ledger_usable(
    holder: Connection, rival: Rival, new_event: NewEvent
) -> None:
    async with holder.transaction():
        await Appender(holder).append([new_event()])
        waiting = await rival.append(new_event(body=Started()))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    [receipt] = await rival.appender.append([new_event()])
    assert receipt.version == 2


# --- decisions on a task's state ------------------------------------------------------------------------


async def test_a_decision_on_a_state_that_has_moved_on_stores_nothing(ledger: Ledger, new_event: NewEvent) -> None:
    [first] = await ledger.append([new_event("t")])
    await ledger.append([new_event("t.1")], at=first.position)
    with pytest.raises(VersionConflictError, match=f"t is at position .*, not {first.position}"):
        await ledger.append([new_event("t.2")], at=first.position)
    assert len(await ledger.read_task(TaskId("t"))) == 2


async def test_of_decisions_on_one_state_in_several_processes_one_is_stored(
    database_url: str, new_event: NewEvent
) -> None:
    async with contextlib.AsyncExitStack() as opened:
        ledgers = [await opened.enter_async_context(Ledger.open(database_url)) for _ in range(8)]
        last = 0
        for turn in range(10):
            # Different streams: nothing but the task's position tells them that they are in each other's way.
            answers = await asyncio.gather(
                *(ledger.append([new_event(f"t.{number}")], at=last) for number, ledger in enumerate(ledgers, 1)),
                return_exceptions=True,
            )
            stored = [answer for answer in answers if not isinstance(answer, BaseException)]
            refused = [answer for answer in answers if isinstance(answer, VersionConflictError)]
            assert (len(stored), len(refused)) == (1, 7)
            last = stored[0][0].position or 0
            assert len(await ledgers[0].read_task(TaskId("t"))) == turn + 1


async def test_a_decision_of_which_a_part_is_stored_already_is_refused_as_a_whole(
    ledger: Ledger, new_event: NewEvent
) -> None:
    known = new_event("t.1")
    [first] = await ledger.append([known])
    with pytest.raises(RepeatedMessageError, match=str(known.message_id)):
        await ledger.append([known, new_event("t.2")], at=first.position)
    assert len(await ledger.read_task(TaskId("t"))) == 1


async def test_a_decision_that_is_sent_again_is_found(ledger: Ledger, new_event: NewEvent) -> None:
    decided = [new_event("t.1"), new_event("t.2")]
    first = await ledger.append(decided, at=0)
    again = await ledger.append(decided, at=0)
    assert [receipt.status for receipt in again] == ["duplicate", "duplicate"]
    assert [receipt.position for receipt in again] == [receipt.position for receipt in first]
