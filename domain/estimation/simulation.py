"""The dispatcher's rule, for many draws at once: whoever is free first takes the most urgent work that may start.

Work may start when all it depends on has ended and nobody holds a file of it. All draws take one step at a time, each
for itself: a worker takes up work, or waits until some may start. In tables, rows are jobs, most urgent first, and
columns are draws: draws do much the same at the same time, so that they mostly touch the same memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
#: The most urgent jobs, which are looked at first; and blocks of which is known when at the earliest one may start.
_FRONT, _BLOCK = 48, 32
_WITHIN = np.arange(_BLOCK)[:, None]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of open work."""

    #: Lower goes first; then the longest; then the earliest in the list.
    priority: int = 0
    expected_seconds: float = 0.0
    files: frozenset[str] = frozenset()
    #: Numbers of others in the list that must end before.
    depends_on: tuple[int, ...] = ()
    running: bool = False
    #: Seconds until a blocker is resolved.
    opens_in: float = 0.0


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, in seconds from now; who leaves ends what is begun."""

    joins_in: float = 0.0
    leaves_in: float = float("inf")


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    #: By draw; infinite where all workers left before the end.
    makespans: Floats
    #: By task: share of the draws in which the end depends on it.
    critical: Floats


class Graph:
    """The tasks in the order of their urgency, and what each one's end sets free."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.order = sorted(
            range(len(tasks)), key=lambda i: (not tasks[i].running, tasks[i].priority, -tasks[i].expected_seconds, i)
        )
        rows = {number: row for row, number in enumerate(self.order)}
        dependents: list[list[int]] = [[] for _ in tasks]
        self.blockers = np.zeros(len(tasks) + 1, dtype=np.int32)
        users: defaultdict[str, list[int]] = defaultdict(list)
        for row, number in enumerate(self.order):
            task = tasks[number]
            for earlier in set(task.depends_on):
                dependents[rows[earlier]].append(row)
            # What is running has everything that it waited for.
            self.blockers[row] = 0 if task.running else len(set(task.depends_on))
            for path in task.files:
                users[path].append(row)
        sharing: list[set[int]] = [set() for _ in tasks]
        for together in users.values():
            for row in together:
                sharing[row].update(together)
        self.dependents, self.dependent_counts = _padded(dependents)
        self.sharing, self.sharing_counts = _padded([sorted(others - {row}) for row, others in enumerate(sharing)])
        self.running = sum(task.running for task in tasks)
        #: How many ends set something else free, or hold it up.
        self.links = int(self.dependent_counts.sum() + self.sharing_counts.sum())
        self.opens = np.array([*(0.0 if tasks[i].running else tasks[i].opens_in for i in self.order), 0.0])


def _padded(lists: Sequence[Sequence[int]]) -> tuple[Numbers, Numbers]:
    """Give lists as a rectangle, filled up with a column that is no job."""
    counts = np.array([len(one) for one in lists] + [0], dtype=np.int64)
    table = np.full((len(lists) + 1, int(counts.max())), len(lists), dtype=np.int64)
    for row, one in enumerate(lists):
        table[row, : len(one)] = one
    return table, counts


def run(graph: Graph, seconds: Floats, waits: Floats, crew: Sequence[Crew]) -> Runs:
    """Carry everything out once for each row of `seconds`, what is left of each task's active time.

    `waits` is how long a task stands still before its end without keeping its worker busy. Raises `ValueError` where
    dependencies form a cycle.
    """
    draws, jobs = seconds.shape
    if not jobs:
        return Runs(makespans=np.zeros(draws), critical=np.zeros(0))
    order = np.array(graph.order)
    steps = _Steps(graph, np.ascontiguousarray(seconds.T[order]), np.ascontiguousarray(waits.T[order]), crew)
    while steps.step():
        pass
    critical = np.zeros(jobs)
    critical[graph.order] = steps.critical()
    return Runs(makespans=steps.ends[:jobs].max(axis=0), critical=critical)


