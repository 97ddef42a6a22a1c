"""Between events and the columns of `ledger.event`.

The payload is the body as JSON without its tag, which has a column of its own. What is accepted here can be read
back: a body is decoded again before it goes, so that no event in the ledger is one that no reader understands.

For reading, the database itself puts a record together as one line of JSON (`RECORD`), and msgspec decodes many
lines at once straight into structs: several times faster than a row of columns, whose times and UUIDs become
Python objects one by one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString, get_args
from uuid import UUID

import msgspec
from msgspec import inspect as declared

from domain.errors import InvalidEventError, LedgerError, PayloadTooLargeError
from domain.events import Event, EventBody, RecordedEvent
from eventstore import upcasting

#: Above this a payload is refused: what is large (raw tool output) belongs into an artifact.
PAYLOAD_BYTES_MAX = 4 * 1024 * 1024

#: Task, stream, message, type, schema version, worker, epoch, time of sending, payload as JSON.
Row = tuple[str, str, UUID, str, int, str | None, int | None, datetime, bytes]

_EPOCH_MAX = 2**31 - 1
#: Whole floats from here on come back from jsonb as integers.
_WHOLE_FROM = 1e16

_ENCODE = msgspec.json.Encoder().encode
_BODY = msgspec.json.Decoder(EventBody)
_TAGS: dict[type, str] = {cls: str(cls.__struct_config__.tag) for cls in get_args(EventBody)}


def _needs_care(kind: declared.Type) -> bool:
    """Tell whether values of a type may come back from `jsonb` as others, or equal values give two texts."""
    match kind:
        case declared.AnyType():
            return True
        case declared.StructType(fields=fields):
            # msgspec leaves out a default that is the same object, and a float hardly ever is.
            return any(isinstance(field.default, float) or _needs_care(field.type) for field in fields)
        case declared.UnionType(types=types):
            return any(_needs_care(one) for one in types)
        case declared.VarTupleType(item_type=item):
            return _needs_care(item)
        case declared.DictType(value_type=value):
            return _needs_care(value)
        case _:
            return False


_CAREFUL = frozenset(cls for cls in _TAGS if _needs_care(declared.type_info(cls)))
#: Types without a field of floats at the top, which an integer could have been given to; usage may hold one.
_EXACT = frozenset(
    cls
    for cls in _TAGS
    if all(
        isinstance(field.type, declared.StrType | declared.IntType | declared.BoolType)
        for field in msgspec.inspect.type_info(cls).fields  # type: ignore[attr-defined]
        if field.name != "usage"
    )
)

#: By type the fields that have a default, and which; asking msgspec takes as long as all the rest.
_DEFAULTS: dict[type, dict[str, Any]] = {
    cls: {one.name: one.default for one in msgspec.structs.fields(cls) if one.default is not msgspec.NODEFAULT}
    for cls in _TAGS
}


def encode_event(event: Event) -> Row:
    """Put an event into columns.

    Raises `InvalidEventError` with the reason where the ledger could not keep it, or nobody could read it back.
    """
    kind, payload = encode_body(event.body)
    if fault := _envelope_fault(event):
        raise InvalidEventError(f"{kind}: {fault}")
    return (
        event.task_id,
        event.stream_id,
        event.message_id,
        kind,
        upcasting.schema_version(kind),
        event.worker_id,
        event.lease_epoch,
        event.occurred_at,
        payload,
    )


def _envelope_fault(event: Event) -> str | None:
    """Say what is wrong with the fields around the body: structs are not checked when they are made."""
    epoch, worker = event.lease_epoch, event.worker_id
    # Neither a control character nor half a surrogate pair is printable.
    checks = (
        _is_a(event.task_id, str) and event.task_id != "" and event.task_id.isprintable(),
        _is_a(event.stream_id, str) and event.stream_id != "" and event.stream_id.isprintable(),
        worker is None or (_is_a(worker, str) and worker != "" and worker.isprintable()),
        _is_a(event.message_id, UUID),
        epoch is None or (type(epoch) is int and 0 <= epoch <= _EPOCH_MAX),
        _is_a(event.occurred_at, datetime) and event.occurred_at.tzinfo is not None,
    )
    if False not in checks:
        return None
    name, wanted = _ENVELOPE[checks.index(False)]
    return f"{name} is {getattr(event, name)!r}: {wanted} is needed"


# Under another name, because what a type checker takes for granted is what is to be found out.
_is_a: Callable[[object, type], bool] = isinstance

_ENVELOPE = (
    ("task_id", "one line of text"),
    ("stream_id", "one line of text"),
    ("worker_id", "one line of text"),
    ("message_id", "a UUID"),
    ("lease_epoch", f"a number from 0 to {_EPOCH_MAX}"),
    ("occurred_at", "a time with its zone"),
)


def encode_body(body: EventBody) -> tuple[str, bytes]:
    """Split a body into its type and its payload as JSON; equal bodies give texts that `jsonb` keeps alike.

    Raises `InvalidEventError` where the payload could not be kept as it is: a field of a wrong type, a number that
    is not finite, a NUL character or half a surrogate pair in a string; `PayloadTooLargeError` where it is too long.
    """
    kind = _TAGS.get(type(body))
    if kind is None:
        raise InvalidEventError(f"{type(body).__name__} is no body of an event")
    try:
        text = _ENCODE(body)
        read_back: EventBody = _BODY.decode(text)
        if type(body) in _CAREFUL or read_back != body or b"\\u0000" in text:
            text = _ENCODE(_careful_fields(body))
        else:
            # Encoded again as what was read: an integer in a field of floats is a float from here on.
            exact = type(body) in _EXACT and getattr(body, "usage", None) is None
            text = b"{" + (text if exact else _ENCODE(read_back))[len(kind) + 10 :].lstrip(b",")
    except (TypeError, ValueError, RecursionError, msgspec.ValidationError) as error:
        raise InvalidEventError(f"{kind}: the payload cannot be kept: {error}") from error
    if len(text) > PAYLOAD_BYTES_MAX:
        raise PayloadTooLargeError(f"{kind}: the payload has {len(text)} bytes, the limit is {PAYLOAD_BYTES_MAX}")
    return kind, text


def _careful_fields(body: EventBody) -> dict[str, Any]:
    # Read back as what it is to be read as later: an integer in a field of floats is a float from here on.
    normal = msgspec.convert(_normal(msgspec.to_builtins(body)), type(body))
    fields = _normal(msgspec.to_builtins(normal))
    left_out = {name for name, default in _DEFAULTS[type(body)].items() if getattr(normal, name) == default}
    return {name: value for name, value in fields.items() if name != "type" and name not in left_out}


def _normal(value: Any) -> Any:
    """Give the form that a value has when it comes back from `jsonb`; raises ValueError where it has none."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a finite number")
        # jsonb prints a large whole number without a point, and knows no negative zero.
        return int(value) if value.is_integer() and abs(value) >= _WHOLE_FROM else value + 0.0
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


