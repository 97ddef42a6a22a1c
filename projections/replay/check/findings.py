"""What a check finds: what today's code makes otherwise of the recorded input, and what could not be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Aspect = Literal["look", "plan", "end", "decision", "consequence", "read model"]
"""What was derived again: what the tool said, the plan, how a task ended, a decision, what followed, a row."""

_VALUE_LENGTH_MAX = 160


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """Something that today's code makes otherwise."""

    aspect: Aspect
    #: The event from which on it is another; 0 for what is about no single event.
    position: int
    #: In words.
    where: str
    #: Which value.
    what: str
    #: As text, shortened.
    recorded: str
    now: str


class Unchecked(msgspec.Struct, frozen=True, kw_only=True):
    """Something that could not be derived again."""

    aspect: Aspect
    position: int
    what: str
    why: str


class CheckReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of checking one task."""

    task_id: str
    events: int
    #: How many of each were derived again.
    checked: Mapping[Aspect, int]
    #: By position.
    mismatches: tuple[Mismatch, ...]
    unchecked: tuple[Unchecked, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is made otherwise today."""
        return not self.mismatches


def first_difference(recorded: object, now: object, name: str = "") -> tuple[str, str, str] | None:
    """Name the first value that differs between two structures of plain data or Structs; None where none does.

    Gives its path (`effort.p50`, `files[3]`), and both values as text.
    """
    return _compare(msgspec.to_builtins(recorded), msgspec.to_builtins(now), name)


def _compare(recorded: Any, now: Any, name: str) -> tuple[str, str, str] | None:
    if isinstance(recorded, Mapping) and isinstance(now, Mapping):
        return _compare_fields(recorded, now, name)
    if isinstance(recorded, Sequence) and isinstance(now, Sequence) and not isinstance(recorded, str):
        for place, (one, other) in enumerate(zip(recorded, now, strict=False)):
            if found := _compare(one, other, f"{name}[{place}]"):
                return found
        if len(recorded) != len(now):
            return f"number of {name or 'entries'}", str(len(recorded)), str(len(now))
        return None
    return None if recorded == now else (name or "value", spelt(recorded), spelt(now))


def _compare_fields(recorded: Mapping[str, Any], now: Mapping[str, Any], name: str) -> tuple[str, str, str] | None:
    for key in {**recorded, **now}:
        path = f"{name}.{key}" if name else str(key)
        if key not in recorded or key not in now:
            return path, spelt(recorded.get(key, "absent")), spelt(now.get(key, "absent"))
        if found := _compare(recorded[key], now[key], path):
            return found
    return None


def spelt(value: object) -> str:
    """Give a value as one short line of text."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    text = " ".join(text.split()) or '""'
    return text if len(text) <= _VALUE_LENGTH_MAX else f"{text[:_VALUE_LENGTH_MAX]} ..."
