"""Moments of a task, as people name them: a position, a time, or so long after the task began."""

from __future__ import annotations

import contextlib
import re
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from domain.errors import UsageError
from domain.events import RecordedEvent

_PARTS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}
_SPAN = re.compile(r"(?:\d{1,9}(?:\.\d{1,6})?(?:ms|[dhms]))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")

Moment = int | datetime | timedelta
"""A position of the ledger, a moment, or a time since the task's first event was recorded."""

_HOW = "say a position (1817), a time with its zone (2026-03-01T09:30:00Z), or a time since the start (+5m, +1h30m)"


def parse_moment(text: str) -> Moment:
    """Read what a person calls a moment; raises `UsageError` where it is none."""
    stated = text.strip()
    if stated.isascii() and stated.replace(",", "").isdecimal():
        return int(stated.replace(",", ""))
    if stated.startswith(("+", "-")):
        if stated[0] == "+" and _SPAN.fullmatch(stated[1:]):
            with contextlib.suppress(OverflowError):
                parts = [timedelta(**{_PARTS[unit]: float(count)}) for count, unit in _PART.findall(stated)]
                return sum(parts, timedelta())
        raise UsageError(f"{text!r} is no time since the start: {_HOW}")
    try:
        moment = datetime.fromisoformat(stated)
        if moment.tzinfo is None:
            raise UsageError(f"{text!r} has no time zone: {_HOW}")
        # In UTC the first and last days of the calendar may lie beyond it.
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no moment: {_HOW}") from error


def until(events: Sequence[RecordedEvent], moment: Moment) -> Sequence[RecordedEvent]:
    """Give the events of a task that were recorded up to a moment.

    They were recorded in the order of their positions; where the database's clock was set back, what comes behind a
    later time counts as later. Raises `UsageError` where the task had not begun yet.
    """
    if isinstance(moment, timedelta):
        # Longer than all of it would at some time be past the end of the calendar.
        moment = events[0].recorded_at + min(moment, max(map(_recorded_at, events)) - events[0].recorded_at)
    if isinstance(moment, datetime):
        later = (place for place, record in enumerate(events) if record.recorded_at > moment)
        count = next(later, len(events))
    else:
        count = bisect_right(events, moment, key=lambda record: record.position)
    if not count:
        raise UsageError(f"{events[0].event.task_id} {_began(events[0])}: {_spelt(moment)} is before that")
    return events[:count]


def _recorded_at(record: RecordedEvent) -> datetime:
    return record.recorded_at


def _began(first: RecordedEvent) -> str:
    return f"began at position {first.position}, on {_spelt(first.recorded_at)}"


def _spelt(moment: int | datetime) -> str:
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"position {moment}"
