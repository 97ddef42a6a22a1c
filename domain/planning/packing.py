"""Packing of units into subtasks: one root cause in one head, loads within bounds and equal.

The measured reason for splitting by file and not by code: on a published tree (boto 2.49.0) with 41,401
violations of 20 rules, one branch per rule made 11 of 20 branches conflict when merged, rules packed on 8
workers 7 of 8, files split over 8 workers none, and that result equalled the one of a single worker. One rule
also held 71 % of all violations, so rules alone cannot balance.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Sequence

from domain.planning.request import Request, Strategy
from domain.planning.units import Bin, Unit, holds_of, load

#: Subtasks a worker should get on average: enough that the last to finish does not keep the others waiting.
_SUBTASKS_PER_WORKER = 2


class Packing:
    """Units, ready to be packed for any number of workers."""

    def __init__(self, units: Sequence[Unit], request: Request, strategy: Strategy) -> None:
        self._request = request
        by_cause = strategy == "root-cause"
        self._causes = [unit for unit in units if by_cause and unit.kind == "cause"]
        self._local = [unit for unit in units if not by_cause or unit.kind != "cause"]

    def for_workers(self, workers: int) -> list[Bin]:
        """Pack for so many workers."""
        bins = _join_by_file(self._causes, self._head(workers))
        free = _absorb(self._local, bins, self._request) if bins else self._local
        bins = _join_small(bins, self._request)
        realms: defaultdict[str, list[Unit]] = defaultdict(list)
        for unit in sorted(free, key=lambda unit: (-unit.weight, unit.title)):
            realms[unit.realm].append(unit)
        total = sum(unit.weight for unit in free)
        for _, units in sorted(realms.items()):
            share = sum(unit.weight for unit in units) / total if total else 1.0
            # A realm has the share of the workers that it has of the work.
            bins += self._balance(units, max(1, round(workers * share)))
        return bins

    def _head(self, workers: int) -> float:
        """Say up to how many seconds causes that meet in a file are joined: less where more could work at once."""
        costs = self._request.costs
        each = sum(unit.weight for unit in self._causes) / (workers * _SUBTASKS_PER_WORKER)
        return min(max(each, costs.effort_min), costs.effort_max)

    def _balance(self, units: Sequence[Unit], workers: int) -> list[Bin]:
        """Spread units over equal loads: the largest first, each into the emptiest bin (LPT, Graham 1969)."""
        total = sum(unit.weight for unit in units)
        costs = self._request.costs
        wanted = max(
            min(workers * _SUBTASKS_PER_WORKER, int(total / costs.effort_min)),
            int(total / costs.effort_max) + 1,
            min(workers, len(units)),
        )
        # As many for each worker: with three on two workers, one of them would wait for half the time.
        rounds = -(-wanted // workers)
        bins: list[Bin] = [[] for _ in range(min(rounds * workers, len(units)))]
        loads = [(0.0, number) for number in range(len(bins))]
        for unit in units:
            held, number = heapq.heappop(loads)
            bins[number].append(unit)
            heapq.heappush(loads, (held + unit.weight, number))
        return bins


def _join_by_file(causes: Sequence[Unit], seconds_max: float) -> list[Bin]:
    """Put causes that meet in files into one subtask, as long as it takes no more than so many seconds."""
    bins: list[Bin] = []
    loads: list[float] = []
    in_file: defaultdict[str, set[int]] = defaultdict(set)
    for unit in sorted(causes, key=lambda unit: (-len(unit.problems), unit.title)):
        meetings = Counter(number for path in unit.holds for number in in_file[path])
        fitting = [number for number in meetings if loads[number] + unit.weight <= seconds_max]
        if fitting:
            target = min(fitting, key=lambda number: (-meetings[number], loads[number], number))
        else:
            target = len(bins)
            bins.append([])
            loads.append(0.0)
        bins[target].append(unit)
        loads[target] += unit.weight
        for path in unit.holds:
            in_file[path].add(target)
    return bins


def _absorb(local: Sequence[Unit], causes: Sequence[Bin], request: Request) -> list[Unit]:
    """Give each file's local edits to a cause that works in that file anyway; return those with none."""
    in_file: defaultdict[str, list[int]] = defaultdict(list)
    loads = [load(content) for content in causes]
    for number, content in enumerate(causes):
        for path in holds_of(content):
            in_file[path].append(number)
    free: list[Unit] = []
    for unit in local:
        hosts = sorted({number for path in unit.holds for number in in_file[path]})
        fitting = [number for number in hosts if loads[number] + unit.weight <= request.costs.effort_max]
        if fitting:
            host = min(fitting, key=lambda number: (loads[number], number))
            causes[host].append(unit)
            loads[host] += unit.weight
        else:
            free.append(unit)
    return free


def _join_small(bins: Sequence[Bin], request: Request) -> list[Bin]:
    """Join subtasks that are too small to be worth a worker: with those whose files they share, else of one code."""
    costs = request.costs
    joined: list[Bin] = [content for content in bins if load(content) >= costs.effort_min]
    in_file: defaultdict[str, set[int]] = defaultdict(set)
    for number, content in enumerate(joined):
        for path in holds_of(content):
            in_file[path].add(number)
    small = [content for content in bins if load(content) < costs.effort_min]
    for content in sorted(small, key=lambda content: (min(content[0].codes), content[0].title)):
        meetings = Counter(number for path in holds_of(content) for number in in_file[path])
        fitting = [n for n in meetings if load(joined[n]) + load(content) <= costs.effort_max]
        last = len(joined) - 1
        if fitting:
            target = min(fitting, key=lambda number: (-meetings[number], number))
        elif joined and load(joined[last]) < costs.effort_min:
            target = last
        else:
            target = len(joined)
            joined.append([])
        joined[target].extend(content)
        for path in holds_of(content):
            in_file[path].add(target)
    return joined
