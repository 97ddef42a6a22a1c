"""The life of a task and its subtasks: `decide(state, command) -> events`, `evolve(state, event) -> state`.

    planned -> ready -> claimed -> running (-> blocked) -> reported -> accepted
                 ^                    |                       |
                 +--- failed / lost / rejected, while attempts are left; then held

The lease epoch is the fence: each claim raises it by one, and whatever comes under another epoch than the
present one is refused. Failed attempts and lost workers are counted apart: a worker that dies says nothing
about the subtask.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, assert_never

import msgspec

from domain import events as e
from domain.errors import NotClaimableError, NotReportedError, StaleLeaseError
from domain.ids import SubtaskId, TaskId, WorkerId, is_task_stream, short

SubtaskStatus = Literal["planned", "ready", "claimed", "running", "blocked", "reported", "accepted", "held"]
TaskStatus = Literal["running", "paused", "completed", "stalled", "cancelled", "archived"]

#: Statuses in which a worker holds the subtask and its files.
LIVE: frozenset[SubtaskStatus] = frozenset({"claimed", "running", "blocked", "reported"})
#: Statuses from which nothing more follows within the phase.
ENDED: frozenset[SubtaskStatus] = frozenset({"accepted", "held"})


class AttemptNote(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt that came to nothing left for the next one to know."""

    epoch: int
    worker_id: str
    what: str


class SubtaskState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one subtask that decisions need."""

    id: SubtaskId
    plan: e.SubtaskPlanned
    status: SubtaskStatus = "planned"
    epoch: int = 0
    worker_id: WorkerId | None = None
    base_commit: str = ""
    failures: int = 0
    losses: int = 0
    completed: int = 0
    total: int = 0
    note: str = ""
    issue: e.Issue | None = None
    #: When the present worker began; None before its first word.
    started_at: datetime | None = None
    #: When the present worker was last heard of.
    heard_at: datetime | None = None
    ended_at: datetime | None = None
    #: Seconds from a worker's first word to its last, over all attempts that have ended.
    worked_seconds: float = 0.0
    history: tuple[AttemptNote, ...] = ()

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1; a claim to be done counts as 0.99 until it is accepted."""
        if self.status == "accepted":
            return 1.0
        if self.status == "reported":
            return 0.99
        if self.status in LIVE and self.total > 0:
            return min(self.completed / self.total, 0.99)
        return 0.0


class TaskState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one task, folded from its events."""

    id: TaskId
    submitted: e.TaskSubmitted
    submitted_at: datetime
    status: TaskStatus = "running"
    reason: str = ""
    phase: int = 0
    observations: tuple[e.ProblemsObserved, ...] = ()
    decompositions: tuple[e.TaskDecomposed, ...] = ()
    subtasks: Mapping[SubtaskId, SubtaskState] = {}
    #: Head of the branch: the base, or the last accepted commit.
    head: str = ""
    ended_at: datetime | None = None
    milestone: int = 0

    def in_phase(self) -> list[SubtaskState]:
        """List the subtasks of the present phase, in the order of their numbers."""
        return [subtask for subtask in self.subtasks.values() if subtask.plan.phase == self.phase]


# --- evolve ---------------------------------------------------------------------------------------------


def fold(recorded: list[e.RecordedEvent]) -> TaskState | None:
    """Rebuild a task's state from all its events in order; None where there is no task."""
    state: TaskState | None = None
    for record in recorded:
        state = evolve(state, record.event)
    return state


