"""The stages of the whole work: quick wins, complex work, clean-up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from domain import effort as efforts
from domain.analysis.group import Group
from domain.phase import Phase
from domain.plan import PlanPhase
from domain.planning.request import Request
from domain.planning.units import domain_of
from domain.problem import Problem

_Stage = Literal["quick wins", "complex", "clean-up"]

_MEANING: dict[_Stage, str] = {
    "quick wins": "edits that the tool offers and that may be applied without being asked",
    "complex": "causes that show in several files, and errors that need a decision at their place",
    "clean-up": "style, and whatever the tool does not call an error",
}


def plan_phases(problems: Sequence[Problem], groups: Sequence[Group], request: Request) -> tuple[PlanPhase, ...]:
    """Give each stage its share of the grouped problems that have a place, and its effort in seconds of one worker.

    What the work itself brings to light (errors that hid behind others) is in none: every round observes again.
    """
    counts: dict[_Stage, int] = dict.fromkeys(_MEANING, 0)
    seconds: dict[_Stage, float] = dict.fromkeys(_MEANING, 0.0)
    estimator = request.estimates
    for group in groups:
        placed = sum(bool(problems[index].path) for index in group.problems)
        if not placed:
            continue
        stage = _stage(problems, group)
        counts[stage] += placed
        weight = efforts.weight(request.worker, group.kind, files=len(group.files), problems=placed)
        seconds[stage] += weight * estimator.pace(group.kind, domain_of(problems, group.problems, request.worker))
    total = sum(counts.values())
    return tuple(_phase(stage, counts[stage], total, seconds[stage]) for stage in _MEANING if total)


def _stage(problems: Sequence[Problem], group: Group) -> _Stage:
    if group.kind == "automatic":
        return "quick wins"
    is_error = problems[group.problems[0]].severity == "error"
    if group.kind == "local" and (group.phase >= Phase.LINT or not is_error):
        return "clean-up"
    return "complex"


def _phase(stage: _Stage, count: int, total: int, seconds: float) -> PlanPhase:
    return PlanPhase(
        name=stage,
        meaning=_MEANING[stage],
        problems=count,
        share=round(count / total, 4),
        effort_seconds=round(seconds, 1),
    )
