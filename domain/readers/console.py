"""What the readers of text share: lines as a terminal would show them, without its colours and links."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from domain.readers.gather import Gathering
from domain.readers.places import OutsideTreeError
from domain.readers.source import Source

PATH = r"(?P<path>(?:[A-Za-z]:(?=[\\/]))?[^\s:][^:]*)"
"""A path before a colon, as a part of a regular expression; it holds a colon only behind the letter of a drive."""

NUMBER = r"[0-9]{1,9}"
"""A line or column, as a part of a regular expression; more digits are no place in a file."""

_REASON = "not a line of this format: "

# Control sequences (colours, erasing) and operating system commands (links), as ECMA-48 has them. Terminals that keep
# line drawing in a second set of characters go back to the first with each end of a colour: xterm by `ESC ( B`, the
# Linux console, screen and tmux by the control character SI.
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]\x0f?|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[ -/]+[0-~])")


def plain(data: bytes) -> bytes:
    """Take out what only a terminal understands."""
    return _ESCAPES.sub(b"", data) if b"\x1b" in data else data


def lines(source: Source) -> Iterator[tuple[int, str]]:
    """Yield each line that is not blank, without its end, with its 1-based number."""
    for number, raw in source.lines():
        yield number, plain(raw).decode("utf-8", "replace").rstrip("\r\n")


def take_lines(source: Source, gathering: Gathering, take: Callable[[int, str], bool]) -> None:
    """Give each line and its number to `take`, which tells whether the line belongs to the format.

    What it refuses with `OutsideTreeError` or `ValueError` is damage. Other programs write into the same log, so a
    line that does not belong costs nothing; but where none belongs, the first of them is named as damage.
    """
    foreign: tuple[int, str] | None = None
    belongs = False
    for number, line in lines(source):
        try:
            if take(number, line):
                belongs = True
            elif foreign is None:
                foreign = (number, line)
        except (OutsideTreeError, ValueError) as error:
            gathering.refuse(number, str(error))
            belongs = True
    if foreign and not belongs:
        gathering.refuse(foreign[0], f"{_REASON}{foreign[1]}")


def broken(line: str) -> ValueError:
    """Tell of a line that begins like a record of the format and is none."""
    return ValueError(f"{_REASON}{line}")
