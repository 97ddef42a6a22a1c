"""Plans: one row per subtask, what it was planned as. It never changes."""

from __future__ import annotations

import functools
from datetime import datetime

from sqlmodel import SQLModel

from domain import events as e
from domain.expertise import domains_of
from projections.columns import count, counts, moment, text, texts
from projections.projection import Projection, Recent, Row, Step, subtask_number


class PlanRow(SQLModel, table=True):
    """A row of `projection.plan`."""

    __tablename__ = "plan"
    __table_args__ = {"schema": "projection"}

    task_id: str = text(key=True)
    subtask: int = count(key=True)
    phase: int = count()
    strategy: str = text()
    domain: str = text()
    category: str = text()
    tool: str = text()
    codes: list[str] = texts()
    files: list[str] = texts()
    depends_on: list[int] = counts()
    planned_at: datetime = moment()


class _Fold:
    def __init__(self) -> None:
        self._rows: list[Row] = []

    def apply(self, step: Step) -> None:
        task, body, event = step.task, step.body, step.record.event
        if not isinstance(body, e.SubtaskPlanned) or step.before is not None:
            return
        tool = task.observations[-1].tool if task.observations else ""
        self._rows.append(
            {
                "task_id": task.id,
                "subtask": subtask_number(event.stream_id),
                "phase": body.phase,
                "strategy": task.decompositions[-1].strategy if task.decompositions else "",
                "domain": _domain(tool, body.scope.codes),
                "category": body.effort.category,
                "tool": tool,
                "codes": list(body.scope.codes),
                "files": sorted(body.scope.holds),
                "depends_on": [subtask_number(other) for other in body.depends_on],
                "planned_at": event.occurred_at,
            }
        )

    def take(self, _: Recent) -> list[Row]:
        rows, self._rows = self._rows, []
        return rows


@functools.lru_cache(maxsize=4096)
def _domain(tool: str, codes: tuple[str, ...]) -> str:
    """Name the domain of most of a subtask's codes; of several, the first by name."""
    domains = domains_of(tool, dict.fromkeys(codes, 1))
    return min(domains, key=lambda domain: (-domains[domain], domain), default="")


PLAN = Projection(name="plan", version=1, table=PlanRow, fold=_Fold, events=frozenset({e.SubtaskPlanned}))
