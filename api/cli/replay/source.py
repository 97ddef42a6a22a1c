"""Where a past task is read from: the ledger, a service, or an exported file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import psycopg

from api.cli.options import address_of
from domain.errors import LifecycleError, UsageError
from domain.events import RecordedEvent, TaskArchived
from domain.ids import TaskId
from eventstore.postgres.connection import Connection, connect, unreachable
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from eventstore.tasks import FIND_TASKS, LAST, pick_task
from projections.replay.moments import Moment
from projections.replay.recording import (
    EXPORT_ENDINGS,
    POSITION_MAX,
    Recording,
    exports_in,
    read_events,
    read_export,
    read_recording,
)

_KNOWN = "SELECT EXISTS (SELECT FROM ledger.event WHERE task_id = %s)"

Events = Sequence[RecordedEvent]


def events_of(task: str, server: str | None, database_url: str | None, *, moments: Sequence[Moment] = ()) -> Events:
    """Read a task's events, as far as the moments that are asked for need them.

    `task` is a name, a part of one, `last`, or the path of an exported file of one task. Raises `UnknownTaskError`
    where there is none, and `LifecycleError` where its events were archived.
    """
    if (recording := exported(task)) is not None:
        return recording.events
    if server:
        events = asyncio.run(_of_service(task, server))
    else:
        with open_database(database_url, data_folder()) as url:
            events = asyncio.run(events_in(url, task, moments))
    check_present(events)
    return events


def check_present(events: Events) -> None:
    """Raise `LifecycleError` where the ledger has only left that a task was archived."""
    if isinstance(body := events[0].event.body, TaskArchived):
        name = events[0].event.task_id
        raise LifecycleError(f"{name} was archived into {body.file_name}: replay that file, or pw ledger import it")


def exported(task: str) -> Recording | None:
    """Read the one task of an exported file; None where `task` is no path. Raises `UsageError` for more than one."""
    if not (files := exported_files(task)):
        return None
    recordings = [recording for file in files for recording in read_export(file)]
    if len(recordings) != 1:
        raise UsageError(f"{task} holds {len(recordings)} tasks: only --check takes more than one")
    return recordings[0]


def exported_files(task: str) -> list[Path]:
    """List the exported files that `task` stands for; none where it is a name.

    Raises `UsageError` for what can only be a path, and leads to none.
    """
    files = exports_in(Path(task))
    if not files and ("/" in task or task.startswith(".") or task.endswith(EXPORT_ENDINGS)):
        _refuse_folder(task)
        raise UsageError(f"there is no file {task}")
    return files


def _refuse_folder(path: str) -> None:
    if Path(path).is_dir():
        raise UsageError(f"the folder {path} holds no exported file ({', '.join(EXPORT_ENDINGS)})")


async def _of_service(task: str, server: str) -> Events:
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.cli.remote import load_task
    from api.client.client import Client

    async with Client.open(address_of(server)) as client:
        return (await load_task(client, task))[1]


async def events_in(url: str, task: str, moments: Sequence[Moment] = ()) -> Events:
    """Read a task's events out of the ledger at `url`, as far as the moments that are asked for need them."""
    # A position says how far to read; how far a time is shows on the way.
    last = max((moment for moment in moments if isinstance(moment, int)), default=POSITION_MAX)
    until = last if all(isinstance(moment, int) for moment in moments) else POSITION_MAX
    try:
        async with await connect(url, "replay") as connection:
            task_id = await find(connection, task)
            # Where nothing is that early, the beginning is to be named.
            return await read_events(connection, task_id, until) or await read_events(connection, task_id)
    except psycopg.Error as error:
        raise unreachable(error) from error


async def recording_in(url: str, task: str) -> Recording:
    """Read a task and its artifacts out of the ledger at `url`; raises as `events_of` does."""
    try:
        async with await connect(url, "replay") as connection:
            recording = await read_recording(connection, await find(connection, task))
    except psycopg.Error as error:
        raise unreachable(error) from error
    check_present(recording.events)
    return recording


async def find(connection: Connection, task: str) -> TaskId:
    """Find a task by its name or an unambiguous part of it; `last` is the newest.

    A whole name is looked up in an index, however long the ledger is. Raises `UnknownTaskError` where there is none,
    or more than one.
    """
    if await (await connection.execute(_KNOWN, (task,))).fetchone() == (True,):
        return TaskId(task)
    rows = await (await connection.execute(FIND_TASKS, ("" if task == LAST else task,))).fetchall()
    if not rows:
        _refuse_folder(task)
    return pick_task(task, [TaskId(name) for (name,) in rows])
