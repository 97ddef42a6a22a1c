"""The hint that something was appended: NOTIFY, coalesced, and one LISTEN per process.

Delivery never depends on it. A hint saves readers the wait until they look again by themselves, which they do
anyway. It is sent from a transaction of its own, because NOTIFY takes a lock that all commits with one share;
while one is under way, all further hints become one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Self

import psycopg
import tenacity

from eventstore.postgres.connection import Connection, connect, first_line

_NOTIFY = "NOTIFY ledger_appended"
_LISTEN = "LISTEN ledger_appended"

#: A connection on which nothing has come for so long is asked whether it is still there.
PROBE_SECONDS = 15.0

#: Between two hints: whoever is woken reads what came meanwhile as one batch.
_PAUSE_SECONDS = 0.005

_RECONNECT = tenacity.wait_exponential_jitter(multiplier=0.1, max=5)

_LOG = logging.getLogger(__name__)


class Ringer:
    """Sends hints, on a connection of its own that is opened with the first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Have a hint sent soon; returns at once."""
        self._wanted.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="ledger hints")

    async def close(self) -> None:
        """Stop; a hint that is still to be sent is dropped."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        async for attempt in tenacity.AsyncRetrying(
            wait=_RECONNECT, retry=tenacity.retry_if_exception_type(psycopg.Error), before_sleep=_log_retry
        ):
            with attempt:
                async with await connect(self._url, "hints") as connection:
                    # A hint that is lost costs nothing; one that waits for the disk makes appends wait with it.
                    await connection.execute("SET synchronous_commit TO off")
                    while True:
                        await self._wanted.wait()
                        self._wanted.clear()
                        await connection.execute(_NOTIFY)
                        await asyncio.sleep(_PAUSE_SECONDS)


class Doorbell:
    """Hears hints for all readers of a process; use as an async context manager."""

    def __init__(self, url: str, *, probe_seconds: float = PROBE_SECONDS) -> None:
        self._url = url
        self._probe_seconds = probe_seconds
        self._rings = 0
        self._rang = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="ledger doorbell")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    @property
    def rings(self) -> int:
        """How often it has rung; take this before looking, and wait for more than this after."""
        return self._rings

    async def wait(self, rings: int, *, timeout_seconds: float) -> None:
        """Wait until it has rung more than `rings` times, but not longer than the timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds), self._rang:
                await self._rang.wait_for(lambda: self._rings > rings)

    async def _run(self) -> None:
        async for attempt in tenacity.AsyncRetrying(
            wait=_RECONNECT,
            retry=tenacity.retry_if_exception_type((psycopg.Error, TimeoutError)),
            before_sleep=_log_retry,
        ):
            with attempt:
                async with await connect(self._url, "doorbell") as connection:
                    await connection.execute(_LISTEN)
                    # Whatever was appended while nobody listened is found by looking.
                    await self._ring()
                    await self._listen(connection)

    async def _listen(self, connection: Connection) -> None:
        while True:
            heard = False
            async for _ in connection.notifies(timeout=self._probe_seconds, stop_after=1):
                heard = True
            if heard:
                await self._ring()
            else:
                # Raises where the line is dead, which listening alone would never notice.
                async with asyncio.timeout(self._probe_seconds):
                    await connection.execute("SELECT 1")

    async def _ring(self) -> None:
        async with self._rang:
            self._rings += 1
            self._rang.notify_all()


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _LOG.warning("no hints for now: %s", first_line(error) if error else "")
