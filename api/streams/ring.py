"""The latest events, in memory, for readers that were away for a moment."""

from __future__ import annotations

import itertools
from collections import deque

from api.streams.frames import Entry

#: Some seconds of a busy ledger, and hours of a quiet one.
EVENTS_MAX = 10_000
BYTES_MAX = 16 * 1024 * 1024


class Ring:
    """Everything past `floor`, up to the last event that was added."""

    def __init__(self, floor: int, *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self.floor = floor
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._events_max = events_max
        self._bytes_max = bytes_max

    def add(self, entry: Entry) -> None:
        """Keep an event, and forget the oldest where there are too many."""
        self._entries.append(entry)
        self._bytes += len(entry.frame)
        while len(self._entries) > self._events_max or self._bytes > self._bytes_max:
            oldest = self._entries.popleft()
            self._bytes -= len(oldest.frame)
            self.floor = oldest.position

    def since(self, position: int) -> list[Entry]:
        """Give what came after a position, which must not lie below `floor`."""
        later = itertools.takewhile(lambda entry: entry.position > position, reversed(self._entries))
        return list(later)[::-1]
