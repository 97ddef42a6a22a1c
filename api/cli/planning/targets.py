"""Which problems of a report are to be worked on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from domain.errors import UsageError
from domain.problem import Problem
from domain.scope import matches

TARGETS = ("all", "fixable", "fixable-unsafe")

Target = Annotated[
    str, typer.Option(help="Which problems: all but notes, or what the tool can fix: fixable, fixable-unsafe.")
]
Code = Annotated[list[str] | None, typer.Option(help="Only problems of this code; may be repeated.")]
Include = Annotated[list[str] | None, typer.Option(help="Only files that match, as in gitignore; may be repeated.")]
Exclude = Annotated[list[str] | None, typer.Option(help="No files that match, as in gitignore; may be repeated.")]


def targeted(
    problems: Sequence[Problem],
    target: str,
    codes: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
) -> list[int]:
    """Give the indices of the problems that are asked for; raises `UsageError` for a target that there is not."""
    if target not in TARGETS:
        raise UsageError(f"unknown target {target!r}: {', '.join(TARGETS)}")
    wanted = frozenset(codes or ())
    files: dict[str, bool] = {}

    def in_files(path: str) -> bool:
        known = files.get(path)
        if known is None:
            inside = not include or matches(tuple(include), path)
            known = files[path] = inside and not matches(tuple(exclude or ()), path)
        return known

    return [
        index
        for index, problem in enumerate(problems)
        if (not wanted or problem.code in wanted)
        and in_files(problem.path)
        and (problem.severity != "note" if target == "all" else problem.fixable(unsafe=target == "fixable-unsafe"))
    ]
