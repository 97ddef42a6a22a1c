"""The elements of XML documents, handed out one by one while the input is read.

Document types are refused, and with them all entities but XML's own: a few lines of entities can grow to gigabytes
(https://docs.python.org/3/library/xml.html#xml-vulnerabilities). Whatever encoding a document declares, it is read
as UTF-8, which `Source` makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from xml.etree.ElementTree import Element, ParseError, TreeBuilder
from xml.parsers.expat import ErrorString

import msgspec
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import XMLParser

from domain.errors import ReportError
from domain.readers.gather import Gathering
from domain.readers.source import Source

SIZE_MAX_BYTES = 256 * 1024 * 1024
"""How long an input may be."""

_DEPTH_MAX = 100
_CHUNK_BYTES = 65_536

_DECLARATION = re.compile(rb"(?=<\?xml\s)")
# XML cannot hold the escape character, but runners write coloured text all the same; pytest writes it as `#x1B`.
_COLOUR = re.compile(rb"(?:\x1b|#x1B|&#(?:27|[xX]1[bB]);)\[[0-9;]*[A-Za-z]")
_NOT_IN_XML = bytes(sorted(set(range(32)) - set(b"\t\n\r")))


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """An element with all that it holds."""

    #: 1-based line of the input where its opening tag ends.
    line: int
    element: Element
    #: The elements around it, the root first; of what they hold, nothing is kept.
    around: tuple[Element, ...]


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """The names of elements that matter in a format; name spaces are left out of account."""

    roots: Collection[str]
    #: The elements that are handed out.
    branches: Collection[str]

    def recognises(self, head: bytes) -> bool:
        """Tell whether a document that begins like this has a root of that name."""
        roots = b"|".join(re.escape(root.encode()) for root in self.roots)
        return re.match(_PROLOGUE + rb"<(?:%s)(?=[\s/>])" % roots, head, re.DOTALL) is not None


# The declaration, comments, and a document type, so that the refusal of the latter is told as such.
_PROLOGUE = rb"\s*+(?>(?:<\?[^>]*>|<!--(?:(?!-->).)*+-->|<!DOCTYPE[^\[>]*+(?:\[[^\]]*+\]\s*+)?>)\s*+)*+"


def branches(source: Source, vocabulary: Vocabulary, gathering: Gathering) -> Iterator[Branch]:
    """Yield the elements of one document, or of several that were written one behind the other.

    What follows a fault in a document is lost, up to the next declaration `<?xml`: the fault is counted as a damage.
    Blank lines are left out of all text, and so are control characters.

    Raises `ReportError` for a root of another name, a document type, more than 100 levels of elements, and more
    than `SIZE_MAX_BYTES` of input.
    """
    document = _Document(vocabulary)
    size_bytes = number = 0
    for number, raw in source.lines():
        size_bytes += len(raw)
        if size_bytes > SIZE_MAX_BYTES:
            raise ReportError(f"the XML is longer than {SIZE_MAX_BYTES:,} bytes")
        line = _COLOUR.sub(b"", raw).translate(None, _NOT_IN_XML)
        for part in _DECLARATION.split(line):
            if document.is_over and _DECLARATION.match(part):
                document = _Document(vocabulary)
            yield from document.feed(part, number, gathering)
    document.close(number, gathering)


class _Document:
    """One document; feeding it more after a fault does nothing."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._builder = _Builder(vocabulary)
        self._parser = XMLParser(target=self._builder, encoding="utf-8", forbid_dtd=True)
        self._is_broken = False

    @property
    def is_over(self) -> bool:
        return self._is_broken or self._builder.is_complete

    def feed(self, text: bytes, line: int, gathering: Gathering) -> Iterator[Branch]:
        self._builder.line = line
        for start in range(0, len(text), _CHUNK_BYTES):
            if self._is_broken:
                return
            try:
                self._parser.feed(text[start : start + _CHUNK_BYTES])
            except DefusedXmlException:
                raise ReportError(f"line {line}: the XML has a document type or entities, which is refused") from None
            except ParseError as error:
                self._is_broken = True
                gathering.refuse(line, f"the XML is malformed: {ErrorString(error.code)}")
            yield from self._builder.take()

    def close(self, line: int, gathering: Gathering) -> None:
        if not self.is_over:
            gathering.refuse(line, "the XML ends before its root element does")


class _Builder(TreeBuilder):
    """Builds the wanted elements, and drops everything else as soon as it is complete."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._open: list[tuple[Element, int]] = []
        self._wanted_open = 0
        self._found: list[Branch] = []
        self.line = 1
        self.is_complete = False

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        name = tag.rpartition("}")[2]
        if not self._open and name not in self._vocabulary.roots:
            expected = " or ".join(f"<{root}>" for root in self._vocabulary.roots)
            raise ReportError(f"the root of the XML is <{name}>, not {expected}")
        if len(self._open) == _DEPTH_MAX:
            raise ReportError(f"line {self.line}: the XML has more than {_DEPTH_MAX} levels of elements")
        element = super().start(name, attrs)
        self._open.append((element, self.line))
        self._wanted_open += name in self._vocabulary.branches
        return element

    def end(self, tag: str, /) -> Element:
        element = super().end(tag.rpartition("}")[2])
        _, line = self._open.pop()
        self.is_complete = not self._open
        if element.tag in self._vocabulary.branches:
            self._wanted_open -= 1
            around = tuple(outer for outer, _ in self._open)
            self._found.append(Branch(line=line, element=element, around=around))
        if self._open and not self._wanted_open:
            self._open[-1][0].remove(element)
        return element

    def take(self) -> list[Branch]:
        """Hand out the elements that are complete since the last time."""
        found, self._found = self._found, []
        return found
