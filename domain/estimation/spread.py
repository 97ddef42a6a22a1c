"""How wide the errors of a category and of a worker are beside those of all work."""

from __future__ import annotations

import math

import msgspec

from domain.estimation.features import Features
from domain.estimation.fixed import MICRO

#: Errors below 2 % are as good as none; a normal error's mean log is 0.635 under the log of its deviation.
_ERROR_MIN = 20_000
_MEAN_LOG = 635_000
#: Completions after which a spread of its own is believed by half.
_STRENGTH = 50
#: Deviation of agents' work in log seconds before anything was seen, worth 10 completions.
_PRIOR = round(MICRO * math.log(1.2))
_PRIOR_WEIGHT = 10
#: Never more than half as wide again as all work, nor narrower than two thirds.
_WIDEST = round(MICRO * math.log(1.5))


class Spread(msgspec.Struct, kw_only=True):
    """Logs of absolute errors: count and sum of all, and by category and worker of what differs."""

    total: list[int] = msgspec.field(default_factory=lambda: [_PRIOR_WEIGHT, _PRIOR_WEIGHT * _PRIOR])
    #: What is usual, as of the last step.
    usual: int = _PRIOR
    categories: dict[str, list[int]] = {}
    workers: dict[str, list[int]] = {}

    def of(self, features: Features) -> int:
        """Give the micro-log of the factor that widens the residuals of all work to those of this."""
        wider = 0
        for cells, key in ((self.categories, features.category), (self.workers, features.worker)):
            cell = cells.get(key)
            if cell is not None:
                wider += cell[1] // (cell[0] + _STRENGTH)
        return min(max(wider, -_WIDEST), _WIDEST)

    def learn(self, features: Features, error: int) -> None:
        """Take in the error of a forecast, a micro-log."""
        size = round(MICRO * math.log(max(abs(error), _ERROR_MIN) / MICRO)) + _MEAN_LOG
        self.total[0] += 1
        self.total[1] += size
        rest = size - self.usual
        for cells, key in ((self.categories, features.category), (self.workers, features.worker)):
            if key:
                cell = cells.setdefault(key, [0, 0])
                believed = cell[1] // (cell[0] + _STRENGTH)
                cell[0] += 1
                cell[1] += rest
                rest -= believed

    def step(self) -> None:
        """Move what is usual."""
        self.usual = self.total[1] // self.total[0]
