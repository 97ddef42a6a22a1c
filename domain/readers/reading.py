"""The way in: the output of a tool in, a `Report` out, the format told or found by content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

import msgspec

from domain.errors import ReportError, UnknownFormatError
from domain.readers import cargo, mypy, ruff, sarif
from domain.readers.places import Tree
from domain.readers.report import Report
from domain.readers.source import Source

_EXCERPT_LENGTH = 80


class _Reader(msgspec.Struct, frozen=True):
    recognises: Callable[[bytes], bool]
    read: Callable[[Source, Tree], Report]
    #: Whether the tool writes nothing at all when it finds nothing.
    silent_when_clean: bool = False


# In the order in which they are asked: the one with the surest mark first.
_READERS: Mapping[str, _Reader] = {
    "cargo": _Reader(cargo.recognises, cargo.read),
    "sarif": _Reader(sarif.recognises, sarif.read),
    "ruff": _Reader(ruff.recognises, ruff.read, silent_when_clean=True),
    "mypy": _Reader(mypy.recognises, mypy.read, silent_when_clean=True),
}

FORMATS: tuple[str, ...] = tuple(sorted(_READERS))
"""The names that `read` takes as a format, beside `auto`."""


def read(
    data: bytes | BinaryIO,
    *,
    format: str = "auto",  # noqa: A002
    root: str = "",
    prefix: str = "",
) -> Report:
    """Read the output of a tool: its bytes, or a stream of them that can be rewound.

    `root` is the absolute path of the tree's root, "" where it is not known; `prefix` is the folder, relative to
    the root, in which the tool ran. The paths of the problems are relative to the root.

    Raises `UnknownFormatError` when no reader has that name or none recognises the input, and `ReportError` when
    the report is empty or holds no usable record. An empty input is a report without problems where the format
    is told and its tool says nothing when all is well.
    """
    if format != "auto" and format not in _READERS:
        raise UnknownFormatError(f"no format {format!r}; there are: auto, {', '.join(FORMATS)}")
    source = Source(data)
    if source.is_blank:
        if format == "auto" or not _READERS[format].silent_when_clean:
            raise ReportError("the report is empty: the tool wrote nothing, or its output went elsewhere")
        return Report(format=format, tool=format, problems=())
    tree = Tree(root, prefix)
    report = _read_recognised(source, tree) if format == "auto" else _read_told(format, source, tree)
    return msgspec.structs.replace(report, replaced_bytes=source.replaced)


def _read_recognised(source: Source, tree: Tree) -> Report:
    failures: list[str] = []
    for name in _formats_of(source):
        try:
            return _READERS[name].read(source, tree)
        except ReportError as error:
            failures.append(str(error))
    if failures:
        raise ReportError("; ".join(failures))
    first = source.head.strip().split(b"\n", 1)[0].decode("utf-8", "replace")[:_EXCERPT_LENGTH]
    raise UnknownFormatError(f"the input is in none of the formats {', '.join(FORMATS)}; it begins: {first!r}")


def _read_told(name: str, source: Source, tree: Tree) -> Report:
    try:
        return _READERS[name].read(source, tree)
    except ReportError as error:
        others = [other for other in _formats_of(source) if other != name]
        hint = f" (it looks like {' or '.join(others)})" if others else ""
        raise ReportError(f"{error}{hint}") from None


def _formats_of(source: Source) -> list[str]:
    """Tell which formats the beginning of an input looks like, the surest first."""
    return [name for name, reader in _READERS.items() if reader.recognises(source.head)]
