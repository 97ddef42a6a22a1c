"""What is hashed of a stored event: its content, and its leaf in a seal (docs/tamper-evidence.md).

Everything is computed here from plain columns, which only Postgres's own functions have touched. The ledger's SQL
functions are left out on purpose: whoever rewrites events can rewrite those as well.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.rows import TupleRow

from eventstore.sealing.merkle import leaf_hash

#: A connection for work that one thread does from its beginning to its end.
Connection = psycopg.Connection[TupleRow]

#: The highest position that the database can hold.
POSITION_MAX = 2**63 - 1

#: Few enough that even the largest payloads fit in memory, enough that fetching costs little.
_ROWS_AT_ONCE = 32

_LEAF = struct.Struct(">QQq32s")

_EVENTS: LiteralString = """
    SELECT
        position, version, extract(epoch FROM recorded_at)::text, content_hash, task_id, stream_id, message_id::text,
        type, schema_version, worker_id, lease_epoch, extract(epoch FROM occurred_at)::text, payload::text
    FROM ledger.event
    WHERE position BETWEEN %s AND %s
    ORDER BY position
    LIMIT %s
"""


class StoredEvent(NamedTuple):
    """An event as its columns hold it; times are text: seconds since 1970 with six decimals."""

    position: int
    version: int
    recorded_at: str
    content_hash: bytes
    task_id: str
    stream_id: str
    message_id: str
    type: str
    schema_version: int
    worker_id: str | None
    lease_epoch: int | None
    occurred_at: str
    #: As jsonb prints it.
    payload: str


def read_events(
    connection: Connection, first: int, last: int = POSITION_MAX, limit: int | None = None
) -> Iterator[StoredEvent]:
    """Give the events at positions `first` to `last`, in their order, at most `limit` of them.

    Rows come in as they are consumed, whatever their number; until then the connection can do nothing else. To leave
    before the last one ends the transaction.
    """

    def as_event(_: psycopg.Cursor[Any]) -> Callable[..., StoredEvent]:
        return StoredEvent._make

    with connection.cursor(row_factory=as_event) as cursor:
        yield from cursor.stream(_EVENTS, (first, last, limit), binary=True, size=_ROWS_AT_ONCE)


def content_text(event: StoredEvent) -> str:
    """Give the text that the content hash is taken of: nine fields, one a line, absent ones empty."""
    return (
        f"{event.task_id}\n{event.stream_id}\n{event.message_id}\n{event.type}\n{event.schema_version}\n"
        f"{event.worker_id or ''}\n{'' if event.lease_epoch is None else event.lease_epoch}\n"
        f"{event.occurred_at}\n{event.payload}"
    )


def leaf_of(event: StoredEvent) -> bytes:
    """Hash an event together with its place: 32 bytes.

    Raises `ValueError`, which says what is wrong with the event, where its content is not what its hash says, where
    an identifier holds a line feed or is empty instead of absent (two events could share a text), and where its
    place or the time of its recording is none.
    """
    text = content_text(event)
    if sha256(text.encode()).digest() != event.content_hash:
        raise ValueError("its content does not have the hash that is stored with it")
    if text.count("\n") != 8 or event.worker_id == "":
        raise ValueError("an identifier of it is empty or holds a line feed")
    try:
        place = _LEAF.pack(event.position, event.version, microseconds(event.recorded_at), event.content_hash)
    except (ValueError, AttributeError, struct.error) as error:
        raise ValueError("its position, version or time of recording is out of range") from error
    return leaf_hash(place)


def microseconds(seconds: str) -> int:
    """Read seconds with six decimals as microseconds; raises `ValueError` for infinity."""
    return int(seconds.replace(".", ""))
