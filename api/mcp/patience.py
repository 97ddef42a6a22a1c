"""Signs of life for workers that speak through MCP and can give none between two calls.

A model thinks, edits and builds for minutes, and in that time nothing of it can call. So the service takes it to be
alive for a while after each call. The clocks of progress and of the time budget run all the same, and whoever has
died in the middle of its work is found out when the patience is over.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from api.auth.principal import Principal
from api.schemas import HeartbeatRequest, HeldLease
from api.service.interface import Services
from domain.errors import LedgerError, ParallelWorkersError
from eventstore.clock import Clock

#: After a worker's last call: longer than most test suites take, and shorter than anybody waits for a dead agent.
PATIENCE_SECONDS = 600.0
#: Well below the time after which a silent worker counts as lost.
BEAT_SECONDS = 15.0

_LOG = logging.getLogger(__name__)


class _Held(msgspec.Struct, frozen=True):
    lease: HeldLease
    principal: Principal
    called_at: float


class Patience:
    """Remembers which worker has called about which lease, and speaks for it meanwhile."""

    def __init__(self, services: Services, clock: Clock) -> None:
        self._services = services
        self._clock = clock
        self._held: dict[tuple[str, str], _Held] = {}

    def heard(self, worker_id: str, lease: HeldLease, principal: Principal) -> None:
        """Take note of a call about a lease."""
        self._held[worker_id, lease.subtask_id] = _Held(lease, principal, self._clock.monotonic())

    async def run(self) -> None:
        """Give signs of life until cancelled."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self.beat()

    async def beat(self) -> None:
        """Give one sign of life for each worker whose last call is not too long ago."""
        oldest = self._clock.monotonic() - PATIENCE_SECONDS
        for key, held in list(self._held.items()):
            over = held.called_at < oldest or not await self._holds(key[0], held)
            # Unless it has called again meanwhile.
            if over and self._held.get(key) is held:
                del self._held[key]

    async def _holds(self, worker_id: str, held: _Held) -> bool:
        try:
            reply = await self._services.heartbeat(worker_id, HeartbeatRequest(leases=(held.lease,)), held.principal)
        except LedgerError as error:
            _LOG.warning("no sign of life could be given", extra={"worker_id": worker_id, "error": str(error)})
            return True
        except ParallelWorkersError:
            return False
        return all(state.held for state in reply.leases)
