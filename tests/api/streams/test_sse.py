"""A stream as an answer: it ends with its reader, and with a reader that takes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from api.streams import sse
from api.streams.sse import EventStream


class Source:
    """Gives chunks without end, and knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b": alive\n\n"
                await asyncio.sleep(0)
        finally:
            self.closed = True


async def never() -> Any:
    await asyncio.Event().wait()


async def test_a_reader_that_leaves_ends_the_stream() -> None:
    source, sent, left = Source(), asyncio.Event(), asyncio.Event()

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            sent.set()

    answering = asyncio.create_task(EventStream(source.chunks())({}, receive, send))  # type: ignore[typeddict-item]
    await sent.wait()
    left.set()
    await answering
    assert source.closed


async def test_a_reader_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_SEND_SECONDS_MAX", 0.01)
    source, messages = Source(), []

    async def send(message: Any) -> None:
        messages.append(message)
        if message["type"] == "http.response.body":
            await never()

    await EventStream(source.chunks())({}, never, send)  # type: ignore[typeddict-item]
    assert source.closed
    # Not the last word of an answer that is whole: the server cuts the line.
    assert messages[-1].get("more_body") is True


async def test_an_error_of_the_source_is_not_lost() -> None:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield b": alive\n\n"
        raise ValueError("source")

    async def send(_: Any) -> None:
        pass

    with pytest.raises(ValueError, match="source"):
        await EventStream(chunks())({}, never, send)  # type: ignore[typeddict-item]
