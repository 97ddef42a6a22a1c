"""Tasks of a service, as the commands for tasks in the database know them: by their events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from api.client.client import Client
from api.client.recorded import read_task, recorded
from api.schemas import EstimateView, Name, TaskView
from domain.errors import ParallelWorkersError
from domain.events import RecordedEvent
from domain.evolution import evolve, fold
from domain.ids import TaskId
from domain.task_state import OVER, TaskState
from eventstore.tasks import LAST, pick_task

#: How often the estimate of the end is asked for, in seconds.
_ESTIMATE_SECONDS = 2.0
#: Tasks that are asked for at once.
_PAGE = 100


async def list_tasks(client: Client) -> list[TaskView]:
    """List all tasks, newest first."""
    found: list[TaskView] = []
    cursor: str | None = None
    while True:
        page = await client.tasks(cursor=cursor, limit=_PAGE)
        found += page.tasks
        cursor = page.next_cursor
        if cursor is None:
            return found


async def find_task(client: Client, fragment: str) -> TaskId:
    """Find a task by its name or an unambiguous part of it; `last` is the newest. An archived one has a name only.

    Raises `UnknownTaskError` where there is none, or more than one.
    """
    if fragment == LAST:
        newest = (await client.tasks(limit=1)).tasks
        return pick_task(fragment, [TaskId(task.id) for task in newest])
    found = [TaskId(task.id) for task in await list_tasks(client) if fragment in task.id]
    if not found and _is_name(fragment):
        # Not listed, but known: what has become of it is to be said.
        return TaskId((await client.task(fragment)).id)
    return pick_task(fragment, found)


def _is_name(text: str) -> bool:
    try:
        msgspec.convert(text, Name)
    except msgspec.ValidationError:
        return False
    return True


async def load_task(client: Client, fragment: str) -> tuple[TaskState | None, list[RecordedEvent]]:
    """Read a task's events and what they add up to."""
    events = await read_task(client, await find_task(client, fragment))
    return fold(events), events


async def follow_task(client: Client, fragment: str, seen: Callable[[TaskState], None]) -> list[RecordedEvent]:
    """Follow a task until it is no longer running, showing each state on the way, and give its events."""
    state, events = await load_task(client, fragment)
    if state is None:
        return events
    seen(state)
    if state.status != "running":
        return events
    following = client.follow(task_id=state.id, after=events[-1].position)
    try:
        async for view in following:
            events.append(recorded(view))
            state = evolve(state, events[-1].event)
            seen(state)
            if state.status != "running":
                break
    finally:
        await following.aclose()
    return events


async def follow_estimate(
    client: Client, state: Callable[[], TaskState | None], estimate: list[EstimateView | None]
) -> None:
    """Keep the first place of a list at the latest estimate of when a task will be done, until it is over."""
    while True:
        current = state()
        if current is not None:
            if current.status in OVER:
                return
            try:
                estimate[0] = await client.estimate(current.id)
            except ParallelWorkersError:
                # Who follows the task says what is wrong with the service.
                return
        # A poll, not a wait for a fact: the service makes it anew by itself, and time alone moves it.
        await asyncio.sleep(_ESTIMATE_SECONDS)
