"""What is measured of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Figures(NamedTuple):
    """A rate, and how long each took."""

    per_second: float
    p50_ms: float
    p99_ms: float


def percentile(seconds: Sequence[float], share: float) -> float:
    """Give the value that so large a share of them does not exceed, in milliseconds (nearest rank)."""
    ordered = sorted(seconds)
    return 1000.0 * ordered[min(int(share * len(ordered)), len(ordered) - 1)]
