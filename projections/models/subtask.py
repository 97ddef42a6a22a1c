"""Subtasks: one row each, what it is, how it stands, what it took."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from domain.ids import SubtaskId
from domain.task_state import SubtaskState
from projections.columns import count, flag, moment, position, real, text
from projections.projection import BUT_REPORTS, MESSAGES, Projection, Recent, Row, Step, subtask_number


class SubtaskRow(SQLModel, table=True):
    """A row of `projection.subtask`."""

    __tablename__ = "subtask"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    subtask: int = count(key=True)
    phase: int = count()
    status: str = text()
    title: str = text()
    reason: str = text()
    note: str = text()
    priority: int = count()
    problems: int = count()
    files: int = count()
    worker_id: str | None = text(null=True)
    last_worker: str | None = text(null=True)
    attempts: int = count()
    failures: int = count()
    losses: int = count()
    open_blockers: int = count()
    in_review: bool = flag()
    estimated_seconds: float = real()
    estimated_p80_seconds: float = real()
    estimated_p95_seconds: float = real()
    worker_seconds: float = real()
    fraction: float = real()
    cost: float | None = real(null=True)
    ready_at: datetime | None = moment(null=True)
    claimed_at: datetime | None = moment(null=True)
    started_at: datetime | None = moment(null=True)
    ended_at: datetime | None = moment(null=True)
    changed_at: datetime = moment()
    position: int = position()


class _Fold:
    def __init__(self) -> None:
        #: By subtask, the last event.
        self._changed: dict[SubtaskId, e.RecordedEvent] = {}
        self._priced: set[SubtaskId] = set()

    def apply(self, step: Step) -> None:
        subtask = step.after
        if subtask is None:
            return
        self._changed[subtask.id] = step.record
        if step.usage is not None and step.usage.cost is not None:
            self._priced.add(subtask.id)

    def take(self, recent: Recent) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for attempt in recent.reporting:
            if (heard := attempt.heard) is not None:
                subtask_id = SubtaskId(heard.event.stream_id)
                last = changed.get(subtask_id)
                if last is None or last.position < heard.position:
                    changed[subtask_id] = heard
        for subtask_id, last in changed.items():
            yield self._row(recent.task.subtasks[subtask_id], last)

    def _row(self, subtask: SubtaskState, last: e.RecordedEvent) -> Row:
        plan = subtask.plan
        return {
            "task_id": last.event.task_id,
            "subtask": subtask_number(subtask.id),
            "phase": plan.phase,
            "status": subtask.status,
            "title": plan.title,
            "reason": plan.reason,
            "note": subtask.note,
            "priority": plan.priority,
            "problems": len(plan.problems),
            "files": len(plan.scope.files),
            "worker_id": subtask.worker_id,
            "last_worker": subtask.last_worker,
            "attempts": subtask.epoch,
            "failures": subtask.failures,
            "losses": subtask.losses,
            "open_blockers": len(subtask.open_blockers),
            "in_review": subtask.in_review,
            "estimated_seconds": plan.effort.p50,
            "estimated_p80_seconds": plan.effort.p80,
            "estimated_p95_seconds": plan.effort.p95,
            "worker_seconds": round(subtask.worked_seconds, 3),
            "fraction": subtask.fraction,
            "cost": round(subtask.cost, 6) if subtask.id in self._priced else None,
            "ready_at": subtask.ready_at,
            "claimed_at": subtask.claimed_at,
            "started_at": subtask.started_at,
            "ended_at": subtask.ended_at,
            "changed_at": last.event.occurred_at,
            "position": last.position,
        }


SUBTASK = Projection(name="subtask", version=1, table=SubtaskRow, fold=_Fold, events=BUT_REPORTS, tells=MESSAGES)
