"""Sends deliveries that are due, several at once, so that one slow target does not hold up the others.

What a receiver can rely on: each event comes at least once, unless it was given up and nobody sends it again. It may
come more than once, always under the same `webhook-id`, and in any order: `data.position` tells the order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter

from api.observability.metrics import Metrics
from api.webhooks.envelope import body_of, headers_of
from api.webhooks.queue import Delivery, DeliveryQueue
from api.webhooks.sender import Outcome, Sender
from domain.errors import LedgerError
from eventstore.clock import Clock

#: So often somebody looks for deliveries whose pause is over, and for those that another process has made.
POLL_SECONDS = 2.0

_ARCHIVED = Outcome(kind="failed", reason="the event is in the ledger no more: its task was archived")

_LOG = logging.getLogger(__name__)


class Deliverer:
    """Sends while `run` is under way."""

    def __init__(
        self,
        queue: DeliveryQueue,
        sender: Sender,
        clock: Clock,
        metrics: Metrics,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._queue = queue
        self._sender = sender
        self._clock = clock
        self._metrics = metrics
        self._poll_seconds = poll_seconds
        self._busy: Counter[str] = Counter()
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        """Look for deliveries now."""
        self._wanted.set()

    async def run(self) -> None:
        """Send until it is cancelled; what is under way then is sent again later."""
        async with asyncio.TaskGroup() as sending:
            while True:
                self._wanted.clear()
                for delivery in await self._take():
                    self._busy[delivery.webhook_id] += 1
                    sending.create_task(self._carry_out(delivery), name="webhook delivery")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wanted.wait()

    async def _take(self) -> list[Delivery]:
        try:
            return await self._queue.take({name: count for name, count in self._busy.items() if count})
        except LedgerError as error:
            _LOG.warning("no webhook deliveries are sent for now", extra={"reason": str(error)})
            return []

    async def _carry_out(self, delivery: Delivery) -> None:
        try:
            outcome = await self._send(delivery)
            became = await self._queue.settle(delivery, outcome)
        except LedgerError as error:
            _LOG.warning("a webhook delivery will be made again", extra={**_fields(delivery), "reason": str(error)})
        except Exception:  # noqa: BLE001 - one delivery's fault is not the others'
            _LOG.exception("a webhook delivery has failed by our fault", extra=_fields(delivery))
        else:
            self._metrics.deliveries.labels(became).inc()
            if became == "dead":
                _LOG.warning("a webhook delivery was given up", extra={**_fields(delivery), "reason": outcome.reason})
        finally:
            self._busy[delivery.webhook_id] -= 1
            self.wake()

    async def _send(self, delivery: Delivery) -> Outcome:
        if delivery.event is None:
            return _ARCHIVED
        body = body_of(delivery.event)
        headers = headers_of(delivery.event.message_id, body, delivery.secret, self._clock.now())
        return await self._sender.send(delivery.url, body, headers)


def _fields(delivery: Delivery) -> dict[str, object]:
    return {"webhook_id": delivery.webhook_id, "position": delivery.position, "attempts": delivery.attempts}
