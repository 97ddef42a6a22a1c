"""Reader of flake8's default text, which is that of pycodestyle too: `path:line:column: CODE message`.

Lines and columns are 1-based, columns in characters.
"""

from __future__ import annotations

import re
from functools import partial

from domain.problem import Problem
from domain.readers.console import NUMBER, PATH, broken, plain, take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

_CODE = r"[A-Z]{1,4}[0-9]{1,4}"
_LINE = re.compile(rf"{PATH}:(?P<line>{NUMBER}):(?P<column>{NUMBER}): (?P<code>{_CODE}) (?P<message>.+)")
_OPENING = re.compile(r"[^\s:]+:[0-9]+(?::|$)")
# With `--count`; the excerpts of `--show-source` are lines of the source.
_COUNT = re.compile(r"[0-9]+$")
_RECOGNISED = re.compile(
    rb"^(?:[A-Za-z]:(?=[\\/]))?[^\s:\"{}<>][^:\n]*:[0-9]+:[0-9]+: " + _CODE.encode() + rb" (?!\[\*\] )\S",
    re.MULTILINE,
)


def recognises(head: bytes) -> bool:
    """Tell whether the beginning of an input looks like this format."""
    return _RECOGNISED.search(plain(head)) is not None


def read(source: Source, tree: Tree) -> Report:
    """Read what flake8 wrote; pycodestyle calls the codes that begin with W warnings, all others are errors."""
    gathering = Gathering("flake8")
    take_lines(source, gathering, partial(_take, gathering=gathering, tree=tree))
    return gathering.report()


def _take(_number: int, line: str, *, gathering: Gathering, tree: Tree) -> bool:
    match = _LINE.fullmatch(line)
    if match is None:
        if _OPENING.match(line):
            raise broken(line)
        return _COUNT.match(line) is not None
    path, row, column, code, message = match.groups()
    problem = Problem(
        tool="flake8",
        message=gathering.share(message),
        path=tree.place(path),
        code=gathering.share(code),
        severity="warning" if code[0] == "W" else "error",
        range=span(int(row), int(column)),
    )
    gathering.add(problem)
    return True
