"""The imports among files of a tree on the disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from domain.analysis.imports import ImportGraph, import_graph

#: A larger source is hardly written by hand, and takes seconds to read.
_SOURCE_BYTES_MAX = 1_000_000


def imports_of(tree: Path, files: Iterable[str], touched: Collection[str]) -> ImportGraph:
    """Read what the touched files import; `files` are all of the tree's, relative to its root."""
    wanted = frozenset(touched)

    def text_of(path: str) -> str | None:
        file = tree / path
        if path not in wanted or not file.is_file() or file.stat().st_size > _SOURCE_BYTES_MAX:
            return None
        return file.read_text("utf-8", "replace")

    return import_graph(text_of, files)
