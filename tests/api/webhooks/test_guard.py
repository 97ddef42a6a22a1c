"""Where webhooks may lead, and that they lead nowhere else."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.webhooks.guard import Guard, GuardedTransport
from domain.errors import InvalidRequestError

#: Of example.test, signed by itself, good for a century, with its key.
_CERTIFICATE = Path(__file__).with_name("example_test.pem")

NEVER = [
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]/",
    "http://0.0.0.0/",
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
]
PRIVATE = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://2130706433/",
    "http://[::1]/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://[fd00::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[2002:7f00:1::]/",
]


@pytest.mark.parametrize("url", NEVER)
async def test_link_local_and_the_like_are_never_allowed(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="may not reach"):
        await Guard(private=True).check(url)


@pytest.mark.parametrize("url", NEVER + PRIVATE)
async def test_private_targets_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="may not reach"):
        await Guard(private=False).check(url)


@pytest.mark.parametrize("url", PRIVATE)
async def test_private_targets_are_allowed_where_the_setting_says_so(url: str) -> None:
    await Guard(private=True).check(url)


@pytest.mark.parametrize("url", ["https://1.1.1.1/hook", "http://[2606:4700:4700::1111]:8080/hook"])
async def test_public_targets_are_allowed(url: str) -> None:
    await Guard(private=False).check(url)


@pytest.mark.parametrize(
    "url",
    ["ftp://1.1.1.1/", "1.1.1.1/hook", "https:///hook", "https://1.1.1.1:99999/", "http://[::1/", "file:///etc"],
)
async def test_what_is_no_url_of_a_target_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="url: "):
        await Guard(private=True).check(url)


async def test_a_password_in_the_url_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="no user and password"):
        await Guard(private=True).check("https://user:secret@1.1.1.1/")


async def test_a_name_that_leads_to_one_private_address_among_others_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names(monkeypatch, "1.1.1.1", "10.0.0.1")
    with pytest.raises(InvalidRequestError, match=r"leads to 10\.0\.0\.1"):
        await Guard(private=False).check("https://example.test/")


async def test_a_name_that_leads_elsewhere_when_it_is_sent_to_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(private=False)
    names(monkeypatch, "1.1.1.1")
    await guard.check("http://example.test/")
    names(monkeypatch, "127.0.0.1")
    async with httpx.AsyncClient(transport=GuardedTransport(guard)) as client:
        with pytest.raises(InvalidRequestError, match="may not reach"):
            await client.post("http://example.test/")


async def test_what_was_looked_at_is_connected_to_under_the_name_of_the_target(
    monkeypatch: pytest.MonkeyPatch, receiver: Any
) -> None:
    names(monkeypatch, "127.0.0.1")
    async with httpx.AsyncClient(transport=GuardedTransport(Guard(private=True))) as client:
        answer = await client.post(f"http://example.test:{receiver.port}/hook")
    assert answer.status_code == 204
    assert (await receiver.next()).headers["host"] == f"example.test:{receiver.port}"


async def test_the_next_address_is_tried_where_one_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, receiver: Any
) -> None:
    names(monkeypatch, "::1", "127.0.0.1")
    async with httpx.AsyncClient(transport=GuardedTransport(Guard(private=True))) as client:
        answer = await client.post(f"http://example.test:{receiver.port}/hook")
    assert answer.status_code == 204


@pytest.fixture
async def secure_port() -> AsyncIterator[int]:
    """A port of loopback where somebody speaks TLS under the name example.test."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_CERTIFICATE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_certificate_must_be_the_names_and_not_the_addresses(
    monkeypatch: pytest.MonkeyPatch, secure_port: int
) -> None:
    names(monkeypatch, "127.0.0.1")
    transport = GuardedTransport(Guard(private=True), trust=ssl.create_default_context(cafile=_CERTIFICATE))
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.post(f"https://example.test:{secure_port}/")
        assert answer.status_code == 204
        with pytest.raises(httpx.ConnectError, match=r"certificate is not valid for '127\.0\.0\.1'"):
            await client.post(f"https://127.0.0.1:{secure_port}/")


async def test_a_certificate_of_nobody_known_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, secure_port: int
) -> None:
    names(monkeypatch, "127.0.0.1")
    async with httpx.AsyncClient(transport=GuardedTransport(Guard(private=True))) as client:
        with pytest.raises(httpx.ConnectError, match="self-signed certificate"):
            await client.post(f"https://example.test:{secure_port}/")


def names(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name lead to these addresses."""

    async def found(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", Names(found))


class Names:
    """Answers the guard, and lets the loop itself look up what are addresses already."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self._real = type(asyncio.get_running_loop()).getaddrinfo

    async def __call__(self, host: str, *arguments: Any, **options: Any) -> Any:
        if host == "example.test":
            return await self._found()
        return await self._real(asyncio.get_running_loop(), host, *arguments, **options)
