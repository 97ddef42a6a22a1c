"""What changed in a task between two moments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from domain.events import RecordedEvent
from domain.ids import short
from domain.task_state import SubtaskState, TaskState
from projections.replay.state_at import StateAt


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A value that is another one than before."""

    before: Any
    after: Any


class SubtaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask that is new, or stands otherwise."""

    subtask: str
    title: str
    new: bool
    changes: Mapping[str, Change]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """All that changed from one moment to a later one."""

    task_id: str
    from_position: int
    to_position: int
    seconds: float
    #: Of the task itself.
    changes: Mapping[str, Change]
    #: How many subtasks there were by status, where that has changed.
    counts: Mapping[str, Change]
    subtasks: tuple[SubtaskChange, ...]
    #: What was recorded meanwhile, by type.
    events: Mapping[str, int]


def difference(before: StateAt, after: StateAt, between: Sequence[RecordedEvent]) -> Difference:
    """Hold two moments of a task against each other; `between` are the events after the first up to the second."""
    kinds = Counter(str(type(record.event.body).__struct_config__.tag) for record in between)
    return Difference(
        task_id=after.task_id,
        from_position=before.position,
        to_position=after.position,
        seconds=round((after.at - before.at).total_seconds(), 3),
        changes=_changes(_of_task(before.task), _of_task(after.task)),
        counts=_changes(_by_status(before.task), _by_status(after.task)),
        subtasks=tuple(_subtasks(before.task, after.task)),
        events=dict(kinds.most_common()),
    )


def _subtasks(before: TaskState, after: TaskState) -> list[SubtaskChange]:
    found = []
    for subtask_id, subtask in after.subtasks.items():
        earlier = before.subtasks.get(subtask_id)
        changes = _changes(_of_subtask(earlier) if earlier is not None else {}, _of_subtask(subtask))
        if changes:
            new = earlier is None
            found.append(SubtaskChange(subtask=short(subtask_id), title=subtask.plan.title, new=new, changes=changes))
    return found


def _of_task(task: TaskState) -> dict[str, Any]:
    return {
        "status": task.status,
        "reason": task.reason,
        "phase": task.phase,
        "problems": task.observations[-1].problems if task.observations else None,
        "subtasks": len(task.subtasks),
        "milestone": task.milestone,
        "head": task.head,
        "cost": round(task.cost, 6),
    }


def _of_subtask(subtask: SubtaskState) -> dict[str, Any]:
    return {
        "status": subtask.status,
        "worker": subtask.worker_id,
        "attempts": subtask.epoch,
        "failures": subtask.failures,
        "losses": subtask.losses,
        "fraction": round(subtask.fraction, 4),
        "open_blockers": len(subtask.open_blockers),
        "worked_seconds": round(subtask.worked_seconds, 3),
        "cost": round(subtask.cost, 6),
        "note": subtask.note,
    }


def _by_status(task: TaskState) -> dict[str, int]:
    return dict(Counter(subtask.status for subtask in task.subtasks.values()))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """Give what is not the same; a count that is missing is 0, anything else None."""
    found = {}
    for name in {**before, **after}:
        missing = 0 if isinstance(before.get(name, after.get(name)), int) else None
        pair = Change(before=before.get(name, missing), after=after.get(name, missing))
        if pair.before != pair.after:
            found[name] = pair
    return found
