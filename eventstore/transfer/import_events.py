"""Events of an export into the ledger: straight into an empty one, or merged into one that holds some of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import LiteralString, Protocol
from uuid import UUID

from domain.errors import LedgerError
from eventstore.append import APPEND_LOCK
from eventstore.transfer.bulk import Connection
from eventstore.transfer.export_format import EventLine, Header
from eventstore.transfer.export_reader import Block
from eventstore.transfer.import_rows import Found, Order, Rows, Versions, place_of

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

    Nothing is looked up, and rows go through as they are read. Two connections take turns: while the database
    hashes the rows of one block, the next block is on its way over the other. Blocks are committed in their order.
    """

    def __init__(self, lanes: Sequence[Connection], header: Header, done: int, note: Note) -> None:
        self._lanes = list(lanes)
        self._order = Order(header)
        self._done = done
        self._note = note
        self._checker = ThreadPoolExecutor(max_workers=1)
        self._under_way: Future[None] | None = None

    def store(self, block: Block) -> int:
        """Store the events of the block past those that are in, and give their number."""
        lane = self._lanes.pop(0)
        self._lanes.append(lane)
        versions, rows = Versions(block), Rows(block)
        lane.execute("BEGIN")
        new = (found for found in self._order.follow(block) if found.event.position > self._done)
        rows.copy(lane, ((found.event.position, found) for found in versions.follow(new)))
        # The streams are as the block before has left them.
        self.settle()
        versions.check(lane)
        self._note(lane, self.reached())
        self._under_way = self._checker.submit(_check_and_commit, lane, rows, versions.tasks())
        return len(rows)

    def reached(self) -> int:
        """Give the position up to which the file was read."""
        return max(self._order.last, self._done)

    def settle(self) -> None:
        """Wait for the block before; raises `LedgerError` where an event of it has not the hash of the file."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def close(self) -> None:
        """Wait for what is under way, whatever becomes of it."""
        self._checker.shutdown()


def _check_and_commit(lane: Connection, rows: Rows, tasks: Sequence[str]) -> None:
    rows.check_hashes(lane, tasks)
    lane.execute("COMMIT")


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
        with self._connection.transaction():
            found = [found for found in self._order.follow(block) if found.event.position > self._done]
            versions, rows = Versions(block), Rows(block)
            missing = list(versions.follow(self._missing(block, found)))
            if missing:
                positions = self._positions(missing)
                versions.check(self._connection)
                rows.copy(self._connection, zip(positions, missing, strict=True))
                rows.check_hashes(self._connection, versions.tasks())
            self._note(self._connection, self.reached())
        return len(missing)

    def reached(self) -> int:
        """Give the position up to which the file was read."""
        return max(self._order.last, self._done)

    def settle(self) -> None:
        """Do nothing: each block is stored when `store` returns."""

    def close(self) -> None:
        """Do nothing."""

    def _missing(self, block: Block, found: Sequence[Found]) -> Sequence[Found]:
        self._look_for_tasks({event.task_id for _, event in found})
        asked = [one for one in found if not self._is_new[one.event.task_id]]
        if not asked:
            return found
        columns = (
            [event.task_id for _, event in asked],
            [event.message_id for _, event in asked],
            [rf"\x{event.content_hash}" for _, event in asked],
        )
        known: set[int] = set()
        for number, position, same in self._connection.execute(_FIND, columns):
            one = asked[number]
            if not same:
                raise LedgerError(
                    f"{place_of(block, one)}: message {one.event.message_id} is in the ledger with other content, "
                    f"at position {position}"
                )
            known.add(one.at)
        return [one for one in found if one.at not in known]

    def _look_for_tasks(self, tasks: set[str]) -> None:
        if unknown := sorted(tasks - self._is_new.keys()):
            query = """
                SELECT task_id, NOT EXISTS (SELECT FROM ledger.event WHERE event.task_id = asked.task_id)
                FROM unnest(%b::text[]) AS asked (task_id)
            """
            self._is_new.update(self._connection.execute(query, (unknown,)).fetchall())

    def _positions(self, missing: Sequence[Found]) -> Iterator[int]:
        own = self._archived_positions([event for _, event in missing])
        self._connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (APPEND_LOCK,))
        query = "SELECT array_agg(nextval('ledger.position')) FROM generate_series(1, %s)"
        row = self._connection.cursor(binary=True).execute(query, (len(missing) - len(own),)).fetchone()
        new = iter(sorted((row and row[0]) or ()))
        return (event.position if event.position in own else next(new) for _, event in missing)

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
