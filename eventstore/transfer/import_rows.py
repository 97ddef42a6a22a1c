"""The rows of one block of an export: into `ledger.event` by COPY, their versions and their hashes.

What fails raises `LedgerError`, which names the place in the file; the transaction is the caller's.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import LiteralString, NamedTuple, cast

import psycopg

from domain.errors import LedgerError
from eventstore.postgres.connection import first_line
from eventstore.transfer.bulk import COPY_FORM, Connection
from eventstore.transfer.export_format import EventLine, Header
from eventstore.transfer.export_reader import Block

#: Rows that go to the database in one piece; it works on them while the next ones are put together.
_ROWS_AT_ONCE = 256

_COPY: LiteralString = f"""
    COPY ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version,
        worker_id, lease_epoch, occurred_at, recorded_at, payload, content_hash
    ) FROM STDIN {COPY_FORM}
"""

# Versions are unique within a stream, so it has no gaps where each one's predecessor is there.
_FIND_GAPS: LiteralString = """
    SELECT place - 1
    FROM unnest(%b::text[], %b::text[], %b::bigint[]) WITH ORDINALITY AS start (task_id, stream_id, version, place)
    WHERE NOT EXISTS (
        SELECT FROM ledger.event
        WHERE event.task_id = start.task_id AND event.stream_id = start.stream_id
            AND event.version = start.version - 1
    )
    ORDER BY place
"""

# By range, because that is a single walk through one index; whatever else lies in it has its hash as well.
_FIND_FORGED: LiteralString = """
    SELECT position
    FROM ledger.event
    WHERE position BETWEEN %s AND %s AND task_id = ANY (%b) AND content_hash <> sha256(convert_to(
        ledger.content_text(
            task_id, stream_id, message_id, type, schema_version, worker_id, lease_epoch, occurred_at, payload
        ), 'UTF8'
    ))
    ORDER BY position
    LIMIT 1
"""

_TOMBSTONE = "task_archived"

StreamKey = tuple[str, str]


class Selection(NamedTuple):
    """Events of a block in their order, and their indices there."""

    block: Block
    indices: Sequence[int]
    events: Sequence[EventLine]

    def behind(self, position: int) -> Selection:
        """Give those behind a position."""
        start = bisect.bisect_right(self.events, position, key=_position)
        return Selection(self.block, self.indices[start:], self.events[start:])

    def only(self, numbers: Sequence[int]) -> Selection:
        """Give those of these numbers; 0 is the first."""
        return Selection(
            self.block, [self.indices[number] for number in numbers], [self.events[number] for number in numbers]
        )

    def place(self, number: int) -> str:
        """Say where an event stands, and which it is."""
        event = self.events[number]
        return f"{self.block.place(self.indices[number])}: position {event.position} of {event.task_id}"


class Order:
    """The course of positions through a file: they rise, and stay in the range that its header names."""

    def __init__(self, header: Header) -> None:
        #: Position of the event that was read last.
        self.last = header.first_position - 1
        self._end = header.last_position

    def follow(self, block: Block) -> Selection:
        """Give the events of a block; raises `LedgerError` where one is out of order."""
        events = cast("list[EventLine]", list(block.records))
        last, end = self.last, self._end
        for index, event in enumerate(events):
            position = event.position
            if not last < position <= end:
                raise LedgerError(
                    f"{block.place(index)}: position {position} is out of order: it must be above {last} and at most "
                    f"{end}"
                )
            last = position
        self.last = last
        return Selection(block, range(len(events)), events)


class Versions:
    """What events add to streams."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._last: dict[StreamKey, int] = {}
        # Numbers of the events whose predecessor in the stream is not among them.
        self._starts: list[int] = []
        last, starts = self._last, self._starts
        for number, event in enumerate(selection.events):
            key = (event.task_id, event.stream_id)
            version = event.version
            if version != last.get(key, 0) + 1:
                starts.append(number)
            last[key] = version
        self._archived = {event.task_id for event in selection.events if event.type == _TOMBSTONE}

    def tasks(self) -> list[str]:
        """List the tasks that the events belong to."""
        return sorted({task for task, _ in self._last})

    def check(self, connection: Connection) -> None:
        """Raise `LedgerError` where an event does not continue its stream.

        Of a task that was archived, versions may be missing: they are in the archive's file.
        """
        if not self._starts:
            return
        events = [self._selection.events[number] for number in self._starts]
        columns = (
            [event.task_id for event in events],
            [event.stream_id for event in events],
            [event.version for event in events],
        )
        for (index,) in connection.execute(_FIND_GAPS, columns).fetchall():
            event = events[index]
            if not self._was_archived(connection, event.task_id):
                raise LedgerError(
                    f"{self._selection.place(self._starts[index])}: version {event.version} of stream "
                    f"{event.stream_id} does not continue it: version {event.version - 1} is not there"
                )

    def _was_archived(self, connection: Connection, task: str) -> bool:
        if task not in self._archived:
            query = "SELECT EXISTS (SELECT FROM ledger.event WHERE task_id = %s AND stream_id = %s AND type = %s)"
            if connection.execute(query, (task, task, _TOMBSTONE)).fetchone() != (True,):
                return False
            self._archived.add(task)
        return True


