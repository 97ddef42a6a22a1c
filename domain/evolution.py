"""The state of a task after its events: `evolve(state, event) -> state`.

It never refuses: what is stored has happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain import events as e
from domain import gates
from domain.ids import SubtaskId, is_task_stream
from domain.task_state import LIVE, AttemptNote, Blocker, ForecastNote, SubtaskState, TaskState

_change = msgspec.structs.replace


def fold(recorded: Iterable[e.RecordedEvent]) -> TaskState | None:
    """Rebuild a task's state from all its events in order; None where there is no task."""
    state: TaskState | None = None
    for record in recorded:
        state = evolve(state, record.event)
    return state


def changeable(state: TaskState) -> TaskState:
    """Give the same state with subtasks of its own, which `evolve` may change in place."""
    return _change(state, subtasks=dict(state.subtasks))


def evolve(state: TaskState | None, event: e.Event, *, in_place: bool = False) -> TaskState:
    """Give the state after one more event.

    With `in_place`, which needs a `changeable` state that nobody else looks at, the one before is not to be used any
    more: thousands of subtasks are not copied for each event.
    """
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
    subtask = evolve_subtask(state.subtasks.get(subtask_id), event)
    head = (body.commit or state.head) if isinstance(body, e.SubtaskAccepted) else state.head
    if not in_place:
        return _change(state, subtasks={**state.subtasks, subtask_id: subtask}, head=head)
    # A `changeable` state's subtasks are a dictionary.
    state.subtasks[subtask_id] = subtask  # type: ignore[index]
    return state if head is state.head else _change(state, head=head)


def evolve_subtask(subtask: SubtaskState | None, event: e.Event) -> SubtaskState:
    """Give a subtask's state after one more event of its stream; None: there was none before."""
    body = event.body
    if isinstance(body, e.SubtaskPlanned):
        return SubtaskState(id=SubtaskId(event.stream_id), plan=body, total=len(body.scope.files))
    if subtask is None:
        raise ValueError(f"the first event of {event.stream_id} is {type(body).__name__}")
    change = _CHANGES.get(type(body))
    return change(subtask, event, body) if change is not None else subtask


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


def _evolve_task(state: TaskState, event: e.Event) -> TaskState:  # noqa: C901, PLR0911 - one arm per event
    match event.body:
        case e.PhaseStarted(phase=phase):
            return _change(state, phase=phase, milestone=0, forecast=None)
        case e.ProblemsObserved() as body:
            return _change(state, observations=(*state.observations, body))
        case e.TaskDecomposed() as body:
            return _change(state, decompositions=(*state.decompositions, body))
        case e.MilestoneReached(percent=percent):
            return _change(state, milestone=percent)
        case e.TaskForecast() as body:
            return _change(state, forecast=_noted(state, event, body))
        case e.TaskPaused(reason=reason, cost=cost):
            before = state.cost_before if cost is None else cost
            return _change(state, status="paused", reason=reason, cost_before=before)
        case e.TaskResumed():
            return _change(state, status="running", reason="", ended_at=None)
        case e.TaskCancelled(reason=reason):
            return _change(state, status="cancelled", reason=reason, ended_at=event.occurred_at)
        case e.TaskStalled(reason=reason):
            return _change(state, status="stalled", reason=reason, ended_at=event.occurred_at)
        case e.TaskCompleted(summary=summary):
            return _change(state, status="completed", reason=summary, ended_at=event.occurred_at)
        case _:
            return state


def _noted(state: TaskState, event: e.Event, body: e.TaskForecast) -> ForecastNote:
    return ForecastNote(
        made_at=event.occurred_at,
        p50_seconds=body.p50_seconds,
        milestone=state.milestone,
        number=state.forecast.number + 1 if state.forecast else 1,
    )


# --- what workers say -----------------------------------------------------------------------------------


def _spoken(subtask: SubtaskState, event: e.Event, usage: e.Usage | None) -> SubtaskState:
    """Take in what every word of a worker says."""
    if subtask.lost_worker is not None and subtask.status not in LIVE:
        subtask = _revived(subtask, event)
    return subtask if usage is None else _with_cost(subtask, usage)


