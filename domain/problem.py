"""A problem: one diagnostic of one tool, normalised, with an identity that survives moved lines."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from domain.template import mask

Severity = Literal["error", "warning", "note"]
Applicability = Literal["safe", "unsafe", "display"]
"""How far a tool trusts its own edit: apply it, apply it and look, or only show it."""

# Tools point at other lines inside of a message: "already defined on line 12".
_LINE_NUMBER = re.compile(r"\b(lines? )[0-9]+")

ColumnUnit = Literal["char", "byte", "utf16"]


class Range(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A place in a file: 1-based lines and columns, the end exclusive."""

    line: int
    column: int = 1
    end_line: int | None = None
    end_column: int | None = None
    column_unit: ColumnUnit = "char"


class Suggestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An edit that the tool offers for a problem."""

    message: str
    #: What is to be inserted, joined over all edits of the suggestion; two problems with the same text in
    #: `edit` are mended by the same change.
    edit: str = ""
    applicability: Applicability = "display"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One normalised diagnostic."""

    tool: str
    message: str
    #: Relative to the root of the tree, with forward slashes; empty where the tool named no place.
    path: str = ""
    #: The tool's own code (`E501`, `E0308`, `arg-type`); empty where it gives none.
    code: str = ""
    severity: Severity = "error"
    range: Range | None = None
    suggestions: tuple[Suggestion, ...] = ()
    #: Further text that the tool attached (notes, hints), one entry each.
    related: tuple[str, ...] = ()
    tool_version: str = ""
    #: The function, class or test that encloses the place, where the tool names it: `pkg.module.Class.method`.
    symbol: str = ""

    @property
    def template(self) -> str:
        """The message with what varies (quoted names, numbers) masked."""
        return mask(self.message).template

    @property
    def subject(self) -> str:
        """The first quoted name of the message: what the problem is about; empty where nothing is quoted."""
        slots = mask(self.message).slots
        return slots[0] if slots else ""

    @property
    def fingerprint(self) -> str:
        """The identity of the problem as 16 hexadecimal digits, without any line number.

        Two problems of one file with the same code and message share it; they are told apart by counting.
        """
        message = _LINE_NUMBER.sub(r"\1#", self.message)
        text = "\0".join((self.tool, self.code, self.path, message))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def fixable(self, *, unsafe: bool) -> bool:
        """Whether the tool itself offers an edit that may be applied without being asked."""
        allowed = ("safe", "unsafe") if unsafe else ("safe",)
        return any(suggestion.applicability in allowed for suggestion in self.suggestions)


def count_codes(problems: Iterable[Problem]) -> dict[str, int]:
    """How many problems each code has, most frequent first; a problem without a code counts as `(none)`."""
    counts = Counter(problem.code or "(none)" for problem in problems)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
