"""Appending calls: what one round trip to the database stores, and what happens when it cannot.

A call is what one caller wants stored together: all of its events or none, except those whose message id is
stored already. Many calls go in one transaction (`sql/functions/02_append.sql`), which is what makes appending
fast; the rules here keep them from harming each other:

- A repeated message stops the transaction at its unique key. What was sent before is then looked up, left out, and
  the rest sent again. While repeated messages come in, they are looked up first.
- A stream that is not at the version a call expects fails that call alone.
- Data that the database refuses is found by halving, and fails its own call alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import LiteralString

import msgspec
import psycopg
from psycopg import errors

from domain.errors import InvalidEventError, LedgerError, RepeatedMessageError, VersionConflictError
from domain.events import Event, Receipt
from eventstore import arrays
from eventstore.arrays import Array, ArrayDumper
from eventstore.calls import Call, Outcome, Package, StreamKey, columns_of
from eventstore.clock import Clock, SystemClock
from eventstore.postgres.connection import Connection, first_line

#: Key of the advisory lock that appends share (the bytes of "pw-ledgr"); the SQL functions spell it in decimal.
APPEND_LOCK = 0x70772D6C65646772

_APPEND: LiteralString = """
    SELECT positions, bases FROM ledger.append_v2(
        %b::text[], %b::text[], %b::bigint[],
        %b::integer[], %b::integer[], %b::uuid[], %b::text[], %b::smallint[], %b::text[], %b::integer[],
        %b::timestamptz[], %b::text[],
        %b::text[], %b::bigint[]
    )
"""

_FIND: LiteralString = """
    SELECT
        sent.place, event.position, event.version,
        event.content_hash = sha256(convert_to(ledger.content_text(
            sent.task_id, sent.stream_id, sent.message_id, sent.type, sent.schema_version, sent.worker_id,
            sent.lease_epoch, sent.occurred_at, sent.payload
        ), 'UTF8'))
    FROM unnest(
        %b::text[], %b::text[], %b::uuid[], %b::text[], %b::smallint[], %b::text[], %b::integer[],
        %b::timestamptz[], %b::text[]::jsonb[]
    ) WITH ORDINALITY AS sent (
        task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload, place
    )
    JOIN ledger.event USING (task_id, message_id)
