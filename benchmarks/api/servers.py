"""The servers that are measured: the real one, and one whose message route stores nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import uvloop

from api.auth.principal import Principal
from api.schemas import AnyMessage, MessageReceipt
from api.server import server as assembling
from api.server.run import collect_rarely
from api.service.service import Service
from api.settings import Settings
from eventstore.clock import SystemClock

_STORED, _WITHOUT = "stored", "without-ledger"


@contextmanager
def running_server(url: str, *, stores: bool = True) -> Iterator[tuple[int, psutil.Process]]:
    """Start a server in a process of its own; gives its port and process, and ends it afterwards."""
    argv = [sys.executable, str(Path(__file__)), url, _STORED if stores else _WITHOUT]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


async def _post_nowhere(_: Service, messages: Sequence[AnyMessage], principal: Principal) -> list[MessageReceipt]:
    """Give the receipts that the ledger would, and store nothing."""
    del principal
    return [
        MessageReceipt(message_id=message.message_id, status="created", position=1, version=1) for message in messages
    ]


async def _serve(url: str) -> None:
    settings = Settings(port=0, requests_per_second=0.0, read_models=False)
    collect_rarely()
    async with assembling.open_server(url, settings, SystemClock()) as server:
        print(server.address.rpartition(":")[2], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[2] == _WITHOUT:
        Service.post = _post_nowhere  # type: ignore[method-assign]
    uvloop.run(_serve(sys.argv[1]))
