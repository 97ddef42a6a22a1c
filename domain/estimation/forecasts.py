"""Which forecasts of a phase's end are written down: a few, so that they can be held against what has come."""

from __future__ import annotations

from datetime import datetime

from domain.events import ForecastOccasion
from domain.task_state import TaskState

#: The end has moved where it is off by this share of the time that was left, and by so many seconds.
_MOVED_SHARE, _MOVED_SECONDS = 0.25, 10.0
#: Beyond so many of a phase only those at milestones are written down.
_MOVED_MAX = 20


def occasion_of(state: TaskState, made_at: datetime, p50_seconds: float) -> ForecastOccasion | None:
    """Say why a forecast is to be written down; None where it is not worth it.

    Decided on the state that it is appended to, so that of two processes only one finds an occasion.
    """
    last = state.forecast
    if state.status != "running":
        return None
    if last is None:
        return "planned"
    if state.milestone > last.milestone:
        return "milestone"
    # Both are counted from the moment of the last one.
    moved = abs((made_at - last.made_at).total_seconds() + p50_seconds - last.p50_seconds)
    if last.number < _MOVED_MAX and moved > max(_MOVED_SHARE * last.p50_seconds, _MOVED_SECONDS):
        return "moved"
    return None
