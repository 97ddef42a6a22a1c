"""Finding a task by what a person types."""

from __future__ import annotations

from domain.errors import UnknownTaskError
from domain.ids import TaskId
from eventstore.transfer.bulk import Connection

_NAMED_IN_ERROR = 5


def resolve_task(connection: Connection, fragment: str) -> TaskId:
    """Give the task of that name, or the only one whose name holds the fragment; `last` is the newest.

    Archived tasks come after all others.

    Raises `UnknownTaskError` where there is none, or more than one.
    """
    query = "SELECT EXISTS (SELECT FROM ledger.event WHERE task_id = %s)"
    if connection.execute(query, (fragment,)).fetchone() == (True,):
        return TaskId(fragment)
    query = """
        SELECT task_id
        FROM ledger.event
        WHERE type IN ('task_submitted', 'task_archived') AND position(%s IN task_id) > 0
        GROUP BY task_id
        ORDER BY max(event.position) FILTER (WHERE type = 'task_submitted') DESC NULLS LAST, max(event.position) DESC
    """
    found = [TaskId(task) for (task,) in connection.execute(query, ("" if fragment == "last" else fragment,))]
    if not found:
        raise UnknownTaskError(f"the ledger has no task {fragment!r}")
    if len(found) > 1 and fragment != "last":
        raise UnknownTaskError(f"{fragment!r} may mean {len(found)} tasks: {', '.join(found[:_NAMED_IN_ERROR])}")
    return found[0]
