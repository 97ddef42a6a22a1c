"""What a ledger's history says about the work at hand."""

from __future__ import annotations

import msgspec

from domain.analysis.co_change import CoChange
from domain.effort import WorkerKind
from domain.estimation.learner import Learner
from domain.estimation.model import Model, ModelReference, restored, snapshot
from domain.estimation.planning import ModelEstimator
from domain.estimation.shipped import SHIPPED

_SHIPPED_SHA256 = snapshot(Learner(prior=SHIPPED)).sha256


class Experience(msgspec.Struct, frozen=True, kw_only=True):
    """Where there is no history: what is shipped, and nothing about files."""

    #: How long work takes; not to be taught while a plan is made.
    learner: Learner = msgspec.field(default_factory=lambda: Learner(prior=SHIPPED))
    #: Which model that is.
    model: ModelReference = msgspec.field(default_factory=lambda: ModelReference(sha256=_SHIPPED_SHA256))
    #: Which files of this repository change together.
    co_change: CoChange = CoChange()

    def estimator(self, worker_kind: WorkerKind, *, task_id: str, project: str, worker: str) -> ModelEstimator:
        """Give who estimates the subtasks of a task that such workers will do."""
        return ModelEstimator(self.learner, self.model, worker_kind, task_id=task_id, project=project, worker=worker)


def experience_of(model: Model, co_change: CoChange) -> Experience:
    """Give what a model and a repository's merges say; raises `ModelError` where the model cannot be used."""
    reference = ModelReference(sha256=model.sha256, position=model.position)
    return Experience(learner=restored(model), model=reference, co_change=co_change)
