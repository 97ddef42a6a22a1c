"""What a ledger can tell another one: a handful of statistics, no row of its history."""

from __future__ import annotations

from collections.abc import Iterable

from domain.estimation.cells import Cell
from domain.estimation.fixed import MICRO
from domain.estimation.learner import Learner
from domain.estimation.prior import VAGUE, Prior

#: A category that was seen less often says nothing to others.
_SEEN_MIN = 20


def exported(learner: Learner, provenance: str) -> Prior:
    """Give what was learnt as a prior for other ledgers.

    Workers, repositories and tasks are others there, so what they add on average goes into what is usual.
    """
    state = learner.state
    plan, bend, problems, files = state.slopes.slopes
    usual = state.slopes.usual
    added = [_mean(table.values()) for table in state.cells]
    return Prior(
        provenance=provenance,
        base=state.base[1] + sum(added),
        deviation=max(state.residuals.deviation() / MICRO, VAGUE.deviation),
        strengths=tuple(state.strengths),
        slopes=(plan, bend, problems, files),
        usual=(usual[0], usual[1], usual[2], usual[3]),
        categories={
            name: cell[1] - added[0] for name, cell in sorted(state.cells[0].items()) if cell[2] >= _SEEN_MIN
        },
    )


def _mean(cells: Iterable[Cell]) -> int:
    """Give the mean effect of a level over all completions."""
    pairs = [(cell[1], cell[2]) for cell in cells]
    count = sum(seen for _, seen in pairs)
    return sum(effect * seen for effect, seen in pairs) // count if count else 0
