"""The whole analysis of one observation: groups, cascades, how hard each group is, and what waits for what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from domain.analysis.cascades import Cascade
from domain.analysis.complexity import Complexity, ComplexityScorer
from domain.analysis.dependencies import Dependencies, DependencyAnalyzer, Piece
from domain.analysis.group import Group
from domain.analysis.patterns import PatternRecognizer
from domain.effort import Estimator, WorkerKind
from domain.phase import Phase
from domain.problem import Problem


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an observation's problems; lists have the order of the groups."""

    groups: tuple[Group, ...]
    cascades: tuple[Cascade, ...]
    complexities: tuple[Complexity, ...]
    dependencies: Dependencies

    @property
    def waves(self) -> tuple[int, ...]:
        """The wave of each group, counted from 1."""
        wave_of = {
            number: wave for wave, members in enumerate(self.dependencies.waves, start=1) for number in members
        }
        return tuple(wave_of[number] for number in range(len(self.groups)))


def analyse(
    problems: Sequence[Problem],
    targeted: Iterable[int],
    *,
    unsafe: bool = False,
    worker: WorkerKind = "agent",
    estimator: Estimator | None = None,
    analyzer: DependencyAnalyzer | None = None,
) -> Analysis:
    """Analyse the targeted problems; `unsafe` tells whether edits that the tool calls unsafe count as automatic."""
    patterns = PatternRecognizer().recognise(problems, targeted, unsafe=unsafe)
    scorer = ComplexityScorer(worker, estimator, unsafe=unsafe)
    complexities = tuple(scorer.score(problems, group) for group in patterns.groups)
    pieces = [
        Piece(
            title=group.cause,
            phase=group.phase,
            files=frozenset(group.files),
            foundation=group.kind == "cause" and (group.phase < Phase.LINT or group.cure == "definition"),
            weight=complexity.effort.p50,
        )
        for group, complexity in zip(patterns.groups, complexities, strict=True)
    ]
    return Analysis(
        groups=tuple(patterns.groups),
        cascades=tuple(patterns.cascades),
        complexities=complexities,
        dependencies=(analyzer or DependencyAnalyzer()).analyse(pieces),
    )
