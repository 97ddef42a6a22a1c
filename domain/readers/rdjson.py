"""Reader of the Reviewdog Diagnostic Format: `rdjson`, one object, and `rdjsonl`, one diagnostic a line.

Lines and columns are 1-based, the end exclusive, columns in bytes of UTF-8; a range without columns is made of
whole lines. Source of the fields: the format's definition, `proto/rdf/reviewdog.proto` of reviewdog.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

import msgspec

from domain.problem import Problem, Range, Severity, Suggestion
from domain.readers.arrays import NOTHING, UNUSABLE, ArrayShape, Record, take_each
from domain.readers.gather import Gathering
from domain.readers.places import Number, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

# The definition gives each severity a name and a number, and JSON may hold either.
_SEVERITY: Mapping[str | int, Severity] = {"WARNING": "warning", 2: "warning", "INFO": "note", 3: "note"}
_UNKNOWN_SEVERITY = (None, "", "UNKNOWN_SEVERITY", 0)

_OPENS = re.compile(rb'^\s*+\{[^\[]*?"diagnostics"\s*:\s*\[')
_LINE_OPENS = re.compile(rb"^\{", re.MULTILINE)
_LOCATION = re.compile(rb'"location"\s*:\s*\{\s*"(?:path|range)"\s*:')


class _Position(msgspec.Struct, gc=False):
    line: Number | None = None
    column: Number | None = None


class _Range(msgspec.Struct, gc=False):
    start: _Position
    end: _Position | None = None


class _Location(msgspec.Struct, gc=False):
    path: str
    range: _Range | None = None


class _Code(msgspec.Struct, gc=False):
    value: str = ""


class _Origin(msgspec.Struct, gc=False):
    name: str = ""


class _Suggestion(msgspec.Struct, gc=False):
    text: str = ""


class _RelatedLocation(msgspec.Struct, gc=False):
    message: str = ""
    location: _Location | None = None


class _Diagnostic(msgspec.Struct, gc=False):
    message: str
    location: _Location
    severity: str | int | None = None
    source: _Origin | None = None
    code: _Code | None = None
    suggestions: list[_Suggestion] = []
    related_locations: list[_RelatedLocation] = []


class _Result(msgspec.Struct, gc=False):
    diagnostics: list[msgspec.Raw]


class _Defaults(msgspec.Struct, frozen=True, gc=False):
    """What holds for each diagnostic that does not say otherwise."""

    severity: str | int | None = None
    source: _Origin | None = None


_RESULT = msgspec.json.Decoder(_Result)
_DEFAULTS = msgspec.json.Decoder(_Defaults)
_DIAGNOSTIC = msgspec.json.Decoder(_Diagnostic)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like `rdjson`."""
    return _OPENS.match(head) is not None


def recognises_lines(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like `rdjsonl`."""
    if recognises(head):
        return False
    return all((_LINE_OPENS.search(head), _LOCATION.search(head), b'"message"' in head))


def read(source: Source, tree: Tree) -> Report:
    """Read a result, whose tool and severity hold for each diagnostic that names none.

    The format does not say whether a suggestion is safe, so each counts as unsafe: apply it and look. A severity
    that is not told, or not known, counts as an error.
    """
    gathering = Gathering("rdjson")
    data = source.whole()
    take = partial(_take, gathering=gathering, tree=tree, defaults=_defaults(data))
    take_each(data, _SHAPE, take, gathering)
    return gathering.report()


def read_lines(source: Source, tree: Tree) -> Report:
    """Read one diagnostic a line; what is said of `read` holds here as well."""
    gathering = Gathering("rdjsonl")
    for number, line in source.lines():
        try:
            text = line.decode("utf-8", "replace")
            _take(Record(text, partial(int, number)), gathering=gathering, tree=tree, defaults=_Defaults())
        except UNUSABLE as error:
            gathering.refuse(number, str(error))
    return gathering.report()


def _diagnostics(data: bytes) -> Sequence[msgspec.Raw]:
    return _RESULT.decode(data).diagnostics


# A related location opens as a diagnostic does.
_SHAPE = ArrayShape(decode=_diagnostics, opens=_OPENS, record=NOTHING)


def _defaults(data: bytes) -> _Defaults:
    # Of a broken object, what stands before the diagnostics. The damage is told when those are read.
    opening = _OPENS.match(data)
    for text in (data, opening[0] + b"]}" if opening else b"{}"):
        with suppress(msgspec.DecodeError, RecursionError):
            return _DEFAULTS.decode(text)
    return _Defaults()


def _take(record: Record, *, gathering: Gathering, tree: Tree, defaults: _Defaults) -> None:
    diagnostic = _DIAGNOSTIC.decode(record.text)
    origin = diagnostic.source or defaults.source
    tool = origin.name.lower() if origin and origin.name else "rdjson"
    if gathering.tool.startswith("rdjson"):
        gathering.tool = tool
    problem = Problem(
        tool=tool,
        message=diagnostic.message,
        path=tree.place(diagnostic.location.path),
        code=diagnostic.code.value if diagnostic.code else "",
        severity=_severity(diagnostic.severity, defaults.severity),
        range=_range(diagnostic.location.range),
        suggestions=tuple(
            Suggestion(message=diagnostic.message, edit=suggestion.text, applicability="unsafe")
            for suggestion in diagnostic.suggestions
        ),
        related=tuple(_related(diagnostic.related_locations)),
    )
    gathering.add(problem)


def _related(locations: list[_RelatedLocation]) -> Iterator[str]:
    for related in locations:
        place = related.location
        line = place.range.start.line if place and place.range else None
        where = f" ({place.path}{f':{line}' if line else ''})" if place else ""
        yield f"{related.message}{where}"


def _severity(*stated: str | int | None) -> Severity:
    known = next((value for value in stated if value not in _UNKNOWN_SEVERITY), "ERROR")
    return _SEVERITY.get(known or "ERROR", "error")


def _range(stated: _Range | None) -> Range | None:
    if stated is None:
        return None
    start, end = stated.start, stated.end or _Position()
    return span(start.line, start.column or 0, end.line, end.column, unit="byte")
