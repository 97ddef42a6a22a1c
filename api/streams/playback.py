"""The past of a task as a stream at a multiple of its pace, so that any viewer can be shown it once more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from api.schemas import EventPage, EventView
from eventstore.clock import Clock, SystemClock
from projections.replay.pace import Pace, Wait

#: A stream on which nothing comes says so as often, in seconds: those who read it are told that the line is alive.
_QUIET_SECONDS_MAX = 15.0
#: The end of the service is noticed within so many seconds.
_WAIT_SECONDS_MAX = 1.0


class Playback:
    """How fast the past comes; raises `UsageError` for a speed that is no number above 0."""

    def __init__(self, speed: float, clock: Clock | None = None, wait: Wait = asyncio.sleep) -> None:
        self._speed = speed
        self._clock = clock or SystemClock()
        self._wait = wait

    async def steps(
        self, pages: AsyncIterator[EventPage], ended: Callable[[], bool]
    ) -> AsyncGenerator[EventView | None, None]:
        """Give events when their moment comes again, and None while nothing comes for long; until it is ended."""
        pace: Pace | None = None
        async for page in pages:
            for view in page.events:
                pace = pace or Pace(self._speed, view.recorded_at, self._clock.monotonic)
                quiet = 0.0
                while (left := pace.seconds_until(view.recorded_at)) > 0.0:
                    if ended():
                        return
                    await self._wait(min(left, _WAIT_SECONDS_MAX))
                    quiet += min(left, _WAIT_SECONDS_MAX)
                    if quiet >= _QUIET_SECONDS_MAX:
                        quiet = 0.0
                        yield None
                yield view
