"""Outgoing webhooks, as the service runs them: a store for the routes, and two loops behind it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.observability.metrics import Metrics
from api.service.store import Store
from api.streams.hub import EventHub
from api.webhooks.deliverer import POLL_SECONDS, Deliverer
from api.webhooks.fan_out import FanOut
from api.webhooks.guard import Guard
from api.webhooks.queue import DeliveryQueue
from api.webhooks.schemas import RedeliverReply, RedeliverRequest, WebhookCreated, WebhookRequest
from api.webhooks.sender import SEND_SECONDS_MAX, Sender
from api.webhooks.store import WebhookStore
from eventstore.clock import Clock


class Webhooks(WebhookStore):
    """The store, which wakes the loops when there is something for them to do."""

    def __init__(self, store: Store, clock: Clock, guard: Guard, fan_out: FanOut, deliverer: Deliverer) -> None:
        super().__init__(store, clock, guard)
        self._fan_out = fan_out
        self._deliverer = deliverer

    async def create(self, request: WebhookRequest, *, sent_as: str | None = None) -> WebhookCreated:
        """Take up a webhook, from past events on where it wants those."""
        created = await super().create(request, sent_as=sent_as)
        self._fan_out.wake()
        return created

    async def redeliver(self, webhook_id: str, request: RedeliverRequest) -> RedeliverReply:
        """Have deliveries made again, now."""
        reply = await super().redeliver(webhook_id, request)
        self._fan_out.wake()
        self._deliverer.wake()
        return reply


@asynccontextmanager
async def open_webhooks(
    url: str,
    hub: EventHub,
    clock: Clock,
    metrics: Metrics,
    *,
    private_targets: bool,
    poll_seconds: float = POLL_SECONDS,
    send_seconds_max: float = SEND_SECONDS_MAX,
) -> AsyncIterator[Webhooks]:
    """Make and send deliveries of what `hub`, which runs already, gives on, until the end of the block.

    `private_targets`: whether targets on loopback and private networks are allowed. What is under way at the end is
    sent again later.
    """
    guard = Guard(private=private_targets)
    async with Store(url) as store, Sender(guard, seconds_max=send_seconds_max) as sender:
        queue = DeliveryQueue(store, clock)
        deliverer = Deliverer(queue, sender, clock, metrics, poll_seconds=poll_seconds)
        fan_out = FanOut(store, hub, clock, deliverer.wake)
        loops = [
            asyncio.create_task(fan_out.run(), name="webhook fan-out"),
            asyncio.create_task(deliverer.run(), name="webhook deliveries"),
        ]
        try:
            yield Webhooks(store, clock, guard, fan_out, deliverer)
        finally:
            for loop in loops:
                loop.cancel()
            for loop in loops:
                with contextlib.suppress(asyncio.CancelledError):
                    await loop
