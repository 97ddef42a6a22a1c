"""The lines of an export, as docs/export.md describes them: one JSON object a line, told apart by `kind`.

Those of rows are put together by Postgres (`EVENT` and its siblings) and read back with msgspec. Hashes are in
hexadecimal and bytes in base64; times are ISO 8601 in UTC, to the microsecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal, LiteralString
from uuid import UUID

import msgspec

from domain.errors import LedgerError

#: What the header says, so that nothing else is taken for an export.
FORMAT = "parallel-workers-ledger"
#: Raised with each change that a reader of the version before would misread.
VERSION = 1

#: A check line comes after so many lines at most, and where the kind of lines changes; what lies between two of
#: them is stored in one transaction.
BLOCK_LINES_MAX = 10_000
#: And as soon as there are so many bytes.
BLOCK_BYTES_MAX = 8 * 1024 * 1024
#: No line can be longer than what Postgres takes as one value.
LINE_BYTES_MAX = 1 << 30

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all lines have in common."""


class Header(Line, frozen=True, kw_only=True, tag="export"):
    """The first line: what the export is of."""

    format: str
    version: int
    export_id: UUID
    #: Of the ledger that it comes from.
    incarnation: UUID
    #: Positions of its events are from `first_position` to `last_position`; the range may be empty.
    first_position: Count
    last_position: Count
    #: None: everything up to `last_position`.
    tasks: tuple[str, ...] | None


class EventLine(Line, frozen=True, kw_only=True, tag="event", gc=False):
    """A row of `ledger.event`. Its checks are those of the database, which it goes to in bulk."""

    position: int
    task_id: str
    stream_id: str
    version: int
    message_id: str
    type: str
    schema_version: int
    worker_id: str | None
    lease_epoch: int | None
    occurred_at: str
    recorded_at: str
    content_hash: str
    #: As jsonb prints it, because that is what is hashed.
    payload: msgspec.Raw


class ArtifactLine(Line, frozen=True, kw_only=True, tag="artifact"):
    """A row of `ledger.artifact`."""

    task_id: str
    sha256: Sha256
    encoding: Literal["gzip"]
    size_bytes: Count
    content: bytes


class ArchiveLine(Line, frozen=True, kw_only=True, tag="archive"):
    """A row of `ledger.archive`: why events are missing from an export of everything."""

    task_id: str
    tombstone_position: int
    positions: tuple[int, ...]
    file_name: str
    file_sha256: Sha256
    archived_at: str


class SealLine(Line, frozen=True, kw_only=True, tag="seal"):
    """A row of `ledger.seal`."""

    number: int
    first_position: int
    last_position: int
    positions: tuple[int, ...]
    leaves: bytes
    root: Sha256
    previous: Sha256
    sealed_at: str
    hash: Sha256


class CheckLine(Line, frozen=True, kw_only=True, tag="check"):
    """SHA-256 of all bytes of the file before this line."""

    sha256: str


class EndLine(Line, frozen=True, kw_only=True, tag="end"):
    """The last line: how many of each kind there are, and SHA-256 of all bytes of the file before it."""

    events: int
    artifacts: int
    archives: int
    seals: int
    sha256: str


Record = EventLine | ArtifactLine | ArchiveLine | SealLine

RECORDS: tuple[type[Record], ...] = (ArtifactLine, EventLine, ArchiveLine, SealLine)

#: What belongs to no single task, and is only in an export of everything.
_OF_EVERYTHING = (ArchiveLine, SealLine)

_CLOSING = msgspec.json.Decoder(CheckLine | EndLine)
_DECODERS: dict[bytes, tuple[type[Record], msgspec.json.Decoder[Record]]] = {
    str(kind.__struct_config__.tag).encode(): (kind, msgspec.json.Decoder(kind)) for kind in RECORDS
}
#: What a check line or an end line begins with.
CLOSINGS = (b'{"kind":"check"', b'{"kind":"end"')
_KIND = re.compile(rb'\{"kind":"([a-z]+)"')
_FORMAT = msgspec.json.Decoder(dict[str, msgspec.Raw])


def encode_line(line: Line) -> bytes:
    """Give the line with its line feed."""
    return msgspec.json.encode(line) + b"\n"


