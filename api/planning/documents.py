"""What `-o json` prints. The names are a contract: fields are added, never renamed or removed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.analysis.analyze import Analysis
from domain.analysis.complexity import Complexity
from domain.analysis.group import Group
from domain.comparison import Comparison
from domain.plan import Conflict, Effort, Plan, PlannedSubtask, PlanPhase, StrategyOutcome, WorkerCurvePoint
from domain.problem import count_codes
from domain.readers.report import Damage, Report

#: Damaged records that are named; all are counted.
_DAMAGE_MAX = 20


class EffortDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Estimated active time in seconds, as quantiles."""

    p50: float
    p80: float
    p95: float
    #: Where the figures come from, in words.
    basis: str

    @classmethod
    def of(cls, effort: Effort) -> EffortDocument:
        """Take over what programs need."""
        return cls(p50=effort.p50, p80=effort.p80, p95=effort.p95, basis=effort.basis)


class GroupDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Problems with one root cause."""

    #: Counted from 1, the largest group first.
    id: int
    cause: str
    #: `automatic`, `cause` (one cure at a definition) or `local`.
    kind: str
    domain: str
    phase: str
    codes: tuple[str, ...]
    files: int
    #: How many problems it has.
    problems: int
    effort: EffortDocument
    risk: float
    fixable: float
    difficulty: int
    #: Work of the same wave can be done at the same time; later waves wait for earlier ones.
    wave: int
    evidence: tuple[str, ...]
    reasons: tuple[str, ...]


class CascadeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A group whose cure takes others with it."""

    #: Numbers of groups.
    root: int
    dependents: tuple[int, ...]
    confidence: float
    evidence: tuple[str, ...]


class AnalysisDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a report."""

    schema: str = "parallel-workers/analysis/1"
    format: str
    tool: str
    tool_version: str
    #: How many, without duplicates.
    problems: int
    duplicates: int
    damaged: int
    #: The first damaged records, with their lines.
    damage: tuple[Damage, ...]
    replaced_bytes: int
    #: Problems per code, the most frequent first.
    codes: dict[str, int]
    #: How many files have problems.
    files: int
    groups: tuple[GroupDocument, ...]
    cascades: tuple[CascadeDocument, ...]
    #: What has become of an earlier report's problems, by fate; null where there is none to compare with.
    since: dict[str, int] | None = None


class SubtaskDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker would get."""

    #: Counted from 1, the most urgent first.
    id: int
    title: str
    reason: str
    codes: tuple[str, ...]
    excluded_codes: tuple[str, ...]
    files: tuple[str, ...]
    #: Numbers of the report's problems, counted from 0 in the order of the report, duplicates left out.
    problems: tuple[int, ...]
    effort: EffortDocument
    time_budget_seconds: float
    wave: int
    #: Subtasks of one lane share files and are never worked on at once; null where it shares none.
    lane: int | None
    #: Ids of subtasks that must be done before.
    depends_on: tuple[int, ...]


class WorkersDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What so many workers would take, in seconds."""

    workers: int
    #: Expected.
    makespan_seconds: float
    p80_seconds: float
    #: Beside one worker less.
    saves_seconds: float

    @classmethod
    def of(cls, point: WorkerCurvePoint) -> WorkersDocument:
        """Take over all, also what is nothing."""
        return cls(
            workers=point.workers,
            makespan_seconds=point.makespan_seconds,
            p80_seconds=point.p80_seconds,
            saves_seconds=point.saves_seconds,
        )


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A decomposition."""

    schema: str = "parallel-workers/plan/1"
    format: str
    tool: str
    problems: int
    #: SHA-256 of the plan: equal for equal input and options.
    plan_hash: str
    strategy: str
    strategy_reason: str
    strategies: tuple[StrategyOutcome, ...]
    recommended_workers: int
    recommendation: str
    #: What each number of workers would take, by simulation.
    workers: tuple[WorkersDocument, ...]
    subtasks: tuple[SubtaskDocument, ...]
    conflicts: tuple[Conflict, ...]
    expected_conflicts: float
    phases: tuple[PlanPhase, ...]
    #: Numbers of the problems that no subtask takes.
    left_out: tuple[int, ...]


def analysis_document(report: Report, analysis: Analysis, comparison: Comparison | None) -> AnalysisDocument:
    """Put an analysis into its document, with the comparison where there is an earlier report."""
    groups = zip(analysis.groups, analysis.complexities, analysis.waves, strict=True)
    return AnalysisDocument(
        format=report.format,
        tool=report.tool,
        tool_version=report.tool_version,
        problems=len(report.problems),
        duplicates=report.duplicates,
        damaged=len(report.damaged),
        damage=report.damaged[:_DAMAGE_MAX],
        replaced_bytes=report.replaced_bytes,
        codes=count_codes(report.problems),
        files=len({problem.path for problem in report.problems if problem.path}),
        groups=tuple(_group(number, *parts) for number, parts in enumerate(groups, start=1)),
        cascades=tuple(
            CascadeDocument(
                root=cascade.root + 1,
                dependents=tuple(number + 1 for number in cascade.dependents),
                confidence=cascade.confidence,
                evidence=cascade.evidence,
            )
            for cascade in analysis.cascades
        ),
        since=None if comparison is None else {str(fate): count for fate, count in comparison.counts.items()},
    )


def _group(number: int, group: Group, complexity: Complexity, wave: int) -> GroupDocument:
    return GroupDocument(
        id=number,
        cause=group.cause,
        kind=group.kind,
        domain=group.domain,
        phase=group.phase.name.lower(),
        codes=group.codes,
        files=len(group.files),
        problems=len(group.problems),
        effort=EffortDocument.of(complexity.effort),
        risk=complexity.risk,
        fixable=complexity.fixable,
        difficulty=complexity.difficulty,
        wave=wave,
        evidence=group.evidence,
        reasons=complexity.reasons,
    )


def plan_document(report: Report, plan: Plan) -> PlanDocument:
    """Put a plan into its document."""
    return PlanDocument(
        format=report.format,
        tool=report.tool,
        problems=len(report.problems),
        plan_hash=plan.plan_hash,
        strategy=plan.strategy,
        strategy_reason=plan.strategy_reason,
        strategies=plan.outcomes,
        recommended_workers=plan.recommended_workers,
        recommendation=plan.recommendation,
        workers=tuple(map(WorkersDocument.of, plan.curve)),
        subtasks=_subtasks(plan.subtasks),
        conflicts=tuple(
            msgspec.structs.replace(pair, first=pair.first + 1, second=pair.second + 1) for pair in plan.conflicts
        ),
        expected_conflicts=plan.expected_conflicts,
        phases=plan.phases,
        left_out=plan.left_out,
    )


def _subtasks(subtasks: Sequence[PlannedSubtask]) -> tuple[SubtaskDocument, ...]:
    return tuple(
        SubtaskDocument(
            id=number,
            title=subtask.title,
            reason=subtask.reason,
            codes=subtask.scope.codes,
            excluded_codes=subtask.scope.excluded_codes,
            files=subtask.scope.files,
            problems=subtask.problems,
            effort=EffortDocument.of(subtask.effort),
            time_budget_seconds=subtask.scope.time_budget_seconds,
            wave=subtask.wave,
            lane=subtask.lane,
            depends_on=tuple(earlier + 1 for earlier in subtask.depends_on),
        )
        for number, subtask in enumerate(subtasks, start=1)
    )
