"""How far off the model's own forecasts were: from these come its quantiles (conformal prediction, online)."""

from __future__ import annotations

import math
from bisect import bisect_right
from statistics import NormalDist

import msgspec

from domain.estimation.fixed import MICRO

#: The latest that count, and how few are too few for their order alone.
_WINDOW = 1_000
_FEW = 100
#: Before there are enough: as if 10 had been seen with the deviation of the prior.
_PRIOR_COUNT = 10
#: Forecasts over which the alarm is judged, and the shares under P80 between which all is well.
_JUDGED = 200
_CALM = (0.72, 0.88)
_NORMAL = NormalDist()
_POINTS = 199
"""Quantiles at each half per cent."""


class Residuals(msgspec.Struct, kw_only=True):
    """Residuals over their spread, as micro-logs."""

    #: Deviation before there were any, in millionths.
    prior_deviation: int
    #: In order of time, as of the last step, and those since.
    window: list[int] = []
    fresh: list[int] = []
    #: Which of the latest came in under P80, and how many of those since the last step did.
    under: list[bool] = []
    fresh_under: list[bool] = []
    #: Quantiles at 0.5 %, 1 %, ... 99.5 %, as of the last step.
    grid: list[int]

    @classmethod
    def begun(cls, deviation: float) -> Residuals:
        """Begin with none; `deviation` is that of forecasts in log seconds."""
        prior = round(MICRO * deviation)
        return cls(prior_deviation=prior, grid=_grid([], prior))

    @property
    def are_few(self) -> bool:
        """Tell whether quantiles are still made of a deviation, which a few large residuals decide."""
        return len(self.window) < _FEW

    def learn(self, residual: int) -> None:
        """Take in one, and whether it was under P80."""
        self.fresh.append(residual)
        self.fresh_under.append(residual <= self.at(0.8))

    def step(self) -> None:
        """Move the quantiles. Sorted, so that the order within a step does not count."""
        self.window = (self.window + sorted(self.fresh))[-_WINDOW:]
        self.under = (self.under + sorted(self.fresh_under))[-_JUDGED:]
        self.fresh, self.fresh_under = [], []
        self.grid = _grid(self.window, self.prior_deviation)

    def deviation(self) -> int:
        """Give the standard deviation of a normal distribution with the same inner 60 %, in millionths."""
        return round((self.at(0.8) - self.at(0.2)) / (2 * _NORMAL.inv_cdf(0.8)))

    def at(self, share: float) -> int:
        """Give a quantile; `share` is a multiple of half a per cent."""
        return self.grid[round(share * (_POINTS + 1)) - 1]

    def beyond(self, residual: int) -> int:
        """Give the mean of the residuals that are larger: what to expect of what was cut off there."""
        beyond = self.grid[bisect_right(self.grid, residual) :]
        return sum(beyond) // len(beyond) if beyond else residual

    def share_under_p80(self) -> float | None:
        """Give the share of the last 200 forecasts that came in under P80; None while there are fewer."""
        return sum(self.under) / _JUDGED if len(self.under) == _JUDGED else None

    def alarm(self) -> bool:
        """Tell whether the work has changed so much that P80 is none any more."""
        share = self.share_under_p80()
        return share is not None and not _CALM[0] <= share <= _CALM[1]


def _grid(window: list[int], prior_deviation: int) -> list[int]:
    count = len(window)
    if count >= _FEW:
        ordered = sorted(window)
        # The order statistic that covers a share of what comes next, whatever the distribution.
        return [ordered[min(-(-point * (count + 1) // (_POINTS + 1)), count) - 1] for point in range(1, _POINTS + 1)]
    squares = sum(residual * residual for residual in window)
    freedom = _PRIOR_COUNT + count
    deviation = math.sqrt((_PRIOR_COUNT * prior_deviation**2 + squares) / freedom)
    return [
        round(deviation * _student(_NORMAL.inv_cdf(point / (_POINTS + 1)), freedom))
        for point in range(1, _POINTS + 1)
    ]


def _student(normal: float, freedom: int) -> float:
    """Give Student's quantile from the normal one, to the second term (Fisher and Cornish 1960)."""
    first = (normal**3 + normal) / 4
    second = (5 * normal**5 + 16 * normal**3 + 3 * normal) / 96
    return normal + first / freedom + second / freedom**2
