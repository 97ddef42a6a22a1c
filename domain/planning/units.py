"""Units: what a strategy never splits, unless it is too large for one head."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec

from domain import effort as efforts
from domain.analysis.catalogue import entry_for
from domain.analysis.group import Group
from domain.effort import UnitKind, WorkerKind
from domain.phase import Phase
from domain.planning.owners import Owners
from domain.planning.request import Request, Strategy
from domain.problem import Problem


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A cause, or what one place, code or owner holds."""

    kind: UnitKind
    title: str
    #: Indices into the observation's list of problems, ascending.
    problems: tuple[int, ...]
    files: frozenset[str]
    #: Files in which nobody else may work meanwhile: where the edits are expected.
    holds: frozenset[str]
    codes: frozenset[str]
    #: Seconds it adds to a subtask, and what they are by the shipped prior.
    weight: float
    prior: float
    #: The problem domain of most of its problems; empty for scripts.
    domain: str
    #: What it asks of its worker: a part of a cause asks for the whole cure.
    demands: UnitKind
    #: The phase of most of its problems.
    phase: Phase
    #: Units of different realms are never put into one subtask.
    realm: str = ""


Bin = list[Unit]


def load(content: Bin) -> float:
    """Add up the seconds of a bin's units."""
    return sum(unit.weight for unit in content)


def files_of(content: Bin) -> frozenset[str]:
    """Collect the files of a bin's units."""
    return frozenset().union(*(unit.files for unit in content))


def holds_of(content: Bin) -> frozenset[str]:
    """Collect the files that a bin's units hold."""
    return frozenset().union(*(unit.holds for unit in content))


def kind_of(content: Bin) -> UnitKind:
    """Tell the hardest kind of unit in a bin."""
    return _hardest({unit.kind for unit in content})


def demands_of(content: Bin) -> UnitKind:
    """Tell the most that a unit of a bin asks of its worker."""
    return _hardest({unit.demands for unit in content})


def phase_of(content: Bin) -> Phase:
    """Tell the phase of most of a bin's problems, the earlier where two have as many."""
    counts: Counter[Phase] = Counter()
    for unit in content:
        counts[unit.phase] += len(unit.problems)
    return _most(counts)


def domain_in(content: Bin) -> str:
    """Tell the domain of most of a bin's problems, the first by name where two have as many."""
    counts: Counter[str] = Counter()
    for unit in content:
        counts[unit.domain] += len(unit.problems)
    return min(counts, key=lambda domain: (-counts[domain], domain))


def domain_of(problems: Sequence[Problem], indices: Iterable[int], worker: WorkerKind) -> str:
    """Tell the domain of most of these problems, after the catalogue; a script does not know what it mends."""
    if worker == "script":
        return ""
    counts: Counter[str] = Counter()
    for (tool, code), count in Counter([(problems[i].tool, problems[i].code) for i in indices]).items():
        counts[entry_for(tool, code).domain] += count
    return min(counts, key=lambda domain: (-counts[domain], domain), default="")


def _most(counts: Counter[Phase]) -> Phase:
    return min(counts, key=lambda phase: (-counts[phase], phase))


def _hardest(kinds: set[UnitKind]) -> UnitKind:
    return "cause" if "cause" in kinds else "local" if "local" in kinds else "automatic"


def units_of(
    problems: Sequence[Problem], groups: Sequence[Group], request: Request, strategy: Strategy
) -> list[Unit]:
    """Make the units of a strategy out of all problems of the groups that have a place in the tree."""
    maker = _Maker(problems, groups, request)
    match strategy:
        case "code":
            return maker.by(groups, lambda problem: problem.code or "no code")
        case "file":
            return maker.by(groups, lambda problem: problem.path)
        case "directory":
            return maker.by(groups, lambda problem: _folder(problem.path))
        case "owner":
            owners = Owners(request.code_owners)
            units = maker.by(groups, lambda problem: owners.of(problem.path))
            return [msgspec.structs.replace(unit, realm=unit.title) for unit in units]
        case _:
            causes = [maker.cause(group) for group in groups if group.kind == "cause"]
            others = [group for group in groups if group.kind != "cause"]
            return [unit for unit in causes if unit.problems] + maker.by(others, lambda problem: problem.path)


