"""The dispatcher's rule, for many draws at once: whoever is free first takes the most urgent work that may start.

Work may start when all it depends on has ended and nobody holds a file of it. All draws take one step at a time, each
for itself: the next thing happens that was to happen, and a worker that is idle takes up work. Jobs are numbered by
urgency, and those that may start are bits of whole words, so that the most urgent one is the lowest bit that is set.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.estimation.graph import Graph, Numbers

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]
#: Jobs that are told of by one word.
_BITS = 64
_ONE = np.uint64(1)
#: Added to what keeps a job from starting when it has begun, so that it never starts again.
_BEGUN = 1 << 24


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """One worker, in seconds from now; who leaves ends what is begun."""

    joins_in: float = 0.0
    leaves_in: float = float("inf")


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    #: By draw; infinite where all workers left before the end.
    makespans: Floats
    #: Of the draws that were carried out with one more worker as well.
    with_one_more: Floats
    #: By task: share of the draws in which the end depends on it.
    critical: Floats


def run(
    graph: Graph,
    seconds: Floats,
    waits: Floats,
    crew: Sequence[Crew],
    *,
    opens: Floats | None = None,
    one_more: int = 0,
) -> Runs:
    """Carry everything out once for each row of `seconds`, what is left of each task's active time.

    `waits` is how long a task stands still before its end without keeping its worker busy. `opens` is how long it
    cannot start, beside the tasks' own `opens_in`. The first `one_more` rows are carried out with one worker more as
    well.
    """
    draws, jobs = seconds.shape
    one_more = min(one_more, draws)
    if not jobs:
        return Runs(makespans=np.zeros(draws), with_one_more=np.zeros(one_more), critical=np.zeros(0))
    rows = np.concatenate([np.arange(draws), np.arange(one_more)])
    opening = np.broadcast_to(graph.opens[:, None], (jobs, rows.size))
    if opens is not None:
        opening = opening + _turned(opens, graph.order, rows)
    turned_seconds, turned_waits = (_turned(table, graph.order, rows) for table in (seconds, waits))
    steps = _Steps(graph, turned_seconds, turned_waits, opening, crew, one_more)
    while steps.step():
        pass
    critical = np.zeros(jobs)
    critical[graph.order] = steps.critical(draws)
    makespans = steps.ends.reshape(jobs, -1).max(axis=0)
    return Runs(makespans=makespans[:draws], with_one_more=makespans[draws:], critical=critical)


def _turned(table: Floats, order: Sequence[int], rows: Numbers) -> Floats:
    """Give a table by job, in the order of their urgency, and draw."""
    return np.ascontiguousarray(table.T[order][:, rows])


class _Steps:
    """The state of all draws.

    Tables by job and draw are flat: draws do much the same at the same time, so that they touch the same memory.
    """

    def __init__(
        self, graph: Graph, seconds: Floats, waits: Floats, opens: Floats, crew: Sequence[Crew], one_more: int
    ) -> None:
        self.jobs, count = seconds.shape
        self.count = count
        self.graph, self.seconds, self.waits = graph, seconds.reshape(-1), waits.reshape(-1)
        self.now = np.zeros(count)
        self.left = np.full(count, self.jobs)
        self.going = np.ones(count, dtype=bool)
        self.ends = np.full(self.jobs * count, np.inf)
        self.before = np.full(count * self.jobs, -1, dtype=np.int32)
        #: By job why it may not start, as a number of reasons; since when it may, and whose end that is owed to.
        self.blocked = np.repeat(graph.blockers, count)
        self.since = np.zeros(count * self.jobs)
        self.owed = np.full(count * self.jobs, -1, dtype=np.int32)
        #: The jobs that may start, as bits, and how many they are.
        self.width = self.jobs // _BITS + 1
        self.may: Words = np.zeros(count * self.width, dtype=np.uint64)
        self.may_count = np.zeros(count, dtype=np.int64)
        self._hire(crew, one_more)
        self._expect(waits, opens)
        every = np.arange(count)
        for job in range(graph.running):
            self._begin(every, np.full(count, job), np.full(count, job))
        self.before[:] = -1
        jobs, draws = np.nonzero(self.blocked.reshape(self.jobs, count) == 0)
        self._admit(draws, jobs)

    def _hire(self, crew: Sequence[Crew], one_more: int) -> None:
        """Let workers come; whoever is gone already stands for those of running jobs that have no worker."""
        crew = [*crew, *(Crew(leaves_in=0.0) for _ in range(self.graph.running - len(crew)))]
        count = self.count
        # The last place is that of the one more that some draws have.
        self.crew = len(crew) + 1
        self.leaves = np.array([*(one.leaves_in for one in crew), np.inf])
        #: Until when each worker is busy, infinite for those who are not, and with which job.
        self.busy = np.full((count, self.crew), np.inf)
        self.doing = np.full((count, self.crew), -1, dtype=np.int64)
        #: The job that each worker did last: what a start waits for, if not for anything else.
        self.last = np.full((count, self.crew), -1, dtype=np.int32)
        for number, one in enumerate(crew):
            if number >= self.graph.running and one.joins_in > 0:
                self.busy[:, number] = one.joins_in
        here = [
            number
            for number, one in enumerate(crew)
            if number >= self.graph.running and one.joins_in <= 0 < one.leaves_in
        ]
        #: Who is idle: a stack for each draw, and its height.
        self.idle = np.zeros((count, self.crew), dtype=np.int64)
        self.idle[:, : len(here)] = here[::-1]
        self.idle_count = np.full(count, len(here))
        self.idle[count - one_more :, len(here)] = len(crew)
        self.idle_count[count - one_more :] += 1

    def _expect(self, waits: Floats, opens: Floats) -> None:
        """Make room for what happens to jobs that no worker is at: blockers resolved, ends of what stood still."""
        closed = opens > 0
        room = int(((waits > 0).sum(axis=0) + closed.sum(axis=0)).max()) + 1
        self.later = np.full((self.count, room), np.inf)
        #: The job; its complement where it is not its end but its opening.
        self.later_jobs = np.zeros((self.count, room), dtype=np.int64)
        self.later_count = np.zeros(self.count, dtype=np.int64)
        self.next_later = np.full(self.count, np.inf)
        self.blocked += closed.reshape(-1)
        for job in np.flatnonzero(closed.any(axis=1)):
            draws = np.flatnonzero(closed[job])
            self._put_off(draws, np.full(draws.size, ~job), opens[job, draws])

    # --- a step ---

    def step(self) -> bool:
        """Let the next thing happen in each draw, and one worker take up work; tell whether anything is left."""
        self._happen(np.flatnonzero(self.going & ~((self.may_count > 0) & (self.idle_count > 0))))
        self._start(np.flatnonzero(self.going & (self.may_count > 0) & (self.idle_count > 0)))
        return bool(self.going.any())

    def _happen(self, draws: Numbers) -> None:
        if not draws.size:
            return
        busy = self.busy if draws.size == len(self.busy) else self.busy[draws]
        workers = busy.argmin(axis=1)
        free = busy[np.arange(draws.size), workers]
        later = self.next_later[draws]
        now = np.minimum(free, later)
        if np.isinf(now).any():
            # Nobody is left who could do the rest.
            self.going[draws[np.isinf(now)]] = False
        self.now[draws] = now
        first = later < free
        if first.any():
            self._happen_later(draws[first])
        freed = ~first & np.isfinite(free)
        if freed.all():
            self._free(draws, workers)
        else:
            self._free(draws[freed], workers[freed])

    def _free(self, draws: Numbers, workers: Numbers) -> None:
        """Let workers put down what they have done."""
        jobs = self.doing[draws, workers]
        self.busy[draws, workers] = np.inf
        self.idle[draws, self.idle_count[draws]] = workers
        self.idle_count[draws] += self.leaves[workers] > self.now[draws]
        done = jobs >= 0
        if not done.all():
            # Who has come just now has done nothing.
            draws, jobs = draws[done], jobs[done]
        waits = self.waits[jobs * self.count + draws]
        stands = waits > 0
        if stands.any():
            still = draws[stands]
            self._put_off(still, jobs[stands], self.now[still] + waits[stands])
            draws, jobs = draws[~stands], jobs[~stands]
        self._end(draws, jobs)

    def _put_off(self, draws: Numbers, jobs: Numbers, until: Floats) -> None:
        places = self.later_count[draws]
        self.later[draws, places] = until
        self.later_jobs[draws, places] = jobs
        self.later_count[draws] += 1
        self.next_later[draws] = np.minimum(self.next_later[draws], until)

    def _happen_later(self, draws: Numbers) -> None:
        places = self.later[draws].argmin(axis=1)
        jobs = self.later_jobs[draws, places]
        self.later[draws, places] = np.inf
        self.next_later[draws] = self.later[draws].min(axis=1)
        opened = jobs < 0
        self._end(draws[~opened], jobs[~opened])
        draws, jobs = draws[opened], ~jobs[opened]
        at = jobs * self.count + draws
        self.blocked[at] -= 1
        ready = self.blocked[at] == 0
        self._admit(draws[ready], jobs[ready])

    def _end(self, draws: Numbers, jobs: Numbers) -> None:
        """Let others know that jobs have ended."""
        frees = self.graph.frees
        if not frees.others.size:
            return
        rows, places = frees.of(jobs)
        others, draws = frees.others[places], draws[rows]
        at = others * self.count + draws
        reasons = self.blocked[at] - self.graph.reasons[places]
        self.blocked[at] = reasons
        ready = np.flatnonzero(reasons == 0)
        self.owed[at[ready]] = jobs[rows[ready]]
        self._admit(draws[ready], others[ready])

    def _admit(self, draws: Numbers, jobs: Numbers) -> None:
        """Let jobs start from now on."""
        self.since[jobs * self.count + draws] = self.now[draws]
        np.add.at(self.may, draws * self.width + jobs // _BITS, _ONE << (jobs % _BITS).astype(np.uint64))
        self.may_count += np.bincount(draws, minlength=self.count)

    def _withdraw(self, draws: Numbers, jobs: Numbers) -> None:
        np.subtract.at(self.may, draws * self.width + jobs // _BITS, _ONE << (jobs % _BITS).astype(np.uint64))
        self.may_count -= np.bincount(draws, minlength=self.count)

    def _start(self, draws: Numbers) -> None:
        """Let an idle worker of each draw take the most urgent job that may start."""
        if not draws.size:
            return
        self.idle_count[draws] -= 1
        workers = self.idle[draws, self.idle_count[draws]]
        stays = self.leaves[workers] > self.now[draws]
        if not stays.all():
            # Whoever has left meanwhile is struck off the list.
            draws, workers = draws[stays], workers[stays]
        words = self.may.reshape(-1, self.width)[draws]
        places = (words != 0).argmax(axis=1)
        word = words[np.arange(draws.size), places]
        jobs = places * _BITS + np.bitwise_count(~word & (word - _ONE))
        self._withdraw(draws, jobs)
        self._begin(draws, jobs, workers)

    def _begin(self, draws: Numbers, jobs: Numbers, workers: Numbers) -> None:
        at, now = jobs * self.count + draws, self.now[draws]
        free = now + self.seconds[at]
        self.before[at] = np.where(self.since[at] >= now, self.owed[at], self.last[draws, workers])
        self.blocked[at] += _BEGUN
        self.busy[draws, workers] = free
        self.doing[draws, workers] = jobs
        self.last[draws, workers] = jobs
        self.ends[at] = free + self.waits[at]
        left = self.left[draws] - 1
        self.left[draws] = left
        self.going[draws] = left > 0
        self._hold(draws, jobs)

    def _hold(self, draws: Numbers, jobs: Numbers) -> None:
        """Keep others from starting that share a file with what has begun."""
        holds = self.graph.holds
        if not holds.others.size:
            return
        rows, places = holds.of(jobs)
        others, draws = holds.others[places], draws[rows]
        at = others * self.count + draws
        reasons = self.blocked[at]
        self.blocked[at] = reasons + 1
        was_ready = np.flatnonzero(reasons == 0)
        # While the running ones begin nothing has been admitted yet.
        if self.may_count.any():
            self._withdraw(draws[was_ready], others[was_ready])

    def critical(self, count: int) -> Floats:
        """Follow each of the first draws back from its last end, and give each job's share of them."""
        counts = np.zeros(self.jobs)
        draws, current = np.arange(count), self.ends.reshape(self.jobs, -1)[:, :count].argmax(axis=0)
        while draws.size:
            np.add.at(counts, current, 1.0)
            before = self.before[current * self.count + draws].astype(np.int64)
            draws, current = draws[before >= 0], before[before >= 0]
        return counts / count
