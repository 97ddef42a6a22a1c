"""How hard a group is: effort, spread, risk, and how much of it a tool can do. Each score says why.

The effort is the estimator's. Risk is the share of such work that is expected to need a second attempt; its parts are
assumptions until attempts have been measured, and each is named in the explanation.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

import msgspec

from domain import effort as efforts
from domain.analysis.catalogue import entry_for
from domain.analysis.group import Group
from domain.effort import Estimator, PriorsAlone, Work, WorkerKind
from domain.plan import Effort
from domain.problem import Problem

#: What adds to the risk: a cause that shows in several files, problems in several folders, edits that the tool
#: itself does not trust, and each step of the catalogue's difficulty above the easiest.
_RISK_CAUSE, _RISK_FOLDERS, _RISK_UNSAFE, _RISK_STEP = 0.1, 0.05, 0.05, 0.05
_RISK_MAX = 0.9


class Complexity(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of one group."""

    effort: Effort
    files: int
    folders: int
    #: Chance that the first attempt is not accepted, 0 to 1.
    risk: float
    #: Share of the problems with an edit that may be applied without being asked, 0 to 1.
    fixable: float
    #: 1 (mechanical) to 5 (needs a design decision), as the catalogue has it.
    difficulty: int
    #: Where the scores come from, one line each.
    reasons: tuple[str, ...]


class ComplexityScorer:
    """Scores groups for one kind of worker; without an estimator efforts are those of the shipped priors."""

    def __init__(self, worker: WorkerKind, estimator: Estimator | None = None, *, unsafe: bool = False) -> None:
        self._worker = worker
        self._estimator = estimator or PriorsAlone(worker)
        self._unsafe = unsafe

    def score(self, problems: Sequence[Problem], group: Group) -> Complexity:
        """Score a group of these problems."""
        members = [problems[index] for index in group.problems]
        folders = len({posixpath.dirname(path) for path in group.files})
        fixable = sum(problem.fixable(unsafe=self._unsafe) for problem in members)
        unsafe = sum(problem.fixable(unsafe=True) and not problem.fixable(unsafe=False) for problem in members)
        first = members[0]
        entry = entry_for(first.tool, first.code, first.message)
        difficulty = entry.difficulty
        effort = self._effort(group, entry.domain)
        risk, why = self._risk(group, folders, unsafe / len(members), difficulty)
        return Complexity(
            effort=effort,
            files=len(group.files),
            folders=folders,
            risk=risk,
            fixable=round(fixable / len(members), 4),
            difficulty=difficulty,
            reasons=(
                f"effort: {effort.basis}, for {len(members)} problems in {len(group.files)} files",
                f"fixable: the tool has an edit for {fixable} of {len(members)}",
                f"risk {risk:.2f}: {why}",
            ),
        )

    def _effort(self, group: Group, domain: str) -> Effort:
        files, problems = len(group.files), len(group.problems)
        weight = efforts.weight(self._worker, group.kind, files=files, problems=problems)
        work = Work(
            unit=group.kind,
            domain=domain if self._worker == "agent" else "",
            prior_seconds=efforts.base(self._worker, group.kind) + weight,
            problems=problems,
            files=files,
        )
        return self._estimator.explained(work)

    def _risk(self, group: Group, folders: int, unsafe_share: float, difficulty: int) -> tuple[float, str]:
        parts = {
            f"difficulty {difficulty} of 5": _RISK_STEP * (difficulty - 1),
            "one cause in several files": _RISK_CAUSE if group.kind == "cause" else 0.0,
            f"{folders} folders": _RISK_FOLDERS if folders > 1 else 0.0,
            "edits that the tool calls unsafe": _RISK_UNSAFE if unsafe_share > 0 else 0.0,
        }
        if group.kind == "automatic":
            parts = dict.fromkeys(parts, 0.0) | {"an edit of the tool's own": 0.01}
        risk = round(min(sum(parts.values()), _RISK_MAX), 3)
        said = ", ".join(f"{name} +{part:.2f}" for name, part in parts.items() if part)
        return risk, said or "nothing speaks for a second attempt"
