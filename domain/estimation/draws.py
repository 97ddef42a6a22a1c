"""How long the open work may still take: many draws, in which work that has something in common errs together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec
import numpy as np

from domain.estimation.features import Report
from domain.estimation.learner import Forecast, Learner
from domain.estimation.outcomes import Chances
from domain.estimation.running import Curve, Outlook, above, curve, outlook
from domain.estimation.simulation import Floats

#: Work is tried again so often at most.
_RETRIES = 2
#: Beyond this nothing is known of a blocker: what has lasted longer is taken to be as far as this.
_FLOOR_MAX = 7.0
_NORMAL = NormalDist()


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an open subtask's time."""

    forecast: Forecast
    chances: Chances
    #: None: it is not running.
    elapsed_seconds: float | None = None
    #: How long an attempt at it was that was lost: the next one takes longer than that.
    lost_seconds: float = 0.0
    #: The latest word of its worker.
    report: Report | None = None
    #: Its worker is done: only the gates and the merge are left.
    reported: bool = False
    #: No attempt lasts longer: its lease or time budget ends then.
    limit_seconds: float | None = None
    #: What keeps its worker busy beside the active time: making ready, gates, the merge.
    overhead_seconds: float = 0.0
    #: By how much more than its active time an attempt lasts, where workers share processors.
    slow_down: float = 1.0
    #: How long its blocker has been open; None where it has none.
    blocked_seconds: float | None = None
    #: Number of the other in the list whose end is the answer.
    waits_for: int | None = None
    #: Seconds for which it stands still beside that.
    opens_in: float = 0.0

    @property
    def running(self) -> bool:
        """Tell whether a worker has it."""
        return self.elapsed_seconds is not None or self.reported


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """By draw and subtask: for how long it keeps a worker, stands still at its end, and cannot start."""

    seconds: Floats
    waits: Floats
    opens: Floats


def drawn(learner: Learner, work: Sequence[Work], count: int, source: np.random.Generator) -> Drawn:
    """Draw the rest of each subtask's time `count` times."""
    residuals = curve(learner)
    outlooks = [
        outlook(learner, residuals, one.forecast, one.elapsed_seconds or one.lost_seconds, one.report) for one in work
    ]
    scores = _scores([one.forecast for one in work], count, source)
    seconds = _left(work, outlooks, residuals, scores)
    failing = _chances([one.chances.failing for one in work], count, source)
    for _ in range(_RETRIES):
        rows, columns = np.nonzero(source.random(seconds.shape) < failing)
        again = _unstarted(work, outlooks, residuals, source.standard_normal(rows.size), columns)
        seconds[rows, columns] += again
        # Whatever has not failed will not fail later.
        kept = np.zeros_like(failing)
        kept[rows, columns] = failing[rows, columns]
        failing = kept
    seconds *= np.array([one.slow_down for one in work])
    seconds += np.array([one.overhead_seconds for one in work])
    waits, opens = _waits(work, count, source), _delays(work, seconds, source)
    # Who is blocked keeps its worker.
    running = np.array([one.running for one in work])
    seconds[:, running] += opens[:, running]
    opens[:, running] = 0.0
    return Drawn(seconds=seconds, waits=waits, opens=opens)


def _scores(forecasts: Sequence[Forecast], count: int, source: np.random.Generator) -> Floats:
    """Draw normal scores; what forecasts share (siblings, a category, ...) is drawn once for all of them."""
    scores = source.standard_normal((count, len(forecasts)))
    own = np.array([1.0 - sum(part for _, part in one.shared) / 1e6 for one in forecasts])
    scores *= np.sqrt(np.maximum(own, 0.0))
    members: dict[str, list[tuple[int, float]]] = {}
    for column, forecast in enumerate(forecasts):
        for key, part in forecast.shared:
            members.setdefault(key, []).append((column, math.sqrt(part / 1e6)))
    for shared in members.values():
        columns = [column for column, _ in shared]
        factor = source.standard_normal((count, 1))
        scores[:, columns] += factor * np.array([weight for _, weight in shared])
    return scores


