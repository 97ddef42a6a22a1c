"""A look at a tree: what the tool says, and what the service must know of the tree to plan with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.runner.git import Repository
from api.runner.imports import imports_of
from api.runner.owners import code_owners_of
from api.runner.tool import Tool, observe
from api.schemas import Tree
from domain.problem import Problem
from domain.readers.reading import read
from domain.readers.report import Report


class GivenReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report that the user already has."""

    data: bytes
    format: str
    #: Folder that its absolute paths are relative to; empty: the checkout.
    root: str = ""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What the tool said, as it said it and as it was read, and the tree that it spoke of."""

    data: bytes
    report: Report
    tree: Tree


async def look(
    tool: Tool, path: Path, prefix: str, commit: str, *, repository: Repository, given: GivenReport | None = None
) -> Look:
    """Run the tool at `path`, a worktree at `commit`, or take a report that was made in the user's checkout.

    Raises `ToolError` where the tool failed, and `ReportError` where its output cannot be used.
    """
    if given is None:
        root = path
        data, report = await observe(tool, path, prefix)
    else:
        root, data = Path(given.root) if given.root else repository.root, given.data
        report = await asyncio.to_thread(read, data, format=given.format, root=str(root), prefix=prefix)
    files = await repository.files(commit)
    tree = Tree(
        repository=str(repository.root),
        prefix=prefix,
        commit=commit,
        root=root.as_posix(),
        files=tuple(sorted(filter(_is_text, files))),
        imports=await asyncio.to_thread(_imports, path, files, report.problems),
        code_owners=code_owners_of(path),
    )
    return Look(data=data, report=report, tree=tree)


def _imports(path: Path, files: frozenset[str], problems: Sequence[Problem]) -> dict[str, tuple[str, ...]]:
    touched = {problem.path for problem in problems} & files
    graph = imports_of(path, files, touched)
    return {name: tuple(sorted(others)) for name, others in graph.imports.items() if others}


def _is_text(path: str) -> bool:
    """Tell whether a path can go over the wire; no report names one that cannot."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
