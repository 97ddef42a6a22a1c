"""What a decomposition yields: scopes, efforts, subtasks, and the plan that holds them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec


class Effort(msgspec.Struct, frozen=True, kw_only=True):
    """Estimated active time of one subtask, in seconds, as quantiles."""

    p50: float
    p80: float
    p95: float
    #: The median before anything was learnt from this ledger.
    prior: float = 0.0
    #: Where the figures come from, in words.
    basis: str = ""


class TaskScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one worker may touch."""

    #: Paths relative to the root of the tree; the worker's diff must stay inside them.
    files: tuple[str, ...]
    #: The problem codes to be removed.
    codes: tuple[str, ...]
    #: Codes present in these files that belong to another subtask: not to be touched.
    excluded_codes: tuple[str, ...] = ()
    #: Active time after which the worker is stopped, in seconds.
    time_budget_seconds: float = 1800.0

    def files_outside(self, paths: Iterable[str]) -> tuple[str, ...]:
        """List those of the paths that lie outside the scope, sorted."""
        allowed = frozenset(self.files)
        return tuple(sorted(path for path in paths if path not in allowed))


class PlannedSubtask(msgspec.Struct, frozen=True, kw_only=True):
    """One subtask as the decomposition made it."""

    title: str
    #: Why these problems are one subtask, in words.
    reason: str
    scope: TaskScope
    #: Indices into the observation's list of problems.
    problems: tuple[int, ...]
    effort: Effort
    #: Lower goes first.
    priority: int
    #: Numbers (counted from 0 within the plan) of subtasks that must be accepted before.
    depends_on: tuple[int, ...] = ()


class WorkerCurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a number of workers would take for the plan, by simulation."""

    workers: int
    makespan_seconds: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole decomposition of one observation."""

    strategy: str
    subtasks: tuple[PlannedSubtask, ...]
    recommended_workers: int
    #: Why that many workers, in words.
    recommendation: str
    curve: tuple[WorkerCurvePoint, ...]
    #: Problems that no subtask takes (no place in the tree, or not for this kind of worker).
    left_out: tuple[int, ...] = ()

    @property
    def plan_hash(self) -> str:
        """SHA-256 of the plan's content: equal for equal input, 64 hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()
