"""Reader of `gcc -fdiagnostics-format=json`: one JSON array per translation unit, each on a line of its own.

Lines and columns are 1-based, columns in bytes. The last column of a range lies inside of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

import msgspec

from domain.problem import Problem, Range, Severity, Suggestion
from domain.readers.arrays import NOTHING, ArrayShape, Record, take_each
from domain.readers.gather import Gathering
from domain.readers.places import Number, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_SEVERITY: Mapping[str, Severity] = {"warning": "warning", "note": "note"}

_UNIT_OPENS = re.compile(rb"^\[(?=\{|\])", re.MULTILINE)
# Units without a problem come first; no other format has one array after the other.
_EMPTY_UNITS = re.compile(rb"\s*+\[\]\s++\[")


class _Point(msgspec.Struct, rename="kebab", gc=False):
    file: str
    line: Number
    column: Number = 0
    #: Since gcc 11; before, `column` itself counts bytes.
    byte_column: Number | None = None


class _Location(msgspec.Struct, gc=False):
    caret: _Point
    start: _Point | None = None
    finish: _Point | None = None
    label: str | None = None


class _Fixit(msgspec.Struct, gc=False):
    string: str = ""


class _Diagnostic(msgspec.Struct, gc=False):
    kind: str
    message: str
    locations: list[_Location] = []
    children: list[_Diagnostic] = []
    option: str | None = None
    fixits: list[_Fixit] = []


_UNIT = msgspec.json.Decoder(list[msgspec.Raw])
_DIAGNOSTIC = msgspec.json.Decoder(_Diagnostic)
# The notes of a record open as it does itself; the next unit is read whatever becomes of this one.
_SHAPE = ArrayShape(decode=_UNIT.decode, opens=_UNIT_OPENS, record=NOTHING)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    if _EMPTY_UNITS.match(head):
        return True
    return _UNIT_OPENS.search(head) is not None and all(
        key in head for key in (b'"kind"', b'"caret"', b'"children"', b'"message"')
    )


def read(source: Source, tree: Tree) -> Report:
    """Read what gcc wrote; the lines between the arrays are its talk, or that of `make`.

    Code is the option that switches a warning on and off, or else the kind: `error`, `fatal error`, `note`. What
    is said of a header in every unit that includes it is one problem, and duplicates. gcc does not say whether a
    fix is safe, so each counts as unsafe: apply it and look.
    """
    gathering = Gathering("gcc")
    take = partial(_take, gathering=gathering, tree=tree)
    for number, line in source.lines():
        if _UNIT_OPENS.match(line):
            gathering.skip()
            take_each(line, _SHAPE, take, gathering, first_line=number)
    return gathering.report()


def _take(record: Record, *, gathering: Gathering, tree: Tree) -> None:
    diagnostic = _DIAGNOSTIC.decode(record.text)
    place = diagnostic.locations[0] if diagnostic.locations else None
    problem = Problem(
        tool="gcc",
        message=diagnostic.message,
        path=tree.place(place.caret.file) if place else "",
        code=diagnostic.option or diagnostic.kind,
        severity=_SEVERITY.get(diagnostic.kind, "error"),
        range=_range(place) if place else None,
        suggestions=_suggestions(diagnostic),
        related=tuple(_related(diagnostic)),
    )
    gathering.add(problem)


def _range(place: _Location) -> Range | None:
    start = place.start or place.caret
    end = place.finish
    end_column = _column(end) + 1 if end and _column(end) >= 1 else None
    return span(start.line, _column(start), end.line if end else None, end_column, unit="byte")


def _column(point: _Point) -> int:
    return point.column if point.byte_column is None else point.byte_column


def _suggestions(diagnostic: _Diagnostic) -> tuple[Suggestion, ...]:
    if not diagnostic.fixits:
        return ()
    # All of them together are one edit.
    edit = "".join(fixit.string for fixit in diagnostic.fixits)
    return (Suggestion(message=diagnostic.message, edit=edit, applicability="unsafe"),)


def _related(diagnostic: _Diagnostic) -> Iterator[str]:
    for place in diagnostic.locations:
        if place.label:
            yield f"{place.label} ({_where(place)})"
    for child in diagnostic.children:
        yield f"{child.message} ({_where(child.locations[0])})" if child.locations else child.message


def _where(place: _Location) -> str:
    return f"{place.caret.file}:{place.caret.line}:{_column(place.caret)}"
