"""The feed: every committed event once, in order of position, past ones first and then as they come.

Positions are given out before their transactions commit, so an event may appear below one that was read already.
A reader that takes whatever it sees skips such late events for ever. This one takes the run without holes after
its place. A hole that is still there at the next look is settled: `ledger.settled_position` waits until no append
is under way, and what is missing below its answer, read again in a new statement, was rolled back. No time limit
is involved, and nothing about transaction ids, which do not outlive a restore.

An event that this release cannot read ends the iteration, unless its reader has said that it passes over such events.

Back-pressure is the iteration itself: at most two batches are read ahead of the consumer. Delivery is at least once:
whoever stores a batch's cursor together with what was made of it has each event exactly once.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import logging
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import LiteralString, Self, TypeVar
from uuid import UUID

import msgspec
import psycopg
import tenacity
from psycopg import errors

from domain.errors import CursorError, LedgerError
from domain.events import RecordedEvent
from eventstore.codec import Unreadable, decode_readable
from eventstore.doorbell import Doorbell
from eventstore.pages import Pages
from eventstore.postgres.connection import Connection, connect, first_line, unreachable

#: Events of one batch at most.
BATCH_EVENTS_MAX = 4000

#: A reader that has caught up looks again after so long even when nobody rings.
POLL_SECONDS = 1.0

#: A hole is looked at again after so long: most are filled by then, by the commit that was under way.
_HOLE_SECONDS = 0.05

_RECONNECT = tenacity.wait_exponential_jitter(multiplier=0.1, max=5)

_LOG = logging.getLogger(__name__)

_IDENTITY: LiteralString = """
    SELECT
        (SELECT id FROM ledger.incarnation),
        (SELECT message_id FROM ledger.event WHERE position = %(position)s),
        -- An event that was archived is known by its position alone.
        EXISTS (SELECT FROM ledger.archive WHERE %(position)s = ANY (positions))