def evolve(state: TaskState | None, event: e.Event) -> TaskState:
    """Give the state after one more event. Never refuses: what is in the ledger has happened."""
    body = event.body
    if isinstance(body, e.TaskSubmitted):
        return TaskState(id=event.task_id, submitted=body, submitted_at=event.occurred_at, head=body.base_commit)
    if isinstance(body, e.TaskArchived):
        # With the task's events there, they were brought back.
        return state if state is not None and state.status != "archived" else _archived(event, body)
    if state is not None and state.status == "archived":
        return state
    if state is None:
        raise ValueError(f"the first event of {event.task_id} is {type(body).__name__}")
    if is_task_stream(event.stream_id):
        return _evolve_task(state, event)
    subtask_id = SubtaskId(event.stream_id)
    if isinstance(body, e.SubtaskPlanned):
        subtask = SubtaskState(id=subtask_id, plan=body, total=len(body.scope.files))
    else:
        subtask = _evolve_subtask(state.subtasks[subtask_id], event)
    head = body.commit if isinstance(body, e.SubtaskAccepted) else state.head
    return msgspec.structs.replace(state, subtasks={**state.subtasks, subtask_id: subtask}, head=head)


def _archived(event: e.Event, body: e.TaskArchived) -> TaskState:
    return TaskState(
        id=event.task_id,
        # What it was asked to do is in the file.
        submitted=e.TaskSubmitted(repository="", base_commit="", branch="", options={}),
        submitted_at=event.occurred_at,
        status="archived",
        reason=f"archived on {event.occurred_at:%Y-%m-%d %H:%M} UTC into {body.file_name}",
        ended_at=event.occurred_at,
    )


def _evolve_task(state: TaskState, event: e.Event) -> TaskState:  # noqa: PLR0911 - one arm per event
    change = msgspec.structs.replace
    match event.body:
        case e.PhaseStarted(phase=phase):
            return change(state, phase=phase, milestone=0)
        case e.ProblemsObserved() as body:
            return change(state, observations=(*state.observations, body))
        case e.TaskDecomposed() as body:
            return change(state, decompositions=(*state.decompositions, body))
        case e.MilestoneReached(percent=percent):
            return change(state, milestone=percent)
        case e.TaskPaused(reason=reason):
            return change(state, status="paused", reason=reason)
        case e.TaskResumed():
            return change(state, status="running", reason="", ended_at=None)
        case e.TaskCancelled(reason=reason):
            return change(state, status="cancelled", reason=reason, ended_at=event.occurred_at)
        case e.TaskStalled(reason=reason):
            return change(state, status="stalled", reason=reason, ended_at=event.occurred_at)
        case e.TaskCompleted(summary=summary):
            return change(state, status="completed", reason=summary, ended_at=event.occurred_at)
        case _:
            return state


def _evolve_subtask(  # noqa: C901, PLR0911, PLR0912 - one arm per event
    subtask: SubtaskState, event: e.Event
) -> SubtaskState:
    change = msgspec.structs.replace
    if isinstance(event.body, e.Started | e.Progress | e.Blocked):
        since = subtask.started_at or event.occurred_at
        subtask = change(subtask, started_at=since, heard_at=event.occurred_at)
    match event.body:
        case e.SubtaskReady():
            return change(subtask, status="ready")
        case e.SubtaskClaimed(base_commit=base):
            return change(
                subtask,
                status="claimed",
                epoch=event.lease_epoch or subtask.epoch + 1,
                worker_id=event.worker_id,
                base_commit=base,
                started_at=None,
                completed=0,
                total=len(subtask.plan.scope.files),
                note="",
                issue=None,
            )
        case e.Started():
            return change(subtask, status="running", issue=None)
        case e.Progress(completed=completed, total=total, status=note):
            return change(subtask, status="running", completed=completed, total=total, note=note, issue=None)
        case e.Blocked(issue=issue, context=context):
            return change(subtask, status="blocked", issue=issue, note=context)
        case e.Completed(summary=summary):
            worked = _worked(subtask, event.occurred_at)
            return change(
                subtask, status="reported", note=summary, issue=None, worked_seconds=worked, started_at=None
            )
        case e.Failed(error=error):
            return _end_attempt(subtask, event, error, failures=1)
        case e.LeaseExpired(reason=reason, coordinator_gone=gone):
            # A coordinator that was killed says nothing about the subtask at all.
            return _end_attempt(subtask, event, reason, lost=True, losses=0 if gone else 1)
        case e.SubtaskReleased(reason=reason):
            return _end_attempt(subtask, event, reason)
        case e.SubtaskRejected(gate=gate, reason=reason):
            return _end_attempt(subtask, event, f"{gate}: {reason}", failures=1)
        case e.SubtaskHeld(reason=reason):
            return change(subtask, status="held", note=reason, ended_at=event.occurred_at)
        case e.SubtaskAccepted(summary=summary):
            ended = _end_attempt(subtask, event, "")
            return change(ended, status="accepted", note=summary, ended_at=event.occurred_at)
        case _:
            return subtask


