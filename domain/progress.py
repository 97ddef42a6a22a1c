"""How far a task is. When it will be done: `domain/estimation`.

Percent is by weight: a subtask counts as its estimated effort.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.task_state import LIVE, SubtaskState, TaskState


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the present phase of a task stands."""

    percent: float
    accepted: int
    live: int
    waiting: int
    held: int
    total: int


def progress(state: TaskState) -> Progress:
    """Measure the present phase. Held subtasks count as neither done nor to come; 100 % is all accepted.

    What was split is not counted at all, but its parts. Parked subtasks wait.
    """
    subtasks = [subtask for subtask in state.in_phase() if subtask.status != "split"]
    return Progress(
        percent=percent_done(subtasks),
        accepted=sum(subtask.status == "accepted" for subtask in subtasks),
        live=sum(subtask.status in LIVE for subtask in subtasks),
        waiting=sum(subtask.status in ("planned", "ready", "parked") for subtask in subtasks),
        held=sum(subtask.status == "held" for subtask in subtasks),
        total=len(subtasks),
    )


def percent_done(subtasks: Sequence[SubtaskState]) -> float:
    """Give the share of the weight that is done, in percent; what is split is not among the subtasks of a phase."""
    if all(subtask.status == "accepted" for subtask in subtasks):
        return 100.0
    counted = [subtask for subtask in subtasks if subtask.status != "held"]
    total = sum(subtask.plan.effort.p50 for subtask in counted)
    done = sum(subtask.plan.effort.p50 * subtask.fraction for subtask in counted)
    # However little is left, it is not all.
    return min(round(100.0 * done / total, 1), 99.9) if total else 0.0
