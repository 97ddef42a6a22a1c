"""What follows by itself from a task's state, without anybody asking for it."""

from __future__ import annotations

from datetime import datetime

from domain import events as e
from domain.lifecycle import Draft, Limits
from domain.readiness import closing, milestones, newly_ready, over_budget, waits_that_are_over
from domain.task_state import TaskState

#: From these nothing follows for other subtasks, unless they say what they have cost.
_QUIET = (
    e.SubtaskClaimed, e.SubtaskReassigned, e.Started, e.Progress, e.Completed, e.GateEvaluated, e.LateReported,
)  # fmt: skip


def is_quiet(body: e.EventBody) -> bool:
    """Tell whether nothing can follow from an event by itself, so that it need not be looked for."""
    return isinstance(body, _QUIET) and getattr(body, "usage", None) is None


def consequences(state: TaskState, limits: Limits, now: datetime | None) -> list[Draft]:
    """List what follows from a state: one round, from whose events more may follow.

    Waits that are over, subtasks that are ready, milestones, a used-up budget, the end of a task that nobody looks
    at again. Without `now`, no pause before a retry is over.
    """
    drafts = [Draft(body, subtask) for subtask, body in waits_that_are_over(state)]
    drafts += [Draft(e.SubtaskReady(), subtask) for subtask in newly_ready(state, now)]
    drafts += [Draft(body, state.id) for body in milestones(state)]
    drafts += [Draft(body, state.id) for body in over_budget(state, limits.cost_max)]
    if not limits.looks_again:
        drafts += [Draft(body, state.id) for body in closing(state)]
    return drafts