def _end_attempt(
    subtask: SubtaskState, event: e.Event, what: str, *, failures: int = 0, losses: int = 0, lost: bool = False
) -> SubtaskState:
    # Nobody knows when a lost worker stopped: it counts up to its last word, not to the moment it was missed.
    until = subtask.heard_at if lost and subtask.heard_at is not None else event.occurred_at
    note = AttemptNote(epoch=subtask.epoch, worker_id=subtask.worker_id or "", what=what)
    return msgspec.structs.replace(
        subtask,
        status="planned",
        worker_id=None,
        note=what,
        issue=None,
        completed=0,
        started_at=None,
        failures=subtask.failures + failures,
        losses=subtask.losses + losses,
        worked_seconds=_worked(subtask, until),
        history=(*subtask.history, note) if what else subtask.history,
    )


def _worked(subtask: SubtaskState, until: datetime) -> float:
    if subtask.started_at is None:
        return subtask.worked_seconds
    return subtask.worked_seconds + max((until - subtask.started_at).total_seconds(), 0.0)


# --- decide ---------------------------------------------------------------------------------------------


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A worker asks for one subtask."""

    subtask_id: SubtaskId
    worker_id: WorkerId
    base_commit: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A worker says how it stands."""

    subtask_id: SubtaskId
    worker_id: WorkerId
    epoch: int
    message: e.WorkerMessage


