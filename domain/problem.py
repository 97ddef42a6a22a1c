"""A problem: one diagnostic of one tool, normalised, with an identity that survives moved lines."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from domain.code_families import family_of
from domain.phase import Phase, phase_of
from domain.subject import subject_of
from domain.template import mask
from domain.tool_names import known_as

Severity = Literal["error", "warning", "note"]
Applicability = Literal["safe", "unsafe", "display"]
"""How far a tool trusts its own edit: apply it, apply it and look, or only show it."""

# Tools point at other lines inside of a message: "already defined on line 12".
_LINE_NUMBER = re.compile(r"\b(lines? )[0-9]+")
# The module in which a test lies: all that comes before its class, or its name.
_TEST_MODULE = re.compile(r"^(?:[a-z_]\w*\.)+")

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
    #: The function, class or test that encloses the place, where its reader or the tree's source tells it:
    #: `pkg.module.Class.method`. Only that of a test is part of the identity: a test runner always names it.
    symbol: str = ""

    @property
    def template(self) -> str:
        """The message with what varies (names, paths, numbers) masked."""
        return mask(self.message).template

    @property
    def slots(self) -> tuple[str, ...]:
        """The names and paths that `template` masks, in order."""
        return mask(self.message).slots

    @property
    def subject(self) -> str:
        """The name that the problem is about: the definition that is missing or wrong; empty where there is none."""
        masked = mask(self.message)
        return subject_of(masked.template, masked.slots)

    @property
    def code_family(self) -> str:
        """The code under which all versions and wordings of the problem are gathered."""
        return family_of(self.tool, self.code)

    @property
    def phase(self) -> Phase:
        """How far the tool had come when it found the problem."""
        return phase_of(self.tool, self.code, message=self.message, severity=self.severity)

    @property
    def fingerprint(self) -> str:
        """The identity of the problem as 16 hexadecimal digits, without any line number.

        Two problems of one file with the same code and message share it; they are told apart by counting. A test
        that fails is the same problem whatever it says: its identity is its name.
        """
        if self._is_test:
            return _digest(self.tool, self.symbol)
        return _digest(self.tool, self.code, self.path, _without_line_numbers(self.message))

    @property
    def loose_fingerprint(self) -> str:
        """An identity, 16 hexadecimal digits, that the problem keeps when its file is renamed or moved.

        Problems of different files share it where they have the same code and message. Problems that share a
        `fingerprint` share it too.
        """
        if self._is_test:
            return _digest(self.tool, "", _TEST_MODULE.sub("", self.symbol))
        message = _without_line_numbers(self.message)
        for own_name in _names_of_file(self.path):
            message = message.replace(own_name, "<file>")
        return _digest(self.tool, self.code, message)

    @property
    def _is_test(self) -> bool:
        return bool(self.symbol) and known_as(self.tool) == "junit"

    def fixable(self, *, unsafe: bool) -> bool:
        """Whether the tool itself offers an edit that may be applied without being asked."""
        allowed = ("safe", "unsafe") if unsafe else ("safe",)
        return any(suggestion.applicability in allowed for suggestion in self.suggestions)


def count_codes(problems: Iterable[Problem]) -> dict[str, int]:
    """How many problems each code has, most frequent first; a problem without a code counts as `(none)`."""
    counts = Counter(problem.code or "(none)" for problem in problems)
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _without_line_numbers(message: str) -> str:
    return _LINE_NUMBER.sub(r"\1#", message) if "line" in message else message


def _names_of_file(path: str) -> tuple[str, ...]:
    """Tell what messages may call a file: its path, or the module that Python imports it as."""
    if not path:
        return ()
    module = path.removesuffix(".py").replace("/", ".")
    return (path, module) if path.endswith(".py") and "." in module else (path,)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
