"""From groups to subtasks: one root cause in one head, no two live subtasks in one file, equal loads.

The measured reason for splitting by file and not by code: on a published tree (boto 2.49.0) with 41,401
violations of 20 rules, one branch per rule made 11 of 20 branches conflict when merged, rules packed on 8
workers 7 of 8, files split over 8 workers none, and that result equalled the one of a single worker. One rule
also held 71 % of all violations, so rules alone cannot balance.
"""

from __future__ import annotations

import heapq
import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, get_args

import msgspec

from domain import effort as efforts
from domain.analysis.patterns import Group
from domain.effort import Calibration, UnitKind, WorkerKind
from domain.plan import Effort, Plan, PlannedSubtask, TaskScope, WorkerCurvePoint
from domain.planning.schedule import Job, simulate
from domain.problem import Problem

Strategy = Literal["auto", "root-cause", "code", "file", "directory"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

#: Subtasks a worker should get on average: enough that the last to finish does not keep the others waiting.
_SUBTASKS_PER_WORKER = 2
#: A subtask above this is split where it can be: an agent loses the thread, a brief its reader (seconds).
_EFFORT_MAX: dict[WorkerKind, float] = {"script": 120.0, "agent": 1800.0}
#: A subtask below this is not worth its worktree, gates and merge (seconds).
_EFFORT_MIN: dict[WorkerKind, float] = {"script": 2.0, "agent": 240.0}
#: What a subtask costs besides its work: worktree, gates, merge (seconds, one after the other in the merge).
_OVERHEAD: dict[WorkerKind, float] = {"script": 0.5, "agent": 5.0}
_TIME_BUDGET_SECONDS = 1800.0
_WORKERS_MAX = 16
#: A further worker must save at least this share of the whole to be recommended.
_WORTHWHILE = 0.05


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a decomposition must know besides the problems."""

    strategy: Strategy = "auto"
    worker: WorkerKind = "agent"
    #: Workers that will run; None asks for the recommendation.
    workers: int | None = None
    #: Processors of this machine where the worker keeps one busy; None where it mostly waits.
    cores: int | None = None
    calibration: Calibration = Calibration()
    #: Time budget of a subtask, in seconds; None takes half an hour, or the estimate's P95 where that is more.
    time_budget_seconds: float | None = None


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What is never split: a cause, or what one place holds."""

    kind: UnitKind
    title: str
    problems: tuple[int, ...]
    files: frozenset[str]
    codes: frozenset[str]
    #: Seconds it adds to a subtask.
    weight: float


Bin = list[Unit]


def decompose(problems: Sequence[Problem], groups: Sequence[Group], request: Request) -> Plan:
    """Turn groups into a plan; the same input always gives the same plan.

    Problems without a place in the tree are left out: nobody can be given a file that is not named.
    """
    placed = [index for group in groups for index in group.problems if problems[index].path]
    units = _units(problems, groups, request)
    top = min(_WORKERS_MAX, max(len(units), 1))
    curve = tuple(
        WorkerCurvePoint(workers=n, makespan_seconds=round(_makespan(_pack(units, n, request), n, request), 3))
        for n in range(1, top + 1)
    )
    recommended, why = _recommend(curve, request.cores)
    bins = _pack(units, request.workers or recommended, request)
    targeted = {index for group in groups for index in group.problems}
    return Plan(
        strategy="root-cause" if request.strategy == "auto" else request.strategy,
        subtasks=_subtasks(problems, bins, request),
        recommended_workers=recommended,
        recommendation=why,
        curve=curve,
        left_out=tuple(sorted(targeted.difference(placed))),
    )


# --- units: what is never split -------------------------------------------------------------------------


def _units(problems: Sequence[Problem], groups: Sequence[Group], request: Request) -> list[Unit]:
    match request.strategy:
        case "code":
            return _units_by(problems, groups, request, lambda problem: problem.code or "no code")
        case "file":
            return _units_by(problems, groups, request, lambda problem: problem.path)
        case "directory":
            return _units_by(problems, groups, request, lambda problem: posixpath.dirname(problem.path) or ".")
        case _:
            causes = [_cause_unit(problems, group, request) for group in groups if group.kind == "cause"]
            others = [group for group in groups if group.kind != "cause"]
            local = _units_by(problems, others, request, lambda problem: problem.path)
            return [unit for unit in causes if unit.problems] + local


def _units_by(
    problems: Sequence[Problem], groups: Sequence[Group], request: Request, key: Callable[[Problem], str]
) -> list[Unit]:
    members: defaultdict[str, list[int]] = defaultdict(list)
    automatic: defaultdict[str, bool] = defaultdict(lambda: True)
    for group in groups:
        for index in group.problems:
            if problems[index].path:
                members[key(problems[index])].append(index)
                automatic[key(problems[index])] &= group.kind == "automatic"
    return [
        _unit(problems, "automatic" if automatic[name] else "local", name, indices, request)
        for name, indices in sorted(members.items())
    ]


def _cause_unit(problems: Sequence[Problem], group: Group, request: Request) -> Unit:
    placed = [index for index in group.problems if problems[index].path]
    return _unit(problems, "cause", group.cause, placed, request)


def _unit(problems: Sequence[Problem], kind: UnitKind, title: str, indices: Iterable[int], request: Request) -> Unit:
    members = tuple(sorted(indices))
    files = frozenset(problems[index].path for index in members)
    return Unit(
        kind=kind,
        title=title,
        problems=members,
        files=files,
        codes=frozenset(problems[index].code for index in members),
        weight=efforts.weight(request.worker, kind, files=len(files), problems=len(members))
        * request.calibration.factor,
    )


# --- packing --------------------------------------------------------------------------------------------


def _pack(units: Sequence[Unit], workers: int, request: Request) -> list[Bin]:
    if request.strategy in ("code", "file", "directory"):
        return _balance(units, workers, request)
    causes = _join_by_file([unit for unit in units if unit.kind == "cause"], request)
    free = _absorb([unit for unit in units if unit.kind != "cause"], causes, request)
    return _join_small(causes, request) + _balance(free, workers, request)


def _join_by_file(causes: Sequence[Unit], request: Request) -> list[Bin]:
    """Put causes that meet in a file into one subtask, as long as it stays small enough for one head."""
    bins: list[Bin] = []
    holder: dict[str, Bin] = {}
    for unit in sorted(causes, key=lambda unit: (-len(unit.problems), unit.title)):
        shared = [holder[path] for path in sorted(unit.files) if path in holder]
        fitting = [other for other in shared if _load(other) + unit.weight <= _EFFORT_MAX[request.worker]]
        target = min(fitting, key=_load) if fitting else []
        if not fitting:
            bins.append(target)
        target.append(unit)
        for path in unit.files:
            holder.setdefault(path, target)
    return bins


def _absorb(local: Sequence[Unit], causes: Sequence[Bin], request: Request) -> list[Unit]:
    """Give each file's local edits to a cause that works in that file anyway; return those with none."""
    in_file: defaultdict[str, list[Bin]] = defaultdict(list)
    for cause in causes:
        for path in sorted({path for unit in cause for path in unit.files}):
            in_file[path].append(cause)
    free: list[Unit] = []
    for unit in local:
        hosts = [host for path in unit.files for host in in_file[path]]
        fitting = [host for host in hosts if _load(host) + unit.weight <= _EFFORT_MAX[request.worker]]
        (min(fitting, key=_load) if fitting else free).append(unit)
    return free


def _join_small(bins: Sequence[Bin], request: Request) -> list[Bin]:
    """Join subtasks that are too small to be worth a worker, those of one code beside each other."""
    floor = _EFFORT_MIN[request.worker]
    large = [content for content in bins if _load(content) >= floor]
    joined: list[Bin] = []
    small = (content for content in bins if _load(content) < floor)
    for content in sorted(small, key=lambda content: (min(content[0].codes), content[0].title)):
        if joined and _load(joined[-1]) < floor:
            joined[-1].extend(content)
        else:
            joined.append(list(content))
    return large + joined


def _balance(units: Sequence[Unit], workers: int, request: Request) -> list[Bin]:
    """Spread units over equal loads: the largest first, each into the emptiest bin (LPT, Graham 1969)."""
    if not units:
        return []
    total = sum(unit.weight for unit in units)
    wanted = max(
        min(workers * _SUBTASKS_PER_WORKER, int(total / _EFFORT_MIN[request.worker])),
        int(total / _EFFORT_MAX[request.worker]) + 1,
        min(workers, len(units)),
    )
    # As many for each worker: with three on two workers, one of them would wait for half the time.
    rounds = -(-wanted // workers)
    bins: list[Bin] = [[] for _ in range(min(rounds * workers, len(units)))]
    loads = [(0.0, number) for number in range(len(bins))]
    for unit in sorted(units, key=lambda unit: (-unit.weight, unit.title)):
        load, number = heapq.heappop(loads)
        bins[number].append(unit)
        heapq.heappush(loads, (load + unit.weight, number))
    return bins


def _load(content: Bin) -> float:
    return sum(unit.weight for unit in content)


# --- from bins to subtasks ------------------------------------------------------------------------------


def _subtasks(problems: Sequence[Problem], bins: Sequence[Bin], request: Request) -> tuple[PlannedSubtask, ...]:
    codes_in_file: defaultdict[str, set[str]] = defaultdict(set)
    for content in bins:
        for unit in content:
            for index in unit.problems:
                codes_in_file[problems[index].path].add(problems[index].code)
    ordered = sorted(filter(None, bins), key=lambda content: (_kind(content) != "cause", -_load(content)))
    foundations = [_files(content) for content in ordered if _kind(content) == "cause"]
    return tuple(
        _subtask(content, number, codes_in_file, foundations, request) for number, content in enumerate(ordered)
    )


def _subtask(
    content: Bin,
    number: int,
    codes_in_file: dict[str, set[str]],
    foundations: Sequence[frozenset[str]],
    request: Request,
) -> PlannedSubtask:
    files = _files(content)
    codes = {code for unit in content for code in unit.codes}
    present = {code for path in files for code in codes_in_file[path]}
    effort = _effort(content, request)
    local = number >= len(foundations)
    before = (cause for cause, held in enumerate(foundations) if local and not held.isdisjoint(files))
    return PlannedSubtask(
        # Postgres keeps no NUL, and a tool's message may hold one.
        title=_title(content, sorted(files), codes).replace("\0", "?"),
        reason=_reason(content),
        scope=TaskScope(
            files=tuple(sorted(files)),
            codes=tuple(sorted(codes)),
            excluded_codes=tuple(sorted(present - codes)),
            time_budget_seconds=_time_budget(effort, request),
        ),
        problems=tuple(sorted(index for unit in content for index in unit.problems)),
        effort=effort,
        priority=number,
        depends_on=tuple(before),
    )


def _time_budget(effort: Effort, request: Request) -> float:
    if request.time_budget_seconds is not None:
        return request.time_budget_seconds
    return max(_TIME_BUDGET_SECONDS, round(effort.p95, 1))


def _files(content: Bin) -> frozenset[str]:
    return frozenset(path for unit in content for path in unit.files)


def _kind(content: Bin) -> UnitKind:
    kinds = {unit.kind for unit in content}
    return "cause" if "cause" in kinds else "local" if "local" in kinds else "automatic"


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
    how = "automatic fixes" if _kind(content) == "automatic" else "local edits"
    return f"{how}, split by file so that nobody else holds these files; load balanced"


def _effort(content: Bin, request: Request) -> Effort:
    return efforts.estimate(request.worker, _kind(content), _load(content), request.calibration)


# --- how many workers -----------------------------------------------------------------------------------


def _makespan(bins: Sequence[Bin], workers: int, request: Request) -> float:
    # Overheads of git and gates are not parallel: the merge takes one subtask after the other.
    overhead = _OVERHEAD[request.worker]
    slow_down = max(1.0, workers / request.cores) if request.cores else 1.0
    jobs = [
        Job(
            seconds=_effort(content, request).p50 * slow_down + overhead,
            files=_files(content),
            priority=0 if _kind(content) == "cause" else 1,
        )
        for content in bins
    ]
    return simulate(jobs, workers).makespan_seconds + overhead * (workers - 1)


def _recommend(curve: Sequence[WorkerCurvePoint], cores: int | None) -> tuple[int, str]:
    alone = curve[0].makespan_seconds
    best = 0
    for number, point in enumerate(curve):
        if curve[best].makespan_seconds - point.makespan_seconds >= _WORTHWHILE * alone:
            best = number
    chosen = curve[best]
    said = f"{chosen.workers} of them take about {chosen.makespan_seconds:.3g} s by simulation, 1 takes {alone:.3g} s"
    if best + 1 < len(curve):
        rest = min(point.makespan_seconds for point in curve[best + 1 :])
        saved = max(chosen.makespan_seconds - rest, 0.0)
        said += f"; any more would save at most {saved:.3g} s ({saved / max(alone, 1e-9):.0%})"
    if cores:
        said += f"; the worker keeps a processor busy and there are {cores}"
    return chosen.workers, said
