"""Keeping the read models up to date: a process of its own beside the server that leads, watched by it.

One that dies is started again, after longer and longer pauses where it does not live. It ends with the lead, with the
server, and, because it listens to the server's end of a pipe, with a server that is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from api.jobs.follower_order import FollowerOrder
from api.observability.metrics import Metrics
from eventstore.clock import Clock
from projections.lag import Lag

#: Between the end of a follower and the start of the next, at first and at most, in seconds.
PAUSE_SECONDS = 0.5
_PAUSE_SECONDS_MAX = 30.0
#: One that has lived for so long has not died of how it was started.
_LIVED_SECONDS = 30.0
#: What it may take to end when asked to, in seconds.
_GRACE_SECONDS = 5.0
#: What is behind or missing for longer is worth a remark.
PATIENCE_SECONDS = 20.0

_LOG = logging.getLogger(__name__)


class ReadModels:
    """The process that keeps the read models up to date, as far as this server has one.

    It is another program (`api/jobs/follower.py`), so that the server need not load what that loads.
    """

    def __init__(self, order: FollowerOrder, metrics: Metrics, clock: Clock) -> None:
        self._order = order
        self._metrics = metrics
        self._clock = clock
        self._wanted = False
        #: When something was last heard of it, or it was first wanted.
        self._heard_at = 0.0
        self._lag: Lag | None = None
        self._last_end = ""
        metrics.read_models_up.set(0)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Have the read models kept up to date until the end of the block, which waits for the process's end."""
        self._wanted, self._heard_at = True, self._clock.monotonic()
        task = asyncio.create_task(self._keep(), name="read models")
        try:
            yield
        finally:
            self._wanted = False
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def remarks(self) -> list[str]:
        """Say what is wrong with the read models, a line each; nothing that keeps the service from its work."""
        if not self._wanted:
            return []
        silent = self._clock.monotonic() - self._heard_at
        if silent > PATIENCE_SECONDS:
            return [f"the read models are kept up to date by nobody for {silent:.0f} seconds{self._last_end}"]
        if self._lag is None:
            return []
        lag, said = self._lag, []
        if lag.seconds > PATIENCE_SECONDS:
            said.append(f"the read models are {lag.seconds:.0f} seconds behind, some {lag.events} events")
        if lag.outdated:
            said.append(f"read models are of another version: pw rebuild {' '.join(lag.outdated)}")
        return said

    async def _keep(self) -> None:
        pause = PAUSE_SECONDS
        while True:
            began = self._clock.monotonic()
            code = await self._run()
            if self._clock.monotonic() - began > _LIVED_SECONDS:
                pause = PAUSE_SECONDS
            self._last_end = f": the process that does ended last with {code}"
            _LOG.warning("the read models' process has ended", extra={"exit_code": code, "again_in_seconds": pause})
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, _PAUSE_SECONDS_MAX)

    async def _run(self) -> int:
        """Start a follower, and listen to it until it ends; gives its exit code."""
        # -P: nothing of the folder that the server happens to be started in.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "api.jobs.follower", stdin=PIPE, stdout=PIPE, start_new_session=True
        )
        self._metrics.read_model_starts.inc()
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - both were asked for
            process.stdin.write(msgspec.json.encode(self._order) + b"\n")
            async for line in process.stdout:
                self._hear(msgspec.json.decode(line, type=Lag))
            return await process.wait()
        finally:
            self._metrics.read_models_up.set(0)
            await _end(process)

    def _hear(self, lag: Lag) -> None:
        self._lag, self._heard_at = lag, self._clock.monotonic()
        self._metrics.read_models_up.set(1)
        self._metrics.read_models_behind.set(lag.seconds)
        self._metrics.read_models_behind_events.set(lag.events)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if process.returncode is None:
            process.terminate()
    try:
        async with asyncio.timeout(_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
