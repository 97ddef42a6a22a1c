"""Milestones: when a quarter, half, three quarters and all of a phase were reached."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from projections.columns import count, moment, position, real, text
from projections.projection import Projection, Recent, Row, Step


class MilestoneRow(SQLModel, table=True):
    """A row of `projection.milestone`."""

    __tablename__ = "milestone"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    phase: int = count(key=True)
    percent: int = count(key=True)
    reached_at: datetime = moment()
    phase_seconds: float = real()
    position: int = position()


class _Fold:
    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], Row] = {}
        self._began: datetime | None = None

    def apply(self, step: Step) -> None:
        at = step.at
        match step.body:
            case e.PhaseStarted():
                self._began = at
            case e.MilestoneReached(phase=phase, percent=percent):
                began = self._began or step.task.submitted_at
                self._rows[phase, percent] = {
                    "task_id": step.task.id,
                    "phase": phase,
                    "percent": percent,
                    "reached_at": at,
                    "phase_seconds": max((at - began).total_seconds(), 0.0),
                    "position": step.record.position,
                }

    def take(self, _: Recent) -> Iterable[Row]:
        rows, self._rows = self._rows, {}
        return rows.values()


MILESTONE = Projection(
    name="milestone",
    version=1,
    table=MilestoneRow,
    fold=_Fold,
    events=frozenset({e.PhaseStarted, e.MilestoneReached}),
)
