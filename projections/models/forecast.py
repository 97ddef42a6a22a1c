"""Forecasts: what was foretold when, as the events hold it, beside what has come, and how good it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlmodel import SQLModel

from domain import events as e
from domain.estimation.scores import log_ratio, pinball
from projections.columns import count, flag, moment, position, real, text
from projections.learning import measured_seconds
from projections.projection import Projection, Recent, Row, Step, subtask_number

_Key = tuple[int, int, int, int]


class ForecastRow(SQLModel, table=True):
    """A row of `projection.forecast`.

    Its `kind` is `plan` (a subtask's effort), `start` (the same when its worker was known), `phase` (a phase's length
    with so many workers, simulated with its plan) or `task` (what was left of a phase, simulated later on).
    """

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
    number: int = count(key=True)
    kind: str = text()
    category: str = text()
    worker_id: str | None = text(null=True)
    model_position: int | None = position(null=True)
    log_ratio: float | None = real(null=True)
    pinball80: float | None = real(null=True)
    hit80: bool | None = flag(null=True)
    hit95: bool | None = flag(null=True)


class _Fold:
    def __init__(self) -> None:
        self._rows: dict[_Key, Row] = {}
        self._changed: dict[_Key, None] = {}
        self._phase_began: datetime | None = None
        self._workers: set[str] = set()
        #: Of the present phase.
        self._left: list[_Key] = []

    def apply(self, step: Step) -> None:
        take_in = _EVENTS[step.kind]
        take_in(self, step, step.body)

    # --- what is foretold ---

    def foretell_effort(self, step: Step, body: e.SubtaskPlanned) -> None:
        effort, number = body.effort, subtask_number(step.event.stream_id)
        self._foretell(
            step, (body.phase, number, 0, 0), "plan", effort.basis, (effort.p50, effort.p80, effort.p95),
            category=effort.category, model_position=effort.position if effort.model else None,
        )  # fmt: skip

    def foretell_attempt(self, step: Step, body: e.SubtaskClaimed) -> None:
        self._workers.add(step.event.worker_id or "")
        said, attempt = body.forecast, step.attempt
        if said is None or attempt is None:
            return
        key = (attempt.plan.phase, subtask_number(step.event.stream_id), 0, attempt.epoch)
        self._foretell(
            step, key, "start", "by the effort model", (said.p50, said.p80, said.p95),
            category=attempt.plan.effort.category, worker_id=attempt.worker_id, model_position=said.position,
        )  # fmt: skip

    def foretell_phase(self, step: Step, body: e.TaskDecomposed) -> None:
        for point in body.curve:
            quantiles = (point.makespan_seconds, point.p80_seconds or None, None)
            basis = f"simulated, strategy {body.strategy}"
            self._foretell(step, (body.phase, 0, point.workers, 0), "phase", basis, quantiles)

    def foretell_rest(self, step: Step, body: e.TaskForecast) -> None:
        key = (body.phase, 0, body.workers, 1 + sum(self._rows[key]["phase"] == body.phase for key in self._left))
        quantiles = (body.p50_seconds, body.p80_seconds, body.p95_seconds)
        basis = f"simulated at {body.occasion}"
        self._foretell(step, key, "task", basis, quantiles, model_position=body.model_position)
        self._left.append(key)

    def _foretell(
        self,
        step: Step,
        key: _Key,
        kind: str,
        basis: str,
        quantiles: tuple[float, float | None, float | None],
        *,
        category: str = "",
        worker_id: str | None = None,
        model_position: int | None = None,
    ) -> None:
        phase, subtask, workers, number = key
        p50, p80, p95 = quantiles
        self._rows[key] = {
            "task_id": step.task.id,
            "phase": phase,
            "subtask": subtask,
            "workers": workers,
            "basis": basis,
            "made_at": step.at,
            "p50_seconds": p50,
            "p80_seconds": p80,
            "p95_seconds": p95,
            "actual_seconds": None,
            "came_at": None,
            "number": number,
            "kind": kind,
            "category": category,
            "worker_id": worker_id,
            "model_position": model_position,
            "log_ratio": None,
            "pinball80": None,
            "hit80": None,
            "hit95": None,
        }
        self._changed[key] = None

    # --- what has come ---

    def begin_phase(self, step: Step, _: e.PhaseStarted) -> None:
        self._phase_began = step.at
        self._workers.clear()
        self._left.clear()

    def accept(self, step: Step, _: e.SubtaskAccepted) -> None:
        if (attempt := step.attempt) is None:
            return
        seconds = measured_seconds(attempt, step.task.submitted)
        number = subtask_number(step.event.stream_id)
        for epoch in (0, attempt.epoch):
            self._come((attempt.plan.phase, number, 0, epoch), seconds, step.at)

    def end_phase(self, step: Step, body: e.MilestoneReached) -> None:
        if body.percent < 100:
            return
        began = self._phase_began or step.at
        # Of the numbers of workers that were weighed, only the one that there were can be held against it.
        self._come((body.phase, 0, len(self._workers), 0), (step.at - began).total_seconds(), step.at)
        for key in self._left:
            self._come(key, (step.at - self._rows[key]["made_at"]).total_seconds(), step.at)
        self._left.clear()

    def _come(self, key: _Key, seconds: float, at: datetime) -> None:
        if (row := self._rows.get(key)) is None:
            return
        # A clock that was set back must not give time back.
        actual = round(max(seconds, 0.0), 3)
        p50, p80, p95 = row["p50_seconds"], row["p80_seconds"], row["p95_seconds"]
        row |= {
            "actual_seconds": actual,
            "came_at": at,
            "log_ratio": round(log_ratio(actual, p50), 6),
            "pinball80": None if p80 is None else round(pinball(p80, actual, 0.8), 6),
            "hit80": None if p80 is None else actual <= p80,
            "hit95": None if p95 is None else actual <= p95,
        }
        self._changed[key] = None

    def take(self, _: Recent) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for key in changed:
            yield self._rows[key].copy()


_EVENTS: Mapping[type, Callable[[_Fold, Step, Any], None]] = {
    e.SubtaskPlanned: _Fold.foretell_effort,
    e.SubtaskClaimed: _Fold.foretell_attempt,
    e.TaskDecomposed: _Fold.foretell_phase,
    e.TaskForecast: _Fold.foretell_rest,
    e.PhaseStarted: _Fold.begin_phase,
    e.SubtaskAccepted: _Fold.accept,
    e.MilestoneReached: _Fold.end_phase,
}

FORECAST = Projection(name="forecast", version=2, table=ForecastRow, fold=_Fold, events=frozenset(_EVENTS))
