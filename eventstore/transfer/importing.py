"""Import: take an exported file into the ledger, each event as it was.

Each block of the file is stored in one transaction together with how far the file is in then (`ledger.import`), so an
import that was killed goes on where it was, and nothing is there half. What the ledger holds already, by message id
and content hash, is left alone: importing a file again changes nothing, and exports that overlap may be imported
one after the other.

Positions, in this order:

- An empty ledger keeps the positions of the file. They lie below those that the sequence gives out from then on, and
  readers wait at `done_position` until all are in (`ledger.settled_position`).
- An event that was archived from this very ledger gets back its own, which is in `ledger.archive` and in a seal.
- All others get new ones, in the order of the file.

Locks: one import at a time; the lock that appends share, exclusively for the moment in which it is decided whether
the ledger is empty, and shared while new positions are stored.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg

from domain.errors import LedgerError, UsageError
from eventstore.append import APPEND_LOCK
from eventstore.transfer.bulk import Connection, bulk_connection
from eventstore.transfer.export import Progress
from eventstore.transfer.export_format import ArchiveLine, ArtifactLine, EventLine, Header, SealLine
from eventstore.transfer.export_reader import Block, Source
from eventstore.transfer.import_events import EventImport, MergingImport, StraightImport
from eventstore.transfer.import_rest import store_archive, store_artifact, store_seal

# "pw-imprt" in ASCII.
_IMPORT_LOCK = 0x7077_2D69_6D70_7274
_IMPORT_TIMEOUT = "10s"
# Appends queue up behind the request.
_APPEND_TIMEOUT = "2s"
# How long a thread that reads the file keeps the interpreter from one that has something to send; Python's own five
# milliseconds cost a tenth of the speed.
_SWITCH_SECONDS = 0.0005


@dataclass(slots=True)
class Imported:
    """What an import has brought in, and what of the file was there already."""

    export_id: UUID
    keeps_positions: bool
    events: int = 0
    events_known: int = 0
    artifacts: int = 0
    seals: int = 0


def import_export(url: str, source: Source, progress: Progress = lambda _, __: None) -> Imported:
    """Take in all that the ledger does not hold yet; needs the rights of the ledger's owner.

    Raises `LedgerError` in one line where the file is damaged, contradicts itself or the ledger, or the database
    fails. What came before that block stays, and the import can be gone on with.
    """
    with bulk_connection(url, "import") as connection, bulk_connection(url, "import") as second:
        for lane in (connection, second):
            _prepare(lane)
        # Let go of with the connection.
        _lock(connection, _IMPORT_LOCK, _IMPORT_TIMEOUT, "another import is under way")
        with _prompt_threads():
            return _Import((connection, second), source.header).run(source, progress)


@contextmanager
def _prompt_threads() -> Iterator[None]:
    """Let threads that send rows go on soon: they need the interpreter for microseconds, and the database waits."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _prepare(lane: Connection) -> None:
    # Without statistics of rows that were stored just now, the planner takes small look-ups for large ones.
    for method in ("seqscan", "bitmapscan", "hashjoin", "mergejoin"):
        lane.execute(f"SET enable_{method} = off".encode())


def abandon_import(url: str, header: Header) -> None:
    """Declare an import over that will never be finished, so that readers no longer wait for the rest.

    What it has brought in stays. Raises `UsageError` where no import of that file is under way.
    """
    with bulk_connection(url, "import") as connection:
        query = (
            "UPDATE ledger.import SET finished_at = clock_timestamp() WHERE finished_at IS NULL AND export_id = %s"
        )
        if connection.execute(query, (header.export_id,)).rowcount == 0:
            raise UsageError(f"no import of export {header.export_id} is under way")


def _lock(connection: Connection, key: int, timeout: str, held: str) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (timeout,))
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (key,))
    except psycopg.errors.LockNotAvailable as error:
        raise LedgerError(f"{held}: try again later") from error
    connection.execute("RESET lock_timeout")


class _Import:
    def __init__(self, lanes: Sequence[Connection], header: Header) -> None:
        self._connection = lanes[0]
        self._header = header
        _lock(self._connection, APPEND_LOCK, _APPEND_TIMEOUT, "an append has been under way for two seconds")
        keeps, done = self._begin()
        self._connection.execute("SELECT pg_advisory_unlock(%s)", (APPEND_LOCK,))
        self.result = Imported(export_id=header.export_id, keeps_positions=keeps)
        self._events: EventImport = (
            StraightImport(lanes, header, done, self._note)
            if keeps
            else MergingImport(self._connection, header, done, self._note)
        )

    def run(self, source: Source, progress: Progress) -> Imported:
        begin = self._header.first_position - 1
        with closing(self._events):
            for block in source.blocks():
                if block.kind is EventLine:
                    stored = self._events.store(block)
                    self.result.events += stored
                    self.result.events_known += block.size - stored
                    progress(self._events.reached() - begin, self._header.last_position - begin)
                else:
                    self._events.settle()
                    self._store_rest(block)
            self._events.settle()
        # Only now is it known that the file is whole.
        self._connection.execute(
            "UPDATE ledger.import SET done_position = last_position, finished_at = clock_timestamp()"
            " WHERE export_id = %s",
            (self._header.export_id,),
        )
        return self.result

    def _note(self, connection: Connection, position: int) -> None:
        query = "UPDATE ledger.import SET done_position = %s WHERE export_id = %s"
        connection.execute(query, (position, self._header.export_id))

    def _begin(self) -> tuple[bool, int]:
        """Find out whether positions are kept, and up to where the file is in; write both down."""
        key, begin, last = self._header.export_id, self._header.first_position - 1, self._header.last_position
        row = self._connection.execute(
            "SELECT keeps_positions, done_position, finished_at IS NOT NULL FROM ledger.import WHERE export_id = %s",
            (key,),
        ).fetchone()
        keeps, done, finished = row or (self._is_untouched(), begin, True)
        if finished:
            # Of what was imported once, events may have been archived since: all is looked at again.
            keeps, done = keeps and row is None, begin
        elif keeps and done == begin and self._has_events():
            # Killed before the sequence was set: others have got the positions since.
            keeps = False
        self._connection.execute(
            """
            INSERT INTO ledger.import AS known (export_id, keeps_positions, done_position, last_position)
            VALUES (%s, %s, %s, %s)
            ON CONFLICT (export_id) DO UPDATE SET
                keeps_positions = excluded.keeps_positions, done_position = excluded.done_position,
                started_at = excluded.started_at, finished_at = NULL
            """,
            (key, keeps, done, last),
        )
        if keeps and last > 0:
            # After the row: from then on readers do not go beyond what is in.
            query = "SELECT setval('ledger.position', greatest(%s, last_value)) FROM ledger.position"
            self._connection.execute(query, (last,))
        return keeps, done

    def _is_untouched(self) -> bool:
        row = self._connection.execute("SELECT NOT is_called FROM ledger.position").fetchone()
        return row == (True,) and not self._has_events()

    def _has_events(self) -> bool:
        return self._connection.execute("SELECT EXISTS (SELECT FROM ledger.event)").fetchone() == (True,)

    def _store_rest(self, block: Block) -> None:
        with self._connection.transaction():
            for index, record in enumerate(block.records):
                match record:
                    case ArtifactLine():
                        self.result.artifacts += store_artifact(self._connection, record, block.place(index))
                    # Both are about positions, and mean nothing where these are others.
                    case ArchiveLine() if self.result.keeps_positions:
                        store_archive(self._connection, record)
                    case SealLine() if self.result.keeps_positions:
                        self.result.seals += store_seal(self._connection, record)
