"""The ledger's own history foretold again, attempt after attempt, each with what had ended before it was claimed."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable

import msgspec

from domain.errors import UsageError
from domain.estimation.explain import quantile
from domain.estimation.features import Completion, Features
from domain.estimation.learner import Learner
from domain.estimation.model import snapshot
from domain.estimation.scores import Methods, Quantiles, Scores
from domain.estimation.shipped import SHIPPED
from projections.attempts import Attempt
from projections.learning import Training

#: Completions from which on what is usual of a category, or of all work, can be told.
_USUAL_FROM = 5
#: The latest that count for what is usual.
_WINDOW = 1_000
#: Attempts that had ended before, up to which an age reaches.
_AGES = (10, 100, 1_000)
#: Quantiles of which the share that came in under them is told.
RELIABILITY = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """What share of attempts came in under a quantile; the same as the quantile's where all is well."""

    quantile: float
    share: float


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """How good the forecasts would have been."""

    position: int
    #: Attempts that ended with a measured time, and those that were cut off, which are learnt from and not scored.
    attempts: int
    cut_off: int
    model_sha256: str
    total: Methods | None
    by_category: dict[str, Methods]
    #: By how many attempts had ended before: `first 10`, `11 to 100`, ...
    by_age: dict[str, Methods]
    reliability: tuple[Reliability, ...]
    #: Share of the last 200 attempts under their P80; None while there are fewer.
    under_p80_lately: float | None
    #: Whether the work has changed so much that a P80 is none any more.
    alarm: bool


class _Usual:
    """What was usual so far."""

    def __init__(self) -> None:
        self._seen: list[float] = []
        self._ordered: list[float] = []

    def quantiles(self) -> Quantiles | None:
        count = len(self._ordered)
        if count < _USUAL_FROM:
            return None
        # The order statistic that covers a share of what comes next; per cent, so that nothing is lost to rounding.
        p50, p80, p95 = (self._ordered[min(-(-percent * (count + 1) // 100), count) - 1] for percent in (50, 80, 95))
        return Quantiles(p50=p50, p80=p80, p95=p95)

    def add(self, seconds: float) -> None:
        self._seen.append(seconds)
        bisect.insort(self._ordered, seconds)
        if len(self._seen) > _WINDOW:
            del self._ordered[bisect.bisect_left(self._ordered, self._seen.pop(0))]


class _Tally:
    """The scores of all methods over the same attempts."""

    def __init__(self) -> None:
        self.model, self.usual, self.planned, self.raw = Scores(), Scores(), Scores(), Scores()

    def methods(self) -> Methods | None:
        model, usual, planned, raw = (one.score() for one in (self.model, self.usual, self.planned, self.raw))
        if model is None or usual is None or planned is None or raw is None:
            return None
        return Methods(model=model, usual=usual, planned=planned, raw=raw)


class _Said(msgspec.Struct, frozen=True):
    """What was foretold when an attempt was claimed."""

    model: Quantiles
    usual: Quantiles
    #: At each of `RELIABILITY`.
    curve: tuple[float, ...]
    completions: int


class _Judge:
    """Foretells each attempt when it is claimed, and holds that against what has come."""

    def __init__(self, learner: Learner) -> None:
        self._learner = learner
        self._untaught = Learner(prior=SHIPPED)
        self._usual: defaultdict[str, _Usual] = defaultdict(_Usual)
        self._all = _Usual()
        self._said: dict[Attempt, _Said] = {}
        self.total = _Tally()
        self.by_category: defaultdict[str, _Tally] = defaultdict(_Tally)
        self.by_age: defaultdict[int, _Tally] = defaultdict(_Tally)
        self.under = [0] * len(RELIABILITY)
        self.cut_off = 0

    def claimed(self, attempt: Attempt, features: Features) -> None:
        forecast = self._learner.forecast(features)
        self._said[attempt] = _Said(
            _quantiles(self._learner, features),
            self._usual[features.category].quantiles()
            or self._all.quantiles()
            or _quantiles(self._untaught, features),
            tuple(quantile(self._learner, forecast, share) for share in RELIABILITY),
            self._learner.state.completions,
        )

    def ended(self, attempt: Attempt, completion: Completion) -> None:
        said = self._said.pop(attempt, None)
        if completion.censored:
            self.cut_off += 1
            return
        seconds, category = completion.seconds, completion.features.category
        self._usual[category].add(seconds)
        self._all.add(seconds)
        if said is None:
            return
        effort = attempt.plan.effort
        raw = effort.prior or effort.p50
        age = bisect.bisect_right(_AGES, said.completions)
        for tally in (self.total, self.by_category[category], self.by_age[age]):
            tally.model.add(said.model, seconds)
            tally.usual.add(said.usual, seconds)
            tally.planned.add(Quantiles(p50=effort.p50, p80=effort.p80, p95=effort.p95), seconds)
            tally.raw.add(Quantiles(p50=raw, p80=raw, p95=raw), seconds)
        for place, foretold in enumerate(said.curve):
            self.under[place] += seconds <= foretold


async def backtest(
    url: str, *, at: int | None = None, on_progress: Callable[[int, int], None] | None = None
) -> Backtest:
    """Foretell the history up to a position (None: all of it) again.

    Raises `UsageError` for a position that the ledger has not come to, and `LedgerError` where the database is away.
    """
    learner = Learner(prior=SHIPPED)
    judge = _Judge(learner)
    training = Training(url, learner, observer=judge)
    await training.read(at, on_progress=on_progress)
    if at is not None and training.position < at:
        raise UsageError(f"the ledger has no position {at:,}: it ends at {training.position:,}")
    attempts = judge.total.model.forecasts
    residuals = learner.state.residuals
    return Backtest(
        position=training.position,
        attempts=attempts,
        cut_off=judge.cut_off,
        model_sha256=snapshot(learner).sha256,
        total=judge.total.methods(),
        by_category=_told({name or "unnamed": tally for name, tally in sorted(judge.by_category.items())}),
        by_age=_told({_age(place): tally for place, tally in sorted(judge.by_age.items())}),
        reliability=tuple(
            Reliability(quantile=share, share=under / attempts)
            for share, under in zip(RELIABILITY, judge.under, strict=True)
            if attempts
        ),
        under_p80_lately=residuals.share_under_p80(),
        alarm=residuals.alarm(),
    )


def _quantiles(learner: Learner, features: Features) -> Quantiles:
    forecast = learner.forecast(features)
    p50, p80, p95 = (quantile(learner, forecast, share) for share in (0.5, 0.8, 0.95))
    return Quantiles(p50=p50, p80=p80, p95=p95)


def _told(tallies: dict[str, _Tally]) -> dict[str, Methods]:
    return {name: methods for name, tally in tallies.items() if (methods := tally.methods()) is not None}


def _age(place: int) -> str:
    if place == len(_AGES):
        return f"after {_AGES[-1]:,}"
    return f"first {_AGES[0]}" if place == 0 else f"{_AGES[place - 1] + 1} to {_AGES[place]:,}"
