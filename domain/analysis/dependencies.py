"""Which pieces of work have to wait for others, which may not run at once, and what can run side by side.

A piece waits for another only where it has to:

- `phase`: the other's problems are of an earlier phase and hide its own, in a file that both touch; or they are of
  the environment and name no file, and then everything waits.
- `file`: the other mends a manifest or configuration without which nothing below its folder can be checked.
- `import`: the other's problems are of an earlier phase and hide its own through a direct import.
- `foundation`: the other mends a definition, and this one touches its files or imports them. Of two foundations in
  one phase, the one whose files are imported goes first; that they share a file says nothing.

What an earlier phase hides follows from the order in which compilers work (Rust Compiler Development Guide, "Overview
of the compiler"), and is stated at `_hides` and `_hides_from_importers`.

Pieces that share a file may not run at once either, but in any order: that is an overlap, not a dependency.
"""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from itertools import combinations, islice, product
from typing import Literal

import msgspec

from domain.analysis.co_change import CoChange
from domain.analysis.imports import ImportGraph, ancestors
from domain.phase import Phase

EdgeKind = Literal["phase", "file", "import", "foundation"]
#: By number of a piece, the numbers of those that come before it.
_Before = Mapping[int, Collection[int]]

#: Numbers of the pieces that touch a file, ascending.
_Holders = tuple[int, ...]

#: How the name of a file ends that tools read before any source: manifests, configurations, lists of requirements.
_MANIFEST_ENDINGS = (".toml", ".json", ".cfg", ".ini", ".txt", ".lock", ".mod", ".xml", ".yaml", ".yml", "Makefile")
#: A knot of circles is taken apart in steps of at least this share of its edges, one by one only where it is small: a
#: large one would take as many looks as it has edges.
_KNOT_STEPS = 20
#: Pairs that are likely to conflict are a hint for a reader: more than this nobody reads.
_LIKELY_CONFLICTS_MAX = 100


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work: a group of problems, or a subtask."""

    title: str
    phase: Phase
    #: Relative to the root of the tree; empty where its problems name no place.
    files: frozenset[str]
    #: Whether it mends one cause at a definition that others build on.
    foundation: bool = False
    #: Expected effort, in seconds.
    weight: float = 0.0


class Edge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One piece has to wait for another."""

    #: Numbers of the pieces, counted from 0.
    before: int
    after: int
    #: The strongest evidence for it; see the module's documentation.
    kind: EdgeKind
    #: In words, with one file as an example.
    reason: str


class BrokenEdge(msgspec.Struct, frozen=True, kw_only=True):
    """An edge that was left out, because pieces would have waited for each other in a circle."""

    edge: Edge
    why: str


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces of which no two may run at once, because they share files."""

    #: Numbers of at least two pieces, ascending.
    pieces: tuple[int, ...]
    #: The files that just these pieces touch, ascending.
    files: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Yield each pair of the pieces, the lesser number first."""
        return combinations(self.pieces, 2)


class LikelyConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two pieces that share no file, but touch files that often change together."""

    #: Numbers of the pieces, in the order of `files`.
    first: int
    second: int
    #: Of the pairs of files that they touch, the one with the highest lift.
    files: tuple[str, str]
    #: Merges that changed both files.
    together: int
    #: How many times as often as by chance.
    lift: float


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """How pieces of work depend on each other; pieces are named by their number, counted from 0."""

    #: By number; an edge that follows from two others is left out.
    edges: tuple[Edge, ...]
    #: By their files. Two pieces may be together in several: once for each set of pieces that shares files.
    overlaps: tuple[Overlap, ...]
    #: Pairs that may run at once all the same, the highest lift first, at most a hundred.
    likely_conflicts: tuple[LikelyConflict, ...]
    broken: tuple[BrokenEdge, ...]
    #: All that a piece waits for lies in waves before its own. Within a wave the heaviest is first.
    waves: tuple[tuple[int, ...], ...]


class DependencyAnalyzer:
    """Finds dependencies from phases and files, and from imports and past merges where these are known."""

    def __init__(self, imports: ImportGraph | None = None, co_change: CoChange | None = None) -> None:
        self._importers = imports.importers() if imports is not None else {}
        self._partners = co_change.partners() if co_change is not None else []

    def analyse(self, pieces: Sequence[Piece]) -> Dependencies:
        """Tell what waits for what, in a time linear in the pieces' files, their imports and what is found."""
        holders = _holders(pieces)
        sharing: defaultdict[_Holders, list[str]] = defaultdict(list)
        for path, numbers in holders.items():
            sharing[numbers].append(path)
        evidence = _Evidence(pieces)
        evidence.look_in_files(sharing)
        evidence.look_at_environment()
        evidence.look_at_imports(holders, self._importers)
        broken = evidence.break_circles()
        before: defaultdict[int, set[int]] = defaultdict(set)
        for earlier, later in evidence.pairs:
            before[later].add(earlier)
        return Dependencies(
            edges=tuple(evidence.edge(pair) for pair in _without_implied(before)),
            overlaps=tuple(
                Overlap(pieces=numbers, files=tuple(files)) for numbers, files in sharing.items() if len(numbers) > 1
            ),
            likely_conflicts=tuple(islice(self._likely_conflicts(pieces, holders, before), _LIKELY_CONFLICTS_MAX)),
            broken=broken,
            waves=_waves(pieces, before),
        )

    def _likely_conflicts(
        self, pieces: Sequence[Piece], holders: Mapping[str, _Holders], before: _Before
    ) -> Iterator[LikelyConflict]:
        seen: set[tuple[int, int]] = set()
        # Files with the same holders say the same of them, and the strongest pair of files comes first.
        asked: set[tuple[frozenset[int], frozenset[int]]] = set()
        for files in self._partners:
            here, there = frozenset(holders.get(files.first, ())), frozenset(holders.get(files.second, ()))
            if (here, there) in asked:
                continue
            asked.add((here, there))
            # Who touches both files shares one of them with everybody here and there.
            for one, other in product(sorted(here - there), sorted(there - here)):
                pair = (min(one, other), max(one, other))
                ordered = one in before.get(other, ()) or other in before.get(one, ())
                if pair in seen or ordered or not pieces[one].files.isdisjoint(pieces[other].files):
                    continue
                seen.add(pair)
                yield LikelyConflict(
                    first=one,
                    second=other,
                    files=(files.first, files.second),
                    together=files.together,
                    lift=files.lift,
                )


class _Support(msgspec.Struct, gc=False):
    """What speaks for an order: how many files or imports of a kind, and the first of them."""

    kind: EdgeKind
    #: Empty where no file is named.
    path: str = ""
    importing: str = ""
    count: int = 1


