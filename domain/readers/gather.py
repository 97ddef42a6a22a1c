"""What the readers share: the gathering of records into a report."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

import msgspec

from domain.errors import ReportError
from domain.problem import Problem
from domain.readers.report import Damage, Report

_REASON_LENGTH = 300

_Value = TypeVar("_Value", bound=Hashable)


class Gathering:
    """Takes the records of one report one by one, folds duplicates, counts damage."""

    def __init__(self, report_format: str, tool: str = "") -> None:
        self._format = report_format
        self.tool = tool or report_format
        self.tool_version = ""
        self._problems: list[Problem] = []
        # Hashes of 64 bits: the keys themselves would take more than the problems, and among a million of them two
        # have the same hash with a chance of 1 in 37 million.
        self._seen: set[int] = set()
        self._shared: dict[Any, Any] = {}
        self._duplicates = 0
        self._damaged: list[Damage] = []
        self._sound = 0
        self._last_is_new = False

    def share(self, value: _Value) -> _Value:
        """Give the first of all values that equal this one.

        A report says the same thing thousands of times; memory is needed for it once.
        """
        shared: _Value = self._shared.setdefault(value, value)
        return shared

    def add(self, problem: Problem, *, apart: Hashable = None) -> None:
        """Take a problem, or count it as a duplicate of an earlier one.

        `apart` is what tells two problems from each other beside tool, code, path, range and message.
        """
        self._sound += 1
        key = hash((problem.code, problem.path, problem.range, problem.message, problem.tool, apart))
        self._last_is_new = key not in self._seen
        if self._last_is_new:
            self._seen.add(key)
            self._problems.append(problem)
        else:
            self._duplicates += 1

    def attach(self, note: str) -> None:
        """Add a note to the problem that was taken last; a duplicate has its notes already."""
        if self._last_is_new:
            last = self._problems[-1]
            self._problems[-1] = msgspec.structs.replace(last, related=(*last.related, note))

    def skip(self) -> None:
        """Count a sound record that holds no problem."""
        self._sound += 1

    def refuse(self, line: int, reason: str) -> None:
        """Count a record that cannot be used; a note after it belongs to no problem."""
        self._last_is_new = False
        self._damaged.append(Damage(line=line, reason=" ".join(reason.split())[:_REASON_LENGTH]))

    def report(self) -> Report:
        """Close the report.

        Raises `ReportError`, naming the first damage, when there were records and none of them was sound.
        """
        if self._damaged and not self._sound:
            first = self._damaged[0]
            raise ReportError(f"no usable record, read as {self._format}: line {first.line}: {first.reason}")
        return Report(
            format=self._format,
            tool=self.tool,
            tool_version=self.tool_version,
            problems=tuple(self._problems),
            duplicates=self._duplicates,
            damaged=tuple(self._damaged),
        )
