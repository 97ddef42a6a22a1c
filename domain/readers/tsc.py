"""Reader of tsc's text: `path(line,column): error TS2322: message`, and the form of `--pretty`.

Lines and columns are 1-based, columns in units of UTF-16. The plain form has the further lines of a message
indented right below it, and so has the pretty one, which then shows the source behind a blank line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from domain.problem import Problem, Severity
from domain.readers.console import NUMBER, broken, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_SEVERITY: Mapping[str, Severity] = {"error": "error", "warning": "warning"}

_SAID = r"(?P<kind>error|warning|suggestion|message) (?P<code>TS[0-9]{1,6}): ?(?P<message>.*)"
_PLAIN = re.compile(rf"(?P<path>\S.*?)\((?P<line>{NUMBER}),(?P<column>{NUMBER})\): {_SAID}")
_PRETTY = re.compile(rf"(?P<path>\S.*?):(?P<line>{NUMBER}):(?P<column>{NUMBER}) - {_SAID}")
_PLACELESS = re.compile(_SAID)
_OPENING = re.compile(r"\S+\([0-9]+,[0-9]+\)(?:$|:$|: ?(?:error|warning)\b)")
# The compiler's summary and its talk while it watches; what npm, yarn and pnpm say when they start it.
_CHATTER = re.compile(
    r"Found [0-9]+ errors?\b|\[?[0-9:]+(?: [AP]M)?\]? (?:- )?(?:File change|Starting|Found )|> |\$ tsc\b"
)
_RECOGNISED = re.compile(
    rb"^\S[^\n]*(?:\([0-9]+,[0-9]+\): |:[0-9]+:[0-9]+ - )(?:error|warning) TS[0-9]+: |^error TS[0-9]+: ", re.MULTILINE
)
_DETAILS_MAX = 50


class _Message:
    """The state of reading: the line behind which the message that was taken last may go on."""

    def __init__(self, gathering: Gathering, tree: Tree) -> None:
        self._gathering = gathering
        self._tree = tree
        self._line_before = 0
        self._details_left = 0

    def take(self, number: int, line: str) -> bool:
        match = _PLAIN.fullmatch(line) or _PRETTY.fullmatch(line) or _PLACELESS.fullmatch(line)
        if match:
            self._details_left = 0
            self._add(match)
            self._line_before, self._details_left = number, _DETAILS_MAX
            return True
        if self._details_left and line.startswith(" ") and number == self._line_before + 1:
            self._gathering.attach(line)
            self._line_before, self._details_left = number, self._details_left - 1
            return True
        if _OPENING.match(line):
            self._details_left = 0
            raise broken(line)
        return _CHATTER.match(line) is not None

    def _add(self, match: re.Match[str]) -> None:
        stated = match.groupdict()
        share = self._gathering.share
        problem = Problem(
            tool="tsc",
            message=share(match["message"]),
            path=self._tree.place(stated.get("path", "")),
            code=share(match["code"]),
            severity=_SEVERITY.get(match["kind"], "note"),
            range=span(int(stated["line"]), int(stated["column"]), unit="utf16") if "line" in stated else None,
        )
        self._gathering.add(problem)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what tsc wrote; the further lines of a message are related texts.

    Raises `ReportError` when no line is one that tsc writes.
    """
    gathering = Gathering("tsc")
    take_lines(source, gathering, _Message(gathering, tree).take)
    return gathering.report()
