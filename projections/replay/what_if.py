"""The same work under other choices, simulated beside what happened.

What was done keeps the time that it took; what was not done (other subtasks, other estimates) is drawn from the
effort model. The dispatcher's rule is the one that ends are estimated by (`domain/estimation/simulation.py`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from domain.estimation.draws import Work, drawn
from domain.estimation.graph import Graph, Task
from domain.estimation.learner import Learner
from domain.estimation.outcomes import Chances
from domain.estimation.simulation import Crew, Floats, run
from domain.estimation.subtasks import features_of, slow_down
from domain.events import SubtaskPlanned
from domain.ids import SubtaskId
from projections.replay.changes import Changes
from projections.replay.rounds import Done, Hold, Round

_DRAWS = 500
#: What is known of no task: an attempt's cost beside its active time, in seconds.
_OVERHEAD_SECONDS = 0.5
#: Standard normal quantile of 95 %.
_Z95 = 1.6449
#: A given share of failures is believed as if it had been seen so often.
_SURE = 1e6


class Planned(NamedTuple):
    """A subtask that is to be simulated, and what was done of the same, if anything."""

    id: SubtaskId
    plan: SubtaskPlanned
    done: Done | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How long all rounds take together, in seconds; the same thrice where nothing is drawn."""

    p50: float
    p80: float
    p95: float
    #: For how long workers were kept, on average.
    worker_seconds: float
    workers: int
    subtasks: int

    @property
    def speedup(self) -> float:
        """Worker time over P50: what one worker would take one after the other, against what it took."""
        return self.worker_seconds / self.p50 if self.p50 else 0.0


