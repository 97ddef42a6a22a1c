"""The input of a reader: a stream of bytes that is cleaned on the way, and can be read more than once."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from functools import cached_property
from typing import BinaryIO

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CHUNK_BYTES = 1_048_576


class Source:
    """What a tool wrote, without the mark of the byte order, and in UTF-8 whatever the tool wrote.

    Takes bytes, or a stream that can be rewound; a stream is read piece by piece, so that a reader which goes line
    by line never holds more than a line. What the stream itself raises goes through: that a packed file was cut is
    known to whoever unpacks it.
    """

    #: How much of an input is looked at to find its format, in bytes.
    HEAD_BYTES = 65_536

    def __init__(self, data: bytes | BinaryIO) -> None:
        self._stream = io.BytesIO(data) if isinstance(data, bytes) else data
        #: How many byte sequences were not UTF-8 and have been replaced by the reading that was begun last.
        self.replaced = 0

    @cached_property
    def head(self) -> bytes:
        """The beginning of the input."""
        self._rewind()
        return _clean(self._stream.read(self.HEAD_BYTES))[0]

    @cached_property
    def is_blank(self) -> bool:
        """Whether there is nothing but white space."""
        if self.head.strip():
            return False
        return not any(line.strip() for _, line in self.lines())

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line that is not blank, its end included, with its 1-based number."""
        self._rewind()
        for number, raw in enumerate(self._stream, start=1):
            if raw.isspace():
                continue
            if raw.isascii():
                yield number, raw
            else:
                line, replaced = _clean(raw)
                self.replaced += replaced
                yield number, line

    def whole(self) -> bytes:
        """Give everything at once, for a format that is one value."""
        self._rewind()
        data, self.replaced = _clean(self._stream.read())
        return data

    def _rewind(self) -> None:
        self.replaced = 0
        self._stream.seek(0)
        if self._stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
            self._stream.seek(0)


def _clean(data: bytes) -> tuple[bytes, int]:
    """Replace what is not UTF-8, and count it."""
    if data.isascii() or _is_utf8(data):
        return data, 0
    text = data.decode("utf-8", "replace")
    # A replacement character that was in the input cannot start inside of another sequence.
    return text.encode(), text.count(_REPLACEMENT) - data.count(_REPLACEMENT.encode())


def _is_utf8(data: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            decoder.decode(data[start : start + _CHUNK_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
