"""A stream of server-sent events as the answer to a request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, ClassVar

from litestar.response.base import ASGIResponse

if TYPE_CHECKING:
    from litestar.types import Receive, Send

#: Whoever takes nothing for so long is cut off: its line is dead, or it will never keep up.
_SEND_SECONDS_MAX = 30.0

_HEADERS = {
    "cache-control": "no-store",
    # Proxies that collect an answer before they pass it on are asked not to.
    "x-accel-buffering": "no",
}


class EventStream(ASGIResponse):
    """Sends chunks as they come, until there are no more or nobody reads them."""

    _should_set_content_length: ClassVar[bool] = False

    def __init__(self, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(media_type="text/event-stream", headers=_HEADERS)
        self._chunks = chunks

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send until there is nothing more, or the reader has gone."""
        sending = asyncio.create_task(self._send(send), name="stream")
        leaving = asyncio.create_task(_disconnected(receive), name="stream's client")
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait({sending, leaving})
            await self._chunks.aclose()
        if not sending.cancelled():
            sending.result()

    async def _send(self, send: Send) -> None:
        async for chunk in self._chunks:
            try:
                async with asyncio.timeout(_SEND_SECONDS_MAX):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except TimeoutError:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
