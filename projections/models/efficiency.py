"""Efficiency: one row per task, where its time went and what working in parallel has gained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from sqlmodel import SQLModel

from domain import events as e
from domain.ids import SubtaskId, TaskId
from domain.task_state import SubtaskState
from projections.columns import count, real, text
from projections.projection import BUT_REPORTS, MESSAGES, Projection, Recent, Row, Step


class EfficiencyRow(SQLModel, table=True):
    """A row of `projection.efficiency`."""

    __tablename__ = "efficiency"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    workers: int = count()
    workers_at_once_max: int = count()
    attempts: int = count()
    wall_seconds: float = real()
    worker_seconds: float = real()
    active_seconds: float = real()
    blocked_seconds: float = real()
    gate_seconds: float = real()
    critical_path_seconds: float = real()
    utilisation: float | None = real(null=True)
    coordination_share: float | None = real(null=True)
    speedup: float | None = real(null=True)
    speedup_max: float | None = real(null=True)


#: These make or move links between subtasks.
_LINKING: frozenset[type] = frozenset({e.SubtaskPlanned, e.SubtaskSplit})


class _Fold:
    def __init__(self) -> None:
        self._worked = self._blocked = self._gates = 0.0
        self._workers: set[str] = set()
        self._attempts = self._at_work = self._at_work_max = 0
        self._path = 0.0
        self._path_is_old = False

    def apply(self, step: Step) -> None:
        kind = step.kind
        self._worked += step.worked_seconds
        self._blocked += step.blocked_seconds
        if step.moved:
            self._move(step)
        if kind is e.SubtaskClaimed:
            self._attempts += 1
            self._workers.add(step.event.worker_id or "")
        elif kind is e.Started:
            self._at_work_max = max(self._at_work_max, self._at_work)
        elif isinstance(step.body, e.GateEvaluated):
            self._gates += step.body.seconds

    def _move(self, step: Step) -> None:
        # Times that have changed, and dependencies that are new.
        self._path_is_old = self._path_is_old or step.worked_seconds > 0.0 or step.kind in _LINKING
        if step.before is not None and step.after is not None:
            self._at_work += (step.after.started_at is not None) - (step.before.started_at is not None)

    def take(self, recent: Recent) -> Iterator[Row]:
        if self._path_is_old:
            self._path = critical_path_seconds(recent.task.subtasks)
            self._path_is_old = False
        yield self._row(recent.task.id, recent.wall_seconds)

    def _row(self, task_id: TaskId, wall_seconds: float) -> Row:
        return {
            "task_id": task_id,
            "workers": len(self._workers),
            "workers_at_once_max": self._at_work_max,
            "attempts": self._attempts,
            "wall_seconds": round(wall_seconds, 3),
            "worker_seconds": round(self._worked, 3),
            "active_seconds": round(max(self._worked - self._blocked, 0.0), 3),
            "blocked_seconds": round(self._blocked, 3),
            "gate_seconds": round(self._gates, 3),
            "critical_path_seconds": round(self._path, 3),
            "utilisation": _share(self._worked - self._blocked, wall_seconds * self._at_work_max),
            "coordination_share": _share(self._gates, self._gates + self._worked),
            "speedup": _share(self._worked - self._blocked, wall_seconds),
            "speedup_max": _share(self._worked, self._path),
        }


def _share(part: float, whole: float) -> float | None:
    return round(max(part, 0.0) / whole, 4) if whole > 0.0 else None


def critical_path_seconds(subtasks: Mapping[SubtaskId, SubtaskState]) -> float:
    """Give what the task would have taken its workers with as many as can be: the longest chain, phase by phase.

    Links are dependencies and splits, lengths the time that workers have spent on a subtask in all its attempts.
    """
    graph: dict[SubtaskId, set[SubtaskId]] = {}
    for subtask in subtasks.values():
        if subtask.plan.depends_on:
            before = graph.setdefault(subtask.id, set())
            before.update(parts for other in subtask.plan.depends_on for parts in _ends(subtasks, other))
        for part in subtask.split_into:
            graph.setdefault(part, set()).add(subtask.id)
    ends = {subtask.id: subtask.worked_seconds for subtask in subtasks.values()}
    for subtask_id in TopologicalSorter(graph).static_order():
        if subtask_id in ends:
            ends[subtask_id] += max((ends.get(other, 0.0) for other in graph.get(subtask_id, ())), default=0.0)
    longest: dict[int, float] = {}
    for subtask_id, end in ends.items():
        phase = subtasks[subtask_id].plan.phase
        longest[phase] = max(longest.get(phase, 0.0), end)
    return sum(longest[phase] for phase in sorted(longest))


def _ends(subtasks: Mapping[SubtaskId, SubtaskState], subtask_id: SubtaskId) -> Iterator[SubtaskId]:
    """Give what must have ended for a subtask to be done: in place of what was split, its parts."""
    yield subtask_id
    if subtask_id in subtasks:
        for part in subtasks[subtask_id].split_into:
            yield from _ends(subtasks, part)


EFFICIENCY = Projection(
    name="efficiency", version=1, table=EfficiencyRow, fold=_Fold, events=BUT_REPORTS, tells=MESSAGES
)
