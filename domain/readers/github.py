"""Reader of the annotations of GitHub Actions.

    ::error file=src/a.js,line=3,col=5,title=quotes::Strings must use double quotes.

Lines and columns are 1-based. GitHub does not say whether the end is inclusive: it is taken as exclusive, as linters
write it. A value may hold `%0A`, `%0D` and `%25`, that of a property `%2C` and `%3A` too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

import msgspec

from domain.problem import Problem, Severity
from domain.readers.console import broken, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Number, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_SEVERITY: Mapping[str, Severity] = {"error": "error", "warning": "warning", "notice": "note"}

_COMMAND = re.compile(r"\s*::(?P<level>error|warning|notice)(?: (?P<properties>.*?))?::(?P<message>.*)")
_OPENING = re.compile(r"\s*::(?:error|warning|notice)[ :]")
# Commands that begin and end a part of the log, or set something up.
_OTHER_COMMAND = re.compile(r"\s*::(?:debug|group|endgroup|add-matcher|remove-matcher|add-mask|stop-commands)\b")
_ESCAPE = re.compile(r"%(25|0D|0A|3A|2C)")
# `Ruff (F401)`, or the rule alone.
_CODE = re.compile(r"(?:[\w.-]+ )?\((?P<in_brackets>[\w./@:-]+)\)|(?P<alone>[\w./@:-]+)")
# Many tools repeat place and code for a reader of the log.
_REPEATED_PLACE = re.compile(r"(?P<path>\S+?):[0-9]+(?::[0-9]+)?: ")
_RECOGNISED = re.compile(rb"^[ \t]*::(?:error|warning|notice) (?:[^\n:]*,)?file=", re.MULTILINE)


class _Place(msgspec.Struct, gc=False):
    """The properties of an annotation; what others there are is left out."""

    file: str = ""
    line: Number | None = None
    end_line: Number | None = msgspec.field(default=None, name="endLine")
    col: Number | None = None
    end_column: Number | None = msgspec.field(default=None, name="endColumn")
    title: str = ""


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read the annotations.

    The title is the code where it is one word or ends in one in brackets, else a related text, as are the further
    lines of a message.
    """
    gathering = Gathering("github")
    take_lines(source, gathering, partial(_take, gathering=gathering, tree=tree))
    return gathering.report()


def _take(_number: int, line: str, *, gathering: Gathering, tree: Tree) -> bool:
    command = _COMMAND.fullmatch(line)
    if command is None:
        if _OPENING.match(line):
            raise broken(line)
        return _OTHER_COMMAND.match(line) is not None
    place = msgspec.convert(_properties(command["properties"] or ""), _Place, strict=False)
    code = _CODE.fullmatch(place.title)
    said, *details = _unescaped(command["message"]).replace("\r\n", "\n").split("\n")
    named = (code["in_brackets"] or code["alone"]) if code else ""
    problem = Problem(
        tool="github",
        message=gathering.share(_without_place(said, place.file, named)),
        path=tree.place(place.file),
        code=gathering.share(named),
        severity=_SEVERITY[command["level"]],
        range=span(place.line, place.col, place.end_line, place.end_column),
        related=tuple(([] if code or not place.title else [place.title]) + [detail for detail in details if detail]),
    )
    gathering.add(problem)
    return True


def _properties(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(",") if "=" in part)
    return {name.strip(): _unescaped(value) for name, _, value in pairs if value}


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)


def _without_place(message: str, file: str, code: str) -> str:
    """Take off the place and the code that stand before a message: its text must not move with the line."""
    repeated = _REPEATED_PLACE.match(message)
    if repeated and file.replace("\\", "/").endswith(repeated["path"].replace("\\", "/").removeprefix("./")):
        message = message[repeated.end() :]
        message = message.removeprefix(f"{code} ") if code else message
    return message
