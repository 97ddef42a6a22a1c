"""Webhooks over HTTP, from their registration to what arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, get_args

import httpx
import pytest

from api.auth.keys import Keys
from api.auth.principal import Role
from api.server.server import open_server
from api.settings import Settings
from eventstore.clock import SystemClock

ROUTES = (
    ("GET", "/v1/webhooks"),
    ("POST", "/v1/webhooks"),
    ("GET", "/v1/webhooks/wh_0"),
    ("DELETE", "/v1/webhooks/wh_0"),
    ("GET", "/v1/webhooks/wh_0/deliveries"),
    ("POST", "/v1/webhooks/wh_0/redeliver"),
)
TASK = "pkg/m1.py:1:1: F401 'os' imported but unused"
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]


@pytest.fixture
async def address(database_url: str) -> AsyncIterator[str]:
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def run() -> None:
        async with open_server(database_url, Settings(port=0, read_models=False), SystemClock()) as server:
            found.set_result(server.address)
            await over.wait()

    # A fixture begins and ends in two tasks, and parts of a server want to end in the one that they began in.
    running = asyncio.create_task(run())
    await asyncio.wait({running, found}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    yield found.result()
    over.set()
    await running


@pytest.fixture
async def client(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address, timeout=30) as client:
        yield client


async def created(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/webhooks", json=fields)
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()["webhook"]
    return webhook


async def test_a_task_that_is_submitted_arrives(client: httpx.AsyncClient, receiver: Any) -> None:
    await created(client, url=receiver.url, types=["task_submitted"])
    answer = await client.post("/v1/tasks?format=flake8", content=TASK)
    received = await receiver.next()
    assert received.headers["content-type"].startswith("application/cloudevents+json")
    assert answer.json()["id"] in received.body.decode()


async def test_a_webhook_can_be_looked_at_and_deleted(client: httpx.AsyncClient, receiver: Any) -> None:
    webhook = await created(client, url=receiver.url)
    assert (await client.get("/v1/webhooks")).json() == {"webhooks": [webhook]}
    assert (await client.get(f"/v1/webhooks/{webhook['id']}")).json() == webhook
    assert (await client.delete(f"/v1/webhooks/{webhook['id']}")).status_code == 204
    assert (await client.get("/v1/webhooks")).json() == {"webhooks": []}


async def test_a_request_that_is_sent_again_makes_one_webhook(client: httpx.AsyncClient, receiver: Any) -> None:
    sent = {"json": {"url": receiver.url, "types": ["started"]}, "headers": {"idempotency-key": "once"}}
    first, again = [await client.post("/v1/webhooks", **sent) for _ in range(2)]  # type: ignore[arg-type]
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert len((await client.get("/v1/webhooks")).json()["webhooks"]) == 1


async def test_an_idempotency_key_that_was_used_for_another_webhook_is_refused(
    client: httpx.AsyncClient, receiver: Any
) -> None:
    key = {"idempotency-key": "once"}
    await client.post("/v1/webhooks", json={"url": receiver.url}, headers=key)
    answer = await client.post("/v1/webhooks", json={"url": receiver.url, "types": ["started"]}, headers=key)
    assert answer.status_code == 409
    assert "used before" in answer.json()["detail"]


async def test_what_was_given_up_is_listed_and_sent_again(
    client: httpx.AsyncClient, receiver: Any, until: Until
) -> None:
    webhook = await created(client, url=receiver.url, types=["task_submitted"])
    receiver.answers = [(410, {})]
    await client.post("/v1/tasks?format=flake8", content=TASK)
    await receiver.next()
    path = f"/v1/webhooks/{webhook['id']}"

    async def dead() -> bool:
        listed = (await client.get(f"{path}/deliveries", params={"dead": "true"})).json()["deliveries"]
        return [delivery["status"] for delivery in listed] == ["dead"]

    await until(dead)
    assert (await client.post(f"{path}/redeliver", json={})).json() == {"deliveries": 1}
    await receiver.next()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "ftp://example.org/"},
        {"url": "http://169.254.169.254/latest"},
        {"url": "http://127.0.0.1/", "types": ["ended"]},
        {"url": "http://127.0.0.1/", "after": -1},
        {"url": 7},
    ],
)
async def test_what_cannot_be_is_refused_with_a_problem(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.post("/v1/webhooks", json=body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/redeliver")]
)
async def test_a_webhook_that_is_not_there_is_not_found(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, f"/v1/webhooks/wh_0{path}")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("unknown-webhook")


async def test_only_admins_and_planners_may(address: str, database_url: str) -> None:
    allowed = {}
    async with Keys.open(database_url, SystemClock()) as keys:
        for role in get_args(Role):
            _, token = await keys.create(role, role)
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=address, headers=headers) as client:
                answers = [await client.request(method, path) for method, path in ROUTES]
            allowed[role] = {answer.status_code != 403 for answer in answers}
    assert allowed == {"admin": {True}, "planner": {True}, "worker": {False}, "viewer": {False}}


async def test_without_a_key_nothing_is_answered_once_there_is_one(address: str, database_url: str) -> None:
    async with Keys.open(database_url, SystemClock()) as keys:
        await keys.create("me", "admin")
    async with asyncio.timeout(30), httpx.AsyncClient(base_url=address) as client:
        # What the server knows of keys is seconds old at most.
        while (await client.get("/v1/webhooks")).status_code != 401:
            pass
        statuses = {(await client.request(method, path)).status_code for method, path in ROUTES}
    assert statuses == {401}


async def test_the_routes_are_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/schema/openapi.json")).json()["paths"]
    described = {(method.upper(), path) for path, methods in paths.items() for method in methods if "webhook" in path}
    assert described == {(method, path.replace("wh_0", "{webhook_id}")) for method, path in ROUTES}
