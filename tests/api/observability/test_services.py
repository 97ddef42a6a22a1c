"""What a service is asked for is counted and traced, and the service stays what it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.auth.principal import LOCAL
from api.observability.metrics import Metrics
from api.observability.services import watched
from api.observability.tracing import NoTracer, tracer_to
from api.schemas import ClaimRequest, Lease, StartedMessage, TaskRequest
from api.service.interface import Services
from api.service.service import Service
from domain.errors import UnknownTaskError
from eventstore.clock import SystemClock

REPORT = b"pkg/m1.py:1:1: F401 'os' imported but unused"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with Service.open(database_url, SystemClock()) as service:
        yield service


@pytest.fixture
def services(service: Service, metrics: Metrics) -> Services:
    return watched(service, metrics, NoTracer())


async def claimed(services: Services) -> Lease:
    await services.submit(TaskRequest(report="", format="flake8"), REPORT, LOCAL)
    lease = await services.claim(ClaimRequest(worker_id="agent-1", wait_seconds=30), LOCAL, asyncio.Event())
    assert isinstance(lease, Lease)
    return lease


def started(lease: Lease) -> StartedMessage:
    return StartedMessage(
        message_id=SystemClock().new_message_id(),
        subtask_id=lease.subtask_id,
        worker_id=lease.worker_id,
        lease_epoch=lease.lease_epoch,
    )


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


async def test_a_claim_is_counted_and_its_lease_is_live(services: Services, metrics: Metrics) -> None:
    assert value(metrics, "pw_leases_live") == 0
    await claimed(services)
    assert value(metrics, "pw_claims_total", kind="subtask") == 1
    assert value(metrics, "pw_leases_live") == 1


async def test_messages_are_counted_by_what_became_of_them(services: Services, metrics: Metrics) -> None:
    message = started(await claimed(services))
    await services.post([message], LOCAL)
    await services.post([message], LOCAL)
    assert value(metrics, "pw_messages_total", type="started", status="created") == 1
    assert value(metrics, "pw_messages_total", type="started", status="duplicate") == 1


async def test_those_who_wait_for_work_are_shown(services: Services, service: Service, metrics: Metrics) -> None:
    gone = asyncio.Event()
    waiting = asyncio.create_task(services.claim(ClaimRequest(worker_id="agent-1", wait_seconds=300), LOCAL, gone))
    async with asyncio.timeout(30):
        while value(metrics, "pw_claims_waiting") != 1:  # noqa: ASYNC110 - a gauge cannot be waited for
            await asyncio.sleep(0.01)
    gone.set()
    assert await waiting is None
    assert value(metrics, "pw_claims_waiting") == 0


async def test_events_of_the_ledger_are_counted_whoever_stores_them(
    services: Services, service: Service, metrics: Metrics
) -> None:
    task = await services.submit(TaskRequest(report="", format="flake8"), REPORT, LOCAL)
    await service.hub.reached(task.position)
    assert value(metrics, "pw_events_total", type="task_submitted") == 1
    assert value(metrics, "pw_ledger_position") == service.hub.position


async def test_calls_are_spans_where_traces_are_on(service: Service, metrics: Metrics) -> None:
    exporter = InMemorySpanExporter()
    services = watched(service, metrics, tracer_to(SimpleSpanProcessor(exporter)))
    lease = await claimed(services)
    await services.post([started(lease)], LOCAL)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert set(spans) == {"service.submit", "service.claim", "service.post"}
    assert (spans["service.claim"].attributes or {})["task_id"] == lease.task_id


async def test_errors_come_through(services: Services) -> None:
    with pytest.raises(UnknownTaskError):
        await services.task("nothing")
