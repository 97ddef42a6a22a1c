"""The rows of one block of an export: into `ledger.event` by COPY, their versions and their hashes.

What fails raises `LedgerError`, which names the place in the file; the transaction is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
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


class Found(NamedTuple):
    """An event of a block, and its index there."""

    at: int
    event: EventLine


class Order:
    """The course of positions through a file: they rise, and stay in the range that its header names."""

    def __init__(self, header: Header) -> None:
        #: Position of the event that was read last.
        self.last = header.first_position - 1
        self._end = header.last_position

    def follow(self, block: Block) -> Iterator[Found]:
        """Give the events of a block, checked as they go by."""
        last, end = self.last, self._end
        for index, record in enumerate(block.records):
            event = cast("EventLine", record)
            if not last < event.position <= end:
                raise LedgerError(
                    f"{block.place(index)}: position {event.position} is out of order: it must be above {last} and "
                    f"at most {end}"
                )
            self.last = last = event.position
            yield Found(index, event)


class Versions:
    """What a block adds to streams, noted while its events go by."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._last: dict[StreamKey, int] = {}
        # Events whose predecessor in the stream is not in the block.
        self._starts: list[Found] = []
        self._archived: set[str] = set()

    def follow(self, events: Iterable[Found]) -> Iterator[Found]:
        """Give the events on."""
        last, starts = self._last, self._starts
        for found in events:
            event = found.event
            key = (event.task_id, event.stream_id)
            version = event.version
            if version != last.get(key, 0) + 1:
                starts.append(found)
            last[key] = version
            if event.type == _TOMBSTONE:
                self._archived.add(event.task_id)
            yield found

    def tasks(self) -> list[str]:
        """List the tasks that the events belong to."""
        return sorted({task for task, _ in self._last})

    def check(self, connection: Connection) -> None:
        """Raise `LedgerError` where an event does not continue its stream.

        Of a task that was archived, versions may be missing: they are in the archive's file.
        """
        if not self._starts:
            return
        events = [event for _, event in self._starts]
        columns = (
            [event.task_id for event in events],
            [event.stream_id for event in events],
            [event.version for event in events],
        )
        for (number,) in connection.execute(_FIND_GAPS, columns).fetchall():
            found = self._starts[number]
            if not self._was_archived(connection, found.event.task_id):
                raise LedgerError(
                    f"{place_of(self._block, found)}: version {found.event.version} of stream "
                    f"{found.event.stream_id} does not continue it: version {found.event.version - 1} is not there"
                )

    def _was_archived(self, connection: Connection, task: str) -> bool:
        if task not in self._archived:
            query = "SELECT EXISTS (SELECT FROM ledger.event WHERE task_id = %s AND stream_id = %s AND type = %s)"
            if connection.execute(query, (task, task, _TOMBSTONE)).fetchone() != (True,):
                return False
            self._archived.add(task)
        return True


class Rows:
    """The rows that were made of a block, in the order in which they went to the database."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._found: list[Found] = []
        self._positions: list[int] = []

    def __len__(self) -> int:
        return len(self._found)

    def copy(self, connection: Connection, placed: Iterable[tuple[int, Found]]) -> None:
        """Store each event at the position that comes with it."""
        try:
            with connection.cursor() as cursor:
                with cursor.copy(_COPY) as copy:
                    for text in self._texts(placed):
                        copy.write(text)
                stored = cursor.rowcount
        except psycopg.Error as error:
            raise LedgerError(self._refusal(error)) from error
        if stored != len(self):
            raise LedgerError(f"{self._block.place(0)}: an identifier or a time from here on holds a line feed")

    def check_hashes(self, connection: Connection, tasks: Sequence[str]) -> None:
        """Have the database hash what it has stored; raises `LedgerError` where that is not what the file says."""
        if not self._positions:
            return
        query = (min(self._positions), max(self._positions), tasks)
        row = connection.execute(_FIND_FORGED, query).fetchone()
        if row is not None:
            found = self._found[self._positions.index(row[0])]
            raise LedgerError(
                f"{place_of(self._block, found)}: its content does not have the hash that the file says"
            )

    def _texts(self, placed: Iterable[tuple[int, Found]]) -> Iterator[bytes]:
        texts: list[str] = []
        for position, found in placed:
            event = found.event
            try:
                payload = str(event.payload, "utf-8")
            except UnicodeDecodeError as error:
                raise LedgerError(f"{place_of(self._block, found)}: the payload is not UTF-8") from error
            texts.append(
                f"{_quoted(event.task_id)}\2{_quoted(event.stream_id)}\2{event.version}\2{position}\2"
                f"{event.message_id}\2{_quoted(event.type)}\2{event.schema_version}\2{_quoted(event.worker_id)}\2"
                f"{'' if event.lease_epoch is None else event.lease_epoch}\2{event.occurred_at}\2"
                f"{event.recorded_at}\2{payload}\2\\x{event.content_hash}\n"
            )
            self._found.append(found)
            self._positions.append(position)
            if len(texts) == _ROWS_AT_ONCE:
                yield "".join(texts).encode()
                texts.clear()
        yield "".join(texts).encode()

    def _refusal(self, error: psycopg.Error) -> str:
        said = re.search(r"^COPY event, line (\d+)", error.diag.context or "", re.MULTILINE)
        what = " ".join(part for part in (first_line(error), error.diag.message_detail) if part)
        if said is None or not 1 <= int(said[1]) <= len(self):
            return f"{self._block.place(0)} or one after it was refused by the database: {what}"
        return f"{place_of(self._block, self._found[int(said[1]) - 1])} was refused by the database: {what}"


def place_of(block: Block, found: Found) -> str:
    """Say where an event stands, and which it is."""
    return f"{block.place(found.at)}: position {found.event.position} of {found.event.task_id}"


@lru_cache(maxsize=10_000)
def _quoted(text: str | None) -> str:
    # Without quotes nothing is NULL, with them it is the empty string.
    return "" if text is None else "\1" + text.replace("\1", "\1\1") + "\1"
