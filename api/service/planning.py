"""From a tool's output to the events of a phase: what was seen, what is to be done, or why it ends here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from api.schemas import Policy, Tree
from domain import events as e
from domain import gates
from domain.analysis.dependencies import DependencyAnalyzer
from domain.analysis.group import Group
from domain.analysis.imports import ImportGraph
from domain.analysis.patterns import PatternRecognizer
from domain.errors import ReportError
from domain.experience import Experience
from domain.ids import TaskId, short, subtask_id
from domain.lifecycle import Draft
from domain.plan import Plan
from domain.planning.decompose import decompose
from domain.planning.request import Request
from domain.problem import Problem, count_codes
from domain.readers.reading import read
from domain.readers.report import Report
from domain.task_state import TaskState

#: Groups that are named in the ledger's summary of an analysis.
_LARGEST_GROUPS = 10


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool said of a tree, and which of its problems are to be removed."""

    data: bytes
    report: Report
    tree: Tree
    targeted: tuple[int, ...]

    def observed(self, phase: int, artifact: str) -> e.ProblemsObserved:
        """Give the event; `artifact` is the SHA-256 of the output."""
        return e.ProblemsObserved(
            phase=phase,
            commit=self.tree.commit,
            root=self.tree.root or "",
            format=self.report.format,
            tool=self.report.tool,
            tool_version=self.report.tool_version,
            artifact=artifact,
            problems=len(self.report.problems),
            targeted=len(self.targeted),
            codes=count_codes(self.report.problems),
            duplicates=self.report.duplicates,
            damaged=len(self.report.damaged),
        )


def look(data: bytes, report_format: str, tree: Tree, policy: Policy, *, may_be_empty: bool = False) -> Look:
    """Read a tool's output. Takes seconds for hundreds of megabytes: not for the event loop.

    With `may_be_empty` a tool that says nothing has found nothing. Raises `UnknownFormatError` and `ReportError`
    where the output cannot be read, or no problem is in a file of the tree.
    """
    if may_be_empty and not data.strip():
        report = Report(format=report_format, tool="", problems=())
    else:
        report = read(data, format=report_format, root=tree.root, prefix=tree.prefix)
    wanted = targets(report.problems, policy)
    files = None if tree.files is None else frozenset(tree.files)
    # Lists of files are handed to workers a line each, so a name with a line break cannot be.
    there = [
        index
        for index in wanted
        if not (path := report.problems[index].path) or ("\n" not in path and (files is None or path in files))
    ]
    # Later looks are the tool's own, and what they show nobody can be given may be all that is left.
    if wanted and not there and not may_be_empty:
        first = report.problems[wanted[0]].path
        raise ReportError(f"none of the {len(wanted)} problems is in a file of this tree (first: {first})")
    return Look(data=data, report=report, tree=tree, targeted=tuple(there))


def targets(problems: Sequence[Problem], policy: Policy) -> list[int]:
    """List the problems that a task's workers are to remove, as indices."""
    if policy.target == "all":
        return [index for index, problem in enumerate(problems) if problem.severity != "note"]
    unsafe = policy.target == "fixable-unsafe"
    return [index for index, problem in enumerate(problems) if problem.fixable(unsafe=unsafe)]


