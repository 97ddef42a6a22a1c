"""Pages of the ledger in order of position, read ahead of whoever takes them.

While there is much to read, three connections take turns: the database puts pages together while the reader decodes
the one before them. Where all but the first of them begin is a guess: behind as many positions as a page has events.
One that begins elsewhere than where the reader goes on is thrown away; where positions are missing nothing is
guessed.

All pages come from one life of the server: what a reader knows to be settled ends with that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import LiteralString, NamedTuple

import psycopg

from eventstore.codec import RECORD
from eventstore.postgres.connection import Connection, connect

#: Where the payloads of a page take up more than this in the table, often compressed there, it has a few events only:
#: what is in memory at once is no more than a few of the largest payloads.
PAGE_STORED_BYTES_MAX = 1024 * 1024
PAGE_EVENTS_FEW = 8

#: Pages that are on their way at once, each over a connection of its own. With two, whoever was ready waited for the
#: others a tenth of the time.
_AHEAD_MAX = 3

# One text: a row each would wake the client for every eight kilobytes, at the cost of most of its time. What the
# next payloads take up as stored is known without reading them. OFFSET 0 keeps the order that the index gives.
_READ: LiteralString = f"""
    SELECT coalesce(string_agg(record, E'\\n'), ''), count(*), coalesce(max(position), 0)
    FROM (
        SELECT position, {RECORD} AS record
        FROM ledger.event
        WHERE position > %(after)s
        ORDER BY position
        LIMIT (
            SELECT CASE WHEN sum(pg_column_size(payload)) > %(stored_bytes)s THEN %(few)s ELSE %(limit)s END
            FROM (
                SELECT payload
                FROM ledger.event
                WHERE position > %(after)s
                ORDER BY position
                LIMIT %(limit)s
            ) AS next_events
        )
        OFFSET 0
    ) AS records
"""  # noqa: S608


class Page(NamedTuple):
    """Records as lines of `RECORD`, their number, and the position of the last."""

    lines: str
    size: int
    last: int
    #: Whether it was read after it was asked for, and not ahead.
    is_fresh: bool


class _Ahead(NamedTuple):
    after: int
    page: asyncio.Task[Page]


class Pages:
    """Reads pages of at most `limit` events over `connection`, which is its user's."""

    def __init__(self, url: str, connection: Connection, limit: int) -> None:
        self._url = url
        self._limit = limit
        self._lanes = [connection]
        self._reads = 0
        self._ahead: deque[_Ahead] = deque()

    async def after(self, position: int) -> Page:
        """Give what comes after a position, and have what follows on its way where there is more.

        Raises `psycopg.Error`; nothing can be read here any more then.
        """
        if self._ahead and self._ahead[0].after == position:
            page = await self._ahead.popleft().page
        else:
            await self.forget()
            page = await self._read(position, is_fresh=True)
        if page.size == self._limit:
            await self._read_ahead(position, page)
        return page

    async def forget(self) -> None:
        """Throw away what was read ahead."""
        while self._ahead:
            reading = self._ahead.popleft().page
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, psycopg.Error):
                await reading

    async def rest(self) -> None:
        """Throw away what was read ahead, and do with one connection until there is much to read again."""
        await self.forget()
        for lane in self._lanes[1:]:
            await lane.close()
        del self._lanes[1:]

    async def _read_ahead(self, before: int, page: Page) -> None:
        if self._ahead and self._ahead[0].after != page.last:
            await self.forget()
        if len(self._lanes) == 1:
            await self._open_more()
        ahead = _AHEAD_MAX if page.last - before == page.size else 1
        places = [page.last + number * self._limit for number in range(ahead)]
        for place in places[len(self._ahead) : _AHEAD_MAX]:
            self._ahead.append(_Ahead(place, asyncio.create_task(self._read(place))))
        # Lets them send their queries: the database works while this page is decoded.
        await asyncio.sleep(0)

    async def _open_more(self) -> None:
        # There may be no more connections: one is enough.
        with contextlib.suppress(psycopg.OperationalError):
            while len(self._lanes) < _AHEAD_MAX:
                self._lanes.append(await connect(self._url, "feed"))
        # Where this answers, the server has not gone down since the first connection was made.
        await self._lanes[0].execute("SELECT")

    async def _read(self, after: int, *, is_fresh: bool = False) -> Page:
        lane = self._lanes[self._reads % len(self._lanes)]
        self._reads += 1
        few = min(self._limit, PAGE_EVENTS_FEW)
        binds = {"after": after, "limit": self._limit, "few": few, "stored_bytes": PAGE_STORED_BYTES_MAX}
        cursor = lane.cursor(binary=True)
        await cursor.execute(_READ, binds)
        [(lines, size, last)] = await cursor.fetchall()
        return Page(lines, size, last, is_fresh)