"""

_WRONG_VERSION = "PW002"
_ARCHIVED = "PW005"
_TASK_MOVED = "PW006"
#: What a single event can cause: data exceptions, constraints, limits of the server.
_POISON = (errors.DataError, errors.IntegrityError, errors.ProgramLimitExceeded)


class _WrongVersionError(Exception):
    """Streams are at other versions than expected: by stream, the version found."""

    def __init__(self, found: dict[StreamKey, int]) -> None:
        super().__init__(found)
        self.found = found


class _TaskMovedError(Exception):
    """Tasks have moved on: by task, the last position found."""

    def __init__(self, found: dict[str, int]) -> None:
        super().__init__(found)
        self.found = found


class _KnownMessageError(Exception):
    """A message id is stored already."""


class _OvertakenError(Exception):
    """Another append has added to a stream at the same moment."""


#: What becomes another attempt.
_RETRIED = (_KnownMessageError, _OvertakenError, _WrongVersionError, _TaskMovedError, errors.DeadlockDetected)


class Appender:
    """Appends over a connection in autocommit; not to be used by two tasks of an event loop at once."""

    def __init__(self, connection: Connection, clock: Clock | None = None) -> None:
        connection.adapters.register_dumper(Array, ArrayDumper)
        self._connection = connection
        self._clock = clock or SystemClock()
        self._look_first = False

    async def append(
        self, events: Sequence[Event], *, expected: Mapping[str, int] | None = None, at: int | None = None
    ) -> list[Receipt]:
        """Store the events of one call at once; see `Ledger.append`."""
        [outcome] = await self.append_calls([Call.of(events, expected, self._clock.now(), at=at)])
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    async def append_calls(
        self, calls: Sequence[Call], package: Package | None = None
    ) -> list[list[Receipt] | LedgerError]:
        """Store the calls in their order and give the receipts of each, or the error that it alone has met.

        No call may hold a message of another one, nor expect a version of a stream, or the last position of a task,
        that one before it writes to.
        `package` is `Package.of_calls` of them, where it was made beforehand.
        Raises `psycopg.Error` where the database fails as a whole; nothing is stored then, or it is not known.
        """
        try:
            return await self._append_calls(calls, package)
        except psycopg.Error as error:
            if not isinstance(error, _POISON) and error.sqlstate != _ARCHIVED:
                raise
            if len(calls) == 1:
                return [InvalidEventError(f"the ledger cannot keep the event: {first_line(error)}")]
            middle = len(calls) // 2
            return [*await self.append_calls(calls[:middle]), *await self.append_calls(calls[middle:])]

    async def _append_calls(
        self, calls: Sequence[Call], package: Package | None = None
    ) -> list[list[Receipt] | LedgerError]:
        if not self._look_first:
            try:
                places = iter(await self._store(package or Package.of_calls(calls)))
                return [call.created(islice(places, len(call.rows))) for call in calls]
            except _RETRIED:
                # What is sent again is no conflict, whatever version was expected: look what is there.
                self._look_first = True
        return await self._append_unknown(calls)

    async def _append_unknown(self, calls: Sequence[Call]) -> list[list[Receipt] | LedgerError]:
        """Store what is not stored yet, without the calls whose streams are at other versions than expected."""
        known = await self._find(calls)
        refused: dict[int, LedgerError] = _decided_in_vain(calls, known)
        while True:
            going = [call for call in calls if id(call) not in refused]
            rows = [row for call in going for row in call.rows if id(row) not in known]
            adding = [call for call in going if any(id(row) not in known for row in call.rows)]
            expected = {key: version for call in adding for key, version in call.expected.items()}
            turns = {task: position for call in adding for task, position in call.turns.items()}
            try:
                places = await self._store(Package.of(rows, expected, turns)) if rows else []
                break
            except _WrongVersionError as error:
                refused |= _conflicts(going, error.found)
            except _TaskMovedError as error:
                refused |= _moved(going, error.found)
            except _RETRIED:
                # The other append has committed, or is gone.
                known = await self._find(calls)
                refused |= _decided_in_vain(calls, known)
        self._look_first = bool(known)
        stored = {id(row): Outcome(*place, "created") for row, place in zip(rows, places, strict=True)}
        return [refused.get(id(call)) or call.receipts(stored | known) for call in calls]

    async def _store(self, package: Package) -> list[tuple[int, int]]:
        """Store rows, none of which may be stored already, and give the position and version of each."""
        cursor = self._connection.cursor(binary=True)
        try:
            await cursor.execute(_APPEND, package.parameters)
        except errors.UniqueViolation as error:
            if error.diag.constraint_name == "event_message_key":
                raise _KnownMessageError from error
            if error.diag.constraint_name == "event_stream_version_key":
                raise _OvertakenError from error
            raise
        except psycopg.DatabaseError as error:
            if error.sqlstate == _WRONG_VERSION:
                found = msgspec.json.decode(error.diag.message_detail or "[]")
                raise _WrongVersionError({(task, stream): version for task, stream, version in found}) from error
            if error.sqlstate == _TASK_MOVED:
                raise _TaskMovedError(dict(msgspec.json.decode(error.diag.message_detail or "[]"))) from error
            raise
        [(positions, bases)] = await cursor.fetchall()
        return [
            (position, bases[head - 1] + ordinal)
            for position, head, ordinal in zip(positions, package.heads, package.ordinals, strict=True)
        ]

    async def _find(self, calls: Iterable[Call]) -> dict[int, Outcome]:
        rows = [row for call in calls for row in call.sent]
        tasks, streams = [row[0].encode() for row in rows], [row[1].encode() for row in rows]
        cursor = self._connection.cursor(binary=True)
        await cursor.execute(_FIND, [arrays.texts(tasks), arrays.texts(streams), *columns_of(rows)])
        return {
            id(rows[place - 1]): Outcome(position, version, "duplicate" if same else "conflict")
            for place, position, version, same in await cursor.fetchall()
        }


def _decided_in_vain(calls: Iterable[Call], known: Mapping[int, Outcome]) -> dict[int, LedgerError]:
    """Refuse decisions on a task's state of which a part is stored: the rest would not follow from anything."""
    refused: dict[int, LedgerError] = {}
    for call in calls:
        stored = [row for row in call.rows if id(row) in known]
        if call.turns and stored and len(stored) < len(call.rows):
            refused[id(call)] = RepeatedMessageError(f"message {stored[0][2]} is in the ledger already")
    return refused


def _conflicts(calls: Iterable[Call], found: Mapping[StreamKey, int]) -> dict[int, LedgerError]:
    refused: dict[int, LedgerError] = {}
    for call in calls:
        for key, version in call.expected.items():
            if key in found and found[key] != version:
                refused[id(call)] = VersionConflictError(f"{key[1]} is at version {found[key]}, not {version}")
    return refused


def _moved(calls: Iterable[Call], found: Mapping[str, int]) -> dict[int, LedgerError]:
    return {
        id(call): VersionConflictError(f"{task} is at position {found[task]}, not {position}")
        for call in calls
        for task, position in call.turns.items()
        if task in found and found[task] != position
    }