"""
_SETTLED: LiteralString = "SELECT ledger.settled_position()"

_UUID = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_CURSOR = re.compile(rf"{_UUID}/([0-9]{{1,18}})/{_UUID}")


class Cursor(msgspec.Struct, frozen=True):
    """A place in a ledger: everything up to a position was read.

    It holds the ledger's incarnation and the id of the event at the position, so that it is not continued on
    another ledger, or on this one after a restore from a backup that lacks what was read. As text:
    `incarnation/position/message`.
    """

    incarnation: UUID
    position: int
    message_id: UUID

    def __str__(self) -> str:
        return f"{self.incarnation}/{self.position}/{self.message_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gives; raises `CursorError` for anything else."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise CursorError(f"{text[:120]!r} is no place in a ledger")
        return cls(UUID(found[1]), int(found[2]), UUID(found[3]))


OnUnreadable = Callable[[Unreadable], None]
"""Is told of an event that cannot be read, and is passed over."""

_Entry = RecordedEvent | Unreadable
_Placed = TypeVar("_Placed", bound=_Entry)


def log_passed_over(unreadable: Unreadable) -> None:
    """Tell of an event that is passed over in the log: enough for readers that owe nobody the task it is of."""
    _LOG.error("passed over: %s", unreadable.reason)


class Batch(msgspec.Struct, frozen=True):
    """Events in order of position, and the place after the last of them, or after what was passed over behind it."""

    events: Sequence[RecordedEvent]
    cursor: Cursor


class Feed:
    """Reads the ledger at `url`, over connections of its own, one for each iteration.

    `doorbell` says when to look again; without one, the feed looks every `poll_seconds`. An event that cannot be
    read by this release is passed over where `on_unreadable` is there to be told of it; else it ends the iteration.
    """

    def __init__(
        self,
        url: str,
        doorbell: Doorbell | None = None,
        *,
        poll_seconds: float = POLL_SECONDS,
        on_unreadable: OnUnreadable | None = None,
    ) -> None:
        self._url = url
        self._doorbell = doorbell
        self._poll_seconds = poll_seconds
        self._on_unreadable = on_unreadable

    async def batches(
        self, after: Cursor | None = None, *, follow: bool = True, batch_events_max: int = BATCH_EVENTS_MAX
    ) -> AsyncGenerator[Batch, None]:
        """Give everything after a place (None: the beginning) in batches of at least one event, or one passed over.

        Goes on with new events as they come, across restarts of the database, until it is closed; with `follow`
        false, ends at what was settled when it got there, and raises `LedgerError` where the database is away.
        Raises `CursorError` where the place is not one of this ledger, and `LedgerError`, which names task and
        position, where an event cannot be read and nobody is there to be told of it.
        """
        reader = _Reader(self._url, after, batch_events_max, self._on_unreadable)
        try:
            while True:
                rings = self._doorbell.rings if self._doorbell else 0
                batch = await (self._persistently(reader) if follow else _or_unreachable(reader))
                if batch is not None:
                    yield batch
                elif not follow:
                    return
                else:
                    await self._wait(rings, reader.wait_seconds_max(self._poll_seconds))
        finally:
            await reader.close()

    async def _persistently(self, reader: _Reader) -> Batch | None:
        async for attempt in tenacity.AsyncRetrying(
            wait=_RECONNECT, retry=tenacity.retry_if_exception(_is_away), before_sleep=_log_retry
        ):
            with attempt:
                return await reader.next()
        raise AssertionError("tenacity ends only by returning or raising")

    async def _wait(self, rings: int, seconds: float) -> None:
        if self._doorbell is not None:
            await self._doorbell.wait(rings, timeout_seconds=seconds)
        else:
            await asyncio.sleep(seconds)


class _Reader:
    """One iteration's place, its connection, and what is read over it."""

    def __init__(self, url: str, after: Cursor | None, limit: int, on_unreadable: OnUnreadable | None) -> None:
        self._url = url
        self._on_unreadable = on_unreadable
        self._cursor = after
        self._position = after.position if after else 0
        self._limit = limit
        #: What is missing up to here was rolled back.
        self._settled = -1
        #: The place before the hole that the last look has found.
        self._hole: int | None = None
        self._connection: Connection | None = None
        self._pages: Pages | None = None
        self._incarnation = UUID(int=0)

    async def next(self) -> Batch | None:
        """Give the next batch, or None where there is none for now."""
        try:
            connection, pages = await self._connected()
            return await self._look(connection, pages)
        except psycopg.Error:
            # What is settled was learnt from a server that may have gone down since.
            await self.close()
            raise

    async def _look(self, connection: Connection, pages: Pages) -> Batch | None:
        while True:
            page = await pages.after(self._position)
            records, unreadable = decode_readable(page.lines)
            if unreadable and self._on_unreadable is None:
                raise LedgerError(unreadable[0].reason)
            # What cannot be read fills its place all the same: it is no hole.
            entries: Sequence[_Entry] = sorted([*records, *unreadable], key=_position) if unreadable else records
            accepted = self._without_open_holes(entries)
            if len(accepted) < len(entries):
                await pages.forget()
            if accepted:
                return self._advance(accepted[-1], records, unreadable)
            if not entries and page.is_fresh:
                await pages.rest()
                self._hole = None
                return None
            if not entries:
                continue
            floor = max(self._position, self._settled)
            if self._hole != floor:
                self._hole = floor
                return None
            if not await self._settle(connection):
                return None

    def wait_seconds_max(self, poll_seconds: float) -> float:
        """Say how long to wait for a ring before the next look."""
        return min(_HOLE_SECONDS, poll_seconds) if self._hole is not None else poll_seconds

    async def close(self) -> None:
        if self._pages is not None:
            await self._pages.rest()
        if self._connection is not None:
            await self._connection.close()
        self._pages = self._connection = None

    async def _connected(self) -> tuple[Connection, Pages]:
        if self._connection is not None and self._pages is not None:
            return self._connection, self._pages
        connection = await connect(self._url, "feed")
        try:
            await self._check_identity(connection)
            # What was there before this reader needs no second look. What was settled before a crash no longer is:
            # positions that were rolled back may be given out again.
            self._settled = -1
            await self._settle(connection)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        self._pages = Pages(self._url, connection, self._limit)
        return self._connection, self._pages

    async def _check_identity(self, connection: Connection) -> None:
        cursor = await connection.execute(_IDENTITY, {"position": self._position})
        row = await cursor.fetchone()
        if row is None or row[0] is None:
            raise CursorError("the ledger has no incarnation: it was not made by pw migrate")
        self._incarnation, message, archived = row
        if self._cursor is None:
            return
        if self._cursor.incarnation != self._incarnation:
            raise CursorError(f"this is ledger {self._incarnation}, the place is one of {self._cursor.incarnation}")
        if message != self._cursor.message_id and not archived:
            raise CursorError(
                f"position {self._position} is not the event that was read there:"
                f" the ledger was restored from a backup that is older"
            )

    def _without_open_holes(self, entries: Sequence[_Entry]) -> Sequence[_Entry]:
        """Give the first entries, up to a hole that may still be filled."""
        floor = max(self._position, self._settled)
        settled = bisect.bisect_right(entries, self._settled, key=_position)
        unsettled = entries[settled:]
        if not unsettled or unsettled[-1].position - floor == len(unsettled):
            return entries
        run = itertools.takewhile(lambda pair: pair[0] == pair[1].position, enumerate(unsettled, floor + 1))
        return entries[: settled + sum(1 for _ in run)]

    def _advance(self, last: _Entry, records: list[RecordedEvent], unreadable: list[Unreadable]) -> Batch:
        """Move behind an entry, and give what comes up to there."""
        message_id = last.message_id if isinstance(last, Unreadable) else last.event.message_id
        self._position = last.position
        self._cursor = Cursor(self._incarnation, last.position, message_id)
        self._hole = None
        if self._on_unreadable is not None:
            for one in _up_to(unreadable, last.position):
                self._on_unreadable(one)
        return Batch(_up_to(records, last.position), self._cursor)

    async def _settle(self, connection: Connection) -> bool:
        """Learn what is settled; false where that has not moved past the hole, or cannot be told for now."""
        try:
            row = await (await connection.execute(_SETTLED)).fetchone()
        except errors.LockNotAvailable:
            # An append has been under way for seconds. Appends would queue up behind a longer wait.
            return False
        before, self._settled = self._settled, max(self._settled, row[0] if row else 0)
        return self._settled > max(before, self._position)


def _position(entry: _Entry) -> int:
    return entry.position


def _up_to(entries: list[_Placed], position: int) -> list[_Placed]:
    if not entries or entries[-1].position <= position:
        return entries
    return entries[: bisect.bisect_right(entries, position, key=_position)]


async def _or_unreachable(reader: _Reader) -> Batch | None:
    try:
        return await reader.next()
    except psycopg.Error as error:
        raise unreachable(error) from error


def _is_away(error: BaseException) -> bool:
    """Tell whether the database is gone for now: a broken line, a restart."""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _LOG.warning("the feed waits for the database: %s", first_line(error) if error else "")
