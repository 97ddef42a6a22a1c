"""Requests are counted and traced by route, whatever answers them."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from litestar import Litestar, asgi, get
from litestar.params import FromPath
from litestar.testing import TestClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.observability.metrics import Metrics
from api.observability.requests import RequestWatch
from api.observability.tracing import OtelTracer, tracer_to
from eventstore.clock import SystemClock


@get("/v1/tasks/{task_id:str}")
async def task(task_id: FromPath[str]) -> str:
    return task_id


@get("/broken")
async def broken() -> str:
    raise RuntimeError("broken")


@asgi("/raw", is_mount=True, copy_scope=True)
async def raw(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 207, "headers": []})
    await send({"type": "http.response.body", "body": b"raw"})


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> OtelTracer:
    return tracer_to(SimpleSpanProcessor(exporter))


@pytest.fixture
def client(metrics: Metrics, tracer: OtelTracer) -> Any:
    app = Litestar([task, broken, raw], openapi_config=None)
    watched = RequestWatch(app, metrics, SystemClock(), tracer)  # type: ignore[arg-type]
    with TestClient(watched, raise_server_exceptions=False) as client:  # type: ignore[arg-type]
        yield client


def counted(metrics: Metrics, method: str, route: str, status: int) -> float | None:
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.registry.get_sample_value("pw_http_requests_total", labels)


def test_requests_are_counted_by_the_template_of_their_route(client: Any, metrics: Metrics) -> None:
    for name in ("a", "b", "c"):
        client.get(f"/v1/tasks/{name}")
    assert counted(metrics, "GET", "/v1/tasks/{task_id}", 200) == 3
    labels = {"method": "GET", "route": "/v1/tasks/{task_id}"}
    assert metrics.registry.get_sample_value("pw_http_request_seconds_count", labels) == 3


def test_a_raw_application_is_counted_by_where_it_is_mounted(client: Any, metrics: Metrics) -> None:
    client.post("/raw/any/where")
    assert counted(metrics, "POST", "/raw", 207) == 1


def test_what_no_route_takes_is_one_series(client: Any, metrics: Metrics) -> None:
    client.get("/no/such/thing")
    client.get("/nor/this")
    assert counted(metrics, "GET", "none", 404) == 2


def test_a_method_that_nobody_knows_is_no_series_of_its_own(client: Any, metrics: Metrics) -> None:
    client.request("BREW", "/v1/tasks/a")
    assert (
        metrics.registry.get_sample_value(
            "pw_http_request_seconds_count", {"method": "other", "route": "/v1/tasks/{task_id}"}
        )
        == 1
        or counted(metrics, "other", "none", 405) == 1
    )


def test_a_request_that_fails_is_counted(client: Any, metrics: Metrics) -> None:
    client.get("/broken")
    assert counted(metrics, "GET", "/broken", 500) == 1
    assert metrics.registry.get_sample_value("pw_http_requests_open") == 0


def test_a_request_is_a_span_named_by_its_route(client: Any, exporter: InMemorySpanExporter) -> None:
    client.get("/v1/tasks/a")
    [span] = exporter.get_finished_spans()
    assert span.name == "GET /v1/tasks/{task_id}"
    assert span.attributes is not None
    assert span.attributes["http.route"] == "/v1/tasks/{task_id}"
    assert span.attributes["http.response.status_code"] == 200


def test_a_span_stands_below_the_callers(client: Any, exporter: InMemorySpanExporter) -> None:
    client.get("/v1/tasks/a", headers={"traceparent": f"00-{'a1' * 16}-{'b2' * 8}-01"})
    [span] = exporter.get_finished_spans()
    assert span.context is not None
    assert f"{span.context.trace_id:032x}" == "a1" * 16
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == "b2" * 8


def test_for_debugging_each_request_is_logged_with_its_names(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "api.observability.requests"):
        client.get("/v1/tasks/a")
    [record] = [record for record in caplog.records if record.name == "api.observability.requests"]
    facts = vars(record)
    assert (facts["method"], facts["route"], facts["status"]) == ("GET", "/v1/tasks/{task_id}", 200)
    assert facts["task_id"] == "a"
