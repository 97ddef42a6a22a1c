"""Workers' own word on their progress, as a second and noisy measurement of the whole time.

A fraction p after t seconds says that the whole takes t / p. How far that is off is learned by how much had been
done; it is used only where it has made forecasts better.
"""

from __future__ import annotations

import msgspec

from domain.estimation.features import Report
from domain.estimation.fixed import MICRO, micro_log

#: Upper ends of the buckets of the fraction done.
_BUCKETS = (0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
#: Reports of a bucket before it may be used, and what stands in for them: a deviation of 1 in log seconds.
_USED_FROM = 20
_PRIOR_WEIGHT = 5
#: Less than this share done says nothing.
_FRACTION_MIN = 0.01


class Reports(msgspec.Struct, kw_only=True):
    """By bucket: how many, their squared errors, and the absolute errors with and without them, in millionths."""

    buckets: list[list[int]] = msgspec.field(default_factory=lambda: [[0, 0, 0, 0] for _ in _BUCKETS])

    def learn(self, report: Report, actual: int, mean: int, variance: int) -> None:
        """Take in a report of an attempt that has ended; `mean` and `variance` are those of its forecast."""
        if not _FRACTION_MIN <= report.fraction < 1.0:
            return
        bucket = self.buckets[_place(report)]
        measured = _measured(report)
        blended, _ = self._blended(bucket, measured, mean, variance)
        bucket[0] += 1
        bucket[1] += (measured - actual) ** 2 // MICRO
        bucket[2] += abs(blended - actual)
        bucket[3] += abs(mean - actual)

    def blended(self, report: Report, mean: int, variance: int) -> tuple[int, int]:
        """Give mean and variance of the log of the whole time, given a report, in millionths."""
        if not _FRACTION_MIN <= report.fraction < 1.0:
            return mean, variance
        bucket = self.buckets[_place(report)]
        # The mean absolute error in logs is the pinball loss of the median, twice.
        if bucket[0] < _USED_FROM or bucket[2] >= bucket[3]:
            return mean, variance
        return self._blended(bucket, _measured(report), mean, variance)

    @staticmethod
    def _blended(bucket: list[int], measured: int, mean: int, variance: int) -> tuple[int, int]:
        noise = (bucket[1] + _PRIOR_WEIGHT * MICRO) // (bucket[0] + _PRIOR_WEIGHT)
        both = max(noise + variance, 1)
        return mean + (measured - mean) * variance // both, noise * variance // both


def _place(report: Report) -> int:
    return next(place for place, end in enumerate(_BUCKETS) if report.fraction <= end)


def _measured(report: Report) -> int:
    return micro_log(report.elapsed_seconds / report.fraction)
