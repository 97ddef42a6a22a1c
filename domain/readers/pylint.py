"""Reader of pylint's default text: `path:line:column: C0114: message (symbolic-name)`.

Lines are 1-based; columns are counted from 0 in the text and from 1 in a problem, in characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from domain.problem import Problem, Severity
from domain.readers.console import NUMBER, PATH, broken, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_SEVERITY: Mapping[str, Severity] = {"F": "error", "E": "error", "I": "note"}

_CODE = r"[CEFIRW][0-9]{4}"
_LINE = re.compile(rf"{PATH}:(?P<line>{NUMBER}):(?P<column>{NUMBER}): (?P<code>{_CODE}): (?P<message>.+)")
_NAME = re.compile(r" ?\((?P<name>[a-z][a-z0-9-]+)\)$")
_OPENING = re.compile(r"[^\s:]+:[0-9]+(?::|$)")
_CHATTER = re.compile(r"\*{5,} Module |-{10,}$|Your code has been rated at ")
_RECOGNISED = re.compile(
    rb"^(?:[A-Za-z]:(?=[\\/]))?[^\s:\"{}<>][^:\n]*:[0-9]+:[0-9]+: " + _CODE.encode() + rb": \S"
    rb"|^Your code has been rated at -?[0-9]",
    re.MULTILINE,
)
_DETAILS_MAX = 50


class _Message:
    """The state of reading: whether the message that was taken last goes on with the next line."""

    def __init__(self, gathering: Gathering, tree: Tree) -> None:
        self._gathering = gathering
        self._tree = tree
        self._details_left = 0

    def take(self, _number: int, line: str) -> bool:
        match = _LINE.fullmatch(line)
        if match:
            self._open(match)
            return True
        if _CHATTER.match(line):
            self._details_left = 0
            return True
        if self._details_left:
            self._go_on(line)
            return True
        if _OPENING.match(line):
            raise broken(line)
        return False

    def _open(self, match: re.Match[str]) -> None:
        # Were the path to be refused, what follows would belong to no problem.
        self._details_left = 0
        path = self._tree.place(match["path"])
        code, message = match["code"], match["message"]
        name = _NAME.search(message)
        share = self._gathering.share
        problem = Problem(
            tool="pylint",
            message=share(message[: name.start()] if name else message),
            path=path,
            code=share(code),
            severity=_SEVERITY.get(code[0], "warning"),
            range=span(int(match["line"]), int(match["column"]) + 1),
            related=share((name["name"],)) if name else (),
        )
        self._gathering.add(problem)
        self._details_left = 0 if name else _DETAILS_MAX

    def _go_on(self, line: str) -> None:
        """Take a further line of a message; the one with the symbolic name is the last."""
        name = _NAME.search(line)
        self._details_left = 0 if name else self._details_left - 1
        for note in (line[: name.start()] if name else line, name["name"] if name else ""):
            if note:
                self._gathering.attach(note)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what pylint wrote; the symbolic name and the further lines of a message are related texts.

    Fatal messages and errors are errors, informational ones notes, all others (warnings, conventions, proposals to
    refactor) warnings.
    """
    gathering = Gathering("pylint")
    take_lines(source, gathering, _Message(gathering, tree).take)
    return gathering.report()