class _Evidence:
    """What speaks for an order of two pieces. The strongest kind is looked for first, and stays."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._support: dict[tuple[int, int], _Support] = {}

    def look_in_files(self, sharing: Mapping[_Holders, Sequence[str]]) -> None:
        """Look at what pieces do in the same files."""
        for numbers, files in sharing.items():
            for pair in self._hidden(numbers):
                self._add(pair, _Support("phase", files[0], count=len(files)))
        for numbers, files in sharing.items():
            for pair in self._grounded(numbers):
                self._add(pair, _Support("foundation", files[0], count=len(files)))

    def _hidden(self, numbers: _Holders) -> Iterator[tuple[int, int]]:
        by_phase: defaultdict[Phase, list[int]] = defaultdict(list)
        for number in numbers:
            by_phase[self._pieces[number].phase].append(number)
        for later, members in by_phase.items():
            hiding = [phase for phase in by_phase if _hides(phase, later)]
            for earlier in hiding:
                # What is hidden by way of a phase between the two waits already.
                if not any(_hides(earlier, between) for between in hiding):
                    yield from product(by_phase[earlier], members)

    def _grounded(self, numbers: _Holders) -> Iterator[tuple[int, int]]:
        for ground in numbers:
            if self._pieces[ground].foundation:
                phase = self._pieces[ground].phase
                for number in numbers:
                    other = self._pieces[number]
                    if phase <= other.phase and not _is_ground(other, phase):
                        yield ground, number

    def look_at_environment(self) -> None:
        """Look for what the environment, or a manifest in a folder above, holds up."""
        broken = [number for number, piece in enumerate(self._pieces) if piece.phase == Phase.ENVIRONMENT]
        nowhere = [number for number in broken if not self._pieces[number].files]
        governed: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for number in broken:
            for path in sorted(self._pieces[number].files):
                if path.endswith(_MANIFEST_ENDINGS):
                    governed[posixpath.dirname(path)].append((number, path))
        if not (nowhere or governed):
            return
        for number, piece in enumerate(self._pieces):
            if piece.phase > Phase.ENVIRONMENT:
                for earlier in nowhere:
                    self._add((earlier, number), _Support("phase"))
                folders = {folder for path in piece.files for folder in ancestors(posixpath.dirname(path))}
                for folder in sorted(folders & governed.keys()):
                    for earlier, manifest in governed[folder]:
                        self._add((earlier, number), _Support("file", manifest))

    def look_at_imports(self, holders: Mapping[str, _Holders], importers: Mapping[str, Collection[str]]) -> None:
        """Look at what pieces do in files of which one imports the other."""
        # Files with the same holders say the same of them: a piece for each of twenty rules, all in every file of a
        # tree, has millions of pairs of files but few of holders.
        found: dict[tuple[_Holders, _Holders], _Support] = {}
        for path, numbers in holders.items():
            for importing in sorted(importers.get(path, ())):
                if others := holders.get(importing):
                    support = found.setdefault((numbers, others), _Support("import", path, importing, count=0))
                    support.count += 1
        for pair, support in found.items():
            for earlier, later in product(*pair):
                self._look_at_import(earlier, later, support)

    def _look_at_import(self, earlier: int, later: int, support: _Support) -> None:
        piece, phase = self._pieces[earlier], self._pieces[later].phase
        if earlier == later:
            return
        if _hides_from_importers(piece.phase, phase):
            self._add((earlier, later), msgspec.structs.replace(support))
        elif piece.foundation and piece.phase <= phase:
            self._add((earlier, later), msgspec.structs.replace(support, kind="foundation"))

    @property
    def pairs(self) -> Iterable[tuple[int, int]]:
        """Each pair with an order: the number of the earlier piece, then that of the later."""
        return self._support.keys()

    def edge(self, pair: tuple[int, int]) -> Edge:
        support = self._support[pair]
        reason = _reason(support, self._pieces[pair[0]], self._pieces[pair[1]])
        return Edge(before=pair[0], after=pair[1], kind=support.kind, reason=reason)

    def break_circles(self) -> tuple[BrokenEdge, ...]:
        """Take out the weakest orders on each circle; whatever is equally weak goes together, for none is the better.

        Only foundations of one phase can form a circle: any other edge leads to a later phase, or from a foundation
        to a piece that is none. Evidence is weaker with fewer imports, then where more others build on the later
        piece.
        """
        pieces = self._pieces
        among = [(one, other) for one, other in self._support if _is_ground(pieces[other], pieces[one].phase)]
        held_up = Counter(earlier for earlier, _ in among)
        strength = {
            (earlier, later): (self._support[earlier, later].count, held_up[earlier] - held_up[later])
            for earlier, later in among
        }
        broken: list[BrokenEdge] = []
        while knotted := _knotted(strength.keys()):
            ranked = sorted(strength[pair] for pair in knotted)
            weak = ranked[len(ranked) // _KNOT_STEPS]
            for pair in sorted(pair for pair in knotted if strength[pair] <= weak):
                broken.append(BrokenEdge(edge=self.edge(pair), why=_why_broken(self._support[pair])))
                del self._support[pair]
            strength = {pair: strength[pair] for pair in knotted if strength[pair] > weak}
        return tuple(broken)

    def _add(self, pair: tuple[int, int], support: _Support) -> None:
        known = self._support.setdefault(pair, support)
        if known is not support and known.kind == support.kind:
            known.count += support.count


def _holders(pieces: Sequence[Piece]) -> dict[str, _Holders]:
    """Tell who touches each file, both ascending."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for number, piece in enumerate(pieces):
        for path in piece.files:
            holders[path].append(number)
    return {path: tuple(numbers) for path, numbers in sorted(holders.items())}


