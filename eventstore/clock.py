"""The only place that asks for the time or for new identifiers; everything else has them passed in."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import uuid6


class Clock(Protocol):
    """Time and identity as a run needs them."""

    def now(self) -> datetime:
        """Give the present moment in UTC."""

    def monotonic(self) -> float:
        """Give seconds that never run backwards, for durations."""

    def new_message_id(self) -> UUID:
        """Give a new UUIDv7."""

    def entropy(self, count: int) -> bytes:
        """Give random bytes."""


class SystemClock:
    """The machine's clock and random source."""

    def now(self) -> datetime:
        """Give the present moment in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the one place

    def monotonic(self) -> float:
        """Give seconds that never run backwards."""
        return time.monotonic()

    def new_message_id(self) -> UUID:
        """Give a new UUIDv7."""
        return uuid6.uuid7()

    def entropy(self, count: int) -> bytes:
        """Give random bytes from the operating system."""
        return os.urandom(count)
