"""Reader of any text, by a regular expression of the user's own for one line.

Its named groups are `path`, `line`, `column`, `code`, `message` and `severity`; it needs `path` or `message`, and has
what others it likes. Numbers are taken as 1-based, columns as characters.

Python's regular expressions know no time limit: one that tries the same text in very many ways, as `(a+)+b` does, can
take for ever on one line. Only the length of the lines is limited here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

from domain.errors import UnknownFormatError
from domain.problem import Problem, Severity
from domain.readers.console import take_lines
from domain.readers.gather import Gathering
from domain.readers.places import Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

LINE_LENGTH_MAX = 10_000
"""In characters; a longer line is damage."""

_GROUPS = ("path", "line", "column", "code", "message", "severity")
_NUMBER = re.compile(r"[0-9]{1,9}")

# By how the word begins, in lower case: tools shorten it down to its first letter.
_SEVERITY: Mapping[str, Severity] = {"w": "warning", "n": "note", "i": "note", "h": "note", "r": "note", "c": "note"}
_WORST = re.compile(r"crit|catastroph")


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile the user's expression.

    Raises `UnknownFormatError` when it is missing or none, or has neither a group `path` nor one `message`.
    """
    if not pattern:
        raise UnknownFormatError("the format 'regex' needs a pattern, which is a regular expression for one line")
    try:
        expression = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnknownFormatError(f"the pattern is not a regular expression: {' '.join(str(error).split())}") from None
    if not expression.groupindex.keys() & {"path", "message"}:
        raise UnknownFormatError(
            "the pattern names no group (?P<path>...) and no group (?P<message>...); its groups may be: "
            f"{', '.join(_GROUPS)}"
        )
    return expression


def read(source: Source, tree: Tree, expression: re.Pattern[str]) -> Report:
    """Read each line in which the expression matches; where it matches in none, the first line is damage.

    Without a group for it, the message is what follows in the line, else the code. A severity that is not a word for
    a warning or less counts as an error.
    """
    gathering = Gathering("regex")
    take_lines(source, gathering, partial(_take, gathering=gathering, tree=tree, expression=expression))
    return gathering.report()


def _take(_number: int, line: str, *, gathering: Gathering, tree: Tree, expression: re.Pattern[str]) -> bool:
    if len(line) > LINE_LENGTH_MAX:
        raise ValueError(f"a line of {len(line):,} characters; at most {LINE_LENGTH_MAX:,} are taken")
    match = expression.search(line)
    if match is None:
        return False
    said = {name: text.strip() for name, text in match.groupdict().items() if text}
    problem = Problem(
        tool="regex",
        message=gathering.share(_message(said, line[match.end() :])),
        path=tree.place(said.get("path", "")),
        code=gathering.share(said.get("code", "")),
        severity=_severity(said.get("severity", "").lower()),
        range=span(_number_of(said, "line"), _number_of(said, "column")),
    )
    gathering.add(problem)
    return True


def _message(said: Mapping[str, str], rest: str) -> str:
    # Not the whole line: what tells a problem again in a later report must hold no place.
    return said.get("message") or rest.strip(" \t:-") or said.get("code") or "named without a message"


def _severity(word: str) -> Severity:
    return "error" if _WORST.match(word) else _SEVERITY.get(word[:1], "error")


def _number_of(said: Mapping[str, str], name: str) -> int | None:
    text = said.get(name)
    if text is not None and not _NUMBER.fullmatch(text):
        raise ValueError(f"the group {name} is no number: {text}")
    return None if text is None else int(text)
