"""Traces for OpenTelemetry, where somebody has said where to send them; else nothing, at no cost.

Needs the extra `otel`. The usual variables of the environment (`OTEL_SERVICE_NAME`, `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_TRACES_SAMPLER` and so on) hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from domain.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

#: What a span may carry.
Attribute = str | int | float | bool

_SERVICE = "parallel-workers"


class Span(Protocol):
    """A piece of work that is under way."""

    def update_name(self, name: str) -> None:
        """Call it by what has turned out to be its name."""

    def set_attribute(self, key: str, value: Attribute) -> None:
        """Add a fact."""


class Tracer(Protocol):
    """Marks pieces of work; an error that leaves one is recorded with it."""

    def span(
        self, name: str, *, headers: Mapping[str, str] | None = None, **attributes: Attribute
    ) -> AbstractContextManager[Span]:
        """Begin a piece of work that ends with the block, below the one that is under way.

        `headers` are a request's: with `traceparent`, the caller's span is the one above.
        """

    def close(self) -> None:
        """Send what is left."""


class _NoSpan:
    def update_name(self, name: str) -> None:
        """Do nothing."""

    def set_attribute(self, key: str, value: Attribute) -> None:
        """Do nothing."""


_NOTHING: AbstractContextManager[Span] = nullcontext(_NoSpan())


class NoTracer:
    """Traces nothing."""

    def span(
        self,
        name: str,  # noqa: ARG002
        *,
        headers: Mapping[str, str] | None = None,  # noqa: ARG002
        **_: Attribute,
    ) -> AbstractContextManager[Span]:
        """Give a block that does nothing."""
        return _NOTHING

    def close(self) -> None:
        """Do nothing."""


class OtelTracer:
    """Traces with a provider of its own: the process's global one is somebody else's."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import propagate

        self._provider = provider
        self._tracer = provider.get_tracer(_SERVICE)
        self._extract = propagate.extract

    @contextmanager
    def span(self, name: str, *, headers: Mapping[str, str] | None = None, **attributes: Attribute) -> Iterator[Span]:
        """Begin a span."""
        above = self._extract(dict(headers)) if headers else None
        facts: dict[str, Any] = {key.replace("__", "."): value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(name, context=above, attributes=facts) as span:
            yield span

    def close(self) -> None:
        """Send what is left, and stop the thread that sends."""
        self._provider.shutdown()


def make_tracer(endpoint: str | None) -> Tracer:
    """Trace to an OTLP collector over HTTP, such as `http://localhost:4318`; None: not at all.

    Raises `UsageError` where the extra is not installed.
    """
    if not endpoint:
        return NoTracer()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UsageError("traces need the extra otel: pip install 'parallel-workers[otel]'") from error
    return tracer_to(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))


def tracer_to(processor: SpanProcessor) -> OtelTracer:
    """Trace to a processor of spans."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    # What the environment says about the resource is merged in, and wins where it names the service.
    provider = TracerProvider(resource=Resource.create({"service.name": _SERVICE}))
    provider.add_span_processor(processor)
    return OtelTracer(provider)
