"""From the first request to the last, in a process that does nothing else."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from pathlib import Path

from api.server.server import RunningServer, open_server
from api.server.signals import on_signals
from api.settings import Settings
from eventstore.clock import SystemClock

#: Each client has a line, and so has each of the database's; more than this no process of ours can make use of.
_FILES_MAX = 65_536


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

    _allow_many_lines()
    collect_rarely()
    with on_signals(ending.set, hurry):
        async with open_server(url, settings, SystemClock(), folder=folder) as server:
            running.append(server)
            print(_announcement(server), flush=True)
            await ending.wait()


def _allow_many_lines() -> None:
    """Use as many open files as this process may have: a thousand agents that wait are a thousand of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def collect_rarely() -> None:
    """Look for garbage in circles far less often than Python does by itself.

    What a server holds (tasks, events) is in no circle and lives long: walking all of it again and again took half of
    the time of batches of a hundred messages.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)


def _announcement(server: RunningServer) -> str:
    key = "a key in PW_API_KEY (pw keys create)" if server.needs_key else "no key needed on this machine"
    return f"serving at {server.address} (process {os.getpid()}, {key}): pw work --server {server.address}"
