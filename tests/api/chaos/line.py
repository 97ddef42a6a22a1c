"""A line between clients and a server, which breaks at the worst moments of single requests."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, NamedTuple

Moment = Literal["unsent", "sent", "unheard", "heard"]
"""Before the server has the request; when it has it; when it has answered, before and after its client hears that."""

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Said(NamedTuple):
    """A request or an answer, as it goes over the wire."""

    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        return self.head + self.body

    @property
    def status(self) -> int:
        """An answer's."""
        return int(self.head.split(b" ", 2)[1])


class Fault(NamedTuple):
    """What happens to the first request of a sort: the line is cut, and something else is done as well."""

    #: Found in the request's first line or in its body.
    request: bytes
    moment: Moment
    do: Callable[[], Awaitable[None]] | None = None
    #: Found in the answer, where the moment is after it.
    answer: bytes = b""

    def meets(self, request: Said, answer: Said | None) -> bool:
        """Tell whether it happens to this request; before there is an answer, whether it can."""
        first = request.head.partition(b"\r\n")[0]
        return (self.request in first or self.request in request.body) and (
            answer is None or (answer.status < 300 and answer.status != 204 and self.answer in answer.body)
        )


class Line:
    """Carries requests to the server at a unix socket; `faults` happen one after the other, each once."""

    def __init__(self, socket: Path) -> None:
        self.faults: list[Fault] = []
        #: Requests that are never carried, by a part of their first line.
        self.refused: bytes | None = None
        self.statuses: Counter[int] = Counter()
        self.url = ""
        self._socket = socket
        self._carrying: set[asyncio.Future[None]] = set()
        self._striking = False

    async def accept(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Take up one client's line."""
        carrying = asyncio.ensure_future(self._carry_all(client_says, client))
        self._carrying.add(carrying)
        await asyncio.wait({carrying})

    def cut(self) -> None:
        """Hang up on all clients."""
        for carrying in self._carrying:
            carrying.cancel()

    async def close(self) -> None:
        """Hang up everywhere; raises what has gone wrong in what a fault does."""
        self.cut()
        for outcome in await asyncio.gather(*self._carrying, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _carry_all(self, client_says: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        """Carry one client's requests."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_hang_up, client)
            with suppress(OSError, asyncio.IncompleteReadError):
                server = await asyncio.open_unix_connection(self._socket)
                stack.push_async_callback(_hang_up, server[1])
                while await self._carry((client_says, client), server):
                    pass

    async def _carry(self, client: _Stream, server: _Stream) -> bool:
        """Carry a request and its answer; tell whether the line still holds."""
        if (request := await _listen(client[0])) is None:
            return False
        if self.refused is not None and self.refused in request.head.partition(b"\r\n")[0]:
            return False
        if await self._strike("unsent", request):
            return False
        server[1].write(request.whole)
        await server[1].drain()
        if await self._strike("sent", request):
            return False
        answer = await _answer_unless_gone(client[0], server[0])
        if answer is None or await self._strike("unheard", request, answer):
            return False
        self.statuses[answer.status] += 1
        client[1].write(answer.whole)
        await client[1].drain()
        return not await self._strike("heard", request, answer)

    async def _strike(self, moment: Moment, request: Said, answer: Said | None = None) -> bool:
        if self._striking or not self.faults:
            return False
        fault = self.faults[0]
        if fault.moment != moment or not fault.meets(request, answer):
            return False
        self._striking = True
        if fault.do is not None:
            await fault.do()
        del self.faults[0]
        self._striking = False
        return True


async def _answer_unless_gone(client: asyncio.StreamReader, server: asyncio.StreamReader) -> Said | None:
    """Wait for an answer; None where the client has hung up meanwhile, which the server must learn."""
    answering = asyncio.ensure_future(_listen(server))
    # A client says nothing before it has its answer, so that what is read here is the end.
    leaving = asyncio.ensure_future(client.read(1))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await answering if answering.done() else None
    finally:
        for waiting in (answering, leaving):
            waiting.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


async def _listen(reader: asyncio.StreamReader) -> Said | None:
    """Read a request or an answer; None at the end of the line."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    if re.search(rb"(?i)transfer-encoding: *chunked", head):
        return Said(head, await _chunks(reader))
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return Said(head, await reader.readexactly(int(length[1])) if length else b"")


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = await reader.readline()
        chunk = await reader.readexactly(int(size, 16) + 2)
        body += size + chunk
        if int(size, 16) == 0:
            return body


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def open_line(socket: Path) -> AsyncIterator[Line]:
    """Open a line to the server at a unix socket; `url` is where its clients come to."""
    line = Line(socket)
    server = await asyncio.start_server(line.accept, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        await line.close()
