"""Reader of `pyright --outputjson`, also of basedpyright.

One object; lines and characters are 0-based, the end exclusive, characters in UTF-16 units.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from domain.problem import Problem, Range, Severity
from domain.readers.arrays import ArrayShape, Record, take_each
from domain.readers.gather import Gathering
from domain.readers.places import Number, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_SEVERITY: Mapping[str, Severity] = {"error": "error", "warning": "warning"}

# Lines for people may stand before the object when both streams end up in one file.
_OPENS = re.compile(
    rb'^\{\s*+(?:"[A-Za-z]+"\s*:\s*"[^"\n]*"\s*,\s*+)*+"generalDiagnostics"\s*:\s*\[',
    re.MULTILINE,
)
_VERSION = re.compile(rb'"version"\s*:\s*"([^"\n]{1,40})"')
_RECORD_OPENS = re.compile(r'\{\s*"(?:file|uri)"\s*:')


class _Position(msgspec.Struct, gc=False):
    line: Number
    character: Number


class _Span(msgspec.Struct, gc=False):
    start: _Position
    end: _Position


class _Record(msgspec.Struct, gc=False):
    file: str
    message: str
    severity: str
    #: Absent where the problem is about the whole file.
    range: _Span | None = None
    #: Absent for syntax errors.
    rule: str | None = None


class _Output(msgspec.Struct, rename="camel", gc=False):
    general_diagnostics: list[msgspec.Raw]


_OUTPUT = msgspec.json.Decoder(_Output)
_RECORD = msgspec.json.Decoder(_Record)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _OPENS.search(head) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what pyright wrote.

    A message of several lines names the problem in its first; the others, which explain it, become related texts.
    """
    gathering = Gathering("pyright")
    version = _VERSION.search(source.head)
    gathering.tool_version = version[1].decode("utf-8", "replace") if version else ""
    take_each(source.whole(), _SHAPE, partial(_take, gathering=gathering, tree=tree), gathering)
    return gathering.report()


def _diagnostics(data: bytes) -> Sequence[msgspec.Raw]:
    return _OUTPUT.decode(data).general_diagnostics


_SHAPE = ArrayShape(decode=_diagnostics, opens=_OPENS, record=_RECORD_OPENS)


def _take(record: Record, *, gathering: Gathering, tree: Tree) -> None:
    diagnostic = _RECORD.decode(record.text)
    message, *explanation = diagnostic.message.replace("\N{NO-BREAK SPACE}", " ").split("\n")
    problem = Problem(
        tool="pyright",
        message=message,
        path=tree.place(diagnostic.file),
        code=diagnostic.rule or "",
        severity=_SEVERITY.get(diagnostic.severity, "note"),
        range=_range(diagnostic.range),
        related=tuple(explanation),
    )
    gathering.add(problem, apart=problem.related)


def _range(stated: _Span | None) -> Range | None:
    if stated is None:
        return None
    start, end = stated.start, stated.end
    return span(start.line + 1, start.character + 1, end.line + 1, end.character + 1, unit="utf16")
