"""From the first request to the last, in a process that does nothing else."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from api.server.server import RunningServer, open_server
from api.server.signals import on_signals
from api.settings import Settings
from eventstore.clock import SystemClock


async def run_server(url: str, settings: Settings, *, folder: Path | None) -> None:
    """Serve until a signal asks for the end; a second one does not wait for requests under way."""
    ending = asyncio.Event()
    main = asyncio.current_task()
    running: list[RunningServer] = []

    def hurry() -> None:
        if running:
            running[0].hurry()
        elif main is not None:
            main.cancel()

    with on_signals(ending.set, hurry):
        async with open_server(url, settings, SystemClock(), folder=folder) as server:
            running.append(server)
            print(_announcement(server), flush=True)
            await ending.wait()


def _announcement(server: RunningServer) -> str:
    key = "a key in PW_API_KEY (pw keys create)" if server.needs_key else "no key needed on this machine"
    return f"serving at {server.address} (process {os.getpid()}, {key}): pw work --server {server.address}"
