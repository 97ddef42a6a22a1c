"""Gates: what a completed attempt must pass before its work is taken.

Each takes facts that somebody else gathered (a diff, two observations, an exit code) and gives a verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from domain.comparison import Fate, compare
from domain.counted import counted
from domain.events import GateEvaluated
from domain.problem import Problem
from domain.scope import TaskScope

SCOPE, NO_NEW_PROBLEMS, EFFECT, COMMAND, MERGE = "scope", "no new problems", "effect", "command", "merge"


def scope_gate(
    scope: TaskScope, changed: Sequence[str], *, deleted: Sequence[str] = (), leading_out: Sequence[str] = ()
) -> GateEvaluated:
    """The diff must stay inside the scope, and so must what it links to; the score is the share of files that do.

    A file may be deleted, as it may be of no use any more, but by name: where a file is gone, so are its problems.
    """
    outside = scope.files_outside(changed)
    faults = [f"changed outside its scope: {_listed(outside)}"] if outside else []
    if leading_out:
        faults.append(f"became a link that leads out of the tree: {_listed(leading_out)}")
    details = faults or [f"{counted(len(changed), 'file')} changed"]
    if deleted and not faults:
        details.append(f"{len(deleted):,} of them deleted: {_listed(deleted)}")
    bad = len({*outside, *leading_out})
    score = 1.0 if not changed else 1.0 - bad / len(changed)
    return GateEvaluated(gate=SCOPE, passed=not bad, score=round(score, 4), detail="; ".join(details))


def new_problems(before: Sequence[Problem], after: Sequence[Problem]) -> list[Problem]:
    """List the problems of `after` that `before` has not, by fingerprint, each as often as it is new."""
    return _not_persisting(after, compare(before, after).after)


def no_new_problems_gate(
    before: Sequence[Problem], after: Sequence[Problem], *, unmasked_allowed: frozenset[str] = frozenset()
) -> GateEvaluated:
    """The files may show no problem that they did not show before: a ratchet by fingerprint.

    A message that changes its wording with its neighbours would look new, so a new problem is forgiven where
    the same file has lost one of the same code. Codes in `unmasked_allowed` may rise freely.
    """
    comparison = compare(before, after)
    new = _not_persisting(after, comparison.after)
    gone = Counter((problem.path, problem.code) for problem in _not_persisting(before, comparison.before))
    worse: list[Problem] = []
    for problem in new:
        place = (problem.path, problem.code)
        if gone[place] > 0:
            gone[place] -= 1
        elif problem.code not in unmasked_allowed:
            worse.append(problem)
    removed = len(before) - len(after)
    detail = f"{counted(len(before), 'problem')} before, {len(after):,} after"
    if worse:
        named = Counter(problem.code or problem.tool for problem in worse)
        detail = "new: " + ", ".join(f"{code} x{count}" for code, count in sorted(named.items()))
        first = worse[0].message.partition("\n")[0]
        detail += f" (first: {worse[0].path}: {first})"
    score = 1.0 if not worse else max(0.0, removed / max(len(before), 1))
    return GateEvaluated(gate=NO_NEW_PROBLEMS, passed=not worse, score=round(min(score, 1.0), 4), detail=detail)


def effect_gate(
    *, changed: int, before: int, after: int, unmasks: bool = False, emptied: bool = False
) -> GateEvaluated:
    """A worker that says it is done must have made the problems fewer.

    Where mending one problem may bring others to light (`unmasks`), a change is enough. Where others had removed all
    that it was to remove before it began (`emptied`), nothing needs to be changed.
    """
    if emptied and not changed:
        return GateEvaluated(gate=EFFECT, passed=True, score=1.0, detail="others had removed its problems")
    fewer = before - after
    passed = fewer > 0 or (unmasks and changed > 0)
    removed = f"{max(fewer, 0)} of {before} problems removed"
    detail = removed if passed or changed else "no file was changed"
    return GateEvaluated(gate=EFFECT, passed=passed, score=1.0 if passed else 0.0, detail=detail)


def command_gate(command: str, exit_code: int, output: str, seconds: float) -> GateEvaluated:
    """The user's own check: it passes when the command exits with 0."""
    lines = [line for line in output.splitlines() if line.strip()]
    detail = f"{command}: exit {exit_code}" + (f": {lines[-1][:200]}" if exit_code and lines else "")
    return GateEvaluated(
        gate=COMMAND,
        passed=exit_code == 0,
        score=1.0 if exit_code == 0 else 0.0,
        detail=detail,
        seconds=round(seconds, 3),
    )


def names_of(gate: GateEvaluated) -> tuple[str, ...]:
    """Give the names under which a task may ask for a gate: its own, and of a command the command."""
    command, ends, _ = gate.detail.rpartition(": exit 0") if gate.passed else gate.detail.partition(": exit ")
    return (gate.gate, command) if gate.gate == COMMAND and ends else (gate.gate,)


def results(evaluated: Iterable[GateEvaluated]) -> dict[str, bool]:
    """Tell by name which gates have passed; of one that was evaluated twice the last word counts."""
    return {name: gate.passed for gate in evaluated for name in names_of(gate)}


def merge_gate(conflicts: Sequence[str]) -> GateEvaluated:
    """The work must merge into the branch; a conflict shows a dependency that the plan did not know."""
    detail = f"hidden dependency, conflict in {_listed(conflicts)}" if conflicts else ""
    return GateEvaluated(gate=MERGE, passed=not conflicts, score=0.0 if conflicts else 1.0, detail=detail)


def _not_persisting(problems: Sequence[Problem], fates: Sequence[Fate]) -> list[Problem]:
    return [problem for problem, fate in zip(problems, fates, strict=True) if fate != "persisting"]


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more
