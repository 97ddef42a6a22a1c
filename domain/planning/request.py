"""What a decomposition must know besides the problems."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from domain.effort import Estimator, PriorsAlone, WorkerKind
from domain.plan import Effort

Strategy = Literal["auto", "root-cause", "code", "file", "directory", "owner"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


#: A subtask's budget, in seconds, where nobody gave one and the estimate does not ask for more.
_TIME_BUDGET_SECONDS = 1800.0


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for subtasks of one kind of worker, in seconds."""

    #: A subtask above this is split where it can be: an agent loses the thread, a brief its reader.
    effort_max: float
    #: A subtask below this is not worth its worktree, gates and merge.
    effort_min: float
    #: What a subtask costs besides its work: worktree, gates, merge.
    overhead: float


COSTS: dict[WorkerKind, Costs] = {
    "script": Costs(effort_max=120.0, effort_min=2.0, overhead=0.5),
    "agent": Costs(effort_max=1800.0, effort_min=240.0, overhead=5.0),
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """How the work is to be split, and for whom."""

    strategy: Strategy = "auto"
    worker: WorkerKind = "agent"
    #: Workers that will run; None asks for the recommendation.
    workers: int | None = None
    #: The largest number of workers that is considered.
    workers_max: int = 16
    #: Processors of this machine where the worker keeps one busy; None where it mostly waits.
    cores: int | None = None
    #: Who makes efforts of the shipped priors; None: nobody, they are taken as they are.
    estimator: Estimator | None = None
    #: Time budget of a subtask, in seconds; None takes half an hour, or the estimate's P95 where that is more.
    time_budget_seconds: float | None = None
    #: The text of the tree's CODEOWNERS; empty where there is none.
    code_owners: str = ""
    #: Put into every scope: gitignore-style patterns of files not to be changed, sentences, requirements.
    excluded_files: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    quality: tuple[str, ...] = ()

    @property
    def estimates(self) -> Estimator:
        """Who estimates."""
        return self.estimator if self.estimator is not None else PriorsAlone(self.worker)

    @property
    def costs(self) -> Costs:
        """The figures for this kind of worker."""
        return COSTS[self.worker]

    def budget_seconds(self, effort: Effort) -> float:
        """Give the time that an attempt at a subtask may take; no attempt lasts longer."""
        if self.time_budget_seconds is not None:
            return self.time_budget_seconds
        return max(_TIME_BUDGET_SECONDS, round(effort.p95, 1))
