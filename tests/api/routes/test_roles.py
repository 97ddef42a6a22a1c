"""Every route against every caller: who is let in, who is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from api.auth.keys import Keys
from api.auth.principal import Role
from api.server.server import open_server
from api.settings import Settings
from eventstore.clock import SystemClock

ADMIN, PLANNER, WORKER, VIEWER = "admin", "planner", "worker", "viewer"
NOBODY_NEEDS_A_KEY = frozenset({"none", "bad", ADMIN, PLANNER, WORKER, VIEWER})
CALLERS = frozenset({ADMIN, PLANNER, WORKER, VIEWER})
READERS = frozenset({ADMIN, PLANNER, VIEWER})
PLANNERS = frozenset({ADMIN, PLANNER})
WORKERS = frozenset({ADMIN, WORKER})
OBSERVERS = PLANNERS | WORKERS

#: A route that is not here fails the test: whoever adds one says whose it is.
MATRIX: dict[str, frozenset[str]] = {
    "GET /healthz": NOBODY_NEEDS_A_KEY,
    "GET /readyz": NOBODY_NEEDS_A_KEY,
    "GET /schema": NOBODY_NEEDS_A_KEY,
    "GET /schema/openapi.json": NOBODY_NEEDS_A_KEY,
    "GET /metrics": READERS,
    "POST /mcp": CALLERS,
    "POST /v1/tasks": PLANNERS,
    "POST /v1/analyses": PLANNERS,
    "GET /v1/tasks": READERS,
    "GET /v1/tasks/{task_id}": READERS,
    "GET /v1/tasks/{task_id}/progress": READERS,
    "GET /v1/tasks/{task_id}/estimate": READERS,
    "GET /v1/tasks/{task_id}/subtasks": READERS,
    "GET /v1/tasks/{task_id}/blockers": READERS,
    "GET /v1/tasks/{task_id}/events": READERS,
    "GET /v1/tasks/{task_id}/postmortem": READERS,
    "POST /v1/tasks/{task_id}/problems": OBSERVERS,
    "POST /v1/tasks/{task_id}/pause": PLANNERS,
    "POST /v1/tasks/{task_id}/resume": PLANNERS,
    "POST /v1/tasks/{task_id}/cancel": PLANNERS,
    "GET /v1/events": READERS,
    "POST /v1/workers": WORKERS,
    "POST /v1/workers/{worker_id}/heartbeat": WORKERS,
    "POST /v1/claims": WORKERS,
    "POST /v1/messages": WORKERS,
    "GET /v1/subtasks/{subtask_id}": CALLERS,
    "GET /v1/subtasks/{subtask_id}/brief": CALLERS,
    "GET /v1/subtasks/{subtask_id}/baseline": CALLERS,
    "POST /v1/subtasks/{subtask_id}/answers": PLANNERS,
    "POST /v1/subtasks/{subtask_id}/gates": WORKERS,
    "POST /v1/subtasks/{subtask_id}/reviews": WORKERS,
    "POST /v1/subtasks/{subtask_id}/release": WORKERS,
    "POST /v1/webhooks": PLANNERS,
    "GET /v1/webhooks": PLANNERS,
    "GET /v1/webhooks/{webhook_id}": PLANNERS,
    "DELETE /v1/webhooks/{webhook_id}": PLANNERS,
    "GET /v1/webhooks/{webhook_id}/deliveries": PLANNERS,
    "POST /v1/webhooks/{webhook_id}/redeliver": PLANNERS,
}

_NAMES = {"{task_id}": "t-00000000", "{subtask_id}": "t-00000000.1", "{worker_id}": "w-1", "{webhook_id}": "none"}
_ROLES: tuple[Role, ...] = ("admin", "planner", "worker", "viewer")


@asynccontextmanager
async def server(database_url: str) -> AsyncIterator[tuple[httpx.AsyncClient, Keys]]:
    """Run a whole server with a key for each role, so that nobody gets in without one."""
    clock = SystemClock()
    async with Keys.open(database_url, clock) as keys:
        await keys.create("somebody", "admin")
        async with (
            open_server(database_url, Settings(port=0, read_models=False), clock) as running,
            httpx.AsyncClient(base_url=running.address, timeout=30) as client,
        ):
            yield client, keys


async def verdict(client: httpx.AsyncClient, route: str, token: str) -> str:
    """Say whether a caller is let in, which says nothing of what it finds there."""
    method, path = route.split()
    for name, value in _NAMES.items():
        path = path.replace(name, value)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    body = {} if method == "GET" else {"json": {}}
    async with client.stream(method, path, headers=headers, **body) as answer:
        if answer.status_code == 401:
            return "no key"
        if answer.status_code == 403:
            kind = (await answer.aread(), answer.json())[1]["type"].rpartition("/")[2]
            return "not this role" if kind == "forbidden" else "in"
    return "in"


async def test_the_matrix_names_every_route_and_no_other(database_url: str) -> None:
    async with server(database_url) as (client, _):
        paths = (await client.get("/schema/openapi.json")).json()["paths"]
    there = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert there == set(MATRIX)


@pytest.mark.parametrize("caller", ["none", "bad", *_ROLES])
async def test_a_caller_gets_into_the_routes_of_its_role_and_no_others(database_url: str, caller: str) -> None:
    async with server(database_url) as (client, keys):
        token = {"none": "", "bad": "pw_nobody_secret"}.get(caller)
        if token is None:
            token = str((await keys.create(caller, next(role for role in _ROLES if role == caller)))[1])
        found = {route: await verdict(client, route, token) for route in MATRIX}
    refused = "not this role" if caller in _ROLES else "no key"
    assert found == {route: "in" if caller in allowed else refused for route, allowed in MATRIX.items()}


@pytest.mark.parametrize("caller", ["none", "bad", *_ROLES])
async def test_what_is_no_route_says_nothing_to_strangers(database_url: str, caller: str) -> None:
    async with server(database_url) as (client, keys):
        token = {"none": "", "bad": "pw_nobody_secret"}.get(caller)
        if token is None:
            token = str((await keys.create(caller, next(role for role in _ROLES if role == caller)))[1])
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await client.get("/v1/nothing", headers=headers)
    assert answer.status_code == (404 if caller in _ROLES else 401)
