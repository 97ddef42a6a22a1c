"""Forecasts at every start of a history, each from what had ended before it."""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Iterator

import numpy as np
from batches import NEVER
from histories import UNITS, Row, completion, moments, split
from scores import Quantiles, Scores, scored

from domain.estimation.boost import Boosted, Corrected
from domain.estimation.draws import Work, drawn
from domain.estimation.explain import estimate, quantile
from domain.estimation.export import exported
from domain.estimation.features import Issued
from domain.estimation.fixed import micro_log, seconds_of
from domain.estimation.learner import Learner
from domain.estimation.prior import VAGUE, Prior
from domain.planning.recommendation import spell

_SHARES = (0.5, 0.8, 0.95)
#: Completions of other projects before one counts for the cold start, and how many of its starts do.
_OTHERS_MIN, _FIRST_STARTS = 1_000, 10
_TOTAL_DRAWS = 1_000


def ours(name: str, rows: list[Row], *, planned: bool) -> list[Quantiles]:
    """Forecast with the core model."""
    return _forecasts(rows, UNITS[name], Learner(), planned=planned)


def _forecasts(rows: list[Row], unit: float, learner: Learner, *, planned: bool) -> list[Quantiles]:
    said: list[Quantiles] = [Quantiles(0.0, 0.0, 0.0)] * len(rows)
    issued: dict[int, Issued] = {}
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        features = row.features(unit, planned=planned)
        if moment.starts:
            forecast = learner.forecast(features)
            issued[moment.row] = forecast.issued
            said[moment.row] = Quantiles(*(quantile(learner, forecast, share) / unit for share in _SHARES))
        else:
            ended = completion(row, position, unit, features, issued.pop(moment.row))
            learner.learn(ended)
    return said


