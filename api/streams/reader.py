"""One reader's way through the ledger: its past, as far as that is not in memory any more, and then the present."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from api.schemas import EventPage
from api.streams.channel import Channel
from api.streams.frames import HEARTBEAT, Entry, Wanted, joined, view_of
from api.streams.places import place_at
from api.streams.playback import Playback
from eventstore.feed import Feed, log_passed_over

if TYPE_CHECKING:
    from api.streams.hub import EventHub

#: Events that are read of a task at once.
_PAGE_EVENTS = 1000

TaskEvents = Callable[[str, int, int], Awaitable[EventPage]]
"""Gives a task's events past a position, at most so many."""


class Reader:
    """Reads what is wanted, from the ledger at `url` and from the hub that follows it."""

    def __init__(self, hub: EventHub, url: str, wanted: Wanted, task_events: TaskEvents | None) -> None:
        self._hub = hub
        self._url = url
        self._wanted = wanted
        self._task_events = task_events

    async def chunks(self, place: int) -> AsyncGenerator[bytes, None]:
        """Give everything past a place, until the hub ends or the reader is too slow."""
        # At once, so that the reader knows that it is connected.
        yield HEARTBEAT
        async with aclosing(self._from(place)) as following:
            async for chunk in following:
                yield chunk

    async def _from(self, place: int) -> AsyncGenerator[bytes, None]:
        while not await self._is_in_memory(place):
            async with aclosing(self._past(place)) as past:
                async for chunk, reached in past:
                    place = reached
                    yield chunk or HEARTBEAT
        channel = Channel(self._wanted)
        with self._hub.attached(channel, place):
            while chunk := await channel.take():
                yield chunk

    async def played(self, place: int, playback: Playback) -> AsyncGenerator[bytes, None]:
        """Give a task's events past a place at a pace of their own, then what comes after them as it comes."""
        yield HEARTBEAT
        async with aclosing(playback.steps(self._task_pages(place), lambda: self._hub.ended)) as steps:
            async for view in steps:
                if view is None:
                    yield HEARTBEAT
                    continue
                place = view.position
                if chunk := joined([Entry.of(view)], self._wanted):
                    yield chunk
        async with aclosing(self._from(place)) as following:
            async for chunk in following:
                yield chunk

    async def _task_pages(self, place: int) -> AsyncGenerator[EventPage, None]:
        task_id, task_events = self._wanted.task_id, self._task_events
        after: int | None = place if task_id is not None and task_events is not None else None
        while after is not None and task_id is not None and task_events is not None:
            page = await task_events(task_id, after, _PAGE_EVENTS)
            yield page
            after = page.next_after

    async def _is_in_memory(self, place: int) -> bool:
        # Another process may have given it on before ours.
        await self._hub.reached(place)
        return self._hub.ended or self._hub.holds(place)

    async def _past(self, place: int) -> AsyncGenerator[tuple[bytes, int], None]:
        """Give what lies between a place and the present in pieces, each with the place after it."""
        task_id, task_events = self._wanted.task_id, self._task_events
        async with self._hub.catching_up:
            if task_id is not None and task_events is not None:
                pieces = self._past_of_task(task_id, task_events, place)
            else:
                pieces = self._past_of_all(place)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece

    async def _past_of_task(
        self, task_id: str, task_events: TaskEvents, place: int
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        # What was given on is settled: a later look at the task finds all of it.
        known = self._hub.position
        while (page := await task_events(task_id, place, _PAGE_EVENTS)).events:
            place = page.events[-1].position
            yield joined(map(Entry.of, page.events), self._wanted), place
        yield b"", max(place, known)

    async def _past_of_all(self, place: int) -> AsyncGenerator[tuple[bytes, int], None]:
        start = await place_at(self._url, place)
        async with aclosing(Feed(self._url, on_unreadable=log_passed_over).batches(start, follow=False)) as batches:
            async for batch in batches:
                later = (view_of(record) for record in batch.events if record.position > place)
                chunk = joined(map(Entry.of, later), self._wanted)
                place = batch.cursor.position
                yield chunk, place
