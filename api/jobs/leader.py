"""One process of all that share a database leads: it does what must not be done twice at once.

The lock is the server's, held by a connection that does nothing else, and goes with that connection: whatever ends
the process or the line ends the lead. The leader listens on the connection, so that it learns of its end at once,
and asks it now and then, because a line can go silent without an end; the duty is over before the lead is tried for
again. Still, a process that is stopped for a while (SIGSTOP, a sleeping machine) may believe to lead when it does
not: the duty's own writes must be safe against that, as appends to the ledger are.

Those who do not lead try again and again rather than wait inside the database: a statement that waits for days keeps
the server from cleaning up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import LiteralString

import psycopg
import tenacity

from eventstore.postgres.connection import Connection, connect, first_line

#: "pw-leads" in ASCII.
LOCK_KEY = 0x7077_2D6C_6561_6473

#: How long the lead may be nobody's after a leader has ended.
TRY_SECONDS = 2.0

#: The leader's line is asked so often whether it is still there.
PROBE_SECONDS = 5.0

_RECONNECT = tenacity.wait_exponential_jitter(multiplier=0.1, max=5)

_TRY: LiteralString = "SELECT pg_try_advisory_lock(%s)"

_LOG = logging.getLogger(__name__)

Duty = Callable[[], AbstractAsyncContextManager[None]]
"""What is done while leading: begun by entering, and over when it has been left."""


class Leader:
    """A process's try for the lead of the database at `url`."""

    def __init__(
        self, url: str, duty: Duty, *, try_seconds: float = TRY_SECONDS, probe_seconds: float = PROBE_SECONDS
    ) -> None:
        self._url = url
        self._duty = duty
        self._try_seconds = try_seconds
        self._probe_seconds = probe_seconds
        self._leads = False
        self._changed = asyncio.Condition()

    @property
    def leads(self) -> bool:
        """Whether this process leads, as far as it knows."""
        return self._leads

    async def until(self, *, leads: bool) -> None:
        """Wait until this process leads, or does not."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._leads == leads)

    async def run(self) -> None:
        """Lead whenever nobody else does, until it is cancelled."""
        async for attempt in tenacity.AsyncRetrying(
            wait=_RECONNECT, retry=tenacity.retry_if_exception_type(Exception), before_sleep=_log_retry
        ):
            with attempt:
                async with await connect(self._url, "leader") as connection:
                    await self._wait_for_lead(connection)
                    await self._lead(connection)

    async def _wait_for_lead(self, connection: Connection) -> None:
        while not await self._try(connection):  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(self._try_seconds)

    async def _try(self, connection: Connection) -> bool:
        async with asyncio.timeout(self._probe_seconds):
            row = await (await connection.execute(_TRY, (LOCK_KEY,))).fetchone()
        return row == (True,)

    async def _lead(self, connection: Connection) -> None:
        """Do the duty until the connection is lost, which is raised."""
        watch = asyncio.create_task(self._watch(connection), name="leader's line")
        try:
            async with self._duty():
                await self._set(leads=True)
                _LOG.info("this process leads the scheduled jobs")
                await watch
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError, psycopg.Error, TimeoutError):
                await watch
            await self._set(leads=False)

    async def _watch(self, connection: Connection) -> None:
        while True:
            # Nobody notifies this connection: it ends with the time, or with an error as soon as the line is cut.
            async for _ in connection.notifies(timeout=self._probe_seconds, stop_after=1):
                pass
            async with asyncio.timeout(self._probe_seconds):
                await connection.execute("SELECT 1")

    async def _set(self, *, leads: bool) -> None:
        async with self._changed:
            self._leads = leads
            self._changed.notify_all()


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    expected = isinstance(error, psycopg.Error | TimeoutError)
    reason = first_line(error) if error else ""
    _LOG.warning("the lead is lost or out of reach", extra={"reason": reason}, exc_info=None if expected else error)
