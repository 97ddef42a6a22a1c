"""What one request becomes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.webhooks.guard import Guard
from api.webhooks.sender import Outcome, Sender


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with Sender(Guard(private=True), seconds_max=20) as sender:
        yield sender


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_success_is_delivered(sender: Sender, receiver: Any, status: int) -> None:
    receiver.answers = [(status, {})]
    assert await sender.send(receiver.url, b"{}", {}) == Outcome(kind="delivered")


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502])
async def test_any_error_has_failed(sender: Sender, receiver: Any, status: int) -> None:
    receiver.answers = [(status, {})]
    assert await sender.send(receiver.url, b"{}", {}) == Outcome(
        kind="failed", reason=f"the target answered {status}"
    )


async def test_410_is_the_end(sender: Sender, receiver: Any) -> None:
    receiver.answers = [(410, {})]
    assert (await sender.send(receiver.url, b"{}", {})).kind == "gone"


async def test_a_redirect_is_not_followed(sender: Sender, receiver: Any, other_receiver: Any) -> None:
    receiver.answers = [(307, {"location": other_receiver.url})]
    outcome = await sender.send(receiver.url, b"{}", {})
    assert outcome == Outcome(kind="failed", reason="the target answered 307: redirects are not followed")
    assert other_receiver.nothing_waits


@pytest.mark.parametrize("status", [429, 503])
async def test_a_target_may_say_when_to_come_back(sender: Sender, receiver: Any, status: int) -> None:
    receiver.answers = [(status, {"retry-after": "90"})]
    assert (await sender.send(receiver.url, b"{}", {})).retry_after_seconds == 90.0


async def test_a_date_to_come_back_at_is_left_to_the_usual_pause(sender: Sender, receiver: Any) -> None:
    receiver.answers = [(503, {"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"})]
    assert (await sender.send(receiver.url, b"{}", {})).retry_after_seconds is None


async def test_a_target_that_is_not_there_has_failed(sender: Sender, unused_tcp_port: int) -> None:
    outcome = await sender.send(f"http://127.0.0.1:{unused_tcp_port}/", b"{}", {})
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("ConnectError")


async def test_a_target_that_does_not_answer_has_failed(receiver: Any) -> None:
    receiver.open.clear()
    async with Sender(Guard(private=True), seconds_max=0.2) as sender:
        outcome = await sender.send(receiver.url, b"{}", {})
    assert outcome == Outcome(kind="failed", reason="no answer within 0.2 seconds")


async def test_a_refused_target_has_failed(receiver: Any) -> None:
    async with Sender(Guard(private=False)) as sender:
        outcome = await sender.send(receiver.url, b"{}", {})
    assert outcome.kind == "failed"
    assert "may not reach" in outcome.reason
    assert receiver.nothing_waits


async def test_an_answer_without_end_is_not_read_to_its_end(sender: Sender) -> None:
    sent = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")
                await writer.drain()
                sent += 0x1000
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await sender.send(f"http://127.0.0.1:{port}/", b"{}", {})
    assert outcome == Outcome(kind="delivered")


async def test_the_status_counts_where_the_rest_of_the_answer_never_comes() -> None:
    async def stop_short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(stop_short, "127.0.0.1", 0)
    async with server, Sender(Guard(private=True), seconds_max=0.5) as sender:
        port = server.sockets[0].getsockname()[1]
        outcome = await sender.send(f"http://127.0.0.1:{port}/", b"", {})
    assert outcome == Outcome(kind="delivered")
