"""The gates of an attempt, run in its worktree: what it changed, what the tool says now, the user's own checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from api.run.git import Repository, environment_without_git
from api.run.options import RunOptions
from api.run.process import run_command
from api.run.tool import PATHS, arguments, observe, split_command
from domain import gates
from domain.errors import ReportError, ToolError
from domain.events import GateEvaluated
from domain.lifecycle import SubtaskState
from domain.problem import Problem
from domain.scope import TaskScope
from eventstore.clock import Clock

#: Longest time that one gate command may take, in seconds.
_GATE_SECONDS_MAX = 1800.0


class Baseline:
    """What each file is known to show, from the last observation and the work accepted since."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._by_path: defaultdict[str, list[Problem]] = defaultdict(list)
        for problem in problems:
            self._by_path[problem.path].append(problem)

    def of(self, paths: Iterable[str] | None) -> list[Problem]:
        """List the known problems of some files, or of all for None."""
        if paths is None:
            return [problem for problems in self._by_path.values() for problem in problems]
        return [problem for path in paths for problem in self._by_path.get(path, ())]

    def replace(self, paths: Iterable[str], problems: Iterable[Problem]) -> None:
        """Note what some files show after accepted work."""
        for path in paths:
            self._by_path.pop(path, None)
        for problem in problems:
            self._by_path[problem.path].append(problem)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates said of an attempt."""

    gates: tuple[GateEvaluated, ...]
    #: The tree that the worker left.
    tree: str
    changed: tuple[str, ...]
    #: What the tool shows now in the files that were looked at; empty where a gate before had failed.
    after: tuple[Problem, ...] = ()

    @property
    def failed(self) -> GateEvaluated | None:
        """The first blocking gate that has not passed."""
        return next((gate for gate in self.gates if gate.blocking and not gate.passed), None)


async def evaluate(
    options: RunOptions,
    prefix: str,
    repository: Repository,
    worktree: Path,
    subtask: SubtaskState,
    baseline: Baseline,
    clock: Clock,
) -> Verdict:
    """Run the gates in the order of their cost, up to the first that fails."""
    tree = await repository.snapshot(worktree)
    changed = tuple(await repository.changed_files(subtask.base_commit, tree))
    evaluated = [gates.scope_gate(subtask.plan.scope, changed)]
    after: tuple[Problem, ...] = ()
    if evaluated[-1].passed:
        gate, after = await _tool_gates(options, prefix, worktree, subtask, baseline, changed, clock)
        evaluated += gate
    for command in options.gates:
        if not evaluated[-1].passed:
            break
        evaluated.append(await run_gate(command, worktree, changed, clock))
    return Verdict(gates=tuple(evaluated), tree=tree, changed=changed, after=after)


async def _tool_gates(
    options: RunOptions,
    prefix: str,
    worktree: Path,
    subtask: SubtaskState,
    baseline: Baseline,
    changed: Sequence[str],
    clock: Clock,
) -> tuple[list[GateEvaluated], tuple[Problem, ...]]:
    scope = subtask.plan.scope
    files = looked_at(scope, changed)
    paths = [path for path in files if (worktree / path).exists()] if options.tool.scoped else None
    since = clock.monotonic()
    try:
        # Asked about no file, a tool would look at all of them.
        after = (await observe(options.tool, worktree, prefix, paths))[1].problems if paths != [] else ()
    except (ToolError, ReportError) as error:
        broken = GateEvaluated(gate=gates.NO_NEW_PROBLEMS, passed=False, score=0.0, detail=str(error))
        return [broken], ()
    before = baseline.of(files if options.tool.scoped else None)
    seen = Counter(problem.code for problem in after)
    unmasked = frozenset(seen).difference(scope.codes) if options.tool.unmasks else frozenset[str]()
    gate = gates.no_new_problems_gate(before, after, unmasked_allowed=unmasked)
    gate = msgspec.structs.replace(gate, seconds=round(clock.monotonic() - since, 3))
    effect = gates.effect_gate(
        changed=len(changed), before=len(before), after=len(after), unmasks=options.tool.unmasks
    )
    return [gate, effect] if gate.passed else [gate], after


def looked_at(scope: TaskScope, changed: Sequence[str]) -> tuple[str, ...]:
    """List the files that a tool looks at after an attempt: those of the scope, and changed ones of their kinds."""
    kinds = {PurePosixPath(path).suffix for path in scope.files}
    return tuple(sorted({*scope.files, *(path for path in changed if PurePosixPath(path).suffix in kinds)}))


async def run_gate(command: str, worktree: Path, changed: Sequence[str], clock: Clock) -> GateEvaluated:
    """Run one of the user's own checks; `{files}` in it stands for the changed files."""
    present = [path for path in changed if (worktree / path).exists()]
    if PATHS in split_command(command) and not present:
        # Asked about no file, many tools look at all of them.
        return gates.command_gate(command, 0, "no changed file is left to be checked", 0.0)
    argv = [part for word in split_command(command) for part in (arguments(present) if word == PATHS else [word])]
    since = clock.monotonic()
    try:
        outcome = await run_command(
            argv, cwd=worktree, env=environment_without_git(), timeout_seconds=_GATE_SECONDS_MAX
        )
    except ToolError as error:
        return gates.command_gate(command, 127, str(error), 0.0)
    said = outcome.last_line() or ("its time was over" if outcome.timed_out else "")
    return gates.command_gate(command, outcome.exit_code, said, clock.monotonic() - since)
