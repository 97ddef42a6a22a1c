"""How long a subtask will take, before there is a history to ask.

The shipped priors are assumptions and say so in their `basis`; what was measured in the ledger at hand
replaces their scale (`Calibration`). The spread is a log-normal's: for agents a standard deviation of 1.2 in
log seconds, which suits histories of human and agent work (CESAW, METR and Terminal-Bench task times).
"""

from __future__ import annotations

import math
from typing import Literal

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


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger says about this kind of worker: actual over estimated time, as a geometric mean."""

    factor: float = 1.0
    attempts: int = 0


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


def weight(worker: WorkerKind, unit: UnitKind, *, files: int, problems: int) -> float:
    """Give the seconds that a unit adds to a subtask, without the fixed cost of the subtask itself."""
    prior = PRIORS[worker, unit]
    return prior.per_file * files + prior.per_problem * math.pow(problems, prior.exponent)


def estimate(worker: WorkerKind, unit: UnitKind, weights: float, calibration: Calibration) -> Effort:
    """Estimate a subtask whose units add up to `weights` seconds, calibrated already."""
    prior = PRIORS[worker, unit]
    p50 = prior.base * calibration.factor + weights
    shipped = p50 / calibration.factor
    basis = f"{worker} prior {shipped:.3g} s"
    if calibration.attempts:
        basis += f" x{calibration.factor:.2f} measured here (n={calibration.attempts})"
    return Effort(
        p50=round(p50, 3),
        p80=round(p50 * math.exp(_Z80 * prior.sigma), 3),
        p95=round(p50 * math.exp(_Z95 * prior.sigma), 3),
        prior=round(shipped, 3),
        basis=basis,
    )
