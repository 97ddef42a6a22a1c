"""List scheduling: who would do what when, and how long the whole would take.

The simulation follows the dispatcher's real rule: a free worker takes the most urgent job whose dependencies
are done and whose files nobody holds. For independent jobs that share no file, makespans of list schedules are within
(2 - 1/m) of the best possible (Graham 1966).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work in the simulation."""

    seconds: float
    #: Jobs that share a file may not run at once.
    files: frozenset[str]
    #: Indices of jobs that must be done before.
    depends_on: tuple[int, ...] = ()
    #: Lower goes first.
    priority: int = 0


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a simulation."""

    makespan_seconds: float
    #: When each job ends, in the order of the jobs.
    ends: tuple[float, ...]


def simulate(jobs: Sequence[Job], workers: int, *, busy: Sequence[int] = ()) -> Schedule:
    """Run the jobs on so many workers; `busy` are jobs that are running already, each on a worker of its own.

    Raises `ValueError` where dependencies form a cycle.
    """
    return Simulation(jobs).run(workers, busy=busy)


class Simulation:
    """Jobs that are run again and again: on other numbers of workers, or with other durations."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._seconds: Sequence[float] = [job.seconds for job in jobs]
        users = Counter(path for job in jobs for path in job.files)
        # What only one job touches holds nobody up.
        self._contested = [[path for path in job.files if users[path] > 1] for job in jobs]
        self._dependents: defaultdict[int, list[int]] = defaultdict(list)
        self._blockers = [len(set(job.depends_on)) for job in jobs]
        for index, job in enumerate(jobs):
            for earlier in set(job.depends_on):
                self._dependents[earlier].append(index)
        order = sorted(range(len(jobs)), key=lambda i: (jobs[i].priority, -jobs[i].seconds, i))
        self._ranks = [0] * len(jobs)
        for rank, index in enumerate(order):
            self._ranks[index] = rank

    # In one piece: a call for each step would double the time, and plans are simulated a hundred times.
    def run(  # noqa: C901
        self, workers: int, seconds: Sequence[float] | None = None, *, busy: Sequence[int] = ()
    ) -> Schedule:
        """Run everything once; `seconds` are what the jobs really take, where that is not what was expected.

        Raises `ValueError` where dependencies form a cycle.
        """
        workers = max(workers, 1)
        taken = self._seconds if seconds is None else seconds
        contested, dependents, ranks = self._contested, self._dependents, self._ranks
        blockers = self._blockers.copy()
        holder: dict[str, int] = {}
        #: By the job that holds their file: those that wait for its end.
        parked: defaultdict[int, list[int]] = defaultdict(list)
        ends = [-1.0] * len(taken)
        now = 0.0
        running = [(taken[index], index) for index in busy]
        heapq.heapify(running)
        for index in busy:
            holder.update(dict.fromkeys(contested[index], index))
        already = frozenset(busy)
        ready = [(rank, i) for i, rank in enumerate(ranks) if not blockers[i] and i not in already]
        heapq.heapify(ready)
        for _ in ends:
            while ready and len(running) < workers:
                _, index = heapq.heappop(ready)
                held = next((holder[path] for path in contested[index] if path in holder), None)
                if held is not None:
                    parked[held].append(index)
                    continue
                for path in contested[index]:
                    holder[path] = index
                heapq.heappush(running, (now + taken[index], index))
            if not running:
                raise ValueError("the dependencies form a cycle")
            now, done = heapq.heappop(running)
            ends[done] = now
            for path in contested[done]:
                if holder.get(path) == done:
                    del holder[path]
            freed = parked.pop(done, [])
            for index in dependents.get(done, ()):
                blockers[index] -= 1
                if not blockers[index] and index not in already:
                    freed.append(index)
            for index in freed:
                heapq.heappush(ready, (ranks[index], index))
        return Schedule(makespan_seconds=now, ends=tuple(ends))
