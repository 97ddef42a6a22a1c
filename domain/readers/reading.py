"""The way in: the output of a tool in, a `Report` out, the format told or found by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import BinaryIO

import msgspec

from domain.errors import ReportError, UnknownFormatError
from domain.readers import (
    cargo,
    checkstyle,
    compiler_text,
    eslint,
    flake8,
    gcc,
    github,
    go_vet,
    junit,
    mypy,
    own_pattern,
    pylint,
    pyright,
    pytest_console,
    rdjson,
    ruff,
    rustc_text,
    sarif,
    tsc,
)
from domain.readers.places import Tree, UnknownTree
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
    "pyright": _Reader(pyright.recognises, pyright.read),
    "gcc": _Reader(gcc.recognises, gcc.read),
    "eslint": _Reader(eslint.recognises, eslint.read),
    "junit": _Reader(junit.recognises, junit.read),
    "checkstyle": _Reader(checkstyle.recognises, checkstyle.read),
    "rdjson": _Reader(rdjson.recognises, rdjson.read),
    "rdjsonl": _Reader(rdjson.recognises_lines, rdjson.read_lines, silent_when_clean=True),
    "ruff": _Reader(ruff.recognises, ruff.read, silent_when_clean=True),
    # A line of another tool may stand inside of an annotation.
    "github": _Reader(github.recognises, github.read, silent_when_clean=True),
    "pytest": _Reader(pytest_console.recognises, pytest_console.read),
    "mypy": _Reader(mypy.recognises, mypy.read, silent_when_clean=True),
    "rustc-text": _Reader(rustc_text.recognises, rustc_text.read),
    "tsc": _Reader(tsc.recognises, tsc.read, silent_when_clean=True),
    "go-vet": _Reader(go_vet.recognises, go_vet.read, silent_when_clean=True),
    "pylint": _Reader(pylint.recognises, pylint.read, silent_when_clean=True),
    "flake8": _Reader(flake8.recognises, flake8.read, silent_when_clean=True),
    "gcc-text": _Reader(compiler_text.recognises, compiler_text.read, silent_when_clean=True),
}

_OWN_PATTERN = "regex"

FORMATS: tuple[str, ...] = tuple(sorted((*_READERS, _OWN_PATTERN)))
"""The names that `read` takes as a format, beside `auto`."""


def read(
    data: bytes | BinaryIO,
    *,
    format: str = "auto",  # noqa: A002
    root: str | None = "",
    likely_root: str = "",
    prefix: str = "",
    pattern: str = "",
) -> Report:
    """Read the output of a tool: its bytes, or a stream of them that can be rewound.

    `root` is the absolute path of the tree's root, "" where it is not known and absolute paths are refused. None
    has it found: `likely_root` where an absolute path lies in it or others are relative, else what they have in
    common. `prefix` is the folder, relative to the root, in which the tool ran. The paths of the problems are
    relative to the root.
    `pattern` is the regular expression of the format `regex`, which `domain.readers.own_pattern` describes.

    Raises `UnknownFormatError` when no reader has that name, none recognises the input or the pattern is not usable,
    and `ReportError` when the report is empty, holds no usable record or is in UTF-16 without a mark that says so. An
    empty input is a report without problems where the format is told and its tool says nothing when all is well.
    """
    told = _reader_told(format, pattern)
    source = Source(data)
    if source.is_blank:
        if told is None or not told.silent_when_clean:
            raise ReportError("the report is empty: the tool wrote nothing, or its output went elsewhere")
        return Report(format=format, tool=format, problems=())
    if source.is_unmarked_utf16:
        raise ReportError("the report is in UTF-16 without a byte order mark: write it in UTF-8, or with the mark")
    tree = UnknownTree(prefix) if root is None else Tree(root, prefix)
    report = _read_told(format, told, source, tree) if told else _read_recognised(source, tree)
    if isinstance(tree, UnknownTree) and tree.absolute:
        # Read again: what was taken so far has absolute paths, and what lies outside is not yet refused.
        root = tree.root(likely_root)
        found = Tree(root, prefix)
        report = _read_told(format, told, source, found) if told else _read_recognised(source, found)
    return msgspec.structs.replace(report, replaced_bytes=source.replaced, root=root or "")


def _reader_told(name: str, pattern: str) -> _Reader | None:
    """Find the reader of a format; None where the format is to be found by content."""
    if pattern and name != _OWN_PATTERN:
        raise UnknownFormatError(f"a pattern is for the format {_OWN_PATTERN!r}, not for {name!r}")
    if name == "auto":
        return None
    if name == _OWN_PATTERN:
        expression = own_pattern.compiled(pattern)
        return _Reader(lambda _: False, partial(own_pattern.read, expression=expression), silent_when_clean=True)
    if name not in _READERS:
        raise UnknownFormatError(f"no format {name!r}; there are: auto, {', '.join(FORMATS)}")
    return _READERS[name]


def _read_recognised(source: Source, tree: Tree) -> Report:
    failures: list[str] = []
    for name in _formats_of(source):
        try:
            return _READERS[name].read(source, tree)
        except ReportError as error:
            failures.append(str(error))
    if failures:
        raise ReportError("; ".join(failures))
    if ruff.is_for_people(source.head):
        raise UnknownFormatError(
            "the input looks like what ruff prints for people, which is not read: use ruff check --output-format json"
        )
    first = source.head.strip().split(b"\n", 1)[0].decode("utf-8", "replace")[:_EXCERPT_LENGTH]
    raise UnknownFormatError(f"the input is in none of the formats {', '.join(FORMATS)}; it begins: {first!r}")


def _read_told(name: str, reader: _Reader, source: Source, tree: Tree) -> Report:
    try:
        return reader.read(source, tree)
    except ReportError as error:
        others = [other for other in _formats_of(source) if other != name]
        hint = f" (it looks like {' or '.join(others)})" if others else ""
        raise ReportError(f"{error}{hint}") from None


def _formats_of(source: Source) -> Iterator[str]:
    """Tell which formats the beginning of an input looks like, the surest first.

    One after the other, because the first is mostly the right one, and asking all takes as long as reading a small
    report.
    """
    head = source.head
    return (name for name, reader in _READERS.items() if reader.recognises(head))
