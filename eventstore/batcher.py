"""Group commit: many callers, one transaction at a time.

Callers put their events into a queue and wait; one task takes what has gathered, sends it in one round trip on
its own connection, and answers. There is no timer that waits for company: the flush in flight is the wait. A flush
takes at most half of all that is waited for: while it is under way, the callers of the one before are answered and
queue up again, and what they send is packed, so that the database and this process work at the same time.

What callers can rely on:

- The order of the queue is the order of the ledger.
- A flush whose connection breaks is sent again on a new one, until its callers' time is up. Message ids make that
  safe: what the lost flush had stored is found and not stored twice (its receipt says `duplicate`).
- The queue is bounded. A call that finds it full is refused at once, with the time in which it will have drained.
- A call that is cancelled, or whose time is up, before it is packed is not stored. Once it is packed, it may be.
- `close` stores what is in the queue first.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import psycopg
import tenacity

from domain.errors import LedgerError, OutcomeUnknownError, OverloadedError
from domain.events import Receipt
from eventstore.append import Appender
from eventstore.calls import Call, MessageKey, Package, StreamKey
from eventstore.clock import Clock
from eventstore.doorbell import Ringer
from eventstore.postgres.connection import connect, first_line, unreachable

#: One flush at most.
FLUSH_EVENTS_MAX = 1000
FLUSH_BYTES_MAX = 1024 * 1024

#: Fewer are not held back for the next flush, nor packed before the one in flight is back.
_STAGED_EVENTS_MIN = 64

#: What may wait in the queue.
QUEUE_EVENTS_MAX = 20_000
QUEUE_BYTES_MAX = 64 * 1024 * 1024

_EXPIRY_SECONDS = 0.25
_RECONNECT = tenacity.wait_exponential_jitter(multiplier=0.05, max=2)

_LOG = logging.getLogger(__name__)

Outcome = list[Receipt] | LedgerError


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call, who waits for it, and until when."""

    call: Call
    answer: asyncio.Future[list[Receipt]]
    deadline: float
    size_bytes: int
    sent: bool = field(default=False)


@dataclass(slots=True)
class _Flush:
    """What goes in one transaction, packed."""

    waiting: list[_Waiting]
    calls: list[Call]
    package: Package
    events: int

    @classmethod
    def of(cls, waiting: list[_Waiting]) -> _Flush:
        calls = [one.call for one in waiting]
        package = Package.of_calls(calls)
        return cls(waiting, calls, package, len(package.rows))


