"""The hub: one reader of the ledger for a whole process, however many want to hear of it.

It follows the feed and gives each event on, in order, to two sorts of listeners. Those in the process are called with
the events as they are. Those outside read a stream of server-sent events: each event is encoded once, and what
readers with the same wishes get at one time is one piece of memory, so that hundreds of them cost little more than
one. A reader that was away goes on from the ring of the latest events, or, from further back, reads the ledger by
itself until it has caught up; nothing is lost and nothing comes twice.

A reader that takes nothing while events pile up is cut off: it comes back with the position that it had.

An event that this release cannot read is given to nobody, and stops nobody: it is told in the log, and to whoever has
the task in memory, because what follows cannot be understood without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager

from api.streams.channel import Channel
from api.streams.frames import HEARTBEAT, Entry, Wanted, joined, view_of
from api.streams.places import place_at, place_before_end
from api.streams.playback import Playback
from api.streams.reader import Reader, TaskEvents
from api.streams.ring import Ring
from domain.errors import OverloadedError
from domain.events import RecordedEvent
from eventstore.codec import Unreadable
from eventstore.doorbell import Doorbell
from eventstore.feed import POLL_SECONDS, Batch, Feed, OnUnreadable, log_passed_over

#: Proxies and clients give up a line on which nothing comes for some half a minute.
HEARTBEAT_SECONDS = 15.0
#: Each costs a connection and some kilobytes.
READERS_MAX = 2000
#: Readers that read the ledger themselves at one time: each has a connection to the database.
_CATCHING_UP_MAX = 8
#: Events from before the start, for readers that were connected to the process before this one.
_WARM_EVENTS = 1000
_RETRY_SECONDS = 5.0
#: Where a doorbell says when to look at the ledger, looking by oneself is for the case that it is deaf.
_POLL_SECONDS = 2.0
#: What comes within so long after a look at the ledger is read together with the next: a look costs as much as it
#: takes to give twenty events on.
_GATHER_SECONDS = 0.02
#: Where more than this come at once, the next are read right away.
_BUSY_EVENTS = 500

Listener = Callable[[Sequence[RecordedEvent]], None]

_LOG = logging.getLogger(__name__)


class EventHub:
    """Follows the ledger at `url` while `run` is entered."""

    def __init__(
        self,
        url: str,
        doorbell: Doorbell | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        readers_max: int = READERS_MAX,
    ) -> None:
        #: Why nothing comes any more: the ledger was restored.
        self.failure: str | None = None
        #: Is told of events that are passed over, before those after them are given on.
        self.on_unreadable: OnUnreadable = lambda _: None
        #: Streams at once.
        self.readers_max = readers_max
        self._url = url
        self._feed = Feed(
            url,
            doorbell,
            poll_seconds=_POLL_SECONDS if doorbell else POLL_SECONDS,
            on_unreadable=self._pass_over,
        )
        self._heartbeat_seconds = heartbeat_seconds
        self._position = 0
        self._ring = Ring(0)
        self._listeners: list[Listener] = []
        self._channels: defaultdict[Wanted, set[Channel]] = defaultdict(set)
        self._readers = 0
        self._ended = False
        #: To be held while a reader reads the ledger itself.
        self.catching_up = asyncio.Semaphore(_CATCHING_UP_MAX)
        self._moved = asyncio.Condition()

    @property
    def position(self) -> int:
        """Up to where everything was given on."""
        return self._position

    @property
    def readers(self) -> int:
        """How many streams are being read."""
        return self._readers

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Follow the ledger until the end of the block; raises `LedgerError` where it cannot be reached.

        Events from before the block are not given to listeners.
        """
        start, end = await place_before_end(self._url, _WARM_EVENTS)
        self._position = start.position if start else 0
        self._ring = Ring(self._position)
        async with aclosing(self._feed.batches(start)) as batches:
            while self._position < end:
                self._give_on(await anext(batches))
            tasks = [
                asyncio.create_task(self._follow(batches), name="hub"),
                asyncio.create_task(self._keep_alive(), name="hub heartbeat"),
            ]
            try:
                yield
            finally:
                self.end_readers()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a listener with all events past `position` as it is now, in order; gives what ends that.

        A listener must not block. One that raises is logged, and called with the next events all the same. It is
        called without any where there is no more to what has come than what cannot be read.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def reached(self, position: int) -> None:
        """Wait until everything up to a position was given on."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._position >= position or self._ended)

    async def open(
        self,
        after: int | None,
        wanted: Wanted,
        task_events: TaskEvents | None = None,
        playback: Playback | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Give a stream of what is wanted past a position (None: from now on), to be closed by whoever reads it.

        With `task_events`, the past of a single task is read through it rather than out of the whole ledger, and
        with `playback` at a pace of its own. Raises `CursorError` for a position that the ledger has not come to,
        and `OverloadedError` where there are too many readers. The stream ends when its reader is too slow, or the
        hub ends.
        """
        if self._ended:
            raise OverloadedError(self.failure or "the service is about to end", _RETRY_SECONDS)
        if self._readers >= self.readers_max:
            raise OverloadedError(f"{self._readers} streams are being read, which is the most", _RETRY_SECONDS)
        if after is not None and after > self._position:
            await place_at(self._url, after)
        place = self._position if after is None else max(after, 0)
        reader = Reader(self, self._url, wanted, task_events)
        return self._counted(reader.chunks(place) if playback is None else reader.played(place, playback))

    async def _counted(self, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        self._readers += 1
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield chunk
        finally:
            self._readers -= 1

    def end_readers(self) -> None:
        """End all streams for good: their readers go to another process, or come back when there is a new one."""
        self._ended = True
        for channels in self._channels.values():
            for channel in channels:
                channel.end()

    # --- what a reader needs ---

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._ended

    def holds(self, place: int) -> bool:
        """Tell whether everything past a place is in memory."""
        return place >= self._ring.floor

    @contextmanager
    def attached(self, channel: Channel, place: int) -> Iterator[None]:
        """Put everything past a place into a channel, what there is and what comes, until the end of the block."""
        if self._ended:
            channel.end()
        if past := joined(self._ring.since(place), channel.wanted):
            channel.put(past)
        self._channels[channel.wanted].add(channel)
        try:
            yield
        finally:
            self._channels[channel.wanted].discard(channel)
            if not self._channels[channel.wanted]:
                del self._channels[channel.wanted]

    # --- the reader of the ledger ---

    async def _follow(self, batches: AsyncGenerator[Batch, None]) -> None:
        try:
            async for batch in batches:
                self._give_on(batch)
                async with self._moved:
                    self._moved.notify_all()
                if len(batch.events) < _BUSY_EVENTS:
                    await asyncio.sleep(_GATHER_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing comes any more, and readiness says so
            self.failure = f"the ledger is not followed any more: {error}"
            _LOG.exception("the ledger is not followed any more", extra={"position": self._position})
            self.end_readers()
            async with self._moved:
                self._moved.notify_all()

    def _pass_over(self, unreadable: Unreadable) -> None:
        log_passed_over(unreadable)
        self.on_unreadable(unreadable)

    def _give_on(self, batch: Batch) -> None:
        entries = [Entry.of(view_of(record)) for record in batch.events]
        for entry in entries:
            self._ring.add(entry)
        self._position = batch.cursor.position
        if self._channels:
            self._give_to_readers(entries)
        for listener in tuple(self._listeners):
            try:
                listener(batch.events)
            except Exception:  # noqa: BLE001 - one listener's fault is not the others'
                _LOG.exception("a listener has failed", extra={"position": self._position})

    def _give_to_readers(self, entries: Sequence[Entry]) -> None:
        by_task: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_task[entry.task_id].append(entry)
        for wanted, channels in self._channels.items():
            candidates = entries if wanted.task_id is None else by_task.get(wanted.task_id, ())
            if chunk := joined(candidates, wanted):
                for channel in channels:
                    channel.put(chunk)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            for channels in self._channels.values():
                for channel in channels:
                    channel.put(HEARTBEAT)
