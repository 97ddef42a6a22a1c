"""The one way in which a run changes anything: an append to the ledger, then the new state in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from domain import events as e
from domain.errors import LedgerError
from domain.ids import StreamId, TaskId, WorkerId, subtask_id
from domain.lifecycle import (
    LIVE,
    Command,
    Limits,
    LoseWorker,
    Release,
    SubtaskState,
    TaskState,
    decide,
    evolve,
    newly_ready,
)
from eventstore.clock import Clock
from eventstore.ledger import Ledger

_MILESTONES = (25, 50, 75, 100)

#: A body, the stream it goes to, and the epoch and worker it is said under.
Draft = tuple[e.EventBody, str, int | None, WorkerId | None]


class Journal:
    """A task's state and the ledger that it comes from, kept in step."""

    def __init__(self, ledger: Ledger, clock: Clock, limits: Limits, state: TaskState | None = None) -> None:
        self.clock = clock
        self._ledger = ledger
        self._limits = limits
        self._state = state
        # Decisions are taken on the state that the last append left, so one at a time.
        self._lock = asyncio.Lock()
        self._changed = asyncio.Condition()
        self.on_change: Callable[[e.Event], None] = lambda _: None

    @property
    def state(self) -> TaskState:
        """The task as the ledger has it."""
        if self._state is None:
            raise LedgerError("the task is not in the ledger yet")
        return self._state

    async def submit(self, task_id: TaskId, body: e.TaskSubmitted) -> None:
        """Open a new task; raises `VersionConflictError` where the name is taken."""
        await self._append([self._event(task_id, (body, task_id, None, None))], expected={task_id: 0})

    async def record(self, *bodies: e.EventBody) -> None:
        """Add to the task's own stream."""
        async with self._lock:
            await self._commit([(body, self.state.id, None, None) for body in bodies])

    async def record_drafts(self, drafts: Sequence[Draft]) -> None:
        """Add to several streams in one transaction."""
        async with self._lock:
            await self._commit(drafts)

    async def command(self, command: Command, *before: e.EventBody) -> None:
        """Decide on a command and store what follows, with further events of the attempt before it.

        Raises a `LifecycleError` where the state does not allow it.
        """
        async with self._lock:
            subtask = self.state.subtasks[command.subtask_id]
            decided = decide(self.state, command, self._limits)
            drafts: list[Draft] = [(body, subtask.id, subtask.epoch, subtask.worker_id) for body in before]
            drafts += [(body, subtask.id, epoch, worker) for body, epoch, worker in decided]
            await self._commit(drafts)

    async def pause(self, reason: str) -> None:
        """Take back what workers hold and note that the task waits to be resumed."""
        for subtask in self._live():
            said = f"the run was paused: {reason}"
            await self.command(Release(subtask_id=subtask.id, epoch=subtask.epoch, reason=said))
        await self.record(e.TaskPaused(reason=reason))

    async def take_over(self) -> None:
        """Take back what the workers of a coordinator that is gone held."""
        for subtask in self._live():
            said = f"the coordinator of {subtask.worker_id} is gone"
            lost = LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch, reason=said, coordinator_gone=True)
            await self.command(lost)
        await self.record(e.TaskResumed())

    def _live(self) -> list[SubtaskState]:
        return [subtask for subtask in self.state.subtasks.values() if subtask.status in LIVE]

    async def wait_for(self, predicate: Callable[[TaskState], bool]) -> None:
        """Wait until the state is as asked."""
        async with self._changed:
            await self._changed.wait_for(lambda: predicate(self.state))

    async def _commit(self, drafts: Sequence[Draft]) -> None:
        """Store the drafts, and with them the subtasks that they make ready and the milestones they reach."""
        events = [self._event(self.state.id, draft) for draft in drafts]
        after = self.state
        for event in events:
            after = evolve(after, event)
        follow: list[Draft] = [(e.SubtaskReady(), subtask, None, None) for subtask in newly_ready(after)]
        follow += [(body, after.id, None, None) for body in _milestones(after)]
        await self._append([*events, *(self._event(after.id, draft) for draft in follow)])

    async def _append(self, events: Sequence[e.Event], expected: dict[str, int] | None = None) -> None:
        # Seen through even when its caller is cancelled: else the state would not know what the ledger does.
        appending = asyncio.ensure_future(self._append_and_evolve(events, expected))
        try:
            await asyncio.shield(appending)
        except asyncio.CancelledError:
            await asyncio.wait({appending})
            raise

    async def _append_and_evolve(self, events: Sequence[e.Event], expected: dict[str, int] | None) -> None:
        receipts = await self._ledger.append(events, expected=expected)
        refused = [receipt for receipt in receipts if receipt.status == "conflict"]
        if refused:
            raise LedgerError(f"message {refused[0].message_id} is in the ledger with other content")
        for event in events:
            self._state = evolve(self._state, event)
            self.on_change(event)
        async with self._changed:
            self._changed.notify_all()

    def _event(self, task_id: TaskId, draft: Draft) -> e.Event:
        body, stream, epoch, worker = draft
        return e.Event(
            task_id=task_id,
            stream_id=StreamId(stream),
            message_id=self.clock.new_message_id(),
            occurred_at=self.clock.now(),
            body=body,
            worker_id=worker,
            lease_epoch=epoch,
        )


def _milestones(state: TaskState) -> list[e.MilestoneReached]:
    subtasks = state.in_phase()
    total = sum(subtask.plan.effort.p50 for subtask in subtasks)
    done = sum(subtask.plan.effort.p50 for subtask in subtasks if subtask.status == "accepted")
    percent = 100.0 * done / total if total else 0.0
    reached = [mark for mark in _MILESTONES if state.milestone < mark <= percent + 1e-9]
    return [e.MilestoneReached(phase=state.phase, percent=mark) for mark in reached]


def subtask_drafts(task_id: TaskId, first: int, bodies: Sequence[e.SubtaskPlanned]) -> list[Draft]:
    """Give each planned subtask its stream, numbered from `first`."""
    return [(body, subtask_id(task_id, first + offset), None, None) for offset, body in enumerate(bodies)]
