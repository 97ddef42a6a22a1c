"""A task's state as it goes over the wire."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from api.schemas import (
    AttemptView,
    BlockerView,
    EstimateView,
    Lease,
    ProgressView,
    SubtaskView,
    TaskView,
)
from api.service.policy import policy_of, tool_of
from domain.progress import progress
from domain.readiness import more_to_come
from domain.task_state import Blocker, SubtaskState, TaskState


def awaits_observation(state: TaskState) -> bool:
    """Tell whether the next phase waits for somebody to look at the tree again."""
    return (
        state.status == "running"
        and bool(state.decompositions)
        and not more_to_come(state)
        and tool_of(state.submitted) is not None
    )


def task_view(state: TaskState, position: int) -> TaskView:
    """Show a task."""
    seen = state.observations[-1] if state.observations else None
    plan = state.decompositions[-1] if state.decompositions else None
    counts = Counter(subtask.status for subtask in state.in_phase())
    return TaskView(
        id=state.id,
        status=state.status,
        reason=state.reason,
        submitted_at=state.submitted_at,
        ended_at=state.ended_at,
        phase=state.phase,
        position=position,
        repository=state.submitted.repository,
        branch=state.submitted.branch,
        head=state.head,
        problems=seen.problems if seen else 0,
        targeted=seen.targeted if seen else 0,
        subtasks=dict(sorted(counts.items())),
        percent=progress(state).percent if plan else 0.0,
        recommended_workers=plan.recommended_workers if plan else 0,
        strategy=plan.strategy if plan else "",
        awaits_observation=awaits_observation(state),
    )


def progress_view(state: TaskState, estimate: EstimateView) -> ProgressView:
    """Show how far a task's phase is, and when it will end."""
    measured = progress(state)
    return ProgressView(
        percent=measured.percent,
        accepted=measured.accepted,
        live=measured.live,
        waiting=measured.waiting,
        held=measured.held,
        total=measured.total,
        eta_p50_seconds=estimate.p50_seconds,
        eta_p80_seconds=estimate.p80_seconds,
        eta_p95_seconds=estimate.p95_seconds,
    )


def blocker_view(state: TaskState, subtask: SubtaskState, blocker: Blocker) -> BlockerView:
    """Show what keeps a worker from going on."""
    return BlockerView(
        task_id=state.id,
        subtask_id=subtask.id,
        number=blocker.number,
        issue=blocker.issue,
        context=blocker.context,
        policy=blocker.policy,
        waits_for=blocker.waits_for,
        worker_id=blocker.worker_id,
        opened_at=blocker.opened_at,
        answered_at=blocker.answered_at,
        answer=blocker.text,
        action=blocker.action,
    )


def subtask_view(state: TaskState, subtask: SubtaskState) -> SubtaskView:
    """Show a subtask."""
    plan = subtask.plan
    return SubtaskView(
        id=subtask.id,
        task_id=state.id,
        title=plan.title,
        reason=plan.reason,
        status=subtask.status,
        phase=plan.phase,
        lease_epoch=subtask.epoch,
        worker_id=subtask.worker_id,
        base_commit=subtask.base_commit,
        scope=plan.scope,
        effort=plan.effort,
        priority=plan.priority,
        depends_on=plan.depends_on,
        problems=len(plan.problems),
        fraction=subtask.fraction,
        failures=subtask.failures,
        losses=subtask.losses,
        note=subtask.note,
        history=tuple(
            AttemptView(lease_epoch=note.epoch, worker_id=note.worker_id, what=note.what) for note in subtask.history
        ),
        blockers=tuple(blocker_view(state, subtask, blocker) for blocker in subtask.blockers),
    )


def lease_view(state: TaskState, subtask: SubtaskState, expires_at: datetime, heartbeat_seconds: float) -> Lease:
    """Show the present worker's hold on a subtask."""
    return Lease(
        task_id=state.id,
        subtask_id=subtask.id,
        worker_id=subtask.worker_id or "",
        lease_epoch=subtask.epoch,
        title=subtask.plan.title,
        repository=state.submitted.repository,
        prefix=state.submitted.prefix,
        base_commit=subtask.base_commit,
        expires_at=expires_at,
        heartbeat_seconds=heartbeat_seconds,
        time_budget_seconds=subtask.budget_seconds,
        branch=state.submitted.branch,
        tool=tool_of(state.submitted),
        gates=policy_of(state.submitted).gates,
    )
