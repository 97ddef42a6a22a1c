"""Forecasts: what was foretold when, as the events hold it, beside what has come, and how good it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from domain.estimation.scores import log_ratio, pinball
from projections.attempts import Attempt
from projections.columns import count, flag, moment, position, real, text
from projections.learning import measured_seconds
from projections.projection import Projection, Row, Step, subtask_number

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
        at = step.record.event.occurred_at
        match step.body:
            case e.SubtaskPlanned() as body:
                self._foretell_effort(step, body)
            case e.TaskDecomposed() as body:
                self._foretell_phase(step, body)
            case e.TaskForecast() as body:
                self._foretell_rest(step, body)
            case e.PhaseStarted():
                self._phase_began = at
                self._workers.clear()
                self._left.clear()
            case e.SubtaskClaimed() as body:
                self._workers.add(step.record.event.worker_id or "")
                self._foretell_attempt(step, body)
            case e.SubtaskAccepted() if step.after is not None and step.attempt is not None:
                self._accepted(step, step.attempt, at)
            case e.MilestoneReached(phase=phase, percent=100):
                began = self._phase_began or at
                # Of the numbers of workers that were weighed, only the one that there were can be held against it.
                self._come((phase, 0, len(self._workers), 0), (at - began).total_seconds(), at)
                for key in self._left:
                    self._come(key, (at - self._rows[key]["made_at"]).total_seconds(), at)
                self._left.clear()

    # --- what is foretold ---

    def _foretell_effort(self, step: Step, body: e.SubtaskPlanned) -> None:
        effort, number = body.effort, subtask_number(step.record.event.stream_id)
        key = (body.phase, number, 0, 0)
        self._foretell(step, key, "plan", effort.basis, (effort.p50, effort.p80, effort.p95))
        self._rows[key] |= {"category": effort.category, "model_position": effort.position if effort.model else None}

    def _foretell_attempt(self, step: Step, body: e.SubtaskClaimed) -> None:
        said, attempt = body.forecast, step.attempt
        if said is None or attempt is None:
            return
        key = (attempt.plan.phase, subtask_number(step.record.event.stream_id), 0, attempt.epoch)
        self._foretell(step, key, "start", "by the effort model", (said.p50, said.p80, said.p95))
        self._rows[key] |= {
            "category": attempt.plan.effort.category,
            "worker_id": attempt.worker_id,
            "model_position": said.position,
        }

    def _foretell_phase(self, step: Step, body: e.TaskDecomposed) -> None:
        for point in body.curve:
            quantiles = (point.makespan_seconds, point.p80_seconds or None, None)
            basis = f"simulated, strategy {body.strategy}"
            self._foretell(step, (body.phase, 0, point.workers, 0), "phase", basis, quantiles)

    def _foretell_rest(self, step: Step, body: e.TaskForecast) -> None:
        key = (body.phase, 0, body.workers, 1 + sum(self._rows[key]["phase"] == body.phase for key in self._left))
        self._foretell(
            step, key, "task", f"simulated at {body.occasion}", (body.p50_seconds, body.p80_seconds, body.p95_seconds)
        )
        self._rows[key]["model_position"] = body.model_position
        self._left.append(key)

    def _foretell(
        self, step: Step, key: _Key, kind: str, basis: str, quantiles: tuple[float, float | None, float | None]
    ) -> None:
        phase, subtask, workers, number = key
        p50, p80, p95 = quantiles
        self._rows[key] = {
            "task_id": step.task.id,
            "phase": phase,
            "subtask": subtask,
            "workers": workers,
            "basis": basis,
            "made_at": step.record.event.occurred_at,
            "p50_seconds": p50,
            "p80_seconds": p80,
            "p95_seconds": p95,
            "actual_seconds": None,
            "came_at": None,
            "number": number,
            "kind": kind,
            "category": "",
            "worker_id": None,
            "model_position": None,
            "log_ratio": None,
            "pinball80": None,
            "hit80": None,
            "hit95": None,
        }
        self._changed[key] = None

    # --- what has come ---

    def _accepted(self, step: Step, attempt: Attempt, at: datetime) -> None:
        seconds = measured_seconds(attempt, step.task.submitted)
        number = subtask_number(step.record.event.stream_id)
        for epoch in (0, attempt.epoch):
            self._come((attempt.plan.phase, number, 0, epoch), seconds, at)

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

    def take(self) -> Iterator[Row]:
        changed, self._changed = self._changed, {}
        for key in changed:
            yield self._rows[key].copy()


FORECAST = Projection(
    name="forecast",
    version=2,
    table=ForecastRow,
    fold=_Fold,
    events=frozenset(
        {
            e.SubtaskPlanned, e.TaskDecomposed, e.TaskForecast, e.PhaseStarted, e.SubtaskClaimed, e.SubtaskAccepted,
            e.MilestoneReached,
        }
    ),
)  # fmt: skip
