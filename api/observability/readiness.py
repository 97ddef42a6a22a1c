"""Whether this process can do its work now, and if not, what is wrong.

A probe may come every second from several sides: an answer is kept for a moment, and one look serves all who ask
meanwhile. What mends itself within seconds (a leader that ends, a reader that is behind) is given that time first.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg

from api.jobs.leader import LOCK_KEY
from api.streams.hub import EventHub
from eventstore.clock import Clock
from eventstore.postgres.connection import first_line
from eventstore.postgres.database import connection_problem
from eventstore.postgres.migrations import pending_migrations

#: An answer is that old at most.
_KEPT_SECONDS = 1.0

#: Longer than any answer of a database that can do its work.
_ANSWER_SECONDS_MAX = 3

#: What is behind or missing for longer will not mend itself.
PATIENCE_SECONDS = 20.0

#: With less, a database that is busy comes to a halt within minutes.
_FREE_BYTES_MIN = 256 * 1024 * 1024

# A lock's 64 bits are in two columns.
_LOOK: LiteralString = """
    SELECT
        (SELECT max(position) FROM ledger.event),
        EXISTS (
            SELECT FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND objsubid = 1
                AND classid = (%(lock)s::bigint >> 32)::bit(32)::bigint::oid
                AND objid = (%(lock)s::bigint & 4294967295)::oid
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )
"""


class _Look(NamedTuple):
    """What the database says."""

    pending: frozenset[str]
    last_position: int
    is_led: bool


class Readiness:
    """Says what is wrong with this process and its database at `url`; `folder` is an embedded database's."""

    def __init__(self, url: str, hub: EventHub, clock: Clock, *, folder: Path | None = None) -> None:
        self._url = url
        self._hub = hub
        self._clock = clock
        self._folder = folder
        self._turn = asyncio.Lock()
        self._answer: list[str] = []
        self._answered = float("-inf")
        self._hub_at = (-1, 0.0)
        self._led_at = clock.monotonic()

    async def problems(self) -> list[str]:
        """List what is wrong, a line each; nothing where all is well."""
        async with self._turn:
            if self._clock.monotonic() - self._answered > _KEPT_SECONDS:
                self._answer = [*await self._database(), *self._disk()]
                self._answered = self._clock.monotonic()
        return self._answer

    async def _database(self) -> list[str]:
        try:
            look = await asyncio.to_thread(_look, self._url)
        except psycopg.OperationalError as error:
            return [f"the database cannot be reached: {connection_problem(error)}"]
        except psycopg.Error as error:
            return [f"the database cannot be used: {first_line(error)}"]
        if look.pending:
            return [f"migrations are missing: {', '.join(sorted(look.pending))}"]
        return [*self._following(look.last_position), *self._leading(is_led=look.is_led)]

    def _following(self, last_position: int) -> list[str]:
        if self._hub.failure is not None:
            return [self._hub.failure]
        now = self._clock.monotonic()
        at, since = self._hub_at
        if at != self._hub.position or at >= last_position:
            self._hub_at = (self._hub.position, now)
        elif now - since > PATIENCE_SECONDS:
            return [f"events are not followed: this process is at position {at}, the ledger at {last_position}"]
        return []

    def _leading(self, *, is_led: bool) -> list[str]:
        now = self._clock.monotonic()
        if is_led:
            self._led_at = now
        elif now - self._led_at > PATIENCE_SECONDS:
            return [f"no process has led the scheduled jobs for {now - self._led_at:.0f} seconds"]
        return []

    def _disk(self) -> list[str]:
        if self._folder is None:
            return []
        free = shutil.disk_usage(self._folder).free
        return [f"only {free // 1024**2} MiB are free at {self._folder}"] if free < _FREE_BYTES_MIN else []


def _look(url: str) -> _Look:
    # A connection of its own, as any other process would make it: an old one may work where no new one can be had.
    with psycopg.connect(
        url, autocommit=True, connect_timeout=_ANSWER_SECONDS_MAX, application_name="pw ready"
    ) as connection:
        connection.execute(f"SET statement_timeout = '{_ANSWER_SECONDS_MAX}s'")
        if pending := pending_migrations(connection):
            return _Look(frozenset(pending), 0, is_led=False)
        row = connection.execute(_LOOK, {"lock": LOCK_KEY}).fetchone()
    last, is_led = row if row is not None else (0, False)
    return _Look(frozenset(), last or 0, is_led)
