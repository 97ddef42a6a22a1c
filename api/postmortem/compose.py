"""Composing the post-mortem of a task from its events, and from the queries on the read models."""

from __future__ import annotations

import asyncio
from typing import LiteralString

import psycopg

from api.postmortem.cells import cell_of, kind_of
from api.postmortem.document import Column, Postmortem, Section
from api.postmortem.summary import figures_of, summary_of
from domain.errors import LedgerError, LifecycleError, UnknownTaskError
from domain.evolution import fold
from domain.ids import TaskId
from domain.task_state import OVER
from eventstore.clock import Clock
from eventstore.ledger import Ledger
from eventstore.postgres.connection import Connection, connect, unreachable
from projections.catch_up import catch_up
from projections.postmortem import Answer, answer, questions
from projections.report import build_report

# The answers of a report agree with each other: all are of one moment.
_BEGIN: LiteralString = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# Of a task that was archived and brought back, the read models know the end alone until they are made anew.
_IS_HELD: LiteralString = """
    SELECT EXISTS (
        SELECT FROM projection.progress WHERE task_id = %s AND position >= %s AND status <> 'archived'
    )
"""


async def compose(
    url: str, ledger: Ledger, task_id: TaskId, clock: Clock, *, cores: int, events_max: int | None = None
) -> Postmortem:
    """Bring the read models up to the ledger, and compose the post-mortem of a task, so far or in the end.

    `cores` is the number of processors of the machine that ran the workers. With `events_max` it is left to others
    to take in more events than that. Raises `UnknownTaskError` where the ledger has no such task, `LifecycleError`
    where it was archived, and `LedgerError` where the database is out of reach or the read models lack the task.
    """
    recorded = await ledger.read_task(task_id)
    state = fold(recorded)
    if state is None:
        raise UnknownTaskError(f"the ledger has no task {task_id!r}")
    if state.status == "archived":
        raise LifecycleError(f"{task_id} was {state.reason}: pw ledger import brings it back")
    await catch_up(url, events_max=events_max)
    try:
        async with await connect(url, "postmortem") as connection:
            sections = await _ask(connection, task_id, recorded[-1].position)
    except psycopg.Error as error:
        raise unreachable(error) from error
    report = await asyncio.to_thread(build_report, recorded, cores=cores)
    figures = figures_of(report, sections)
    so_far = state.status not in OVER
    return Postmortem(
        task_id=task_id,
        status=state.status,
        so_far=so_far,
        made_at=clock.now(),
        position=recorded[-1].position,
        figures=figures,
        summary=summary_of(report, sections, so_far=so_far),
        sections=sections,
        report=report,
    )


async def _ask(connection: Connection, task_id: TaskId, position: int) -> tuple[Section, ...]:
    await connection.execute(_BEGIN)
    held = await (await connection.execute(_IS_HELD, (task_id, position))).fetchone()
    if held != (True,):
        raise LedgerError(f"the read models do not hold {task_id}: pw rebuild --all takes it in")
    return tuple([_section(await answer(connection, question, task_id)) for question in questions()])


def _section(given: Answer) -> Section:
    rows = tuple(tuple(map(cell_of, row)) for row in given.rows)
    kinds = [kind_of(name, (row[place] for row in rows)) for place, name in enumerate(given.columns)]
    return Section(
        number=given.question.number,
        name=given.question.name,
        title=given.question.title,
        reading=given.question.reading,
        columns=tuple(map(Column, given.columns, kinds)),
        rows=rows,
    )
