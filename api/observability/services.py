"""Counts and traces what a service is asked for, from outside of it."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import prometheus_client

from api.auth.principal import Principal
from api.observability.metrics import Metrics
from api.observability.tracing import NoTracer, Tracer
from api.schemas import AnyMessage, ClaimReply, ClaimRequest, Lease, MessageReceipt
from api.service.interface import Services
from api.service.service import Service
from domain.events import LeaseExpired, RecordedEvent
from domain.task_state import LIVE


class _Watched:
    """A service, whose claims and messages are counted; where traces are on, each call is a span."""

    def __init__(self, services: Services, metrics: Metrics, tracer: Tracer) -> None:
        self._services = services
        self._metrics = metrics
        self._tracer = tracer
        self._traces = not isinstance(tracer, NoTracer)
        self._messages: dict[tuple[str, str], prometheus_client.Counter] = {}

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._services, name)
        return self._traced(name, found) if self._traces and inspect.iscoroutinefunction(found) else found

    async def claim(self, request: ClaimRequest, principal: Principal, gone: asyncio.Event) -> ClaimReply | None:
        with self._tracer.span("service.claim", worker_id=request.worker_id) as span:
            reply = await self._services.claim(request, principal, gone)
            if reply is not None:
                self._metrics.claims.labels("subtask" if isinstance(reply, Lease) else "observation").inc()
                span.set_attribute("task_id", reply.task_id)
        return reply

    async def post(self, messages: Sequence[AnyMessage], principal: Principal) -> list[MessageReceipt]:
        if self._traces:
            with self._tracer.span("service.post", messages=len(messages)):
                receipts = await self._services.post(messages, principal)
        else:
            receipts = await self._services.post(messages, principal)
        if len(messages) == 1:
            self._counted(str(messages[0].__struct_config__.tag), receipts[0].status, 1)
        else:
            kinds = (str(message.__struct_config__.tag) for message in messages)
            counts = Counter(zip(kinds, (receipt.status for receipt in receipts), strict=True))
            for (kind, status), count in counts.items():
                self._counted(kind, status, count)
        return receipts

    def _counted(self, kind: str, status: str, count: int) -> None:
        # Looking for a series by its labels takes longer than counting.
        series = self._messages.get((kind, status))
        if series is None:
            series = self._messages[kind, status] = self._metrics.messages.labels(kind, status)
        series.inc(count)

    def _traced(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        async def traced(*arguments: Any, **options: Any) -> Any:
            with self._tracer.span(f"service.{name}"):
                return await call(*arguments, **options)

        return traced


def watched(service: Service, metrics: Metrics, tracer: Tracer) -> Services:
    """Give the same service, watched; its gauges are shown as long as it is there."""
    metrics.claims_waiting.set_function(lambda: service.dispatcher.waiting)
    metrics.leases_live.set_function(lambda: _live(service))
    metrics.append_queue.set_function(lambda: service.ledger.queued_events)
    metrics.sse_readers.set_function(lambda: service.hub.readers)
    metrics.position.set_function(lambda: service.hub.position)
    service.hub.subscribe(lambda records: _count(records, metrics))
    return cast("Services", _Watched(service, metrics, tracer))


def _live(service: Service) -> int:
    return sum(subtask.status in LIVE for desk in service.desks.served() for subtask in desk.state.subtasks.values())


def _count(records: Sequence[RecordedEvent], metrics: Metrics) -> None:
    for kind, count in Counter(type(record.event.body) for record in records).items():
        metrics.events.labels(kind.__struct_config__.tag).inc(count)
    for record in records:
        if isinstance(record.event.body, LeaseExpired):
            metrics.lease_expiries.labels(record.event.body.clock).inc()
