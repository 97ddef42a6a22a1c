"""Signs of life, from a thread of their own: a busy event loop or a long gate must not cost a lease."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

import httpx
import msgspec

from api.client.address import Address
from api.runner.hold import Hold
from api.schemas import HeartbeatReply, HeartbeatRequest
from eventstore.clock import Clock

#: Longest wait for an answer; the next sign of life tries again.
_ANSWER_SECONDS = 10.0
#: Between two signs of life where no lease says how often it wants them.
_IDLE_SECONDS = 5.0

_LOG = logging.getLogger(__name__)


class Heart:
    """Beats for the leases that are held, and hands what it hears to the event loop that it was made in."""

    def __init__(self, address: Address, clock: Clock) -> None:
        self._address = address
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        # Guards what follows: leases come and go in the event loop, and are read here.
        self._changed = threading.Condition()
        self._holds: list[Hold] = []
        self._due = clock.monotonic() + _IDLE_SECONDS
        self._ended = False
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()

    def hold(self, hold: Hold) -> None:
        """Beat for a lease from now on."""
        with self._changed:
            self._holds.append(hold)
            self._beat_by(self._clock.monotonic() + hold.beat_seconds)

    def drop(self, hold: Hold) -> None:
        """Beat for it no more."""
        with self._changed:
            self._holds.remove(hold)

    def hurry(self) -> None:
        """Beat now: the service may have something to say."""
        with self._changed:
            self._beat_by(self._clock.monotonic())

    def _beat_by(self, due: float) -> None:
        if due < self._due:
            self._due = due
            self._changed.notify()

    def _beat(self) -> None:
        with self._address.connect_blocking(timeout_seconds=_ANSWER_SECONDS) as http:
            while (holds := self._wait()) is not None:
                self._beat_once(http, holds)

    def _wait(self) -> list[Hold] | None:
        """Wait until it is time, and give the leases to beat for; None at the end."""
        with self._changed:
            while not self._ended and (left := self._due - self._clock.monotonic()) > 0:
                self._changed.wait(left)
            pause = min((hold.beat_seconds for hold in self._holds), default=_IDLE_SECONDS)
            self._due = self._clock.monotonic() + pause
            return None if self._ended else list(self._holds)

    def _beat_once(self, http: httpx.Client, holds: list[Hold]) -> None:
        by_worker: defaultdict[str, list[Hold]] = defaultdict(list)
        for hold in holds:
            by_worker[hold.lease.worker_id].append(hold)
        for worker_id, held in by_worker.items():
            request = HeartbeatRequest(leases=tuple(hold.key for hold in held))
            try:
                response = http.post(f"/v1/workers/{worker_id}/heartbeat", content=msgspec.json.encode(request))
                response.raise_for_status()
                reply = msgspec.json.decode(response.content, type=HeartbeatReply)
            except (httpx.HTTPError, msgspec.DecodeError) as error:
                _LOG.warning("a sign of life was not taken", extra={"worker": worker_id, "reason": str(error)})
                continue
            self._hand_over(held, reply)

    def _hand_over(self, holds: list[Hold], reply: HeartbeatReply) -> None:
        states = {(state.subtask_id, state.lease_epoch): state for state in reply.leases}
        for hold in holds:
            state = states.get((hold.lease.subtask_id, hold.lease.lease_epoch))
            if state is None:
                continue
            try:
                self._loop.call_soon_threadsafe(hold.take, state)
            except RuntimeError:
                # The loop has ended, and with it everything that could be told.
                return
