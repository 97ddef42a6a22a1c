"""List scheduling: who would do what when, and how long the whole would take.

The simulation follows the dispatcher's real rule: a free worker takes the most urgent job whose dependencies
are done and whose files nobody holds. For independent jobs that share no file, makespans of list schedules are within
(2 - 1/m) of the best possible (Graham 1966).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
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
    neighbours = _conflicts(jobs)
    order = sorted(range(len(jobs)), key=lambda i: (jobs[i].priority, -jobs[i].seconds, i))
    ends: dict[int, float] = {}
    running: list[tuple[float, int]] = []
    live: set[int] = set()
    now = 0.0

    def start(index: int) -> None:
        live.add(index)
        heapq.heappush(running, (now + jobs[index].seconds, index))

    for index in busy:
        start(index)
    waiting = [index for index in order if index not in live]
    while waiting or running:
        for index in list(waiting):
            if len(running) >= max(workers, 1):
                break
            if live.isdisjoint(neighbours[index]) and all(d in ends for d in jobs[index].depends_on):
                waiting.remove(index)
                start(index)
        if not running:
            raise ValueError("the dependencies form a cycle")
        now, done = heapq.heappop(running)
        live.discard(done)
        ends[done] = now
    return Schedule(makespan_seconds=now, ends=tuple(ends[index] for index in range(len(jobs))))


def _conflicts(jobs: Sequence[Job]) -> list[set[int]]:
    by_file: defaultdict[str, list[int]] = defaultdict(list)
    for index, job in enumerate(jobs):
        for path in job.files:
            by_file[path].append(index)
    neighbours: list[set[int]] = [set() for _ in jobs]
    for sharers in by_file.values():
        if len(sharers) > 1:
            for index in sharers:
                neighbours[index].update(other for other in sharers if other != index)
    return neighbours
