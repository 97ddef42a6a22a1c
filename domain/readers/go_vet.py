"""Reader of `go vet -json`, and of the text that `go vet` and `go build` write.

Both stand below a line `# example.com/shop` for each package: one JSON object of analyzers, or a line
`./shop.go:7:2: message` for each problem. Lines and columns are 1-based, columns in bytes.
"""

from __future__ import annotations

import re

import msgspec

from domain.problem import Problem, Range, Suggestion
from domain.readers.console import NUMBER, PATH, broken, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_PACKAGE = re.compile(r"# \S")
_PLACE = re.compile(rf"{PATH}(?::(?P<line>{NUMBER})(?::(?P<column>{NUMBER}))?)?")
_TEXT = re.compile(rf"(?:vet: )?(?P<place>{PATH}:{NUMBER}(?::{NUMBER})?): (?P<message>.+)")
_OPENING = re.compile(r"(?:vet: )?\S+\.go:[0-9]")
_ENDED = re.compile(r"exit status [0-9]+$|too many errors$")
_RECOGNISED = re.compile(
    rb'^\{[^{}]*\{[^{}\[]*\[\s*\{\s*"posn":|^# [^\s#][^\n]*\n\{(?:\}|\s*"[^"\n]+": ?\{)'
    rb"|^# [^\s#][^\n]*\n(?:# [^\n]*\n)*(?:vet: )?[^\s:][^:\n]*\.go:[0-9]+:",
    re.MULTILINE,
)
_DETAILS_MAX = 50


class _Edit(msgspec.Struct, gc=False):
    new: str = ""


class _Fix(msgspec.Struct, gc=False):
    message: str = ""
    edits: list[_Edit] = []


class _Related(msgspec.Struct, gc=False):
    message: str
    posn: str = ""


class _Diagnostic(msgspec.Struct, gc=False):
    posn: str
    message: str
    #: Behind the last byte; newer versions alone tell it.
    end: str = ""
    suggested_fixes: list[_Fix] = []
    related: list[_Related] = []


class _Failure(msgspec.Struct, gc=False):
    """What stands in the place of an analyzer's findings when it could not look."""

    error: str


_PACKAGES = msgspec.json.Decoder(dict[str, dict[str, list[msgspec.Raw] | _Failure]])
_DIAGNOSTIC = msgspec.json.Decoder(_Diagnostic)


class _Log:
    """The state of reading: the JSON object, or the message, whose lines are being taken."""

    def __init__(self, gathering: Gathering, tree: Tree) -> None:
        self._gathering = gathering
        self._tree = tree
        self._object: list[str] = []
        self._object_line = 0
        self._details_left = 0

    def take(self, number: int, line: str) -> bool:
        if _PACKAGE.match(line):
            self.close()
            return True
        if self._object or line.startswith("{"):
            self._take_json(number, line)
            return True
        return self._take_text(line) or _ENDED.match(line) is not None

    def close(self) -> None:
        """Read the object that was taken, if there is one."""
        lines, self._object = self._object, []
        self._details_left = 0
        if not lines:
            return
        try:
            packages = _PACKAGES.decode("\n".join(lines))
        except (msgspec.DecodeError, RecursionError) as error:
            self._gathering.refuse(self._object_line, str(error))
            return
        self._gathering.skip()
        for package, analyzers in packages.items():
            for analyzer, found in analyzers.items():
                if isinstance(found, _Failure):
                    # That nobody looked must not be taken for a clean package.
                    related = (f"in package {package}",)
                    self._gathering.add(Problem(tool="go-vet", message=found.error, code=analyzer, related=related))
                    continue
                for record in found:
                    self._take_record(record, analyzer, lines)

    def _take_json(self, number: int, line: str) -> None:
        if not self._object:
            self._object_line = number
        self._object.append(line)
        if line.startswith("}") or (number == self._object_line and line.endswith("}")):
            self.close()

    def _take_record(self, record: msgspec.Raw, analyzer: str, lines: list[str]) -> None:
        line = self._object_line
        try:
            diagnostic = _DIAGNOSTIC.decode(record)
            line += next((offset for offset, text in enumerate(lines) if diagnostic.posn in text), 0)
            self._gathering.add(_problem(diagnostic, analyzer, self._tree))
        except (msgspec.DecodeError, OutsideTreeError, ValueError, RecursionError) as error:
            self._gathering.refuse(line, str(error))

    def _take_text(self, line: str) -> bool:
        match = _TEXT.fullmatch(line)
        if match:
            self._details_left = 0
            self._gathering.add(_problem(_Diagnostic(posn=match["place"], message=match["message"]), "", self._tree))
            self._details_left = _DETAILS_MAX
            return True
        if self._details_left and line.startswith("\t"):
            self._gathering.attach(line.strip())
            self._details_left -= 1
            return True
        if _OPENING.match(line):
            self._details_left = 0
            raise broken(line)
        return False


def _problem(diagnostic: _Diagnostic, analyzer: str, tree: Tree) -> Problem:
    path, line, column = _place(diagnostic.posn)
    end = _place(diagnostic.end) if diagnostic.end else None
    return Problem(
        tool="go-vet",
        message=diagnostic.message,
        path=tree.place(path),
        code=analyzer,
        range=_range(line, column, end),
        suggestions=tuple(
            # go does not say how far it trusts an edit: apply it and look.
            Suggestion(message=fix.message, edit="".join(edit.new for edit in fix.edits), applicability="unsafe")
            for fix in diagnostic.suggested_fixes
        ),
        related=tuple(
            f"{other.message} ({other.posn})" if other.posn else other.message for other in diagnostic.related
        ),
    )


def _place(posn: str) -> tuple[str, int | None, int | None]:
    """Take a place apart; `-` is what go says where it knows none."""
    if posn in ("", "-"):
        return "", None, None
    match = _PLACE.fullmatch(posn)
    if match is None:
        raise ValueError(f"not a place: {posn}")
    line, column = match["line"], match["column"]
    return match["path"], int(line) if line else None, int(column) if column else None


def _range(line: int | None, column: int | None, end: tuple[str, int | None, int | None] | None) -> Range | None:
    return span(line, column, end[1] if end else None, end[2] if end else None, unit="byte")


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what go wrote, JSON and text alike; the code is the analyzer, which the text does not name.

    An analyzer that could not look at a package is a problem without a place.
    """
    gathering = Gathering("go-vet")
    log = _Log(gathering, tree)
    take_lines(source, gathering, log.take)
    log.close()
    return gathering.report()