def _left(work: Sequence[Work], outlooks: Sequence[Outlook], residuals: Curve, scores: Floats) -> Floats:
    """Turn scores into seconds that are left."""
    for column, expected in enumerate(outlooks):
        if expected.floor is not None:
            scores[:, column] = _above(scores[:, column], expected.floor)
    means = np.array([expected.mean for expected in outlooks])
    factors = np.array([expected.factor for expected in outlooks])
    limits = np.array([one.limit_seconds if one.limit_seconds is not None else np.inf for one in work])
    elapsed = np.array([one.elapsed_seconds or 0.0 for one in work])
    seconds: Floats = np.interp(scores, residuals.scores, residuals.residuals)
    seconds *= factors
    seconds += means
    np.exp(np.minimum(seconds, 700.0), out=seconds)
    np.minimum(seconds, limits, out=seconds)
    np.maximum(seconds - elapsed, 0.0, out=seconds)
    seconds[:, [column for column, one in enumerate(work) if one.reported]] = 0.0
    return seconds


def _above(scores: Floats, floor: float) -> Floats:
    """Move normal scores to where they are, among those above the floor."""
    table = np.linspace(-5.0, 5.0, 400)
    moved: Floats = np.interp(scores, table, [above(floor, _NORMAL.cdf(score)) for score in table.tolist()])
    return moved


def _unstarted(
    work: Sequence[Work],
    outlooks: Sequence[Outlook],
    residuals: Curve,
    scores: Floats,
    columns: np.typing.NDArray[np.int64],
) -> Floats:
    """Give the whole time of further attempts."""
    means = np.array([expected.mean for expected in outlooks])[columns]
    factors = np.array([expected.factor for expected in outlooks])[columns]
    limits = np.array([one.limit_seconds if one.limit_seconds is not None else np.inf for one in work])[columns]
    logs = means + factors * np.interp(scores, residuals.scores, residuals.residuals)
    seconds: Floats = np.minimum(np.exp(np.minimum(logs, 700.0)), limits)
    return seconds


def _chances(betas: Sequence[tuple[float, float]], count: int, source: np.random.Generator) -> Floats:
    """Draw probabilities; what has the same history shares its draws."""
    distinct = sorted(set(betas))
    places = {beta: place for place, beta in enumerate(distinct)}
    tables = np.column_stack([source.beta(max(a, 1e-6), max(b, 1e-6), count) for a, b in distinct])
    chances: Floats = tables[:, [places[beta] for beta in betas]]
    return chances


def _waits(work: Sequence[Work], count: int, source: np.random.Generator) -> Floats:
    """Draw how long each stands still: mostly not at all."""
    waits = np.zeros((count, len(work)))
    blocking = _chances([one.chances.blocking for one in work], count, source)
    rows, columns = np.nonzero(source.random(waits.shape) < blocking)
    means = np.array([one.chances.block_mean for one in work])
    deviations = np.array([one.chances.block_deviation for one in work])
    waits[rows, columns] = np.exp(means[columns] + deviations[columns] * source.standard_normal(rows.size))
    waits[:, [column for column, one in enumerate(work) if one.reported]] = 0.0
    return waits


def _delays(work: Sequence[Work], seconds: Floats, source: np.random.Generator) -> Floats:
    """Draw how long blockers stay open, given that they have been open so long already."""
    delays = np.tile(np.array([one.opens_in for one in work]), (len(seconds), 1))
    for column, one in enumerate(work):
        if one.blocked_seconds is None:
            continue
        if one.waits_for is not None:
            delays[:, column] += seconds[:, one.waits_for]
            continue
        mean, deviation = one.chances.block_mean, max(one.chances.block_deviation, 1e-6)
        passed = max(one.blocked_seconds, 1e-3)
        floor = min((math.log(passed) - mean) / deviation, _FLOOR_MAX)
        scores = _above(source.standard_normal(len(seconds)), floor)
        delays[:, column] += np.maximum(np.exp(np.minimum(mean + deviation * scores, 700.0)) - passed, 0.0)
    return delays
