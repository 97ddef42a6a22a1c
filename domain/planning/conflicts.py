"""Which subtasks would get into each other's way if they ran at once, and how surely.

git merges what does not touch: two changes of one file conflict where their lines overlap or lie beside each
other. So the lines of the problems tell the risk. Measured on a published tree (boto 2.49.0, 20 rules of ruff,
`ruff --fix` on a branch per rule, all 190 pairs merged): 58 pairs conflicted; 65 pairs have problems whose lines
touch, and rule by rule the numbers differ by one on average. With the chances below the prediction is 58.7 pairs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from domain.plan import Conflict
from domain.problem import Problem

#: Chance of a conflict for two problems whose lines overlap or lie beside each other.
_TOUCHING = 0.5
#: Chance for each file that both change, however far apart: imports at the top, code that is laid out anew.
_SAME_FILE = 0.0005

#: Pairs that a plan names.
_NAMED_MAX = 100


def predict(problems: Sequence[Problem], members: Sequence[Sequence[int]]) -> tuple[tuple[Conflict, ...], float]:
    """Give the pairs at risk, the riskiest first, at most a hundred, and the expected number over all pairs.

    `members` are the indices of each subtask's problems. Time grows with the number of problems and of pairs.
    """
    log_safe, files = _pairs(problems, members)
    found = [
        Conflict(first=first, second=second, files=files[first, second], risk=round(-math.expm1(value), 4))
        for (first, second), value in log_safe.items()
    ]
    found.sort(key=lambda pair: (-pair.risk, pair.first, pair.second))
    return tuple(found[:_NAMED_MAX]), round(sum(pair.risk for pair in found), 4)


_Pairs = defaultdict[tuple[int, int], float]
#: First line, last line, number of the subtask.
_Lines = tuple[int, int, int]


def _pairs(
    problems: Sequence[Problem], members: Sequence[Sequence[int]]
) -> tuple[_Pairs, defaultdict[tuple[int, int], int]]:
    """Give for each pair with a common file the logarithm of the chance that nothing happens, and the files."""
    holders: defaultdict[str, set[int]] = defaultdict(set)
    for number, indices in enumerate(members):
        for index in indices:
            holders[problems[index].path].add(number)
    shared = {path for path, who in holders.items() if len(who) > 1}
    lines: defaultdict[str, set[_Lines]] = defaultdict(set)
    for number, indices in enumerate(members):
        for index in indices:
            problem = problems[index]
            if problem.path in shared and (place := problem.range) is not None:
                lines[problem.path].add((place.line, place.end_line or place.line, number))
    log_safe: _Pairs = defaultdict(float)
    files: defaultdict[tuple[int, int], int] = defaultdict(int)
    for path in sorted(shared):
        for pair in combinations(sorted(holders[path]), 2):
            files[pair] += 1
            log_safe[pair] += math.log1p(-_SAME_FILE)
        for pair in _touching(sorted(lines[path])):
            log_safe[pair] += math.log1p(-_TOUCHING)
    return log_safe, files


def _touching(lines: Sequence[_Lines]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of subtasks for each two places in one file that overlap or lie beside each other."""
    open_places: list[_Lines] = []
    for first, last, number in lines:
        open_places = [place for place in open_places if place[1] + 1 >= first]
        for _, _, other in open_places:
            if other != number:
                yield (number, other) if number < other else (other, number)
        open_places.append((first, last, number))
