"""Export: everything that belongs to some tasks, or all of the ledger, out of one snapshot.

Postgres makes the lines (`export_format`) and this process only passes them on, so that an export is as fast as the
server and needs little memory, however long it is. It goes up to the settled position at its start: all events to
there are in it, and none can come in later.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, LiteralString, cast
from uuid import UUID, uuid4

from psycopg import sql

from domain.errors import LedgerError, UnknownTaskError, UsageError
from eventstore.transfer import export_format as form
from eventstore.transfer.bulk import COPY_FORM, Connection, bulk_connection, settled_position
from eventstore.transfer.export_format import BLOCK_BYTES_MAX, BLOCK_LINES_MAX, CheckLine, EndLine, Header

#: Told how much is done, and of how much.
Progress = Callable[[int, int], None]

#: Most of the gain for a third of the time of the usual level.
_GZIP_LEVEL = 3

_PARTS: dict[type[form.Record], tuple[LiteralString, LiteralString]] = {
    form.ArtifactLine: (form.ARTIFACT, "FROM ledger.artifact WHERE {wanted} ORDER BY task_id, sha256"),
    form.EventLine: (form.EVENT, "FROM ledger.event WHERE {wanted} AND position <= {last} ORDER BY position"),
    form.ArchiveLine: (form.ARCHIVE, "FROM ledger.archive WHERE {wanted} ORDER BY tombstone_position"),
    form.SealLine: (form.SEAL, "FROM ledger.seal WHERE {wanted} ORDER BY number"),
}


class Snapshot:
    """What an export is made of, as it was at one moment. Its parts are read one after the other."""

    def __init__(self, connection: Connection, header: Header, events: int) -> None:
        self.header = header
        #: How many events there are.
        self.events = events
        self._connection = connection
        self._reading: Generator[bytes, None, None] | None = None

    def parts(self) -> Iterator[tuple[type[form.Record], Iterator[bytes]]]:
        """Give the kinds of lines in the order of the file, each with all its lines, line feeds included."""
        for kind in form.kinds_of(self.header):
            self._reading = self._lines(kind)
            yield kind, self._reading

    def close(self) -> None:
        """End what was begun to be read: the connection takes nothing else before."""
        if self._reading is not None:
            self._reading.close()

    def _lines(self, kind: type[form.Record]) -> Generator[bytes, None, None]:
        columns, rest = _PARTS[kind]
        wanted = _wanted(self.header.tasks)
        query = sql.SQL("COPY (SELECT {line} {rest}) TO STDOUT {form}").format(
            line=sql.SQL(columns),
            rest=sql.SQL(rest).format(wanted=wanted, last=sql.Literal(self.header.last_position)),
            form=sql.SQL(COPY_FORM),
        )
        with self._connection.cursor().copy(query) as copy:
            for row in copy:
                yield bytes(row)


def _wanted(tasks: Sequence[str] | None) -> sql.Composable:
    return sql.SQL("true") if tasks is None else sql.SQL("task_id = ANY ({})").format(sql.Literal(list(tasks)))


@contextmanager
def snapshot(url: str, tasks: Sequence[str] | None) -> Iterator[Snapshot]:
    """Hold on to the state of these tasks, or of everything, as an export of its own.

    Raises `UnknownTaskError` where a task has no events, and `LedgerError` where it was archived.
    """
    with bulk_connection(url, "export") as connection:
        last = settled_position(connection)
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if tasks is None:
                # The index on positions is in the order of the file: a sort would keep everything waiting.
                connection.execute("SET LOCAL enable_sort = off")
            for task in tasks or ():
                _check_present(connection, task, last)
            with closing(_take(connection, tasks, last)) as taken:
                yield taken


def _take(connection: Connection, tasks: Sequence[str] | None, last: int) -> Snapshot:
    query = sql.SQL(
        "SELECT (SELECT id FROM ledger.incarnation), min(position), count(*)"
        " FROM ledger.event WHERE {wanted} AND position <= {last}"
    )
    row = connection.execute(query.format(wanted=_wanted(tasks), last=sql.Literal(last))).fetchone()
    if row is None or row[0] is None:
        raise LedgerError("the ledger has lost its identity: ledger.incarnation is empty")
    incarnation, first, events = cast("tuple[UUID, int | None, int]", row)
    header = Header(
        format=form.FORMAT,
        version=form.VERSION,
        export_id=uuid4(),
        incarnation=incarnation,
        first_position=first if first is not None else last + 1,
        last_position=last,
        tasks=tuple(tasks) if tasks is not None else None,
    )
    return Snapshot(connection, header, events)


def _check_present(connection: Connection, task: str, last: int) -> None:
    query = """
        SELECT type <> 'task_archived', recorded_at, payload ->> 'file_name'
        FROM ledger.event
        WHERE task_id = %s AND position <= %s
        ORDER BY type <> 'task_archived' DESC, position DESC
        LIMIT 1
    """
    row = connection.execute(query, (task, last)).fetchone()
    if row is None:
        raise UnknownTaskError(f"the ledger has no task {task!r}")
    present, archived_at, file_name = row
    if not present:
        raise LedgerError(f"{task} was archived on {archived_at:%Y-%m-%d %H:%M} UTC: {file_name} is its export")


def write_export(source: Snapshot, path: Path, progress: Progress = lambda _, __: None) -> EndLine:
    """Write the snapshot into a file, or to standard output for `-`, compressed where the name ends in `.gz`.

    The file gets its name when it is complete and on the disk. Raises `UsageError` where it is there already.
    """
    if str(path) == "-":
        end = _write_lines(source, sys.stdout.buffer, progress)
        sys.stdout.buffer.flush()
        return end
    with new_file(path) as draft, draft.open("wb") as file:
        if path.suffix == ".gz":
            # No name and no time in it: the same lines give the same bytes.
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
                end = _write_lines(source, cast("BinaryIO", packed), progress)
        else:
            end = _write_lines(source, file, progress)
        file.flush()
        os.fsync(file.fileno())
    return end


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a name to write under; what is there at the end of the block becomes `path`, durably.

    Raises `UsageError` where `path` is there already, or its folder is not.
    """
    if path.exists():
        raise UsageError(f"{path} is there already: choose another name, or move it away")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is not a folder")
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.rename(path)
    except BaseException:
        _remove(draft)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove(draft: Path) -> None:
    if draft.is_dir():
        for inner in draft.iterdir():
            inner.unlink()
        draft.rmdir()
    else:
        draft.unlink(missing_ok=True)


