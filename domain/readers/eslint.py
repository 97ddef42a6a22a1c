"""Reader of `eslint -f json`: one array with an object a file.

Lines and columns are 1-based, the end exclusive, columns in UTF-16 units. ESLint names files by absolute paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

import msgspec

from domain.problem import Problem, Suggestion
from domain.readers.arrays import UNUSABLE, ArrayShape, Record, take_each
from domain.readers.gather import Gathering
from domain.readers.places import Number, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_ERROR = 2

# Lines of a package manager may stand before the array: "> app@1.0.0 lint".
_ARRAY_OPENS = re.compile(rb"^[ \t]*+\[(?=\s*+\{)", re.MULTILINE)
_RECORD_OPENS = re.compile(r'\{\s*"filePath"\s*:')


class _Fix(msgspec.Struct, gc=False):
    text: str


class _Suggestion(msgspec.Struct, gc=False):
    desc: str = ""
    fix: _Fix | None = None


class _Message(msgspec.Struct, rename="camel", gc=False):
    message: str
    severity: int
    rule_id: str | None = None
    line: Number | None = None
    column: Number | None = None
    end_line: Number | None = None
    end_column: Number | None = None
    fix: _Fix | None = None
    suggestions: list[_Suggestion] | None = None
    fatal: bool | None = None


class _File(msgspec.Struct, rename="camel", gc=False):
    file_path: str
    #: Undecoded, so that one broken message does not cost the others.
    messages: list[msgspec.Raw]


_FILES = msgspec.json.Decoder(list[msgspec.Raw])
_FILE = msgspec.json.Decoder(_File)
_MESSAGE = msgspec.json.Decoder(_Message)
_SHAPE = ArrayShape(decode=_FILES.decode, opens=_ARRAY_OPENS, record=_RECORD_OPENS)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _ARRAY_OPENS.search(head) is not None and all(key in head for key in (b'"filePath"', b'"messages"'))


def read(source: Source, tree: Tree) -> Report:
    """Read what ESLint wrote; messages that it suppresses are left out.

    A file that cannot be parsed has the code `parse-error`. ESLint applies each `fix` when asked for `--fix`, so
    that it counts as safe; a suggestion it leaves to the reader.
    """
    gathering = Gathering("eslint")
    take_each(source.whole(), _SHAPE, partial(_take, gathering=gathering, tree=tree), gathering)
    return gathering.report()


def _take(record: Record, *, gathering: Gathering, tree: Tree) -> None:
    file = _FILE.decode(record.text)
    path = tree.place(file.file_path)
    gathering.skip()
    for raw in file.messages:
        try:
            gathering.add(_problem(_MESSAGE.decode(raw), path))
        except UNUSABLE as error:
            gathering.refuse(record.line, f"{path}: {error}")


def _problem(message: _Message, path: str) -> Problem:
    return Problem(
        tool="eslint",
        message=message.message,
        path=path,
        code=_code(message),
        severity="error" if message.severity == _ERROR else "warning",
        range=span(message.line, message.column, message.end_line, message.end_column, unit="utf16"),
        suggestions=tuple(_suggestions(message)),
    )


def _code(message: _Message) -> str:
    if message.rule_id is not None:
        return message.rule_id
    # What else has no rule is about ESLint's own work: "File ignored by default", "Unused eslint-disable directive".
    return "parse-error" if message.fatal or message.severity == _ERROR else ""


def _suggestions(message: _Message) -> Iterator[Suggestion]:
    if message.fix is not None:
        yield Suggestion(message=message.message, edit=message.fix.text, applicability="safe")
    for suggestion in message.suggestions or ():
        yield Suggestion(message=suggestion.desc, edit=suggestion.fix.text if suggestion.fix else "")
