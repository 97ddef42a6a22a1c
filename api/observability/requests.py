"""Counts, times, traces and (for DEBUG) logs each HTTP request, as a layer around the whole application.

It stands outside of the router, so that what no route takes is counted as well; the router leaves the route's
template in the scope, which is read once the answer is out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from api.front.layer import request_id
from api.observability.metrics import Metrics
from api.observability.tracing import NoTracer, Tracer
from eventstore.clock import Clock

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPResponseStartEvent, Message, Receive, Scope, Send

_LOG = logging.getLogger(__name__)

#: Of what was refused before it came to a route. Not the path: whoever tries paths would make a series with each.
_NO_ROUTE = "none"

#: What an answer that never began is counted as.
_NO_STATUS = 0

#: A method is the caller's to choose, and each would be a new series.
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestWatch:
    """The layer: an ASGI application around another one."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Clock, tracer: Tracer | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._tracer = tracer or NoTracer()
        self._traces = not isinstance(self._tracer, NoTracer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass on what is none."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = self._clock.monotonic()
        status = _NO_STATUS

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = _status(message)
            await send(message)

        self._metrics.requests_open.inc()
        try:
            if self._traces:
                await self._traced(scope, receive, watched, lambda: status)
            else:
                await self._app(scope, receive, watched)
        finally:
            self._metrics.requests_open.dec()
            self._count(scope, status, self._clock.monotonic() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        method, route = _method(scope), _route(scope)
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.request_seconds.labels(method, route).observe(seconds)
        if _LOG.isEnabledFor(logging.DEBUG):
            facts = {"method": method, "route": route, "status": status, "seconds": round(seconds, 6)}
            # Below, the id is bound for all records of the request; this one comes after it.
            named = {**scope.get("path_params", {}), "request_id": request_id(scope)}
            _LOG.debug("a request was answered", extra={**named, **facts})

    async def _traced(self, scope: Scope, receive: Receive, send: Send, status: Callable[[], int]) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = _method(scope)
        with self._tracer.span(method, headers=headers, http__request__method=method) as span:
            await self._app(scope, receive, send)
            span.update_name(f"{method} {_route(scope)}")
            span.set_attribute("http.route", _route(scope))
            span.set_attribute("http.response.status_code", status())


def _status(message: HTTPResponseStartEvent) -> int:
    return message["status"]


def _method(scope: Scope) -> str:
    method = str(scope.get("method", ""))
    return method if method in _METHODS else "other"


def _route(scope: Scope) -> str:
    if template := scope.get("path_template"):
        return str(template)
    # Below where an application is mounted, the router gives no template.
    handler = scope.get("route_handler")
    return min(handler.paths) if handler is not None else _NO_ROUTE