def kinds_of(header: Header) -> list[type[Record]]:
    """List the kinds of records that an export holds, in their order."""
    return [kind for kind in RECORDS if header.tasks is None or kind not in _OF_EVERYTHING]


def kind_of(line: bytes) -> bytes:
    """Give the kind that a line begins with; empty where it begins with none."""
    found = _KIND.match(line)
    return found[1] if found is not None else b""


def record_decoder(line: bytes) -> tuple[type[Record], Callable[[bytes], Record]]:
    """Give what a line and its like are read as, and by what; that raises `ValueError` where one is none.

    Raises `ValueError` where the line is none of a record.
    """
    known = _DECODERS.get(kind_of(line))
    if known is None:
        raise ValueError("it does not begin with a kind of record")
    kind, decoder = known
    return kind, decoder.decode


def decode_closing(line: bytes) -> CheckLine | EndLine:
    """Read a check line or an end line; raises `ValueError` where it is neither."""
    closing: CheckLine | EndLine = _CLOSING.decode(line)
    return closing


def decode_header(line: bytes) -> Header:
    """Read a header; raises `LedgerError` where it is none, or that of a later format."""
    try:
        header = _FORMAT.decode(line)
        named = msgspec.json.decode(header["format"]) == FORMAT
        version = msgspec.json.decode(header["version"], type=int)
    except (ValueError, KeyError) as error:
        raise LedgerError("this is no export of a ledger: its first line is not the header of one") from error
    if not named:
        raise LedgerError(f"this is no export of a ledger: its format is not {FORMAT!r}")
    if version != VERSION:
        raise LedgerError(f"the export is of format version {version}; this release reads version {VERSION}")
    try:
        return msgspec.json.decode(line, type=Header)
    except ValueError as error:
        raise LedgerError(f"the header of the export cannot be read: {error}") from error


def position_of(event_line: bytes) -> int:
    """Give the position of a line of `EVENT` without reading the rest."""
    return int(event_line[len(_EVENT_START) : event_line.index(b",", len(_EVENT_START))])


_EVENT_START = b'{"kind":"event","position":'

#: A row of `ledger.event` as a line; the session's time zone must be UTC. Put together as text, because the functions
#: that make JSON would print the payload anew, in another form than the one that is hashed.
EVENT: LiteralString = """
    '{"kind":"event","position":' || position || ',"task_id":' || to_json(task_id)
    || ',"stream_id":' || to_json(stream_id) || ',"version":' || version
    || ',"message_id":"' || message_id || '","type":' || to_json(type)
    || ',"schema_version":' || schema_version || ',"worker_id":' || coalesce(to_json(worker_id)::text, 'null')
    || ',"lease_epoch":' || coalesce(lease_epoch::text, 'null') || ',"occurred_at":' || to_json(occurred_at)
    || ',"recorded_at":' || to_json(recorded_at) || ',"content_hash":"' || encode(content_hash, 'hex')
    || '","payload":' || payload || '}'
"""

ARTIFACT: LiteralString = """
    '{"kind":"artifact","task_id":' || to_json(task_id) || ',"sha256":"' || encode(sha256, 'hex')
    || '","encoding":' || to_json(encoding) || ',"size_bytes":' || size_bytes
    || ',"content":"' || translate(encode(content, 'base64'), E'\\n', '') || '"}'
"""

ARCHIVE: LiteralString = """
    '{"kind":"archive","task_id":' || to_json(task_id) || ',"tombstone_position":' || tombstone_position
    || ',"positions":' || to_json(positions) || ',"file_name":' || to_json(file_name)
    || ',"file_sha256":"' || encode(file_sha256, 'hex') || '","archived_at":' || to_json(archived_at) || '}'
"""

SEAL: LiteralString = """
    '{"kind":"seal","number":' || number || ',"first_position":' || first_position
    || ',"last_position":' || last_position || ',"positions":' || to_json(positions)
    || ',"leaves":"' || translate(encode(leaves, 'base64'), E'\\n', '') || '","root":"' || encode(root, 'hex')
    || '","previous":"' || encode(previous, 'hex') || '","sealed_at":' || to_json(sealed_at)
    || ',"hash":"' || encode(hash, 'hex') || '"}'
"""
