"""Reader of ruff's own JSON: `ruff check --output-format json` (one array) or `json-lines`.

Rows and columns are 1-based, the end exclusive, columns in characters. ruff names files by absolute paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from domain.problem import Applicability, Problem, Range, Suggestion
from domain.readers.gather import Gathering
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.salvage import elements
from domain.readers.source import Source

_APPLICABILITY: Mapping[str, Applicability] = {"safe": "safe", "unsafe": "unsafe"}

# What ruff says to people when both of its streams end up in one file.
_CHATTER = rb"warning: |error: |ruff failed|All checks passed|Found [0-9]+ error|\[\*\] |No fixes available"
_CHATTER_LINE = re.compile(rb"\s*(?:" + _CHATTER + rb")")
_ARRAY_OPENS = re.compile(rb"(?:\s*(?:" + _CHATTER + rb")[^\n]*\n)*\s*\[(?!\*\])")
# `cell` has been a record's first key in every version that has it, `code` in those before.
_RECORD_OPENS = re.compile(r'\{\s*"(?:cell|code)"\s*:')


class _Place(msgspec.Struct, gc=False):
    row: Number
    column: Number


class _Edit(msgspec.Struct, gc=False):
    content: str | None = None


class _Fix(msgspec.Struct, gc=False):
    edits: list[_Edit]
    applicability: str = ""
    message: str | None = None


class _Record(msgspec.Struct, gc=False):
    filename: str
    message: str
    location: _Place | None
    code: str | None = None
    end_location: _Place | None = None
    fix: _Fix | None = None
    cell: Number | None = None


_LINE = msgspec.json.Decoder(_Record)
_ARRAY = msgspec.json.Decoder(list[_Record])


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    empty_array = re.fullmatch(rb"\s*\[\s*\]\s*", head) is not None
    return empty_array or all(key in head for key in (b'"filename"', b'"location"', b'"row"'))


def read(source: Source, tree: Tree) -> Report:
    """Read what ruff wrote; a syntax error, which has no code in older versions, has `invalid-syntax`."""
    opening = _ARRAY_OPENS.match(source.head)
    return _read_array(source.whole(), opening.end() - 1, tree) if opening else _read_lines(source, tree)


def _read_lines(source: Source, tree: Tree) -> Report:
    gathering = Gathering("ruff")
    for number, line in source.lines():
        if _CHATTER_LINE.match(line):
            gathering.skip()
        else:
            _take(line, number, gathering, tree)
    return gathering.report()


def _read_array(data: bytes, offset: int, tree: Tree) -> Report:
    array = data[offset:] if offset else data
    try:
        gathering = Gathering("ruff")
        for record in _ARRAY.decode(array):
            gathering.add(_problem(record, tree), apart=record.cell)
        gathering.skip()
        return gathering.report()
    except (msgspec.DecodeError, OutsideTreeError, RecursionError):
        return _salvage(array, data.count(b"\n", 0, offset), tree)


def _salvage(array: bytes, lines_before: int, tree: Tree) -> Report:
    gathering = Gathering("ruff")
    for element in elements(array, start=_RECORD_OPENS):
        if element.damage:
            gathering.refuse(lines_before + element.line, element.damage)
        else:
            _take(element.text, lines_before + element.line, gathering, tree)
    return gathering.report()


def _take(text: bytes | str, number: int, gathering: Gathering, tree: Tree) -> None:
    try:
        record = _LINE.decode(text)
        gathering.add(_problem(record, tree), apart=record.cell)
    except (msgspec.DecodeError, OutsideTreeError, RecursionError) as error:
        gathering.refuse(number, str(error))


def _problem(record: _Record, tree: Tree) -> Problem:
    return Problem(
        tool="ruff",
        message=record.message,
        path=tree.place(record.filename),
        code=record.code or "invalid-syntax",
        range=_range(record.location, record.end_location),
        suggestions=(_suggestion(record.fix, record.message),) if record.fix else (),
        related=() if record.cell is None else (f"in cell {record.cell} of the notebook",),
    )


def _range(start: _Place | None, end: _Place | None) -> Range | None:
    if start is None:
        return None
    return span(start.row, start.column, end.row if end else None, end.column if end else None)


def _suggestion(fix: _Fix, message: str) -> Suggestion:
    return Suggestion(
        message=fix.message or message,
        edit="".join([edit.content or "" for edit in fix.edits]),
        applicability=_APPLICABILITY.get(fix.applicability, "display"),
    )