@lru_cache(maxsize=65_536)
def _folder(path: str) -> str:
    return posixpath.dirname(path) or "."


class _Maker:
    def __init__(self, problems: Sequence[Problem], groups: Sequence[Group], request: Request) -> None:
        self._problems = problems
        self._request = request
        self._estimator = request.estimates
        causes = [group for group in groups if group.kind == "cause"]
        self._cures = [self._cure(group) for group in causes]
        #: By problem: the number of its cause.
        self._cause_of = {index: number for number, group in enumerate(causes) for index in group.problems}

    def cause(self, group: Group) -> Unit:
        placed = (index for index in group.problems if self._problems[index].path)
        unit = self._unit("cause", group.cause, group.phase, placed)
        if group.cure == "places":
            return unit
        definition = group.defined_at.rpartition(":")[0]
        return msgspec.structs.replace(unit, holds=frozenset(filter(None, [definition])))

    def by(self, groups: Iterable[Group], key: Callable[[Problem], str]) -> list[Unit]:
        members: defaultdict[str, list[int]] = defaultdict(list)
        phases: defaultdict[str, Counter[Phase]] = defaultdict(Counter)
        by_hand: set[str] = set()
        problems = self._problems
        for group in groups:
            placed = [index for index in group.problems if problems[index].path]
            names = [key(problems[index]) for index in placed]
            for name, index in zip(names, placed, strict=True):
                members[name].append(index)
            for name, count in Counter(names).items():
                phases[name][group.phase] += count
                if group.kind != "automatic":
                    by_hand.add(name)
        return [
            unit
            for name, indices in sorted(members.items())
            for unit in self._parts("local" if name in by_hand else "automatic", name, _most(phases[name]), indices)
        ]

    def _parts(self, kind: UnitKind, name: str, phase: Phase, indices: Iterable[int]) -> Iterator[Unit]:
        """Yield the whole, or parts of whole files where it is too large; a file is never divided."""
        whole = self._unit(kind, name, phase, indices)
        if whole.weight <= self._request.costs.effort_max or len(whole.files) == 1:
            yield whole
            return
        by_file: defaultdict[str, list[int]] = defaultdict(list)
        for index in whole.problems:
            by_file[self._problems[index].path].append(index)
        pace = self._estimator.pace(kind, whole.domain)
        # Neighbours stay together, so that a part has a folder for a name where it can.
        part: list[int] = []
        files = 0
        for _, held in sorted(by_file.items()):
            more = pace * self._prior(kind, files + 1, len(part) + len(held))
            if part and more > self._request.costs.effort_max:
                yield self._unit(kind, name, phase, part)
                part, files = [], 0
            part += held
            files += 1
        yield self._unit(kind, name, phase, part)

    def _unit(self, kind: UnitKind, title: str, phase: Phase, indices: Iterable[int]) -> Unit:
        members = tuple(sorted(indices))
        files = frozenset([self._problems[index].path for index in members])
        causes = set() if kind == "cause" else {self._cause_of[i] for i in members if i in self._cause_of}
        own = sum(index not in self._cause_of for index in members) if causes else len(members)
        # The cure of a cause cannot be divided: whoever has a part of it has to make all of it.
        cures = [self._cures[number] for number in sorted(causes)]
        domain = domain_of(self._problems, members, self._request.worker)
        prior = self._prior(kind, len(files), own)
        return Unit(
            kind=kind,
            title=title,
            problems=members,
            files=files,
            holds=files,
            codes=frozenset([self._problems[index].code for index in members]),
            weight=sum(cure[1] for cure in cures) + prior * self._estimator.pace(kind, domain),
            prior=sum(cure[0] for cure in cures) + prior,
            domain=domain,
            demands="cause" if causes else kind,
            phase=phase,
        )

    def _cure(self, group: Group) -> tuple[float, float]:
        """Give the seconds that the cure of a cause takes, by the shipped prior and at the pace of such work."""
        prior = self._prior("cause", len(group.files), len(group.problems))
        domain = domain_of(self._problems, group.problems, self._request.worker)
        return prior, prior * self._estimator.pace("cause", domain)

    def _prior(self, kind: UnitKind, files: int, problems: int) -> float:
        return efforts.weight(self._request.worker, kind, files=files, problems=problems)