class LoseWorker(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a subtask is gone."""

    subtask_id: SubtaskId
    epoch: int
    reason: str
    #: With the coordinator that had started it.
    coordinator_gone: bool = False


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a subtask hands it back unfinished."""

    subtask_id: SubtaskId
    epoch: int
    reason: str


class Accept(msgspec.Struct, frozen=True, kw_only=True):
    """All blocking gates have passed and the work is merged."""

    subtask_id: SubtaskId
    epoch: int
    commit: str
    files_changed: int
    files: tuple[str, ...] = ()


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """A blocking gate has failed."""

    subtask_id: SubtaskId
    epoch: int
    gate: str
    reason: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How often a subtask may be tried."""

    #: Failed or rejected attempts before the subtask is held.
    attempts_max: int = 3
    #: Lost workers before the subtask is held: a subtask that keeps killing its workers must end too.
    losses_max: int = 3


Command = Claim | Report | LoseWorker | Release | Accept | Reject

#: A body, and the epoch and worker it is said under.
Decision = tuple[e.EventBody, int, WorkerId | None]


def unclaimable_reason(state: TaskState, subtask: SubtaskState) -> str | None:
    """Say why a subtask cannot be handed out now; None where it can."""
    if state.status != "running":
        return f"{state.id} is {state.status}"
    if subtask.status == "planned":
        waiting = (other for other in subtask.plan.depends_on if state.subtasks[other].status not in ENDED)
        return f"{short(subtask.id)} waits for {', '.join(map(short, waiting))}"
    if subtask.status != "ready":
        return f"{short(subtask.id)} is {subtask.status}"
    files = subtask.plan.scope.holds
    for other in state.subtasks.values():
        if other.status in LIVE and not files.isdisjoint(other.plan.scope.holds):
            held = min(files & other.plan.scope.holds)
            return f"{short(subtask.id)} shares {held} with {short(other.id)}, which {other.worker_id} holds"
    return None


def newly_ready(state: TaskState) -> list[SubtaskId]:
    """List the planned subtasks that nothing holds back any longer.

    What depends on a held subtask is let go as well: it may fail, but it must not wait for ever.
    """
    return [
        subtask.id
        for subtask in state.in_phase()
        if subtask.status == "planned"
        and all(state.subtasks[other].status in ENDED for other in subtask.plan.depends_on)
    ]


def more_to_come(state: TaskState) -> bool:
    """Tell whether the present phase has subtasks that are not at their end."""
    return any(subtask.status not in ENDED for subtask in state.in_phase())


def claimable(state: TaskState) -> list[SubtaskState]:
    """List what can be handed out now, most urgent first."""
    ready = (subtask for subtask in state.in_phase() if unclaimable_reason(state, subtask) is None)
    return sorted(ready, key=lambda subtask: (subtask.plan.priority, -subtask.plan.effort.p50))


def decide(state: TaskState, command: Command, limits: Limits) -> list[Decision]:
    """Say which events of the subtask follow from a command.

    Raises `NotClaimableError` where a claim cannot be granted, `StaleLeaseError` where the command comes under a
    lease that no longer holds, and `NotReportedError` for a verdict before the worker has said to be done.
    """
    subtask = state.subtasks[command.subtask_id]
    if isinstance(command, Claim):
        if (reason := unclaimable_reason(state, subtask)) is not None:
            raise NotClaimableError(reason)
        return [(e.SubtaskClaimed(base_commit=command.base_commit), subtask.epoch + 1, command.worker_id)]
    _check_fence(subtask, command.epoch)
    match command:
        case Report(message=message, worker_id=worker_id):
            _check_reporter(subtask, worker_id)
            after = _after_failure(subtask, limits, message) if isinstance(message, e.Failed) else []
            events: list[e.EventBody] = [message, *after]
        case LoseWorker(reason=reason, coordinator_gone=gone):
            after = [] if gone else _after_loss(subtask, limits, reason)
            events = [e.LeaseExpired(reason=reason, coordinator_gone=gone), *after]
        case Release(reason=reason):
            events = [e.SubtaskReleased(reason=reason)]
        case Reject(gate=gate, reason=reason):
            _check_reported(subtask)
            failed = e.Failed(error=f"{gate}: {reason}")
            events = [e.SubtaskRejected(gate=gate, reason=reason), *_after_failure(subtask, limits, failed)]
        case Accept(commit=commit, files_changed=changed, files=files):
            _check_reported(subtask)
            events = [e.SubtaskAccepted(commit=commit, files_changed=changed, summary=subtask.note, files=files)]
        case _:
            assert_never(command)
    return [(body, subtask.epoch, subtask.worker_id) for body in events]


def _check_fence(subtask: SubtaskState, epoch: int) -> None:
    if subtask.status in LIVE and subtask.epoch == epoch:
        return
    holder = f"{subtask.worker_id} under epoch {subtask.epoch}" if subtask.status in LIVE else "nobody"
    raise StaleLeaseError(f"epoch {epoch} of {short(subtask.id)} is over: it is held by {holder}")


def _check_reported(subtask: SubtaskState) -> None:
    if subtask.status != "reported":
        raise NotReportedError(f"{short(subtask.id)} is {subtask.status}: there is no finished work to decide on")


def _check_reporter(subtask: SubtaskState, worker_id: WorkerId) -> None:
    if subtask.worker_id != worker_id:
        raise StaleLeaseError(f"{short(subtask.id)} is held by {subtask.worker_id}, not by {worker_id}")


def _after_failure(subtask: SubtaskState, limits: Limits, failure: e.Failed) -> list[e.EventBody]:
    if not failure.recoverable:
        return [e.SubtaskHeld(reason=failure.error)]
    if subtask.failures + 1 >= limits.attempts_max:
        return [e.SubtaskHeld(reason=f"failed {limits.attempts_max} times, last: {failure.error}")]
    return []


def _after_loss(subtask: SubtaskState, limits: Limits, reason: str) -> list[e.EventBody]:
    if subtask.losses + 1 >= limits.losses_max:
        return [e.SubtaskHeld(reason=f"lost {limits.losses_max} workers, last: {reason}")]
    return []
