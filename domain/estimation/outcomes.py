"""How often attempts fail or stand still, by category and worker (Beta-Bernoulli)."""

from __future__ import annotations

import msgspec

from domain.estimation.features import Completion, Features
from domain.estimation.fixed import MICRO, micro_log

#: Before anything was seen: one in twenty fails and one in twenty stands still, worth 20 attempts.
_PRIOR = (20, 1, 1)
#: Attempts after which a category's or worker's own rate is believed by half.
_STRENGTH = 20
#: How long blocks last before any was seen: 10 minutes, with a deviation of 1 in log seconds, worth 5 blocks.
_BLOCK_WEIGHT, _BLOCK_MEAN, _BLOCK_VARIANCE = 5, micro_log(600.0), MICRO


class Chances(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the Beta distributions of an attempt's failing and standing still."""

    failing: tuple[float, float]
    blocking: tuple[float, float]
    #: Of the log of seconds that it stands still.
    block_mean: float
    block_deviation: float


class Outcomes(msgspec.Struct, kw_only=True):
    """Attempts, failures, blocks: of all, by category, by worker; and the micro-logs of the blocks."""

    total: list[int] = msgspec.field(default_factory=lambda: list(_PRIOR))
    categories: dict[str, list[int]] = {}
    workers: dict[str, list[int]] = {}
    block_logs: list[int] = msgspec.field(
        default_factory=lambda: [
            _BLOCK_WEIGHT * _BLOCK_MEAN,
            _BLOCK_WEIGHT * (_BLOCK_MEAN * _BLOCK_MEAN // MICRO + _BLOCK_VARIANCE),
        ]
    )

    def learn(self, completion: Completion) -> None:
        """Take in how an attempt has ended."""
        seen = (1, int(completion.failed or completion.censored), int(completion.blocked_seconds > 0))
        features = completion.features
        counts = [self.total]
        if features.category:
            counts.append(self.categories.setdefault(features.category, [0, 0, 0]))
        if features.worker:
            counts.append(self.workers.setdefault(features.worker, [0, 0, 0]))
        for count in counts:
            for place, one in enumerate(seen):
                count[place] += one
        if completion.blocked_seconds > 0:
            log = micro_log(completion.blocked_seconds)
            self.block_logs[0] += log
            self.block_logs[1] += log * log // MICRO

    def chances(self, features: Features) -> Chances:
        """Give what to expect of an attempt."""
        rates = [
            self.categories.get(features.category, [0, 0, 0]),
            self.workers.get(features.worker, [0, 0, 0]),
        ]
        attempts = sum(counts[0] for counts in rates)
        blocks = self.total[2] - _PRIOR[2] + _BLOCK_WEIGHT
        mean = self.block_logs[0] / blocks
        variance = self.block_logs[1] / blocks / MICRO - (mean / MICRO) ** 2
        return Chances(
            failing=self._beta(1, sum(counts[1] for counts in rates), attempts),
            blocking=self._beta(2, sum(counts[2] for counts in rates), attempts),
            block_mean=mean / MICRO,
            block_deviation=max(variance, 0.0) ** 0.5,
        )

    def _beta(self, place: int, seen: int, attempts: int) -> tuple[float, float]:
        usual = self.total[place] / self.total[0]
        return seen + _STRENGTH * usual, attempts - seen + _STRENGTH * (1.0 - usual)
