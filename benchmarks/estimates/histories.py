"""Histories of real work, read as completions in the order in which a ledger would have seen them."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

from domain.estimation.features import Completion, Features, Issued

#: An end in this year or later means that the work was never finished.
_NEVER = "2100"
#: The last 30 % of starts are the test.
_TRAINING = 0.7
#: Seconds in the unit that each history counts in.
UNITS = {"cesaw": 60.0, "metr": 1.0, "tbench": 1.0}


class Row(NamedTuple):
    """One piece of work; `effort` and `planned` in the history's own unit."""

    start: str
    end: str
    effort: float
    planned: float
    category: str
    project: str
    worker: str
    decomposition: str
    extra: float

    def features(self, unit: float, *, planned: bool, counted: bool = False) -> Features:
        """Give what was known beforehand; `counted` adds what `extra` says."""
        return Features(
            category=self.category,
            project=self.project,
            worker=self.worker,
            decomposition=self.decomposition,
            planned_seconds=self.planned * unit if planned and self.planned > 0 else None,
            problems=round(self.extra) if counted else None,
        )


class Moment(NamedTuple):
    """A start or an end of a row, by its number."""

    time: str
    #: What ended at the time of a start is known to it, unless it is itself.
    order: int
    row: int

    @property
    def starts(self) -> bool:
        """Tell a start from an end."""
        return self.order == 1


def read(folder: Path, name: str) -> list[Row]:
    """Read a history; its rows are sorted by start and end."""
    with gzip.open(folder / f"{name}.csv.gz", "rt", newline="") as file:
        return [
            Row(
                start=row["start"],
                end=row["end"],
                effort=float(row["effort"]),
                planned=float(row["planned"] or 0.0),
                category=row["category"],
                project=row["project"],
                worker=row["worker"],
                decomposition=row["decomposition"],
                extra=float(row["extra"] or 0.0),
            )
            for row in csv.DictReader(file)
        ]


def moments(rows: list[Row]) -> list[Moment]:
    """Give all starts and ends in order of time."""
    events = [Moment(row.start, 1, number) for number, row in enumerate(rows)]
    events += [
        Moment(max(row.start, row.end), 0 if row.end > row.start else 2, number)
        for number, row in enumerate(rows)
        if row.end < _NEVER
    ]
    return sorted(events)


def split(rows: list[Row]) -> int:
    """Give the number of the first row of the test."""
    return int(len(rows) * _TRAINING)


def completion(row: Row, position: int, unit: float, features: Features, issued: Issued | None = None) -> Completion:
    """Say that a row's work has ended."""
    return Completion(position=position, features=features, seconds=row.effort * unit, issued=issued)