class Batcher:
    """The queue of one process and the task that empties it; use as an async context manager."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._queue: deque[_Waiting] = deque()
        self._queued_events = 0
        self._queued_bytes = 0
        #: On its way, and the one after it.
        self._flying: _Flush | None = None
        self._next: _Flush | None = None
        self._events_per_second = 1000.0
        self._arrived = asyncio.Event()
        self._closing = False
        self._appender: Appender | None = None
        self._connection: psycopg.AsyncConnection[tuple[object, ...]] | None = None
        self._last_fault = ""
        self._ringer = Ringer(url)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="ledger batcher")
        self._expiry = asyncio.create_task(self._expire(), name="ledger deadlines")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Store what waits, then stop; calls from now on are refused."""
        self._closing = True
        self._arrived.set()
        try:
            await self._task
        finally:
            self._expiry.cancel()
            # Somebody is left only where closing was cancelled.
            for waiting in self._everybody():
                if not waiting.answer.done():
                    waiting.answer.set_exception(OutcomeUnknownError("the ledger was closed before the answer came"))
            await self._ringer.close()
            await self._disconnect()

    @property
    def queued_events(self) -> int:
        """How many events wait for their turn."""
        return self._queued_events

    def submit(self, call: Call, *, timeout_seconds: float) -> asyncio.Future[list[Receipt]]:
        """Have a call stored; its receipts, or what `Ledger.append` raises, come with the future.

        Raises `OverloadedError` where the queue is full.
        """
        if self._closing:
            raise LedgerError("the ledger is closed")
        size = sum([len(row[8]) for row in call.rows])
        if len(call.rows) > QUEUE_EVENTS_MAX or size > QUEUE_BYTES_MAX:
            raise LedgerError(
                f"a call of {len(call.rows)} events and {size} bytes is more than the queue holds"
                f" ({QUEUE_EVENTS_MAX} and {QUEUE_BYTES_MAX}): send it in parts"
            )
        if self._queued_events + len(call.rows) > QUEUE_EVENTS_MAX or self._queued_bytes + size > QUEUE_BYTES_MAX:
            seconds = max(1.0, self._queued_events / self._events_per_second)
            raise OverloadedError(f"{self._queued_events} events wait to be stored: try again later", seconds)
        answer: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(call, answer, self._clock.monotonic() + timeout_seconds, size))
        self._queued_events += len(call.rows)
        self._queued_bytes += size
        self._arrived.set()
        if (
            self._next is None
            and self._flying
            and self._queued_events >= max(_STAGED_EVENTS_MIN, self._flying.events)
        ):
            # As many as are on their way: to pack them now, the database does not wait for it.
            self._next = self._take()
        return answer

    async def _run(self) -> None:
        landed: tuple[_Flush | None, Sequence[Outcome]] = (None, ())
        while True:
            self._flying, self._next = self._next or self._take(), None
            # Sent before the last callers are woken: the database works while they do.
            flight = asyncio.create_task(self._send_flush(self._flying)) if self._flying else None
            _answer(*landed)
            landed = (None, ())
            if self._flying is not None and flight is not None:
                landed = (self._flying, await self._outcomes(flight, self._flying))
            elif self._closing:
                return
            else:
                self._arrived.clear()
                await self._arrived.wait()

    async def _outcomes(self, flight: asyncio.Task[Sequence[Outcome]], flush: _Flush) -> Sequence[Outcome]:
        """Wait for a flush; a fault of ours fails its callers, and not those who come after."""
        try:
            await asyncio.wait({flight})
        except asyncio.CancelledError:
            flight.cancel()
            raise
        if (fault := flight.exception()) is None:
            return flight.result()
        _LOG.error("an append has failed", exc_info=fault)
        await self._disconnect()
        return [OutcomeUnknownError(f"the append has failed: {fault!r}")] * len(flush.calls)

    def _take(self) -> _Flush | None:
        """Take from the queue what may go in one transaction, at most half of all that callers wait for."""
        outstanding = self._queued_events + (self._flying.events if self._flying else 0)
        events_max = min(FLUSH_EVENTS_MAX, max(_STAGED_EVENTS_MIN, (outstanding + 1) // 2))
        batch: list[_Waiting] = []
        messages: set[MessageKey] = set()
        streams: set[StreamKey] = set()
        tasks: set[str] = set()
        size = 0
        while self._queue:
            waiting = self._queue[0]
            call = waiting.call
            if not waiting.answer.done():
                full = len(messages) + len(call.rows) > events_max or size + waiting.size_bytes > FLUSH_BYTES_MAX
                # What an earlier call decides about a message, a version or a task must be known first.
                depends = (
                    not messages.isdisjoint(call.messages)
                    or not streams.isdisjoint(call.expected)
                    or not tasks.isdisjoint(call.turns)
                )
                if batch and (full or depends):
                    break
                messages |= call.messages
                streams |= call.streams
                tasks |= call.tasks
                size += waiting.size_bytes
                waiting.sent = True
                batch.append(waiting)
            self._queue.popleft()
            self._queued_events -= len(call.rows)
            self._queued_bytes -= waiting.size_bytes
        return _Flush.of(batch) if batch else None

    async def _send_flush(self, flush: _Flush) -> Sequence[Outcome]:
        """Store a flush, on a new connection where the old one breaks, as long as somebody waits for it."""
        started = self._clock.monotonic()
        try:
            try:
                outcomes = await self._send(flush)
            except _ConnectionLostError:
                outcomes = await self._send_again(flush)
        except _ConnectionLostError as error:
            return [LedgerError(str(error))] * len(flush.calls)
        except psycopg.Error as error:
            return [LedgerError(f"the ledger refused an append: {first_line(error)}")] * len(flush.calls)
        seconds = max(self._clock.monotonic() - started, 1e-6)
        self._events_per_second = max(1.0, flush.events / seconds)
        self._ringer.ring()
        return outcomes

    async def _send_again(self, flush: _Flush) -> Sequence[Outcome]:
        async for attempt in tenacity.AsyncRetrying(
            wait=_RECONNECT,
            retry=tenacity.retry_if_exception_type(_ConnectionLostError),
            stop=lambda _: all(waiting.answer.done() for waiting in flush.waiting),
            reraise=True,
        ):
            with attempt:
                outcomes = await self._send(flush)
        return outcomes

    async def _send(self, flush: _Flush) -> Sequence[Outcome]:
        try:
            if self._appender is None:
                self._connection = await connect(self._url, "append")
                self._appender = Appender(self._connection, self._clock)
            outcomes = await self._appender.append_calls(flush.calls, flush.package)
        except psycopg.Error as error:
            if self._connection is not None and not self._connection.closed:
                raise
            self._last_fault = str(unreachable(error))
            _LOG.warning("an append is sent again: %s", self._last_fault)
            await self._disconnect()
            raise _ConnectionLostError(self._last_fault) from error
        self._last_fault = ""
        return outcomes

    async def _disconnect(self) -> None:
        connection, self._connection, self._appender = self._connection, None, None
        if connection is not None:
            await connection.close()

    async def _expire(self) -> None:
        """End the wait of every call whose time is up."""
        while True:
            await asyncio.sleep(_EXPIRY_SECONDS)
            now = self._clock.monotonic()
            for waiting in self._everybody():
                if waiting.deadline <= now and not waiting.answer.done():
                    waiting.answer.set_exception(self._too_late(waiting))

    def _everybody(self) -> Sequence[_Waiting]:
        return (*_waiting_for(self._flying), *_waiting_for(self._next), *self._queue)

    def _too_late(self, waiting: _Waiting) -> LedgerError:
        why = self._last_fault or "the database is too slow"
        if waiting.sent:
            return OutcomeUnknownError(f"no answer in time, the events may be stored or not: {why}")
        return LedgerError(f"not stored in time: {why}")


class _ConnectionLostError(Exception):
    """The connection broke, or there is none to be had; whether the flush was stored is not known."""


def _waiting_for(flush: _Flush | None) -> Sequence[_Waiting]:
    return flush.waiting if flush else ()


def _answer(flush: _Flush | None, outcomes: Sequence[Outcome]) -> None:
    for waiting, outcome in zip(_waiting_for(flush), outcomes, strict=True):
        # Done already where the caller has been cancelled, or its time was up.
        if waiting.answer.done():
            continue
        if isinstance(outcome, LedgerError):
            waiting.answer.set_exception(outcome)
        else:
            waiting.answer.set_result(outcome)
