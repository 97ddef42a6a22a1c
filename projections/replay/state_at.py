"""How a task stood at a moment: its state, and every read model's rows, from the events up to there alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from domain.errors import LedgerError
from domain.events import RecordedEvent
from domain.ids import short
from domain.task_state import LIVE, SubtaskState, TaskState
from projections.course import Course
from projections.models import ALL
from projections.projection import Row


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask that a worker held."""

    subtask: str
    title: str
    status: str
    worker_id: str
    attempt: int
    claimed_at: datetime | None
    #: Share of the work that was done, 0 to 1.
    fraction: float
    note: str


class StateAt(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stood after an event."""

    task_id: str
    #: Of the last event.
    position: int
    #: When all of that was recorded: within one append the times are not quite in the order of the positions.
    at: datetime
    #: Since the task's first event, in seconds.
    elapsed_seconds: float
    events: int
    task: TaskState
    running: tuple[Running, ...]
    #: By read model.
    rows: Mapping[str, Sequence[Row]]


def state_at(events: Sequence[RecordedEvent]) -> StateAt:
    """Fold the events of one task, at least one and in order; raises `LedgerError` where one cannot be taken in."""
    course = Course(ALL)
    for record in events:
        if faults := course.apply(record):
            raise LedgerError(f"the event at position {record.position} cannot be taken in: {faults[0].error}")
    last, task = events[-1], course.task
    at = max(record.recorded_at for record in events)
    assert task is not None  # noqa: S101 - an event that leaves no task is a fault
    return StateAt(
        task_id=last.event.task_id,
        position=last.position,
        at=at,
        elapsed_seconds=round((at - events[0].recorded_at).total_seconds(), 3),
        events=len(events),
        task=task,
        running=tuple(_running(subtask) for subtask in task.subtasks.values() if subtask.status in LIVE),
        rows={taken.projection: taken.rows for taken in course.take()},
    )


def _running(subtask: SubtaskState) -> Running:
    return Running(
        subtask=short(subtask.id),
        title=subtask.plan.title,
        status=subtask.status,
        worker_id=subtask.worker_id or "",
        attempt=subtask.epoch,
        claimed_at=subtask.claimed_at,
        fraction=round(subtask.fraction, 4),
        note=subtask.note,
    )
