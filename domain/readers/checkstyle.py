"""Reader of Checkstyle's XML, which many linters write: `<checkstyle>` holds a `<file>` each, that its `<error>`s.

Lines and columns are 1-based, and no end is told.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.problem import Problem, Severity
from domain.readers.gather import Gathering
from domain.readers.markup import Branch, Vocabulary, branches
from domain.readers.places import Number, OutsideTreeError, Tree, span
from domain.readers.report import Report
from domain.readers.source import Source

# The levels of Checkstyle's `SeverityLevel`; what it ignores, it does not write.
_SEVERITY: Mapping[str, Severity] = {"error": "error", "warning": "warning", "info": "note"}
_VOCABULARY = Vocabulary(roots=("checkstyle",), branches=("error", "exception"))


class _Error(msgspec.Struct, gc=False):
    message: str
    line: Number | None = None
    column: Number | None = None
    severity: str = "error"
    source: str = ""


recognises = _VOCABULARY.recognises


def read(source: Source, tree: Tree) -> Report:
    """Read what Checkstyle, or a linter in its manner, wrote; the `source` of an error is its code.

    A file that the linter itself stumbled over has an error of code `exception`.
    """
    gathering = Gathering("checkstyle")
    for branch in branches(source, _VOCABULARY, gathering):
        try:
            gathering.add(_problem(branch, tree))
        except (msgspec.ValidationError, OutsideTreeError) as error:
            gathering.refuse(branch.line, str(error))
    return gathering.report()


def _problem(branch: Branch, tree: Tree) -> Problem:
    path = tree.place(branch.around[-1].get("name", "")) if branch.around else ""
    if branch.element.tag == "exception":
        return _exception(branch.element.text or "", path)
    # Attributes are all text: "7" is to be taken for a number.
    error = msgspec.convert(branch.element.attrib, _Error, strict=False)
    return Problem(
        tool="checkstyle",
        message=error.message,
        path=path,
        code=error.source,
        severity=_SEVERITY.get(error.severity, "error"),
        range=span(error.line, error.column),
    )


def _exception(trace: str, path: str) -> Problem:
    message, _, rest = trace.strip().partition("\n")
    return Problem(
        tool="checkstyle",
        message=message or "the linter failed",
        path=path,
        code="exception",
        related=(rest,) if rest else (),
    )
