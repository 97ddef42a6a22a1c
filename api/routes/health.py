"""Whether the service is there, whether it can work, and its numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from litestar.response.base import ASGIResponse

from api.front.layer import request_id
from api.problems import MEDIA_TYPE, NOT_READY, encode, plain_problem
from api.routes.endpoint import HttpRequest, Reply, endpoint
from api.routes.roles import EVERYBODY, READERS

Ready = Callable[[], Awaitable[Sequence[str]]]
"""Says what keeps the service from working, a line each."""

Remarks = Callable[[], Sequence[str]]
"""Says what is not as it should be and does not keep the service from working, a line each."""

Metrics = Callable[[], bytes]
"""Gives the numbers in Prometheus's text format."""

_PROMETHEUS = "text/plain; version=0.0.4"


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All is well."""

    status: str
    #: What is not as it should be, and does not keep the service from its work.
    remarks: tuple[str, ...] = ()


@endpoint("GET", "/healthz", roles=EVERYBODY)
async def healthz() -> Health:
    """Say that the service is there."""
    return Health(status="alive")


@endpoint(
    "GET",
    "/readyz",
    roles=EVERYBODY,
    replies={200: Reply(kind=Health, meaning="It can work.")},
    refusals=(503,),
)
async def readyz(request: HttpRequest, ready: Ready, remarks: Remarks) -> ASGIResponse:
    """Say whether the service can work, and what keeps it from that."""
    wrong = tuple(await ready())
    if not wrong:
        health = Health(status="ready", remarks=tuple(remarks()))
        return ASGIResponse(body=msgspec.json.encode(health), media_type="application/json")
    problem = plain_problem(NOT_READY, "; ".join(wrong), request_id(request.scope), wrong)
    body, headers = encode(problem)
    return ASGIResponse(body=body, status_code=problem.status, headers=headers, media_type=MEDIA_TYPE)


@endpoint(
    "GET",
    "/metrics",
    roles=READERS,
    replies={200: Reply(kind=bytes, media_type=_PROMETHEUS, meaning="Numbers for Prometheus.")},
)
async def metrics(metrics: Metrics) -> ASGIResponse:
    """Give the service's numbers."""
    return ASGIResponse(body=metrics(), media_type=_PROMETHEUS)


ROUTES = (healthz, readyz, metrics)
