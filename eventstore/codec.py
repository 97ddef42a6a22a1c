"""Between events and the columns of `ledger.event`.

The payload is the body as JSON without its tag, which has a column of its own. The content hash covers what
the sender sent, and nothing that the ledger adds (version, position, recorded_at): it is the SHA-256 of a JSON
array of the identifying columns and the payload with its keys sorted, times in microseconds since 1970.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain.errors import LedgerError
from domain.events import Event, EventBody, RecordedEvent
from domain.ids import StreamId, TaskId, WorkerId

#: Raised with each change to the shape of a body that an upcaster must know about.
SCHEMA_VERSION = 1

#: Above this a payload is refused: what is large (raw tool output) belongs into an artifact.
PAYLOAD_BYTES_MAX = 4 * 1024 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BODY = msgspec.json.Decoder(EventBody)


def encode_body(body: EventBody) -> tuple[str, str]:
    """Split a body into its type and its payload as JSON text.

    Raises `LedgerError` where Postgres could not keep the payload: too large, or a NUL character in a string.
    """
    fields = msgspec.to_builtins(body)
    kind = str(fields.pop("type"))
    payload = msgspec.json.encode(fields)
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise LedgerError(f"{kind}: the payload has {len(payload)} bytes, the limit is {PAYLOAD_BYTES_MAX}")
    if b"\\u0000" in payload:
        raise LedgerError(f"{kind}: the payload holds a NUL character, which Postgres cannot keep")
    return kind, payload.decode()


def decode_body(kind: str, payload: str) -> EventBody:
    """Put a body together again from its type and payload text."""
    inner = payload.strip().removeprefix("{")
    comma = "" if inner.startswith("}") else ","
    try:
        body: EventBody = _BODY.decode(f'{{"type":"{kind}"{comma}{inner}')
    except msgspec.ValidationError as error:
        raise LedgerError(f"an event of type {kind!r} cannot be read by this version: {error}") from error
    return body


def content_hash(event: Event) -> bytes:
    """Hash what the sender sent: 32 bytes."""
    kind, payload = encode_body(event.body)
    fields: list[Any] = [
        event.task_id,
        event.stream_id,
        str(event.message_id),
        kind,
        SCHEMA_VERSION,
        event.worker_id,
        event.lease_epoch,
        (event.occurred_at - _EPOCH) // _MICROSECOND,
        msgspec.json.decode(payload),
    ]
    return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).digest()


#: Columns in the order that `decode_row` takes them.
COLUMNS = (
    "task_id, stream_id, version, position, message_id, type, worker_id, lease_epoch, occurred_at, "
    "recorded_at, payload::text"
)

Row = tuple[str, str, int, int, UUID, str, str | None, int | None, datetime, datetime, str]


def decode_row(row: Row) -> RecordedEvent:
    """Read one row of `COLUMNS`."""
    task, stream, version, position, message, kind, worker, epoch, occurred, recorded, payload = row
    return RecordedEvent(
        event=Event(
            task_id=TaskId(task),
            stream_id=StreamId(stream),
            message_id=message,
            occurred_at=occurred,
            body=decode_body(kind, payload),
            worker_id=WorkerId(worker) if worker is not None else None,
            lease_epoch=epoch,
        ),
        version=version,
        position=position,
        recorded_at=recorded,
    )
