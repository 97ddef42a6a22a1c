"""Who is told of what: the rows behind the webhook routes."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import timedelta
from typing import LiteralString, get_args

import msgspec

from api.service.store import Store
from api.webhooks.guard import Guard
from api.webhooks.schemas import (
    DeliveryPage,
    DeliveryView,
    RedeliverReply,
    RedeliverRequest,
    WebhookCreated,
    WebhookPage,
    WebhookRequest,
    WebhookView,
)
from domain.errors import IdempotencyError, InvalidRequestError, UnknownWebhookError
from domain.events import EventBody
from eventstore.clock import Clock

#: Each is a few connections at once, and a row for each event.
WEBHOOKS_MAX = 100

#: What was delivered is kept for somebody who looks for the reason of something; what is dead, longer.
DELIVERED_KEPT = timedelta(days=3)
DEAD_KEPT = timedelta(days=30)

#: As many bits as the signature's hash.
_SECRET_BYTES = 32

_TYPES = frozenset(str(body.__struct_config__.tag) for body in get_args(EventBody))

_CREATE: LiteralString = """
    INSERT INTO service.webhook (webhook_id, url, secret, types, task_id, created_at, position)
    SELECT %(id)s, %(url)s, %(secret)s, %(types)s, %(task)s, %(now)s,
        coalesce(%(after)s::bigint, (SELECT max(position) FROM ledger.event), 0)
    WHERE (SELECT count(*) FROM service.webhook) < %(max)s
    ON CONFLICT (webhook_id) DO NOTHING
"""

_CREATED: LiteralString = "SELECT url, types, task_id, secret FROM service.webhook WHERE webhook_id = %(id)s"

_LIST: LiteralString = """
    SELECT webhook_id, url, types, webhook.task_id, created_at, disabled_at, webhook.position,
        count(delivery.position) FILTER (WHERE delivered_at IS NULL AND dead_at IS NULL),
        count(delivery.position) FILTER (WHERE dead_at IS NOT NULL)
    FROM service.webhook
    LEFT JOIN service.webhook_delivery AS delivery USING (webhook_id)
    WHERE %(id)s::text IS NULL OR webhook_id = %(id)s
    GROUP BY webhook_id
    ORDER BY created_at, webhook_id
"""

_DELETE: LiteralString = "DELETE FROM service.webhook WHERE webhook_id = %(id)s RETURNING true"

_DELIVERIES: LiteralString = """
    SELECT position, task_id, attempts, next_attempt_at, delivered_at, dead_at, last_error
    FROM service.webhook_delivery
    WHERE webhook_id = %(id)s AND (%(before)s::bigint IS NULL OR position < %(before)s)
        AND (NOT %(dead)s OR dead_at IS NOT NULL)
    ORDER BY position DESC
    LIMIT %(limit)s
"""

_ENABLE: LiteralString = "UPDATE service.webhook SET disabled_at = NULL WHERE webhook_id = %(id)s RETURNING true"

_REDELIVER: LiteralString = """
    UPDATE service.webhook_delivery
    SET attempts = 0, next_attempt_at = %(now)s, delivered_at = NULL, dead_at = NULL
    WHERE webhook_id = %(id)s
        AND CASE WHEN %(positions)s::bigint[] = '{}' THEN dead_at IS NOT NULL ELSE position = ANY (%(positions)s) END
    RETURNING true
"""

_PURGE: LiteralString = """
    DELETE FROM service.webhook_delivery
    WHERE delivered_at < %(delivered_before)s OR dead_at < %(dead_before)s
    RETURNING true
