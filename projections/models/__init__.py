"""The read models, one module each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from domain.errors import UnknownProjectionError
from projections.models.blocker import BLOCKER
from projections.models.burndown import BURNDOWN
from projections.models.efficiency import EFFICIENCY
from projections.models.forecast import FORECAST
from projections.models.gate import GATE
from projections.models.history import HISTORY
from projections.models.milestone import MILESTONE
from projections.models.plan import PLAN
from projections.models.progress import PROGRESS
from projections.models.subtask import SUBTASK
from projections.models.worker import WORKER
from projections.projection import Projection

ALL: tuple[Projection, ...] = (
    BLOCKER, BURNDOWN, EFFICIENCY, FORECAST, GATE, HISTORY, MILESTONE, PLAN, PROGRESS, SUBTASK, WORKER,
)  # fmt: skip


def named(names: Iterable[str], *, beside: Collection[str] = ()) -> Sequence[Projection]:
    """Give the read models of these names, without those `beside`, which are made in another way.

    Raises `UnknownProjectionError` where there is none of a name.
    """
    known = {projection.name: projection for projection in ALL}
    if unknown := sorted(set(names) - known.keys() - set(beside)):
        there = ", ".join(sorted([*known, *beside]))
        raise UnknownProjectionError(f"there is no read model {unknown[0]!r}: there are {there}")
    return [known[name] for name in sorted(known.keys() & set(names))]
