"""What can be saved of a JSON array that does not decode as a whole, and the lines of what cannot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

import msgspec

_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


class Element(msgspec.Struct, frozen=True):
    """One element of the array, or one place where no element can be read."""

    #: 1-based line where it starts.
    line: int
    text: str = ""
    #: Why there is no text; empty where there is.
    damage: str = ""


class ElementLines:
    """Tells on which line of a text an element starts.

    `parts` are the elements in the order of the text, as they were cut out of it; nothing is searched before the
    first question.
    """

    def __init__(self, text: bytes, parts: Iterable[msgspec.Raw], first_line: int = 1) -> None:
        self._pairs = _with_lines(text, parts, first_line)
        self._last: tuple[msgspec.Raw | None, int] = (None, 0)

    def line_of(self, part: msgspec.Raw) -> int:
        """Tell the line; the elements must be asked for in their order."""
        while self._last[0] is not part:
            self._last = next(self._pairs)
        return self._last[1]


def _with_lines(text: bytes, parts: Iterable[msgspec.Raw], line: int) -> Iterator[tuple[msgspec.Raw, int]]:
    counted = position = 0
    for part in parts:
        # Between two elements there is nothing with which one could begin.
        position = text.index(part, position)
        line += text.count(b"\n", counted, position)
        counted = position
        yield part, line
        position += len(memoryview(part))


def elements(data: bytes, *, start: re.Pattern[str]) -> Iterator[Element]:
    """Yield the complete elements of an array, and a damage for each stretch that is none.

    `data` starts with the opening bracket. After a damage, reading goes on where `start` next matches: the
    opening of a record, which must not occur inside of one.
    """
    text = data.decode("utf-8", "replace")
    line, counted = 1, 0
    position: int | None = text.index("[") + 1
    while position is not None:
        position = _past_separators(text, position)
        line += text.count("\n", counted, position)
        counted = position
        if text.startswith("]", position):
            return
        element, position = _element(text, position, line, start)
        yield element


def _past_separators(text: str, position: int) -> int:
    match = _BETWEEN.match(text, position)
    return match.end() if match else position


def _element(text: str, position: int, line: int, start: re.Pattern[str]) -> tuple[Element, int | None]:
    if position == len(text):
        return Element(line, damage="the array ends without its closing bracket"), None
    try:
        _, end = _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError) as error:
        following = start.search(text, position + 1)
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        damage = f"the record is cut or malformed: {reason}"
        return Element(line, damage=damage), following.start() if following else None
    return Element(line, text=text[position:end]), end
