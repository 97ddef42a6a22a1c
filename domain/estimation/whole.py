"""How long a whole plan takes: its subtasks drawn together, since they err together, and not added up."""

from __future__ import annotations

import msgspec

from domain.estimation.eta import OpenSubtask, Question, eta
from domain.estimation.features import Features
from domain.estimation.learner import Learner
from domain.estimation.scores import Quantiles
from domain.estimation.simulation import Crew
from domain.plan import Plan


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds until all subtasks are done, with attempts that fail and stand still as often as they have."""

    #: What one worker would take, one subtask after the other.
    alone: Quantiles
    #: What the workers take that the plan is for.
    together: Quantiles
    workers: int
    #: What one more would take off the P50.
    worker_saves_seconds: float


def whole_of(
    learner: Learner,
    model_sha256: str,
    plan: Plan,
    features: tuple[Features, ...],
    *,
    workers: int,
    overhead_seconds: float,
    cores: int | None = None,
) -> Whole:
    """Simulate a plan that has not begun; `features` are those of its subtasks, in their order.

    `cores` are processors that the workers share, where each keeps one busy. The same plan and model give the same
    answer.
    """
    subtasks = tuple(
        OpenSubtask(
            id=str(number),
            features=known,
            limit_seconds=subtask.scope.time_budget_seconds or None,
            priority=subtask.priority,
            effort_seconds=subtask.effort.p50,
            files=frozenset(subtask.scope.holds),
            depends_on=subtask.depends_on,
        )
        for number, (subtask, known) in enumerate(zip(plan.subtasks, features, strict=True))
    )

    def answered(count: int) -> tuple[Quantiles, float]:
        question = Question(
            task=plan.plan_hash,
            position=learner.state.position,
            subtasks=subtasks,
            crew=(Crew(),) * count,
            overhead_seconds=overhead_seconds,
            slow_down=max(1.0, count / cores) if cores else 1.0,
        )
        said = eta(learner, model_sha256, question)
        return Quantiles(p50=said.p50, p80=said.p80, p95=said.p95), said.worker_saves

    alone, _ = answered(1)
    together, saves = answered(workers)
    return Whole(alone=alone, together=together, workers=workers, worker_saves_seconds=max(saves, 0.0))
