"""Where a problem lies: paths of tools made relative to the tree, and ranges.

Everything here is work on strings: no file is looked at, so a symbolic link counts as what it is called.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from typing import Annotated

import msgspec

from domain.problem import ColumnUnit, Range

Number = Annotated[int, msgspec.Meta(ge=-(2**31), lt=2**31)]
"""A line or column as a tool may state it; a record with a larger one is damaged, not believed."""

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class OutsideTreeError(ValueError):
    """A path that does not lie in the tree. Never leaves the readers: the record becomes a damage."""


class Tree:
    """The source tree that a report is about.

    `root` is its absolute path ("" where unknown: then every absolute path is refused); `prefix` is the folder,
    relative to the root, in which the tool ran.
    """

    def __init__(self, root: str = "", prefix: str = "") -> None:
        self._root = _normal(root) if root else ""
        self._prefix = _posix(prefix)
        self._known: dict[str, str] = {}

    def place(self, path: str) -> str:
        """Tell a tool's path relative to the root, with forward slashes; the empty path stays empty.

        Raises `OutsideTreeError`, naming the path, where it leads out of the tree.
        """
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._resolve(path) if path else ""
        return known

    def _resolve(self, path: str) -> str:
        if "\0" in path:
            raise OutsideTreeError(f"{path!r} is not a path")
        if not self._root:
            return self._resolve_without_root(path)
        full = _normal(path) if _is_absolute(path) else _normal(posixpath.join(self._base, _posix(path)))
        if full == self._root:
            return ""
        inside = self._root if self._root.endswith("/") else f"{self._root}/"
        if not full.startswith(inside):
            raise OutsideTreeError(f"{path} lies outside the tree {self._root}")
        return full[len(inside) :]

    @property
    def _base(self) -> str:
        return posixpath.join(self._root, self._prefix)

    def _resolve_without_root(self, path: str) -> str:
        if _is_absolute(path):
            raise OutsideTreeError(f"{path} is absolute, and the root of the tree is not known")
        inside = _normal(posixpath.join(self._prefix, _posix(path)))
        if inside == ".." or inside.startswith("../"):
            raise OutsideTreeError(f"{path} leads out of the tree")
        return "" if inside == "." else inside


class UnknownTree(Tree):
    """A tree whose root is not known yet: takes absolute paths as they are, and remembers them."""

    def __init__(self, prefix: str = "") -> None:
        super().__init__("", prefix)
        self.absolute: set[str] = set()
        self._has_relative = False

    def _resolve_without_root(self, path: str) -> str:
        if not _is_absolute(path):
            self._has_relative = True
            return super()._resolve_without_root(path)
        full = _normal(path)
        self.absolute.add(full)
        return full

    def root(self, likely: str = "") -> str:
        """Tell the likely root where an absolute path lies in it, or others are relative; else what they share.

        Where they share no folder, that of most of them: the others are system headers, or the like.
        """
        inside = f"{likely.rstrip('/')}/"
        if likely and (self._has_relative or any(path.startswith(inside) for path in self.absolute)):
            return likely
        beginnings = Counter(path.split("/")[1] if "/" in path[1:] else "" for path in self.absolute)
        most = min(beginnings, key=lambda name: (-beginnings[name], name))
        folders = [posixpath.dirname(path) for path in self.absolute if path.startswith((f"/{most}/", most))]
        return posixpath.commonpath(folders or ["/"])


def _is_absolute(path: str) -> bool:
    return path.startswith(("/", "\\")) or _DRIVE.match(path) is not None


def _posix(path: str) -> str:
    # A backslash is a separator only in a path that has no other: elsewhere it may belong to a file's name.
    if _DRIVE.match(path):
        return path[0].upper() + path[1:].replace("\\", "/")
    return path if "/" in path else path.replace("\\", "/")


def _normal(path: str) -> str:
    normal = posixpath.normpath(_posix(path))
    return f"/{normal.lstrip('/')}" if normal.startswith("/") else normal


def span(
    line: int | None,
    column: int | None = 1,
    end_line: int | None = None,
    end_column: int | None = None,
    *,
    unit: ColumnUnit = "char",
) -> Range | None:
    """Make a range out of 1-based numbers, end exclusive; None where the tool named no line.

    A column below 1 means that the tool knows none: the range then starts with the line, and has no end column.
    """
    if line is None or line < 1:
        return None
    if end_line == line or (end_line is None and end_column is not None):
        # The same object: most problems end where they start, and a number takes 32 bytes.
        end_line = line
    elif end_line is None or end_line < line:
        end_line = end_column = None
    if column is None or column < 1:
        column, end_column = 1, None
    elif end_column is not None and end_column < 1:
        end_column = None
    return Range(line=line, column=column, end_line=end_line, end_column=end_column, column_unit=unit)
