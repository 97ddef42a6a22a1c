"""Burn-down: what is left, at each moment at which that has changed."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from domain.task_state import ENDED, LIVE, SubtaskState
from projections.columns import count, moment, position, real, text
from projections.projection import MESSAGES, Projection, Recent, Row, Step


class BurndownRow(SQLModel, table=True):
    """A row of `projection.burndown`. Weights are estimated effort, of all phases so far."""

    __tablename__ = "burndown"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    position: int = position(key=True)
    at: datetime = moment()
    phase: int = count()
    event: str = text()
    subtasks_left: int = count()
    subtasks_accepted: int = count()
    subtasks_held: int = count()
    live: int = count()
    weight_left_seconds: float = real()
    weight_accepted_seconds: float = real()
    problems: int | None = count(null=True)


#: Events that are points by themselves.
_POINTS: frozenset[type] = frozenset(
    {e.TaskSubmitted, e.ProblemsObserved, e.SubtaskAccepted, e.SubtaskHeld, e.SubtaskSplit}
)


class _Fold:
    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._ended: Counter[str] = Counter()
        self._left = self._live = 0
        # In milliseconds: whole numbers come back to nothing, however often they are added and taken away.
        self._weight_left = self._weight_accepted = 0
        self._problems: int | None = None
        self._planning = False

    def apply(self, step: Step) -> None:
        if step.after is not None:
            if not step.moved:
                return
            self._move(step.before, step.after)
        kind = step.kind
        if kind is e.SubtaskPlanned:
            # A point for the whole plan, when the first of it is claimed.
            self._planning = True
            return
        if kind is e.SubtaskClaimed:
            if not self._planning:
                return
            self._planning = False
        elif kind not in _POINTS:
            return
        if isinstance(step.body, e.ProblemsObserved):
            self._problems = step.body.problems
        self._rows.append(self._row(step))

    def _move(self, before: SubtaskState | None, after: SubtaskState) -> None:
        self._live += (after.status in LIVE) - (before is not None and before.status in LIVE)
        if before is not None and before.status not in ENDED and after.status not in ENDED:
            # As far from its end as it was: most moves are such.
            return
        if before is not None:
            self._count(before, -1)
        self._count(after, 1)

    def _count(self, subtask: SubtaskState, sign: int) -> None:
        status, weight = subtask.status, sign * round(subtask.plan.effort.p50 * 1000)
        if status not in ENDED:
            self._left += sign
            self._weight_left += weight
            return
        self._ended[status] += sign
        if status == "accepted":
            self._weight_accepted += weight

    def _row(self, step: Step) -> Row:
        return {
            "task_id": step.task.id,
            "position": step.record.position,
            "at": step.at,
            "phase": step.task.phase,
            "event": str(type(step.body).__struct_config__.tag),
            "subtasks_left": self._left,
            "subtasks_accepted": self._ended["accepted"],
            "subtasks_held": self._ended["held"],
            "live": self._live,
            "weight_left_seconds": self._weight_left / 1000,
            "weight_accepted_seconds": self._weight_accepted / 1000,
            "problems": self._problems,
        }

    def take(self, _: Recent) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows


BURNDOWN = Projection(
    name="burndown",
    version=1,
    table=BurndownRow,
    fold=_Fold,
    events=_POINTS | {e.SubtaskPlanned, e.SubtaskClaimed},
    tells=MESSAGES | {e.SubtaskReady, e.SubtaskReleased, e.SubtaskRejected, e.LeaseExpired, e.BlockerAnswered},
)
