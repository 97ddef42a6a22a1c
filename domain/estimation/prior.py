"""What a ledger believes before its first completion: statistics of other ledgers, with their provenance."""

from __future__ import annotations

import msgspec

from domain.estimation.fixed import MICRO, micro_log
from domain.estimation.levels import LEVELS

#: Completions that another ledger's level is worth here: ledgers differ about as much as single completions do.
PRIOR_WEIGHT = 2_000


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of other ledgers, in millionths where nothing else is said."""

    #: Where the figures come from, in words.
    provenance: str
    #: Micro-log of the seconds that are usual.
    base: int
    #: Standard deviation of a forecast's error in log seconds, before it is widened for what is unknown.
    deviation: float
    #: Of the levels, in thousandths of a completion.
    strengths: tuple[int, ...]
    #: Of the planner's estimate, its bend, problems and files.
    slopes: tuple[int, int, int, int]
    #: What is usual of each measure; None where it was never known.
    usual: tuple[int | None, int | None, int | None, int | None]
    #: Effects of categories that other ledgers name the same.
    categories: dict[str, int] = {}


VAGUE = Prior(
    provenance="no other ledger",
    base=micro_log(60.0),
    # With what is unknown of every level (a factor of 2), 1.2 in log seconds.
    deviation=0.6,
    strengths=tuple(level.strength for level in LEVELS),
    slopes=(round(0.85 * MICRO), 0, 0, 0),
    usual=(None, None, None, None),
)
