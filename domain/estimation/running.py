"""Work under way: how long the whole will take, given that it has taken so long already."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec

from domain.estimation.features import Report
from domain.estimation.fixed import MICRO, micro_log
from domain.estimation.learner import Forecast, Learner

_NORMAL = NormalDist()
#: Beyond the outermost quantiles (half a per cent) residuals go on as those between 10 % and half a per cent do.
_OUTERMOST = 8.0
_OUTER_POINT = 180
#: Beyond this nothing is known: what has lasted longer is taken to be as far as this.
_FLOOR_MAX = 7.0


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The residuals' distribution: at each normal score its residual, in log seconds."""

    scores: tuple[float, ...]
    residuals: tuple[float, ...]

    def at(self, score: float) -> float:
        """Give the residual at a normal score."""
        return _between(self.scores, self.residuals, score)

    def score(self, residual: float) -> float:
        """Give the normal score of a residual: the share of the others that are smaller."""
        return _between(self.residuals, self.scores, residual)


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The log of the whole time of one subtask: `mean + factor * residual`, at least that of the elapsed time."""

    mean: float
    factor: float
    #: Normal score under which no draw may fall, since so much time has passed.
    floor: float | None

    def seconds(self, curve: Curve, share: float) -> float:
        """Give a quantile of the whole time in seconds; `share` is between 0 and 1, neither included."""
        score = above(self.floor, share) if self.floor is not None else _NORMAL.inv_cdf(share)
        return math.exp(min(self.mean + self.factor * curve.at(score), 700.0))

    def expected_seconds(self, curve: Curve) -> float:
        """Give the mean of the whole time, over equal slices of what is still possible."""
        slices = 200
        return sum(self.seconds(curve, (place + 0.5) / slices) for place in range(slices)) / slices


def curve(learner: Learner) -> Curve:
    """Give the residuals' distribution as of now. Ties are pulled apart, so that it can be read both ways."""
    grid = [residual / MICRO for residual in learner.state.residuals.grid]
    count = len(grid)
    scores = [_NORMAL.inv_cdf((place + 1) / (count + 1)) for place in range(count)]
    below = (grid[count - 1 - _OUTER_POINT] - grid[0]) / (scores[count - 1 - _OUTER_POINT] - scores[0])
    above = (grid[-1] - grid[_OUTER_POINT]) / (scores[-1] - scores[_OUTER_POINT])
    grid = [
        grid[0] - below * (_OUTERMOST + scores[0]),
        *grid,
        grid[-1] + above * (_OUTERMOST - scores[-1]),
    ]
    return Curve(
        scores=(-_OUTERMOST, *scores, _OUTERMOST),
        residuals=tuple(residual + 1e-9 * place for place, residual in enumerate(grid)),
    )


def outlook(
    learner: Learner, curve: Curve, forecast: Forecast, elapsed_seconds: float = 0.0, report: Report | None = None
) -> Outlook:
    """Say what to expect of an attempt that has been active so long, and has reported its progress or not."""
    mean, factor = forecast.mean, forecast.factor
    if report is not None:
        variance = round((learner.state.residuals.deviation() * factor) ** 2 / MICRO)
        mean, narrowed = learner.state.reports.blended(report, mean, variance)
        factor *= math.sqrt(narrowed / variance) if variance else 1.0
    floor = None
    if elapsed_seconds > 0:
        passed = micro_log(elapsed_seconds) / MICRO
        floor = curve.score((passed - mean / MICRO) / factor)
        if floor > _FLOOR_MAX:
            return Outlook(mean=passed - factor * curve.at(_FLOOR_MAX), factor=factor, floor=_FLOOR_MAX)
    return Outlook(mean=mean / MICRO, factor=factor, floor=floor)


def above(floor: float, share: float) -> float:
    """Give a quantile of a normal score that is known to be above the floor."""
    # By what is left of the distribution, which is exact far out, where what has passed is 1 less a rounding error.
    left = math.erfc(floor / math.sqrt(2.0)) / 2.0
    return max(-_NORMAL.inv_cdf(max(left * (1.0 - share), 1e-300)), floor)


def _between(xs: tuple[float, ...], ys: tuple[float, ...], x: float) -> float:
    """Interpolate, and go on straight beyond the ends."""
    low, high = 0, len(xs) - 1
    while high - low > 1:
        middle = (low + high) // 2
        if xs[middle] <= x:
            low = middle
        else:
            high = middle
    return ys[low] + (ys[high] - ys[low]) * (x - xs[low]) / (xs[high] - xs[low])
