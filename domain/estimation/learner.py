"""The fold: one completion after another changes the state.

What a completion tells about its own cells (category, worker, siblings, ...) counts at once. What all work has in
common (its own level, slopes, usual spread, quantiles) moves at steps only: after each completion at first, after
each 50 later. Between two steps, completions that have no cell in common may come in any order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from domain.estimation.cells import BASE_STRENGTH, Cell, correct, doubt, uncertainties, uncertainty
from domain.estimation.features import Completion, Features, Issued
from domain.estimation.fixed import MICRO, MILLI, micro_log
from domain.estimation.levels import keys_of
from domain.estimation.prior import VAGUE, Prior
from domain.estimation.state import State, begun
from domain.estimation.strengths import estimated

#: A step after each further sixteenth, at most 50 completions.
_STEP_SHARE, _STEP_MAX = 16, 50
#: All work's own level loses 1 part in 1,000 of its weight at each completion.
_BASE_FORGET = 1_000
#: Errors that count for the variance within are cut off at 3 in log seconds.
_NOISE_MAX = 9 * MICRO
#: What a completion that was cut off is worth, in thousandths: it tells a bound only.
_CENSORED_WORTH = 500
#: What work under way is worth, in thousandths of work that has ended.
_RUNNING_WORTH = 600

_UNKNOWN: Cell = [0, 0, 0]


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one level adds to the log of the seconds."""

    added: int
    completions: int
    #: It is still believed by less than half.
    weak: bool


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """The log of the seconds of an attempt: `mean + factor * residual`, residuals as the state's grid has them."""

    mean: int
    #: Micro-log of the factor, and the part of it that is due to levels of which little is known.
    spread: int
    doubt: int
    base: int
    #: What the measures known beforehand add.
    measures: int
    #: By level, in the order of `LEVELS`: what it adds; None where nothing is known.
    effects: tuple[Effect | None, ...]
    #: By level that is shared with other work: the cell's name and its part of the variance, in millionths.
    shared: tuple[tuple[str, int], ...]

    @property
    def issued(self) -> Issued:
        """What is kept of it in the ledger until the attempt ends."""
        return Issued(mean=self.mean, spread=self.spread, doubt=self.doubt)

    def alone(self) -> Forecast:
        """Give the same as if nothing were shared with other work."""
        return msgspec.structs.replace(self, shared=())

    @property
    def factor(self) -> float:
        """By how much residuals are widened."""
        return math.exp(self.spread / MICRO)


