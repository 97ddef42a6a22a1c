"""How far a task is, and when it will be done.

Percent is by weight: a subtask counts as its estimated effort. The estimate of the end simulates the rest of
the graph on the workers there are, with durations drawn from the estimates; it never extrapolates
`elapsed * left / done`, which is far off while the longest subtasks still run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from statistics import NormalDist

import msgspec

from domain.ids import SubtaskId
from domain.planning.schedule import Job, simulate
from domain.task_state import ENDED, LIVE, SubtaskState, TaskState

_DRAWS = 100
#: Prior strength of "estimates are right on average", in attempts.
_SHRINKAGE = 3.0
#: What is left of work that waits for its gates and the merge.
_JUDGING_SECONDS = 0.5
_NORMAL = NormalDist()


class Eta(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds until the present phase ends, as quantiles of the simulation."""

    p50: float
    p80: float


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the present phase of a task stands."""

    percent: float
    accepted: int
    live: int
    waiting: int
    held: int
    total: int
    eta: Eta | None


def progress(state: TaskState, now: datetime, workers: int) -> Progress:
    """Measure the present phase. Held subtasks count as neither done nor to come; 100 % is all accepted.

    What was split is not counted at all, but its parts. Parked subtasks wait.
    """
    subtasks = [subtask for subtask in state.in_phase() if subtask.status != "split"]
    return Progress(
        percent=percent_done(subtasks),
        accepted=sum(subtask.status == "accepted" for subtask in subtasks),
        live=sum(subtask.status in LIVE for subtask in subtasks),
        waiting=sum(subtask.status in ("planned", "ready", "parked") for subtask in subtasks),
        held=sum(subtask.status == "held" for subtask in subtasks),
        total=len(subtasks),
        eta=eta(state, now, workers),
    )


def percent_done(subtasks: Sequence[SubtaskState]) -> float:
    """Give the share of the weight that is done, in percent; what is split is not among the subtasks of a phase."""
    if all(subtask.status == "accepted" for subtask in subtasks):
        return 100.0
    counted = [subtask for subtask in subtasks if subtask.status != "held"]
    total = sum(subtask.plan.effort.p50 for subtask in counted)
    done = sum(subtask.plan.effort.p50 * subtask.fraction for subtask in counted)
    # However little is left, it is not all.
    return min(round(100.0 * done / total, 1), 99.9) if total else 0.0


def eta(state: TaskState, now: datetime, workers: int) -> Eta | None:
    """Estimate the end of the phase; None where nothing is left. The same state gives the same answer."""
    rest = [subtask for subtask in state.in_phase() if subtask.status not in ENDED]
    if not rest:
        return None
    bias = _bias(state)
    # Not for secrets: the draws must repeat.
    source = random.Random(f"{state.id} {len(rest)}")  # noqa: S311
    places = {subtask.id: number for number, subtask in enumerate(rest)}
    busy = [places[subtask.id] for subtask in rest if subtask.status in LIVE]
    spans: list[float] = []
    for _ in range(_DRAWS if len(rest) <= 200 else 10):
        jobs = [
            Job(
                seconds=_draw(subtask, bias, now, source),
                files=subtask.plan.scope.holds,
                depends_on=tuple(places[d] for d in _awaited(state, subtask.plan.depends_on) if d in places),
                priority=subtask.plan.priority,
            )
            for subtask in rest
        ]
        spans.append(simulate(jobs, max(workers, len(busy), 1), busy=busy).makespan_seconds)
    spans.sort()
    return Eta(p50=round(spans[len(spans) // 2], 1), p80=round(spans[int(len(spans) * 0.8)], 1))


def _awaited(state: TaskState, depends_on: Iterable[SubtaskId]) -> Iterator[SubtaskId]:
    """Give what must end before: in place of what was split, its parts."""
    for subtask_id in depends_on:
        yield subtask_id
        if subtask_id in state.subtasks:
            yield from _awaited(state, state.subtasks[subtask_id].split_into)


def _bias(state: TaskState) -> float:
    """Log of actual over estimated time of what this task has finished, shrunk towards 0."""
    logs = [
        math.log(max(subtask.worked_seconds, 0.01) / max(subtask.plan.effort.p50, 0.01))
        for subtask in state.subtasks.values()
        if subtask.status == "accepted" and subtask.worked_seconds > 0 and subtask.epoch == 1
    ]
    return sum(logs) / (len(logs) + _SHRINKAGE) if logs else 0.0


def _draw(subtask: SubtaskState, bias: float, now: datetime, source: random.Random) -> float:
    """Draw the seconds that are left, for running work given that it has lasted so long already."""
    effort = subtask.plan.effort
    sigma = max(math.log(max(effort.p95, 1e-6) / max(effort.p50, 1e-6)) / 1.6449, 0.05)
    mean = math.log(max(effort.p50, 1e-6)) + bias
    if subtask.status == "reported":
        return _JUDGING_SECONDS
    if subtask.status not in LIVE or subtask.started_at is None:
        return math.exp(mean + sigma * source.gauss(0.0, 1.0))
    elapsed = max((now - subtask.started_at).total_seconds(), 1e-3)
    if subtask.fraction >= 0.1:
        # A worker that reports its progress measures itself: its own pace beats the estimate.
        return elapsed * (1.0 / min(subtask.fraction, 0.999) - 1.0)
    passed = min(_NORMAL.cdf((math.log(elapsed) - mean) / sigma), 0.9999)
    drawn = _NORMAL.inv_cdf(min(passed + (1.0 - passed) * source.random(), 0.99999))
    return max(math.exp(mean + sigma * drawn) - elapsed, 0.0)
