"""Keeping what became of each problem in a table, from the raw output that the ledger keeps beside its events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import LiteralString

import msgspec
import psycopg

from domain import events as e
from domain.errors import LedgerError, ReportError, UsageError
from domain.events import RecordedEvent
from domain.ids import TaskId
from domain.problem import Problem
from domain.readers.reading import read
from eventstore.artifacts import ArtifactStore
from eventstore.codec import RECORD, decode_readable
from eventstore.postgres.connection import Connection, connect, unreachable
from projections.problem_lives import ProblemLives
from projections.projection import subtask_number
from projections.rebuild import OnProgress, Rebuilt

#: Held by whoever fills the table: twice the same work would be no harm, but no use either.
_LOCK_KEY = 0x70_77_70_6C
#: Under which it is listed, rebuilt, and what is set aside is shown.
NAME = "problem"
#: Observations are rare, and nobody waits for them.
_POLL_SECONDS = 5.0

_LOG = logging.getLogger(__name__)
_ENCODE = msgspec.json.Encoder().encode

#: What the read models hold is settled: nothing can appear below it any more. After a restore, they may be past the
#: ledger's end.
_PLACES: LiteralString = """
    SELECT
        problem_place.position,
        least(
            coalesce((SELECT position FROM projection.build WHERE name = 'plan' AND status = 'live'), 0),
            coalesce((SELECT max(position) FROM ledger.event), 0)
        )
    FROM projection.problem_place
"""
_LOCK: LiteralString = "SELECT pg_advisory_lock(%s)"
_ADVANCE: LiteralString = "UPDATE projection.problem_place SET position = %s"
_CHANGED: LiteralString = """
    SELECT DISTINCT task_id
    FROM ledger.event
    WHERE position > %s AND position <= %s AND type IN ('problems_observed', 'subtask_planned')
    ORDER BY task_id
"""
_EVENTS: LiteralString = f"""
    SELECT {RECORD}
    FROM ledger.event
    WHERE task_id = %s AND position <= %s
        AND type IN ('task_submitted', 'problems_observed', 'phase_started', 'subtask_planned')
    ORDER BY position
"""  # noqa: S608
_ALL: LiteralString = """
    SELECT task_id FROM ledger.event WHERE position <= %s AND type = 'problems_observed'
    UNION
    SELECT task_id FROM projection.problem_life
    ORDER BY task_id
"""
_COUNT: LiteralString = "SELECT count(*) FROM projection.problem_life"
_DIFFERING: LiteralString = """
    WITH
        made AS (SELECT * FROM json_populate_recordset(NULL::projection.problem_life, %(rows)s::json)),
        kept AS (SELECT * FROM projection.problem_life WHERE task_id = %(task_id)s)
    SELECT count(*)
    FROM ((TABLE made EXCEPT TABLE kept) UNION ALL (TABLE kept EXCEPT TABLE made)) AS differing
"""
_REMOVE: LiteralString = "DELETE FROM projection.problem_life WHERE task_id = %s"
_INSERT: LiteralString = """
    INSERT INTO projection.problem_life
    SELECT * FROM json_populate_recordset(NULL::projection.problem_life, %s::json)
"""
_TAKE_UP_AGAIN: LiteralString = "DELETE FROM projection.set_aside WHERE name = %s AND task_id = %s"
_SET_ASIDE: LiteralString = """
    INSERT INTO projection.set_aside (name, task_id, position, error)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (name, task_id, position) DO UPDATE SET error = excluded.error, set_aside_at = clock_timestamp()