def reliability(name: str, rows: list[Row]) -> tuple[dict[float, float], list[str]]:
    """Give the share of the test's actuals at or under each forecast quantile, and three explained estimates."""
    unit, learner, first = UNITS[name], Learner(), split(rows)
    shares = (*(step / 10 for step in range(1, 10)), 0.95, 0.99)
    under = dict.fromkeys(shares, 0)
    issued: dict[int, Issued] = {}
    reasons: list[str] = []
    wanted = {first + (len(rows) - first) * part // 4 for part in (1, 2, 3)}
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        features = row.features(unit, planned=True)
        if not moment.starts:
            learner.learn(completion(row, position, unit, features, issued.pop(moment.row)))
            continue
        forecast = learner.forecast(features)
        issued[moment.row] = forecast.issued
        if moment.row >= first:
            for share in shares:
                under[share] += row.effort * unit <= quantile(learner, forecast, share)
        if moment.row in wanted:
            reasons.append(f"{estimate(learner, features).reasons}. It took {spell(row.effort * unit)}.")
    return {share: count / (len(rows) - first) for share, count in under.items()}, reasons


def boosted(name: str, rows: list[Row], *, planned: bool) -> list[Quantiles]:
    """Forecast with the optional extra; it is also told what `extra` says."""
    unit, model = UNITS[name], Boosted(Learner())
    said: list[Quantiles] = [Quantiles(0.0, 0.0, 0.0)] * len(rows)
    corrected: dict[int, Corrected] = {}
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        features = row.features(unit, planned=planned, counted=True)
        if moment.starts:
            corrected[moment.row] = one = model.forecast(features)
            said[moment.row] = Quantiles(*(model.quantile(one, share) / unit for share in _SHARES))
        else:
            model.learn(completion(row, position, unit, features), corrected.pop(moment.row))
    return said


def by_quantiles(name: str, rows: list[Row], *, by_category: bool) -> list[Quantiles]:
    """Forecast with what has ended so far: of all, or of the category where there are ten or more."""
    unit = UNITS[name]
    everything: list[int] = []
    categories: defaultdict[str, list[int]] = defaultdict(list)
    said: list[Quantiles] = [Quantiles(1.0, 1.0, 1.0)] * len(rows)
    for moment in moments(rows):
        row = rows[moment.row]
        own = categories[row.category]
        if not moment.starts:
            insort(everything, micro_log(row.effort * unit))
            insort(own, micro_log(row.effort * unit))
            continue
        seen = own if by_category and len(own) >= 10 else everything
        if seen:
            count = len(seen)
            said[moment.row] = Quantiles(
                *(seconds_of(seen[min(math.ceil(s * (count + 1)), count) - 1]) / unit for s in _SHARES)
            )
    return said


def tested(rows: list[Row], said: list[Quantiles]) -> Scores:
    """Score the test part."""
    first = split(rows)
    return scored([row.effort for row in rows[first:]], said[first:])


def wholes(name: str, rows: list[Row]) -> Iterator[tuple[float, float, float]]:
    """Forecast each decomposition of two or more that begins in the test as a whole, at its first start.

    Gives its actual total beside P95 with the error that siblings share, and without.
    """
    unit, learner, first = UNITS[name], Learner(), split(rows)
    members: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        members[row.decomposition].append(row)
    issued: dict[int, Issued] = {}
    asked: set[str] = set()
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        features = row.features(unit, planned=False)
        if not moment.starts:
            learner.learn(completion(row, position, unit, features, issued.pop(moment.row)))
            continue
        issued[moment.row] = learner.forecast(features).issued
        if row.decomposition in asked:
            continue
        asked.add(row.decomposition)
        group = members[row.decomposition]
        if moment.row >= first and len(group) > 1:
            actual = sum(one.effort for one in group)
            yield actual, *(_p95(learner, group, unit, position, shared=shared) for shared in (True, False))


def _p95(learner: Learner, group: list[Row], unit: float, position: int, *, shared: bool) -> float:
    forecasts = [learner.forecast(row.features(unit, planned=False)) for row in group]
    work = [Work(forecast=one if shared else one.alone(), chances=NEVER) for one in forecasts]
    source = np.random.Generator(np.random.PCG64(position))
    totals = drawn(learner, work, _TOTAL_DRAWS, source).seconds.sum(axis=1)
    return float(np.quantile(totals, 0.95, method="higher")) / unit


def first_starts(name: str, rows: list[Row], shipped: Prior) -> dict[str, list[float]]:
    """Begin an empty ledger for each project where the test begins, and give |log ratio| of its first ten starts.

    With no prior; with the shipped one; and with one exported from what the other projects had ended by then.
    """
    unit, first = UNITS[name], split(rows)
    errors: defaultdict[str, list[float]] = defaultdict(list)
    for project in sorted({row.project for row in rows[first:]}):
        own = [row for row in rows[first:] if row.project == project]
        plain, with_plans = (_others(rows, project, unit, planned=planned) for planned in (False, True))
        for label, prior in (("vague", VAGUE), ("shipped", shipped), ("warm", plain)):
            errors[label] += _first_errors(own, unit, prior, planned=False)
        errors["warm, planned"] += _first_errors(own, unit, with_plans, planned=True)
    return errors


def young_ledgers(name: str, rows: list[Row], shipped: Prior, numbers: range) -> list[tuple[float, Quantiles]]:
    """Begin a ledger with the shipped prior for each project or agent of the test, where that has starts enough.

    Gives the actual and the forecast of its starts of these numbers; the forecasts of what was started at once know
    the same.
    """
    owners: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows[split(rows) :]:
        owners[row.project if name == "cesaw" else row.worker].append(row)
    pairs: list[tuple[float, Quantiles]] = []
    for own in owners.values():
        if len(own) >= numbers.stop:
            said = _forecasts(own[: numbers.stop], UNITS[name], Learner(prior=shipped), planned=False)
            pairs += [(own[number].effort, said[number]) for number in numbers]
    return pairs


def beginnings(name: str, rows: list[Row]) -> list[float]:
    """Give |log ratio| of the first ten starts ever of each project, with a prior from those before it."""
    unit, others = UNITS[name], Learner()
    errors: list[float] = []
    by_project: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_project[row.project].append(row)
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        if not moment.starts:
            others.learn(completion(row, position, unit, row.features(unit, planned=False)))
        elif (own := by_project.pop(row.project, None)) and others.state.completions >= _OTHERS_MIN:
            errors += _first_errors(own, unit, exported(others, "the other projects"), planned=False)
    return errors


def _others(rows: list[Row], project: str, unit: float, *, planned: bool) -> Prior:
    """Export what the other projects had ended before the test begins."""
    learner, begins = Learner(), rows[split(rows)].start
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        if not moment.starts and row.project != project and moment.time < begins:
            learner.learn(completion(row, position, unit, row.features(unit, planned=planned)))
    return exported(learner, "the other projects")


def _first_errors(rows: list[Row], unit: float, prior: Prior, *, planned: bool) -> list[float]:
    learner, errors = Learner(prior=prior), deque[float]()
    for position, moment in enumerate(moments(rows)):
        row = rows[moment.row]
        features = row.features(unit, planned=planned)
        if not moment.starts:
            learner.learn(completion(row, position, unit, features))
            continue
        said = quantile(learner, learner.forecast(features), 0.5)
        errors.append(abs(math.log(row.effort * unit / said)))
        if len(errors) == _FIRST_STARTS:
            break
    return list(errors)
