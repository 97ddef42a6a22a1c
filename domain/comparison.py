"""What became of each problem between two observations of one tree.

A problem after is `persisting` where its fingerprint was there before, `moved` where it was there in another file
that has lost it, `regressed` where it had been resolved earlier, `unmasked` where what may have hidden it is gone,
and else `new`. One before is `persisting`, `moved`, or `resolved`. Problems that share a fingerprint are counted: of
three before and two after, two persist and one is resolved, and which two is decided by their places.

Not known for certain is `moved`: the files themselves are not looked at. Believed is a problem whose message names
something, or one of a file that has lost all its problems to a file that had none before, as a renamed file has.
`unmasked` says that there is an explanation other than a mistake, and keeps it; it does not prove it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Literal, TypeVar

import msgspec

from domain.phase import Phase
from domain.problem import Problem
from domain.tool_names import known_as

_Key = TypeVar("_Key", bound=Hashable)
#: Positions before and after of problems that cannot be told apart but by their places.
_Alike = tuple[list[int], list[int]]
Fate = Literal["new", "persisting", "moved", "unmasked", "regressed", "resolved"]

# The last phase whose errors keep a tool from seeing problems in other files, too. Tried: rustc 1.95 checks types and
# borrows of all other functions when one fails, but nothing after a syntax error; a name that is not found silences
# what uses it, wherever that stands. mypy 2.4 and tsc 5.9 stop after syntax errors, pytest after those of collection.
_REACH: Mapping[str, Phase] = {
    "cargo": Phase.IMPORTS,
    "go": Phase.IMPORTS,
    "junit": Phase.IMPORTS,
    "mypy": Phase.SYNTAX,
    "tsc": Phase.SYNTAX,
}
# Tools that hold back their style warnings for as long as there are errors.
_LINT_LAST = frozenset({"cargo", "go"})
_HEADERS = (".h", ".hh", ".hpp", ".hxx")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two observations compared, each problem by its position in its list."""

    #: What became of each problem before: persisting, moved or resolved.
    before: tuple[Fate, ...]
    #: What each problem after is: new, persisting, moved, unmasked or regressed.
    after: tuple[Fate, ...]
    #: By position after, the position before of what persists or has moved.
    origins: Mapping[int, int]
    #: By position after, the position before of the resolved error that may have hidden an unmasked problem.
    hidden_by: Mapping[int, int]

    @property
    def counts(self) -> dict[Fate, int]:
        """How many problems have which fate; what persists or has moved counts once."""
        return dict(Counter(chain(self.after, (fate for fate in self.before if fate == "resolved"))))

    def positions(self, *fates: Fate) -> list[int]:
        """List the positions after of the problems with one of these fates."""
        return [position for position, fate in enumerate(self.after) if fate in fates]


def compare(
    before: Sequence[Problem], after: Sequence[Problem], *, resolved_earlier: frozenset[str] = frozenset()
) -> Comparison:
    """Tell what became of each problem.

    `resolved_earlier` holds fingerprints of problems that an observation before these two no longer showed. The
    order of the lists changes no count. Takes time linear in their length, up to sorting.
    """
    matching = _Matching(before, after)
    matching.persist()
    matching.move()
    gone = _Gone(before, matching.lost)
    fates: list[Fate] = ["persisting"] * len(after)
    hidden_by: dict[int, int] = {}
    for position in matching.moved:
        fates[position] = "moved"
    for position in matching.found:
        problem = after[position]
        fates[position] = "new"
        if resolved_earlier and problem.fingerprint in resolved_earlier:
            fates[position] = "regressed"
        elif (hiding := gone.hiding(problem)) is not None:
            fates[position], hidden_by[position] = "unmasked", hiding
    fates_before: list[Fate] = ["persisting"] * len(before)
    for position in matching.lost:
        fates_before[position] = "resolved"
    for position in matching.moved:
        fates_before[matching.origins[position]] = "moved"
    return Comparison(before=tuple(fates_before), after=tuple(fates), origins=matching.origins, hidden_by=hidden_by)


