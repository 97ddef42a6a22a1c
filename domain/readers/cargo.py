"""Reader of `cargo check --message-format=json` (also clippy, build, test), and of rustc's own JSON.

One record a line. cargo names files relative to the root of the workspace, wherever it was started. Lines and
columns are 1-based, the end exclusive, columns in characters.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping

import msgspec

from domain.errors import ReportError
from domain.problem import Applicability, Problem, Range, Severity, Suggestion
from domain.readers.gather import Gathering
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_APPLICABILITY: Mapping[str, Applicability] = {"MachineApplicable": "safe", "MaybeIncorrect": "unsafe"}

# What rustc says about its other messages. Other messages without code and place do tell of a problem, such as
# "linking with `cc` failed".
_SUMMARY = re.compile(
    r"aborting due to |[0-9]+ (?:warnings?|errors?) emitted|could not compile |For more information about "
    r"|Some errors have detailed explanations"
)
# cargo's progress and summary, when both of its streams end up in one file.
_CHATTER = re.compile(rb"\s+[A-Z][a-z]+ |(?:error|warning)(?:\[\w+\])?: |For more information about |Caused by:")
_RECOGNISED = re.compile(rb'"reason"\s*:\s*"(?:compiler-|build-)|"\$message_type"\s*:\s*"diagnostic"')


class _Expansion(msgspec.Struct, gc=False):
    span: _Span


class _Span(msgspec.Struct, gc=False):
    file_name: str
    line_start: Number
    line_end: Number
    column_start: Number
    column_end: Number
    is_primary: bool = False
    label: str | None = None
    suggested_replacement: str | None = None
    suggestion_applicability: str | None = None
    expansion: _Expansion | None = None


class _Code(msgspec.Struct, gc=False):
    code: str


class _Message(msgspec.Struct, gc=False):
    message: str
    level: str
    spans: list[_Span] = []
    children: list[_Message] = []
    code: _Code | None = None


class _Record(msgspec.Struct, gc=False):
    reason: str
    message: _Message | None = None
    success: bool | None = None


_RECORD = msgspec.json.Decoder(_Record)
_MESSAGE = msgspec.json.Decoder(_Message)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(head) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what cargo wrote.

    A problem whose place lies outside the tree (a macro of the standard library) is taken at the first place
    inside it that leads there; with none, it keeps its text and has the path "".

    Raises `ReportError` when no record is sound, and when no problem is named although the build did not end
    well: such a report must not be taken for a clean one.
    """
    gathering = Gathering("cargo")
    succeeded: bool | None = None
    for number, line in source.lines():
        try:
            record = _decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            if not _CHATTER.match(line):
                gathering.refuse(number, str(error))
            continue
        succeeded = succeeded if record.success is None else record.success
        _take(record.message, gathering, tree)
    report = gathering.report()
    if not report.problems and not succeeded:
        ended = "ended without success" if succeeded is False else "was cut off before its end"
        raise ReportError(f"the build {ended}, and the report of cargo names no problem")
    return report


def _decode(line: bytes) -> _Record:
    try:
        return _RECORD.decode(line)
    except msgspec.ValidationError:
        if b'"$message_type"' not in line:
            raise
        return _Record(reason="compiler-message", message=_MESSAGE.decode(line))


def _take(message: _Message | None, gathering: Gathering, tree: Tree) -> None:
    if message is None or _is_summary(message):
        gathering.skip()
    else:
        gathering.add(_problem(message, tree, gathering), apart=_told_apart(message))


def _is_summary(message: _Message) -> bool:
    if message.level == "failure-note":
        return True
    return message.code is None and not message.spans and _SUMMARY.match(message.message) is not None


def _told_apart(message: _Message) -> Hashable:
    # Two borrows of one pattern share code, message and primary place; only their other spans differ.
    return tuple((part.file_name, part.line_start, part.column_start, part.label) for part in message.spans)


def _problem(message: _Message, tree: Tree, gathering: Gathering) -> Problem:
    share = gathering.share
    place = _first_inside(message.spans, tree)
    return Problem(
        tool="cargo",
        message=share(message.message),
        path=tree.place(place.file_name) if place else "",
        code=share(message.code.code if message.code else ""),
        severity=_severity(message.level),
        range=_range(place) if place else None,
        suggestions=share(tuple(_suggestions(message.children))),
        related=share(tuple(_related(message, place))),
    )


def _severity(level: str) -> Severity:
    # Also "error: internal compiler error".
    if level.startswith("error"):
        return "error"
    return "warning" if level == "warning" else "note"


def _range(place: _Span) -> Range | None:
    return span(place.line_start, place.column_start, place.line_end, place.column_end)


def _first_inside(spans: list[_Span], tree: Tree) -> _Span | None:
    """Find the first place inside the tree: primary places first, each with the macro calls that led to it."""
    for part in _primary_first(spans):
        place: _Span | None = part
        while place is not None:
            if _is_inside(place, tree):
                return place
            place = place.expansion.span if place.expansion else None
    return None


def _primary_first(spans: list[_Span]) -> list[_Span]:
    return sorted(spans, key=lambda part: not part.is_primary)


def _is_inside(place: _Span, tree: Tree) -> bool:
    try:
        return tree.place(place.file_name) != ""
    except OutsideTreeError:
        return False


def _related(message: _Message, place: _Span | None) -> Iterator[str]:
    """Tell the text beside the message: labels, the primary first, then notes and helps without an edit."""
    for part in _primary_first(message.spans):
        if part.label:
            yield part.label
        if part.is_primary and place is None:
            yield f"at {_where(part)}"
    for child in message.children:
        if not any(part.suggested_replacement is not None for part in child.spans):
            where = f" ({_where(child.spans[0])})" if child.spans else ""
            yield f"{child.message}{where}"


def _where(part: _Span) -> str:
    return f"{part.file_name}:{part.line_start}:{part.column_start}"


def _suggestions(children: list[_Message]) -> Iterator[Suggestion]:
    for child in children:
        edits = [part for part in child.spans if part.suggested_replacement is not None]
        # Several texts for one place are alternatives; texts for several places are parts of one edit.
        alternatives = len({(part.file_name, _range(part)) for part in edits}) == 1
        for parts in [[part] for part in edits] if alternatives else [edits]:
            if parts:
                yield _suggestion(child.message, parts)


def _suggestion(message: str, parts: list[_Span]) -> Suggestion:
    return Suggestion(
        message=message,
        edit="".join([part.suggested_replacement or "" for part in parts]),
        applicability=_APPLICABILITY.get(parts[0].suggestion_applicability or "", "display"),
    )
