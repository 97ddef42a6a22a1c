"""What measures known beforehand say: the planner's own estimate, how many problems, over how many files.

Each measure counts by how far it is from what is usual in its category, so that it says what the category does not.
Slopes move at steps only (`learner`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from domain.estimation.features import Features
from domain.estimation.fixed import MICRO, micro_log

#: The planner's estimate; how far it is above what is usual of all work, since large plans are off in another
#: proportion than small ones; log of problems; log of files.
_PLAN, _BEND, _PROBLEMS, _FILES = range(4)
_MEASURES = 4
#: Actual time goes with the 0.85th power of an estimate (CESAW); worth 200 completions, the others 50.
_PRIOR = (850_000, 0, 0, 0)
_PRIOR_WEIGHT = (200, 50, 50, 50)
#: Completions after which a category's own usual value is believed by half.
_USUAL_STRENGTH = 20
#: Completions that another ledger's usual value is worth.
_PRIOR_USUAL = 5
#: Completions from which on what is usual is known well enough to learn slopes.
_SETTLED = 50
#: A completion loses 1 part in 10,000 of its say on slopes at each further one.
_FORGET = 10_000

#: Count and sum of a measure.
Usual = list[int]


class Slopes(msgspec.Struct, kw_only=True):
    """Regression of what levels leave over on the measures, as sums of products in millionths."""

    slopes: list[int] = msgspec.field(default_factory=lambda: list(_PRIOR))
    #: Of each measure over all work; what it was at the last step; by category.
    totals: list[Usual] = msgspec.field(default_factory=lambda: [[0, 0] for _ in range(_MEASURES)])
    usual: list[int | None] = msgspec.field(default_factory=lambda: [None] * _MEASURES)
    by_category: list[dict[str, Usual]] = msgspec.field(default_factory=lambda: [{} for _ in range(_MEASURES)])
    #: Of measures with measures, row after row, and with what is to be explained; what came since the last step.
    squares: list[int] = msgspec.field(default_factory=lambda: [0] * (_MEASURES * _MEASURES))
    products: list[int] = msgspec.field(default_factory=lambda: [0] * _MEASURES)
    fresh_squares: list[int] = msgspec.field(default_factory=lambda: [0] * (_MEASURES * _MEASURES))
    fresh_products: list[int] = msgspec.field(default_factory=lambda: [0] * _MEASURES)

    @classmethod
    def begun(cls, slopes: Sequence[int], usual: Sequence[int | None]) -> Slopes:
        """Begin with what other ledgers say."""
        totals = [[_PRIOR_USUAL, _PRIOR_USUAL * value] if value is not None else [0, 0] for value in usual]
        return cls(slopes=list(slopes), usual=list(usual), totals=totals)

    def distances(self, features: Features) -> list[int]:
        """Give how far each measure is from what is usual, as micro-logs; 0 where it is not known."""
        distances = [0] * _MEASURES
        for place, value in _values(features):
            usual = self.usual[place]
            if usual is None:
                continue
            if place == _PLAN:
                distances[_BEND] = max(value - usual, 0)
            own = self.by_category[place].get(features.category)
            distances[place] = value - (_shrunk(own, usual) if own is not None else usual)
        return distances

    def effect(self, distances: list[int]) -> int:
        """Give what the measures add to the log of the time."""
        return sum(slope * distance for slope, distance in zip(self.slopes, distances, strict=True)) // MICRO

    def learn(self, features: Features, distances: list[int], rest: int) -> int:
        """Take in a completion; `rest` is what the levels alone leave over of it.

        Gives what to add to its category's effect, so that what is usual there can move without moving forecasts.
        """
        active = [place for place, distance in enumerate(distances) if distance and self._settled(place)]
        for row in active:
            self.fresh_products[row] += distances[row] * rest // MICRO
            for column in active:
                self.fresh_squares[row * _MEASURES + column] += distances[row] * distances[column] // MICRO
        moved = 0
        for place, value in _values(features):
            total, own = self.totals[place], self.by_category[place].setdefault(features.category, [0, 0])
            if (usual := self.usual[place]) is not None:
                moved += self.slopes[place] * (_shrunk([own[0] + 1, own[1] + value], usual) - _shrunk(own, usual))
            for known in (total, own):
                known[0] += 1
                known[1] += value
        return moved // MICRO

    def _settled(self, place: int) -> bool:
        """Tell whether it is known what is usual; far from a wrong one, a few completions would outweigh the rest."""
        return self.totals[_PLAN if place == _BEND else place][0] >= _SETTLED

    def step(self, completions: int) -> tuple[int, dict[str, int]]:
        """Move the slopes, after so many completions since the last step.

        Gives what to add to all work's own level, and to categories' effects, so that what is usual can move without
        moving forecasts.
        """
        keep = max(_FORGET - completions, 0)
        self.squares = [
            old * keep // _FORGET + new for old, new in zip(self.squares, self.fresh_squares, strict=True)
        ]
        self.products = [
            old * keep // _FORGET + new for old, new in zip(self.products, self.fresh_products, strict=True)
        ]
        self.fresh_squares = [0] * len(self.fresh_squares)
        self.fresh_products = [0] * len(self.fresh_products)
        before = self.usual
        self.usual = [
            total // count if count else usual for (count, total), usual in zip(self.totals, before, strict=True)
        ]
        moved, of_categories = self._moved(before)
        # Two rounds of Gauss-Seidel: slopes move little between steps.
        for row in (*range(_MEASURES), *range(_MEASURES)):
            if self.squares[row * _MEASURES + row]:
                self.slopes[row] = self._solved(row)
        return moved, of_categories

    def _moved(self, before: Sequence[int | None]) -> tuple[int, dict[str, int]]:
        """Give by how much forecasts are off for what is usual by now: of all work, and of categories beside that."""
        moved = 0
        of_categories: dict[str, int] = {}
        for place, (now, then) in enumerate(zip(self.usual, before, strict=True)):
            if now is None or then is None or now == then:
                continue
            slope = self.slopes[place]
            moved += slope * (now - then)
            for category, own in self.by_category[place].items():
                beside = _shrunk(own, now) - _shrunk(own, then) - (now - then)
                of_categories[category] = of_categories.get(category, 0) + slope * beside
        return moved // MICRO, {category: beside // MICRO for category, beside in of_categories.items()}

    def _solved(self, row: int) -> int:
        others = sum(
            self.squares[row * _MEASURES + column] * self.slopes[column]
            for column in range(_MEASURES)
            if column != row
        )
        weight = _PRIOR_WEIGHT[row]
        wanted = (self.products[row] + weight * _PRIOR[row]) * MICRO - others
        return wanted // (self.squares[row * _MEASURES + row] + weight * MICRO)


def _shrunk(own: Usual, usual: int) -> int:
    """Give what is usual in a category of which little is known, between its own and that of all work."""
    return (own[1] + _USUAL_STRENGTH * usual) // (own[0] + _USUAL_STRENGTH)


def _values(features: Features) -> list[tuple[int, int]]:
    values = []
    if features.planned_seconds:
        values.append((_PLAN, micro_log(features.planned_seconds)))
    if features.problems is not None:
        values.append((_PROBLEMS, round(MICRO * math.log1p(features.problems))))
    if features.files is not None:
        values.append((_FILES, round(MICRO * math.log1p(features.files))))
    return values
