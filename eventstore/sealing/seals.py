"""Seals: closed ranges of positions, each with a Merkle root over its events and the hash of the seal before it.

What is sealed cannot be changed, removed or added to without a seal being wrong, and no seal can be changed without
all later ones being wrong. Ranges follow each other without gaps, so a position that held no event when it was
sealed can get none later.

Sealing needs INSERT on `ledger.seal` and SELECT, no more. Lock: one transaction advisory lock, taken before the last
seal is read; `ledger.settled_position()` takes its own before that, and lets it go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import LiteralString, NamedTuple, Self
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow

from domain.errors import LedgerError
from eventstore.postgres.connection import first_line
from eventstore.sealing.hashing import Connection, leaf_of, read_events
from eventstore.sealing.merkle import HASH_BYTES, root_of

#: Takes the position that was reached and the last one there is.
OnProgress = Callable[[int, int], None]

#: How many events a seal holds at most.
EVENTS_MAX = 4096

# "pw-seals" in ASCII.
_LOCK_KEY = 0x7077_2D73_6561_6C73

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEAL = struct.Struct(">QQQQq32s32s")

_COLUMNS: LiteralString = """
    SELECT
        (SELECT id FROM ledger.incarnation), number, first_position, last_position, cardinality(positions),
        CASE WHEN isfinite(sealed_at) THEN (extract(epoch FROM sealed_at) * 1000000)::bigint ELSE 0 END,
        encode(root, 'hex'), encode(previous, 'hex'), encode(hash, 'hex')
"""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A seal without its leaves: what is kept outside of the database. Hashes are in hexadecimal."""

    #: Which ledger it is of; not hashed.
    incarnation: UUID
    #: 1, 2, 3 ...
    number: int
    first_position: int
    last_position: int
    #: How many events the range holds.
    count: int
    #: The database's clock, in microseconds since 1970.
    sealed_at_us: int
    root: str
    #: Hash of the seal before; zeros for the first.
    previous: str
    hash: str

    def computed_hash(self) -> str:
        """Hash all but the hash itself; raises `ValueError` for values that no seal can hold."""
        try:
            fields = _SEAL.pack(
                self.number, self.first_position, self.last_position, self.count, self.sealed_at_us,
                bytes.fromhex(self.root), bytes.fromhex(self.previous),
            )  # fmt: skip
        except (struct.error, TypeError) as error:
            raise ValueError(f"seal {self.number} cannot be hashed: {error}") from error
        return sha256(b"\x02" + fields).hexdigest()

    def with_hash(self) -> Self:
        """Give the same seal with the hash that it must have."""
        return msgspec.structs.replace(self, hash=self.computed_hash())


class SealedRange(NamedTuple):
    """A seal, the positions of its events, and their leaves."""

    seal: Seal
    positions: list[int]
    leaves: list[bytes]


def beginning(connection: Connection) -> Seal:
    """Give what the first seal follows: number 0, no positions, and a hash of zeros."""
    row = connection.execute("SELECT id FROM ledger.incarnation").fetchone()
    if row is None:
        raise LedgerError("the ledger has lost its identity: ledger.incarnation is empty")
    zeros = bytes(HASH_BYTES).hex()
    return Seal(
        incarnation=row[0], number=0, first_position=0, last_position=0, count=0, sealed_at_us=0,
        root=zeros, previous=zeros, hash=zeros,
    )  # fmt: skip


def last_seal(connection: Connection) -> Seal:
    """Give the newest seal, or the `beginning` where there is none yet."""
    row = connection.execute(_COLUMNS + "FROM ledger.seal ORDER BY number DESC LIMIT 1").fetchone()
    return _seal(row) if row is not None else beginning(connection)


def read_seals(connection: Connection) -> Iterator[Seal]:
    """Give all seals in their order; they are small, and fetched at once."""
    # Not as a stream: one that is left early takes the transaction with it.
    return map(_seal, connection.execute(_COLUMNS + "FROM ledger.seal ORDER BY number").fetchall())


def next_range(connection: Connection, after: int) -> SealedRange | None:
    """Give the first seal of a number above `after`, with its leaves; None where there is none."""
    query = _COLUMNS + ", positions, leaves FROM ledger.seal WHERE number > %s ORDER BY number LIMIT 1"
    return _range(connection.cursor(binary=True).execute(query, [after]).fetchone())


