"""The state of a task after its events: `evolve(state, event) -> state`.

It never refuses: what is stored has happened.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from domain import events as e
from domain.ids import SubtaskId, is_task_stream
from domain.task_state import LIVE, AttemptNote, Blocker, ForecastNote, SubtaskState, TaskState


def fold(recorded: Iterable[e.RecordedEvent]) -> TaskState | None:
    """Rebuild a task's state from all its events in order; None where there is no task."""
    state: TaskState | None = None
    for record in recorded:
        state = evolve(state, record.event)
    return state


def changeable(state: TaskState) -> TaskState:
    """Give the same state with subtasks of its own, which `evolve` may change in place."""
    return msgspec.structs.replace(state, subtasks=dict(state.subtasks))


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
        return msgspec.structs.replace(state, subtasks={**state.subtasks, subtask_id: subtask}, head=head)
    # A `changeable` state's subtasks are a dictionary.
    state.subtasks[subtask_id] = subtask  # type: ignore[index]
    return state if head is state.head else msgspec.structs.replace(state, head=head)


def evolve_subtask(subtask: SubtaskState | None, event: e.Event) -> SubtaskState:
    """Give a subtask's state after one more event of its stream; None: there was none before."""
    body = event.body
    if isinstance(body, e.SubtaskPlanned):
        return SubtaskState(id=SubtaskId(event.stream_id), plan=body, total=len(body.scope.files))
    if subtask is None:
        raise ValueError(f"the first event of {event.stream_id} is {type(body).__name__}")
    return _evolve_subtask(subtask, event)


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
    change = msgspec.structs.replace
    match event.body:
        case e.PhaseStarted(phase=phase):
            return change(state, phase=phase, milestone=0, forecast=None)
        case e.ProblemsObserved() as body:
            return change(state, observations=(*state.observations, body))
        case e.TaskDecomposed() as body:
            return change(state, decompositions=(*state.decompositions, body))
        case e.MilestoneReached(percent=percent):
            return change(state, milestone=percent)
        case e.TaskForecast() as body:
            return change(state, forecast=_noted(state, event, body))
        case e.TaskPaused(reason=reason, cost=cost):
            before = state.cost_before if cost is None else cost
            return change(state, status="paused", reason=reason, cost_before=before)
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


def _noted(state: TaskState, event: e.Event, body: e.TaskForecast) -> ForecastNote:
    return ForecastNote(
        made_at=event.occurred_at,
        p50_seconds=body.p50_seconds,
        milestone=state.milestone,
        number=state.forecast.number + 1 if state.forecast else 1,
    )


