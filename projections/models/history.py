"""History: one row per attempt, with its active, blocked and queued time. What estimates are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from projections.attempts import Attempt
from projections.columns import count, flag, moment, position, real, text, texts
from projections.projection import MESSAGES, Projection, Recent, Row, Step, subtask_number

#: Endings after which nobody knows how long the work would have taken: at least as long as it did.
_CENSORED = frozenset({"lost", "timed_out", "released", "parked", "held", "split"})


class HistoryRow(SQLModel, table=True):
    """A row of `projection.history`."""

    __tablename__ = "history"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    subtask: int = count(key=True)
    lease_epoch: int = count(key=True)
    phase: int = count()
    worker_id: str = text()
    repository: str = text()
    tool: str = text()
    codes: list[str] = texts()
    files: int = count()
    problems: int = count()
    estimated_seconds: float = real()
    estimated_p80_seconds: float = real()
    estimated_p95_seconds: float = real()
    prior_seconds: float = real()
    outcome: str = text()
    censored: bool = flag()
    queued_seconds: float = real()
    starting_seconds: float | None = real(null=True)
    active_seconds: float = real()
    blocked_seconds: float = real()
    judged_seconds: float | None = real(null=True)
    gate_seconds: float = real()
    cpu_seconds: float | None = real(null=True)
    model: str | None = text(null=True)
    tokens_in: int | None = position(null=True)
    tokens_out: int | None = position(null=True)
    cost: float | None = real(null=True)
    claimed_at: datetime = moment()
    started_at: datetime | None = moment(null=True)
    reported_at: datetime | None = moment(null=True)
    ended_at: datetime | None = moment(null=True)


class _Fold:
    def __init__(self) -> None:
        self._changed: dict[Attempt, Step] = {}

    def apply(self, step: Step) -> None:
        if step.attempt is not None:
            self._changed[step.attempt] = step

    def take(self, _: Recent) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for attempt, step in changed.items():
            yield _row(attempt, step)


def _row(attempt: Attempt, step: Step) -> Row:
    task, plan, usage = step.task, attempt.plan, attempt.usage or e.Usage()
    return {
        "task_id": task.id,
        "subtask": subtask_number(step.record.event.stream_id),
        "lease_epoch": attempt.epoch,
        "phase": plan.phase,
        "worker_id": attempt.worker_id,
        "repository": task.submitted.repository,
        "tool": task.observations[0].tool if task.observations else "",
        "codes": list(plan.scope.codes),
        "files": len(plan.scope.files),
        "problems": len(plan.problems),
        "estimated_seconds": plan.effort.p50,
        "estimated_p80_seconds": plan.effort.p80,
        "estimated_p95_seconds": plan.effort.p95,
        "prior_seconds": plan.effort.prior,
        "outcome": attempt.outcome,
        "censored": attempt.outcome in _CENSORED,
        "queued_seconds": _between(attempt.ready_at, attempt.claimed_at) or 0.0,
        "starting_seconds": _between(attempt.claimed_at, attempt.started_at),
        "active_seconds": round(attempt.active_seconds, 3),
        "blocked_seconds": round(attempt.blocked_seconds, 3),
        "judged_seconds": _between(attempt.reported_at, attempt.ended_at),
        "gate_seconds": round(attempt.gate_seconds, 3),
        "cpu_seconds": attempt.cpu_seconds,
        "model": usage.model,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "cost": usage.cost,
        "claimed_at": attempt.claimed_at,
        "started_at": attempt.started_at,
        "reported_at": attempt.reported_at,
        "ended_at": attempt.ended_at,
    }


def _between(begin: datetime | None, end: datetime | None) -> float | None:
    # A clock that was set back must not give time back.
    return max((end - begin).total_seconds(), 0.0) if begin is not None and end is not None else None


HISTORY = Projection(
    name="history",
    version=1,
    table=HistoryRow,
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
        e.GateEvaluated,
    },
    tells=MESSAGES,
)