class Learner:
    """A state that learns; `position` says up to where."""

    def __init__(self, state: State | None = None, *, prior: Prior = VAGUE) -> None:
        self.state = state if state is not None else begun(prior)

    def forecast(self, features: Features) -> Forecast:
        """Say how long an attempt will take."""
        state = self.state
        keys = keys_of(features)
        cells = [table.get(key, _UNKNOWN) if key else None for table, key in zip(state.cells, keys, strict=True)]
        variances = uncertainties(cells, state.strengths)
        total = MICRO + sum(variances)
        measures = state.slopes.effect(state.slopes.distances(features))
        issued = self._issued(features, state.base[1] + sum(cell[1] for cell in cells if cell) + measures, variances)
        return Forecast(
            mean=issued.mean,
            spread=issued.spread,
            doubt=issued.doubt,
            base=state.base[1],
            measures=measures,
            effects=tuple(
                _effect(cell, strength) if cell and (cell[1] or cell[2]) else None
                for cell, strength in zip(cells, state.strengths, strict=True)
            ),
            shared=tuple(
                (f"{place} {key}", variance * MICRO // total)
                for place, (key, variance) in enumerate(zip(keys, variances, strict=True))
                if variance
            ),
        )

    def _issued(self, features: Features, mean: int, variances: Sequence[int]) -> Issued:
        state = self.state
        unsure = doubt(MICRO + uncertainty(state.base[0], BASE_STRENGTH) + sum(variances))
        return Issued(mean=mean, spread=state.spread.of(features) + unsure, doubt=unsure)

    def learn(self, completion: Completion) -> None:
        """Take in a completion."""
        state, features = self.state, completion.features
        keys = keys_of(features)
        cells = [
            table.setdefault(key, [0, 0, 0]) if key else None for table, key in zip(state.cells, keys, strict=True)
        ]
        distances = state.slopes.distances(features)
        by_measures = state.slopes.effect(distances)
        levels = state.base[1] + sum(cell[1] for cell in cells if cell)
        variances = uncertainties(cells, state.strengths)
        issued = completion.issued
        if issued is None or state.residuals.are_few:
            # Forecasts of one ignorance share its error, which what has ended since has mended.
            issued = self._issued(features, levels + by_measures, variances)
        seen = self._score(completion, issued)
        known = _CENSORED_WORTH if completion.censored else MILLI
        error = seen - levels - by_measures
        base, noise = correct(cells, variances, state.base, error, known)
        state.fresh_base[0] += base
        state.fresh_base[1] += 1
        if not completion.censored:
            state.noise[0] += min(noise, _NOISE_MAX)
            state.noise[1] += 1
            moved = state.slopes.learn(features, distances, seen - levels)
            if cells[0]:
                cells[0][1] += moved
        state.outcomes.learn(completion)
        state.position = max(state.position, completion.position)
        state.completions += 1
        if state.completions - state.stepped_at >= min(max(state.completions // _STEP_SHARE, 1), _STEP_MAX):
            self._step()

    def supposing(self, running: Iterable[Completion]) -> Learner:
        """Give a learner that also knows of work under way how long it has lasted already; this one stays as it is.

        Otherwise a task would look short as long as only its short parts have ended.
        """
        state = self.state
        other = Learner(msgspec.structs.replace(state, cells=[dict(table) for table in state.cells]))
        for one in running:
            keys = keys_of(one.features)
            cells: list[Cell | None] = []
            for table, key in zip(other.state.cells, keys, strict=True):
                if key:
                    table[key] = list(table.get(key, (0, 0, 0)))
                cells.append(table[key] if key else None)
            said = other.forecast(one.features)
            residual = round((micro_log(one.seconds) - said.mean) / said.factor)
            beyond = max(state.residuals.beyond(residual), residual)
            variances = uncertainties(cells, state.strengths)
            correct(cells, variances, state.base, round(beyond * said.factor), _RUNNING_WORTH)
        return other

    def _score(self, completion: Completion, issued: Issued) -> int:
        """Judge the forecast; give the micro-log of the time, for what was cut off as far as can be expected."""
        state = self.state
        actual = micro_log(completion.seconds)
        factor = math.exp(issued.spread / MICRO)
        residual = round((actual - issued.mean) / factor)
        if completion.censored:
            # Redistribution to the right (Efron 1967): it stands for those that went further than it.
            residual = max(state.residuals.beyond(residual), residual)
            state.residuals.learn(residual)
            return issued.mean + round(residual * factor)
        state.residuals.learn(residual)
        state.spread.learn(completion.features, round((actual - issued.mean) / math.exp(issued.doubt / MICRO)))
        variance = round((state.residuals.deviation() * factor) ** 2 / MICRO)
        for report in completion.reports:
            state.reports.learn(report, actual, issued.mean, variance)
        return actual

    def _step(self) -> None:
        """Move what all work has in common."""
        state = self.state
        since = state.completions - state.stepped_at
        state.stepped_at = state.completions
        state.base[1] += state.fresh_base[0]
        state.base[0] = state.base[0] * (_BASE_FORGET - since) // _BASE_FORGET + since * MILLI
        state.fresh_base = [0, 0]
        moved, of_categories = state.slopes.step(since)
        state.base[1] += moved
        for category, beside in of_categories.items():
            if category in state.cells[0]:
                state.cells[0][category][1] += beside
        state.spread.step()
        state.residuals.step()
        if state.completions >= state.strengths_at:
            state.strengths_at = 2 * state.completions
            self._estimate_strengths()

    def _estimate_strengths(self) -> None:
        state = self.state
        if not state.noise[1]:
            return
        within = max(state.noise[0] // state.noise[1], 1)
        state.strengths = [
            estimated(table.values(), strength, within)
            for table, strength in zip(state.cells, state.strengths, strict=True)
        ]
        state.noise = [state.noise[0] // 2, state.noise[1] // 2]


def _effect(cell: Cell, strength: int) -> Effect:
    return Effect(added=cell[1], completions=cell[2], weak=cell[0] < strength)