"""


class WebhookStore:
    """Webhooks and their deliveries; every call raises `LedgerError` where the database is away."""

    def __init__(self, store: Store, clock: Clock, guard: Guard) -> None:
        self._store = store
        self._clock = clock
        self._guard = guard

    async def create(self, request: WebhookRequest, *, sent_as: str | None = None) -> WebhookCreated:
        """Take up a webhook; sent again under the same name, it is the same one.

        Raises `InvalidRequestError` for a target or a type that cannot be, and `IdempotencyError` where another
        webhook was asked for under that name.
        """
        await self._guard.check(request.url)
        if unknown := sorted(set(request.types) - _TYPES):
            raise InvalidRequestError(f"types: there are no events of type {', '.join(unknown)}")
        webhook_id = f"wh_{self._id(sent_as)}"
        secret = f"whsec_{b64encode(self._clock.entropy(_SECRET_BYTES)).decode()}"
        binds = {
            "id": webhook_id,
            "url": request.url,
            "secret": secret,
            "types": list(request.types),
            "task": request.task_id,
            "now": self._clock.now(),
            "after": request.after,
            "max": WEBHOOKS_MAX,
        }
        await self._store.rows(_CREATE, binds)
        row = await self._store.one(_CREATED, binds)
        if row is None:
            raise InvalidRequestError(f"there are {WEBHOOKS_MAX} webhooks, which is the most: delete one first")
        url, types, task_id, secret = row
        if (url, types, task_id) != (request.url, list(request.types), request.task_id):
            raise IdempotencyError("this Idempotency-Key was used before, for another webhook")
        return WebhookCreated(webhook=await self.get(webhook_id), secret=secret)

    def _id(self, sent_as: str | None) -> str:
        if sent_as is None:
            return self._clock.new_message_id().hex
        # The name decides the id, so that no table of names is needed.
        return hashlib.sha256(sent_as.encode()).hexdigest()[:32]

    async def list(self) -> WebhookPage:
        """Give all webhooks."""
        return WebhookPage(webhooks=tuple(_view(*row) for row in await self._store.rows(_LIST, {"id": None})))

    async def get(self, webhook_id: str) -> WebhookView:
        """Give one webhook; raises `UnknownWebhookError`."""
        rows = await self._store.rows(_LIST, {"id": webhook_id})
        if not rows:
            raise _unknown(webhook_id)
        return _view(*rows[0])

    async def delete(self, webhook_id: str) -> None:
        """Send nothing more, and forget what waits; raises `UnknownWebhookError`."""
        if not await self._store.rows(_DELETE, {"id": webhook_id}):
            raise _unknown(webhook_id)

    async def deliveries(
        self, webhook_id: str, *, dead: bool = False, cursor: str | None = None, limit: int = 100
    ) -> DeliveryPage:
        """List a webhook's deliveries, newest event first; raises `UnknownWebhookError`."""
        await self.get(webhook_id)
        binds = {"id": webhook_id, "before": _position(cursor), "dead": dead, "limit": limit + 1}
        found = [_delivery(*row) for row in await self._store.rows(_DELIVERIES, binds)]
        more = len(found) > limit
        return DeliveryPage(
            deliveries=tuple(found[:limit]), next_cursor=str(found[limit - 1].position) if more else None
        )

    async def redeliver(self, webhook_id: str, request: RedeliverRequest) -> RedeliverReply:
        """Have deliveries made again from their first attempt on; raises `UnknownWebhookError`.

        A webhook that was disabled is taken up again, with all that has happened since.
        """
        if not await self._store.rows(_ENABLE, {"id": webhook_id}):
            raise _unknown(webhook_id)
        binds = {"id": webhook_id, "now": self._clock.now(), "positions": list(request.positions)}
        return RedeliverReply(deliveries=len(await self._store.rows(_REDELIVER, binds)))

    async def purge(self) -> int:
        """Forget deliveries that are long over, and say how many."""
        now = self._clock.now()
        binds = {"delivered_before": now - DELIVERED_KEPT, "dead_before": now - DEAD_KEPT}
        return len(await self._store.rows(_PURGE, binds))


def _unknown(webhook_id: str) -> UnknownWebhookError:
    return UnknownWebhookError(f"there is no webhook {webhook_id!r}")


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidRequestError(f"cursor: {cursor[:50]!r} is none of this list")
    return int(cursor)


def _view(*columns: object) -> WebhookView:
    names = ("id", "url", "types", "task_id", "created_at", "disabled_at", "position", "waiting", "dead")
    return msgspec.convert(dict(zip(names, columns, strict=True)), WebhookView)


def _delivery(*columns: object) -> DeliveryView:
    names = ("position", "task_id", "attempts", "next_attempt_at", "delivered_at", "dead_at", "last_error")
    fields = dict(zip(names, columns, strict=True))
    over = "dead" if fields["dead_at"] is not None else "delivered" if fields["delivered_at"] is not None else None
    if over:
        fields["next_attempt_at"] = None
    return msgspec.convert({**fields, "status": over or "waiting"}, DeliveryView)