class Simulator:
    """Simulates the rounds of one task."""

    def __init__(
        self, rounds: Sequence[Round], changes: Changes, learner: Learner | None, attempts_max: int, seed: str
    ) -> None:
        self._rounds = rounds
        self._changes = changes
        self._learner = learner
        self._attempts_max = attempts_max
        self._source = np.random.Generator(
            np.random.PCG64(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"))
        )
        holds = [hold for one in rounds for done in one.subtasks.values() for hold in done.holds]
        beside = [hold.seconds - hold.active_seconds for hold in holds if hold.outcome == "accepted"]
        self._overhead = max(sum(beside) / len(beside), 0.0) if beside else _OVERHEAD_SECONDS

    def outcome(self, planned: Mapping[int, Sequence[Planned]]) -> Outcome:
        """Simulate the subtasks of each phase on the workers that are asked for, else on those that there were."""
        ends, worked, most = np.zeros(_DRAWS), 0.0, 0
        for one in self._rounds:
            jobs = self._jobs(planned[one.phase])
            crew = _crew(one, self._changes.workers)
            seconds, waits = self._times(one, jobs, len(crew))
            graph = Graph(_tasks(jobs))
            spans = run(graph, seconds, waits, crew).makespans
            if np.isinf(spans).any():
                # With other times they would have stayed longer.
                spans = run(graph, seconds, waits, [Crew(joins_in=member.joins_in) for member in crew]).makespans
            ends += spans
            worked += float(seconds.sum(axis=1).mean())
            most = max(most, len(crew))
        p50, p80, p95 = (round(float(np.quantile(ends, share, method="higher")), 3) for share in (0.5, 0.8, 0.95))
        count = sum(len(planned[one.phase]) for one in self._rounds)
        return Outcome(p50=p50, p80=p80, p95=p95, worker_seconds=round(worked, 3), workers=most, subtasks=count)

    def _jobs(self, subtasks: Sequence[Planned]) -> list[_Job]:
        """Take attempts apart, one after the other, as far as they are to be as they were."""
        jobs = []
        for subtask in subtasks:
            holds = subtask.done.holds if subtask.done is not None and not self._changes.estimator else []
            if self._changes.failures is not None:
                # Those that failed then are left out: others fail now, and cost as much as the last one.
                holds = [msgspec.structs.replace(hold, apart_seconds=0.0) for hold in holds[-1:]]
            jobs += [_Job(subtask, hold, first=number == 0) for number, hold in enumerate(holds)]
            if not holds:
                jobs.append(_Job(subtask, None, first=True))
        return jobs

    def _times(self, one: Round, jobs: Sequence[_Job], workers: int) -> tuple[Floats, Floats]:
        """Give for each draw how long each job keeps a worker, and stands apart."""
        count = len({job.subtask.id for job in jobs})
        # Where workers share processors, more of them make each one slower.
        submitted = one.before.submitted
        then, now = (slow_down(submitted, min(number, count)) for number in (len(one.joined), workers))
        seconds, waits = np.zeros((_DRAWS, len(jobs))), np.zeros((_DRAWS, len(jobs)))
        for place, job in enumerate(jobs):
            if job.hold is not None:
                seconds[:, place] = job.hold.seconds * now / then
                waits[:, place] = job.hold.apart_seconds
        kept = [place for place, job in enumerate(jobs) if job.hold is not None]
        if kept and self._changes.failures is not None:
            seconds[:, kept] *= self._attempts(len(kept))
        foretold = [place for place, job in enumerate(jobs) if job.hold is None]
        if foretold:
            subtasks = [jobs[place].subtask for place in foretold]
            if self._changes.estimator == "raw":
                seconds[:, foretold] = self._raw(subtasks)
            else:
                seconds[:, foretold], waits[:, foretold] = self._foretold(one, subtasks, now)
        return seconds, waits

    def _attempts(self, count: int) -> Floats:
        """Draw how many attempts each subtask takes, where each fails with the chance that is supposed."""
        share = self._changes.failures or 0.0
        tries = self._source.geometric(1.0 - share, (_DRAWS, count)) if share else np.ones((_DRAWS, count))
        attempts: Floats = np.minimum(tries, self._attempts_max).astype(np.float64)
        return attempts

    def _raw(self, subtasks: Sequence[Planned]) -> Floats:
        """Believe the planner's own estimates as they stand, with the spread of the efforts that it gave."""
        efforts = [subtask.plan.effort for subtask in subtasks]
        means = np.array([math.log(max(effort.prior or effort.p50, 1e-3)) for effort in efforts])
        spreads = np.array([math.log(max(effort.p95 / max(effort.p50, 1e-9), 1.0)) / _Z95 for effort in efforts])
        scores = self._source.standard_normal((_DRAWS, len(efforts)))
        seconds: Floats = (np.exp(means + spreads * scores) + self._overhead) * self._attempts(len(efforts))
        return seconds

    def _foretold(self, one: Round, subtasks: Sequence[Planned], slower: float) -> tuple[Floats, Floats]:
        learner = self._learner or Learner()
        work = []
        for subtask in subtasks:
            features = features_of(one.before.id, one.before.submitted, subtask.plan, one.observed.tool)
            chances = learner.state.outcomes.chances(features)
            work.append(
                Work(
                    forecast=learner.forecast(features),
                    chances=chances if self._changes.failures is None else _failing(chances, self._changes.failures),
                    limit_seconds=subtask.plan.scope.time_budget_seconds,
                    overhead_seconds=self._overhead,
                    slow_down=slower,
                )
            )
        came = drawn(learner, work, _DRAWS, self._source)
        return came.seconds, came.waits


class _Job(NamedTuple):
    subtask: Planned
    #: The attempt that it stands for; None: its time is to be drawn.
    hold: Hold | None
    #: Whether it is the first of its subtask; else it comes after the one before.
    first: bool


def as_recorded(rounds: Sequence[Round]) -> dict[int, list[Planned]]:
    """Give the subtasks of each phase as there were."""
    return {
        one.phase: [Planned(done.id, done.plan, done) for done in one.subtasks.values() if done.holds]
        for one in rounds
    }


def matched(one: Round, plans: Sequence[tuple[SubtaskId, SubtaskPlanned]]) -> list[Planned]:
    """Give the subtasks of another plan; those that there were as well, file for file, with what was done of them."""
    known = {_content(done.plan): done for done in one.subtasks.values() if done.holds}
    return [Planned(subtask_id, plan, known.get(_content(plan))) for subtask_id, plan in plans]


def happened(rounds: Sequence[Round]) -> Outcome:
    """Say how long it took in fact."""
    seconds = round(sum(one.seconds for one in rounds), 3)
    holds = [hold for one in rounds for done in one.subtasks.values() for hold in done.holds]
    return Outcome(
        p50=seconds,
        p80=seconds,
        p95=seconds,
        worker_seconds=round(sum(hold.seconds for hold in holds), 3),
        workers=max((len(one.joined) for one in rounds), default=0),
        subtasks=sum(bool(done.holds) for one in rounds for done in one.subtasks.values()),
    )


def _content(plan: SubtaskPlanned) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    return plan.scope.files, plan.scope.codes, len(plan.problems)


def _failing(chances: Chances, share: float) -> Chances:
    return msgspec.structs.replace(chances, failing=(_SURE * share, _SURE * (1.0 - share)))


def _crew(one: Round, workers: int | None) -> list[Crew]:
    """Let workers come when they came; further ones come as the middle one of those did."""
    order = sorted(one.joined, key=lambda worker: one.joined[worker])
    left = one.left
    there = [Crew(joins_in=one.joined[worker], leaves_in=left.get(worker, math.inf)) for worker in order]
    if workers is None:
        return there
    # Who was lost was lost to that run: the number that is asked for is there to the end.
    staying = [msgspec.structs.replace(member, leaves_in=math.inf) for member in there[:workers]]
    middle = staying[len(staying) // 2] if staying else Crew()
    return staying + [middle] * (workers - len(staying))


def _tasks(jobs: Sequence[_Job]) -> list[Task]:
    lasts = {job.subtask.id: place for place, job in enumerate(jobs)}
    parts = {
        job.subtask.id: job.subtask.done.split_into
        for job in jobs
        if job.subtask.done and job.subtask.done.split_into
    }
    whole = {part: subtask_id for subtask_id, into in parts.items() for part in into}
    tasks = []
    for place, job in enumerate(jobs):
        plan = job.subtask.plan
        awaited = {part for other in plan.depends_on for part in (other, *parts.get(other, ()))}
        if job.subtask.id in whole:
            awaited.add(whole[job.subtask.id])
        before = (lasts[other] for other in awaited if other in lasts) if job.first else (place - 1,)
        tasks.append(
            Task(
                priority=plan.priority,
                expected_seconds=plan.effort.p50,
                files=plan.scope.holds,
                depends_on=tuple(sorted(before)),
            )
        )
    return tasks
