"""A desk: one task's state in memory, and the only way to change it.

Whoever wants something of a task asks its desk. What has gathered while the last append was under way is decided
together, one request after the other, each on the state that the one before leaves; the events go to the ledger in
one append, which is stored only where the state still stands (`Ledger.append(at=...)`). Where another process was
faster, its events are read, and everything is decided again. So any number of processes may have a desk for the
same task, and the ledger alone says what has happened: a desk can be thrown away at any moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from api.schemas import Policy, ToolSpec
from api.service.policy import limits_of, policy_of, tool_of
from domain import events as e
from domain.consequences import consequences, is_quiet
from domain.errors import (
    InvalidEventError,
    LedgerError,
    ParallelWorkersError,
    RepeatedMessageError,
    UnknownTaskError,
    VersionConflictError,
)
from domain.evolution import changeable, evolve
from domain.ids import StreamId, SubtaskId, TaskId
from domain.lifecycle import Command, Draft, Limits, decide
from domain.task_state import ENDED, LIVE, SubtaskState, TaskState
from eventstore.clock import Clock
from eventstore.ledger import Ledger

#: Requests that are decided together at most.
_BATCH_MAX = 1000
#: Fewer are not parted.
_BATCH_MIN = 16
#: How often other processes may be faster before a request is given up.
_RACES_MAX = 100

_LOG = logging.getLogger(__name__)

Listener = Callable[[e.RecordedEvent], None]
Deciding = Callable[[TaskState], Sequence[e.Event]]
"""What somebody wants of a task: its present state -> the events that follow, or a `ParallelWorkersError`."""


@dataclass(slots=True, eq=False)
class _Request:
    deciding: Deciding
    done: asyncio.Future[list[e.Receipt]]
    events: Sequence[e.Event] = ()
    #: Whether what follows by itself is looked for even where nothing was decided.
    settles: bool = False


class _Decision(NamedTuple):
    """What a batch comes to."""

    #: Those that wait for the events.
    going: list[_Request]
    refused: list[tuple[_Request, ParallelWorkersError]]
    events: list[e.Event]
    #: After the events.
    state: TaskState


class Desk:
    """One task, as the ledger has it."""

    def __init__(self, ledger: Ledger, clock: Clock, task_id: TaskId) -> None:
        self.task_id = task_id
        self.clock = clock
        self.listeners: list[Listener] = []
        self._ledger = ledger
        self._state: TaskState | None = None
        self._limits: Limits | None = None
        self._policy: Policy | None = None
        self._tool: tuple[ToolSpec | None] | None = None
        #: What waits for a worker, with the files that it would hold, and what has one: looked at far more often than
        #: it changes.
        self.ready: dict[SubtaskId, tuple[SubtaskState, frozenset[str]]] = {}
        self.live: dict[SubtaskId, SubtaskState] = {}
        #: What is not at its end, and until when what has failed rests.
        self.unfinished: set[SubtaskId] = set()
        self.resting: dict[SubtaskId, datetime] = {}
        self._position = 0
        self._queue: deque[_Request] = deque()
        self._flushing: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        #: Why nothing more is taken note of, nor decided.
        self._given_up = ""
        # By subtask, and by the number of its id, what its present worker has said: said again, it is not decided
        # again.
        self._said: dict[str, dict[int, e.RecordedEvent]] = {}

    # --- what is known ---

    @property
    def state(self) -> TaskState:
        """The task as far as this process knows; raises `UnknownTaskError` where it is not in the ledger."""
        if self._state is None:
            raise UnknownTaskError(f"the ledger has no task {self.task_id!r}")
        return self._state

    @property
    def limits(self) -> Limits:
        """What the task's policy says about attempts."""
        if self._limits is None:
            self._limits = limits_of(self.state.submitted)
        return self._limits

    @property
    def policy(self) -> Policy:
        """How the task is to be done."""
        if self._policy is None:
            self._policy = policy_of(self.state.submitted)
        return self._policy

    @property
    def tool(self) -> ToolSpec | None:
        """How the task's problems are found again; None where nobody said."""
        if self._tool is None:
            self._tool = (tool_of(self.state.submitted),)
        return self._tool[0]

    @property
    def position(self) -> int:
        """The position of the last event that the state holds."""
        return self._position

    @property
    def flushing(self) -> bool:
        """Whether something is on its way to the ledger."""
        return self._flushing is not None

    def said_before(self, stream: str, message_id: UUID) -> e.RecordedEvent | None:
        """Give what the present worker of a subtask has said under that id."""
        return self._said.get(stream, {}).get(message_id.int)

    async def catch_up(self) -> None:
        """Read what the ledger has beyond the state."""
        for record in await self._ledger.read_task(self.task_id, after=self._position):
            self.apply(record)

    def apply(self, record: e.RecordedEvent) -> None:
        """Take note of an event; one that is known already changes nothing."""
        if record.position > self._position and not self._given_up:
            self._move_to(evolve(self._state, record.event), [record])

    def give_up(self, reason: str) -> None:
        """Decide nothing any more, and have everybody told why: the state is not the task's any more."""
        self._given_up = reason
        self._tell_of_change()

    def _move_to(self, state: TaskState, records: Sequence[e.RecordedEvent]) -> None:
        self._state = state
        self._position = records[-1].position
        for record in records:
            self._remember(record)
            self._sort(state, record.event.stream_id)
            for listener in self.listeners:
                listener(record)
        self._tell_of_change()

    def _tell_of_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _sort(self, state: TaskState, stream: str) -> None:
        subtask_id = SubtaskId(stream)
        if (subtask := state.subtasks.get(subtask_id)) is None:
            return
        if subtask.status == "ready":
            self.ready[subtask_id] = (subtask, subtask.plan.scope.holds)
        else:
            self.ready.pop(subtask_id, None)
        if subtask.status in LIVE:
            self.live[subtask_id] = subtask
        else:
            self.live.pop(subtask_id, None)
        if subtask.status in ENDED:
            self.unfinished.discard(subtask_id)
        else:
            self.unfinished.add(subtask_id)
        if subtask.status == "planned" and subtask.not_before is not None:
            self.resting[subtask_id] = subtask.not_before
        else:
            self.resting.pop(subtask_id, None)

    def _remember(self, record: e.RecordedEvent) -> None:
        event = record.event
        if isinstance(event.body, e.SubtaskClaimed):
            self._said.pop(event.stream_id, None)
        elif isinstance(event.body, e.Started | e.Progress | e.Blocked | e.Completed | e.Failed):
            self._said.setdefault(event.stream_id, {})[event.message_id.int] = record

    async def wait_for(self, predicate: Callable[[TaskState], bool]) -> None:
        """Wait until the state is as asked; raises `LedgerError` where the task cannot be followed any more."""
        while not predicate(self.state):
            if self._given_up:
                raise LedgerError(self._given_up)
            await self._changed.wait()

    # --- changing it ---

    async def open(self, drafts: Sequence[Draft]) -> None:
        """Open the task with its first events; raises `VersionConflictError` where its name is taken."""
        events = [self.event(draft) for draft in drafts]
        state = changeable(evolve(None, events[0]))
        for event in events[1:]:
            state = evolve(state, event, in_place=True)
        following, state = self._consequences(state, limits_of(state.submitted))
        events += following
        self._take_in(state, events, await self._ledger.append(events, at=0))

    async def command(self, command: Command) -> list[Draft]:
        """Decide on a command, store what follows, and give it; raises a `LifecycleError` as `decide` does."""
        decided: list[Draft] = []

        def deciding(state: TaskState) -> list[e.Event]:
            decided[:] = decide(state, command, self.limits)
            return [self.event(draft) for draft in decided]

        await self.act(deciding)
        return decided

    async def settle(self) -> None:
        """Store what has come to follow by itself with time: retries whose pause is over."""
        await self.act(lambda _: (), settles=True)

    async def act(self, deciding: Deciding, *, settles: bool = False) -> list[e.Receipt]:
        """Have something decided on the task's state, and give receipts of its events once they are durable.

        Raises what `deciding` raises, and `LedgerError` as `Ledger.append` does. Cancelling the caller does not undo
        what was decided; what was not yet is left undone.
        """
        return await self.ask(deciding, settles=settles)

    def ask(self, deciding: Deciding, *, settles: bool = False) -> asyncio.Future[list[e.Receipt]]:
        """Do what `act` does, and give its outcome to be waited for: what is asked first is decided first."""
        request = _Request(deciding, asyncio.get_running_loop().create_future(), settles=settles)
        self._queue.append(request)
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name=f"desk {self.task_id}")
        return request.done

    def event(self, draft: Draft, *, message_id: UUID | None = None, occurred_at: datetime | None = None) -> e.Event:
        """Make an event of a draft."""
        return e.Event(
            task_id=self.task_id,
            stream_id=StreamId(draft.stream),
            message_id=message_id or self.clock.new_message_id(),
            occurred_at=occurred_at or self.clock.now(),
            body=draft.body,
            worker_id=draft.worker_id,
            lease_epoch=draft.epoch,
        )

    async def _flush(self) -> None:
        answered = 0
        try:
            while self._queue:
                # Half of those that have come, or come back with their next: the ledger stores them while the others
                # are answered. All at once, each would wait for the other all the time.
                half = (len(self._queue) + answered + 1) // 2
                size = min(len(self._queue), max(half, _BATCH_MIN), _BATCH_MAX)
                batch = [self._queue.popleft() for _ in range(size)]
                await self._carry_out(batch)
                answered = size
        finally:
            self._flushing = None

    async def _carry_out(self, batch: Sequence[_Request]) -> None:
        try:
            await self._store(batch)
        except ParallelWorkersError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours fails its callers, and not those after them
            _LOG.exception("a decision has failed")
            _fail(batch, LedgerError(f"a decision has failed: {error!r}"))

    async def _store(self, batch: Sequence[_Request]) -> None:
        """Decide, append, and decide again where another process was faster."""
        up_to_date = False
        for _ in range(_RACES_MAX):
            decision = self._decide(batch)
            if decision.refused and not up_to_date:
                # Another process may have stored what allows it: the ledger is asked before anybody is sent away.
                up_to_date = True
                if await self._has_moved():
                    continue
            _refuse(decision.refused)
            if not decision.events:
                _answer(decision.going, ())
                return
            try:
                receipts = await self._ledger.append(decision.events, at=self._position)
            except VersionConflictError:
                await self.catch_up()
                up_to_date = True
                continue
            except (InvalidEventError, RepeatedMessageError):
                if len(decision.going) == 1:
                    raise
                for request in decision.going:
                    await self._carry_out([request])
                return
            except LedgerError:
                # Whether it is stored is not always known: the ledger has to say.
                await self._forget()
                raise
            self._take_in(decision.state, decision.events, receipts)
            _answer(decision.going, receipts)
            return
        raise LedgerError(f"{self.task_id} is changed by others faster than it can be decided on: try again")

    async def _has_moved(self) -> bool:
        """Read what the ledger has beyond the state; tell whether there was anything."""
        before = self._position
        await self.catch_up()
        return self._position > before

    def _decide(self, batch: Sequence[_Request]) -> _Decision:
        """Let each request decide on what those before it leave."""
        if self._given_up:
            raise LedgerError(self._given_up)
        state = changeable(self.state)
        going: list[_Request] = []
        refused: list[tuple[_Request, ParallelWorkersError]] = []
        events: list[e.Event] = []
        for request in batch:
            if request.done.done():
                continue
            try:
                request.events = request.deciding(state)
            except ParallelWorkersError as error:
                refused.append((request, error))
                continue
            for event in request.events:
                state = evolve(state, event, in_place=True)
            going.append(request)
            events += request.events
        if any(not is_quiet(event.body) for event in events) or any(request.settles for request in going):
            following, state = self._consequences(state, self.limits)
            events += following
        return _Decision(going, refused, events, state)

    def _consequences(self, state: TaskState, limits: Limits) -> tuple[list[e.Event], TaskState]:
        """List what follows by itself, and give the state after it; `state` is changed on the way."""
        following: list[e.Event] = []
        while drafts := consequences(state, limits, self.clock.now()):
            for draft in drafts:
                following.append(event := self.event(draft))
                state = evolve(state, event, in_place=True)
        return following, state

    def _take_in(self, state: TaskState, events: Sequence[e.Event], receipts: Sequence[e.Receipt]) -> None:
        """Take note of what is stored now; `state` is that after the events."""
        now = self.clock.now()
        records = []
        for event, receipt in zip(events, receipts, strict=True):
            if receipt.status == "conflict":
                raise RepeatedMessageError(f"message {event.message_id} is in the ledger with other content")
            records.append(
                e.RecordedEvent(
                    event=event, version=receipt.version or 0, position=receipt.position or 0, recorded_at=now
                )
            )
        if records[0].position > self._position:
            self._move_to(state, records)
        else:
            # The feed was faster, with a part of them or with all.
            for record in records:
                self.apply(record)

    async def _forget(self) -> None:
        try:
            await self.catch_up()
        except LedgerError:
            # The next append finds that the position has moved, and reads then.
            _LOG.warning("the state of %s could not be read again", self.task_id)

    async def close(self) -> None:
        """Wait until what is under way is stored, or refused."""
        while (flushing := self._flushing) is not None:
            await asyncio.wait({flushing})


def _fail(batch: Iterable[_Request], error: ParallelWorkersError) -> None:
    for request in batch:
        if not request.done.done():
            request.done.set_exception(error)


def _refuse(refused: Iterable[tuple[_Request, ParallelWorkersError]]) -> None:
    for request, error in refused:
        if not request.done.done():
            request.done.set_exception(error)


def _answer(going: Iterable[_Request], receipts: Sequence[e.Receipt]) -> None:
    start = 0
    for request in going:
        end = start + len(request.events)
        if not request.done.done():
            request.done.set_result(list(receipts[start:end]))
        start = end