class PhasePlan(msgspec.Struct, frozen=True, kw_only=True):
    """A phase's plan and the groups that it was made of."""

    groups: tuple[Group, ...]
    plan: Plan
    #: SHA-256 of what it rests on, as it is kept in the ledger.
    inputs: str = ""

    def drafts(self, task_id: TaskId, phase: int, first: int) -> list[Draft]:
        """Give the events; subtasks are numbered from `first` on."""
        analyzed = e.TaskAnalyzed(
            phase=phase,
            groups=len(self.groups),
            files=len({path for group in self.groups for path in group.files}),
            largest=tuple(f"{len(group.problems)} x {group.cause}" for group in self.groups[:_LARGEST_GROUPS]),
            inputs=self.inputs,
        )
        plan = self.plan
        decomposed = e.TaskDecomposed(
            phase=phase,
            strategy=plan.strategy,
            subtasks=len(plan.subtasks),
            plan_hash=plan.plan_hash,
            recommended_workers=plan.recommended_workers,
            recommendation=plan.recommendation,
            curve=plan.curve,
            left_out=len(plan.left_out),
        )
        started = e.PhaseStarted(phase=phase, name=f"round {phase}")
        own = [Draft(body, task_id) for body in (analyzed, decomposed, started)]
        return own + [
            Draft(
                e.SubtaskPlanned(
                    phase=phase,
                    title=subtask.title,
                    reason=subtask.reason,
                    scope=subtask.scope,
                    problems=subtask.problems,
                    effort=subtask.effort,
                    priority=subtask.priority,
                    depends_on=tuple(subtask_id(task_id, first + other) for other in subtask.depends_on),
                ),
                subtask_id(task_id, first + number),
            )
            for number, subtask in enumerate(plan.subtasks)
        ]


def plan_phase(seen: Look, policy: Policy, experience: Experience, *, task_id: str = "") -> PhasePlan:
    """Group and split what was seen; the same model makes the same plan.

    `task_id` is empty where nothing is stored. Takes seconds for hundreds of thousands of problems: not for the event
    loop.
    """
    unsafe = policy.target == "fixable-unsafe"
    problems = seen.report.problems
    groups = PatternRecognizer().recognise(problems, list(seen.targeted), unsafe=unsafe).groups
    request = Request(
        strategy=policy.strategy,
        worker=policy.worker_kind,
        workers=policy.workers,
        cores=policy.cores,
        estimator=experience.estimator(
            policy.worker_kind, task_id=task_id, project=seen.tree.repository, worker=policy.worker_name
        ),
        time_budget_seconds=policy.time_budget_seconds,
        code_owners=seen.tree.code_owners,
    )
    imports = ImportGraph(imports={path: frozenset(others) for path, others in seen.tree.imports.items()})
    plan = decompose(problems, groups, request, DependencyAnalyzer(imports, experience.co_change))
    return PhasePlan(groups=tuple(groups), plan=plan)


# --- the end --------------------------------------------------------------------------------------------


def stall_reason(state: TaskState, before: Sequence[Problem], seen: Look, phases_max: int) -> str | None:
    """Say why another phase would be in vain; None where it is worth trying."""
    phase, left = state.phase, f"{len(seen.targeted)} problems are left"
    held = [subtask for subtask in state.in_phase() if subtask.status == "held"]
    why = "; ".join(f"{short(subtask.id)} {subtask.note}" for subtask in held[:3])
    why += f"; and {len(held) - 3} more" if len(held) > 3 else ""
    if not any(subtask.status == "accepted" for subtask in state.in_phase()):
        return f"{left} and no subtask of round {phase} was accepted: {why}"
    if not gates.new_problems(seen.report.problems, before):
        return f"{left} and the accepted work of round {phase} removed none of them" + (f": {why}" if why else "")
    if phase >= phases_max:
        return f"{left} after {phase} rounds, which is the limit"
    return None


def completion(seen: Look, policy: Policy) -> e.TaskCompleted:
    """Say with what a task ends in which nothing is left to hand out."""
    left, elsewhere = len(seen.report.problems), len(targets(seen.report.problems, policy))
    summary = "nothing is left"
    if elsewhere:
        summary = f"{left} problems are left, {elsewhere} of them in files that no worker can be given"
    elif left:
        who = f"{policy.worker_name} has" if policy.worker_name else "the workers have"
        summary = f"{left} problems are left, none of which {who} a fix for"
    return e.TaskCompleted(summary=summary)


def synthesis(
    submitted: e.TaskSubmitted, head: str, first: e.ProblemsObserved, last: e.ProblemsObserved
) -> e.TaskSynthesized:
    """Hold the last look at the tree beside the first."""
    return e.TaskSynthesized(branch=submitted.branch, commit=head, before=first.codes, after=last.codes)
