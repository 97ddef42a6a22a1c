from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.client.address import Address
from api.client.client import Client
from api.server.listening import listening
from api.server.serving import serving
from api.settings import Settings


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server of a test answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}
    #: Close the connection in place of an answer.
    cut: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the server of a test was asked."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Server:
    """A server on a unix socket that answers as the test says, one answer after the other."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.asked: list[Asked] = []
        self.answers: list[Answer] = []

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.asked.append(
            Asked(
                method=scope["method"],
                path=scope["path"],
                query=scope["query_string"].decode(),
                headers={name.decode(): value.decode() for name, value in scope["headers"]},
                body=body,
            )
        )
        answer = self.answers.pop(0) if self.answers else Answer()
        headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if answer.cut:
            # An answer that ends before its end.
            raise ConnectionAbortedError
        await send({"type": "http.response.body", "body": answer.body})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    with tempfile.TemporaryDirectory(prefix="pw-test-") as folder:
        path = Path(folder) / "api.sock"
        made = Server(Address.of(f"unix:{path}", "pw_1_secret"))
        with listening(Settings(uds=str(path))) as listener:
            async with serving(made, listener):
                yield made


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client.open(server.address, patience_seconds=20.0) as made:
        yield made


@pytest.fixture
def hasty(server: Server) -> Callable[[], Any]:
    """A client that tries only once: `async with hasty() as client`."""
    return lambda: Client.open(server.address, patience_seconds=0.0)


@pytest.fixture
def answer() -> type[Answer]:
    return Answer


@pytest.fixture
def tick() -> Callable[[], Any]:
    return lambda: asyncio.sleep(0)
