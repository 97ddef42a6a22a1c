"""How good forecasts were: scores of single ones, and of many."""

from __future__ import annotations

import math

import msgspec

#: Nothing is taken to last shorter, in seconds: logs have no end there.
_SHORTEST = 1e-3


def log_ratio(actual: float, p50: float) -> float:
    """Give the log of actual over expected seconds: 0.69 took twice as long."""
    return math.log(max(actual, _SHORTEST) / max(p50, _SHORTEST))


def pinball(quantile: float, actual: float, share: float) -> float:
    """Give the loss of a quantile forecast: least on average for the true quantile (Koenker and Bassett 1978)."""
    return share * (actual - quantile) if actual >= quantile else (1.0 - share) * (quantile - actual)


class Quantiles(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast in seconds."""

    p50: float
    p80: float
    p95: float


class Methods(msgspec.Struct, frozen=True, kw_only=True):
    """The same attempts as several methods would have foretold them."""

    #: The effort model; what was usual of the category so far; the plan as it was recorded; its shipped prior alone.
    model: Score
    usual: Score
    planned: Score
    raw: Score

    @property
    def skill(self) -> float:
        """By how much the model is better than what was usual of the category."""
        return self.model.skill(self.usual)


class Scores:
    """Sums over the forecasts of one method."""

    def __init__(self) -> None:
        self.forecasts = 0
        self._absolute = self._pinball = self._logs = 0.0
        self._under80 = self._under95 = 0

    def add(self, said: Quantiles, actual: float) -> None:
        """Hold a forecast against what has come, in seconds."""
        self.forecasts += 1
        self._absolute += abs(actual - said.p50)
        self._pinball += pinball(said.p80, actual, 0.8)
        self._logs += abs(log_ratio(actual, said.p50))
        self._under80 += actual <= said.p80
        self._under95 += actual <= said.p95

    def score(self) -> Score | None:
        """Give the means; None where there was no forecast."""
        count = self.forecasts
        if not count:
            return None
        return Score(
            forecasts=count,
            mae_seconds=self._absolute / count,
            pinball80=self._pinball / count,
            log_error=self._logs / count,
            under_p80=self._under80 / count,
            under_p95=self._under95 / count,
        )


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Means over the forecasts of one method."""

    forecasts: int
    #: Mean absolute error of the P50, in seconds.
    mae_seconds: float
    #: Mean pinball loss of the P80, in seconds.
    pinball80: float
    #: Mean absolute log of actual over expected.
    log_error: float
    #: Shares of actuals at or under P80 and P95, 0 to 1.
    under_p80: float
    under_p95: float

    def skill(self, reference: Score) -> float:
        """Give by how much the P80 is better than another method's: 1 is perfect, 0 as good, less is worse."""
        return 1.0 - self.pinball80 / reference.pinball80 if reference.pinball80 > 0.0 else 0.0
