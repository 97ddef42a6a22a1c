"""The HTTP application: the routes, and what every request passes through on its way to them.

Everything that it needs is passed in, open and running; it opens and closes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from litestar import Litestar
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from api.auth.authenticator import Authenticator
from api.auth.rate_limit import RateLimit
from api.front.body_limit import BodyLimit
from api.front.callers import Callers
from api.front.compression import Compression
from api.front.failures import Failures
from api.front.request_id import RequestIds
from api.routes import analyses, events, health, schema, subtasks, tasks, workers
from api.routes.endpoint import ENDPOINT, Endpoint
from api.routes.health import Metrics, Ready, Remarks
from api.routes.mcp import mcp_route
from api.routes.messages import messages_route
from api.routes.schema import Description
from api.service.interface import Services
from api.settings import Settings
from api.streams.hub import EventHub
from eventstore.clock import Clock

if TYPE_CHECKING:
    from litestar.types import ASGIApp


def create_app(  # noqa: PLR0913 - whatever the application needs is handed in here
    services: Services,
    *,
    hub: EventHub,
    authenticator: Authenticator,
    settings: Settings,
    clock: Clock,
    ready: Ready,
    metrics: Metrics,
    mcp: ASGIApp | None = None,
    further_routes: Sequence[BaseRouteHandler] = (),
    further_state: Mapping[str, object] | None = None,
    remarks: Remarks = tuple,
    private: bool = False,
) -> ASGIApp:
    """Put the application together.

    `private` tells that nobody but the user can reach its socket: then no key is asked for. `mcp` is what answers at
    `/mcp`; `further_routes` are made with `endpoint`, and `further_state` is what they need, by name.
    """
    routes: list[BaseRouteHandler] = [
        *(route for part in (tasks, subtasks, workers, events, analyses, health, schema) for route in part.ROUTES),
        messages_route(services),
        *([mcp_route(mcp)] if mcp is not None else []),
        *further_routes,
    ]
    described: list[Endpoint] = [route.opt[ENDPOINT] for route in routes]
    held = {
        "services": services,
        "hub": hub,
        "ready": ready,
        "remarks": remarks,
        "metrics": metrics,
        "description": Description.of(described),
        **(further_state or {}),
    }
    router = Litestar(
        routes,
        state=State(held),
        exception_handlers={Exception: _pass_on},
        openapi_config=None,
        logging_config=None,
        # A layer in front knows the limits, which are not the same everywhere.
        request_max_body_size=None,
    )
    hub.readers_max = settings.readers_max
    limit = RateLimit(clock, per_second=settings.requests_per_second, burst=settings.request_burst)
    app: ASGIApp = BodyLimit(router, settings)
    app = Callers(app, authenticator, limit, settings, private=private)
    app = Failures(app)
    app = Compression(app)
    return RequestIds(app, clock)


def _pass_on(_: object, error: Exception) -> NoReturn:
    """Have the layer around the router answer, which answers for all."""
    raise error