class Rows:
    """The rows of events, in the order in which they go to the database, each with its position there."""

    def __init__(self, selection: Selection, positions: Sequence[int]) -> None:
        self._selection = selection
        self._positions = positions
        self._texts = [
            self._text(start, min(start + _ROWS_AT_ONCE, len(positions)))
            for start in range(0, len(positions), _ROWS_AT_ONCE)
        ]

    def __len__(self) -> int:
        return len(self._positions)

    def copy(self, connection: Connection) -> None:
        """Store them."""
        try:
            with connection.cursor() as cursor:
                with cursor.copy(_COPY) as copy:
                    for text in self._texts:
                        copy.write(text)
                stored = cursor.rowcount
        except psycopg.Error as error:
            raise LedgerError(self._refusal(error)) from error
        if stored != len(self):
            first = self._selection.block.place(0)
            raise LedgerError(f"{first}: an identifier or a time from here on holds a line feed")

    def check_hashes(self, connection: Connection, tasks: Sequence[str]) -> None:
        """Have the database hash what it has stored; raises `LedgerError` where that is not what the file says."""
        if not self._positions:
            return
        query = (min(self._positions), max(self._positions), tasks)
        row = connection.execute(_FIND_FORGED, query).fetchone()
        if row is not None:
            place = self._selection.place(self._positions.index(row[0]))
            raise LedgerError(f"{place}: its content does not have the hash that the file says")

    def _text(self, start: int, end: int) -> bytes:
        quoted = _quoted
        events = self._selection.events[start:end]
        return "".join(
            [
                f"{quoted(event.task_id)}\2{quoted(event.stream_id)}\2{event.version}\2{position}\2"
                f"{event.message_id}\2{quoted(event.type)}\2{event.schema_version}\2{quoted(event.worker_id)}\2"
                f"{'' if event.lease_epoch is None else event.lease_epoch}\2{event.occurred_at}\2"
                f"{event.recorded_at}\2{payload}\2\\x{event.content_hash}\n"
                for position, event, payload in zip(
                    self._positions[start:end], events, self._payloads(start, events), strict=True
                )
            ]
        ).encode()

    def _payloads(self, start: int, events: Sequence[EventLine]) -> Iterator[str]:
        for number, event in enumerate(events, start):
            try:
                yield str(event.payload, "utf-8")
            except UnicodeDecodeError as error:
                raise LedgerError(f"{self._selection.place(number)}: the payload is not UTF-8") from error

    def _refusal(self, error: psycopg.Error) -> str:
        said = re.search(r"^COPY event, line (\d+)", error.diag.context or "", re.MULTILINE)
        what = " ".join(part for part in (first_line(error), error.diag.message_detail) if part)
        if said is None or not 1 <= int(said[1]) <= len(self):
            return f"{self._selection.block.place(0)} or one after it was refused by the database: {what}"
        return f"{self._selection.place(int(said[1]) - 1)} was refused by the database: {what}"


def _position(event: EventLine) -> int:
    return event.position


@lru_cache(maxsize=10_000)
def _quoted(text: str | None) -> str:
    # Without quotes nothing is NULL, with them it is the empty string.
    return "" if text is None else "\1" + text.replace("\1", "\1\1") + "\1"
