"""`/schema`: the API's description, for programs and for people."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar.response.base import ASGIResponse

from api.openapi.document import openapi
from api.openapi.page import page
from api.routes.endpoint import Endpoint, Reply, endpoint
from api.routes.roles import EVERYBODY


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """The description, written once."""

    json: bytes
    html: bytes

    @classmethod
    def of(cls, endpoints: list[Endpoint]) -> Description:
        """Describe the routes."""
        document = openapi(endpoints)
        return cls(json=msgspec.json.encode(document), html=page(document).encode())


@endpoint(
    "GET",
    "/schema/openapi.json",
    roles=EVERYBODY,
    replies={200: Reply(kind=dict[str, Any], meaning="OpenAPI 3.1.")},
)
async def openapi_json(description: Description) -> ASGIResponse:
    """Give this description."""
    return ASGIResponse(body=description.json, media_type="application/json")


@endpoint(
    "GET",
    "/schema",
    roles=EVERYBODY,
    replies={200: Reply(kind=bytes, media_type="text/html", meaning="A page.")},
)
async def schema_page(description: Description) -> ASGIResponse:
    """Give this description as a page for people."""
    # Nothing of it comes from elsewhere, and nothing may.
    policy = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return ASGIResponse(body=description.html, media_type="text/html", headers=policy)


ROUTES = (openapi_json, schema_page)
