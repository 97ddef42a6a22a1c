"""The ledger: append events, and read a task's back.

What an append promises:

- All events of one call are stored, or none is. When it returns they are durable (`synchronous_commit` is on).
- A message id is stored once per task. Sent again with the same content it answers `duplicate` with the first
  position; with other content it answers `conflict`, and nothing of that event is stored.
- Versions of a stream are 1, 2, 3 ... without gaps; `expected` turns an append into a compare-and-set on streams,
  `at` into one on the whole task.
- Any number of tasks and processes may append at once. Calls of one process share transactions (`batcher.py`).

To read across tasks, and to be told of new events, there is the feed (`feed.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import LiteralString, Self
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from domain.errors import InvalidEventError
from domain.events import Event, Receipt, RecordedEvent
from domain.ids import TaskId
from eventstore.batcher import Batcher
from eventstore.calls import Call
from eventstore.clock import Clock, SystemClock
from eventstore.codec import RECORD, decode_records
from eventstore.postgres.connection import Connection, connect, unreachable
from eventstore.tasks import FIND_TASKS

#: How long an append may take before its caller is told that the outcome is not known.
APPEND_SECONDS_MAX = 30.0

_READ_TASK: LiteralString = f"""
    SELECT {RECORD}
    FROM ledger.event
    WHERE task_id = %s AND position > %s
    ORDER BY position
    LIMIT %s
"""  # noqa: S608

_FIND_MESSAGE: LiteralString = f"SELECT {RECORD} FROM ledger.event WHERE task_id = %s AND message_id = %s"  # noqa: S608


class Ledger:
    """The ledger of one process: a queue of appends, and a connection for reading.

    Appends may come from any number of tasks of the event loop; reads take turns.
    """

    def __init__(self, url: str, connection: Connection, batcher: Batcher, clock: Clock) -> None:
        self._url = url
        self._connection = connection
        self._batcher = batcher
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, clock: Clock | None = None) -> AsyncIterator[Self]:
        """Connect, and store what waits in the queue before leaving; raises `LedgerError` where that fails."""
        clock = clock or SystemClock()
        try:
            connection = await connect(url, "read")
        except psycopg.Error as error:
            raise unreachable(error) from error
        ledger = cls(url, connection, Batcher(url, clock), clock)
        try:
            async with ledger._batcher:
                yield ledger
        finally:
            await ledger._connection.close()

    @property
    def queued_events(self) -> int:
        """How many events wait for their turn to be stored."""
        return self._batcher.queued_events

    async def append(
        self,
        events: Sequence[Event],
        *,
        expected: Mapping[str, int] | None = None,
        at: int | None = None,
        timeout_seconds: float = APPEND_SECONDS_MAX,
    ) -> list[Receipt]:
        """Store the events in their order, all or none, and give a receipt for each.

        `expected` maps streams of these events to the version that they must have before; `at` is the position that
        must be the last of their task: what was decided on a task's state is stored only where that still stands.
        Sending again what is stored already is no conflict.

        Raises `VersionConflictError` where a version or the last position is another one; `InvalidEventError` where
        an event cannot be kept; `OverloadedError` where the queue is full; `OutcomeUnknownError` where the answer
        did not come in time; and `LedgerError` where the database refuses, or the events could not be sent in time.
        """
        if not events:
            return []
        call = Call.of(events, expected, self._clock.now(), at=at)
        return await self._batcher.submit(call, timeout_seconds=timeout_seconds)

    async def append_each(
        self, events: Sequence[Event], *, timeout_seconds: float = APPEND_SECONDS_MAX
    ) -> list[Receipt]:
        """Store each of the events that can be stored, in their order, and give a receipt for each.

        An event that cannot be kept is `rejected` with the reason, and its neighbours are not. Raises what `append`
        raises, but for that.
        """
        return list(await asyncio.gather(*(self._append_one(event, timeout_seconds) for event in events)))

    async def _append_one(self, event: Event, timeout_seconds: float) -> Receipt:
        try:
            [receipt] = await self.append([event], timeout_seconds=timeout_seconds)
        except InvalidEventError as error:
            return Receipt(message_id=event.message_id, status="rejected", reason=str(error))
        return receipt

    async def read_task(self, task_id: TaskId, *, after: int = 0, limit: int | None = None) -> list[RecordedEvent]:
        """Read a task's events past a position, in their order, all or so many.

        Whoever changes a task appends with its last position (`at`), so none commits late behind another.
        """
        rows = await self._read(_READ_TASK, (task_id, after, limit))
        return decode_records("\n".join([line for (line,) in rows]))

    async def find_message(self, task_id: TaskId, message_id: UUID) -> RecordedEvent | None:
        """Give the event of a task that was stored under a message id; None where there is none."""
        rows = await self._read(_FIND_MESSAGE, (task_id, message_id))
        return decode_records(rows[0][0])[0] if rows else None

    async def find_tasks(self, fragment: str) -> list[TaskId]:
        """List the tasks whose name holds the fragment, newest first, archived ones last; all for an empty one."""
        return [TaskId(task) for (task,) in await self._read(FIND_TASKS, (fragment,))]

    async def _read(self, query: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        try:
            try:
                return await self._ask(query, parameters)
            except psycopg.OperationalError:
                if not self._connection.closed:
                    raise
                # The database was restarted, or the line was cut, since the last read.
                self._connection = await connect(self._url, "read")
                return await self._ask(query, parameters)
        except psycopg.Error as error:
            raise unreachable(error) from error

    async def _ask(self, query: LiteralString, parameters: Sequence[object]) -> list[TupleRow]:
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(query, parameters)
        return await cursor.fetchall()
