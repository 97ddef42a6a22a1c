"""One name for each tool, however a report spells it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

#: What reports call a tool, to the name under which this project keeps what it knows of it.
_ALIASES: Mapping[str, str] = {
    "rustc": "cargo",
    "clippy": "cargo",
    "g++": "gcc",
    # The driver of gcc's SARIF is called `GNU C17` or `GNU C++17`.
    "gnu": "gcc",
    "clang++": "clang",
    "typescript": "tsc",
    "basedpyright": "pyright",
    "pycodestyle": "flake8",
    "pyflakes": "flake8",
    "vet": "go",
    "govet": "go",
    "pytest": "junit",
    "unittest": "junit",
}


@lru_cache(maxsize=1_024)
def known_as(tool: str) -> str:
    """Tell the name under which a tool is known: `rustc` as `cargo`, `GNU C17` as `gcc`, `ESLint` as `eslint`."""
    name = tool.casefold().partition(" ")[0]
    return _ALIASES.get(name, name)
