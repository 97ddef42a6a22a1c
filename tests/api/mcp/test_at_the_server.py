"""The tools behind the same keys as everything else, on the whole server."""

from contextlib import asynccontextmanager

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from api.auth.keys import Keys
from api.server.server import open_server
from api.settings import Settings
from eventstore.clock import SystemClock

_REPORT = "pkg/a.py:1:1: F401 'os' imported but unused\npkg/b.py:1:1: F401 'sys' imported but unused\n"
_HEADERS = {"Accept": "application/json, text/event-stream"}
_LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


class Server:
    """A running server, and who may call it."""

    def __init__(self, address, tokens):
        self.address = address
        self.tokens = tokens

    async def post(self, path, token="", headers=None, **content):
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient() as client:
            return await client.post(f"{self.address}{path}", headers=_HEADERS | shown | (headers or {}), **content)

    @asynccontextmanager
    async def agent(self, token, mode):
        """A client of the SDK that shows its key."""
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
            transport = streamable_http_client(f"{self.address}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                yield client


@pytest.fixture
def served(database_url):
    """`pw serve`, with a key for each of these names, which begin with their roles."""

    @asynccontextmanager
    async def open_it(*names):
        clock = SystemClock()
        async with Keys.open(database_url, clock) as keys:
            tokens = {name: (await keys.create(name, name.partition("-")[0]))[1] for name in names}
        async with open_server(database_url, Settings(port=0, read_models=False), clock) as running:
            yield Server(running.address, tokens)

    return open_it


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_worker_with_a_key_does_a_task_from_start_to_end(served, mode, text_of):
    async with served("planner", "worker") as server:
        planner, worker = server.tokens["planner"], server.tokens["worker"]
        task = (await server.post("/v1/tasks?format=flake8&workers=1", planner, content=_REPORT)).json()

        async with server.agent(worker, mode) as client:
            claimed = await client.call_tool("claim_subtask", {"worker_id": "w1", "wait_seconds": 10})
            lease = {
                name: claimed.structured_content["lease"][name] for name in ("subtask_id", "worker_id", "lease_epoch")
            }
            await client.call_tool("start_subtask", lease)
            submitted = await client.call_tool("submit_subtask", lease | {"summary": "done"})
        assert submitted.structured_content["status"] == "accepted", text_of(submitted)

        async with server.agent(planner, mode) as client:
            shown = await client.call_tool("get_task", {"task_id": task["id"]})
        assert shown.structured_content["task"]["status"] == "completed"


async def test_a_worker_of_another_key_is_nobodys_to_speak_for(served, text_of):
    async with served("worker-1", "worker-2") as server:
        claim = {"worker_id": "w1", "wait_seconds": 0}
        async with server.agent(server.tokens["worker-1"], "auto") as client:
            await client.call_tool("claim_subtask", claim)
        async with server.agent(server.tokens["worker-2"], "auto") as client:
            refused = await client.call_tool("claim_subtask", claim)

    assert refused.is_error
    assert text_of(refused) == "worker w1 belongs to another key"


@pytest.mark.parametrize("token", ["", "pw_nobody_secret"])
async def test_without_a_good_key_nobody_is_answered(served, token):
    async with served("viewer") as server:
        assert (await server.post("/mcp", token, json=_LIST)).status_code == 401


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
async def test_while_there_is_no_key_a_foreign_name_or_page_is_refused(served, headers):
    async with served() as server:
        assert (await server.post("/mcp", json=_LIST)).status_code == 200
        assert (await server.post("/mcp", json=_LIST, headers=headers)).status_code == 403


async def test_a_stream_of_notifications_is_not_offered(served):
    async with served() as server, httpx.AsyncClient() as client:
        assert (await client.get(f"{server.address}/mcp", headers=_HEADERS)).status_code == 405