#: A row of `ledger.event` as one line of JSON that `decode_records` takes. The session's time zone must be UTC.
# The feed's speed is that of this expression, and each word of it is the cheapest of those tried: to_json where a
# text may need escapes and nowhere else, times as text, right() because substr() counts characters, one concat()
# because a chain of || copies the text with every piece.
RECORD: LiteralString = """
    concat(
        '{"event":{"task_id":', to_json(task_id), ',"stream_id":', to_json(stream_id),
        ',"message_id":"', message_id, '","occurred_at":"', occurred_at, ':00"',
        ',"worker_id":' || to_json(worker_id), ',"lease_epoch":' || lease_epoch,
        ',"body":{"type":"', type, CASE payload WHEN '{}' THEN '"' ELSE '",' END, right(payload::text, -1),
        '},"version":', version, ',"position":', position, ',"recorded_at":"', recorded_at, ':00"',
        ',"schema_version":', schema_version, '}'
    )
"""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """An event that this release cannot read: another has written it, or something that is no release at all."""

    task_id: str
    position: int
    message_id: UUID
    #: A line that names the event, and what is wrong with it.
    reason: str


_RECORDS = msgspec.json.Decoder(RecordedEvent)
_ANY = msgspec.json.Decoder()
_SCHEMA_VERSION = operator.attrgetter("schema_version")


def decode_records(lines: str) -> list[RecordedEvent]:
    """Read lines of `RECORD`, bodies of older schema versions brought to today's shape.

    Raises `LedgerError`, which names task and position, where an event cannot be read by this release.
    """
    records, unreadable = decode_readable(lines)
    if unreadable:
        raise LedgerError(unreadable[0].reason)
    return records


def decode_readable(lines: str) -> tuple[list[RecordedEvent], list[Unreadable]]:
    """Read lines of `RECORD` as `decode_records` does, and tell apart what cannot be read by this release."""
    try:
        records = _RECORDS.decode_lines(lines)
    except msgspec.MsgspecError:
        # Of many lines, msgspec does not say which.
        return _decode_one_by_one(lines)
    if not upcasting.UPCASTERS and set(map(_SCHEMA_VERSION, records)) <= {1}:
        return records, []
    current = {cls: upcasting.schema_version(kind) for cls, kind in _TAGS.items()}
    if all(record.schema_version == current[type(record.event.body)] for record in records):
        return records, []
    return _decode_one_by_one(lines)


def _decode_one_by_one(lines: str) -> tuple[list[RecordedEvent], list[Unreadable]]:
    records: list[RecordedEvent] = []
    unreadable: list[Unreadable] = []
    for line in lines.split("\n"):
        match _decode_record(line):
            case RecordedEvent() as record:
                records.append(record)
            case Unreadable() as one:
                unreadable.append(one)
    return records, unreadable


def _decode_record(line: str) -> RecordedEvent | Unreadable:
    fields = _ANY.decode(line)
    body = fields["event"]["body"]
    kind = body["type"]
    try:
        fields["event"]["body"] = upcasting.upcast(kind, fields["schema_version"], body) | {"type": kind}
        return _RECORDS.decode(_ENCODE(fields))
    except (msgspec.ValidationError, LedgerError) as error:
        task_id, position = fields["event"]["task_id"], fields["position"]
        return Unreadable(
            task_id=task_id,
            position=position,
            message_id=UUID(fields["event"]["message_id"]),
            reason=f"the event of {task_id} at position {position}, of type {kind!r}, cannot be read by this release:"
            f" {error}",
        )
