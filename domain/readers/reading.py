"""The way in: bytes of a report in, a `Report` out, the format told or found by content."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping

import msgspec

from domain.errors import ReportError, UnknownFormatError
from domain.readers import cargo, mypy, ruff, sarif
from domain.readers.places import Tree
from domain.readers.report import Report

#: How much of an input is looked at to find its format.
_HEAD_BYTES = 65_536
_EXCERPT_LENGTH = 80
_CHUNK_BYTES = 1_048_576


class _Reader(msgspec.Struct, frozen=True):
    recognises: Callable[[bytes], bool]
    read: Callable[[bytes, Tree], Report]
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


def read(data: bytes, *, format: str = "auto", root: str = "", prefix: str = "") -> Report:  # noqa: A002
    """Read the output of a tool.

    `root` is the absolute path of the tree's root, "" where it is not known; `prefix` is the folder, relative to
    the root, in which the tool ran. The paths of the problems are relative to the root.

    Raises `UnknownFormatError` when no reader has that name or none recognises the input, and `ReportError` when
    the report is empty or holds no usable record. An empty input is a report without problems where the format
    is told and its tool says nothing when all is well.
    """
    if format != "auto" and format not in _READERS:
        raise UnknownFormatError(f"no format {format!r}; there are: auto, {', '.join(FORMATS)}")
    text, replaced = _as_utf8(data)
    if not text or text.isspace():
        if format == "auto" or not _READERS[format].silent_when_clean:
            raise ReportError("the report is empty: the tool wrote nothing, or its output went elsewhere")
        return Report(format=format, tool=format, problems=())
    tree = Tree(root, prefix)
    report = _read_recognised(text, tree) if format == "auto" else _read_told(format, text, tree)
    return msgspec.structs.replace(report, replaced_bytes=replaced)


def _read_recognised(text: bytes, tree: Tree) -> Report:
    failures: list[str] = []
    for name in _formats_of(text):
        try:
            return _READERS[name].read(text, tree)
        except ReportError as error:
            failures.append(str(error))
    if failures:
        raise ReportError("; ".join(failures))
    first = text[:_HEAD_BYTES].strip().split(b"\n", 1)[0].decode("utf-8", "replace")[:_EXCERPT_LENGTH]
    raise UnknownFormatError(f"the input is in none of the formats {', '.join(FORMATS)}; it begins: {first!r}")


def _read_told(name: str, text: bytes, tree: Tree) -> Report:
    try:
        return _READERS[name].read(text, tree)
    except ReportError as error:
        others = [other for other in _formats_of(text) if other != name]
        hint = f" (it looks like {' or '.join(others)})" if others else ""
        raise ReportError(f"{error}{hint}") from None


def _formats_of(text: bytes) -> list[str]:
    """Tell which formats the beginning of an input looks like, the surest first."""
    head = text[:_HEAD_BYTES]
    return [name for name, reader in _READERS.items() if reader.recognises(head)]


def _as_utf8(data: bytes) -> tuple[bytes, int]:
    """Replace what is not UTF-8, and count it; a mark of the byte order at the start is left out."""
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
    if data.isascii() or _is_utf8(data):
        return data, 0
    replacement = "\N{REPLACEMENT CHARACTER}"
    text = data.decode("utf-8", "replace")
    # A replacement character that was in the input cannot start inside of another sequence.
    return text.encode(), text.count(replacement) - data.count(replacement.encode())


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            decoder.decode(data[start : start + _CHUNK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
