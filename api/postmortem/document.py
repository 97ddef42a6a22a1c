"""The post-mortem of a task as a document: what all its renderings have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from domain.task_state import TaskStatus
from projections.report import RunReport

Cell = str | int | float | bool | None
"""A value that JSON knows. Moments are text in ISO 8601, in UTC; None means that nobody knows, never zero."""

Kind = Literal["text", "count", "number", "seconds", "share", "moment", "money"]
"""What a cell means: `share` is 0 to 1, `money` is in US dollars."""


class Column(msgspec.Struct, frozen=True):
    """A column of an answer."""

    name: str
    kind: Kind


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the post-mortem, and its answer for the task."""

    number: int
    name: str
    title: str
    #: How to read the answer.
    reading: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def records(self) -> Iterator[Mapping[str, Cell]]:
        """Give the rows by the names of their columns."""
        names = [column.name for column in self.columns]
        return (dict(zip(names, row, strict=True)) for row in self.rows)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the summary."""

    name: str
    title: str
    value: Cell
    kind: Kind
    #: What it is held against, or rests on.
    note: str = ""


class Postmortem(msgspec.Struct, frozen=True, kw_only=True):
    """Where a task's time went, and what came of it; `so_far` where it is not over."""

    task_id: str
    status: TaskStatus
    so_far: bool
    made_at: datetime
    #: The position of the ledger that it was made at.
    position: int
    figures: tuple[Figure, ...]
    #: The same in sentences.
    summary: tuple[str, ...]
    sections: tuple[Section, ...]
    report: RunReport

    def section(self, name: str) -> Section | None:
        """Give a question's answer by the question's name, None where it was not asked."""
        return next((section for section in self.sections if section.name == name), None)

    def records(self, name: str) -> list[Mapping[str, Cell]]:
        """Give the rows of an answer by the names of their columns; none where the question was not asked."""
        section = self.section(name)
        return list(section.records()) if section else []