def _evolve_subtask(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    match event.body:
        case e.Started() | e.Progress() | e.Blocked() | e.Completed() | e.Failed():
            return _hear(_revived(subtask, event), event)
        case e.BlockerOpened() | e.BlockerAnswered():
            return _evolve_blockers(subtask, event)
        case _:
            return _serve(subtask, event)


# --- what workers say -----------------------------------------------------------------------------------


def _revived(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    """Give a subtask back to the worker whose lease ran out, when he speaks after all."""
    if subtask.status in LIVE or subtask.lost_worker is None:
        return subtask
    return msgspec.structs.replace(
        subtask,
        status="running",
        worker_id=subtask.lost_worker,
        lost_worker=None,
        started_at=event.occurred_at,
        idle_seconds=0.0,
    )


def _hear(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    change = msgspec.structs.replace
    body, at = event.body, event.occurred_at
    subtask = _with_cost(subtask, getattr(body, "usage", None))
    if not isinstance(body, e.Blocked):
        subtask = _unblocked(subtask, event)
    since = subtask.started_at or at
    # One copy for each: this is what most events come to.
    match body:
        case e.Progress(completed=completed, total=total, status=note):
            return change(
                subtask,
                status="running",
                started_at=since,
                heard_at=at,
                moved_at=at,
                completed=completed,
                total=total,
                note=note,
                issue=None,
            )
        case e.Started():
            return change(subtask, status="running", started_at=since, heard_at=at, moved_at=at, issue=None)
        case e.Blocked(issue=issue, context=context):
            return change(
                subtask,
                status="blocked",
                started_at=since,
                heard_at=at,
                moved_at=at,
                issue=issue,
                note=context,
                blocked_at=subtask.blocked_at or at,
            )
        case e.Completed(summary=summary):
            worked = _worked(subtask, at)
            return change(
                subtask,
                status="reported",
                worked_seconds=worked,
                started_at=None,
                heard_at=at,
                note=summary,
                issue=None,
            )
        case e.Failed(error=error):
            return _end_attempt(subtask, event, error, failures=1)
        case _:
            return subtask


def _unblocked(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    if subtask.blocked_at is None:
        return subtask
    idle = subtask.idle_seconds + max((event.occurred_at - subtask.blocked_at).total_seconds(), 0.0)
    return msgspec.structs.replace(subtask, blocked_at=None, idle_seconds=idle)


def _with_cost(subtask: SubtaskState, usage: e.Usage | None) -> SubtaskState:
    """Count what an attempt says it has cost since it began; what is not said is unknown, and changes nothing."""
    if usage is None or usage.cost is None:
        return subtask
    more = usage.cost - subtask.attempt_cost
    return msgspec.structs.replace(subtask, cost=subtask.cost + more, attempt_cost=usage.cost)


# --- what the service decides ---------------------------------------------------------------------------


def _serve(subtask: SubtaskState, event: e.Event) -> SubtaskState:  # noqa: C901, PLR0911, PLR0912 - an arm each
    change = msgspec.structs.replace
    match event.body:
        case e.SubtaskReady():
            return change(subtask, status="ready", ready_at=event.occurred_at)
        case e.SubtaskClaimed() as body:
            return _claimed(subtask, event, body)
        case e.LeaseExpired() as body:
            return _expired(subtask, event, body)
        case e.SubtaskReleased(reason=reason, parked=parked):
            return _end_attempt(subtask, event, reason, status="parked" if parked else "planned")
        case e.RetryScheduled(after_seconds=seconds):
            return change(subtask, not_before=event.occurred_at + timedelta(seconds=seconds))
        case e.SubtaskRejected(gate=gate, reason=reason):
            return _end_attempt(subtask, event, f"{gate}: {reason}", failures=1)
        case e.SubtaskHeld(reason=reason):
            return change(subtask, status="held", note=reason, ended_at=event.occurred_at, lost_worker=None)
        case e.SubtaskSplit(into=into, reason=reason):
            ended = _end_attempt(subtask, event, reason)
            return change(ended, status="split", split_into=into, ended_at=event.occurred_at)
        case e.GateEvaluated(gate=gate, passed=passed):
            return change(subtask, gates={**subtask.gates, gate: passed})
        case e.ReviewRequested(reviews=wanted):
            return change(subtask, reviews_wanted=wanted)
        case e.ReviewGiven(reviewer=reviewer, approve=approve):
            given = {**subtask.reviews, reviewer: approve}
            return change(subtask, reviews=given, reviewed_at=event.occurred_at)
        case e.SubtaskAccepted(summary=summary):
            ended = _end_attempt(subtask, event, "")
            return change(ended, status="accepted", note=summary, ended_at=event.occurred_at)
        case _:
            return subtask


def _claimed(subtask: SubtaskState, event: e.Event, body: e.SubtaskClaimed) -> SubtaskState:
    return msgspec.structs.replace(
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
    holder = subtask.worker_id
    if body.clock in ("progress", "deadline"):
        # It was there, and did not get on.
        return _end_attempt(subtask, event, body.reason, failures=1)
    # A coordinator that was killed says nothing about the subtask at all.
    losses = 0 if body.coordinator_gone else 1
    lost = _end_attempt(subtask, event, body.reason, lost=True, losses=losses)
    return msgspec.structs.replace(lost, lost_worker=None if body.coordinator_gone else holder)


def _evolve_blockers(subtask: SubtaskState, event: e.Event) -> SubtaskState:
    change = msgspec.structs.replace
    match event.body:
        case e.BlockerOpened() as body if subtask.issue is not None:
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
            return change(subtask, blockers=(*subtask.blockers, blocker))
        case e.BlockerAnswered() as body:
            blockers = tuple(
                change(one, answered_at=event.occurred_at, text=body.text, action=body.action, by=body.by)
                if one.number == body.number
                else one
                for one in subtask.blockers
            )
            subtask = change(subtask, blockers=blockers, extra_seconds=subtask.extra_seconds + body.extra_seconds)
            if subtask.open_blockers:
                return subtask
            if subtask.status == "parked":
                return change(subtask, status="planned")
            if subtask.status != "blocked":
                return subtask
            # Waiting was no fault of the worker's: its clock of progress begins anew.
            return change(_unblocked(subtask, event), status="running", issue=None, moved_at=event.occurred_at)
        case _:
            return subtask


def _end_attempt(
    subtask: SubtaskState,
    event: e.Event,
    what: str,
    *,
    status: str = "planned",
    failures: int = 0,
    losses: int = 0,
    lost: bool = False,
) -> SubtaskState:
    # Nobody knows when a lost worker stopped: it counts up to its last word, not to the moment it was missed.
    until = subtask.heard_at if lost and subtask.heard_at is not None else event.occurred_at
    note = AttemptNote(epoch=subtask.epoch, worker_id=subtask.worker_id or "", what=what)
    return msgspec.structs.replace(
        subtask,
        status=status,
        worker_id=None,
        lost_worker=None,
        request_id=None,
        reviews_wanted=0,
        blocked_at=None,
        note=what,
        issue=None,
        completed=0,
        started_at=None,
        failures=subtask.failures + failures,
        losses=subtask.losses + losses,
        worked_seconds=_worked(subtask, until),
        history=(*subtask.history, note) if what else subtask.history,
        not_before=None,
    )


def _worked(subtask: SubtaskState, until: datetime) -> float:
    if subtask.started_at is None:
        return subtask.worked_seconds
    return subtask.worked_seconds + max((until - subtask.started_at).total_seconds(), 0.0)
