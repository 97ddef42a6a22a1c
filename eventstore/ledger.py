"""The ledger: append events, read them back, keep raw inputs.

What an append promises:

- All events of one call are stored, or none is. When it returns they are durable (`synchronous_commit` is on).
- A message id is stored once per task. Sent again with the same content it answers `duplicate` with the first
  position; with other content it answers `conflict`, and nothing of that event is stored.
- Versions of a stream are 1, 2, 3 ... without gaps; `expected` turns an append into a compare-and-set.

Locks, in this order: the advisory lock that all appends share (a reader takes it exclusively to learn that no
append is under way), then the heads of the streams in sorted order. Duplicates are looked for only after the
heads are locked, so a message id that a concurrent append is about to store is seen; where that goes to another
stream, the named conflict target of the insert catches it and the append starts again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, Self
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from domain.errors import LedgerError, VersionConflictError
from domain.events import Event, Receipt, RecordedEvent
from domain.ids import TaskId
from eventstore.codec import COLUMNS, SCHEMA_VERSION, content_hash, decode_row, encode_body

Connection = psycopg.AsyncConnection[TupleRow]

#: Key of the advisory lock that appends share (the bytes of "pw-ledgr").
APPEND_LOCK = 0x70772D6C65646772

_LOCK_APPEND: LiteralString = "SELECT pg_advisory_xact_lock_shared(%s)"

_LOCK_HEADS: LiteralString = """
    INSERT INTO ledger.stream_head AS head (task_id, stream_id, version)
    SELECT task_id, stream_id, 0
    FROM unnest(%s::text[], %s::text[]) AS wanted (task_id, stream_id)
    ORDER BY task_id, stream_id
    -- A row must be written to be locked and returned.
    ON CONFLICT (task_id, stream_id) DO UPDATE SET version = head.version
    RETURNING task_id, stream_id, version
"""

_FIND_MESSAGES: LiteralString = """
    SELECT event.task_id, event.message_id, event.content_hash, event.position, event.version
    FROM unnest(%s::text[], %s::uuid[]) AS sent (task_id, message_id)
    JOIN ledger.event USING (task_id, message_id)
"""

_INSERT: LiteralString = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version,
        worker_id, lease_epoch, occurred_at, payload, content_hash
    )
    SELECT
        task_id, stream_id, version, nextval('ledger.position'), message_id, type, %s,
        worker_id, lease_epoch, occurred_at, payload::jsonb, content_hash
    FROM unnest(
        %s::text[], %s::text[], %s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::integer[],
        %s::timestamptz[], %s::text[], %s::bytea[]
    ) WITH ORDINALITY AS sent (
        task_id, stream_id, version, message_id, type, worker_id, lease_epoch,
        occurred_at, payload, content_hash, place
    )
    ORDER BY place
    ON CONFLICT (task_id, message_id) DO NOTHING
    RETURNING task_id, message_id, position, version
"""

_MOVE_HEADS: LiteralString = """
    UPDATE ledger.stream_head AS head
    SET version = moved.version
    FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS moved (task_id, stream_id, version)
    WHERE head.task_id = moved.task_id AND head.stream_id = moved.stream_id
"""

StreamKey = tuple[str, str]
MessageKey = tuple[str, UUID]


def _check_versions(heads: Mapping[StreamKey, int], expected: Mapping[str, int]) -> None:
    versions = {stream: version for (_, stream), version in heads.items()}
    if foreign := sorted(expected.keys() - versions.keys()):
        raise LedgerError(f"a version is expected of {foreign[0]}, which none of the events belongs to")
    for stream, version in expected.items():
        if versions[stream] != version:
            raise VersionConflictError(f"{stream} is at version {versions[stream]}, not {version}")


class _RacedError(Exception):
    """A message id was stored by another append between the look and the insert."""


