"""An estimate, and why it is what it is."""

from __future__ import annotations

import math

import msgspec

from domain.estimation.features import Features
from domain.estimation.fixed import MICRO, seconds_of
from domain.estimation.learner import Forecast, Learner
from domain.estimation.levels import LEVELS
from domain.planning.recommendation import spell

#: Effects below 5 % are not worth a word.
_WORTH_SAYING = 0.05


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """Active seconds as quantiles, with the reasons."""

    p50: float
    p80: float
    p95: float
    reasons: str


def estimate(learner: Learner, features: Features) -> Estimate:
    """Estimate an attempt that has not started."""
    forecast = learner.forecast(features)
    p50, p80, p95 = (quantile(learner, forecast, share) for share in (0.5, 0.8, 0.95))
    return Estimate(p50=p50, p80=p80, p95=p95, reasons=_reasons(learner, features, forecast, (p50, p80, p95)))


def quantile(learner: Learner, forecast: Forecast, share: float) -> float:
    """Give the seconds that so large a share of attempts do not exceed; a multiple of half a per cent."""
    return seconds_of(forecast.mean + forecast.factor * learner.state.residuals.at(share))


def _reasons(learner: Learner, features: Features, forecast: Forecast, quantiles: tuple[float, float, float]) -> str:
    state = learner.state
    base = seconds_of(forecast.base + forecast.factor * state.residuals.at(0.5))
    words = [f"base {spell(base)} ({_source(learner)})"]
    if abs(forecast.measures) >= _WORTH_SAYING * MICRO:
        words.append(f"x{_times(forecast.measures)} {_measures(features)}")
    for level, effect in zip(LEVELS, forecast.effects, strict=True):
        if effect is None or abs(effect.added) < _WORTH_SAYING * MICRO:
            continue
        name = level.name.replace("worker", f"worker {features.worker}", 1)
        if level.name == "siblings":
            name = "siblings ran long" if effect.added > 0 else "siblings ran short"
        weak = ", weak" if effect.weak else ""
        words.append(f"x{_times(effect.added)} {name} (n={effect.completions}{weak})")
    p50, p80, p95 = (spell(seconds) for seconds in quantiles)
    said = f"{' '.join(words)} -> P50 {p50}, P80 {p80}, P95 {p95}"
    under = state.residuals.share_under_p80()
    if under is None:
        return f"{said}; too few completions ({state.completions}) to say how good such forecasts are"
    said += f"; of the last 200 forecasts {under:.0%} came in under P80"
    return f"{said}: the work has changed, do not trust it" if state.residuals.alarm() else said


def _source(learner: Learner) -> str:
    state = learner.state
    return "all work" if state.completions else state.provenance


def _measures(features: Features) -> str:
    if features.planned_seconds:
        return f"planner's estimate of {spell(features.planned_seconds)}"
    return f"{features.problems} problems" if features.problems is not None else f"{features.files} files"


def _times(micro: int) -> str:
    times = math.exp(micro / MICRO)
    return f"{times:,.0f}" if times >= 10.0 else f"{times:.2g}"
