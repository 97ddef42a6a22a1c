"""Between events and the columns of `ledger.event`.

The payload is the body as JSON without its tag, which has a column of its own. The content hash covers what
the sender sent, and nothing that the ledger adds (version, position, recorded_at): it is the SHA-256 of a JSON
array of the identifying columns and the payload with its keys sorted, times in microseconds since 1970.
"""

from __future__ import annotations

import hashlib
import math
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

#: Whole floats from here on come back from jsonb as integers, until these end at 64 bits.
_WHOLE_FROM = 1e16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BODY = msgspec.json.Decoder(EventBody)


def encode_body(body: EventBody) -> tuple[str, str]:
    """Split a body into its type and its payload as JSON text, in normal form: equal bodies give equal text.

    Raises `LedgerError` where Postgres could not keep the payload as it is: too large, a number that is not
    finite, a NUL character or half a surrogate pair in a string.
    """
    kind = str(type(body).__struct_config__.tag)
    try:
        # Read back as what it is to be read as later: an integer in a field of floats is a float from here on.
        normal = msgspec.convert(_normal(msgspec.to_builtins(body)), EventBody)
        fields = _normal(msgspec.to_builtins(normal))
        payload = msgspec.json.encode(_without_defaults(normal, fields), order="sorted")
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise LedgerError(f"{kind}: the payload cannot be kept: {error}") from error
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise LedgerError(f"{kind}: the payload has {len(payload)} bytes, the limit is {PAYLOAD_BYTES_MAX}")
    return kind, payload.decode()


def _normal(value: Any) -> Any:
    """Give the form that a value has when it comes back from `jsonb`; raises ValueError where it has none."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        # jsonb prints a large whole number without a point, and knows no negative zero.
        whole = value.is_integer() and abs(value) >= _WHOLE_FROM and -(2**63) <= value < 2**64
        return int(value) if whole else value + 0.0
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string holds a NUL character")
        value.encode()
        return value
    if isinstance(value, dict):
        return {_normal(key): _normal(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(inner) for inner in value]
    return value


def _without_defaults(body: EventBody, fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out the tag, and what equals its default: msgspec itself leaves out only what is the same object."""
    kept = {name: value for name, value in fields.items() if name != "type"}
    for field in msgspec.structs.fields(body):
        if (
            field.name in kept
            and field.default is not msgspec.NODEFAULT
            and getattr(body, field.name) == field.default
        ):
            del kept[field.name]
    return kept


def decode_body(kind: str, payload: str) -> EventBody:
    """Put a body together again from its type and payload text."""
    inner = payload.strip().removeprefix("{")
    comma = "" if inner.startswith("}") else ","
    try:
        body: EventBody = _BODY.decode(f'{{"type":"{kind}"{comma}{inner}')
    except msgspec.DecodeError as error:
        raise LedgerError(f"an event of type {kind!r} cannot be read by this version: {error}") from error
    return body


def content_hash(event: Event) -> bytes:
    """Hash what the sender sent: 32 bytes."""
    kind, payload = encode_body(event.body)
    if event.occurred_at.tzinfo is None:
        raise LedgerError(f"{kind}: occurred_at has no time zone")
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
