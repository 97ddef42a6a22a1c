"""Masking of messages: what stays the same when one cause shows in many places."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

# Compilers put what varies in quotes: backticks (rustc), double (mypy), single or typographic (gcc) quotes.
_QUOTED = re.compile(r"`([^`]*)`|\"([^\"]*)\"|‘([^’]*)’|“([^”]*)”|(?<!\w)'([^']*)'(?!\w)")  # noqa: RUF001
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w])")


class Masked(msgspec.Struct, frozen=True):
    """A message taken apart."""

    #: The message with each quoted name as `<>` and each number as `#`.
    template: str
    #: The quoted names, in order, without empty ones.
    slots: tuple[str, ...]


@lru_cache(maxsize=65_536)
def mask(message: str) -> Masked:
    """Take the quoted names and the numbers out of a message."""
    slots: list[str] = []

    def take(match: re.Match[str]) -> str:
        slots.append(next(group for group in match.groups() if group is not None))
        return "<>"

    template = _NUMBER.sub("#", _QUOTED.sub(take, message))
    return Masked(template=template, slots=tuple(filter(None, slots)))
