"""Makes a delivery of each event that a webhook wants.

The hub says up to where the ledger is settled; one statement moves the webhooks there and makes the deliveries, so
that each is made once, whatever ends in between. Every process does this: the row of a webhook is locked, and whoever
comes second finds that it has moved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import LiteralString

import tenacity

from api.service.store import Store
from api.streams.hub import EventHub
from domain.errors import LedgerError
from domain.events import RecordedEvent
from eventstore.clock import Clock

#: Positions that one statement goes through at most, for each webhook.
STEP_POSITIONS = 5000

#: What comes within so long is made deliveries of together: nobody waits for a webhook with more impatience.
_GATHER_SECONDS = 0.05

_AGAIN = tenacity.wait_exponential_jitter(multiplier=0.1, max=5)

_LOG = logging.getLogger(__name__)

# Locked in one order, so that two processes do not wait for each other. The snapshot is no older than `reached`, so
# all events up to there are in it.
_MAKE: LiteralString = """
    WITH moving AS MATERIALIZED (
        SELECT webhook_id, position AS before, least(%(reached)s, position + %(step)s) AS after, types, task_id
        FROM service.webhook
        WHERE disabled_at IS NULL AND position < %(reached)s
        ORDER BY webhook_id
        FOR UPDATE
    ), made AS (
        INSERT INTO service.webhook_delivery (webhook_id, position, task_id, next_attempt_at)
        SELECT moving.webhook_id, event.position, event.task_id, %(now)s
        FROM moving
        JOIN ledger.event ON event.position > moving.before AND event.position <= moving.after
        WHERE (moving.types = '{}' OR event.type = ANY (moving.types))
            AND (moving.task_id IS NULL OR event.task_id = moving.task_id)
        ON CONFLICT (webhook_id, position) DO NOTHING
        RETURNING true
    ), moved AS (
        UPDATE service.webhook
        SET position = moving.after
        FROM moving
        WHERE webhook.webhook_id = moving.webhook_id
        RETURNING webhook.position < %(reached)s AS has_more
    )
    SELECT (SELECT count(*) FROM made), coalesce(bool_or(has_more), false) FROM moved
"""


class FanOut:
    """Follows the hub while `run` is under way; `on_made` is called when there are new deliveries."""

    def __init__(self, store: Store, hub: EventHub, clock: Clock, on_made: Callable[[], None]) -> None:
        self._store = store
        self._hub = hub
        self._clock = clock
        self._on_made = on_made
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Make deliveries until it is cancelled, across restarts of the database."""
        unsubscribe = self._hub.subscribe(self._hear)
        try:
            while True:
                self._moved.clear()
                await self._persistently()
                await self._moved.wait()
                await asyncio.sleep(_GATHER_SECONDS)
        finally:
            unsubscribe()

    def wake(self) -> None:
        """Look for webhooks that are behind, such as one that has been made for past events."""
        self._moved.set()

    async def catch_up(self) -> None:
        """Make all deliveries of events that the hub has given on; raises `LedgerError` where that fails."""
        has_more = True
        while has_more:
            binds = {"reached": self._hub.position, "step": STEP_POSITIONS, "now": self._clock.now()}
            [(made, has_more)] = await self._store.rows(_MAKE, binds)
            if made:
                self._on_made()

    async def _persistently(self) -> None:
        async for attempt in tenacity.AsyncRetrying(
            wait=_AGAIN, retry=tenacity.retry_if_exception_type(LedgerError), before_sleep=_log_retry
        ):
            with attempt:
                await self.catch_up()

    def _hear(self, _: Sequence[RecordedEvent]) -> None:
        self._moved.set()


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    _LOG.warning("no webhook deliveries are made for now", extra={"reason": str(error)})
