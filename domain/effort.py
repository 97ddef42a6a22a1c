"""How long a subtask will take: the planner's own estimate, and who makes more of it.

The shipped priors are assumptions and say so in their `basis`. They are what the effort model regresses on
(`domain/estimation`), and all there is where no ledger is asked. The spread is a log-normal's: for agents a standard
deviation of 1.2 in log seconds, which suits histories of human and agent work (CESAW, METR and Terminal-Bench task
times).
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

import msgspec

from domain.plan import Effort

WorkerKind = Literal["script", "agent"]
"""A deterministic program on this machine, or something that thinks."""

WORKER_KINDS: tuple[WorkerKind, ...] = ("script", "agent")

UnitKind = Literal["automatic", "cause", "local"]
"""An edit that the tool offers; one cause that shows in several files; edits that are local to a file."""

# Standard normal quantiles.
_Z80, _Z95 = 0.8416, 1.6449


class Prior(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds as `base + per_file * files + per_problem * problems ** exponent`, with a log-normal spread."""

    base: float
    per_file: float
    per_problem: float
    exponent: float
    sigma: float


# A script's figures: `ruff check --fix` and a compile check of each file of boto 2.49.0, about 60 ms a file.
# An agent's: assumptions, to be replaced by the first measured attempts.
PRIORS: dict[tuple[WorkerKind, UnitKind], Prior] = {
    ("script", "automatic"): Prior(base=0.3, per_file=0.06, per_problem=0.0005, exponent=1.0, sigma=0.5),
    ("script", "cause"): Prior(base=0.5, per_file=0.06, per_problem=0.0005, exponent=1.0, sigma=0.7),
    ("script", "local"): Prior(base=0.3, per_file=0.06, per_problem=0.0005, exponent=1.0, sigma=0.7),
    ("agent", "automatic"): Prior(base=45.0, per_file=5.0, per_problem=4.0, exponent=0.7, sigma=1.2),
    ("agent", "cause"): Prior(base=180.0, per_file=15.0, per_problem=10.0, exponent=0.8, sigma=1.2),
    ("agent", "local"): Prior(base=60.0, per_file=20.0, per_problem=15.0, exponent=0.9, sigma=1.2),
}


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work that is to be estimated."""

    unit: UnitKind
    #: The problem domain of most of its problems, as the catalogue names it; empty for scripts, to which all are one.
    domain: str = ""
    #: By the shipped prior.
    prior_seconds: float
    problems: int
    files: int


class Estimator(Protocol):
    """Makes efforts of the planner's own estimates."""

    def pace(self, unit: UnitKind, domain: str) -> float:
        """Give the seconds that a second of the shipped prior stands for, at work of usual size."""

    def effort(self, work: Work) -> Effort:
        """Estimate a subtask."""

    def shared(self, work: Work) -> float:
        """Give the share of an estimate's variance that all subtasks of the plan have in common, 0 to 1."""

    def explained(self, work: Work) -> Effort:
        """Estimate a subtask, with the reasons in its basis."""


class PriorsAlone:
    """The shipped priors, where no ledger is asked."""

    def __init__(self, worker: WorkerKind) -> None:
        self._worker = worker

    def pace(self, unit: UnitKind, domain: str) -> float:  # noqa: ARG002 - the same for all
        """Take the priors as they are."""
        return 1.0

    def effort(self, work: Work) -> Effort:
        """Estimate a subtask; see `Estimator`."""
        p50, sigma = work.prior_seconds, PRIORS[self._worker, work.unit].sigma
        return Effort(
            p50=round(p50, 3),
            p80=round(p50 * math.exp(_Z80 * sigma), 3),
            p95=round(p50 * math.exp(_Z95 * sigma), 3),
            prior=round(p50, 3),
            basis=f"{self._worker} prior {p50:.3g} s",
            category=category_of(self._worker, work.unit, work.domain),
        )

    def shared(self, work: Work) -> float:  # noqa: ARG002 - the same for all
        """Take the subtasks' errors for independent."""
        return 0.0

    explained = effort


def base(worker: WorkerKind, unit: UnitKind) -> float:
    """Give the seconds that a subtask costs before any of its units: taking it up."""
    return PRIORS[worker, unit].base


def weight(worker: WorkerKind, unit: UnitKind, *, files: int, problems: int) -> float:
    """Give the seconds that a unit adds to a subtask, without the fixed cost of the subtask itself."""
    prior = PRIORS[worker, unit]
    return prior.per_file * files + prior.per_problem * math.pow(problems, prior.exponent)


def category_of(worker: WorkerKind, unit: UnitKind, domain: str = "") -> str:
    """Name the kind of work, by which efforts are compared: `agent local types`, `script automatic`."""
    return " ".join(filter(None, (worker, unit, domain if worker == "agent" else "")))
