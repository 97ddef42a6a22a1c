"""The input of a reader: a stream of bytes that is cleaned on the way, and can be read more than once."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_CHUNK_BYTES = 1_048_576

# What `>` of PowerShell 5 writes has one of these in front.
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# No tool begins with these bytes in UTF-8.
_UNMARKED_UTF16 = re.compile(rb"(?:[^\0]\0){2}|(?:\0[^\0]){2}")


class Source:
    """What a tool wrote, without the mark of the byte order, and in UTF-8 whatever the tool wrote.

    UTF-16 is known by its mark; all else that is not UTF-8 is replaced.

    Takes bytes, or a stream that can be rewound; a stream is read piece by piece, so that a reader which goes line
    by line never holds more than a line. What the stream itself raises goes through: that a packed file was cut is
    known to whoever unpacks it.
    """

    #: How much of an input is looked at to find its format, in bytes.
    HEAD_BYTES = 65_536

    def __init__(self, data: bytes | BinaryIO) -> None:
        self._given = io.BytesIO(data) if isinstance(data, bytes) else data
        #: What is given, or what decodes it.
        self._stream: BinaryIO | io.BufferedReader = self._given
        #: How many byte sequences were not UTF-8 and have been replaced by the reading that was begun last.
        self.replaced = 0

    @cached_property
    def head(self) -> bytes:
        """The beginning of the input."""
        self._rewind()
        return _clean(self._stream.read(self.HEAD_BYTES))[0]

    @property
    def is_unmarked_utf16(self) -> bool:
        """Whether it looks like UTF-16 that no mark tells of."""
        return _UNMARKED_UTF16.match(self.head) is not None

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
        self._given.seek(0)
        mark = self._given.read(len(codecs.BOM_UTF8))
        encoding = _UTF16.get(mark[: len(codecs.BOM_UTF16)])
        if encoding:
            self._given.seek(len(codecs.BOM_UTF16))
        elif mark != codecs.BOM_UTF8:
            self._given.seek(0)
        self._stream = self._decoded(encoding) if encoding else self._given

    def _decoded(self, encoding: str) -> io.BufferedReader:
        return io.BufferedReader(_Utf16(self._given, encoding), self.HEAD_BYTES)


class _Utf16(io.RawIOBase):
    """A stream of UTF-16, from where it stands, as one of UTF-8; what is damaged in it stays no UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        # Half of a pair has no UTF-8, and is replaced with all else that has none.
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._decoded = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._decoded and (data := self._stream.read(Source.HEAD_BYTES)):
            self._decoded = self._decoder.decode(data).encode("utf-8", "surrogatepass")
        if not self._decoded and self._decoder.getstate()[0]:
            # The stream was cut inside of a character.
            self._decoder.reset()
            self._decoded = b"\xff"
        view = memoryview(buffer).cast("B")
        piece = self._decoded[: len(view)]
        view[: len(piece)] = piece
        self._decoded = self._decoded[len(piece) :]
        return len(piece)


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
