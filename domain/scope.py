"""What one worker may touch, and what is asked of its work."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec
import pathspec

from domain.errors import UsageError
from domain.problem import Problem


class TaskScope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The files and problem codes of one subtask, and the conditions under which it is worked on.

    Patterns are those of gitignore, relative to the root of the tree.
    """

    #: Paths relative to the root of the tree.
    files: tuple[str, ...]
    #: The problem codes to be removed.
    codes: tuple[str, ...]
    #: Codes present in these files that belong to another subtask: not to be touched.
    excluded_codes: tuple[str, ...] = ()
    #: Patterns of further files that may be changed: a definition that lies elsewhere, generated files.
    included_files: tuple[str, ...] = ()
    #: The files in which nobody else may work meanwhile; None: all of `files`. Where problems only show in `files`,
    #: and are cured at a definition, that is the definition's, as far as it is known.
    held_files: tuple[str, ...] | None = None
    #: Patterns of files that must not be changed, whatever else is said.
    excluded_files: tuple[str, ...] = ()
    #: What the worker has to keep to, one sentence each.
    constraints: tuple[str, ...] = ()
    #: What the result is checked for, one requirement each.
    quality: tuple[str, ...] = ()
    #: Active time after which the worker is stopped, in seconds.
    time_budget_seconds: float = 1800.0

    @property
    def holds(self) -> frozenset[str]:
        """The files in which nobody else may work meanwhile."""
        return frozenset(self.files if self.held_files is None else self.held_files)

    def contains_file(self, path: str) -> bool:
        """Tell whether a file may be changed."""
        return not self.files_outside((path,))

    def contains_problem(self, problem: Problem) -> bool:
        """Tell whether a problem is to be removed: its code is asked for, in a file that may be changed."""
        return problem.code in self.codes and self.contains_file(problem.path)

    def files_outside(self, paths: Iterable[str]) -> tuple[str, ...]:
        """List those of the paths that may not be changed, sorted."""
        files = frozenset(self.files)
        return tuple(
            sorted(
                path
                for path in paths
                if matches(self.excluded_files, path) or not (path in files or matches(self.included_files, path))
            )
        )


def matches(patterns: tuple[str, ...], path: str) -> bool:
    """Tell whether a path is matched by gitignore-style patterns, of which the last that matches decides.

    Raises `UsageError` for what is no such pattern.
    """
    return bool(patterns) and _compiled(patterns).match_file(path)


@lru_cache(maxsize=1024)
def _compiled(patterns: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise UsageError(f"not a pattern of gitignore: {error}") from error
