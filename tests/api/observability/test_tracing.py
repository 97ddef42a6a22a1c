"""Traces go where somebody has said, and nowhere else."""

from __future__ import annotations

import asyncio
import socket

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.observability.tracing import NoTracer, make_tracer, tracer_to


def test_nothing_is_traced_where_nobody_said_where_to() -> None:
    tracer = make_tracer(None)
    assert isinstance(tracer, NoTracer)
    with tracer.span("append", events=3) as span:
        span.set_attribute("position", 7)
    assert tracer.span("one") is tracer.span("two")


def test_a_span_has_the_facts_and_the_one_above_it() -> None:
    exporter = InMemorySpanExporter()
    tracer = tracer_to(SimpleSpanProcessor(exporter))
    with tracer.span("claim", task_id="tree"), tracer.span("append", events=3) as span:
        span.set_attribute("position", 7)
    inner, outer = exporter.get_finished_spans()
    assert inner.name == "append"
    assert dict(inner.attributes or {}) == {"events": 3, "position": 7}
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id


def test_an_error_that_leaves_a_span_is_recorded_with_it() -> None:
    exporter = InMemorySpanExporter()
    tracer = tracer_to(SimpleSpanProcessor(exporter))
    with pytest.raises(RuntimeError), tracer.span("append"):
        raise RuntimeError("broken")
    [span] = exporter.get_finished_spans()
    assert not span.status.is_ok
    assert span.events[0].name == "exception"


async def test_spans_are_sent_to_the_collector() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(collect, sock=listener)
    async with server:
        tracer = make_tracer(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with tracer.span("claim"):
            pass
        await asyncio.to_thread(tracer.close)
    assert requests[0].startswith(b"POST /v1/traces HTTP/1.1")
