"""From groups to a plan: the strategy, the subtasks, who waits for whom, and for how many workers."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cache

import msgspec

from domain.analysis.dependencies import DependencyAnalyzer
from domain.analysis.group import Group
from domain.errors import UsageError
from domain.phase import Phase
from domain.plan import Conflict, Plan, PlannedSubtask, StrategyOutcome, WorkerCurvePoint
from domain.planning.arrangement import Arrangement, arrange, lanes
from domain.planning.conflicts import predict
from domain.planning.makespan import makespan, work_of
from domain.planning.packing import Packing
from domain.planning.phases import plan_phases
from domain.planning.recommendation import recommend, spell
from domain.planning.request import Request, Strategy
from domain.planning.units import Bin, files_of, holds_of, kind_of, units_of
from domain.problem import Problem
from domain.scope import TaskScope

#: Pairs that a plan names.
_CONFLICTS_MAX = 100

#: What a missing dependency is added to.
_MANIFESTS = ("Cargo.toml", "pyproject.toml", "package.json", "tsconfig.json", "CMakeLists.txt", "Makefile")

#: Where so many further workers together save less than this share of what one takes, no more are tried.
_LOOK_AHEAD, _NOTHING = 4, 0.01

#: `auto` leaves the cause whole unless another strategy is faster by more than this share, and by more than the time
#: for which a subtask is not worth its worktree.
_CLEARLY_FASTER = 0.1


def decompose(
    problems: Sequence[Problem],
    groups: Sequence[Group],
    request: Request,
    analyzer: DependencyAnalyzer | None = None,
) -> Plan:
    """Turn groups into a plan; the same input always gives the same plan.

    `analyzer` is one that knows the tree's imports, or what has changed together, where these are known.
    Problems without a place in the tree are left out: nobody can be given a file that is not named.
    Raises `UsageError` where the strategy owner is asked for and the CODEOWNERS file is malformed.
    """
    candidates = _candidates(problems, groups, request, analyzer or DependencyAnalyzer())
    chosen, reason, outcomes = _choose(problems, candidates, request)
    curve = _curve(chosen, request)
    recommended, why = recommend(curve, request.cores)
    arrangement = chosen.arranged(request.workers or recommended)
    conflicts, expected = predict(problems, _edited(arrangement))
    targeted = {index for group in groups for index in group.problems}
    return Plan(
        strategy=chosen.strategy,
        subtasks=_subtasks(problems, arrangement, request),
        recommended_workers=recommended,
        recommendation=why,
        curve=curve,
        left_out=tuple(sorted(index for index in targeted if not problems[index].path)),
        strategy_reason=reason,
        outcomes=outcomes,
        conflicts=_riskiest([*conflicts, *arrangement.likely_conflicts]),
        expected_conflicts=expected,
        phases=plan_phases(problems, groups, request),
    )


# --- the strategy ---------------------------------------------------------------------------------------


class _Candidate:
    """A strategy, its units, and what they would be packed into for any number of workers."""

    def __init__(
        self,
        problems: Sequence[Problem],
        groups: Sequence[Group],
        request: Request,
        strategy: Strategy,
        analyzer: DependencyAnalyzer,
    ) -> None:
        self.strategy = strategy
        units = units_of(problems, groups, request, strategy)
        self.units = len(units)
        packing = Packing(units, request, strategy)
        self.arranged: Callable[[int], Arrangement] = cache(
            lambda workers: arrange(packing.for_workers(workers), analyzer)
        )


def _candidates(
    problems: Sequence[Problem], groups: Sequence[Group], request: Request, analyzer: DependencyAnalyzer
) -> list[_Candidate]:
    if request.strategy != "auto":
        return [_Candidate(problems, groups, request, request.strategy, analyzer)]
    weighed: tuple[Strategy, ...] = ("root-cause", "file", "directory", "code")
    candidates = [_Candidate(problems, groups, request, strategy, analyzer) for strategy in weighed]
    if request.code_owners.strip():
        # Nobody has asked for owners: a file that cannot be read is no reason to refuse a plan.
        with suppress(UsageError):
            candidates.append(_Candidate(problems, groups, request, "owner", analyzer))
    return candidates


def _choose(
    problems: Sequence[Problem], candidates: Sequence[_Candidate], request: Request
) -> tuple[_Candidate, str, tuple[StrategyOutcome, ...]]:
    """Choose the fastest by simulation, and root-cause where nothing is clearly faster."""
    if len(candidates) == 1:
        return candidates[0], "asked for", ()
    first = candidates[0]
    workers = request.workers or min(request.workers_max, max(first.units, 1))
    outcomes = [_outcome(problems, candidate, workers, request) for candidate in candidates]
    fastest = min(outcomes, key=lambda outcome: outcome.makespan_seconds)
    by_cause = outcomes[0]
    saved = by_cause.makespan_seconds - fastest.makespan_seconds
    keeps = saved <= max(_CLEARLY_FASTER * by_cause.makespan_seconds, request.costs.effort_min)
    chosen = by_cause if keeps else fastest
    others = ", ".join(
        f"{outcome.strategy} {spell(outcome.makespan_seconds)} with {outcome.conflicts:.3g}"
        for outcome in outcomes
        if outcome is not chosen
    )
    reason = (
        f"{'as fast as any, and one cause stays in one head' if keeps else 'the fastest'}: on {workers} workers"
        f" {spell(chosen.makespan_seconds)} by simulation, with {chosen.conflicts:.3g} conflicts to be expected"
        f" if all ran at once; {others}"
    )
    candidate = next(candidate for candidate in candidates if candidate.strategy == chosen.strategy)
    return candidate, reason, tuple(outcomes)


def _outcome(problems: Sequence[Problem], candidate: _Candidate, workers: int, request: Request) -> StrategyOutcome:
    arrangement = candidate.arranged(workers)
    _, expected = predict(problems, _edited(arrangement))
    return StrategyOutcome(
        strategy=candidate.strategy,
        subtasks=len(arrangement.bins),
        makespan_seconds=makespan(arrangement, workers, request).mean,
        conflicts=expected,
    )


def _curve(candidate: _Candidate, request: Request) -> tuple[WorkerCurvePoint, ...]:
    points: list[WorkerCurvePoint] = []
    for workers in range(1, min(request.workers_max, max(candidate.units, 1)) + 1):
        if len(points) > _LOOK_AHEAD and not _still_pays(points):
            break
        taken = makespan(candidate.arranged(workers), workers, request)
        saves = points[-1].makespan_seconds - taken.mean if points else 0.0
        points.append(
            WorkerCurvePoint(
                workers=workers,
                makespan_seconds=taken.mean,
                p80_seconds=taken.p80,
                saves_seconds=round(saves, 3),
            )
        )
    return tuple(points)


def _still_pays(points: Sequence[WorkerCurvePoint]) -> bool:
    before, *last = points[-_LOOK_AHEAD - 1 :]
    saved = before.makespan_seconds - min(point.makespan_seconds for point in last)
    return saved > _NOTHING * points[0].makespan_seconds


# --- from bins to subtasks ------------------------------------------------------------------------------


def _subtasks(problems: Sequence[Problem], arrangement: Arrangement, request: Request) -> tuple[PlannedSubtask, ...]:
    codes_in_file: defaultdict[str, set[str]] = defaultdict(set)
    for content in arrangement.bins:
        for index in _members(content):
            codes_in_file[problems[index].path].add(problems[index].code)
    in_lane = lanes(arrangement.holds)
    return tuple(
        msgspec.structs.replace(
            _subtask(content, codes_in_file, request),
            priority=number,
            depends_on=arrangement.depends_on[number],
            wave=arrangement.waves[number],
            lane=in_lane[number],
        )
        for number, content in enumerate(arrangement.bins)
    )


def _subtask(content: Bin, codes_in_file: dict[str, set[str]], request: Request) -> PlannedSubtask:
    files, holds = files_of(content), holds_of(content)
    codes = {code for unit in content for code in unit.codes}
    present = {code for path in files for code in codes_in_file[path]}
    effort = request.estimates.explained(work_of(content, request))
    return PlannedSubtask(
        # Postgres keeps no NUL, and a tool's message may hold one.
        title=_title(content, sorted(files), codes).replace("\0", "?"),
        reason=_reason(content),
        scope=TaskScope(
            files=tuple(sorted(files)),
            codes=tuple(sorted(codes)),
            excluded_codes=tuple(sorted(present - codes)),
            included_files=_elsewhere(content),
            held_files=None if files <= holds else tuple(sorted(holds)),
            excluded_files=request.excluded_files,
            constraints=request.constraints,
            quality=request.quality,
            time_budget_seconds=request.budget_seconds(effort),
        ),
        problems=_members(content),
        effort=effort,
        priority=0,
    )


def _edited(arrangement: Arrangement) -> list[list[int]]:
    """List for each subtask the problems at whose places edits are expected."""
    return [
        [index for unit in content if unit.files <= unit.holds for index in unit.problems]
        for content in arrangement.bins
    ]


def _riskiest(pairs: Sequence[Conflict]) -> tuple[Conflict, ...]:
    return tuple(sorted(pairs, key=lambda pair: (-pair.risk, pair.first, pair.second))[:_CONFLICTS_MAX])


def _members(content: Bin) -> tuple[int, ...]:
    return tuple(sorted(index for unit in content for index in unit.problems))


def _elsewhere(content: Bin) -> tuple[str, ...]:
    """Give patterns of files in which a definition may lie that is not where its problems show."""
    causes = [unit for unit in content if unit.kind == "cause" and unit.phase < Phase.LINT]
    suffixes = {posixpath.splitext(path)[1] for unit in causes for path in unit.files} - {""}
    manifests = _MANIFESTS if causes else ()
    return (*(f"*{suffix}" for suffix in sorted(suffixes)), *manifests)


def _title(content: Bin, files: Sequence[str], codes: Iterable[str]) -> str:
    causes = [unit.title for unit in content if unit.kind == "cause"]
    if causes:
        return causes[0] if len(causes) == 1 else f"{causes[0]} (+{len(causes) - 1} more causes)"
    named = sorted(code or "no code" for code in codes)
    listed = ", ".join(named[:3]) + (f" +{len(named) - 3}" if len(named) > 3 else "")
    if len(files) == 1:
        return f"{listed} in {files[0]}"
    common = posixpath.commonpath(files)
    return f"{listed} in {len(files)} files" + (f" of {common}" if common else "")


def _reason(content: Bin) -> str:
    causes = sum(unit.kind == "cause" for unit in content)
    local = len(content) - causes
    if causes == 1 and not local:
        return "one cause in several files: cured once, by one worker, first"
    if causes:
        extra = f", with the local edits in {local} of the same files" if local else ""
        many = f"{causes} causes that meet in the same files or are small" if causes > 1 else "one cause"
        return f"{many}{extra}"
    how = "automatic fixes" if kind_of(content) == "automatic" else "local edits"
    realm = content[0].realm
    whose = f" of {realm}" if realm else ""
    return f"{how}{whose}, split so that each has whole files where it can; load balanced"
