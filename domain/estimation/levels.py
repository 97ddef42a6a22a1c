"""What work has in common with other work, and how much of a level's past still counts.

Strengths are the completions after which a level is believed by half: its variance within over its variance between.
They start at these values and are estimated from the ledger from 200 completions on.
"""

from __future__ import annotations

import msgspec

from domain.estimation.features import Features

_JOINED = "\x1f"


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One way of having something in common."""

    name: str
    #: Which features must agree.
    of: tuple[str, ...]
    #: In thousandths of a completion.
    strength: int
    #: Place of the level that this one is part of.
    within: int | None = None
    #: How much of what is known stays at each further completion, in thousandths: work drifts.
    keep: int


LEVELS = (
    Level(name="this category", of=("category",), strength=3_000, keep=990),
    Level(name="this category here", of=("project", "category"), within=0, strength=5_000, keep=970),
    Level(name="siblings", of=("decomposition",), strength=5_000, keep=950),
    Level(name="worker", of=("worker",), strength=15_000, keep=980),
    Level(name="worker at this category", of=("worker", "category"), within=3, strength=10_000, keep=970),
    Level(name="worker in this repository", of=("worker", "project"), within=3, strength=5_000, keep=950),
)

SIBLINGS = 2
"""Place of the level whose effect all parts of a task share."""

WORKER_LEVELS = (3, 4, 5)
"""Places of the levels that say what one worker adds to what anybody would take."""


def keys_of(features: Features) -> list[str | None]:
    """Name the cell of each level; None where a feature is not known."""
    category, project, worker = features.category, features.project, features.worker
    # Spelled out, in the order of `LEVELS`: this runs for every completion.
    return [
        category or None,
        f"{project}{_JOINED}{category}" if project and category else None,
        features.decomposition or None,
        worker or None,
        f"{worker}{_JOINED}{category}" if worker and category else None,
        f"{worker}{_JOINED}{project}" if worker and project else None,
    ]
