"""The three clocks of a lease: heartbeat (is it alive), progress (does it move), deadline (the time budget).

A fourth stands before them: the first lease is a short offer until the worker says `started`. Time in which the
service itself was away counts on none of them: whoever could not be heard is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from domain.events import LeaseClock
from domain.task_state import LIVE, SubtaskState

Outage = tuple[datetime, datetime]
"""From when to when no service was there."""


class LeaseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long each clock runs, in seconds."""

    #: Without `started`.
    offer: float = 30.0
    #: Without any sign of life.
    silence: float = 60.0
    #: How often a worker is asked to say that it is alive.
    heartbeat: float = 15.0
    #: Without a message that it moves; at least the time budget's share `progress_share`.
    progress: float = 900.0
    progress_share: float = 0.5


class Expiry(msgspec.Struct, frozen=True):
    """When a lease is over, and by which clock."""

    at: datetime
    clock: LeaseClock
    reason: str


def expiry(
    subtask: SubtaskState,
    heard_at: datetime | None,
    times: LeaseTimes,
    outages: Sequence[Outage],
    *,
    moved_at: datetime | None = None,
) -> Expiry | None:
    """Say when a live subtask's lease is over unless its worker is heard of; None where no clock runs.

    `heard_at` is the worker's last sign of life, and `moved_at` when it last came on, both by our own clock; what its
    messages say goes by the worker's clock, which counts only where ours is not known. Whoever waits for an answer
    has no clock of progress, whoever has said to be done has but that of silence, and whose work waits for reviews
    has none until the last of them is in.
    """
    if subtask.status not in LIVE or subtask.claimed_at is None or subtask.in_review:
        return None
    worker = subtask.worker_id
    signs = (subtask.claimed_at, heard_at or subtask.heard_at, subtask.reviewed_at)
    said = [moment for moment in signs if moment is not None]
    if subtask.started_at is None and subtask.status == "claimed":
        over = _after(subtask.claimed_at, times.offer, outages)
        return Expiry(over, "offer", f"{worker} has not started within {times.offer:g} s")
    over = _after(max(said), times.silence, outages)
    first = Expiry(over, "heartbeat", f"{worker} was not heard of for {times.silence:g} s")
    for other in _of_work(subtask, moved_at, times, outages):
        if other.at < first.at:
            first = other
    return first


def deadline(subtask: SubtaskState, outages: Sequence[Outage]) -> datetime | None:
    """Say when the present attempt has used up its time budget, in which no time counts that it was blocked.

    None before it has begun, while it is blocked, and after its last word.
    """
    if subtask.started_at is None or subtask.status in ("blocked", "reported"):
        return None
    # By the worker's own clock, which may be far behind: it has not begun before it had the subtask.
    began = max(subtask.started_at, subtask.claimed_at or subtask.started_at)
    return _after(began, subtask.budget_seconds + subtask.idle_seconds, outages)


def _of_work(
    subtask: SubtaskState, moved_at: datetime | None, times: LeaseTimes, outages: Sequence[Outage]
) -> list[Expiry]:
    if subtask.status not in ("running", "claimed"):
        # Blocked or reported: others are to move.
        return []
    clocks = []
    if subtask.moved_at is not None:
        pause = max(times.progress, times.progress_share * subtask.budget_seconds)
        over = _after(max(subtask.moved_at, moved_at or subtask.moved_at), pause, outages)
        clocks.append(Expiry(over, "progress", f"{subtask.worker_id} has not moved for {pause:g} s"))
    if (until := deadline(subtask, outages)) is not None:
        budget = f"its time budget of {subtask.budget_seconds:g} s is over"
        clocks.append(Expiry(until, "deadline", budget))
    return clocks


def _after(since: datetime, seconds: float, outages: Sequence[Outage]) -> datetime:
    """Give the moment so many seconds after another one, outages not counted."""
    moment = since + timedelta(seconds=seconds)
    for began, ended in outages:
        if began < moment and ended > since:
            moment += ended - max(began, since)
    return moment
