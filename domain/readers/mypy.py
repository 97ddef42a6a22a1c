"""Reader of mypy's output: the JSON lines of `--output json`, or the text form.

JSON counts columns from 0 and holds the notes of an error in `hint`; text counts columns from 1, shows the last
column of a range instead of the one after it, and has each note on a line of its own. Both give equal problems
where text shows columns at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from domain.problem import Problem, Severity
from domain.readers.console import plain
from domain.readers.gather import Gathering
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_TEXT = re.compile(
    r"(?P<path>.+?):(?:(?P<line>[0-9]{1,9}):(?:(?P<column>[0-9]{1,9}):)?"
    r"(?:(?P<end_line>[0-9]{1,9}):(?P<end_column>[0-9]{1,9}):)?)?"
    r" (?P<severity>error|warning|note): (?P<message>.*)",
    re.DOTALL,
)
_CODE = re.compile(r"  \[(?P<code>[a-z][a-z0-9-]*)\]$")
_SUMMARY = re.compile(r"Found [0-9]+ errors? in |Success: no issues found|Generated .+ report")
_PYTHON_LINE = re.compile(rb"^[^\n\"]+\.pyi?:(?:[0-9]+:)* (?:error|warning|note): ", re.MULTILINE)
_CLEAN = re.compile(rb"^(?:Success: no issues found in |Found [0-9]+ errors? in [0-9]+ files? \()", re.MULTILINE)


class _Record(msgspec.Struct, gc=False):
    file: str
    line: Number
    message: str
    severity: str
    column: Number = -1
    end_line: Number | None = None
    end_column: Number | None = None
    hint: str | None = None
    code: str | None = None


_DECODER = msgspec.json.Decoder(_Record)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    if all(key in head for key in (b'"file"', b'"line"', b'"severity"', b'"message"')):
        return True
    shown = plain(head)
    return bool(_PYTHON_LINE.search(shown) or _CLEAN.search(shown))


def read(source: Source, tree: Tree) -> Report:
    """Read what mypy wrote, JSON and text lines alike.

    A note goes to the problem before it when that lies on the same line of the same file, and is left out
    otherwise: by itself it is no problem.
    """
    gathering = Gathering("mypy")
    last: tuple[str, int] | None = None
    for number, text in _records(source):
        try:
            record = _DECODER.decode(text) if text[:1] in (b"{", "{") else _from_text(text)
            last = _take(record, last, gathering, tree) if record else last
        except (msgspec.DecodeError, OutsideTreeError, RecursionError) as error:
            gathering.refuse(number, str(error))
            last = None
    return gathering.report()


def _take(record: _Record, last: tuple[str, int] | None, gathering: Gathering, tree: Tree) -> tuple[str, int] | None:
    """Take a record, and tell the place to which notes may still be added."""
    place = (tree.place(record.file), record.line)
    if record.severity != "note":
        gathering.add(_problem(record, place[0], gathering))
        return place
    gathering.skip()
    if place == last:
        gathering.attach(record.message)
    return last


def _problem(record: _Record, path: str, gathering: Gathering) -> Problem:
    severity: Severity = "warning" if record.severity == "warning" else "error"
    end_column = record.end_column
    return Problem(
        tool="mypy",
        message=gathering.share(record.message),
        path=path,
        code=gathering.share(record.code or ""),
        severity=severity,
        range=span(record.line, record.column + 1, record.end_line, None if end_column is None else end_column + 1),
        related=gathering.share(tuple(record.hint.split("\n"))) if record.hint else (),
    )


def _from_text(text: str | bytes) -> _Record | None:
    """Read one line of the text form; None for a line of the summary."""
    line = text if isinstance(text, str) else text.decode("utf-8", "replace")
    if _SUMMARY.match(line):
        return None
    match = _TEXT.fullmatch(line)
    # `mypy: error: ...` is about mypy's own options.
    if match is None or (match["path"] == "mypy" and match["line"] is None):
        raise msgspec.DecodeError(f"not a line of mypy's output: {line}")
    code = _CODE.search(match["message"])
    return _Record(
        file=match["path"],
        line=int(match["line"] or 0),
        message=match["message"][: code.start()] if code else match["message"],
        severity=match["severity"],
        column=int(match["column"] or 0) - 1,
        end_line=int(match["end_line"]) if match["end_line"] else None,
        end_column=int(match["end_column"]) if match["end_column"] else None,
        code=code["code"] if code else None,
    )


def _records(source: Source) -> Iterator[tuple[int, str | bytes]]:
    """Yield JSON lines as they are and text lines with their continuation, as `--pretty` wraps them."""
    number, whole = 0, ""
    for at, raw in source.lines():
        is_json = raw.startswith(b"{")
        line = "" if is_json else plain(raw).decode("utf-8", "replace").rstrip("\r\n")
        if whole and line and _continues(whole, line):
            # Four spaces open the excerpt of the source and the carets below it.
            whole = whole if line.startswith("    ") else f"{whole} {line}"
            continue
        if whole:
            yield number, whole
        number, whole = at, line
        if is_json:
            yield at, raw
    if whole:
        yield number, whole


def _continues(whole: str, line: str) -> bool:
    if _SUMMARY.match(line) or not _TEXT.match(whole) or _TEXT.match(line):
        return False
    return line.startswith("    ") or not _CODE.search(whole)
