"""The gates of an attempt, run in its worktree: what it changed, what the tool says now, the user's own checks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from api.client.client import Client
from api.runner.git import Repository, environment_without_git
from api.runner.process import run_command
from api.runner.tool import PATHS, Tool, arguments, observe, split_command
from domain import gates
from domain.errors import ReportError, ToolError
from domain.events import GateEvaluated
from domain.problem import Problem
from domain.scope import TaskScope
from eventstore.clock import Clock

#: Longest time that one gate command may take, in seconds.
_GATE_SECONDS_MAX = 1800.0
#: Files that are named in one request, so that it stays short of what any server takes.
_NAMED_MAX = 100


class Baseline:
    """What each file is known to show: by the phase's observation, or by a look of ours where that is out of date."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._by_path: defaultdict[str, list[Problem]] = defaultdict(list)
        self.replace((), problems)

    def of(self, paths: Iterable[str] | None) -> list[Problem]:
        """List the known problems of some files, or of all for None."""
        if paths is None:
            return [problem for problems in self._by_path.values() for problem in problems]
        return [problem for path in paths for problem in self._by_path.get(path, ())]

    def replace(self, paths: Iterable[str], problems: Iterable[Problem]) -> None:
        """Note what some files show."""
        for path in paths:
            self._by_path.pop(path, None)
        for problem in problems:
            self._by_path[problem.path].append(problem)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates said of an attempt."""

    gates: tuple[GateEvaluated, ...]
    #: The tree that the worker left; empty where there is no git.
    tree: str = ""
    changed: tuple[str, ...] = ()

    @property
    def failed(self) -> GateEvaluated | None:
        """The first blocking gate that has not passed."""
        return next((gate for gate in self.gates if gate.blocking and not gate.passed), None)


class Checks:
    """The gates of one attempt, in the tree that it works in."""

    def __init__(
        self,
        *,
        client: Client,
        clock: Clock,
        subtask_id: str,
        scope: TaskScope,
        tool: Tool | None,
        commands: Sequence[str],
        prefix: str,
        tree: Path,
    ) -> None:
        self._client = client
        self._clock = clock
        self._subtask_id = subtask_id
        self._scope = scope
        self._tool = tool
        self._commands = commands
        self._prefix = prefix
        self._tree = tree
        self._baseline = Baseline(())
        # Files of which the baseline is known beside those of the scope.
        self._stale: frozenset[str] = frozenset()
        #: Whether others have removed all that the subtask was to remove, so that there is nothing left to do.
        self.is_emptied = False

    async def prepare(self, repository: Repository | None, base: str) -> None:
        """Learn what the files show before the work: from the service, and where they have changed since, by a look.

        The tree must be at `base`. Raises `ToolError` and `ReportError` where the look fails.
        """
        tool = self._tool
        if tool is None:
            return
        known = await self._client.baseline(self._subtask_id)
        self._baseline = Baseline(known.problems)
        if repository is None or not tool.scoped or known.commit in ("", base):
            return
        changed = await repository.changed_files(known.commit, base)
        theirs = self._scope.files_outside(changed)
        self._stale = frozenset(looked_at(self._scope, changed)).intersection(changed).difference(theirs)
        paths = [path for path in sorted(self._stale) if (self._tree / path).exists()]
        found = (await observe(tool, self._tree, self._prefix, paths))[1].problems if paths else ()
        had_some = self._has_own_problems()
        self._baseline.replace(self._stale, found)
        self.is_emptied = had_some and not self._has_own_problems()

    def _has_own_problems(self) -> bool:
        """Tell whether the subtask's files are known to show any of the codes that it is about."""
        return any(problem.code in self._scope.codes for problem in self._baseline.of(self._scope.files))

    async def evaluate(self, repository: Repository | None, base: str) -> Verdict:
        """Run the gates in the order of their cost, up to the first that fails."""
        tree, changed = "", tuple[str, ...]()
        evaluated: list[GateEvaluated] = []
        if repository is not None:
            tree = await repository.snapshot(self._tree)
            changes = await repository.changes(base, tree)
            changed = tuple(change.path for change in changes)
            deleted = [change.path for change in changes if change.is_deleted]
            leading_out = [
                change.path for change in changes if change.link and await repository.leads_out(change, self._tree)
            ]
            evaluated.append(gates.scope_gate(self._scope, changed, deleted=deleted, leading_out=leading_out))
        if self._tool is not None and _all_passed(evaluated):
            evaluated += await self._tool_gates(self._tool, changed, seen=repository is not None)
        for command in self._commands:
            if not _all_passed(evaluated):
                break
            evaluated.append(await run_gate(command, self._tree, changed, self._clock))
        return Verdict(gates=tuple(evaluated), tree=tree, changed=changed)

    async def _tool_gates(self, tool: Tool, changed: Sequence[str], *, seen: bool) -> list[GateEvaluated]:
        files = looked_at(self._scope, changed)
        paths = [path for path in files if (self._tree / path).exists()] if tool.scoped else None
        since = self._clock.monotonic()
        try:
            # Asked about no file, a tool would look at all of them.
            after = (await observe(tool, self._tree, self._prefix, paths))[1].problems if paths != [] else ()
        except (ToolError, ReportError) as error:
            return [GateEvaluated(gate=gates.NO_NEW_PROBLEMS, passed=False, score=0.0, detail=str(error))]
        seconds = round(self._clock.monotonic() - since, 3)
        if tool.scoped:
            await self._learn_of(files)
        before = self._baseline.of(files if tool.scoped else None)
        codes = Counter(problem.code for problem in after)
        unmasked = frozenset(codes).difference(self._scope.codes) if tool.unmasks else frozenset[str]()
        gate = gates.no_new_problems_gate(before, after, unmasked_allowed=unmasked)
        gate = msgspec.structs.replace(gate, seconds=seconds)
        # Without git nobody knows what was changed; that something was is taken on trust.
        count = len(changed) if seen else 1
        effect = gates.effect_gate(
            changed=count, before=len(before), after=len(after), unmasks=tool.unmasks, emptied=self.is_emptied
        )
        return [gate, effect] if gate.passed else [gate]

    async def _learn_of(self, files: Sequence[str]) -> None:
        """Ask what files outside the scope's list showed, once it is known that the work has changed them."""
        further = sorted({*files} - {*self._scope.files} - self._stale)
        for start in range(0, len(further), _NAMED_MAX):
            asked = further[start : start + _NAMED_MAX]
            known = await self._client.baseline(self._subtask_id, files=asked)
            wanted = frozenset(asked)
            self._baseline.replace(asked, (problem for problem in known.problems if problem.path in wanted))


def _all_passed(evaluated: Sequence[GateEvaluated]) -> bool:
    return all(gate.passed for gate in evaluated)


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
