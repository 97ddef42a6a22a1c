"""What passes between clients and the endpoint, below the tools."""

import asyncio
import json

import httpx
import pytest
from mcp import Client

from api.mcp.app import BODY_BYTES_MAX

_HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


async def _post(url, **content):
    async with httpx.AsyncClient() as client:
        return await client.post(url, headers=_HEADERS, **content)


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_a_client_of_an_older_revision_gets_that_revision(serve, stub, version):
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": {"name": "old", "version": "1"},
        },
    }
    async with serve(stub()) as url:
        reply = await _post(url, json=hello)

    (data,) = [line for line in reply.text.splitlines() if line.startswith("data: ")]
    assert json.loads(data.removeprefix("data: "))["result"]["protocolVersion"] == version
    assert "mcp-session-id" not in reply.headers


async def test_the_newest_revision_needs_no_handshake(serve, stub):
    async with serve(stub()) as url, Client(url, mode="2026-07-28") as client:
        listed = await client.list_tools()
        assert client.protocol_version == "2026-07-28"

    assert listed.tools


async def test_a_client_may_ask_what_is_spoken_and_gets_the_newest_revision(serve, stub):
    async with serve(stub()) as url, Client(url, mode="auto") as client:
        await client.list_tools()
        assert client.protocol_version == "2026-07-28"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_post_is_allowed(serve, stub, method):
    async with serve(stub()) as url, httpx.AsyncClient() as client:
        reply = await client.request(method, url, headers=_HEADERS)

    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


async def test_nobody_is_answered_of_whom_nothing_is_known(serve, stub, connect, text_of):
    async with serve(stub(), principal=None) as url, connect(url) as client:
        result = await client.call_tool("list_tasks", {})

    assert result.is_error
    assert "nobody has said whose request this is" in text_of(result)


async def test_a_body_over_the_limit_is_refused(serve, stub):
    async with serve(stub()) as url:
        reply = await _post(url, content=b" " * (BODY_BYTES_MAX + 1))

    assert reply.status_code == 413


async def test_a_claim_whose_client_has_gone_is_told_so_and_ends_by_itself(serve, stub, connect):
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def claim(request, principal, gone):
        waiting.set()
        await gone.wait()
        # Giving back what was claimed takes a while.
        await asyncio.sleep(0)
        ended.set()

    async with serve(stub(claim=claim)) as url:

        async def ask():
            async with connect(url) as client:
                await client.call_tool("claim_subtask", {"worker_id": "w1"})

        asking = asyncio.create_task(ask())
        await waiting.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await ended.wait()
