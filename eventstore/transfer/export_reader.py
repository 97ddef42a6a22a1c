"""Reading an exported file, block by block; nothing of a block is given out before its check line has proved it."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from domain.errors import LedgerError
from eventstore.sealing.hashing import StoredEvent, content_text
from eventstore.transfer import export_format as form
from eventstore.transfer.export_format import CheckLine, EndLine, EventLine, Header, Record

_GZIP_MAGIC = b"\x1f\x8b"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Block(NamedTuple):
    """Records of one kind that lie together in a file."""

    kind: type[Record]
    #: What one of them is called: `events.ndjson: line`.
    unit: str
    #: Number of the first one, as people count.
    first: int
    size: int
    #: To be read once. Raises `LedgerError` where a record is none.
    records: Iterator[Record]
    #: The records as they stand in the file, line feeds included; none where they are not lines.
    lines: Sequence[bytes] = ()

    def place(self, index: int) -> str:
        """Say where the record of an index stands."""
        return f"{self.unit} {self.first + index}"


class Source(Protocol):
    """An export that is being read."""

    header: Header

    def blocks(self) -> Iterator[Block]:
        """Give all records in the order of the file; raises `LedgerError` at the first damage."""


@contextmanager
def open_lines(path: Path) -> Iterator[Source]:
    """Open an exported file, compressed or not, or standard input for `-`; its header is read and proved.

    Raises `LedgerError` where it is none, is of a later format, or is damaged at its beginning.
    """
    if str(path) == "-":
        yield _Lines(_unpacked(cast("BinaryIO", sys.stdin.buffer)), "standard input")
    else:
        with path.open("rb") as file:
            yield _Lines(_unpacked(file), str(path))


def _unpacked(file: BinaryIO) -> BinaryIO:
    reader = io.BufferedReader(cast("io.RawIOBase", file))
    packed = reader.peek(2)[:2] == _GZIP_MAGIC
    return cast("BinaryIO", gzip.GzipFile(fileobj=reader) if packed else reader)


class _Lines:
    """The lines of an export, their numbers, and the hash of all bytes so far."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._digest = hashlib.sha256()
        #: The line that was read last, and its number.
        self._line, self._number = b"", 0
        #: Whether a packed file ends before its packing does.
        self._is_cut = False
        line = self._read()
        try:
            self.header = form.decode_header(line)
        except LedgerError as error:
            raise LedgerError(f"{name}: {error}") from error
        self._number = 1
        lines, _ = self._block([line])
        if len(lines) > 1:
            raise LedgerError(f"{name}: line 2 must be a check line")

    def blocks(self) -> Iterator[Block]:
        """Give all records in the order of the file; raises `LedgerError` at the first damage."""
        counts = dict.fromkeys(form.RECORDS, 0)
        closing: CheckLine | EndLine | None = None
        while not isinstance(closing, EndLine):
            first = self._number + 1
            lines, closing = self._block([])
            if lines:
                block = self._as_block(lines, first)
                counts[block.kind] += block.size
                yield block
        found = EndLine(
            events=counts[EventLine],
            artifacts=counts[form.ArtifactLine],
            archives=counts[form.ArchiveLine],
            seals=counts[form.SealLine],
            sha256=closing.sha256,
        )
        if found != closing:
            raise LedgerError(f"{self._name}: line {self._number} counts other records than there are")
        if self._read():
            raise LedgerError(f"{self._name}: something stands behind the last line of the export, {self._number}")
        if self._is_cut:
            raise LedgerError(f"{self._name} is cut off behind its last line, {self._number}: the packing has no end")

    def _as_block(self, lines: list[bytes], first: int) -> Block:
        try:
            kind, decode = form.record_decoder(lines[0])
        except ValueError as error:
            raise self._unreadable(first, error) from error

        def records() -> Iterator[Record]:
            for number, line in enumerate(lines, first):
                try:
                    yield decode(line)
                except (ValueError, RecursionError) as error:
                    raise self._unreadable(number, error) from error

        return Block(kind, f"{self._name}: line", first, len(lines), records(), lines)

    def _block(self, lines: list[bytes]) -> tuple[list[bytes], CheckLine | EndLine]:
        """Read up to the next check line, and prove what was read, these lines before it included."""
        first = self._number + 1 - len(lines)
        while not (line := self._next()).startswith(form.CLOSINGS):
            lines.append(line)
            if len(lines) > form.BLOCK_LINES_MAX:
                raise LedgerError(
                    f"{self._name}: lines {first} to {self._number} are more than {form.BLOCK_LINES_MAX} without a "
                    f"check line"
                )
        try:
            closing = form.decode_closing(line)
        except ValueError as error:
            raise self._unreadable(self._number, error) from error
        self._digest.update(b"".join(lines))
        if self._digest.hexdigest() != closing.sha256:
            raise LedgerError(self._damage(lines, first))
        self._digest.update(line)
        return lines, closing

    def _damage(self, lines: Sequence[bytes], first: int) -> str:
        """Say where the damage is, as closely as can be told."""
        for number, line in enumerate(lines, first):
            try:
                record = form.decode_header(line) if number == 1 else form.record_decoder(line)[1](line)
            except (ValueError, RecursionError, LedgerError) as error:
                return str(self._unreadable(number, error))
            if isinstance(record, EventLine) and not _has_its_hash(record):
                return f"{self._name}: line {number} is damaged: position {record.position} has another hash"
        which = f"one of the lines {first} to {self._number}" if lines else f"line {self._number}"
        return f"{self._name}: {which} is damaged: the SHA-256 in line {self._number} is another"

    def _unreadable(self, number: int, error: Exception) -> LedgerError:
        return LedgerError(f"{self._name}: line {number} is damaged: {error}")

    def _next(self) -> bytes:
        line = self._read()
        if not line.endswith(b"\n"):
            if len(line) >= form.LINE_BYTES_MAX:
                raise LedgerError(f"{self._name}: line {self._number + 1} is longer than any line of an export")
            behind = (
                f", behind position {form.position_of(self._line)}" if form.kind_of(self._line) == b"event" else ""
            )
            raise LedgerError(f"{self._name} is cut off in line {self._number + 1}{behind}: its end is missing")
        self._line, self._number = line, self._number + 1
        return line

    def _read(self) -> bytes:
        try:
            return self._file.readline(form.LINE_BYTES_MAX)
        except EOFError:
            self._is_cut = True
            return b""
        except (gzip.BadGzipFile, zlib.error) as error:
            raise LedgerError(
                f"{self._name} is damaged behind line {self._number}: it cannot be unpacked: {error}"
            ) from error


def _has_its_hash(event: EventLine) -> bool:
    try:
        moment = (datetime.fromisoformat(event.occurred_at) - _EPOCH) // _MICROSECOND
        payload = bytes(event.payload).decode()
    except (ValueError, TypeError):
        return False
    seconds, rest = divmod(abs(moment), 1_000_000)
    stored = StoredEvent(
        position=event.position,
        version=event.version,
        recorded_at=event.recorded_at,
        content_hash=b"",
        task_id=event.task_id,
        stream_id=event.stream_id,
        message_id=event.message_id,
        type=event.type,
        schema_version=event.schema_version,
        worker_id=event.worker_id,
        lease_epoch=event.lease_epoch,
        occurred_at=f"{'-' if moment < 0 else ''}{seconds}.{rest:06}",
        payload=payload,
    )
    return hashlib.sha256(content_text(stored).encode()).hexdigest() == event.content_hash
