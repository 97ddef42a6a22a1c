"""Cascades: groups that would go away, or show what they really are, if another group were cured.

A link from a root to a dependent group needs a witness. There are five; each has a strength, the chance that a link
which nothing else speaks for is true, and a share, the part of the dependent's problems for which it speaks:

- the notes of the dependent's problems point at a line where the root has a problem (0.95);
- the tool's own rules make one follow from the other (0.9): see `_FOLLOWS`;
- they name the definition that is wrong in the root (0.8);
- they name the root's file, such as a header or a conftest, as where they come from (0.7);
- they lie where a root hides what is true: after a syntax error, or in a file that imports what cannot be found (0.7,
  but 0.4 after such an import unless they speak of `Any` or of something unknown). Against chance, the strength is
  multiplied by the share of all files that the root leaves alone, where there are several.

Independent witnesses add up as a noisy-or (Pearl 1988, "Probabilistic Reasoning in Intelligent Systems", 4.3.2):
confidence = 1 - product(1 - strength * share). A link counts from a confidence of one half, a dependent follows its
surest root, and a cascade is as sure as its dependents are on average, weighted by their problems. The strengths are
assumptions, to be replaced once cures have been observed. That the first error of a parser matters more than those
after it is an old finding (Becker et al. 2018, "Fix the First, Ignore the Rest").

A root always stands before its dependents: by phase, then by what is wrong, then by size. So there are no circles.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import get_args

import msgspec

from domain.analysis.blame import Blame, Fault, bare, blame_of, in_tree, last_of
from domain.analysis.group import Group
from domain.phase import Phase
from domain.problem import Problem
from domain.template import mask

_STRENGTH_PLACE, _STRENGTH_RULE, _STRENGTH_NAME, _STRENGTH_FILE = 0.95, 0.9, 0.8, 0.7
_STRENGTH_HIDDEN, _STRENGTH_PERHAPS_HIDDEN = 0.7, 0.4
_CONFIDENCE_MIN = 0.5

#: Roots that are looked at for one file or name: beyond, nothing would be learnt and time would not be linear.
_ROOTS_MAX = 8
#: Dependents that the evidence names one by one.
_NAMED_MAX = 4

#: Tool and code -> the codes from which its problems follow, and why.
_FOLLOWS: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("mypy", "no-untyped-call"): (("no-untyped-def",), "a call is untyped because its definition is"),
    ("mypy", "no-any-unimported"): (("import-untyped", "import-not-found"), "what is imported untyped is Any"),
    ("pyright", "reportUnknownMemberType"): (("reportMissingImports",), "what is not resolved is Unknown"),
    ("pyright", "reportUnknownVariableType"): (("reportMissingImports",), "what is not resolved is Unknown"),
}

_FOLLOWED = frozenset(code for codes, _ in _FOLLOWS.values() for code in codes)
_FAULTS: tuple[str, ...] = get_args(Fault)
#: From faults of these kinds others follow that name the same definition.
_NAMED_ROOTS = ("unknown module", "defined twice", "unknown name", "lacks trait", "lacks member")

# A path with an ending, and the line behind it.
_PLACE = re.compile(r"(?P<path>[\w.+@-][\w./+@-]*\.\w+)(?:['\"`’]|:(?P<line>\d+))?")  # noqa: RUF001
_COMES_FROM = re.compile(r"[Ii]ncluded from|while (?:loading|importing)|imported from")
_VAGUE = re.compile(r"\b[Aa]ny\b|\b[Uu]nknown\b|\bundefined type\b|\bincomplete\b|\bnot (?:found|resolved)\b")


class Cascade(msgspec.Struct, frozen=True, kw_only=True):
    """A root and what hangs on it; groups are given by their numbers, counted from 0."""

    root: int
    #: Ascending.
    dependents: tuple[int, ...]
    #: Chance that the dependents go with the root, 0 to 1; the module tells how it is computed.
    confidence: float
    #: What shows it, one line each.
    evidence: tuple[str, ...]


def find_cascades(problems: Sequence[Problem], groups: Sequence[Group]) -> list[Cascade]:
    """Find the cascades among groups of these problems, the one that takes most with it first.

    Lint and automatic fixes stand for themselves and are left out. Time grows with the number of problems.
    """
    search = _Search(problems, groups)
    found = [search.cascade(root, links) for root, links in search.links().items()]
    return sorted(found, key=lambda cascade: (-_weight(groups, cascade.dependents), cascade.root))


class _Link(msgspec.Struct, frozen=True):
    dependent: int
    confidence: float
    why: tuple[str, ...]


class _Witness(msgspec.Struct):
    """How many problems of a dependent speak for a root, by how they do."""

    place: int = 0
    name: int = 0
    file: int = 0
    hidden: int = 0
    perhaps_hidden: int = 0
    rule: str = ""


class _Search:
    def __init__(self, problems: Sequence[Problem], groups: Sequence[Group]) -> None:
        self._problems = problems
        self._groups = groups
        looked_at = [number for number, group in enumerate(groups) if _can_cascade(group)]
        ordered = sorted(looked_at, key=self._order)
        #: Position of each group that is looked at: a root stands before its dependents.
        self._position = {number: position for position, number in enumerate(ordered)}
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_place: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._by_file: defaultdict[str, list[int]] = defaultdict(list)
        self._by_code: defaultdict[str, list[int]] = defaultdict(list)
        #: File -> roots that hide what comes after them, with the first line from which they do.
        self._hiding: defaultdict[str, dict[int, int]] = defaultdict(dict)
        self._files = len({path for number in ordered for path in groups[number].files})
        for number in ordered:
            self._index(number)

    def links(self) -> dict[int, list[_Link]]:
        """Give each root its dependents, each dependent to its surest root."""
        links: defaultdict[int, list[_Link]] = defaultdict(list)
        for number in sorted(self._position):
            witnesses = self._witnesses(number)
            best: tuple[float, int, int] | None = None
            for root, witness in witnesses.items():
                rank = (-self._confidence(root, number, witness), self._position[root], root)
                best = rank if best is None or rank < best else best
            if best is not None and -best[0] >= _CONFIDENCE_MIN:
                root = best[2]
                links[root].append(_Link(number, -best[0], self._why(root, number, witnesses[root])))
        return links

    def cascade(self, root: int, links: Sequence[_Link]) -> Cascade:
        sizes = [len(self._groups[link.dependent].problems) for link in links]
        confidence = sum(link.confidence * size for link, size in zip(links, sizes, strict=True)) / sum(sizes)
        by_size = sorted(links, key=lambda link: (-len(self._groups[link.dependent].problems), link.dependent))
        evidence = [line for link in by_size[:_NAMED_MAX] for line in link.why]
        if len(links) > _NAMED_MAX:
            evidence.append(f"and {len(links) - _NAMED_MAX} more groups in the same way")
        return Cascade(
            root=root,
            dependents=tuple(sorted(link.dependent for link in links)),
            confidence=round(confidence, 3),
            evidence=tuple(evidence),
        )

    # --- what a root can be found by --------------------------------------------------------------------

    def _order(self, number: int) -> tuple[int, int, int, int]:
        group = self._groups[number]
        return (group.phase, self._fault_rank(group), -len(group.problems), number)

    def _fault_rank(self, group: Group) -> int:
        if _FOLLOWED.intersection(group.codes):
            return -1
        blame = self._blame(group)
        return _FAULTS.index(blame.fault) if blame else len(_FAULTS)

    def _blame(self, group: Group) -> Blame | None:
        return blame_of(self._problems[group.problems[0]])

    def _index(self, number: int) -> None:
        group = self._groups[number]
        for name in self._wrong_in(group):
            self._by_name[name].append(number)
        for code in group.codes:
            self._by_code[code].append(number)
        hides = group.phase <= Phase.SYNTAX or self._is_missing_module(group)
        for index in group.problems:
            problem = self._problems[index]
            line = problem.range.line if problem.range else 1
            _note(self._by_place[problem.path, line], number)
            _note(self._by_file[problem.path], number)
            if hides and problem.path:
                # What cannot be imported is unknown in the whole file; a parser's trouble begins where it says.
                begin = line if group.phase == Phase.SYNTAX else 0
                hiding = self._hiding[problem.path]
                if number in hiding or len(hiding) < _ROOTS_MAX:
                    hiding[number] = min(begin, hiding.get(number, begin))

    def _wrong_in(self, group: Group) -> set[str]:
        """Give the names that are wrong in a root: of its definition, and of the trait that it lacks."""
        blame = self._blame(group)
        if blame is None or blame.fault not in _NAMED_ROOTS:
            return set()
        names = {_key(group.subject)}
        if blame.fault == "lacks trait":
            names.add(_key(blame.of))
        return set(filter(in_tree, names))

    def _is_missing_module(self, group: Group) -> bool:
        blame = self._blame(group)
        return blame is not None and blame.fault == "unknown module"

    # --- what speaks for a link -------------------------------------------------------------------------

    def _witnesses(self, number: int) -> dict[int, _Witness]:
        found: defaultdict[int, _Witness] = defaultdict(_Witness)
        group = self._groups[number]
        for index in group.problems:
            problem = self._problems[index]
            for root in self._before(number, self._named(problem)):
                found[root].name += 1
            places, files = self._pointed_at(problem)
            for root in self._before(number, places):
                found[root].place += 1
            for root in self._before(number, files):
                found[root].file += 1
            vague = _VAGUE.search(problem.message) is not None
            for root in self._before(number, self._hidden_by(problem)):
                if vague or self._groups[root].phase == Phase.SYNTAX:
                    found[root].hidden += 1
                else:
                    found[root].perhaps_hidden += 1
        first = self._problems[group.problems[0]]
        codes, why = _FOLLOWS.get((first.tool, first.code), ((), ""))
        for root in self._before(number, {root for code in codes for root in self._by_code[code]}):
            found[root].rule = why
        return found

    def _before(self, number: int, roots: set[int]) -> list[int]:
        return [root for root in roots if self._position[root] < self._position[number]]

    def _named(self, problem: Problem) -> set[int]:
        blame = blame_of(problem)
        if blame and blame.fault == "untyped":
            return set()  # What it names is sound, and only lacks annotations.
        names = _names_in(problem.message).union(*map(_names_in, problem.related))
        return {root for name in names for root in self._by_name.get(name, ())[:_ROOTS_MAX]}

    def _pointed_at(self, problem: Problem) -> tuple[set[int], set[int]]:
        places: set[int] = set()
        files: set[int] = set()
        for note in problem.related:
            for path, line in _places_in(note):
                if path != problem.path and _COMES_FROM.search(note):
                    files.update(self._by_file.get(path, ())[:_ROOTS_MAX])
                places.update(self._by_place.get((path, line), ())[:_ROOTS_MAX])
        return places, files

    def _hidden_by(self, problem: Problem) -> set[int]:
        line = problem.range.line if problem.range else 0
        return {root for root, begin in self._hiding.get(problem.path, {}).items() if begin <= line}

    # --- how sure it is ---------------------------------------------------------------------------------

    def _confidence(self, root: int, number: int, witness: _Witness) -> float:
        size = len(self._groups[number].problems)
        hidden = _STRENGTH_HIDDEN * witness.hidden + _STRENGTH_PERHAPS_HIDDEN * witness.perhaps_hidden
        alone = 1.0 - len(self._groups[root].files) / self._files if self._files > 1 else 1.0
        doubt = (
            (1 - _STRENGTH_PLACE * witness.place / size)
            * (1 - _STRENGTH_NAME * witness.name / size)
            * (1 - _STRENGTH_FILE * witness.file / size)
            * (1 - hidden / size * alone)
            * (1 - (_STRENGTH_RULE if witness.rule else 0))
        )
        return 1 - doubt

    def _why(self, root: int, number: int, witness: _Witness) -> tuple[str, ...]:
        group, cause = self._groups[number], self._groups[root]
        hidden = witness.hidden + witness.perhaps_hidden
        whose = f"of {len(group.problems)} under {', '.join(code or 'no code' for code in group.codes[:3])}"
        said = {
            f"{witness.place} {whose} point at a line of the root": witness.place,
            f"{witness.name} {whose} name {' or '.join(sorted(self._wrong_in(cause)))}": witness.name,
            f"{witness.file} {whose} come by way of a file of the root": witness.file,
            f"{hidden} {whose} lie where the root hides what is true": hidden,
            f"{len(group.problems)} under {group.codes[0]}: {witness.rule}": witness.rule,
        }
        return tuple(line for line, speaks in said.items() if speaks)


def _can_cascade(group: Group) -> bool:
    return group.phase < Phase.LINT and group.kind != "automatic"


def _key(name: str) -> str:
    return last_of(bare(name))


@lru_cache(maxsize=65_536)
def _names_in(text: str) -> frozenset[str]:
    return frozenset(map(_key, mask(text).slots))


@lru_cache(maxsize=65_536)
def _places_in(note: str) -> tuple[tuple[str, int], ...]:
    """Find the paths in a note, each with its line, 0 where it has none."""
    return tuple((match["path"], int(match["line"] or 0)) for match in _PLACE.finditer(note))


def _note(numbers: list[int], number: int) -> None:
    if not numbers or numbers[-1] != number:
        numbers.append(number)


def _weight(groups: Sequence[Group], numbers: Sequence[int]) -> int:
    return sum(len(groups[number].problems) for number in numbers)
