"""Whatever goes wrong is a problem, and what nobody foresaw is in the log alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from litestar.exceptions import MethodNotAllowedException, NotFoundException

from api.front.failures import Failures
from api.front.request_id import RequestIds
from domain.errors import LedgerError, OverloadedError, StaleLeaseError, UnauthenticatedError
from eventstore.clock import SystemClock

Connect = Callable[..., httpx.AsyncClient]


@pytest.fixture
def client(connect: Connect, inner: Any) -> httpx.AsyncClient:
    return connect(RequestIds(Failures(inner), SystemClock()))


async def test_an_error_of_ours_is_a_problem(client: httpx.AsyncClient, inner: Any) -> None:
    inner.error = StaleLeaseError("held by w-2")
    answer = await client.get("/", headers={"X-Request-Id": "mine-1"})
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json() == {
        "type": "urn:problem-type:parallel-workers/stale-lease",
        "title": "The lease is over",
        "status": 409,
        "detail": "held by w-2",
        "instance": "mine-1",
    }


async def test_what_nobody_foresaw_is_logged_and_not_told(
    client: httpx.AsyncClient, inner: Any, caplog: pytest.LogCaptureFixture
) -> None:
    inner.error = ValueError("the secret is out")
    answer = await client.get("/")
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[1] is inner.error


async def test_a_ledger_that_is_away_says_when_to_come_again(client: httpx.AsyncClient, inner: Any) -> None:
    inner.error = LedgerError("away")
    assert (await client.get("/")).headers["retry-after"] == "1"


async def test_an_overload_says_when_to_come_again(client: httpx.AsyncClient, inner: Any) -> None:
    inner.error = OverloadedError("full", 2.2)
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["retry_after_seconds"]) == (
        503,
        "3",
        2.2,
    )


async def test_whoever_needs_a_key_is_told_how(client: httpx.AsyncClient, inner: Any) -> None:
    inner.error = UnauthenticatedError("a key is needed")
    assert (await client.get("/")).headers["www-authenticate"].startswith("Bearer")


async def test_an_unknown_path_is_named(client: httpx.AsyncClient, inner: Any) -> None:
    inner.error = NotFoundException()
    answer = await client.get("/v1/nothing")
    assert (answer.status_code, answer.json()["detail"]) == (404, "there is nothing at /v1/nothing")


async def test_a_method_that_is_not_allowed_has_those_that_are(client: httpx.AsyncClient, inner: Any) -> None:
    inner.error = MethodNotAllowedException(headers={"allow": "POST"})
    answer = await client.get("/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_an_answer_that_has_begun_is_cut_off(connect: Connect) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        await connect(Failures(app)).get("/")