class _Matching:
    """Pairs problems after with those before, the surest pairs first."""

    def __init__(self, before: Sequence[Problem], after: Sequence[Problem]) -> None:
        self._before, self._after = before, after
        #: By position after, the position before.
        self.origins: dict[int, int] = {}
        #: The positions after of those that came from another file.
        self.moved: list[int] = []
        #: Positions that are in no pair, before and after.
        self.lost: list[int] = list(range(len(before)))
        self.found: list[int] = list(range(len(after)))
        self._shifts = _Shifts()

    def persist(self) -> None:
        """Pair problems with the same fingerprint."""
        known = _grouped(self.lost, lambda old: self._before[old].fingerprint)
        found = _grouped(self.found, lambda new: self._after[new].fingerprint)
        alike = [(known[fingerprint], news) for fingerprint, news in found.items() if fingerprint in known]
        self._pair(alike, {})

    def move(self) -> None:
        """Pair what is left by the loose identity, first with the file that took most over."""
        lost = _grouped(self.lost, lambda old: self._before[old].loose_fingerprint)
        found = _grouped(self.found, lambda new: self._after[new].loose_fingerprint)
        alike = list(self._believed((lost[loose], found[loose]) for loose in lost if loose in found))
        unpaired = self.found
        self._pair(alike, self._successors(alike))
        self.moved = [new for new in unpaired if new in self.origins]

    def _believed(self, alike: Iterable[_Alike]) -> Iterator[_Alike]:
        """Leave out what may be alike by chance: problems that name nothing, unless their file was renamed."""
        paths_before = {problem.path for problem in self._before}
        paths_after = {problem.path for problem in self._after}
        for olds, news in alike:
            if self._after[news[0]].slots or self._after[news[0]].symbol:
                yield olds, news
            else:
                yield (
                    [old for old in olds if self._before[old].path not in paths_after],
                    [new for new in news if self._after[new].path not in paths_before],
                )

    def _successors(self, alike: Iterable[_Alike]) -> dict[str, str]:
        """Tell for each file the one that took most of its problems over, of those that fit in one way only."""
        votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for olds, news in alike:
            sources = {self._before[old].path for old in olds}
            targets = {self._after[new].path for new in news}
            if len(sources) == len(targets) == 1:
                votes[sources.pop()][targets.pop()] += len(news)
        return {path: min(counts, key=lambda to: (-counts[to], to)) for path, counts in votes.items()}

    def _pair(self, alike: Sequence[_Alike], successors: Mapping[str, str]) -> None:
        """Pair as many as can be; of problems that are all alike, those first that stand where they should.

        Where one should stand now, those tell that are alike in one way only: so far as they have shifted down.
        """
        for olds, news in alike:
            if len(olds) == len(news) == 1:
                self.origins[news[0]] = olds[0]
                self._shifts.learn(self._before[olds[0]], self._after[news[0]])
        self._shifts.sort()
        for olds, news in alike:
            if not len(olds) == len(news) == 1:
                self._pair_alike(olds, news, successors)
        paired = set(self.origins.values())
        self.lost = [old for old in self.lost if old not in paired]
        self.found = [new for new in self.found if new not in self.origins]

    def _pair_alike(self, olds: list[int], news: list[int], successors: Mapping[str, str]) -> None:
        olds = sorted(olds, key=lambda old: _place(self._before[old]))
        news = sorted(news, key=lambda new: _place(self._after[new]))
        paths = {old: successors.get(self._before[old].path, self._before[old].path) for old in olds}
        places = {old: self._shifts.expected(self._before[old], paths[old]) for old in olds}
        olds, news = self._pair_equal(olds, news, places.__getitem__, lambda new: _place(self._after[new]))
        olds, news = self._pair_equal(olds, news, paths.__getitem__, lambda new: self._after[new].path)
        self.origins.update(zip(news, olds, strict=False))

    def _pair_equal(
        self, olds: list[int], news: list[int], key_before: Callable[[int], _Key], key_after: Callable[[int], _Key]
    ) -> _Alike:
        """Pair positions with equal keys in their order, and tell which are left, in their order, too."""
        waiting = {key: deque(positions) for key, positions in _grouped(news, key_after).items()}
        olds_left = []
        for old in olds:
            if news_here := waiting.get(key_before(old)):
                self.origins[news_here.popleft()] = old
            else:
                olds_left.append(old)
        return olds_left, [new for new in news if new not in self.origins]


class _Shifts:
    """How far problems have moved down since, file by file."""

    def __init__(self) -> None:
        #: By file before and after, pairs of a line before and how many lines further down it is after.
        self._known: defaultdict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)

    def learn(self, before: Problem, after: Problem) -> None:
        """Take a pair of problems that are surely the same."""
        if before.range and after.range:
            line = before.range.line
            self._known[before.path, after.path].append((line, after.range.line - line))

    def sort(self) -> None:
        """Make ready to be asked."""
        for known in self._known.values():
            known.sort()

    def expected(self, problem: Problem, path: str) -> tuple[str, int, int]:
        """Tell the place in `path` to which a problem has shifted, as the nearest one that is known has."""
        _, line, column = _place(problem)
        known = self._known.get((problem.path, path))
        if not known:
            return path, line, column
        below = bisect_right(known, line, key=lambda pair: pair[0])
        _, shift = min(known[max(below - 1, 0) : below + 1], key=lambda pair: abs(pair[0] - line))
        return path, line + shift, column


class _Gone:
    """The resolved errors, and what they may have hidden."""

    def __init__(self, before: Sequence[Problem], lost: Iterable[int]) -> None:
        #: By tool and file ("" for all files), the earliest phase of a resolved error, and its position.
        self._earliest: dict[tuple[str, str], tuple[Phase, int]] = {}
        for position in lost:
            if before[position].severity == "error":
                self._add(before[position], position)

    def hiding(self, problem: Problem) -> int | None:
        """Tell the position of a resolved error that may have hidden a problem, the nearest, if there is one."""
        tool, phase = known_as(problem.tool), problem.phase
        for path in (problem.path, ""):
            earliest = self._earliest.get((tool, path))
            if earliest is not None and _hides(tool, earliest[0], phase):
                return earliest[1]
        return None

    def _add(self, problem: Problem, position: int) -> None:
        tool, phase = known_as(problem.tool), problem.phase
        everywhere = phase <= _REACH.get(tool, -1) or problem.path.endswith(_HEADERS)
        for path in {problem.path, ""} if everywhere else {problem.path}:
            found = (phase, position)
            self._earliest[tool, path] = min(found, self._earliest.get((tool, path), found))


def _hides(tool: str, earlier: Phase, later: Phase) -> bool:
    """Tell whether an error of one phase may keep a tool from reporting one of another.

    A linter needs no more than a file that parses.
    """
    return earlier < later and (later != Phase.LINT or earlier <= Phase.SYNTAX or tool in _LINT_LAST)


def _grouped(positions: Iterable[int], key: Callable[[int], _Key]) -> dict[_Key, list[int]]:
    groups: dict[_Key, list[int]] = {}
    for position in positions:
        groups.setdefault(key(position), []).append(position)
    return groups


def _place(problem: Problem) -> tuple[str, int, int]:
    place = problem.range
    return (problem.path, place.line, place.column) if place else (problem.path, 0, 0)
