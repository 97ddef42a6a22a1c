"""The coordinator: drives one task from its observation to its end.

    observe -> group -> decompose -> [workers: claim, work, gates, merge]* -> observe again ...

Every step is an append to the ledger before it has any effect that lasts, so a coordinator can be killed at any
moment: `resume` folds the events, takes back what lost workers held, points the branch at the last accepted
commit, and goes on. An accepted commit is in the ledger before the branch moves to it: the branch follows the
ledger, never the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from api.run.checks import Baseline, run_gate
from api.run.crew import Crew
from api.run.git import Repository
from api.run.imports import imports_of
from api.run.journal import Draft, Journal, subtask_drafts
from api.run.options import RunOptions
from api.run.owners import code_owners_of
from api.run.tool import PATHS, observe
from domain import events as e
from domain import gates
from domain.analysis.dependencies import DependencyAnalyzer
from domain.analysis.group import Group
from domain.analysis.patterns import PatternRecognizer
from domain.errors import ParallelWorkersError, ReportError, ToolError
from domain.experience import Experience
from domain.ids import SubtaskId, TaskId, short, subtask_id
from domain.lifecycle import TaskState, more_to_come
from domain.plan import Plan
from domain.planning.decompose import decompose
from domain.planning.request import Request
from domain.problem import Problem, count_codes
from domain.readers.reading import read
from domain.readers.report import Report as ToolReport
from eventstore.artifacts import ArtifactStore

#: Groups that are named in the ledger's summary of an analysis.
_LARGEST_GROUPS = 10


class Observer(Protocol):
    """Somebody who looks on; nothing depends on it."""

    def observed(self, observation: e.ProblemsObserved, report: ToolReport) -> None:
        """Take note of what the tool said."""

    def planned(self, plan: Plan, observation: e.ProblemsObserved) -> None:
        """Take note of the phase's plan."""


class GivenReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that the user already has: the first observation."""

    data: bytes
    format: str


class Coordinator:
    """Runs one task. Its state is the journal's; what is kept here can be had again from the ledger."""

    def __init__(
        self,
        *,
        repository: Repository,
        options: RunOptions,
        journal: Journal,
        artifacts: ArtifactStore,
        folder: Path,
        cores: int,
        experience: Experience,
        observer: Observer,
    ) -> None:
        self._repository = repository
        self._options = options
        self._journal = journal
        self._artifacts = artifacts
        self._folder = folder
        self._cores = cores
        self._experience = experience
        self._observer = observer
        self._problems: Sequence[Problem] = ()
        self._baseline = Baseline(())

    @property
    def _state(self) -> TaskState:
        return self._journal.state

    # --- the whole task ---------------------------------------------------------------------------------

    async def run(self, given: GivenReport | None = None, *, insist: bool = False) -> None:
        """Go on from wherever the ledger stands, to the end of the task.

        `insist` tries another round even where the last one moved nothing: something outside may have changed.
        Raises `ParallelWorkersError` where the run cannot go on; the task can be resumed then.
        """
        try:
            while await self._phase(given, insist=insist):
                given, insist = None, False
        finally:
            await asyncio.shield(self._clean_up())

    async def _clean_up(self) -> None:
        # By what is there, not by what this process made: a run that was killed leaves its worktrees behind.
        for path in (*sorted(self._folder.glob("w*")), self._folder / "observe"):
            await self._repository.remove_worktree(path)

    # --- one phase --------------------------------------------------------------------------------------

    async def _phase(self, given: GivenReport | None, *, insist: bool) -> bool:
        """Do one round; tell whether there is to be another."""
        if more_to_come(self._state):
            await self._recall_phase()
        elif not await self._plan_phase(given, insist=insist):
            return False
        # The branch follows the ledger: a run that was killed may have left it behind.
        await self._repository.set_branch(self._state.submitted.branch, self._state.head)
        workers = self._options.jobs or self._state.decompositions[-1].recommended_workers
        crew = Crew(
            repository=self._repository,
            options=self._options,
            journal=self._journal,
            folder=self._folder,
            problems=self._problems,
            baseline=self._baseline,
        )
        await crew.work(workers)
        return True

    async def _plan_phase(self, given: GivenReport | None, *, insist: bool) -> bool:
        """Observe and decompose; tell whether there is work. Ends the task where there is none."""
        phase = len(self._state.decompositions) + 1
        before = (self._problems or await self._recall_problems()) if phase > 1 and not insist else None
        observation, report, targeted = await self._observe(phase, given)
        if phase == 1:
            await self._check_gates(self._folder / "observe")
        self._problems, self._baseline = report.problems, Baseline(report.problems)
        if not targeted:
            await self._finish(report)
            return False
        if (reason := self._stall_reason(phase, before, report.problems, len(targeted))) is not None:
            await self._end_stalled(reason)
            return False
        groups = PatternRecognizer().recognise(report.problems, targeted, unsafe=self._unsafe).groups
        plan = decompose(report.problems, groups, self._request(), await self._analyzer(groups))
        if not plan.subtasks:
            await self._end_stalled(f"none of the {len(targeted)} problems that are left names a file")
            return False
        await self._journal.record_drafts(self._plan_drafts(phase, groups, plan))
        self._observer.planned(plan, observation)
        return True

    async def _observe(
        self, phase: int, given: GivenReport | None
    ) -> tuple[e.ProblemsObserved, ToolReport, list[int]]:
        submitted, commit = self._state.submitted, self._state.head
        tree = await self._observation_tree(commit)
        if given is not None:
            data = given.data
            # The user's report was made in the user's checkout.
            root = submitted.repository
            report = read(data, format=given.format, root=root, prefix=submitted.prefix)
        else:
            root = tree.as_posix()
            data, report = await observe(self._options.tool, tree, submitted.prefix)
        wanted = self._targeted(report.problems)
        targeted = await self._in_tree(wanted, report.problems, commit)
        if given is not None and wanted and not targeted:
            first = report.problems[wanted[0]].path
            raise ReportError(f"none of the {len(wanted)} problems is in a file of this tree (first: {first})")
        observation = e.ProblemsObserved(
            phase=phase,
            commit=commit,
            root=root,
            format=report.format,
            tool=report.tool,
            tool_version=report.tool_version,
            artifact=await self._artifacts.store(self._state.id, data),
            problems=len(report.problems),
            targeted=len(targeted),
            codes=count_codes(report.problems),
            duplicates=report.duplicates,
            damaged=len(report.damaged),
        )
        await self._journal.record(observation)
        self._observer.observed(observation, report)
        return observation, report, targeted

    async def _in_tree(self, targeted: list[int], problems: Sequence[Problem], commit: str) -> list[int]:
        """Leave out problems of files that the commit does not hold: no worker could be given them."""
        # Lists of files are handed to workers a line each, so a name with a line break cannot be.
        files = {path for path in await self._repository.files(commit) if "\n" not in path}
        return [index for index in targeted if not problems[index].path or problems[index].path in files]

    async def _check_gates(self, tree: Path) -> None:
        """Refuse a gate that the untouched tree does not pass: no work could ever pass it.

        Gates on the changed files cannot be tried before there are any.
        """
        for command in self._options.gates:
            if PATHS in command:
                continue
            gate = await run_gate(command, tree, (), self._journal.clock)
            if not gate.passed:
                raise ToolError(f"a gate fails before anything has changed, so no work could pass it: {gate.detail}")

    async def _observation_tree(self, commit: str) -> Path:
        tree = self._folder / "observe"
        if tree.exists():
            await self._repository.reset_worktree(tree, commit)
        else:
            await self._repository.add_worktree(tree, commit)
        return tree

    async def _recall_phase(self) -> None:
        """Have again what a run that was taken up does not remember: the problems, and what the files show now."""
        self._problems = await self._recall_problems()
        self._baseline = Baseline(self._problems)
        if self._state.head != self._state.observations[-1].commit:
            # Work was accepted since: what the files show now is not what was observed.
            tree = await self._observation_tree(self._state.head)
            _, report = await observe(self._options.tool, tree, self._state.submitted.prefix)
            self._baseline = Baseline(report.problems)

    async def _recall_problems(self) -> Sequence[Problem]:
        """Read the latest observation's problems again from the raw output in the ledger."""
        seen = self._state.observations[-1]
        data = await self._artifacts.fetch(self._state.id, seen.artifact)
        prefix = self._state.submitted.prefix
        return read(data, format=seen.format, root=seen.root, prefix=prefix).problems

    def _plan_drafts(self, phase: int, groups: Sequence[Group], plan: Plan) -> list[Draft]:
        """Put a phase's analysis, plan and subtasks into one transaction: a plan is there whole or not."""
        task, first = self._state.id, len(self._state.subtasks) + 1
        planned = [
            e.SubtaskPlanned(
                phase=phase,
                title=subtask.title,
                reason=subtask.reason,
                scope=subtask.scope,
                problems=subtask.problems,
                effort=subtask.effort,
                priority=subtask.priority,
                depends_on=tuple(_subtask_names(task, first, subtask.depends_on)),
            )
            for subtask in plan.subtasks
        ]
        analyzed = e.TaskAnalyzed(
            phase=phase,
            groups=len(groups),
            files=len({path for group in groups for path in group.files}),
            largest=tuple(f"{len(group.problems)} x {group.cause}" for group in groups[:_LARGEST_GROUPS]),
        )
        decomposed = e.TaskDecomposed(
            phase=phase,
            strategy=plan.strategy,
            subtasks=len(planned),
            plan_hash=plan.plan_hash,
            recommended_workers=plan.recommended_workers,
            recommendation=plan.recommendation,
            curve=plan.curve,
            left_out=len(plan.left_out),
        )
        started = e.PhaseStarted(phase=phase, name=f"round {phase}")
        own: list[Draft] = [(body, task, None, None) for body in (analyzed, decomposed, started)]
        return own + subtask_drafts(task, first, planned)

    def _request(self) -> Request:
        worker = self._options.worker
        return Request(
            strategy=self._options.strategy,
            worker=worker.kind,
            workers=self._options.jobs,
            cores=self._cores if worker.cpu_bound else None,
            calibration=self._experience.calibration,
            time_budget_seconds=self._options.time_budget_seconds,
            code_owners=code_owners_of(self._folder / "observe"),
        )

    async def _analyzer(self, groups: Sequence[Group]) -> DependencyAnalyzer:
        """Know what imports what among the files that are to be worked on, and what has changed together."""
        files = await self._repository.files(self._state.head)
        touched = {path for group in groups for path in group.files}
        graph = await asyncio.to_thread(imports_of, self._folder / "observe", files, touched)
        return DependencyAnalyzer(graph, self._experience.co_change)

    @property
    def _unsafe(self) -> bool:
        return self._options.worker.target == "fixable-unsafe"

    def _targeted(self, problems: Sequence[Problem]) -> list[int]:
        if self._options.worker.target == "all":
            return [index for index, problem in enumerate(problems) if problem.severity != "note"]
        return [index for index, problem in enumerate(problems) if problem.fixable(unsafe=self._unsafe)]

    # --- the end ----------------------------------------------------------------------------------------

    def _stall_reason(
        self, phase: int, before: Sequence[Problem] | None, after: Sequence[Problem], targeted: int
    ) -> str | None:
        """Say why another round would be in vain; None where it is worth trying."""
        if before is None:
            return None
        left = f"{targeted} problems are left"
        held = [s for s in self._state.in_phase() if s.status == "held"]
        why = "; ".join(f"{short(s.id)} {s.note}" for s in held[:3])
        why += f"; and {len(held) - 3} more" if len(held) > 3 else ""
        if not any(s.status == "accepted" for s in self._state.in_phase()):
            return f"{left} and no subtask of round {phase - 1} was accepted: {why}"
        if not gates.new_problems(after, before):
            return f"{left} and the accepted work of round {phase - 1} removed none of them" + (
                f": {why}" if why else ""
            )
        if phase > self._options.phases_max:
            return f"{left} after {phase - 1} rounds, which is the limit"
        return None

    async def _end_stalled(self, reason: str) -> None:
        await self._journal.record(self._synthesis(), e.TaskStalled(reason=reason))

    async def _finish(self, report: ToolReport) -> None:
        left, elsewhere = len(report.problems), len(self._targeted(report.problems))
        summary = "nothing is left"
        if elsewhere:
            summary = f"{left} problems are left, {elsewhere} of them in files that no worker can be given"
        elif left:
            summary = f"{left} problems are left, none of which {self._options.worker.name} has a fix for"
        await self._repository.set_branch(self._state.submitted.branch, self._state.head)
        await self._journal.record(self._synthesis(), e.TaskCompleted(summary=summary))

    def _synthesis(self) -> e.TaskSynthesized:
        observations = self._state.observations
        return e.TaskSynthesized(
            branch=self._state.submitted.branch,
            commit=self._state.head,
            before=observations[0].codes,
            after=observations[-1].codes,
        )


def _subtask_names(task: TaskId, first: int, numbers: Sequence[int]) -> list[SubtaskId]:
    return [subtask_id(task, first + number) for number in numbers]


async def until_stopped(work: Awaitable[None], stop: asyncio.Event) -> bool:
    """Let the work run to its end, or end it when asked to stop; tell whether it reached its end.

    Passes on what the work raises; of several errors at once the first.
    """
    running = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not running.done():
        running.cancel()
        await asyncio.wait({running})
    if running.cancelled():
        return False
    if (error := running.exception()) is not None:
        raise _first(error) from error
    return True


def _first(error: BaseException) -> BaseException:
    if isinstance(error, BaseExceptionGroup):
        error = error.subgroup(ParallelWorkersError) or error
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
