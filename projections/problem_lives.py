"""What became of each problem of a task, from one observation to the next.

Two observations are compared as `domain/comparison.py` does. A problem that comes back after it was resolved goes on
under its old number. Pure: the problems are passed in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.analysis.catalogue import entry_for
from domain.comparison import Fate, compare
from domain.problem import Problem

#: Of a message only its first line is kept, and of that no more than fits into a table.
_MESSAGE_MAX = 300


@dataclass(slots=True)
class Life:
    """One problem, as it was last seen."""

    number: int
    problem: Problem
    present: bool = True
    #: The resolved problem that may have hidden it before it was first seen.
    hidden_by: int | None = None
    #: Numbers of observations, from 1.
    first_seen: int = 0
    last_seen: int = 0
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    resolved_at: datetime | None = None
    #: Numbers of the subtasks that were to remove it.
    subtasks: list[int] = field(default_factory=list)
    #: The observations in which something happened to it.
    course: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """What the last observation told of it."""
        if not self.present:
            return "resolved"
        last = self.course[-1]
        return str(last["what"]) if last["observation"] == self.last_seen else "persisting"

    def times(self, what: Fate) -> int:
        """Tell how often something happened to it."""
        return sum(entry["what"] == what for entry in self.course)

    def row(self, task_id: str) -> dict[str, Any]:
        """Give it as a row of `projection.problem_life`, in the order of its columns."""
        problem = self.problem
        return {
            "task_id": task_id,
            "problem": self.number,
            "tool": problem.tool,
            "code": _storable(problem.code),
            "domain": entry_for(problem.tool, problem.code, problem.message).domain,
            "severity": problem.severity,
            "path": _storable(problem.path),
            "line": problem.range.line if problem.range else None,
            "symbol": _storable(problem.symbol),
            "subject": _storable(problem.subject),
            "message": _storable(problem.message.partition("\n")[0][:_MESSAGE_MAX]),
            "fingerprint": problem.fingerprint,
            "came_as": self.course[0]["what"],
            "status": self.status,
            "regressions": self.times("regressed"),
            "moves": self.times("moved"),
            "hidden_by": self.hidden_by,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "first_seen_at": self.first_seen_at,
            "last_seen_at": self.last_seen_at,
            "resolved_at": self.resolved_at,
            "subtasks": self.subtasks,
            "course": self.course,
        }


class ProblemLives:
    """The problems of one task, observation by observation."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        #: The latest observation, and whose lives its problems are.
        self._seen: Sequence[Problem] = ()
        self._present: list[Life] = []
        self._of_phase: dict[int, list[Life]] = {}
        self._observations = 0
        #: By fingerprint those that were resolved, the latest last.
        self._resolved: defaultdict[str, list[Life]] = defaultdict(list)

    def observe(self, problems: Sequence[Problem], phase: int, at: datetime) -> None:
        """Take in all problems that a tool has found."""
        self._observations += 1
        resolved_earlier = frozenset(print_ for print_, lives in self._resolved.items() if lives)
        comparison = compare(self._seen, problems, resolved_earlier=resolved_earlier)
        before = self._present
        present: list[Life] = []
        for position, (problem, fate) in enumerate(zip(problems, comparison.after, strict=True)):
            origin = comparison.origins.get(position)
            life = before[origin] if origin is not None else self._begin(problem, fate)
            hidden_by = comparison.hidden_by.get(position)
            if hidden_by is not None:
                life.hidden_by = before[hidden_by].number
            life.problem, life.present, life.resolved_at = problem, True, None
            self._note(life, fate, phase, at)
            life.last_seen, life.last_seen_at = self._observations, at
            present.append(life)
        for life, fate in zip(before, comparison.before, strict=True):
            if fate == "resolved":
                life.present, life.resolved_at = False, at
                self._resolved[life.problem.fingerprint].append(life)
                self._note(life, fate, phase, at)
        self._seen, self._present = problems, present
        self._of_phase[phase] = present

    def plan(self, subtask: int, phase: int, problems: Iterable[int]) -> None:
        """Note that a subtask was to remove these problems of its phase's observation."""
        present = self._of_phase.get(phase, [])
        for index in problems:
            if index < len(present):
                present[index].subtasks.append(subtask)

    def _begin(self, problem: Problem, fate: Fate) -> Life:
        if fate == "regressed" and self._resolved[problem.fingerprint]:
            return self._resolved[problem.fingerprint].pop()
        life = Life(len(self.lives) + 1, problem, first_seen=self._observations)
        self.lives.append(life)
        return life

    def _note(self, life: Life, fate: Fate, phase: int, at: datetime) -> None:
        if life.first_seen_at is None:
            life.first_seen_at = at
        if fate != "persisting":
            life.course.append({"observation": self._observations, "phase": phase, "at": at, "what": fate})


def _storable(text: str) -> str:
    """Replace what Postgres keeps in no text: halves of characters, and NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