def _write_lines(source: Snapshot, file: BinaryIO, progress: Progress) -> EndLine:
    writer = _Writer(file)
    writer.add(form.encode_line(source.header))
    writer.close_block()
    counts = dict.fromkeys(form.RECORDS, 0)
    for kind, lines in source.parts():
        for line in lines:
            counts[kind] += 1
            if writer.add(line) and kind is form.EventLine:
                progress(counts[kind], source.events)
        writer.close_block()
    end = EndLine(
        events=counts[form.EventLine],
        artifacts=counts[form.ArtifactLine],
        archives=counts[form.ArchiveLine],
        seals=counts[form.SealLine],
        sha256=writer.sha256(),
    )
    writer.add(form.encode_line(end))
    writer.flush()
    return end


class _Writer:
    """Puts a check line after each block of lines."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._lines: list[bytes] = []
        self._bytes = 0

    def add(self, line: bytes) -> bool:
        """Add a line; tell whether it was the last one of its block."""
        self._lines.append(line)
        self._bytes += len(line)
        full = len(self._lines) >= BLOCK_LINES_MAX or self._bytes >= BLOCK_BYTES_MAX
        if full:
            self.close_block()
        return full

    def close_block(self) -> None:
        if self._lines:
            self.flush()
            self._lines = [form.encode_line(CheckLine(sha256=self.sha256()))]
            self.flush()

    def flush(self) -> None:
        text = b"".join(self._lines)
        self._digest.update(text)
        self._file.write(text)
        self._lines, self._bytes = [], 0

    def sha256(self) -> str:
        return self._digest.hexdigest()
