"""The deliveries that are due, taken by whichever process comes first.

What is taken is due again after a while, so that it is not lost with the process that has taken it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import LiteralString

import msgspec

from api.service.store import Store
from api.webhooks.envelope import Row
from api.webhooks.retries import pause_seconds
from api.webhooks.sender import SEND_SECONDS_MAX, Outcome
from eventstore.clock import Clock

#: Deliveries of one webhook that a process has under way at once.
EACH_MAX = 4

#: Then whoever has taken a delivery is gone.
_TAKEN_SECONDS = 3 * SEND_SECONDS_MAX

_TAKE: LiteralString = """
    WITH target AS MATERIALIZED (
        SELECT webhook_id, url, secret, greatest(%(each)s - coalesce(busy.count, 0), 0) AS free
        FROM service.webhook
        LEFT JOIN unnest(%(busy)s::text[], %(counts)s::integer[]) AS busy (webhook_id, count) USING (webhook_id)
        WHERE disabled_at IS NULL
    ), due AS MATERIALIZED (
        SELECT chosen.webhook_id, chosen.position
        FROM target
        CROSS JOIN LATERAL (
            SELECT webhook_id, position
            FROM service.webhook_delivery AS delivery
            WHERE delivery.webhook_id = target.webhook_id
                AND delivered_at IS NULL AND dead_at IS NULL AND next_attempt_at <= %(now)s
            ORDER BY next_attempt_at
            LIMIT target.free
            FOR UPDATE SKIP LOCKED
        ) AS chosen
    ), taken AS (
        UPDATE service.webhook_delivery AS delivery
        SET attempts = attempts + 1, next_attempt_at = %(until)s
        FROM due
        WHERE delivery.webhook_id = due.webhook_id AND delivery.position = due.position
        RETURNING delivery.webhook_id, delivery.position, delivery.task_id, delivery.attempts
    )
    SELECT
        taken.webhook_id, taken.position, taken.attempts, target.url, target.secret,
        event.task_id, event.stream_id, event.version, event.message_id, event.type, event.schema_version,
        event.worker_id, event.lease_epoch, event.occurred_at, event.recorded_at, event.payload::text
    FROM taken
    JOIN target USING (webhook_id)
    LEFT JOIN ledger.event ON event.task_id = taken.task_id AND event.position = taken.position
"""

_DELIVERED: LiteralString = """
    UPDATE service.webhook_delivery
    SET delivered_at = %(now)s, dead_at = NULL, last_error = ''
    WHERE webhook_id = %(webhook)s AND position = %(position)s AND delivered_at IS NULL
"""

# Only under one's own attempt: another process may have taken the delivery meanwhile.
_FAILED: LiteralString = """
    UPDATE service.webhook_delivery
    SET next_attempt_at = coalesce(%(next)s, next_attempt_at), last_error = %(reason)s,
        dead_at = CASE WHEN %(next)s::timestamptz IS NULL THEN %(now)s END
    WHERE webhook_id = %(webhook)s AND position = %(position)s AND attempts = %(attempts)s AND delivered_at IS NULL
"""

_DISABLE: LiteralString = """
    UPDATE service.webhook SET disabled_at = %(now)s WHERE webhook_id = %(webhook)s AND disabled_at IS NULL
"""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that is to be made."""

    webhook_id: str
    position: int
    #: This one counted.
    attempts: int
    url: str
    secret: str
    #: None: it is in the ledger no more, because its task was archived.
    event: Row | None


class DeliveryQueue:
    """Takes what is due, and writes down what became of it; raises `LedgerError` where the database is away."""

    def __init__(self, store: Store, clock: Clock, *, each_max: int = EACH_MAX) -> None:
        self._store = store
        self._clock = clock
        self._each_max = each_max

    async def take(self, busy: Mapping[str, int]) -> list[Delivery]:
        """Take what is due; `busy` says how many deliveries are under way, by webhook."""
        now = self._clock.now()
        binds = {
            "each": self._each_max,
            "busy": list(busy),
            "counts": list(busy.values()),
            "now": now,
            "until": now + timedelta(seconds=_TAKEN_SECONDS),
        }
        return [_delivery(*row) for row in await self._store.rows(_TAKE, binds)]

    async def settle(self, delivery: Delivery, outcome: Outcome) -> str:
        """Write down what became of an attempt, and say it in a word: `delivered`, `failed` or `dead`."""
        now = self._clock.now()
        key = {"webhook": delivery.webhook_id, "position": delivery.position, "now": now}
        if outcome.kind == "delivered":
            await self._store.rows(_DELIVERED, key)
            return "delivered"
        if outcome.kind == "gone":
            await self._store.rows(_DISABLE, key)
        again = self._next(delivery, outcome, now)
        binds = {**key, "next": again, "reason": outcome.reason, "attempts": delivery.attempts}
        await self._store.rows(_FAILED, binds)
        return "dead" if again is None else "failed"

    @staticmethod
    def _next(delivery: Delivery, outcome: Outcome, now: datetime) -> datetime | None:
        if outcome.kind == "gone" or delivery.event is None:
            return None
        name = f"{delivery.webhook_id}/{delivery.position}"
        pause = pause_seconds(delivery.attempts, name, outcome.retry_after_seconds)
        return None if pause is None else now + timedelta(seconds=pause)


def _delivery(webhook_id: str, position: int, attempts: int, url: str, secret: str, *event: object) -> Delivery:
    names = [name for name in Row.__struct_fields__ if name != "position"]
    row = None
    if event[0] is not None:
        row = msgspec.convert({**dict(zip(names, event, strict=True)), "position": position}, Row)
    return Delivery(webhook_id=webhook_id, position=position, attempts=attempts, url=url, secret=secret, event=row)