class Ledger:
    """One connection to the ledger; not to be used by two tasks of an event loop at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator[Self]:
        """Connect; raises `LedgerError` where that fails."""
        try:
            connection = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10)
        except psycopg.Error as error:
            raise unreachable(error) from error
        async with connection:
            yield cls(connection)

    async def append(self, events: Sequence[Event], *, expected: Mapping[str, int] | None = None) -> list[Receipt]:
        """Store the events in their order and give a receipt for each.

        `expected` maps streams of these events to the version they must have now; sending again what is stored
        already is no conflict. Raises `VersionConflictError` where a version is another one, and `LedgerError`
        where the database is out of reach or an event cannot be kept.
        """
        if not events:
            return []
        rows = [(event, content_hash(event), *encode_body(event.body)) for event in events]
        while True:
            try:
                async with self._connection.transaction():
                    return await self._append(rows, expected or {})
            except (_RacedError, psycopg.errors.DeadlockDetected):
                # The other append has committed or gone: the next look finds what it stored.
                continue
            except psycopg.Error as error:
                raise LedgerError(f"the ledger refused an append: {_first_line(error)}") from error

    async def _append(
        self, rows: Sequence[tuple[Event, bytes, str, str]], expected: Mapping[str, int]
    ) -> list[Receipt]:
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(_LOCK_APPEND, (APPEND_LOCK,))
        heads = await self._lock_heads(cursor, [event for event, *_ in rows])
        known = await self._find_messages(cursor, [event for event, *_ in rows])
        fresh: dict[MessageKey, tuple[Event, bytes, str, str]] = {}
        for row in rows:
            key = (row[0].task_id, row[0].message_id)
            if key not in known:
                fresh.setdefault(key, row)
        if fresh:
            _check_versions(heads, expected)
        stored = await self._insert(cursor, list(fresh.values()), heads) if fresh else {}
        return [self._receipt(row, known, fresh, stored) for row in rows]

    async def _lock_heads(
        self, cursor: psycopg.AsyncCursor[TupleRow], events: Sequence[Event]
    ) -> dict[StreamKey, int]:
        keys = sorted({(str(event.task_id), str(event.stream_id)) for event in events})
        await cursor.execute(_LOCK_HEADS, ([task for task, _ in keys], [stream for _, stream in keys]))
        return {(task, stream): version for task, stream, version in await cursor.fetchall()}

    async def _find_messages(
        self, cursor: psycopg.AsyncCursor[TupleRow], events: Sequence[Event]
    ) -> dict[MessageKey, tuple[bytes, int, int]]:
        await cursor.execute(_FIND_MESSAGES, ([e.task_id for e in events], [e.message_id for e in events]))
        found = await cursor.fetchall()
        return {(task, message): (digest, position, version) for task, message, digest, position, version in found}

    async def _insert(
        self,
        cursor: psycopg.AsyncCursor[TupleRow],
        rows: Sequence[tuple[Event, bytes, str, str]],
        heads: Mapping[StreamKey, int],
    ) -> dict[MessageKey, tuple[int, int]]:
        next_version: defaultdict[StreamKey, int] = defaultdict(int, heads)
        columns: list[list[Any]] = [[] for _ in range(10)]
        for event, digest, kind, payload in rows:
            key = (event.task_id, event.stream_id)
            next_version[key] += 1
            values = (
                event.task_id, event.stream_id, next_version[key], event.message_id, kind,
                event.worker_id, event.lease_epoch, event.occurred_at, payload, digest,
            )  # fmt: skip
            for column, value in zip(columns, values, strict=True):
                column.append(value)
        await cursor.execute(_INSERT, (SCHEMA_VERSION, *columns))
        stored = {(task, message): (position, version) async for task, message, position, version in cursor}
        if len(stored) != len(rows):
            raise _RacedError
        moved = {key: version for key, version in next_version.items() if version != heads[key]}
        tasks, streams = [task for task, _ in moved], [stream for _, stream in moved]
        await cursor.execute(_MOVE_HEADS, (tasks, streams, list(moved.values())))
        return stored

    @staticmethod
    def _receipt(
        row: tuple[Event, bytes, str, str],
        known: Mapping[MessageKey, tuple[bytes, int, int]],
        fresh: Mapping[MessageKey, tuple[Event, bytes, str, str]],
        stored: Mapping[MessageKey, tuple[int, int]],
    ) -> Receipt:
        event, digest, *_ = row
        key = (event.task_id, event.message_id)
        if key in known:
            first, position, version = known[key]
            status = "duplicate" if bytes(first) == digest else "conflict"
        else:
            position, version = stored[key]
            same = fresh[key][1] == digest
            status = "created" if fresh[key] is row else "duplicate" if same else "conflict"
        return Receipt(message_id=event.message_id, status=status, position=position, version=version)  # type: ignore[arg-type]

    async def read_task(self, task_id: TaskId, *, after: int = 0) -> list[RecordedEvent]:
        """Read a task's events past a position, in their order.

        Events of one task are appended by one coordinator at a time, so none commits late behind another.
        """
        query = f"SELECT {COLUMNS} FROM ledger.event WHERE task_id = %s AND position > %s ORDER BY position"  # noqa: S608
        try:
            cursor = self._connection.cursor(binary=True)
            await cursor.execute(query.encode(), (task_id, after))
            return [decode_row(row) async for row in cursor]
        except psycopg.Error as error:
            raise unreachable(error) from error

    async def find_tasks(self, fragment: str) -> list[TaskId]:
        """List the tasks whose name holds the fragment, newest first; all of them for an empty one."""
        query = """
            SELECT task_id FROM ledger.event
            WHERE type = 'task_submitted' AND position(%s IN task_id) > 0
            ORDER BY ledger.event.position DESC
        """
        try:
            cursor = await self._connection.execute(query, (fragment,))
            return [TaskId(task) for (task,) in await cursor.fetchall()]
        except psycopg.Error as error:
            raise unreachable(error) from error


def unreachable(error: psycopg.Error) -> LedgerError:
    """Say in one line that the database does not answer, or not as it should."""
    return LedgerError(f"the ledger cannot be reached: {_first_line(error)}")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
