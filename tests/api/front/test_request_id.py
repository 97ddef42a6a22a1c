"""Each request has an id, in the answer and in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog

from api.front.request_id import RequestIds
from eventstore.clock import SystemClock

Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
def client(connect: Connect, inner: Any) -> httpx.AsyncClient:
    return connect(RequestIds(inner, SystemClock()))


async def test_a_request_without_an_id_gets_a_new_one(client: httpx.AsyncClient) -> None:
    ids = [(await client.get("/")).headers["x-request-id"] for _ in range(2)]
    assert ids[0] != ids[1]
    assert {UUID(one).version for one in ids} == {7}


async def test_the_callers_own_id_is_kept(client: httpx.AsyncClient, inner: Any) -> None:
    answer = await client.get("/", headers={"X-Request-Id": "mine-1"})
    assert (answer.headers["x-request-id"], inner.states[0]["request_id"]) == ("mine-1", "mine-1")


@pytest.mark.parametrize("id_", ["", "a b", "a\tb", "x" * 129, '"', "é"])
async def test_an_id_that_would_spoil_the_log_is_replaced(client: httpx.AsyncClient, id_: str) -> None:
    answer = await client.get("/", headers=[(b"x-request-id", id_.encode())])
    assert UUID(answer.headers["x-request-id"])


async def test_what_is_logged_meanwhile_carries_the_id_and_nothing_later_does(connect: Connect) -> None:
    bound: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bound.append(structlog.contextvars.get_contextvars())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    await connect(RequestIds(app, SystemClock())).get("/", headers={"X-Request-Id": "mine-1"})
    assert bound == [{"request_id": "mine-1"}]
    assert "request_id" not in structlog.contextvars.get_contextvars()
