"""What waits to be sent to one reader of a stream."""

from __future__ import annotations

import asyncio
from collections import deque

from api.streams.frames import Wanted

#: A reader that has so much waiting is cut off: it comes back, and goes on where it was. Chunks are shared by all
#: readers that want the same, so this bounds how far one may lag rather than what it costs.
BYTES_MAX = 4 * 1024 * 1024


class Channel:
    """A bounded queue with one reader."""

    def __init__(self, wanted: Wanted, *, bytes_max: int = BYTES_MAX) -> None:
        self.wanted = wanted
        self._bytes_max = bytes_max
        self._chunks: deque[bytes] = deque()
        self._bytes = 0
        self._ended = False
        self._came = asyncio.Event()

    def put(self, chunk: bytes) -> None:
        """Have a chunk sent; a reader that is too slow for it gets nothing more."""
        if self._chunks and self._bytes + len(chunk) > self._bytes_max:
            self.end()
        if not self._ended:
            self._chunks.append(chunk)
            self._bytes += len(chunk)
            self._came.set()

    def end(self) -> None:
        """End the stream; what waits is dropped."""
        self._ended = True
        self._chunks.clear()
        self._bytes = 0
        self._came.set()

    async def take(self) -> bytes:
        """Give all that waits, as soon as there is something; nothing when the stream has ended."""
        await self._came.wait()
        self._came.clear()
        joined = b"".join(self._chunks)
        self._chunks.clear()
        self._bytes = 0
        if self._ended:
            self._came.set()
        return joined
