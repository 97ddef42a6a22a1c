"""The catalogue of problem domains: what kind of trouble a code means, how it is cured, and how hard that is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, get_args

import msgspec

from domain.analysis import catalogue_tables as tables

Cure = Literal["local", "definition"]
"""Where a cure lies: at each place that is reported, or at one definition away from it."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a kind of problem."""

    domain: str
    #: How such problems are cured, in one line.
    hint: str
    cure: Cure
    #: 1 (mechanical) to 5 (needs a design decision).
    difficulty: int


OTHER = Entry(
    domain="other",
    hint="read the message: the catalogue does not know this code",
    cure="definition",
    difficulty=3,
)
"""For what the catalogue does not know.

The cure counts as a definition's, so that one name that shows in several files is held to be one cause.
"""


def entry_for(tool: str, code: str, message: str = "") -> Entry:
    """Give what is known of a tool's code; `OTHER` where nothing is.

    `message` decides where the code says little: none at all, gcc's `error`, the bare numbers of clang's SARIF.
    """
    family = _family_of(tool, code)
    if message and family in _BY_MESSAGE and _VAGUE[family].fullmatch(code):
        for pattern, entry in _BY_MESSAGE[family]:
            if pattern.search(message):
                return entry
    return _by_code(family, code)


@lru_cache(maxsize=8192)
def _by_code(family: str, code: str) -> Entry:
    entries = _BY_CODE.get(family, {})
    for name in _names_of(family, code):
        if name in entries:
            return entries[name]
        for end in range(len(name), 0, -1):
            if (prefix := f"{name[:end]}*") in entries:
                return entries[prefix]
    return entries.get("*", OTHER)


def _names_of(family: str, code: str) -> tuple[str, ...]:
    match family:
        case "c":
            return (code.replace("-Werror=", "-W"),)
        case "eslint":
            # Plug-ins repeat core rules under their own name: `@typescript-eslint/no-shadow`.
            return (code, code.rpartition("/")[2])
        case "tests":
            # Exceptions may be named with their module: `requests.exceptions.ConnectionError`.
            return (code, code.rpartition(".")[2])
        case _:
            return (code,)


# --- which table ----------------------------------------------------------------------------------------

_FAMILIES: Mapping[str, str] = {
    tool: family
    for family, tools in {
        "rustc": "cargo rustc clippy rustdoc",
        "typescript": "tsc typescript vue-tsc",
        "mypy": "mypy",
        "pyright": "pyright basedpyright",
        "python-lint": "ruff flake8 pycodestyle pyflakes pydocstyle bandit",
        "pylint": "pylint",
        "c": "gcc g++ gnu cc clang clang++ clang-tidy",
        "eslint": "eslint oxlint",
        "go": "go go-vet vet",
        "tests": "pytest junit unittest",
    }.items()
    for tool in tools.split()
}

#: For a tool without a table (a report in a common format that names none): what the code looks like.
_SHAPES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"E0\d{3}"), "rustc"),
    (re.compile(r"TS\d{4,5}"), "typescript"),
    (re.compile(r"report[A-Z]\w+"), "pyright"),
    (re.compile(r"-W[\w+=#-]+"), "c"),
    (re.compile(r"[A-Z]{1,5}\d{2,4}"), "python-lint"),
    (re.compile(r"(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Warning)"), "tests"),
)


@lru_cache(maxsize=8192)
def _family_of(tool: str, code: str) -> str:
    name = tool.casefold().partition(" ")[0]
    if family := _FAMILIES.get(name):
        return family
    return next((family for shape, family in _SHAPES if shape.fullmatch(code)), "")


# --- reading the tables ---------------------------------------------------------------------------------


def _rows(table: str) -> list[tuple[str, Entry]]:
    rows: list[tuple[str, Entry]] = []
    entry = OTHER
    for line in filter(None, table.splitlines()):
        if line.startswith(" "):
            rows.append((line.strip(), entry))
        else:
            domain, cure, difficulty, hint = line.split(" | ")
            entry = Entry(domain=domain, cure=_cure(cure), difficulty=int(difficulty), hint=hint)
    return rows


def _cure(name: str) -> Cure:
    return next(cure for cure in get_args(Cure) if cure == name)


def _codes(table: str) -> dict[str, Entry]:
    return {code: entry for line, entry in _rows(table) for code in line.split()}


def _patterns(table: str) -> list[tuple[re.Pattern[str], Entry]]:
    return [(re.compile(line), entry) for line, entry in _rows(table)]


_BY_CODE: Mapping[str, Mapping[str, Entry]] = {
    "rustc": _codes(tables.RUSTC),
    "typescript": _codes(tables.TYPESCRIPT),
    "mypy": _codes(tables.MYPY),
    "pyright": _codes(tables.PYRIGHT),
    "python-lint": _codes(tables.PYTHON_LINT),
    "pylint": _codes(tables.PYLINT),
    "c": _codes(tables.C_COMPILER),
    "eslint": _codes(tables.ESLINT),
    "go": _codes(tables.GO),
    "tests": _codes(tables.TESTS),
}
_BY_MESSAGE: Mapping[str, list[tuple[re.Pattern[str], Entry]]] = {
    "rustc": _patterns(tables.RUSTC_MESSAGES),
    "c": _patterns(tables.C_MESSAGES),
    "tests": _patterns(tables.TESTS_MESSAGES),
}
#: The codes for which the message is asked first.
_VAGUE: Mapping[str, re.Pattern[str]] = {
    "rustc": re.compile(r"|E0277"),
    "c": re.compile(r"|\d+|(?:fatal )?error|warning|note"),
    "tests": re.compile(r".*"),
}
