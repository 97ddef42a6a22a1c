"""Finding a task by what a person types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

import psycopg
from psycopg.rows import TupleRow

from domain.errors import UnknownTaskError
from domain.ids import TaskId

#: The newest task of all.
LAST = "last"

#: Tasks whose name holds a text, newest first; archived ones come after all others.
FIND_TASKS: LiteralString = """
    SELECT task_id
    FROM ledger.event
    WHERE type IN ('task_submitted', 'task_archived') AND position(%s IN task_id) > 0
    GROUP BY task_id
    ORDER BY
        max(event.position) FILTER (WHERE type = 'task_submitted') DESC NULLS LAST,
        max(event.position) DESC
"""

_NAMED_IN_ERROR = 5


def pick_task(fragment: str, found: Sequence[TaskId]) -> TaskId:
    """Give the task that a person means by a name or a part of one, of those that were found, newest first.

    Raises `UnknownTaskError` where there is none, or more than one.
    """
    if fragment in found:
        return TaskId(fragment)
    if not found:
        raise UnknownTaskError(f"the ledger has no task {fragment!r}")
    if len(found) > 1 and fragment != LAST:
        raise UnknownTaskError(f"{fragment!r} may mean {len(found)} tasks: {', '.join(found[:_NAMED_IN_ERROR])}")
    return found[0]


def resolve_task(connection: psycopg.Connection[TupleRow], fragment: str) -> TaskId:
    """Give the task of that name, or the only one whose name holds the fragment; `last` is the newest.

    Raises `UnknownTaskError` where there is none, or more than one.
    """
    query = "SELECT EXISTS (SELECT FROM ledger.event WHERE task_id = %s)"
    if connection.execute(query, (fragment,)).fetchone() == (True,):
        return TaskId(fragment)
    rows = connection.execute(FIND_TASKS, ("" if fragment == LAST else fragment,))
    return pick_task(fragment, [TaskId(task) for (task,) in rows])
