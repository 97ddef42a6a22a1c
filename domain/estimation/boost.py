"""Optional (`parallel-workers[boost]`): boosted trees on what the levels leave over, used while they are better.

scikit-learn takes about a second to load and 140 MB, so it is loaded when the first trees are grown, not before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from domain.errors import UsageError
from domain.estimation.explain import quantile
from domain.estimation.features import Completion, Features
from domain.estimation.fixed import MICRO, micro_log, seconds_of
from domain.estimation.learner import Forecast, Learner
from domain.estimation.residuals import Residuals
from domain.estimation.spread import Spread

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

#: Completions before the first trees, and by how much a history must grow before they are grown anew.
_FIRST_AT, _GROWTH = 200, 1.5
#: Trees are used while their losses are the smaller ones; each further completion leaves so much of those before.
#: A few large tasks decide a loss in seconds, so that a short memory would go by chance.
_KEPT = 0.999
#: What losses are taken of: the quantiles that people are shown.
_JUDGED = (0.5, 0.8)
#: The latest completions that trees are grown on.
_MEMORY = 60_000


class Trees(Protocol):
    """What is grown: a regression of residuals on vectors."""

    def predict(self, vectors: Sequence[Sequence[float]]) -> Sequence[float]:
        """Give what to add to the log of the seconds."""


class _OneThread:
    """Trees that keep to one thread: for so little, several wait for each other longer than they work."""

    def __init__(self, trees: Trees, threads: ThreadpoolController) -> None:
        self._trees, self._threads = trees, threads

    def predict(self, vectors: Sequence[Sequence[float]]) -> Sequence[float]:
        with self._threads.limit(limits=1):
            return self._trees.predict(vectors)


class Corrected(msgspec.Struct, frozen=True, kw_only=True):
    """A forecast of the levels, and what the trees make of it."""

    levels: Forecast
    vector: tuple[float, ...]
    #: With what the trees add: micro-log of the seconds, and of the factor that widens the residuals.
    mean: int
    spread: int
    #: Whether the trees are believed.
    used: bool
    #: Seconds of P50 and P80, with the trees and without.
    with_trees: tuple[float, ...]
    without: tuple[float, ...]


class Boosted:
    """A learner whose forecasts are corrected while that makes them better; else they are the learner's."""

    def __init__(self, learner: Learner, *, seed: int = 0) -> None:
        self.learner = learner
        self.residuals = Residuals.begun(learner.state.residuals.prior_deviation / MICRO)
        self._spread = Spread()
        self._seed = seed
        self._trees: Trees | None = None
        self._grow_at = _FIRST_AT
        #: Pinball losses in seconds of the latest forecasts, with the trees and without.
        self._loss_with = self._loss_without = 0.0
        self._seen = 0
        self._vectors = deque[tuple[float, ...]](maxlen=_MEMORY)
        self._rest = deque[float](maxlen=_MEMORY)

    def forecast(self, features: Features) -> Corrected:
        """Say how long an attempt will take."""
        levels = self.learner.forecast(features)
        vector = _vector(levels, features)
        added = round(MICRO * float(self._trees.predict([vector])[0])) if self._trees is not None else 0
        mean, spread = levels.mean + added, self._spread.of(features) + levels.doubt
        return Corrected(
            levels=levels,
            vector=vector,
            mean=mean,
            spread=spread,
            used=self._loss_with < self._loss_without,
            with_trees=tuple(self._corrected(mean, spread, share) for share in _JUDGED),
            without=tuple(quantile(self.learner, levels, share) for share in _JUDGED),
        )

    def quantile(self, corrected: Corrected, share: float) -> float:
        """Give the seconds that so large a share of attempts do not exceed; a multiple of half a per cent."""
        if not corrected.used:
            return quantile(self.learner, corrected.levels, share)
        return self._corrected(corrected.mean, corrected.spread, share)

    def _corrected(self, mean: int, spread: int, share: float) -> float:
        return seconds_of(mean + math.exp(spread / MICRO) * self.residuals.at(share))

    def learn(self, completion: Completion, corrected: Corrected) -> None:
        """Take in a completion, and what had been said of it at its start."""
        self.learner.learn(msgspec.structs.replace(completion, issued=corrected.levels.issued))
        if completion.censored:
            return
        error = micro_log(completion.seconds) - corrected.mean
        self.residuals.learn(round(error / math.exp(corrected.spread / MICRO)))
        self._spread.learn(completion.features, round(error / math.exp(corrected.levels.doubt / MICRO)))
        if self.learner.state.stepped_at == self.learner.state.completions:
            self.residuals.step()
            self._spread.step()
        self._vectors.append(corrected.vector)
        rest = micro_log(completion.seconds) - corrected.levels.mean
        self._rest.append(rest / MICRO)
        if self._trees is not None:
            self._loss_with = _KEPT * self._loss_with + _loss(completion.seconds, corrected.with_trees)
            self._loss_without = _KEPT * self._loss_without + _loss(completion.seconds, corrected.without)
        self._seen += 1
        if self._seen >= self._grow_at:
            self._grow_at = math.ceil(self._grow_at * _GROWTH)
            self._trees = _grown(tuple(self._vectors), tuple(self._rest), self._seed)


def _loss(seconds: float, quantiles: Sequence[float]) -> float:
    """Give the pinball loss of quantiles, summed."""
    over = (seconds - said for said in quantiles)
    return sum(max(share * more, (share - 1.0) * more) for share, more in zip(_JUDGED, over, strict=True))


def _vector(forecast: Forecast, features: Features) -> tuple[float, ...]:
    known = [
        (effect.added / MICRO, float(effect.completions)) if effect else (0.0, 0.0) for effect in forecast.effects
    ]
    return (
        forecast.mean / MICRO,
        forecast.measures / MICRO,
        math.log(features.planned_seconds) if features.planned_seconds else 0.0,
        math.log1p(features.problems) if features.problems is not None else 0.0,
        math.log1p(features.files) if features.files is not None else 0.0,
        *(value for pair in known for value in pair),
    )


def _grown(vectors: Sequence[Sequence[float]], rest: Sequence[float], seed: int) -> Trees:
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import ThreadpoolController
    except ImportError as error:
        raise UsageError("boosted estimates need scikit-learn: pip install 'parallel-workers[boost]'") from error
    trees = HistGradientBoostingRegressor(
        loss="absolute_error",
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=15,
        min_samples_leaf=40,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    )
    threads = ThreadpoolController()
    with threads.limit(limits=1):
        trees.fit(np.asarray(vectors), np.asarray(rest))
    return _OneThread(trees, threads)
