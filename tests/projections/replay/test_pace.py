"""Events at a multiple of their pace, on a clock that only waiting moves."""

from __future__ import annotations

from typing import Any

import pytest

from domain import events as e
from domain.errors import UsageError
from projections.replay.pace import Pace, play
from tests.projections.conftest import START

History = Any


class WaitedClock:
    """Seconds that pass by waiting alone."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds

    async def wait(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.mark.parametrize("speed", [0.5, 1.0, 60.0])
async def test_each_event_comes_when_its_moment_comes_again(history: History, speed: float) -> None:
    for second in (10, 10, 25, 100):
        history.add(second, e.TaskResumed())
    clock = WaitedClock()
    pace = Pace(speed, history.recorded[0].recorded_at, clock.monotonic)
    came = [clock.seconds - 1000.0 async for _ in play(history.recorded, pace, clock.wait)]
    assert came == pytest.approx([0.0, 10 / speed, 10 / speed, 25 / speed, 100 / speed])


async def test_who_is_slow_to_take_an_event_does_not_delay_those_after_it(history: History) -> None:
    for second in (1, 2, 10):
        history.add(second, e.TaskResumed())
    clock = WaitedClock()
    pace = Pace(1.0, history.recorded[0].recorded_at, clock.monotonic)
    came = []
    async for _ in play(history.recorded, pace, clock.wait):
        came.append(clock.seconds - 1000.0)
        clock.seconds += 1.5
    assert came == pytest.approx([0.0, 1.5, 3.0, 10.0])


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_that_is_no_number_above_nothing_is_refused(speed: float) -> None:
    with pytest.raises(UsageError, match="say a number above 0"):
        Pace(speed, START, WaitedClock().monotonic)
