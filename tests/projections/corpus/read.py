"""The recorded tasks of this folder, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from projections.replay.recording import Recording, read_export

FOLDER = Path(__file__).parent
#: What each is about: `record.py` says it.
NAMES = ("run", "rounds", "answered", "split", "lost", "reviewed", "cancelled", "early")


@cache
def recording(name: str) -> Recording:
    """Read one of them."""
    [found] = read_export(FOLDER / f"{name}.ndjson")
    return found
