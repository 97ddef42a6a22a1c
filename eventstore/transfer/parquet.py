"""An export as a folder of Parquet files, for tools that read tables: the same content in typed columns.

One file for each kind of record, and beside them `SHA256SUMS`, which is written last; the header is in the metadata
of `events.parquet`. Row groups are small, so that neither writing nor reading needs more memory for a larger ledger.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import LedgerError, UsageError
from eventstore.transfer import export_format as form
from eventstore.transfer.export import Progress, Snapshot, new_file
from eventstore.transfer.export_format import ArchiveLine, ArtifactLine, EndLine, EventLine, Header, Record, SealLine
from eventstore.transfer.export_reader import Block, Source

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ModuleNotFoundError as error:
    raise UsageError("Parquet needs one more package: pip install 'parallel-workers[parquet]'") from error

_SUMS = "SHA256SUMS"
#: Where the header is in the metadata of `events.parquet`.
_HEADER_KEY = form.FORMAT.encode()

_MOMENT = pa.timestamp("us", tz="UTC")
_HASH = pa.binary(32)
_COLUMNS: dict[type[Record], dict[str, Any]] = {
    EventLine: {
        "position": pa.int64(), "task_id": pa.string(), "stream_id": pa.string(), "version": pa.int64(),
        "message_id": pa.string(), "type": pa.string(), "schema_version": pa.int16(), "worker_id": pa.string(),
        "lease_epoch": pa.int32(), "occurred_at": _MOMENT, "recorded_at": _MOMENT, "content_hash": _HASH,
        "payload": pa.string(),
    },
    ArtifactLine: {
        "task_id": pa.string(), "sha256": _HASH, "encoding": pa.string(), "size_bytes": pa.int64(),
        "content": pa.binary(),
    },
    ArchiveLine: {
        "task_id": pa.string(), "tombstone_position": pa.int64(), "positions": pa.list_(pa.int64()),
        "file_name": pa.string(), "file_sha256": _HASH, "archived_at": _MOMENT,
    },
    SealLine: {
        "number": pa.int64(), "first_position": pa.int64(), "last_position": pa.int64(),
        "positions": pa.list_(pa.int64()), "leaves": pa.binary(), "root": _HASH, "previous": _HASH,
        "sealed_at": _MOMENT, "hash": _HASH,
    },
}  # fmt: skip


def _file_name(kind: type[Record]) -> str:
    return f"{kind.__struct_config__.tag}s.parquet"


def write_parquet(source: Snapshot, path: Path, progress: Progress = lambda _, __: None) -> EndLine:
    """Write the snapshot into a new folder, which gets its name when it is complete and on the disk.

    Raises `UsageError` where the folder is there already, and `LedgerError` where a value has no place in Parquet.
    """
    if str(path) == "-":
        raise UsageError("Parquet is a folder of files and cannot go to standard output")
    counts = dict.fromkeys(form.RECORDS, 0)
    with new_file(path) as draft:
        draft.mkdir()
        for kind, lines in source.parts():
            report = progress if kind is EventLine else lambda _, __: None
            counts[kind] = _write_part(source, kind, lines, draft / _file_name(kind), report)
        sums = "".join(f"{_sha256(file)}  {file.name}\n" for file in sorted(draft.iterdir()))
        (draft / _SUMS).write_text(sums)
        for file in draft.iterdir():
            with file.open("rb") as written:
                os.fsync(written.fileno())
    return EndLine(
        events=counts[EventLine],
        artifacts=counts[ArtifactLine],
        archives=counts[ArchiveLine],
        seals=counts[SealLine],
        sha256=hashlib.sha256(sums.encode()).hexdigest(),
    )


def _write_part(source: Snapshot, kind: type[Record], lines: Iterable[bytes], path: Path, progress: Progress) -> int:
    schema = pa.schema(_COLUMNS[kind].items())
    if kind is EventLine:
        schema = schema.with_metadata({_HEADER_KEY: msgspec.json.encode(source.header)})
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for records in _groups(lines):
            columns = [_column(name, type_, records) for name, type_ in _COLUMNS[kind].items()]
            writer.write_table(pa.table(columns, schema=schema))
            count += len(records)
            progress(count, source.events)
    return count


def _groups(lines: Iterable[bytes]) -> Iterator[list[Record]]:
    records: list[Record] = []
    size = 0
    for line in lines:
        records.append(form.record_decoder(line)[1](line))
        size += len(line)
        if len(records) == form.BLOCK_LINES_MAX or size >= form.BLOCK_BYTES_MAX:
            yield records
            records, size = [], 0
    if records:
        yield records


def _column(name: str, type_: Any, records: Sequence[Record]) -> Any:
    values = [getattr(record, name) for record in records]
    try:
        if type_ == _HASH:
            return pa.array([bytes.fromhex(value) for value in values], type_)
        if type_ == _MOMENT:
            return pa.array(values).cast(type_)
        if name == "payload":
            return pa.array([str(value, "utf-8") for value in values], type_)
        return pa.array(values, type_)
    except (pa.ArrowException, ValueError) as error:
        raise LedgerError(f"{name} has a value that Parquet cannot hold: {error}") from error


@contextmanager
def open_parquet(path: Path) -> Iterator[Source]:
    """Open a folder that `write_parquet` has made, or another program; all its files are proved first.

    Raises `LedgerError` where it is no export, is of a later format, or a file of it is damaged or missing.
    """
    sums = path / _SUMS
    if not sums.is_file():
        raise LedgerError(f"{path} is no export of a ledger: it has no {_SUMS}")
    known = {name: digest for digest, _, name in (line.partition("  ") for line in sums.read_text().splitlines())}
    _prove(path / _file_name(EventLine), known)
    folder = _Folder(path, _header(path / _file_name(EventLine)))
    for kind in folder.kinds():
        _prove(path / _file_name(kind), known)
    yield folder


def _prove(file: Path, known: dict[str, str]) -> None:
    if not file.is_file():
        raise LedgerError(f"{file} is missing")
    if _sha256(file) != known.get(file.name):
        raise LedgerError(f"{file} is damaged: its SHA-256 is not what {_SUMS} says")


def _header(events: Path) -> Header:
    try:
        metadata = pq.read_schema(events).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(f"{events} is no Parquet file: {error}") from error
    try:
        return form.decode_header(metadata.get(_HEADER_KEY, b""))
    except LedgerError as error:
        raise LedgerError(f"{events}: {error}") from error


class _Folder:
    def __init__(self, path: Path, header: Header) -> None:
        self._path = path
        self.header = header

    def blocks(self) -> Iterator[Block]:
        """Give all records, file by file; raises `LedgerError` where a column is missing or of another type."""
        for kind in self.kinds():
            yield from _read_part(kind, self._path / _file_name(kind))

    def kinds(self) -> Sequence[type[Record]]:
        """List what the folder must hold, in the order in which it is read."""
        return form.kinds_of(self.header)


def _read_part(kind: type[Record], path: Path) -> Iterator[Block]:
    first = 1
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(form.BLOCK_LINES_MAX, columns=list(_COLUMNS[kind])):
                yield Block(kind, f"{path}: row", first, batch.num_rows, _records(kind, batch, f"{path}: row", first))
                first += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise LedgerError(f"{path}: it cannot be read behind row {first - 1}: {error}") from error


def _records(kind: type[Record], batch: Any, unit: str, first: int) -> Iterator[Record]:
    try:
        columns = [_values(name, type_, batch.column(name)) for name, type_ in _COLUMNS[kind].items()]
    except (pa.ArrowException, KeyError) as error:
        raise LedgerError(f"{unit} {first} and those after it are not what an export holds: {error}") from error
    for number, row in enumerate(zip(*columns, strict=True), first):
        try:
            yield msgspec.convert(dict(zip(_COLUMNS[kind], row, strict=True)), kind)
        except (msgspec.ValidationError, TypeError) as error:
            raise LedgerError(f"{unit} {number} is not what an export holds: {error}") from error


def _values(name: str, type_: Any, column: Any) -> list[Any]:
    if type_ == _HASH:
        return [value.hex() if value is not None else None for value in column.to_pylist()]
    if type_ == _MOMENT:
        return list(column.cast(_MOMENT).cast(pa.string()).to_pylist())
    if name == "payload":
        return [msgspec.Raw(value) for value in column.to_pylist()]
    return list(column.to_pylist())


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
