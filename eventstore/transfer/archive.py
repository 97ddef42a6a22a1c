"""Archive: move a finished task out of the ledger into a file, and leave one event that says so.

The order is what makes it safe: the file is written and on the disk, read back and held against the ledger line by
line, and everything in it is sealed, before one transaction appends the tombstone, names every position that goes in
`ledger.archive`, and removes them. Whatever is cut off before that transaction leaves the ledger as it was, and
perhaps a file that can be removed.

Locks: the one that whoever drives the task holds, so that it cannot be resumed meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString, NamedTuple
from urllib.parse import quote

import psycopg

from domain.errors import LedgerError, LifecycleError
from domain.events import Event, TaskArchived
from domain.ids import StreamId, TaskId
from eventstore.clock import Clock
from eventstore.codec import encode_event
from eventstore.postgres.connection import first_line
from eventstore.tasks import resolve_task
from eventstore.transfer.bulk import Connection, bulk_connection
from eventstore.transfer.export import Progress, snapshot, write_export
from eventstore.transfer.export_format import ArtifactLine, EventLine
from eventstore.transfer.export_reader import open_lines

#: First key of the lock that whoever drives a task holds (the bytes of "pwco"); the second is the task's hash.
TASK_LOCK = 0x7077636F

_ENDED = ("task_completed", "task_cancelled", "task_stalled")

_LAST_TURN: LiteralString = """
    SELECT type
    FROM ledger.event
    WHERE task_id = %s AND stream_id = %s AND type IN (
        'task_submitted', 'task_paused', 'task_resumed', 'task_cancelled', 'task_stalled', 'task_completed'
    )
    ORDER BY version DESC
    LIMIT 1
"""

_APPEND: LiteralString = """
    SELECT positions[1] FROM ledger.append_v2(
        ARRAY[%(task)s], ARRAY[%(stream)s], ARRAY[NULL::bigint],
        ARRAY[1], ARRAY[1], ARRAY[%(message)s::uuid], ARRAY[%(type)s], ARRAY[%(schema)s::smallint], ARRAY[NULL::text],
        ARRAY[NULL::integer], ARRAY[%(occurred)s::timestamptz], ARRAY[%(payload)s],
        '{}', '{}'
    )
"""


class Archived(NamedTuple):
    """What has become of an archived task."""

    task_id: TaskId
    path: Path
    tombstone: TaskArchived


class _Content(NamedTuple):
    positions: list[int]
    artifacts: int


def archive_task(
    url: str, task: str, folder: Path, clock: Clock, progress: Progress = lambda _, __: None
) -> Archived:
    """Move the task into a new file in the folder; needs the rights of the ledger's owner.

    Raises `UnknownTaskError` where there is no such task, `LifecycleError` where it has not ended or is being run,
    `UsageError` where the file is there already, and `LedgerError` where the file is not what the ledger holds, or
    the database fails.
    """
    # Only archiving needs to seal.
    from eventstore.sealing.seals import seal

    with bulk_connection(url, "archive") as connection:
        task_id = resolve_task(connection, task)
        with _driving(connection, task_id):
            path = folder / _file_name(connection, task_id)
            with snapshot(url, [task_id]) as source:
                _check_ended(connection, task_id)
                write_export(source, path, progress)
            content = _verify(url, task_id, path)
            seal(connection)
            return _remove(connection, task_id, path, content, clock)


@contextmanager
def _driving(connection: Connection, task_id: TaskId) -> Iterator[None]:
    key = (TASK_LOCK, task_id)
    if connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", key).fetchone() != (True,):
        raise LifecycleError(f"{task_id} is being run by another pw just now")
    yield


def _check_ended(connection: Connection, task_id: TaskId) -> None:
    row = connection.execute(_LAST_TURN, (task_id, task_id)).fetchone()
    if row is None or row[0] not in _ENDED:
        what = "paused" if row == ("task_paused",) else "still running" if row else "not a task that has ended"
        raise LifecycleError(f"{task_id} is {what}: only what is completed, cancelled or stalled can be archived")


def _file_name(connection: Connection, task_id: TaskId) -> str:
    row = connection.execute("SELECT count(*) FROM ledger.archive WHERE task_id = %s", (task_id,)).fetchone()
    times = row[0] if row is not None else 0
    return f"{quote(task_id, safe='')}{f'.{times + 1}' if times else ''}.ndjson.gz"


def _verify(url: str, task_id: TaskId, path: Path) -> _Content:
    """Read the file back and hold each line against the ledger; give the positions of what is to go."""
    content = _Content([], 0)
    with snapshot(url, [task_id]) as now, open_lines(path) as file:
        stored = (line for _, lines in now.parts() for line in lines)
        for block in file.blocks():
            for index, line in enumerate(block.lines):
                if line != next(stored, None):
                    raise LedgerError(f"{block.place(index)} is not what the ledger holds: archive {task_id} again")
            for record in block.records:
                if isinstance(record, EventLine) and record.type != "task_archived":
                    content.positions.append(record.position)
                elif isinstance(record, ArtifactLine):
                    content = content._replace(artifacts=content.artifacts + 1)
        if next(stored, None) is not None:
            raise LedgerError(f"something was added to {task_id} since {path} was written: archive it again")
    return content


def _remove(connection: Connection, task_id: TaskId, path: Path, content: _Content, clock: Clock) -> Archived:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    body = TaskArchived(
        file_name=path.name,
        file_sha256=digest.hexdigest(),
        events=len(content.positions),
        artifacts=content.artifacts,
        first_position=content.positions[0],
        last_position=content.positions[-1],
    )
    try:
        with connection.transaction():
            tombstone = _append(connection, task_id, body, clock)
            connection.execute(
                "INSERT INTO ledger.archive (task_id, tombstone_position, positions, file_name, file_sha256)"
                " VALUES (%s, %s, %b, %s, %s)",
                (task_id, tombstone, content.positions, path.name, digest.digest()),
            )
            connection.execute("SELECT ledger.remove_archived_v1(%s, %s)", (task_id, tombstone))
    except psycopg.Error as error:
        raise LedgerError(
            f"{task_id} was not archived, as far as can be told: {first_line(error)}; where pw status agrees, "
            f"{path} can be removed"
        ) from error
    return Archived(task_id, path, body)


def _append(connection: Connection, task_id: TaskId, body: TaskArchived, clock: Clock) -> int:
    event = Event(
        task_id=task_id,
        stream_id=StreamId(task_id),
        message_id=clock.new_message_id(),
        occurred_at=clock.now(),
        body=body,
    )
    task, stream, message, kind, schema, _, _, occurred, payload = encode_event(event)
    values = {
        "task": task, "stream": stream, "message": message, "type": kind, "schema": schema, "occurred": occurred,
        "payload": payload.decode(),
    }  # fmt: skip
    row = connection.execute(_APPEND, values).fetchone()
    if row is None:
        raise LedgerError(f"the ledger gave no position to the tombstone of {task_id}")
    return int(row[0])
