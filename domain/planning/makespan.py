"""How long an arrangement would take on so many workers, given that no estimate is exact."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from statistics import NormalDist, fmean

import msgspec

from domain.effort import Work, base
from domain.plan import Effort
from domain.planning.arrangement import Arrangement
from domain.planning.request import Request
from domain.planning.schedule import Job, Simulation
from domain.planning.units import Bin, demands_of, domain_in, files_of

#: Runs that are simulated with durations drawn from the estimates' spread, fewer where there are many jobs.
_DRAWS_MAX, _DRAWS_MIN = 24, 8
_STEPS_MAX = 1200

#: Scores of the normal distribution at its quantiles.
_Z80, _Z95 = 0.8416, 1.6449


class Makespan(msgspec.Struct, frozen=True, kw_only=True):
    """Wall time in seconds over the simulated runs.

    Plans are compared by the mean: the median of one long subtask lies far below its mean where estimates are as wide
    as those of agents, and would make it look faster than the same work in two halves.
    """

    mean: float
    #: Four in five runs take no longer.
    p80: float


def work_of(content: Bin, request: Request) -> Work:
    """Say of a subtask what its estimate rests on."""
    demands = demands_of(content)
    return Work(
        unit=demands,
        domain=domain_in(content),
        prior_seconds=base(request.worker, demands) + sum(unit.prior for unit in content),
        problems=sum(len(unit.problems) for unit in content),
        files=len(files_of(content)),
    )


def makespan(arrangement: Arrangement, workers: int, request: Request) -> Makespan:
    """Simulate an arrangement.

    A subtask costs its overhead beside its work, and each further worker its start, one after the other. Where the
    worker keeps a processor busy, more workers than processors slow each other down.
    """
    # Nobody starts a worker that has nothing to do.
    workers = min(workers, max(len(arrangement.bins), 1))
    overhead = request.costs.overhead
    slow_down = max(1.0, workers / request.cores) if request.cores else 1.0
    estimator = request.estimates
    works = [work_of(content, request) for content in arrangement.bins]
    estimates = [estimator.effort(work) for work in works]
    shared = [estimator.shared(work) for work in works]
    jobs = [
        Job(
            seconds=estimate.p50 * slow_down + overhead,
            files=holds,
            depends_on=depends_on,
            priority=number,
        )
        for number, (estimate, holds, depends_on) in enumerate(
            zip(estimates, arrangement.holds, arrangement.depends_on, strict=True)
        )
    ]
    simulation = Simulation(jobs)
    runs = sorted(
        simulation.run(workers, seconds).makespan_seconds + overhead * (workers - 1)
        for seconds in _draws(estimates, shared, request, slow_down)
    )
    return Makespan(mean=round(fmean(runs), 3), p80=round(_quantile(runs, 0.8), 3))


def _draws(
    estimates: Sequence[Effort], shared: Sequence[float], request: Request, slow_down: float
) -> list[list[float]]:
    """Draw durations of all jobs, the same for every number of workers; what they share, once for all.

    Each job's draws are the middles of equal slices of its distribution in an order of its own (Latin hypercube,
    McKay et al. 1979): few runs then show the spread as well as many independent ones.
    """
    count = max(_DRAWS_MIN, min(_DRAWS_MAX, _STEPS_MAX // max(len(estimates), 1)))
    scores = [NormalDist().inv_cdf((place + 0.5) / count) for place in range(count)]
    order = random.Random(20_241_101)  # noqa: S311 - a simulation
    common = [0.0] * count
    if any(shared):
        order.shuffle(scores)
        common = scores.copy()
    columns = []
    for estimate, part in zip(estimates, shared, strict=True):
        apart, together = math.sqrt(1.0 - part), math.sqrt(part)
        limit = request.budget_seconds(estimate)
        order.shuffle(scores)
        columns.append(
            [
                min(_seconds_at(estimate, apart * score + together * other), limit) * slow_down
                + request.costs.overhead
                for score, other in zip(scores, common, strict=True)
            ]
        )
    return [list(row) for row in zip(*columns, strict=True)] if columns else [[]]


def _seconds_at(estimate: Effort, score: float) -> float:
    """Give the seconds at a score of the normal distribution: their log is linear from quantile to quantile."""
    if estimate.p50 <= 0:
        return 0.0
    if score <= _Z80:
        return estimate.p50 * math.pow(estimate.p80 / estimate.p50, score / _Z80)
    return estimate.p80 * math.pow(estimate.p95 / estimate.p80, (score - _Z80) / (_Z95 - _Z80))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
