"""Reader of ruff's own JSON: `ruff check --output-format json` (one array) or `json-lines`.

Rows and columns are 1-based, the end exclusive, columns in characters. ruff names files by absolute paths.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from domain.problem import Applicability, Problem, Range, Suggestion
from domain.readers.console import plain
from domain.readers.gather import Gathering
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.salvage import ElementLines, elements
from domain.readers.source import Source

_APPLICABILITY: Mapping[str, Applicability] = {"safe": "safe", "unsafe": "unsafe"}

# What ruff says to people when both of its streams end up in one file.
_CHATTER = rb"warning: |error: |ruff failed|All checks passed|Found [0-9]+ error|\[\*\] |No fixes available"
_CHATTER_LINE = re.compile(rb"\s*(?:" + _CHATTER + rb")")
_ARRAY_OPENS = re.compile(rb"(?:\s*(?:" + _CHATTER + rb")[^\n]*\n)*\s*\[(?!\*\])")
# `cell` has been a record's first key in every version that has it, `code` in those before.
_RECORD_OPENS = re.compile(r'\{\s*"(?:cell|code)"\s*:')


# What it prints by itself (`full`: a headline, then `--> path:row:column`) and as `concise` or `grouped`.
_RULE = rb"(?:[A-Z]{1,6}[0-9]{1,4}|invalid-syntax)"
_FOR_PEOPLE = re.compile(
    rb"^" + _RULE + rb":? \S[^\n]*\n *--> [^\n]+:[0-9]+:[0-9]+\r?$"
    rb"|^(?:[^\s:][^:\n]*:| +)[0-9]+:[0-9]+:? +" + _RULE + rb":? \S"
    rb"|^\[\*\] [0-9]+ fixable with ",
    re.MULTILINE,
)


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


_RECORD = msgspec.json.Decoder(_Record)
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_UNUSABLE = (msgspec.DecodeError, OutsideTreeError, RecursionError)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    empty_array = re.fullmatch(rb"\s*\[\s*\]\s*", head) is not None
    return empty_array or all(key in head for key in (b'"filename"', b'"location"', b'"row"'))


def is_for_people(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like what ruff shows to people, which is not read."""
    return _FOR_PEOPLE.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what ruff wrote; a syntax error, which has no code in older versions, has `invalid-syntax`."""
    opening = _ARRAY_OPENS.match(source.head)
    return _read_array(source.whole(), opening.end() - 1, tree) if opening else _read_lines(source, tree)


def _read_lines(source: Source, tree: Tree) -> Report:
    gathering = Gathering("ruff")
    for number, line in source.lines():
        if not line.startswith(b"{") and _CHATTER_LINE.match(line):
            gathering.skip()
            continue
        try:
            _take(line, gathering, tree)
        except _UNUSABLE as error:
            gathering.refuse(number, str(error))
    return gathering.report()


def _read_array(data: bytes, offset: int, tree: Tree) -> Report:
    array = data[offset:] if offset else data
    first_line = 1 + data.count(b"\n", 0, offset)
    try:
        records = _ARRAY.decode(array)
    except (msgspec.DecodeError, RecursionError):
        return _salvage(array, first_line, tree)
    gathering = Gathering("ruff")
    lines = ElementLines(array, records, first_line)
    for record in records:
        try:
            _take(record, gathering, tree)
        except _UNUSABLE as error:
            gathering.refuse(lines.line_of(record), str(error))
    if not records:
        gathering.skip()
    return gathering.report()


def _salvage(array: bytes, first_line: int, tree: Tree) -> Report:
    gathering = Gathering("ruff")
    for element in elements(array, start=_RECORD_OPENS):
        line = first_line - 1 + element.line
        if element.damage:
            gathering.refuse(line, element.damage)
            continue
        try:
            _take(element.text, gathering, tree)
        except _UNUSABLE as error:
            gathering.refuse(line, str(error))
    return gathering.report()


def _take(text: bytes | str | msgspec.Raw, gathering: Gathering, tree: Tree) -> None:
    record = _RECORD.decode(text)
    share = gathering.share
    problem = Problem(
        tool="ruff",
        message=share(record.message),
        path=tree.place(record.filename),
        code=share(record.code or "invalid-syntax"),
        range=_range(record.location, record.end_location),
        suggestions=share((_suggestion(record.fix, record.message),)) if record.fix else (),
        related=() if record.cell is None else (f"in cell {record.cell} of the notebook",),
    )
    gathering.add(problem, apart=record.cell)


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
