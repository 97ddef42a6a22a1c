"""Counts for people."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Spell a count with its noun, which takes an s unless it is one: `1 file`, `2,048 files`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
