"""The order of a plan's subtasks: what goes first, what waits for what, and who shares files with whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from domain.analysis.dependencies import Dependencies, DependencyAnalyzer, Edge, Piece
from domain.phase import Phase
from domain.plan import Conflict
from domain.planning.units import Bin, files_of, holds_of, kind_of, load, phase_of

#: Chance that work on files which often change together does not fit when it is merged; an assumption.
_CO_CHANGE_RISK = 0.1


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """Bins in order of urgency; what is said of them has their order."""

    bins: tuple[Bin, ...]
    #: In which nobody else may work meanwhile.
    holds: tuple[frozenset[str], ...]
    #: Numbers of bins that must be done before; each is smaller than the bin's own number.
    depends_on: tuple[tuple[int, ...], ...]
    #: 1 where a bin waits for nothing, else one more than the latest that it waits for.
    waves: tuple[int, ...]
    #: Pairs whose files share nothing and yet change together.
    likely_conflicts: tuple[Conflict, ...] = ()


def arrange(bins: Sequence[Bin], analyzer: DependencyAnalyzer) -> Arrangement:
    """Put first what others wait for, then causes, then the largest.

    Of an earlier phase only what cannot be parsed or set up holds up others, and causes hold up local edits: what was
    observed is not hidden, and lanes keep apart who works in one file.
    """
    filled = [content for content in bins if content]
    pieces = [
        Piece(
            title=content[0].title,
            phase=phase_of(content),
            files=files_of(content),
            foundation=_is_foundation(content),
            weight=load(content),
        )
        for content in filled
    ]
    dependencies = analyzer.analyse(pieces)
    before = _held_up(pieces, dependencies)
    wave_of: dict[int, int] = {}
    for number in (number for members in dependencies.waves for number in members):
        wave_of[number] = 1 + max((wave_of[earlier] for earlier in before[number]), default=0)
    order = sorted(
        range(len(filled)),
        key=lambda number: (wave_of[number], kind_of(filled[number]) != "cause", -pieces[number].weight, number),
    )
    place_of = {number: place for place, number in enumerate(order)}
    depends_on = [sorted(place_of[earlier] for earlier in before[number]) for number in order]
    return Arrangement(
        bins=tuple(filled[number] for number in order),
        holds=tuple(holds_of(filled[number]) for number in order),
        depends_on=tuple(map(tuple, depends_on)),
        waves=tuple(wave_of[number] for number in order),
        likely_conflicts=tuple(
            Conflict(
                first=min(place_of[pair.first], place_of[pair.second]),
                second=max(place_of[pair.first], place_of[pair.second]),
                files=0,
                risk=_CO_CHANGE_RISK,
                reason=f"{pair.files[0]} and {pair.files[1]} changed together in {pair.together} merges,"
                f" {pair.lift:.3g} times as often as by chance",
            )
            for pair in dependencies.likely_conflicts
        ),
    )


def _is_foundation(content: Bin) -> bool:
    """Tell whether others build on what is mended: what is cured at a definition, or keeps code from compiling."""
    if kind_of(content) != "cause":
        return False
    return phase_of(content) < Phase.LINT or not files_of(content) <= holds_of(content)


def _held_up(pieces: Sequence[Piece], dependencies: Dependencies) -> dict[int, set[int]]:
    """Tell for each piece which others hold it up, directly or by way of an order that does not count here."""
    edges: defaultdict[int, list[Edge]] = defaultdict(list)
    for edge in dependencies.edges:
        edges[edge.after].append(edge)
    held_up: dict[int, set[int]] = {number: set() for number in range(len(pieces))}
    #: All that goes before and can hold up anything: what follows from two other edges is no edge of its own.
    reached: dict[int, set[int]] = {number: set() for number in range(len(pieces))}
    for number in (number for members in dependencies.waves for number in members):
        for edge in edges[number]:
            if edge.kind != "phase" or _holds_up(pieces[edge.before], pieces[number]):
                held_up[number].add(edge.before)
            else:
                held_up[number] |= {far for far in reached[edge.before] if _holds_up(pieces[far], pieces[number])}
            reached[number] |= reached[edge.before]
            if pieces[edge.before].foundation or pieces[edge.before].phase <= Phase.SYNTAX:
                reached[number].add(edge.before)
    return held_up


def _holds_up(before: Piece, after: Piece) -> bool:
    """Tell whether a piece of an earlier phase holds up one of a later phase."""
    return before.phase <= Phase.SYNTAX or (before.foundation and not after.foundation)


def lanes(holds: Sequence[frozenset[str]]) -> list[int | None]:
    """Number the lanes: who holds files in common, directly or through others, is in one; None for the rest."""
    leader = list(range(len(holds)))

    def find(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    first_with: dict[str, int] = {}
    for number, held in enumerate(holds):
        for path in held:
            one, other = find(first_with.setdefault(path, number)), find(number)
            leader[max(one, other)] = min(one, other)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for number in range(len(holds)):
        members[find(number)].append(number)
    shared = [leading for leading in sorted(members) if len(members[leading]) > 1]
    lane_of = {leading: lane for lane, leading in enumerate(shared, start=1)}
    return [lane_of.get(find(number)) for number in range(len(holds))]
