"""A clock that stands still, and keys in a database of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.auth.keys import Keys
from eventstore.clock import SystemClock


class StandingClock(SystemClock):
    """Moves only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.messages = 0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 9, 30, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def new_message_id(self) -> UUID:
        self.messages += 1
        return UUID(int=self.messages)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def keys(database_url: str, clock: StandingClock) -> AsyncIterator[Keys]:
    async with Keys.open(database_url, clock) as keys:
        yield keys