def range_holding(connection: Connection, position: int) -> SealedRange | None:
    """Give the seal whose range holds the position, with its leaves; None where it is not sealed yet."""
    query = _COLUMNS + ", positions, leaves FROM ledger.seal WHERE %s BETWEEN first_position AND last_position"
    return _range(connection.cursor(binary=True).execute(query, [position]).fetchone())


def seal(
    connection: Connection, *, events_max: int = EVENTS_MAX, on_progress: OnProgress | None = None
) -> list[Seal]:
    """Seal everything that is settled past the last seal and give the new seals, oldest first; none for no events.

    `connection` is in autocommit, outside a transaction; each seal is committed by itself, so that what is cut off
    is gone on with. Any number of processes may do this at once: they take turns. `on_progress` is called after
    each seal. Raises `LedgerError` where an event is not what its hash says, which names its position and leaves it
    and what follows unsealed, and where appends leave no moment to learn what is settled.
    """
    try:
        row = connection.execute("SELECT ledger.settled_position()").fetchone()
        settled: int = (row and row[0]) or 0
        made: list[Seal] = []
        while (new := _seal_next(connection, settled, events_max)) is not None:
            made.append(new)
            if on_progress is not None:
                on_progress(new.last_position, settled)
    except psycopg.errors.LockNotAvailable as error:
        raise LedgerError("an append has been under way for two seconds: nothing was sealed, try again") from error
    except psycopg.Error as error:
        raise LedgerError(f"the ledger cannot be sealed: {first_line(error)}") from error
    return made


def _seal_next(connection: Connection, settled: int, events_max: int) -> Seal | None:
    with connection.transaction():
        # Whatever the database's default: what another sealer has committed meanwhile must be seen.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK_KEY])
        before = last_seal(connection)
        first = before.last_position + 1
        positions, leaves = _checked_leaves(connection, first, settled, events_max)
        if not positions:
            return None
        sealed_at = _now(connection)
        new = Seal(
            incarnation=before.incarnation,
            number=before.number + 1,
            first_position=first,
            # A full range ends with its last event, the last one where nothing can come any more.
            last_position=positions[-1] if len(positions) == events_max else settled,
            count=len(positions),
            sealed_at_us=(sealed_at - _EPOCH) // timedelta(microseconds=1),
            root=root_of(leaves).hex(),
            previous=before.hash,
            hash="",
        ).with_hash()
        _insert(connection, new, positions, leaves, sealed_at)
        return new


def _checked_leaves(connection: Connection, first: int, last: int, events_max: int) -> tuple[list[int], list[bytes]]:
    leaves: dict[int, bytes] = {}
    for event in read_events(connection, first, last, events_max):
        if event.position in leaves:
            raise LedgerError(f"position {event.position} cannot be sealed: two events have it")
        try:
            leaves[event.position] = leaf_of(event)
        except ValueError as error:
            raise LedgerError(f"position {event.position} cannot be sealed: {error}") from error
    return list(leaves), list(leaves.values())


def _now(connection: Connection) -> datetime:
    moment: datetime
    [(moment,)] = connection.execute("SELECT clock_timestamp()").fetchall()
    return moment


def _insert(
    connection: Connection, new: Seal, positions: list[int], leaves: list[bytes], sealed_at: datetime
) -> None:
    connection.execute(
        "INSERT INTO ledger.seal"
        " (number, first_position, last_position, positions, leaves, root, previous, sealed_at, hash)"
        " VALUES (%s, %s, %s, %b, %b, %s, %s, %s, %s)",
        (
            new.number, new.first_position, new.last_position, positions, b"".join(leaves),
            bytes.fromhex(new.root), bytes.fromhex(new.previous), sealed_at, bytes.fromhex(new.hash),
        ),
    )  # fmt: skip


def _range(row: TupleRow | None) -> SealedRange | None:
    if row is None:
        return None
    *fields, positions, leaves = row
    cut = [leaves[start : start + HASH_BYTES] for start in range(0, len(leaves), HASH_BYTES)]
    return SealedRange(_seal(tuple(fields)), positions, cut)


def _seal(row: TupleRow) -> Seal:
    fields = dict(zip(Seal.__struct_fields__, row, strict=True))
    try:
        return msgspec.convert(fields, Seal)
    except msgspec.ValidationError as error:
        raise LedgerError(f"seal {fields['number']} cannot be read: {error}") from error
