"""A keep-alive HTTP/1.1 connection that costs as little as possible, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Self

_HEAD_END = b"\r\n\r\n"


class Connection:
    """One client's line to a server on loopback; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to 127.0.0.1."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        return cls(reader, writer, f"127.0.0.1:{port}")

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send a request and read its answer."""
        self.send(method, path, body)
        return await self.answer()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send JSON and read JSON; raises `RuntimeError` for any answer that is none of success."""
        status, answer = await self.request(method, path, b"" if body is None else json.dumps(body).encode())
        if status >= 300:
            raise RuntimeError(f"{method} {path}: {status} {answer[:300]!r}")
        return json.loads(answer) if answer else None

    def send(self, method: str, path: str, body: bytes = b"") -> None:
        """Send a request without waiting for its answer."""
        self._writer.write(
            b"%b %b HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (method.encode(), path.encode(), self._host.encode(), len(body), body)
        )

    async def answer(self) -> tuple[int, bytes]:
        """Read the status and body of the next answer."""
        head = await self._reader.readuntil(_HEAD_END)
        status = int(head[9:12])
        at = head.find(b"content-length: ")
        length = int(head[at + 16 : head.index(b"\r\n", at)]) if at >= 0 else 0
        return status, await self._reader.readexactly(length) if length else b""

    async def stream(self, path: str) -> AsyncIterator[bytes]:
        """Read an endless answer as it comes, its chunk sizes among it."""
        self._writer.write(b"GET %b HTTP/1.1\r\nhost: %b\r\n\r\n" % (path.encode(), self._host.encode()))
        await self._reader.readuntil(_HEAD_END)
        while data := await self._reader.read(2**16):
            yield data

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
