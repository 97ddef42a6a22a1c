"""Two runs side by side: what came of each, how long it took, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from domain.events import RecordedEvent
from domain.evolution import fold
from domain.task_state import SubtaskState, TaskState
from projections.report import build_report

#: What is divided by the other run's, by name.
_RATIOS = ("wall_seconds", "worker_seconds", "gate_seconds", "speedup", "attempts", "cost")


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one run comes to."""

    task_id: str
    status: str
    strategy: str
    #: What the plan was made for, or recommended.
    workers: int
    rounds: int
    problems_before: int
    problems_after: int
    subtasks: int
    accepted: int
    held: int
    attempts: int
    failures: int
    rejected: int
    lost: int
    conflicts: int
    wall_seconds: float
    worker_seconds: float
    gate_seconds: float
    speedup: float
    #: In US dollars; None where no worker said it.
    cost: float | None
    #: By which factor the estimates were off, up or down, as a geometric mean over accepted subtasks: 1 is exact.
    estimate_factor: float | None
    #: The task whose input it began with once more; empty where it was no rerun.
    rerun_of: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs, and the second beside the first."""

    first: RunFigures
    second: RunFigures
    #: Whether both began with the same output of the same tool.
    same_input: bool
    #: The second's figures over the first's.
    ratios: dict[str, float]


def compare_runs(first: Sequence[RecordedEvent], second: Sequence[RecordedEvent], *, cores: int) -> Comparison:
    """Hold two tasks against each other, each given as all its events; `cores` as in `build_report`.

    Raises `ValueError` where one has no events.
    """
    one, other = figures_of(first, cores=cores), figures_of(second, cores=cores)
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in _RATIOS}
    return Comparison(
        first=one,
        second=other,
        same_input=_input(first) is not None and _input(first) == _input(second),
        ratios={name: round(b / a, 3) for name, (a, b) in pairs.items() if a and b is not None},
    )


def figures_of(events: Sequence[RecordedEvent], *, cores: int) -> RunFigures:
    """Say what a task comes to; raises `ValueError` where there are no events."""
    report, state = build_report(events, cores=cores), fold(events)
    assert state is not None  # noqa: S101 - the report has looked
    subtasks = list(state.subtasks.values())
    plan = state.decompositions[0] if state.decompositions else None
    priced = any(getattr(record.event.body, "usage", None) is not None for record in events)
    return RunFigures(
        task_id=state.id,
        status=state.status,
        strategy=plan.strategy if plan is not None else "",
        workers=_workers(state),
        rounds=len(state.decompositions),
        problems_before=sum(report.before.values()),
        problems_after=sum(report.after.values()),
        subtasks=len(subtasks),
        accepted=report.accepted,
        held=report.held,
        attempts=sum(subtask.epoch for subtask in subtasks),
        failures=sum(subtask.failures for subtask in subtasks),
        rejected=report.rejected,
        lost=report.lost,
        conflicts=report.conflicts,
        wall_seconds=report.wall_seconds,
        worker_seconds=report.worker_seconds,
        gate_seconds=report.gate_seconds,
        speedup=report.speedup,
        cost=round(state.cost, 6) if priced else None,
        estimate_factor=_estimate_factor(subtasks),
        rerun_of=str(state.submitted.options.get("rerun_of", "")),
    )


def _workers(state: TaskState) -> int:
    asked_for = state.submitted.options.get("jobs") or (state.submitted.options.get("policy") or {}).get("workers")
    if asked_for:
        return int(asked_for)
    return state.decompositions[0].recommended_workers if state.decompositions else 0


def _estimate_factor(subtasks: Sequence[SubtaskState]) -> float | None:
    known = [s for s in subtasks if s.status == "accepted" and s.worked_seconds > 0.0 and s.plan.effort.p50 > 0.0]
    if not known:
        return None
    errors = [abs(math.log(subtask.worked_seconds / subtask.plan.effort.p50)) for subtask in known]
    return round(math.exp(sum(errors) / len(errors)), 3)


def _input(events: Sequence[RecordedEvent]) -> str | None:
    state = fold(events)
    return state.observations[0].artifact if state is not None and state.observations else None
