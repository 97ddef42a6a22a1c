"""What can be asked about tasks and subtasks: pages of views, made of the desks' states."""

from __future__ import annotations

from typing import LiteralString, get_args

from api.schemas import BlockerPage, EventPage, SubtaskPage, SubtaskView, TaskPage, TaskView
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.pages import checked_limit, decode_cursor, encode_cursor
from api.service.store import Store
from api.service.views import blocker_view, subtask_view, task_view
from api.streams.frames import view_of
from domain.errors import InvalidRequestError, UnknownSubtaskError, UnknownTaskError
from domain.ids import SubtaskId, TaskId
from domain.task_state import SubtaskState, TaskStatus
from eventstore.ledger import Ledger

_TASKS: LiteralString = """
    SELECT task_id, position
    FROM ledger.event
    WHERE type = 'task_submitted' AND position < %(before)s
    ORDER BY position DESC
    LIMIT %(limit)s
"""


class Queries:
    """Answers what does not change anything."""

    def __init__(self, desks: Desks, ledger: Ledger, store: Store) -> None:
        self._desks = desks
        self._ledger = ledger
        self._store = store

    def task_view(self, desk: Desk) -> TaskView:
        """Show a desk's task."""
        return task_view(desk.state, desk.position)

    async def tasks(self, status: str | None, cursor: str | None, limit: int) -> TaskPage:
        """List tasks, newest first."""
        if status is not None and status not in get_args(TaskStatus):
            raise InvalidRequestError(f"status is {status!r}: {', '.join(get_args(TaskStatus))} are possible")
        after = decode_cursor(cursor)
        before = after[0] if after else 2**63 - 1
        views: list[TaskView] = []
        checked_limit(limit)
        while True:
            rows = await self._store.rows(_TASKS, {"before": before, "limit": limit})
            for task_id, position in rows:
                view = self.task_view(await self._desks.get(TaskId(task_id)))
                before = position
                if status in (None, view.status):
                    views.append(view)
                if len(views) == limit:
                    return TaskPage(tasks=tuple(views), next_cursor=encode_cursor(before))
            if len(rows) < limit:
                return TaskPage(tasks=tuple(views), next_cursor=None)

    async def subtasks(self, task_id: str, status: str | None, cursor: str | None, limit: int) -> SubtaskPage:
        """List a task's subtasks by number."""
        desk = await self._desks.get(TaskId(task_id))
        start = (decode_cursor(cursor) or (0,))[0]
        checked_limit(limit)
        found = [
            (number, subtask)
            for number, subtask in enumerate(desk.state.subtasks.values(), 1)
            if number > start and status in (None, subtask.status)
        ]
        views = tuple(subtask_view(desk.state, subtask) for _, subtask in found[:limit])
        return SubtaskPage(
            subtasks=views, next_cursor=encode_cursor(found[limit - 1][0]) if len(found) > limit else None
        )

    async def blockers(self, task_id: str, cursor: str | None, limit: int, *, open_only: bool) -> BlockerPage:
        """List a task's blockers, oldest first."""
        desk = await self._desks.get(TaskId(task_id))
        state = desk.state
        start = (decode_cursor(cursor) or (0,))[0]
        checked_limit(limit)
        views = sorted(
            (
                blocker_view(state, subtask, blocker)
                for subtask in state.subtasks.values()
                for blocker in subtask.blockers
                if not (open_only and blocker.answered_at is not None)
            ),
            key=lambda view: view.opened_at,
        )
        page = tuple(views[start : start + limit])
        more = len(views) > start + limit
        return BlockerPage(blockers=page, next_cursor=encode_cursor(start + limit) if more else None)

    async def events(self, task_id: str, after: int, limit: int) -> EventPage:
        """List a task's events past a position."""
        checked_limit(limit)
        if after < 0:
            raise InvalidRequestError(f"after is {after}: it is a position, 0 or more")
        records = await self._ledger.read_task(TaskId(task_id), after=after, limit=limit + 1)
        if not records and after == 0:
            raise UnknownTaskError(f"the ledger has no task {task_id!r}")
        page = records[:limit]
        more = len(records) > limit
        return EventPage(events=tuple(map(view_of, page)), next_after=page[-1].position if more else None)

    async def subtask(self, subtask_id: str) -> tuple[Desk, SubtaskState]:
        """Find a subtask; raises `UnknownSubtaskError` where there is none."""
        try:
            desk = await self._desks.of_subtask(subtask_id)
        except UnknownTaskError as error:
            raise UnknownSubtaskError(f"there is no subtask {subtask_id}") from error
        if (subtask := desk.state.subtasks.get(SubtaskId(subtask_id))) is None:
            raise UnknownSubtaskError(f"there is no subtask {subtask_id}")
        return desk, subtask

    def subtask_view(self, desk: Desk, subtask_id: str) -> SubtaskView:
        """Show a subtask as it stands now."""
        return subtask_view(desk.state, desk.state.subtasks[SubtaskId(subtask_id)])
