"""The desks of this process: one for each task that is under way here, or that somebody has asked about."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import LiteralString

import psycopg

from api.service.desk import Desk
from api.service.store import Store
from domain.errors import LedgerError, UnknownTaskError
from domain.events import RecordedEvent, TaskSubmitted
from domain.ids import SubtaskId, TaskId, suffix_of, task_of
from domain.task_state import OVER
from eventstore.clock import Clock
from eventstore.codec import Unreadable
from eventstore.ledger import Ledger

#: Desks of tasks that are over, or that nobody serves, kept for whoever asks next.
_IDLE_MAX = 64

# The last event of the task's own stream that says how it stands tells whether it is over.
_UNDER_WAY: LiteralString = """
    SELECT submitted.task_id
    FROM ledger.event AS submitted
    CROSS JOIN LATERAL (
        SELECT type
        FROM ledger.event AS own
        WHERE own.task_id = submitted.task_id
            AND own.stream_id = submitted.task_id
            AND own.type IN (
                'task_submitted', 'task_resumed', 'task_paused', 'task_completed', 'task_stalled', 'task_cancelled',
                'task_archived'
            )
        ORDER BY own.version DESC
        LIMIT 1
    ) AS last
    WHERE submitted.type = 'task_submitted'
        AND (submitted.payload ->> 'served')::boolean
        AND last.type IN ('task_submitted', 'task_resumed', 'task_paused')
    ORDER BY submitted.position
"""

_OF_SUFFIX: LiteralString = """
    SELECT task_id
    FROM ledger.event
    WHERE type = 'task_submitted' AND right(task_id, length(%(suffix)s) + 1) = '-' || %(suffix)s
    ORDER BY position
    LIMIT 1
"""

_LOG = logging.getLogger(__name__)

Listener = Callable[[Desk, RecordedEvent], None]


class Desks:
    """All desks of a process; with `only`, work is handed out of that task alone."""

    def __init__(self, ledger: Ledger, store: Store, clock: Clock, only: TaskId | None) -> None:
        self.only = only
        self.listeners: list[Listener] = []
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._served: dict[TaskId, Desk] = {}
        self._idle: OrderedDict[TaskId, Desk] = OrderedDict()
        self._opening: dict[TaskId, asyncio.Task[Desk]] = {}
        # What the feed says of tasks whose events are being read just now: it may be later than what is read.
        self._meanwhile: dict[TaskId, list[RecordedEvent]] = {}
        # And why some of them cannot be read after all.
        self._unreadable_meanwhile: dict[TaskId, str] = {}

    async def open_all(self) -> None:
        """Open the desks of all served tasks that are not over; one that cannot be read is told, and left out."""
        if self.only is None:
            for (task_id,) in await self._store.rows(_UNDER_WAY):
                try:
                    await self.get(TaskId(task_id))
                except LedgerError as error:
                    if isinstance(error.__cause__, psycopg.Error):
                        raise
                    _LOG.error("%s is not served: %s", task_id, error)

    def served(self) -> list[Desk]:
        """List the desks whose work is handed out here."""
        return list(self._served.values())

    def resident(self, task_id: TaskId) -> Desk | None:
        """Give a desk that is open already."""
        return self._served.get(task_id) or self._idle.get(task_id)

    async def get(self, task_id: TaskId) -> Desk:
        """Give a task's desk; raises `UnknownTaskError` where the ledger has no such task."""
        if (desk := self.resident(task_id)) is not None:
            if task_id in self._idle:
                self._idle.move_to_end(task_id)
            return desk
        if (opening := self._opening.get(task_id)) is None:
            opening = self._opening[task_id] = asyncio.create_task(self._open(task_id))
            opening.add_done_callback(lambda _: self._opening.pop(task_id, None))
        return await asyncio.shield(opening)

    async def of_entropy(self, task_id: TaskId) -> Desk | None:
        """Give the desk of the task that was named by the same entropy, whatever its slug; None: there is none."""
        try:
            return await self.get(task_id)
        except UnknownTaskError:
            rows = await self._store.rows(_OF_SUFFIX, {"suffix": suffix_of(task_id)})
        return await self.get(TaskId(rows[0][0])) if rows else None

    async def of_subtask(self, subtask_id: str) -> Desk:
        """Give the desk of a subtask's task; the subtask may be one that another process has planned just now."""
        desk = await self.get(task_of(subtask_id))
        if SubtaskId(subtask_id) not in desk.state.subtasks:
            await desk.catch_up()
        return desk

    def new(self, task_id: TaskId) -> Desk:
        """Give a desk for a task that is still to be opened; it is kept from its first event on."""
        desk = Desk(self._ledger, self._clock, task_id)
        desk.listeners.append(lambda record: self._heard(desk, record))
        return desk

    def take_in(self, records: Iterable[RecordedEvent]) -> None:
        """Pass on what the feed says to the desks that it concerns."""
        for record in records:
            task_id = record.event.task_id
            if task_id in self._meanwhile:
                self._meanwhile[task_id].append(record)
                continue
            desk = self.resident(task_id)
            if desk is None and isinstance(record.event.body, TaskSubmitted):
                desk = self.new(task_id)
            if desk is not None:
                desk.apply(record)

    def give_up(self, unreadable: Unreadable) -> None:
        """Let go of a task with an event that cannot be read: who asks for it again reads it anew, and is told."""
        task_id = TaskId(unreadable.task_id)
        if task_id in self._meanwhile:
            self._unreadable_meanwhile[task_id] = unreadable.reason
        self._let_go(task_id, unreadable.reason)

    def _let_go(self, task_id: TaskId, reason: str) -> None:
        desk = self._served.pop(task_id, None) or self._idle.pop(task_id, None)
        if desk is not None:
            desk.give_up(reason)

    async def close(self) -> None:
        """Wait until what is under way is stored."""
        for desk in [*self._served.values(), *self._idle.values()]:
            await desk.close()

    async def _open(self, task_id: TaskId) -> Desk:
        desk = self.new(task_id)
        self._meanwhile[task_id] = []
        try:
            await desk.catch_up()
        finally:
            meanwhile = self._meanwhile.pop(task_id)
            unreadable = self._unreadable_meanwhile.pop(task_id, "")
        if unreadable:
            self._let_go(task_id, unreadable)
            raise LedgerError(unreadable)
        self.take_in(meanwhile)
        kept = self.resident(task_id)
        if kept is None:
            raise UnknownTaskError(f"the ledger has no task {task_id!r}")
        return kept

    def _heard(self, desk: Desk, record: RecordedEvent) -> None:
        kept = self.resident(desk.task_id)
        if kept is not None and kept is not desk:
            # Two were opened at once: the one that is kept hears everything by itself.
            kept.apply(record)
            return
        self._place(desk)
        for listener in self.listeners:
            listener(desk, record)

    def _place(self, desk: Desk) -> None:
        state = desk.state
        mine = desk.task_id == self.only if self.only is not None else state.submitted.served
        if mine and state.status not in OVER:
            self._served[desk.task_id] = desk
            self._idle.pop(desk.task_id, None)
            return
        self._served.pop(desk.task_id, None)
        self._idle[desk.task_id] = desk
        self._idle.move_to_end(desk.task_id)
        while len(self._idle) > _IDLE_MAX:
            # A change that is under way keeps its desk alive by itself.
            self._idle.popitem(last=False)
