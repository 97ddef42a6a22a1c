"""Stored bodies of an older shape, brought to today's on reading; what is stored is never rewritten.

A type keeps its name for ever. When its fields change so that old payloads can no longer be read as they are (a
field renamed, split, or given another unit), add a step here: it takes the payload of one schema version and gives
that of the next. Adding a field with a default needs no step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.errors import LedgerError

#: A payload (the body without its type) in, the payload of the next schema version out.
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

#: By event type: the step from schema version 1 to 2, from 2 to 3, ...
UPCASTERS: Mapping[str, tuple[Upcaster, ...]] = {}


def schema_version(kind: str) -> int:
    """Give the schema version in which events of a type are stored today: 1, 2, 3 ..."""
    return 1 + len(UPCASTERS[kind]) if kind in UPCASTERS else 1


def upcast(kind: str, version: int, payload: dict[str, Any]) -> dict[str, Any]:
    """Bring a payload of an older schema version to today's shape.

    Raises `LedgerError` where it was stored by a later release than this one.
    """
    steps = UPCASTERS.get(kind, ())
    if version > 1 + len(steps):
        raise LedgerError(f"an event of type {kind!r} has schema version {version}: a later release has written it")
    for step in steps[version - 1 :]:
        payload = step(payload)
    return payload