class _Steps:
    """The state of all draws. The last row of each table is no job: rectangles of numbers are filled up with it."""

    def __init__(self, graph: Graph, seconds: Floats, waits: Floats, crew: Sequence[Crew]) -> None:
        self.jobs, draws = seconds.shape
        self.graph, self.seconds, self.waits = graph, seconds, waits
        self.draws = np.arange(draws)
        # Whoever is gone already, for what is running without a worker.
        crew = [*crew, *(Crew(leaves_in=0.0) for _ in range(max(graph.running, 1) - len(crew)))]
        self.leaves = np.array([one.leaves_in for one in crew])
        self.all_stay = bool(np.isinf(self.leaves).all())
        self.free = np.tile(np.array([one.joins_in for one in crew]), (draws, 1))
        #: The job that each worker did last: what a start waits for, if not for anything else.
        self.last = np.full((draws, len(crew)), -1, dtype=np.int32)
        self.blockers = np.repeat(graph.blockers[:, None], draws, axis=1)
        #: From when on a job may start as far as is known, and what that is owed to.
        self.opens = np.repeat(graph.opens[:, None], draws, axis=1)
        self.owed = np.full((self.jobs + 1, draws), -1, dtype=np.int32)
        #: The same, infinite where it waits for something that has not begun, or is begun itself.
        blocks = self.jobs // _BLOCK + 1
        self.ready = np.full((blocks * _BLOCK, draws), np.inf)
        self.ready[: self.jobs] = np.where(self.blockers > 0, np.inf, self.opens)[: self.jobs]
        #: By block: no job of it may start before.
        self.floors = self.ready.reshape(blocks, _BLOCK, draws).min(axis=1)
        #: Infinite until it has begun.
        self.ends = np.full((self.jobs + 1, draws), np.inf)
        self.before = np.full((self.jobs + 1, draws), -1, dtype=np.int32)
        self.left = np.full(draws, self.jobs)
        self.first = 0
        for job in range(graph.running):
            self._begin(self.draws, np.full(draws, job), np.full(draws, job), np.zeros(draws))
        self.before[: graph.running] = -1
        self._dismiss()

    def step(self) -> bool:
        """Let one worker of each draw take up work, or wait; tell whether anything is left to do."""
        workers = self.free.argmin(axis=1)
        now = self.free[self.draws, workers]
        going = (self.left > 0) & np.isfinite(now)
        if not going.any():
            return False
        jobs = self._most_urgent(np.where(going, now, -1.0))
        found = jobs < self.jobs
        if found.all():
            self._begin(self.draws, jobs, workers, now)
        else:
            self._begin(self.draws[found], jobs[found], workers[found], now[found])
            self._wait(self.draws[going & ~found])
        self._dismiss()
        return True

    def _most_urgent(self, now: Floats) -> Numbers:
        """Give for each draw the first job that may start by now; the number of jobs where there is none."""
        while self.first < self.jobs and np.isfinite(self.ends[self.first]).all():
            self.first += 1
        low, high = self.first, min(self.first + _FRONT, self.jobs)
        numbers = np.arange(low, high, dtype=np.int32)[:, None]
        # Mostly the next ones may start: they lie side by side.
        jobs: Numbers = (
            np.where(self.ready[low:high] <= now, numbers, np.int32(self.jobs)).min(axis=0).astype(np.int64)
        )
        draws = self.draws[(jobs == self.jobs) & (now >= 0)]
        while draws.size:
            may = self.floors[:, draws] <= now[draws]
            draws, blocks = draws[may.any(axis=0)], may.argmax(axis=0)[may.any(axis=0)]
            rows = blocks * _BLOCK + _WITHIN
            opens = self.ready[rows, draws]
            found = opens <= now[draws]
            hit = found.any(axis=0)
            jobs[draws[hit]] = (blocks * _BLOCK + found.argmax(axis=0))[hit]
            draws, blocks, opens = draws[~hit], blocks[~hit], opens[:, ~hit]
            self.floors[blocks, draws] = opens.min(axis=0)
        return jobs

    def _begin(self, draws: Numbers, jobs: Numbers, workers: Numbers, now: Floats) -> None:
        if not draws.size:
            return
        free = now + self.seconds[jobs, draws]
        ends = free + self.waits[jobs, draws]
        before = self.last[draws, workers]
        if self.graph.links:
            owed = self.owed[jobs, draws]
            before = np.where((owed >= 0) & (self.opens[jobs, draws] >= now), owed, before)
        self.before[jobs, draws] = before
        self.free[draws, workers] = free
        self.last[draws, workers] = jobs
        self.ends[jobs, draws] = ends
        self.ready[jobs, draws] = np.inf
        self.left[draws] -= 1
        for table, counts, counted in (
            (self.graph.dependents, self.graph.dependent_counts, True),
            (self.graph.sharing, self.graph.sharing_counts, False),
        ):
            if table.size:
                touched = counts[jobs] > 0
                self._tell(draws[touched], jobs[touched], ends[touched], table, counted=counted)

    def _tell(self, draws: Numbers, jobs: Numbers, ends: Floats, table: Numbers, *, counted: bool) -> None:
        """Let others know when a job will end."""
        # By pairs: few have as many others as the one that has most.
        others = table[jobs]
        rows, places = np.nonzero(others < self.jobs)
        others, across, ends = others[rows, places], draws[rows], ends[rows]
        if counted:
            self.blockers[others, across] -= 1
        opens = self.opens[others, across]
        later = opens < ends
        self.opens[others, across] = opens = np.where(later, ends, opens)
        self.owed[others[later], across[later]] = jobs[rows[later]]
        waiting = np.isfinite(self.ends[others, across]) | (self.blockers[others, across] > 0)
        self.ready[others, across] = opens = np.where(waiting, np.inf, opens)
        np.minimum.at(self.floors, (others // _BLOCK, across), opens)

    def _wait(self, draws: Numbers) -> None:
        """Let everybody who is free wait until some work may start."""
        if not draws.size:
            return
        opens = self.ready[self.first :, draws].min(axis=0)
        if np.isinf(opens).any():
            raise ValueError("the dependencies form a cycle")
        self.free[draws] = np.maximum(self.free[draws], opens[:, None])

    def _dismiss(self) -> None:
        if not self.all_stay:
            self.free[self.free >= self.leaves] = np.inf

    def critical(self) -> Floats:
        """Follow each draw back from its last end, and give each job's share of the draws."""
        counts = np.zeros(self.jobs)
        draws, current = self.draws, self.ends[: self.jobs].argmax(axis=0)
        while draws.size:
            np.add.at(counts, current, 1.0)
            before = self.before[current, draws]
            draws, current = draws[before >= 0], before[before >= 0].astype(np.int64)
        return counts / self.draws.size
