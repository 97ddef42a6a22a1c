"""What a decomposition yields: efforts, subtasks, and the plan that holds them."""

from __future__ import annotations

import hashlib

import msgspec

from domain.scope import TaskScope


class Effort(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Estimated active time of one subtask, in seconds, as quantiles."""

    p50: float
    p80: float
    p95: float
    #: The median before anything was learnt from this ledger.
    prior: float = 0.0
    #: Where the figures come from, in words.
    basis: str = ""
    #: The kind of work, by which efforts are compared; not recorded by early releases.
    category: str = ""
    #: SHA-256 of the effort model, and the position that it had learnt the ledger up to; empty where none was asked.
    model: str = ""
    position: int = 0


class StartForecast(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the effort model says of an attempt when its worker is known; scored when the attempt ends."""

    #: Quantiles of the active time, in seconds.
    p50: float
    p80: float
    p95: float
    #: Micro-logs, as `domain.estimation.features.Issued` has them.
    mean: int
    spread: int
    doubt: int = 0
    #: The position that the model had learnt the ledger up to.
    position: int = 0


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
    #: The subtasks of one wave may run at once, as far as they share no lane; a wave waits for those before it.
    wave: int = 1
    #: Subtasks of one lane share files: never two of them at once. None where nobody shares any.
    lane: int | None = None


class WorkerCurvePoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a number of workers would take for the plan, by simulation."""

    workers: int
    #: The mean over draws from the estimates' spread.
    makespan_seconds: float
    #: Four in five runs take no longer.
    p80_seconds: float = 0.0
    #: What this worker saves beside one worker less.
    saves_seconds: float = 0.0


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two subtasks of a plan that would get into each other's way if they ran at once."""

    #: Numbers of the subtasks, counted from 0.
    first: int
    second: int
    #: How many files both change.
    files: int
    #: Chance that merging the second onto the first fails, 0 to 1.
    risk: float
    #: Why, in words, where it is not the files that they share.
    reason: str = ""


class PlanPhase(msgspec.Struct, frozen=True, kw_only=True):
    """A stage of the whole work."""

    name: str
    #: What belongs to it, in words.
    meaning: str
    problems: int
    #: Share of all problems that are to be worked on, 0 to 1.
    share: float
    effort_seconds: float


class StrategyOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy would make of the same problems, by simulation."""

    strategy: str
    subtasks: int
    makespan_seconds: float
    #: Merges that would fail if everything ran at once, as an expectation.
    conflicts: float


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
    #: Why this strategy, in words.
    strategy_reason: str = ""
    #: The strategies that were weighed, the chosen one among them; none where one was asked for.
    outcomes: tuple[StrategyOutcome, ...] = ()
    #: The pairs at risk, the riskiest first, at most a hundred. Lanes keep them from running at once, but for those
    #: with a reason, which share no file.
    conflicts: tuple[Conflict, ...] = ()
    #: Merges that would fail without lanes, as an expectation over all pairs that share files.
    expected_conflicts: float = 0.0
    phases: tuple[PlanPhase, ...] = ()

    @property
    def plan_hash(self) -> str:
        """SHA-256 of the plan's content: equal for equal input, 64 hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()
