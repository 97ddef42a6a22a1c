"""Efforts of a plan by the effort model: an `Estimator` of `domain.effort`."""

from __future__ import annotations

import msgspec

from domain.effort import UnitKind, Work, WorkerKind, category_of
from domain.estimation.explain import estimate, quantile
from domain.estimation.features import Features
from domain.estimation.fixed import MICRO
from domain.estimation.learner import Learner
from domain.estimation.model import ModelReference
from domain.estimation.subtasks import SOMEBODY, siblings_in
from domain.plan import Effort

#: Seconds of the shipped prior at which a pace is measured: between what is worth a worker and what is split.
_USUAL_SECONDS: dict[WorkerKind, float] = {"script": 15.0, "agent": 657.0}
#: Beyond these a pace says that the priors do not apply, not that they can be scaled.
_PACE_MIN, _PACE_MAX = 0.01, 100.0


class ModelEstimator:
    """Estimates the subtasks of one task that is being planned; the same model gives the same efforts."""

    def __init__(
        self,
        learner: Learner,
        reference: ModelReference,
        worker_kind: WorkerKind,
        *,
        task_id: str = "",
        project: str = "",
        worker: str = "",
    ) -> None:
        self._learner = learner
        self._reference = reference
        self._worker_kind = worker_kind
        self._task_id, self._project, self._worker = task_id, project, worker or SOMEBODY
        self._paces: dict[tuple[UnitKind, str], float] = {}
        self._efforts: dict[Work, tuple[Effort, float]] = {}

    def features(self, work: Work) -> Features:
        """Give what is known of a piece of work."""
        return msgspec.structs.replace(
            self._features(work.unit, work.domain, work.prior_seconds), problems=work.problems, files=work.files
        )

    def _features(self, unit: UnitKind, domain: str, seconds: float) -> Features:
        category = category_of(self._worker_kind, unit, domain)
        return Features(
            category=category,
            project=self._project,
            worker=self._worker,
            # What the parts of a plan will have in common is not known yet, which widens their estimates.
            decomposition=siblings_in(self._task_id, category),
            planned_seconds=seconds,
        )

    def pace(self, unit: UnitKind, domain: str) -> float:
        """Give the seconds that a second of the shipped prior stands for; see `Estimator`."""
        if (known := self._paces.get((unit, domain))) is None:
            usual = _USUAL_SECONDS[self._worker_kind]
            p50 = quantile(self._learner, self._learner.forecast(self._features(unit, domain, usual)), 0.5)
            known = self._paces[unit, domain] = min(max(p50 / usual, _PACE_MIN), _PACE_MAX)
        return known

    def effort(self, work: Work) -> Effort:
        """Estimate a subtask, without the reasons: many are weighed for each one that is planned."""
        return self._weighed(work)[0]

    def shared(self, work: Work) -> float:
        """Give what is unknown of category, repository, worker and task: one for all; see `Estimator`."""
        return self._weighed(work)[1]

    def _weighed(self, work: Work) -> tuple[Effort, float]:
        if (known := self._efforts.get(work)) is None:
            forecast = self._learner.forecast(self.features(work))
            p50, p80, p95 = (quantile(self._learner, forecast, share) for share in (0.5, 0.8, 0.95))
            shared = sum(part for _, part in forecast.shared) / MICRO
            known = self._efforts[work] = (self._effort(work, p50, p80, p95, ""), shared)
        return known

    def explained(self, work: Work) -> Effort:
        """Estimate a subtask; see `Estimator`."""
        said = estimate(self._learner, self.features(work))
        return self._effort(work, said.p50, said.p80, said.p95, said.reasons)

    def _effort(self, work: Work, p50: float, p80: float, p95: float, basis: str) -> Effort:
        return Effort(
            p50=round(p50, 3),
            p80=round(p80, 3),
            p95=round(p95, 3),
            prior=round(work.prior_seconds, 3),
            basis=basis,
            category=category_of(self._worker_kind, work.unit, work.domain),
            model=self._reference.sha256,
            position=self._reference.position,
        )
