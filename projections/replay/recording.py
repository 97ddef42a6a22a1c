"""A task as it was recorded: its events, and what they refer to by hash; out of the ledger or of an exported file."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import LiteralString, cast

import msgspec
import psycopg

from domain.errors import LedgerError, UnknownTaskError
from domain.events import RecordedEvent
from domain.ids import TaskId
from eventstore.codec import RECORD, decode_records
from eventstore.postgres.connection import Connection, unreachable
from eventstore.transfer.export_format import ArtifactLine, EventLine
from eventstore.transfer.export_reader import Block, open_lines

#: Beyond any position of a ledger.
POSITION_MAX = 2**62

_EVENTS: LiteralString = f"""
    SELECT {RECORD}
    FROM ledger.event
    WHERE task_id = %s AND position <= %s
    ORDER BY position
"""  # noqa: S608
_ARTIFACTS: LiteralString = "SELECT encode(sha256, 'hex'), content FROM ledger.artifact WHERE task_id = %s"

#: What the names of exported files end in, where a folder is looked through.
EXPORT_ENDINGS = (".ndjson", ".ndjson.gz")


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """All that is kept of one task."""

    task_id: TaskId
    #: In the order of their positions.
    events: Sequence[RecordedEvent]
    #: By SHA-256, packed with gzip.
    packed: Mapping[str, bytes] = {}

    def artifact(self, sha256: str) -> bytes | None:
        """Give what is kept under a hash; None where nothing is.

        Raises `LedgerError` where it is damaged.
        """
        if (content := self.packed.get(sha256)) is None:
            return None
        try:
            data = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise LedgerError(f"artifact {sha256[:12]} of {self.task_id} is damaged: {error}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise LedgerError(f"artifact {sha256[:12]} of {self.task_id} is damaged")
        return data


async def read_events(connection: Connection, task_id: TaskId, until: int = POSITION_MAX) -> list[RecordedEvent]:
    """Read a task's events up to a position, by their index.

    Raises `LedgerError`, which names the position, where one cannot be read by this release.
    """
    rows = await (await connection.cursor(binary=True).execute(_EVENTS, (task_id, until))).fetchall()
    return decode_records("\n".join([line for (line,) in rows])) if rows else []


async def read_recording(connection: Connection, task_id: TaskId) -> Recording:
    """Read a task and its artifacts out of the ledger; raises `UnknownTaskError` where it has none of its events."""
    try:
        events = await read_events(connection, task_id)
        rows = await (await connection.cursor(binary=True).execute(_ARTIFACTS, (task_id,))).fetchall()
    except psycopg.Error as error:
        raise unreachable(error) from error
    if not events:
        raise UnknownTaskError(f"the ledger has no task {task_id!r}")
    return Recording(task_id=task_id, events=events, packed={str(sha): bytes(content) for sha, content in rows})


def exports_in(path: Path) -> list[Path]:
    """List the exported files that a path stands for: itself, or those in a folder, by name; else none."""
    if path.is_file():
        return [path]
    return sorted({found for ending in EXPORT_ENDINGS for found in path.glob(f"*{ending}")}) if path.is_dir() else []


def read_export(path: Path) -> list[Recording]:
    """Read the tasks of an exported file, in the order in which they began.

    Raises `LedgerError` where the file is no export, is damaged, or holds an event that this release cannot read.
    """
    events: defaultdict[str, list[str]] = defaultdict(list)
    packed: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
    with open_lines(path) as source:
        for block in source.blocks():
            _take_in(block, events, packed)
    return [
        Recording(task_id=TaskId(task), events=decode_records("\n".join(lines)), packed=packed.get(task, {}))
        for task, lines in events.items()
    ]


def _take_in(block: Block, events: dict[str, list[str]], packed: dict[str, dict[str, bytes]]) -> None:
    for record in block.records:
        match record:
            case EventLine():
                events[record.task_id].append(_as_record(record))
            case ArtifactLine():
                packed[record.task_id][record.sha256] = record.content
            case _:
                # Archives and seals are about positions, and say nothing of a task.
                continue


def _as_record(line: EventLine) -> str:
    """Put the columns of an exported event together as `eventstore.codec.RECORD` does."""
    fields = bytes(cast("bytes", line.payload))[1:].lstrip()
    tag = b'{"type":' + msgspec.json.encode(line.type)
    body = msgspec.Raw(tag + (b"}" if fields == b"}" else b"," + fields))
    event = {
        "task_id": line.task_id,
        "stream_id": line.stream_id,
        "message_id": line.message_id,
        "occurred_at": line.occurred_at,
        "worker_id": line.worker_id,
        "lease_epoch": line.lease_epoch,
        "body": body,
    }
    record = {
        "event": event,
        "version": line.version,
        "position": line.position,
        "recorded_at": line.recorded_at,
        "schema_version": line.schema_version,
    }
    return msgspec.json.encode(record).decode()
