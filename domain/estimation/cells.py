"""Effects of levels as a filter: each completion corrects every level by its likely share of the error.

A level's uncertainty after weight n is `1 / (n + strength)` of the variance within; the error of a completion is
shared out in these proportions, so no level comes first. This is a Kalman filter that ignores covariances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from domain.estimation.fixed import MICRO, MILLI
from domain.estimation.levels import LEVELS

#: Weight in thousandths, effect as a micro-log, and how many completions there were.
Cell = list[int]

#: Levels overlap (a worker is mostly in one repository), so levels that are taken as independent each correct
#: too little at first: errors count 1.3 times, and completions 1.7 times. Chosen on training parts only.
_RELAX_NUMERATOR, _RELAX_DENOMINATOR = 13, 10
_WEIGHT = 1_700
#: Completions by which all work's own level starts out uncertain, in thousandths.
BASE_STRENGTH = 500


def uncertainty(weight: int, strength: int) -> int:
    """Give the variance of an effect, in millionths of the variance within."""
    return MICRO * MILLI // (weight + strength)


def uncertainties(cells: Sequence[Cell | None], strengths: Sequence[int]) -> list[int]:
    """Give the variance of each level's effect, in millionths of the variance within.

    0 for a level that is not known, and for one that has seen just what the level around it has: it has nothing of
    its own to say (the only repository of a ledger, a worker that does one kind of work).
    """
    return [
        uncertainty(cell[0], strength)
        if cell and (level.within is None or (around := cells[level.within]) is None or around[2] != cell[2])
        else 0
        for cell, strength, level in zip(cells, strengths, LEVELS, strict=True)
    ]


def doubt(variance: int) -> int:
    """Give the micro-log of the deviation that goes with a variance, in millionths of the variance within."""
    return round(MICRO * math.log(variance / MICRO) / 2)


def correct(
    cells: Sequence[Cell | None], variances: Sequence[int], base: Cell, error: int, known: int
) -> tuple[int, int]:
    """Share an error out over the cells; give all work's own part, and the squared error per variance within.

    `known` is what an observation is worth in thousandths: all of it where it was seen to the end.
    """
    own = uncertainty(base[0], BASE_STRENGTH)
    total = MICRO + own + sum(variances)
    relaxed = error * _RELAX_NUMERATOR * known // (_RELAX_DENOMINATOR * MILLI)
    weight = _WEIGHT * known // MILLI
    for cell, share, level in zip(cells, variances, LEVELS, strict=True):
        if cell and share:
            cell[1] += relaxed * share // total
            cell[0] = cell[0] * level.keep // MILLI + weight
    for cell in cells:
        if cell:
            cell[2] += 1
    return relaxed * own // total, error * error // total
