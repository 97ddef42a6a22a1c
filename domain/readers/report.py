"""What a reader gives back."""

from __future__ import annotations

import msgspec

from domain.problem import Problem


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the input that could not be used."""

    #: 1-based line of the input where the record starts; 0 where the format has no lines.
    line: int
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that one run of a tool said."""

    #: The reader that took it, by its name among `reading.FORMATS`.
    format: str
    tool: str
    tool_version: str = ""
    #: In the order of the input, duplicates folded.
    problems: tuple[Problem, ...]
    #: How many records said again what an earlier one said (the same place per build target).
    duplicates: int = 0
    damaged: tuple[Damage, ...] = ()
    #: The absolute path that the problems' paths are relative to; empty where it was neither told nor found.
    root: str = ""
    #: How many byte sequences of the input were not UTF-8 and were replaced.
    replaced_bytes: int = 0
