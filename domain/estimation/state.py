"""Everything that the model knows: integers only, so that the same completions make the same bytes."""

from __future__ import annotations

import msgspec

from domain.estimation.cells import Cell
from domain.estimation.levels import LEVELS
from domain.estimation.outcomes import Outcomes
from domain.estimation.prior import PRIOR_WEIGHT, VAGUE, Prior
from domain.estimation.reports import Reports
from domain.estimation.residuals import Residuals
from domain.estimation.slopes import Slopes
from domain.estimation.spread import Spread

#: The first estimate of strengths from the ledger itself, in completions; later ones at each doubling.
FIRST_STRENGTHS_AT = 200


class State(msgspec.Struct, kw_only=True):
    """The sufficient statistics; `fresh` is what came since the last step."""

    provenance: str
    position: int = 0
    completions: int = 0
    stepped_at: int = 0
    strengths_at: int = FIRST_STRENGTHS_AT
    #: In thousandths of a completion.
    strengths: list[int]
    #: All work's own weight and effect; effect and count since the last step.
    base: Cell
    fresh_base: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    #: By level.
    cells: list[dict[str, Cell]] = msgspec.field(default_factory=lambda: [{} for _ in LEVELS])
    #: Sum of squared errors per variance within, and how many: the variance within.
    noise: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    slopes: Slopes
    spread: Spread = msgspec.field(default_factory=Spread)
    residuals: Residuals
    reports: Reports = msgspec.field(default_factory=Reports)
    outcomes: Outcomes = msgspec.field(default_factory=Outcomes)


def begun(prior: Prior = VAGUE) -> State:
    """Give the state of an empty ledger."""
    plan, *others = prior.usual
    state = State(
        provenance=prior.provenance,
        strengths=list(prior.strengths),
        base=[PRIOR_WEIGHT if prior is not VAGUE else 0, prior.base],
        # Where plans were never seen, they are taken to be right on average.
        slopes=Slopes.begun(prior.slopes, [prior.base if plan is None else plan, *others]),
        residuals=Residuals.begun(prior.deviation),
    )
    state.cells[0] = {category: [PRIOR_WEIGHT, effect, 0] for category, effect in prior.categories.items()}
    return state
