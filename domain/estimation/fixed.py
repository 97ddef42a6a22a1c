"""Logs as integers, in millionths: sums of them are the same in any order and on any machine."""

from __future__ import annotations

import math

MICRO = 1_000_000
#: Weights and strengths are counted in thousandths of a completion.
MILLI = 1_000
#: Nothing is taken to be shorter, in seconds.
_SHORTEST = 1e-3


def micro_log(value: float) -> int:
    """Give the log of seconds in millionths."""
    return round(MICRO * math.log(max(value, _SHORTEST)))


def seconds_of(micro: float) -> float:
    """Undo `micro_log`; without overflow, however large."""
    return math.exp(min(micro / MICRO, 700.0))
