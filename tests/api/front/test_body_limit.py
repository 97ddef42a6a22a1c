"""Bodies have a limit, which is another one for reports, and which nobody gets around."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from api.front.body_limit import BodyLimit
from api.front.failures import Failures
from api.settings import Settings

Connect = Callable[..., httpx.AsyncClient]

SETTINGS = Settings(body_bytes_max=1024, report_bytes_max=4096)


@pytest.fixture
def client(connect: Connect, inner: Any) -> httpx.AsyncClient:
    return connect(Failures(BodyLimit(inner, SETTINGS)))


async def in_pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/claims", "/mcp", "/v1/tasks/t-1/pause"])
async def test_a_request_has_the_small_limit(client: httpx.AsyncClient, path: str) -> None:
    answers = [(await client.post(path, content=b"x" * size)).status_code for size in (1024, 1025)]
    assert answers == [200, 413]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/tasks/", "/v1/analyses", "/v1/tasks/t-1/problems"])
async def test_a_report_has_the_large_one(client: httpx.AsyncClient, path: str) -> None:
    answers = [(await client.post(path, content=b"x" * size)).status_code for size in (4096, 4097)]
    assert answers == [200, 413]


async def test_the_limit_is_named(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/claims", content=b"x" * 1025)
    assert answer.json()["detail"] == "the body has more than 1024 bytes, which is the limit here"


async def test_a_body_without_a_length_is_counted(client: httpx.AsyncClient, inner: Any) -> None:
    answers = [(await client.post("/v1/claims", content=in_pieces(size))).status_code for size in (1024, 1025)]
    assert answers == [200, 413]
    assert inner.bodies == [b"x" * 1024]


async def test_a_body_that_is_said_to_be_too_long_is_not_read(client: httpx.AsyncClient, inner: Any) -> None:
    await client.post("/v1/claims", content=b"x" * 1025)
    assert inner.states == []


async def test_who_hangs_up_in_the_middle_is_not_answered_and_is_no_error(
    inner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    messages = iter([{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/claims", "headers": [], "state": {}}
    await Failures(BodyLimit(inner, SETTINGS))(scope, receive, send)  # type: ignore[arg-type]

    assert sent == []
    assert caplog.records == []
