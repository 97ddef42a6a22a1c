"""Events of an export into the ledger: straight into an empty one, or merged into one that holds some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import LiteralString, Protocol
from uuid import UUID

from domain.errors import LedgerError
from eventstore.append import APPEND_LOCK
from eventstore.transfer.bulk import Connection
from eventstore.transfer.export_format import EventLine, Header
from eventstore.transfer.export_reader import Block
from eventstore.transfer.import_rows import Order, Rows, Selection, Versions

#: Writes down, in the transaction that is open, up to which position of the file everything is in.
Note = Callable[[Connection, int], None]

_FIND: LiteralString = """
    SELECT place - 1, event.position, event.content_hash = sent.content_hash
    FROM unnest(%b::text[], %b::text[]::uuid[], %b::text[]::bytea[]) WITH ORDINALITY
        AS sent (task_id, message_id, content_hash, place)
    JOIN ledger.event USING (task_id, message_id)
"""


class EventImport(Protocol):
    """Takes in the events of one export, block after block; each block is stored whole or not at all."""

    def store(self, block: Block) -> int:
        """Store those events of the block that the ledger has not, and give their number."""

    def reached(self) -> int:
        """Give the position up to which the file was read."""

    def settle(self) -> None:
        """Wait until all that was given is stored; what is wrong with it may show only here."""

    def close(self) -> None:
        """Leave the connections alone from now on."""


class StraightImport:
    """Into a ledger that holds nothing but what this very import has brought; events keep their positions.

    Nothing is looked up, and rows go through as they are read. Two connections take turns: while the rows of one
    block are on their way over one of them, the database hashes those of the block before on the other, and the block
    after is read. Blocks are committed in their order; two that are stored at once would wait for the same pages.
    """

    def __init__(self, lanes: Sequence[Connection], header: Header, done: int, note: Note) -> None:
        self._lanes = deque(lanes)
        self._order = Order(header)
        self._done = done
        self._note = note
        self._copier = ThreadPoolExecutor(max_workers=1)
        self._checker = ThreadPoolExecutor(max_workers=1)
        #: Of the last blocks, one for each lane at most, in their order.
        self._under_way: deque[Future[None]] = deque()

    def store(self, block: Block) -> int:
        """Store the events of the block past those that are in, and give their number."""
        new = self._order.follow(block).behind(self._done)
        rows = Rows(new, [event.position for event in new.events])
        versions = Versions(new)
        if len(self._under_way) == len(self._lanes):
            self._under_way.popleft().result()
        before = self._under_way[-1] if self._under_way else None
        lane = self._lanes[0]
        self._lanes.rotate(-1)
        copied = self._copier.submit(_begin_and_copy, lane, rows)
        self._under_way.append(
            self._checker.submit(self._check_and_commit, lane, rows, versions, self.reached(), copied, before)
        )
        return len(rows)

    def _check_and_commit(
        self,
        lane: Connection,
        rows: Rows,
        versions: Versions,
        reached: int,
        copied: Future[None],
        before: Future[None] | None,
    ) -> None:
        copied.result()
        if before is not None:
            # The streams are as the block before has left them; without that one, none after it is stored.
            before.result()
        versions.check(lane)
        rows.check_hashes(lane, versions.tasks())
        self._note(lane, reached)
        lane.execute("COMMIT")

    def reached(self) -> int:
        """Give the position up to which the file was read."""
        return max(self._order.last, self._done)

    def settle(self) -> None:
        """Wait for all blocks; raises `LedgerError` where an event of one has not the hash of the file."""
        while self._under_way:
            self._under_way.popleft().result()

    def close(self) -> None:
        """Wait for what is under way, whatever becomes of it."""
        self._copier.shutdown()
        self._checker.shutdown()


def _begin_and_copy(lane: Connection, rows: Rows) -> None:
    lane.execute("BEGIN")
    rows.copy(lane)


class MergingImport:
    """Into a ledger that holds other events, and perhaps some of these: what is there is left alone."""

    def __init__(self, connection: Connection, header: Header, done: int, note: Note) -> None:
        self._connection = connection
        self._order = Order(header)
        self._done = done
        self._note = note
        self._incarnation_is_ours = _incarnation(connection) == header.incarnation
        # Whether all events that the ledger has of a task came with this import: nothing of it is looked up then.
        self._is_new: dict[str, bool] = {}

    def store(self, block: Block) -> int:
        """Store those events of the block that the ledger has not, and give their number."""
        found = self._order.follow(block).behind(self._done)
        with self._connection.transaction():
            missing = self._missing(found)
            versions = Versions(missing)
            if missing.events:
                rows = Rows(missing, self._positions(missing.events))
                versions.check(self._connection)
                rows.copy(self._connection)
                rows.check_hashes(self._connection, versions.tasks())
            self._note(self._connection, self.reached())
        return len(missing.events)

    def reached(self) -> int:
        """Give the position up to which the file was read."""
        return max(self._order.last, self._done)

    def settle(self) -> None:
        """Do nothing: each block is stored when `store` returns."""

    def close(self) -> None:
        """Do nothing."""

    def _missing(self, found: Selection) -> Selection:
        events = found.events
        self._look_for_tasks({event.task_id for event in events})
        asked = [number for number, event in enumerate(events) if not self._is_new[event.task_id]]
        if not asked:
            return found
        columns = (
            [events[number].task_id for number in asked],
            [events[number].message_id for number in asked],
            [rf"\x{events[number].content_hash}" for number in asked],
        )
        known: set[int] = set()
        for index, position, same in self._connection.execute(_FIND, columns):
            number = asked[index]
            if not same:
                raise LedgerError(
                    f"{found.place(number)}: message {events[number].message_id} is in the ledger with other "
                    f"content, at position {position}"
                )
            known.add(number)
        return found.only([number for number in range(len(events)) if number not in known])

    def _look_for_tasks(self, tasks: set[str]) -> None:
        if unknown := sorted(tasks - self._is_new.keys()):
            query = """
                SELECT task_id, NOT EXISTS (SELECT FROM ledger.event WHERE event.task_id = asked.task_id)
                FROM unnest(%b::text[]) AS asked (task_id)
            """
            self._is_new.update(self._connection.execute(query, (unknown,)).fetchall())

    def _positions(self, events: Sequence[EventLine]) -> list[int]:
        own = self._archived_positions(events)
        self._connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (APPEND_LOCK,))
        query = "SELECT array_agg(nextval('ledger.position')) FROM generate_series(1, %s)"
        row = self._connection.cursor(binary=True).execute(query, (len(events) - len(own),)).fetchone()
        new = iter(sorted((row and row[0]) or ()))
        return [event.position if event.position in own else next(new) for event in events]

    def _archived_positions(self, events: Sequence[EventLine]) -> set[int]:
        """Tell which of the events were archived from their very positions in this ledger."""
        tasks = sorted({event.task_id for event in events if not self._is_new[event.task_id]})
        if not self._incarnation_is_ours or not tasks:
            return set()
        query = """
            SELECT DISTINCT task_id, position
            FROM ledger.archive, unnest(positions) AS position
            WHERE task_id = ANY (%b) AND position BETWEEN %s AND %s
        """
        span = (events[0].position, events[-1].position)
        archived = set(self._connection.execute(query, (tasks, *span)).fetchall())
        return {event.position for event in events if (event.task_id, event.position) in archived}


def _incarnation(connection: Connection) -> UUID | None:
    row = connection.execute("SELECT id FROM ledger.incarnation").fetchone()
    return row[0] if row is not None else None
