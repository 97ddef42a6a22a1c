"""Finding a task in the ledger, and the machine's processors."""

from __future__ import annotations

import os

from domain.errors import UnknownTaskError
from domain.evolution import fold
from domain.ids import TaskId
from domain.task_state import TaskState
from eventstore.ledger import Ledger
from eventstore.tasks import LAST, pick_task


async def find_task(ledger: Ledger, fragment: str) -> tuple[TaskId, TaskState]:
    """Find a task by its name or an unambiguous part of it; `last` is the newest.

    Raises `UnknownTaskError` where there is none, or more than one.
    """
    task_id = pick_task(fragment, await ledger.find_tasks("" if fragment == LAST else fragment))
    state = fold(await ledger.read_task(task_id))
    if state is None:
        raise UnknownTaskError(f"the ledger has no events of {task_id}")
    return task_id, state


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
