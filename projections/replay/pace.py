"""Events once more at their own pace, or at a multiple of it."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime

from domain.errors import UsageError
from domain.events import RecordedEvent

Wait = Callable[[float], Awaitable[None]]
"""Waits so many seconds."""


class Pace:
    """When each moment of the past comes again, if it begins now and goes so many times as fast.

    `monotonic` gives seconds that never run backwards. Delays do not add up: each moment has its own time, counted
    from the beginning. Raises `UsageError` for a speed that is no number above 0.
    """

    def __init__(self, speed: float, began_at: datetime, monotonic: Callable[[], float]) -> None:
        if not (math.isfinite(speed) and speed > 0.0):
            raise UsageError(f"the speed is {speed:g}: say a number above 0, such as 60 for a minute in a second")
        self._speed = speed
        self._began_at = began_at
        self._monotonic = monotonic
        self._started = monotonic()

    def seconds_until(self, moment: datetime) -> float:
        """Give the seconds until a moment comes again; 0 or less where it has."""
        due = (moment - self._began_at).total_seconds() / self._speed
        return due - (self._monotonic() - self._started)


async def play(records: Iterable[RecordedEvent], pace: Pace, wait: Wait) -> AsyncIterator[RecordedEvent]:
    """Give events, each when the moment comes again at which it was recorded."""
    for record in records:
        if (seconds := pace.seconds_until(record.recorded_at)) > 0.0:
            await wait(seconds)
        yield record
