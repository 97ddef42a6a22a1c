"""A hub, and a clock whose seconds a test gives."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from api.streams.hub import EventHub
from eventstore.clock import SystemClock


class GivenSeconds(SystemClock):
    """The machine's clock, but for durations, which a test gives."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> GivenSeconds:
    return GivenSeconds()


@pytest.fixture
async def hub(database_url: str) -> AsyncIterator[EventHub]:
    hub = EventHub(database_url)
    async with hub.run():
        yield hub