"""


async def catch_up_problems(url: str) -> int:
    """Take in all observations that the read models are past; gives the position that the table is at.

    A task with a new observation or plan is read again from its first one. An observation whose output is missing or
    cannot be read any more is set aside, and its task is known up to there. Raises `LedgerError` where the database
    is away.
    """
    try:
        async with await connect(url, "problems") as connection:
            await connection.execute(_LOCK, (_LOCK_KEY,))
            row = await (await connection.execute(_PLACES)).fetchone()
            place, until = row if row is not None else (0, 0)
            if until > place:
                tasks = await (await connection.execute(_CHANGED, (place, until))).fetchall()
                for (task_id,) in tasks:
                    await _put(connection, task_id, await _made(connection, TaskId(task_id), until))
                await connection.execute(_ADVANCE, (until,))
            return int(max(until, place))
    except psycopg.Error as error:
        raise unreachable(error) from error


async def rebuild_problems(url: str, *, on_progress: OnProgress | None = None) -> Rebuilt:
    """Make the rows of all tasks anew, one task after the other, and hold them against those that were there.

    A task of which the table had yet to take something in is as it would be after that, and does not count as
    differing. Readers see a task as it was or as it is now; whatever cuts this off leaves it at that. An observation
    that cannot be read is set aside, as ever. `on_progress` is told of tasks. Raises `LedgerError` where the database
    is away.
    """
    try:
        async with await connect(url, "problems") as connection:
            await connection.execute(_LOCK, (_LOCK_KEY,))
            row = await (await connection.execute(_PLACES)).fetchone()
            place, position = row if row is not None else (0, 0)
            behind = set(await (await connection.execute(_CHANGED, (place, position))).fetchall())
            tasks = await (await connection.execute(_ALL, (position,))).fetchall()
            differing = 0
            for done, (task_id,) in enumerate(tasks, 1):
                rows = await _made(connection, TaskId(task_id), position)
                if (task_id,) not in behind:
                    differing += await _number(connection, _DIFFERING, {"task_id": task_id, "rows": rows})
                await _put(connection, task_id, rows)
                if on_progress is not None:
                    on_progress(done, len(tasks))
            await connection.execute(_ADVANCE, (position,))
            count = await _number(connection, _COUNT)
            return Rebuilt(
                name=NAME,
                version=1,
                rows=count,
                position=position,
                # What was past the ledger's end is of events that it does not have.
                differing_rows=differing if place <= position else None,
            )
    except psycopg.Error as error:
        raise unreachable(error) from error


async def _number(connection: Connection, query: LiteralString, binds: Mapping[str, str] | None = None) -> int:
    row = await (await connection.execute(query, binds)).fetchone()
    return int(row[0]) if row is not None else 0


async def follow_problems(url: str) -> None:
    """Take in observations until cancelled; outlives the database being away."""
    while True:
        try:
            await catch_up_problems(url)
        except LedgerError as error:
            _LOG.debug("the problems cannot be brought up to date: %s", error)
        await asyncio.sleep(_POLL_SECONDS)


async def _made(connection: Connection, task_id: TaskId, until: int) -> str:
    """Make a task's rows, as JSON."""
    await connection.execute(_TAKE_UP_AGAIN, (NAME, task_id))
    lines = await (await connection.execute(_EVENTS, (task_id, until))).fetchall()
    records, unreadable = decode_readable("\n".join(str(line) for (line,) in lines))
    if unreadable:
        first = unreadable[0]
        await _set_aside(connection, task_id, first.position, first.reason)
        records = [record for record in records if record.position < first.position]
    lives = await _lives(connection, records)
    return await asyncio.to_thread(_as_json, lives, task_id)


async def _put(connection: Connection, task_id: str, rows: str) -> None:
    """Put rows in the place of those that a task has."""
    async with connection.transaction():
        await connection.execute(_REMOVE, (task_id,))
        await connection.execute(_INSERT, (rows,))


def _as_json(lives: ProblemLives, task_id: TaskId) -> str:
    return _ENCODE([life.row(task_id) for life in lives.lives]).decode()


async def _lives(connection: Connection, records: Sequence[RecordedEvent]) -> ProblemLives:
    lives = ProblemLives()
    prefix = ""
    for record in records:
        match record.event.body:
            case e.TaskSubmitted() as submitted:
                prefix = submitted.prefix
            case e.ProblemsObserved() as seen:
                try:
                    problems = await _problems(connection, record.event.task_id, seen, prefix)
                except (LedgerError, ReportError, UsageError) as error:
                    if isinstance(error.__cause__, psycopg.Error):
                        raise
                    await _set_aside(connection, record.event.task_id, record.position, str(error))
                    return lives
                # Takes a second for some ten thousand problems.
                await asyncio.to_thread(lives.observe, problems, seen.phase, record.event.occurred_at)
            case e.SubtaskPlanned(phase=phase, problems=planned):
                lives.plan(subtask_number(record.event.stream_id), phase, planned)
    return lives


async def _problems(
    connection: Connection, task_id: TaskId, seen: e.ProblemsObserved, prefix: str
) -> Sequence[Problem]:
    """Read a tool's output again, as it was read when it came."""
    if not seen.problems:
        return ()
    data = await ArtifactStore(connection).fetch(task_id, seen.artifact)
    report = await asyncio.to_thread(read, data, format=seen.format, root=seen.root or None, prefix=prefix)
    return report.problems


async def _set_aside(connection: Connection, task_id: TaskId, position: int, error: str) -> None:
    _LOG.warning("the problems of %s are not known from position %d on: %s", task_id, position, error)
    await connection.execute(_SET_ASIDE, (NAME, task_id, position, error))
