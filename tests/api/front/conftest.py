"""One layer around an application that says what came through."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest


class Inner:
    """Answers with the state of the request, reads its body first, or fails."""

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.error: Exception | None = None
        self.answer = b"fine"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.states.append(dict(scope["state"]))
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        if self.error is not None:
            raise self.error
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": self.answer})


class _Stateful:
    """Gives each request a state, as servers do."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "state": {}}, receive, send)


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """Give a client of an application: `connect(app, client=("127.0.0.1", 1))`."""
    clients: list[httpx.AsyncClient] = []

    def make(app: Any, address: tuple[str, int] | None = ("127.0.0.1", 1)) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=_Stateful(app), client=address)  # type: ignore[arg-type]
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost:8787")
        clients.append(client)
        return client

    yield make
    for client in clients:
        await client.aclose()
