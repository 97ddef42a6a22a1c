"""The read models, one module each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


def named(names: Iterable[str]) -> Sequence[Projection]:
    """Give the read models of these names; raises `UnknownProjectionError` where there is none of one."""
    known = {projection.name: projection for projection in ALL}
    if unknown := sorted(set(names) - known.keys()):
        raise UnknownProjectionError(f"there is no read model {unknown[0]!r}: there are {', '.join(known)}")
    return [known[name] for name in sorted(set(names))]
