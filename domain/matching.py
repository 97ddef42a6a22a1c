"""Who gets what: the workers that wait for work, and the subtasks that wait for a worker.

One subtask after the other is given out, the most urgent first:

1. by priority, which rises by one for each `ageing_seconds` that a subtask has been ready: whatever newer work comes,
   sooner or later nothing goes before it;
2. tasks take turns: the one with the fewest live leases, so that a huge task does not hold up a small one;
3. the longest effort, so that no long subtask is begun last (LPT, Graham 1969);
4. who has been ready longest, and the name.

It goes to the worker with the best measured expertise for its kind of work, of those that have waited longest; among
equals to who has waited longest. What no waiting worker may take, and what shares a held file with what was just
given out, is passed over.

The order is not the best matching: that would make an urgent subtask wait for a better worker.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

#: Workers whose skills are compared for a subtask: of more, those that have waited longest. A thousand may wait, and
#: each skill takes some microseconds.
_COMPARED_MAX = 100


class Skills(Protocol):
    """Who knows what workers are good at."""

    def skill(self, worker: str, category: str, repository: str) -> float:
        """Give a worker's skill at a kind of work in a repository; 0.0 where nothing is known of it."""


class Applicant(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that waits for work."""

    worker_id: str
    waiting_since: datetime
    #: Takes only work of this task.
    task_id: str | None = None
    #: Takes only work on this repository.
    repository: str | None = None
    #: Takes no work of these tasks.
    without_tasks: frozenset[str] = frozenset()
    #: Leases that the worker holds; of two that have waited equally long, the one with fewer goes first.
    live_leases: int = 0


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask that may be handed out: it is ready, and no live lease holds a file of it."""

    task_id: str
    subtask_id: str
    repository: str
    #: Lower goes first.
    priority: int
    ready_at: datetime
    #: In seconds.
    effort_p50: float
    #: The kind of work, as its effort names it.
    category: str = ""
    #: The files in which nobody else may work meanwhile.
    holds: frozenset[str] = frozenset()
    #: Live leases of its task; the same in all offers of a task.
    task_leases: int = 0
    #: How many more its task may have at once; None: no limit. Where offers of a task differ, the lowest counts.
    leases_left: int | None = None


def match(
    waiting: Sequence[Applicant],
    offers: Sequence[Offer],
    expertise: Skills,
    now: datetime,
    ageing_seconds: float,
) -> list[tuple[int, int]]:
    """Pair indices into `waiting` with indices into `offers`, in the order in which they are given out.

    Each is in one pair at most; two offers of a task that share a held file never both are, and a task never gets
    more than its leases left. The order of the input does not matter. `ageing_seconds` is positive; infinite: no
    ageing.
    """
    bench = _Bench(waiting, expertise)
    tasks: dict[str, _TaskOffers] = {}
    for index, offer in enumerate(offers):
        tasks.setdefault(offer.task_id, _TaskOffers()).add(index, offer, now, ageing_seconds)
    heads = [head for task in tasks.values() if (head := task.first()) is not None]
    heapq.heapify(heads)
    pairs = []
    while heads and bench.size:
        _, _, (*_, index) = heads[0]
        offer = offers[index]
        task = tasks[offer.task_id]
        if task.may_have(offer) and (applicant := bench.take_for(offer)) is not None:
            task.give(offer)
            pairs.append((applicant, index))
        # A task's turn depends on its own leases alone, so that no other head has to move.
        if (head := task.next()) is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, head)
    return pairs


def effective_priority(priority: int, ready_at: datetime, now: datetime, ageing_seconds: float) -> int:
    """Give the priority after ageing: one less, so more urgent, for each `ageing_seconds` since `ready_at`."""
    # Ready in the future: by another machine's clock.
    waited_seconds = max((now - ready_at).total_seconds(), 0.0)
    return priority - math.floor(waited_seconds / ageing_seconds)


#: What decides between offers of one effective priority whose tasks have as many leases, and the offer's index: minus
#: its effort, ready since, name.
_Rest = tuple[float, datetime, str, int]


class _TaskOffers:
    """The offers of one task, the most urgent first, and what was given out of them."""

    def __init__(self) -> None:
        self._ranks: list[tuple[int, _Rest]] = []
        self._leases = 0
        self._left = math.inf
        self._given_files: set[str] = set()

    def add(self, index: int, offer: Offer, now: datetime, ageing_seconds: float) -> None:
        priority = effective_priority(offer.priority, offer.ready_at, now, ageing_seconds)
        self._ranks.append((priority, (-offer.effort_p50, offer.ready_at, offer.subtask_id, index)))
        self._leases = max(self._leases, offer.task_leases)
        if offer.leases_left is not None:
            self._left = min(self._left, offer.leases_left)

    def first(self) -> tuple[int, int, _Rest] | None:
        self._ranks.sort(reverse=True)
        return self.next()

    def next(self) -> tuple[int, int, _Rest] | None:
        """Take the most urgent of those that are left; None where no more may be given out."""
        if not self._ranks or self._left <= 0:
            return None
        priority, rest = self._ranks.pop()
        return priority, self._leases, rest

    def may_have(self, offer: Offer) -> bool:
        return self._given_files.isdisjoint(offer.holds)

    def give(self, offer: Offer) -> None:
        self._leases += 1
        self._left -= 1
        self._given_files |= offer.holds


class _Bench:
    """The workers that wait, each known by its place in the order of waiting."""

    def __init__(self, waiting: Sequence[Applicant], expertise: Skills) -> None:
        self._expertise = expertise
        self._indices = sorted(range(len(waiting)), key=lambda index: _seniority(waiting[index]))
        self._workers = [waiting[index].worker_id for index in self._indices]
        #: By what they take: their places, ascending.
        self._pools: dict[tuple[str | None, str | None, frozenset[str]], list[int]] = {}
        #: Seldom more than the empty one.
        self._left_out = {applicant.without_tasks for applicant in waiting}
        for place, index in enumerate(self._indices):
            applicant = waiting[index]
            key = (applicant.task_id, applicant.repository, applicant.without_tasks)
            self._pools.setdefault(key, []).append(place)
        #: By kind of work and repository: skills by place, as far as was asked for.
        self._skills: dict[tuple[str, str], dict[int, float]] = {}
        self.size = len(waiting)

    def take_for(self, offer: Offer) -> int | None:
        """Take the best worker for an offer from the bench, and give its index; None where nobody may have it."""
        filters = [
            (task_id, repository, without)
            for task_id in (None, offer.task_id)
            for repository in (None, offer.repository)
            for without in self._left_out
            if offer.task_id not in without
        ]
        pools = [pool for key in filters if (pool := self._pools.get(key))]
        if not pools:
            return None
        # Of equal skills, the first in the order of waiting.
        _, place, pool = min((*self._best(pool[:_COMPARED_MAX], offer), pool) for pool in pools)
        pool.remove(place)
        self.size -= 1
        return self._indices[place]

    def _best(self, places: Sequence[int], offer: Offer) -> tuple[float, int]:
        """Give minus the best skill of some workers, and the first place that has it."""
        key = (offer.category, offer.repository)
        skills = self._skills.setdefault(key, {})
        for place in places:
            if place not in skills:
                skills[place] = self._expertise.skill(self._workers[place], *key)
        best = max(places, key=skills.__getitem__)
        return -skills[best], best


def _seniority(applicant: Applicant) -> tuple[datetime, int, str, str, str, list[str]]:
    return (
        applicant.waiting_since,
        applicant.live_leases,
        applicant.worker_id,
        applicant.task_id or "",
        applicant.repository or "",
        sorted(applicant.without_tasks),
    )
