"""How good forecasts were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Quantiles(NamedTuple):
    """A forecast in the history's own unit."""

    p50: float
    p80: float
    p95: float


class Scores(NamedTuple):
    """Mean absolute error of P50, pinball loss of P80, and the shares of actuals at or under P80 and P95."""

    mae: float
    pb80: float
    c80: float
    c95: float
    #: Mean absolute log ratio of actual to P50.
    ratio: float


def scored(actuals: Sequence[float], forecasts: Sequence[Quantiles]) -> Scores:
    """Judge forecasts by what came."""
    pairs = list(zip(actuals, forecasts, strict=True))
    count = len(pairs)
    return Scores(
        mae=sum(abs(actual - said.p50) for actual, said in pairs) / count,
        pb80=sum(max(0.8 * (actual - said.p80), 0.2 * (said.p80 - actual)) for actual, said in pairs) / count,
        c80=sum(actual <= said.p80 for actual, said in pairs) / count,
        c95=sum(actual <= said.p95 for actual, said in pairs) / count,
        ratio=sum(abs(math.log(actual / max(said.p50, 1e-9))) for actual, said in pairs) / count,
    )
