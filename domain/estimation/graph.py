"""The open work as a graph, in the order of its urgency: what waits for what, and what shares files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


class CycleError(ValueError):
    """Tasks wait for one another in a circle."""


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


class Graph:
    """The tasks in the order of their urgency, and what each one's end sets free.

    Raises `CycleError` where dependencies form a cycle.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = tasks
        self.order = sorted(
            range(len(tasks)), key=lambda i: (not tasks[i].running, tasks[i].priority, -tasks[i].expected_seconds, i)
        )
        rows = {number: row for row, number in enumerate(self.order)}
        dependents: list[set[int]] = [set() for _ in tasks]
        self.blockers = np.zeros(len(tasks), dtype=np.int32)
        users: defaultdict[str, list[int]] = defaultdict(list)
        for row, number in enumerate(self.order):
            task = tasks[number]
            # What is running has everything that it waited for.
            for earlier in () if task.running else set(task.depends_on):
                dependents[rows[earlier]].add(row)
                self.blockers[row] += 1
            for path in task.files:
                users[path].append(row)
        _refuse_cycles(dependents, self.blockers)
        sharing: list[set[int]] = [set() for _ in tasks]
        for together in users.values():
            for row in together:
                sharing[row].update(together)
        for row, others in enumerate(sharing):
            others.discard(row)
        #: By job: which others it holds up while it lasts, which its end concerns, and how many reasons end with it.
        self.holds = Lists(sharing)
        self.frees = Lists([own | also for own, also in zip(dependents, sharing, strict=True)])
        self.reasons = np.array(
            [
                (other in own) + (other in also)
                for own, also in zip(dependents, sharing, strict=True)
                for other in sorted(own | also)
            ],
            dtype=np.int32,
        )
        self.running = sum(task.running for task in tasks)
        #: How many ends set something else free, or hold it up.
        self.links = self.holds.others.size + self.frees.others.size
        self.opens = np.array([0.0 if tasks[i].running else tasks[i].opens_in for i in self.order])


def _refuse_cycles(dependents: Sequence[set[int]], blockers: NDArray[np.int32]) -> None:
    left = blockers.tolist()
    free = [row for row, count in enumerate(left) if not count]
    for row in free:
        for other in dependents[row]:
            left[other] -= 1
            if not left[other]:
                free.append(other)
    if len(free) < len(left):
        raise CycleError("the dependencies form a cycle")


class Lists:
    """A list of other jobs for each job."""

    def __init__(self, lists: Sequence[set[int]]) -> None:
        self.counts = np.array([len(one) for one in lists], dtype=np.int64)
        self.starts = np.cumsum(self.counts) - self.counts
        self.others = np.array([other for one in lists for other in sorted(one)], dtype=np.int64)

    def of(self, jobs: Numbers) -> tuple[Numbers, Numbers]:
        """Give pairs: places in `jobs`, and places in `others`."""
        counts = self.counts[jobs]
        shifts = self.starts[jobs] - (np.cumsum(counts) - counts)
        rows = np.repeat(np.arange(jobs.size), counts)
        return rows, np.arange(rows.size) + np.repeat(shifts, counts)
