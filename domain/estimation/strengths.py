"""How far levels are believed, estimated from the effects themselves."""

from __future__ import annotations

from collections.abc import Collection

from domain.estimation.cells import Cell
from domain.estimation.fixed import MICRO, MILLI

#: A level with fewer cells says nothing about how cells differ.
_CELLS_MIN = 5
#: Bounds in thousandths: at 1 a single completion is believed by half, at 100 hardly at all.
_STRENGTH_MIN, _STRENGTH_MAX = 1_000, 100_000
#: Rounds until the estimate stands still to three digits.
_ROUNDS = 20


def estimated(cells: Collection[Cell], strength: int, within: int) -> int:
    """Estimate a level's strength in thousandths by moments; `within` is the variance of errors in millionths.

    The variance between cells is the mean of the squared effects and of what is still uncertain about each.
    """
    seen = [cell for cell in cells if cell[0] >= MILLI]
    if len(seen) < _CELLS_MIN:
        return strength
    squares = sum(cell[1] * cell[1] for cell in seen) // MICRO
    for _ in range(_ROUNDS):
        doubt = sum(within * MILLI // (cell[0] + strength) for cell in seen)
        between = max((squares + doubt) // len(seen), 1)
        strength = min(max(within * MILLI // between, _STRENGTH_MIN), _STRENGTH_MAX)
    return strength
