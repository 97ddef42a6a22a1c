"""Gates: one row for each time that one was evaluated, reviews by other workers among them."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from projections.columns import count, flag, moment, position, real, text
from projections.projection import Projection, Recent, Row, Step, subtask_number

#: The name under which reviews are gates.
REVIEW = "review"


class GateRow(SQLModel, table=True):
    """A row of `projection.gate`."""

    __tablename__ = "gate"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    position: int = position(key=True)
    subtask: int = count()
    lease_epoch: int | None = count(null=True)
    worker_id: str | None = text(null=True)
    gate: str = text()
    passed: bool = flag()
    score: float = real()
    required: float = real()
    blocking: bool = flag()
    detail: str = text()
    seconds: float = real()
    reviewer: str | None = text(null=True)
    evaluated_at: datetime = moment()


class _Fold:
    def __init__(self) -> None:
        self._rows: list[Row] = []

    def apply(self, step: Step) -> None:
        event = step.event
        match step.body:
            case e.GateEvaluated() as body:
                said = (body.gate, body.passed, body.score, body.required, body.blocking, body.detail, body.seconds)
                reviewer = None
            case e.ReviewGiven(reviewer=reviewer) as body:
                said = (REVIEW, body.approve, body.score, 1.0, True, body.comment, 0.0)
            case _:
                return
        gate, passed, score, required, blocking, detail, seconds = said
        self._rows.append(
            {
                "task_id": step.task.id,
                "position": step.record.position,
                "subtask": subtask_number(event.stream_id),
                "lease_epoch": event.lease_epoch,
                "worker_id": event.worker_id,
                "gate": gate,
                "passed": passed,
                "score": score,
                "required": required,
                "blocking": blocking,
                "detail": detail,
                "seconds": seconds,
                "reviewer": reviewer,
                "evaluated_at": event.occurred_at,
            }
        )

    def take(self, _: Recent) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows


GATE = Projection(
    name="gate", version=1, table=GateRow, fold=_Fold, events=frozenset({e.GateEvaluated, e.ReviewGiven})
)