def _hides(earlier: Phase, later: Phase) -> bool:
    """Tell whether problems of one phase keep a tool from seeing those of another in the same file.

    A linter needs no more than a file that parses; it says the same before and after names and types are mended.
    """
    return earlier < later and (later != Phase.LINT or earlier <= Phase.SYNTAX)


def _hides_from_importers(earlier: Phase, later: Phase) -> bool:
    """Tell whether problems of one phase in a file hide those of another in a file that imports it.

    A file that does not load, or whose names are not known, says nothing of what it offers. One with wrong types or
    borrows still says what its functions take and give; but a test that imports it may not run.
    """
    return _hides(earlier, later) and (earlier <= Phase.IMPORTS or later == Phase.TESTS)


def _is_ground(piece: Piece, phase: Phase) -> bool:
    return piece.foundation and piece.phase == phase


def _reason(support: _Support, earlier: Piece, later: Piece) -> str:
    path, importing = support.path, support.importing
    first, second = earlier.phase.name.lower(), later.phase.name.lower()
    match support.kind:
        case "phase" if not path:
            return "the environment is broken, and no file is named that it would be limited to"
        case "phase":
            return f"{first} problems in {path} may hide {second} problems there"
        case "file":
            return f"{path} is needed to check anything in {posixpath.dirname(path) or 'the tree'}"
        case "import":
            return f"{importing} imports {path}, where {first} problems may hide its {second} problems"
        case "foundation" if not importing:
            return f"mends a definition, and both touch {path}"
        case "foundation":
            return f"mends a definition, and {importing} imports {path}"


def _why_broken(support: _Support) -> str:
    imports = "1 import speaks" if support.count == 1 else f"{support.count} imports speak"
    return f"foundations import each other in a circle; {imports} for this order, of the weakest evidence there"


def _knotted(pairs: Collection[tuple[int, int]]) -> list[tuple[int, int]]:
    """List the edges that lie on circles, or on a way from one circle to another."""
    for start, end in ((0, 1), (1, 0)):
        sorter = TopologicalSorter[int]()
        for pair in pairs:
            sorter.add(pair[end], pair[start])
        # Told of a circle, the sorter still gives all that can be reached without walking through one.
        with suppress(CycleError):
            sorter.prepare()
        free: set[int] = set()
        while ready := sorter.get_ready():
            free.update(ready)
            sorter.done(*ready)
        pairs = [pair for pair in pairs if free.isdisjoint(pair)]
    return list(pairs)


def _without_implied(before: _Before) -> Iterator[tuple[int, int]]:
    """Yield the edges but those that follow from two others, by number."""
    kept: list[tuple[int, int]] = []
    for later, waits in before.items():
        implied = {earlier for between in waits for earlier in before.get(between, ()) if earlier in waits}
        kept += [(earlier, later) for earlier in waits if earlier not in implied]
    yield from sorted(kept)


def _waves(pieces: Sequence[Piece], before: _Before) -> tuple[tuple[int, ...], ...]:
    sorter = TopologicalSorter({number: before.get(number, ()) for number in range(len(pieces))})
    sorter.prepare()
    waves: list[tuple[int, ...]] = []
    while ready := sorter.get_ready():
        waves.append(tuple(sorted(ready, key=lambda number: (-pieces[number].weight, number))))
        sorter.done(*ready)
    return tuple(waves)
