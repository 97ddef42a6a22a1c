"""Progress: one row per task, where its present phase stands."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import get_args

from sqlmodel import SQLModel

from domain import events as e
from domain.progress import percent_done
from domain.task_state import SubtaskStatus, TaskState
from projections.columns import count, moment, position, real, text
from projections.projection import BUT_REPORTS, MESSAGES, Projection, Recent, Row, Step

_STATUSES: tuple[str, ...] = get_args(SubtaskStatus)
_POSITION = operator.attrgetter("position")


class ProgressRow(SQLModel, table=True):
    """A row of `projection.progress`. Counts and weights are those of the present phase."""

    __tablename__ = "progress"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    status: str = text()
    reason: str = text()
    branch: str = text()
    phase: int = count()
    percent: float = real()
    subtasks: int = count()
    planned: int = count()
    ready: int = count()
    claimed: int = count()
    running: int = count()
    blocked: int = count()
    reported: int = count()
    parked: int = count()
    accepted: int = count()
    held: int = count()
    split: int = count()
    weight_seconds: float = real()
    weight_done_seconds: float = real()
    milestone: int = count()
    failures: int = count()
    losses: int = count()
    problems_before: int | None = count(null=True)
    problems_now: int | None = count(null=True)
    worker_seconds: float = real()
    cost: float | None = real(null=True)
    submitted_at: datetime = moment()
    changed_at: datetime = moment()
    ended_at: datetime | None = moment(null=True)
    position: int = position()


class _Fold:
    def __init__(self) -> None:
        self._last: e.RecordedEvent | None = None
        self._priced = False

    def apply(self, step: Step) -> None:
        self._last = step.record
        if step.usage is not None and step.usage.cost is not None:
            self._priced = True

    def take(self, recent: Recent) -> Iterator[Row]:
        reports = [attempt.heard for attempt in recent.reporting if attempt.heard is not None]
        heard = [*reports, self._last] if self._last is not None else reports
        self._last = None
        if heard:
            yield self._row(recent.task, max(heard, key=_POSITION))

    def _row(self, task: TaskState, last: e.RecordedEvent) -> Row:
        every = task.subtasks.values()
        phase = task.in_phase()
        counted = [subtask for subtask in phase if subtask.status != "split"]
        weighed = [subtask for subtask in counted if subtask.status != "held"]
        statuses = Counter(subtask.status for subtask in phase)
        return {
            "task_id": task.id,
            "status": task.status,
            "reason": task.reason,
            "branch": task.submitted.branch,
            "phase": task.phase,
            "percent": percent_done(counted),
            "subtasks": len(counted),
            **{status: statuses[status] for status in _STATUSES},  # type: ignore[index]
            "weight_seconds": round(sum(subtask.plan.effort.p50 for subtask in weighed), 3),
            "weight_done_seconds": round(sum(s.plan.effort.p50 * s.fraction for s in weighed), 3),
            "milestone": task.milestone,
            "failures": sum(subtask.failures for subtask in every),
            "losses": sum(subtask.losses for subtask in every),
            "problems_before": task.observations[0].problems if task.observations else None,
            "problems_now": task.observations[-1].problems if task.observations else None,
            "worker_seconds": round(sum(subtask.worked_seconds for subtask in every), 3),
            "cost": round(task.cost, 6) if self._priced else None,
            "submitted_at": task.submitted_at,
            "changed_at": last.event.occurred_at,
            "ended_at": task.ended_at,
            "position": last.position,
        }


#: What changes nothing that a row says.
_QUIET: frozenset[type] = frozenset(
    {e.SubtaskReassigned, e.LateReported, e.ReviewRequested, e.ReviewGiven, e.TaskAnalyzed, e.TaskSynthesized}
)

PROGRESS = Projection(
    name="progress",
    version=1,
    table=ProgressRow,
    fold=_Fold,
    events=BUT_REPORTS - _QUIET,
    tells=MESSAGES,
)
