"""The records of a JSON array, taken one by one, so that a broken one costs only itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import msgspec

from domain.readers.gather import Gathering
from domain.readers.places import OutsideTreeError
from domain.readers.salvage import Element, ElementLines, elements

UNUSABLE = (msgspec.DecodeError, OutsideTreeError, RecursionError)
"""What is raised by a record that does not hold what it should."""


NOTHING = re.compile(r"(?!)")
"""For an `ArrayShape` whose records open as their own parts do: what stands behind a damage is lost."""


class ArrayShape(msgspec.Struct, frozen=True, kw_only=True):
    """How the array of a format is found, whole or broken."""

    #: Decodes a sound input into its records, undecoded.
    decode: Callable[[bytes], Sequence[msgspec.Raw]]
    #: Matches up to the opening bracket of the array, in an input that is not sound.
    opens: re.Pattern[bytes]
    #: Matches the opening of a record, and nothing inside of one: there reading goes on behind a damage.
    record: re.Pattern[str]


class Record:
    """One record of an array, undecoded; its line is found when somebody asks."""

    __slots__ = ("_line_of", "text")

    def __init__(self, text: msgspec.Raw | bytes | str, line_of: Callable[[], int]) -> None:
        self.text = text
        self._line_of = line_of

    @property
    def line(self) -> int:
        """The 1-based line of the input where it starts."""
        return self._line_of()


def take_each(
    data: bytes, shape: ArrayShape, take: Callable[[Record], None], gathering: Gathering, *, first_line: int = 1
) -> None:
    """Hand each record of an array to `take`; one that is broken, or that `take` cannot use, counts as a damage.

    Of an array that is broken as a whole, the complete records are taken. `first_line` is the 1-based line of the
    input on which `data` starts.
    """
    try:
        raws = shape.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        for element in _saved(data, shape, first_line, str(error)):
            if element.damage:
                gathering.refuse(element.line, element.damage)
            else:
                _hand_over(Record(element.text, partial(int, element.line)), take, gathering)
        return
    lines = ElementLines(data, raws, first_line)
    for raw in raws:
        _hand_over(Record(raw, partial(lines.line_of, raw)), take, gathering)


def _hand_over(record: Record, take: Callable[[Record], None], gathering: Gathering) -> None:
    try:
        take(record)
    except UNUSABLE as error:
        gathering.refuse(record.line, str(error))


def _saved(data: bytes, shape: ArrayShape, first_line: int, reason: str) -> Iterator[Element]:
    opening = shape.opens.search(data)
    if opening is None:
        yield Element(first_line, damage=reason)
        return
    bracket = opening.end() - 1
    lines_before = first_line - 1 + data.count(b"\n", 0, bracket)
    for element in elements(data[bracket:], start=shape.record):
        yield msgspec.structs.replace(element, line=lines_before + element.line)
