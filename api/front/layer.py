"""What the layers have in common: reading headers, and answering with a problem."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from api.problems import encode
from api.schemas import ProblemDetails

if TYPE_CHECKING:
    from litestar.types import Scope, Send

#: In `scope["state"]`.
REQUEST_ID = "request_id"
PRINCIPAL = "principal"


class CallerGoneError(Exception):
    """Whoever made the request has hung up before all of it was sent."""


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Give the first value of a header, named in lower case."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return None


def request_id(scope: Scope) -> str:
    """Give the request's id, as it is logged and answered."""
    return str(scope.get("state", {}).get(REQUEST_ID, ""))


async def send_problem(send: Send, problem: ProblemDetails, extra: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Answer with problem details."""
    body, named = encode(problem)
    headers = [(name.encode(), value.encode("latin-1")) for name, value in named.items()]
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": problem.status, "headers": [*headers, length, *extra]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
