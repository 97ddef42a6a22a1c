"""Forecasts: what was foretold when, as the events hold it, beside what has come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from projections.columns import count, moment, real, text
from projections.projection import Projection, Row, Step, subtask_number

_Key = tuple[int, int, int]


class ForecastRow(SQLModel, table=True):
    """A row of `projection.forecast`: of a subtask's effort (`workers` 0), or of a phase's length (`subtask` 0)."""

    __tablename__ = "forecast"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    phase: int = count(key=True)
    subtask: int = count(key=True)
    workers: int = count(key=True)
    basis: str = text()
    made_at: datetime = moment()
    p50_seconds: float = real()
    p80_seconds: float | None = real(null=True)
    p95_seconds: float | None = real(null=True)
    actual_seconds: float | None = real(null=True)
    came_at: datetime | None = moment(null=True)


class _Fold:
    def __init__(self) -> None:
        self._rows: dict[_Key, Row] = {}
        self._changed: dict[_Key, None] = {}
        self._phase_began: datetime | None = None
        self._workers: set[str] = set()

    def apply(self, step: Step) -> None:
        at = step.record.event.occurred_at
        match step.body:
            case e.SubtaskPlanned(phase=phase, effort=effort):
                quantiles = {"p50_seconds": effort.p50, "p80_seconds": effort.p80, "p95_seconds": effort.p95}
                number = subtask_number(step.record.event.stream_id)
                self._foretell(step, (phase, number, 0), effort.basis, quantiles)
            case e.TaskDecomposed(phase=phase, curve=curve, strategy=strategy):
                for point in curve:
                    p50, p80 = point.makespan_seconds, point.p80_seconds or None
                    simulated = {"p50_seconds": p50, "p80_seconds": p80, "p95_seconds": None}
                    self._foretell(step, (phase, 0, point.workers), f"simulated, strategy {strategy}", simulated)
            case e.PhaseStarted():
                self._phase_began = at
                self._workers.clear()
            case e.SubtaskClaimed():
                self._workers.add(step.record.event.worker_id or "")
            case e.SubtaskAccepted() if step.after is not None:
                number = subtask_number(step.after.id)
                self._come((step.after.plan.phase, number, 0), step.after.worked_seconds, at)
            case e.MilestoneReached(phase=phase, percent=100):
                began = self._phase_began or at
                # Of the numbers of workers that were weighed, only the one that there were can be held against it.
                self._come((phase, 0, len(self._workers)), max((at - began).total_seconds(), 0.0), at)

    def _foretell(self, step: Step, key: _Key, basis: str, quantiles: Mapping[str, float | None]) -> None:
        phase, subtask, workers = key
        self._rows[key] = {
            "task_id": step.task.id,
            "phase": phase,
            "subtask": subtask,
            "workers": workers,
            "basis": basis,
            "made_at": step.record.event.occurred_at,
            **quantiles,
            "actual_seconds": None,
            "came_at": None,
        }
        self._changed[key] = None

    def _come(self, key: _Key, seconds: float, at: datetime) -> None:
        if key in self._rows:
            self._rows[key] |= {"actual_seconds": round(seconds, 3), "came_at": at}
            self._changed[key] = None

    def take(self) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for key in changed:
            yield self._rows[key].copy()


FORECAST = Projection(
    name="forecast",
    version=1,
    table=ForecastRow,
    fold=_Fold,
    events=frozenset(
        {
            e.SubtaskPlanned, e.TaskDecomposed, e.PhaseStarted, e.SubtaskClaimed, e.SubtaskAccepted,
            e.MilestoneReached,
        }
    ),
)  # fmt: skip
