"""Proofs that an event was sealed, for somebody who has a copy of the seals and no access to the ledger."""

from __future__ import annotations

import msgspec
import psycopg

from domain.errors import LedgerError
from eventstore.postgres.connection import first_line
from eventstore.sealing.hashing import Connection, StoredEvent, leaf_of, microseconds, read_events
from eventstore.sealing.merkle import inclusion_path, root_from_path
from eventstore.sealing.seals import Seal, range_holding


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that the content hash is taken of, in their order."""

    task_id: str
    stream_id: str
    message_id: str
    type: str
    schema_version: int
    worker_id: str | None
    lease_epoch: int | None
    #: Seconds since 1970 with six decimals.
    occurred_at: str
    #: Exactly as it is hashed.
    payload: str


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """All that is needed to get from an event to the hash of its seal."""

    position: int
    version: int
    recorded_at_us: int
    content: Content
    #: Place of the event among those of its seal, counted from 0.
    leaf_index: int
    #: Hashes from the leaf to the root, the lowest first, in hexadecimal.
    path: list[str]
    seal: Seal


def prove(connection: Connection, position: int) -> Proof:
    """Make the proof for the event at a position.

    Raises `LedgerError` where there is no event, it is not sealed yet, or it is not what was sealed.
    """
    try:
        sealed = range_holding(connection, position)
        events = list(read_events(connection, position, position, limit=1))
    except psycopg.Error as error:
        raise LedgerError(f"the ledger cannot be read: {first_line(error)}") from error
    if not events:
        gone = sealed is not None and position in sealed.positions
        raise LedgerError(
            f"the event at position {position} is not in the ledger any more: it was archived, or removed"
            if gone
            else f"the ledger holds no event at position {position}"
        )
    if sealed is None:
        raise LedgerError(f"position {position} is not sealed yet: pw ledger seal")
    seal, positions, leaves = sealed
    leaf = _leaf(events[0])
    index = positions.index(position) if position in positions else len(leaves)
    if leaf not in leaves[index : index + 1]:
        raise LedgerError(f"position {position}: it is not what seal {seal.number} holds: pw ledger verify")
    path = inclusion_path(leaves, index)
    if root_from_path(leaf, index, len(leaves), path).hex() != seal.root or seal.computed_hash() != seal.hash:
        raise LedgerError(f"seal {seal.number} is not whole: pw ledger verify")
    return _proof(events[0], index, path, seal)


def _leaf(event: StoredEvent) -> bytes:
    try:
        return leaf_of(event)
    except ValueError as error:
        raise LedgerError(f"position {event.position}: {error}") from error


def _proof(event: StoredEvent, index: int, path: list[bytes], seal: Seal) -> Proof:
    return Proof(
        position=event.position,
        version=event.version,
        recorded_at_us=microseconds(event.recorded_at),
        content=Content(**{name: getattr(event, name) for name in Content.__struct_fields__}),
        leaf_index=index,
        path=[node.hex() for node in path],
        seal=seal,
    )
