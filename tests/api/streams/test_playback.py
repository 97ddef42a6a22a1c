"""The past of a task as a stream at a multiple of its pace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from api.schemas import EventPage, EventView
from api.streams.frames import view_of
from api.streams.playback import Playback
from eventstore.clock import SystemClock
from tests.projections.corpus.read import recording


class WaitedClock(SystemClock):
    """Seconds that pass by waiting alone."""

    seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    async def wait(self, seconds: float) -> None:
        self.seconds += seconds


VIEWS = [view_of(record) for record in recording("lost").events]


async def pages(views: Sequence[EventView], size: int) -> AsyncIterator[EventPage]:
    for start in range(0, len(views), size):
        part = tuple(views[start : start + size])
        yield EventPage(events=part, next_after=part[-1].position)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_events_come_in_their_order_and_keep_their_pace_over_pages(size: int) -> None:
    clock = WaitedClock()
    steps = Playback(0.01, clock, clock.wait).steps(pages(VIEWS, size), lambda: False)
    came = [(view.position, clock.seconds) async for view in steps if view is not None]
    assert [position for position, _ in came] == [view.position for view in VIEWS]
    # Within one append the times are not quite in the order of the positions.
    lasts = (max(view.recorded_at for view in VIEWS) - VIEWS[0].recorded_at).total_seconds()
    assert came[-1][1] == pytest.approx(lasts / 0.01)


async def test_while_nothing_comes_for_long_the_line_is_said_to_be_alive() -> None:
    clock = WaitedClock()
    lasts = (VIEWS[-1].recorded_at - VIEWS[0].recorded_at).total_seconds()
    ends = [VIEWS[0], VIEWS[-1]]
    speed = lasts / 100.0
    steps = [view async for view in Playback(speed, clock, clock.wait).steps(pages(ends, 2), lambda: False)]
    assert steps == [ends[0], *[None] * 6, ends[1]]


async def test_it_ends_with_the_service_however_far_the_next_event_is() -> None:
    clock = WaitedClock()
    steps = Playback(1e-6, clock, clock.wait).steps(pages(VIEWS, 5), lambda: clock.seconds > 3.0)
    found = [view async for view in steps]
    assert 0 < len([view for view in found if view is not None]) < len(VIEWS)
    assert clock.seconds < 5.0