def _revived(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    """Give a subtask back to the worker whose lease ran out, when he speaks after all."""
    return _change(
        subtask,
        status="running",
        worker_id=subtask.lost_worker,
        lost_worker=None,
        started_at=event.occurred_at,
        idle_seconds=0.0,
    )


def _with_cost(subtask: SubtaskState, usage: e.Usage) -> SubtaskState:
    """Count what an attempt says it has cost since it began; what is not said is unknown, and changes nothing."""
    if usage.cost is None:
        return subtask
    more = usage.cost - subtask.attempt_cost
    return _change(subtask, cost=subtask.cost + more, attempt_cost=usage.cost)


def _started(subtask: SubtaskState, event: e.Event, body: e.Started) -> SubtaskState:
    subtask, at = _unblocked(_spoken(subtask, event, body.usage), event), event.occurred_at
    return _change(
        subtask, status="running", started_at=subtask.started_at or at, heard_at=at, moved_at=at, issue=None
    )


def _progressed(subtask: SubtaskState, event: e.Event, body: e.Progress) -> SubtaskState:
    subtask, at = _unblocked(_spoken(subtask, event, body.usage), event), event.occurred_at
    return _change(
        subtask,
        status="running",
        started_at=subtask.started_at or at,
        heard_at=at,
        moved_at=at,
        completed=body.completed,
        total=body.total,
        note=body.status,
        issue=None,
    )


def _blocked(subtask: SubtaskState, event: e.Event, body: e.Blocked) -> SubtaskState:
    subtask, at = _spoken(subtask, event, body.usage), event.occurred_at
    return _change(
        subtask,
        status="blocked",
        started_at=subtask.started_at or at,
        heard_at=at,
        moved_at=at,
        issue=body.issue,
        note=body.context,
        blocked_at=subtask.blocked_at or at,
    )


def _completed(subtask: SubtaskState, event: e.Event, body: e.Completed) -> SubtaskState:
    subtask, at = _unblocked(_spoken(subtask, event, body.usage), event), event.occurred_at
    return _change(
        subtask,
        status="reported",
        worked_seconds=_worked(subtask, at),
        started_at=None,
        heard_at=at,
        note=body.summary,
        issue=None,
    )


def _failed(subtask: SubtaskState, event: e.Event, body: e.Failed) -> SubtaskState:
    subtask = _unblocked(_spoken(subtask, event, body.usage), event)
    return _end_attempt(subtask, event, body.error, failures=subtask.failures + 1)


def _unblocked(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    if subtask.blocked_at is None:
        return subtask
    idle = subtask.idle_seconds + max((event.occurred_at - subtask.blocked_at).total_seconds(), 0.0)
    return _change(subtask, blocked_at=None, idle_seconds=idle)


# --- what the service decides ---------------------------------------------------------------------------


def _ready(subtask: SubtaskState, event: e.Event, _: e.SubtaskReady) -> SubtaskState:
    return _change(subtask, status="ready", ready_at=event.occurred_at)


def _claimed(subtask: SubtaskState, event: e.Event, body: e.SubtaskClaimed) -> SubtaskState:
    return _change(
        subtask,
        status="claimed",
        epoch=event.lease_epoch or subtask.epoch + 1,
        worker_id=event.worker_id,
        last_worker=event.worker_id,
        base_commit=body.base_commit,
        request_id=body.request_id,
        claimed_at=event.occurred_at,
        started_at=None,
        heard_at=None,
        moved_at=None,
        blocked_at=None,
        idle_seconds=0.0,
        lost_worker=None,
        completed=0,
        total=len(subtask.plan.scope.files),
        note="",
        issue=None,
        reviews={},
        reviews_wanted=0,
        reviewed_at=None,
        gates={},
        attempt_cost=0.0,
    )


def _expired(subtask: SubtaskState, event: e.Event, body: e.LeaseExpired) -> SubtaskState:
    if body.clock in ("progress", "deadline"):
        # It was there, and did not get on.
        return _end_attempt(subtask, event, body.reason, failures=subtask.failures + 1)
    # Nobody knows when a lost worker stopped: it counts up to its last word, not to the moment it was missed.
    until = subtask.heard_at
    if body.coordinator_gone:
        # That says nothing about the subtask at all.
        return _end_attempt(subtask, event, body.reason, until=until)
    losses, holder = subtask.losses + 1, subtask.worker_id
    return _end_attempt(subtask, event, body.reason, until=until, losses=losses, lost_worker=holder)


def _released(subtask: SubtaskState, event: e.Event, body: e.SubtaskReleased) -> SubtaskState:
    return _end_attempt(subtask, event, body.reason, status="parked" if body.parked else "planned")


def _delayed(subtask: SubtaskState, event: e.Event, body: e.RetryScheduled) -> SubtaskState:
    return _change(subtask, not_before=event.occurred_at + timedelta(seconds=body.after_seconds))


def _rejected(subtask: SubtaskState, event: e.Event, body: e.SubtaskRejected) -> SubtaskState:
    return _end_attempt(subtask, event, f"{body.gate}: {body.reason}", failures=subtask.failures + 1)


def _held(subtask: SubtaskState, event: e.Event, body: e.SubtaskHeld) -> SubtaskState:
    return _change(subtask, status="held", note=body.reason, ended_at=event.occurred_at, lost_worker=None)


def _split(subtask: SubtaskState, event: e.Event, body: e.SubtaskSplit) -> SubtaskState:
    at = event.occurred_at
    return _end_attempt(subtask, event, body.reason, status="split", split_into=body.into, ended_at=at)


def _accepted(subtask: SubtaskState, event: e.Event, body: e.SubtaskAccepted) -> SubtaskState:
    at = event.occurred_at
    return _end_attempt(subtask, event, "", status="accepted", note=body.summary, ended_at=at)


def _evaluated(subtask: SubtaskState, _: e.Event, body: e.GateEvaluated) -> SubtaskState:
    return _change(subtask, gates={**subtask.gates, **gates.results((body,))})


def _review_requested(subtask: SubtaskState, _: e.Event, body: e.ReviewRequested) -> SubtaskState:
    return _change(subtask, reviews_wanted=body.reviews)


def _reviewed(subtask: SubtaskState, event: e.Event, body: e.ReviewGiven) -> SubtaskState:
    given = {**subtask.reviews, body.reviewer: body.approve}
    return _change(subtask, reviews=given, reviewed_at=event.occurred_at)


def _blocker_opened(subtask: SubtaskState, event: e.Event, body: e.BlockerOpened) -> SubtaskState:
    if subtask.issue is None:
        return subtask
    blocker = Blocker(
        number=body.number,
        issue=subtask.issue,
        context=subtask.note,
        policy=body.policy,
        detail=body.detail,
        waits_for=body.waits_for,
        worker_id=subtask.worker_id or "",
        epoch=subtask.epoch,
        opened_at=event.occurred_at,
    )
    return _change(subtask, blockers=(*subtask.blockers, blocker))


def _blocker_answered(subtask: SubtaskState, event: e.Event, body: e.BlockerAnswered) -> SubtaskState:
    at = event.occurred_at
    blockers = tuple(
        _change(one, answered_at=at, text=body.text, action=body.action, by=body.by)
        if one.number == body.number
        else one
        for one in subtask.blockers
    )
    subtask = _change(subtask, blockers=blockers, extra_seconds=subtask.extra_seconds + body.extra_seconds)
    if subtask.open_blockers:
        return subtask
    if subtask.status == "parked":
        return _change(subtask, status="planned")
    if subtask.status != "blocked":
        return subtask
    # Waiting was no fault of the worker's: its clock of progress begins anew.
    return _change(_unblocked(subtask, event), status="running", issue=None, moved_at=at)


def _end_attempt(
    subtask: SubtaskState, event: e.Event, what: str, *, until: datetime | None = None, **also: Any
) -> SubtaskState:
    """Take the subtask from its worker, who worked on it until then (None: until the event).

    `what` is left for the next one to know; `also` are further changes.
    """
    history = subtask.history
    if what:
        history = (*history, AttemptNote(epoch=subtask.epoch, worker_id=subtask.worker_id or "", what=what))
    changes = {
        "status": "planned",
        "worker_id": None,
        "lost_worker": None,
        "request_id": None,
        "reviews_wanted": 0,
        "blocked_at": None,
        "note": what,
        "issue": None,
        "completed": 0,
        "started_at": None,
        "worked_seconds": _worked(subtask, until or event.occurred_at),
        "history": history,
        "not_before": None,
    }
    return _change(subtask, **changes | also)


def _worked(subtask: SubtaskState, until: datetime) -> float:
    if subtask.started_at is None:
        return subtask.worked_seconds
    return subtask.worked_seconds + max((until - subtask.started_at).total_seconds(), 0.0)


_CHANGES: Mapping[type, Callable[[SubtaskState, e.Event, Any], SubtaskState]] = {
    e.Started: _started,
    e.Progress: _progressed,
    e.Blocked: _blocked,
    e.Completed: _completed,
    e.Failed: _failed,
    e.SubtaskReady: _ready,
    e.SubtaskClaimed: _claimed,
    e.LeaseExpired: _expired,
    e.SubtaskReleased: _released,
    e.RetryScheduled: _delayed,
    e.SubtaskRejected: _rejected,
    e.SubtaskHeld: _held,
    e.SubtaskSplit: _split,
    e.SubtaskAccepted: _accepted,
    e.GateEvaluated: _evaluated,
    e.ReviewRequested: _review_requested,
    e.ReviewGiven: _reviewed,
    e.BlockerOpened: _blocker_opened,
    e.BlockerAnswered: _blocker_answered,
}
"""What an event of a subtask's stream makes of it; of the others, nothing."""
