"""Workers: one row for each that a task has seen, what it did there and how that ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from domain.ids import SubtaskId
from domain.task_state import LIVE
from projections.columns import count, moment, position, real, text
from projections.projection import MESSAGES, Projection, Recent, Row, Step, subtask_number

#: What a worker says itself.
_SPOKEN = MESSAGES | {e.SubtaskClaimed, e.ReviewGiven, e.LateReported}
_COUNTED: dict[type, str] = {e.SubtaskClaimed: "claims", e.Completed: "reports"}
_ENDINGS = ("accepted", "rejected", "failed", "lost", "timed_out", "released", "parked")


class WorkerRow(SQLModel, table=True):
    """A row of `projection.worker`."""

    __tablename__ = "worker"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    worker_id: str = text(key=True)
    subtask: int | None = count(null=True)
    live: int = count()
    claims: int = count()
    reports: int = count()
    accepted: int = count()
    rejected: int = count()
    failed: int = count()
    lost: int = count()
    timed_out: int = count()
    released: int = count()
    parked: int = count()
    late_reports: int = count()
    reviews: int = count()
    worked_seconds: float = real()
    blocked_seconds: float = real()
    cost: float | None = real(null=True)
    tokens_in: int | None = position(null=True)
    tokens_out: int | None = position(null=True)
    first_seen_at: datetime = moment()
    last_seen_at: datetime = moment()
    position: int = position()


@dataclass(slots=True)
class _Worker:
    id: str
    first_seen_at: datetime
    last_seen_at: datetime
    position: int
    #: Of its last word.
    heard_position: int = 0
    live: dict[SubtaskId, None] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    worked_seconds: float = 0.0
    blocked_seconds: float = 0.0
    #: By attempt, because a worker says what its attempt has consumed since it began.
    usages: dict[tuple[SubtaskId, int], e.Usage] = field(default_factory=dict)


class _Fold:
    def __init__(self) -> None:
        self._workers: dict[str, _Worker] = {}
        self._changed: dict[str, _Worker] = {}
        self._task_id = ""

    def apply(self, step: Step) -> None:
        kind = step.kind
        if kind is e.ReviewGiven or kind is e.LateReported:
            self._aside(step)
        attempt, after = step.attempt, step.after
        if attempt is None or after is None or attempt.epoch != step.event.lease_epoch:
            return
        worker = self._seen(attempt.worker_id, step)
        worker.worked_seconds += step.worked_seconds
        worker.blocked_seconds += step.blocked_seconds
        if step.usage is not None:
            worker.usages[after.id, attempt.epoch] = step.usage
        if step.ended is not None:
            worker.counts[step.ended] += 1
        if not step.moved:
            return
        if after.status in LIVE:
            worker.live[after.id] = None
        else:
            worker.live.pop(after.id, None)
        if (counted := _COUNTED.get(kind)) is not None:
            worker.counts[counted] += 1

    def _aside(self, step: Step) -> None:
        """Count what is said by somebody who does not hold the subtask."""
        match step.body:
            case e.ReviewGiven(reviewer=reviewer):
                self._seen(reviewer, step).counts["reviews"] += 1
            case e.LateReported():
                self._seen(step.event.worker_id or "", step).counts["late_reports"] += 1

    def _seen(self, worker_id: str, step: Step) -> _Worker:
        at = step.at
        worker = self._workers.get(worker_id)
        if worker is None:
            self._task_id = step.task.id
            worker = self._workers[worker_id] = _Worker(worker_id, at, at, 0)
        self._changed[worker_id] = worker
        worker.position = step.record.position
        if step.kind in _SPOKEN:
            worker.last_seen_at = at
            worker.heard_position = worker.position
        return worker

    def take(self, recent: Recent) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for attempt in recent.reporting:
            worker = self._workers.get(attempt.worker_id)
            if worker is not None and attempt.heard is not None:
                _hear(worker, attempt.heard)
                changed[worker.id] = worker
        for worker in changed.values():
            yield self._row(worker)

    def _row(self, worker: _Worker) -> Row:
        counts = worker.counts
        return {
            "task_id": self._task_id,
            "worker_id": worker.id,
            "subtask": subtask_number(next(reversed(worker.live))) if worker.live else None,
            "live": len(worker.live),
            "claims": counts["claims"],
            "reports": counts["reports"],
            **{ending: counts[ending] for ending in _ENDINGS},
            "late_reports": counts["late_reports"],
            "reviews": counts["reviews"],
            "worked_seconds": round(worker.worked_seconds, 3),
            "blocked_seconds": round(worker.blocked_seconds, 3),
            "cost": _total([usage.cost for usage in worker.usages.values()]),
            "tokens_in": _total([usage.tokens_in for usage in worker.usages.values()]),
            "tokens_out": _total([usage.tokens_out for usage in worker.usages.values()]),
            "first_seen_at": worker.first_seen_at,
            "last_seen_at": worker.last_seen_at,
            "position": worker.position,
        }


def _hear(worker: _Worker, heard: e.RecordedEvent) -> None:
    """Take note of a report of progress, unless the worker has said more since."""
    if heard.position > worker.heard_position:
        worker.heard_position, worker.last_seen_at = heard.position, heard.event.occurred_at
        worker.position = max(worker.position, heard.position)


def _total(values: list[float | None] | list[int | None]) -> float | None:
    """Add up what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return round(sum(known), 6) if known else None


WORKER = Projection(
    name="worker",
    version=1,
    table=WorkerRow,
    fold=_Fold,
    events=MESSAGES - {e.Progress}
    | {
        e.SubtaskClaimed,
        e.LeaseExpired,
        e.SubtaskReleased,
        e.SubtaskRejected,
        e.SubtaskAccepted,
        e.SubtaskHeld,
        e.SubtaskSplit,
        e.BlockerAnswered,
        e.LateReported,
        e.ReviewGiven,
    },
    tells=MESSAGES,
)
