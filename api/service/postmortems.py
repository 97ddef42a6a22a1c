"""Post-mortems for whoever asks the service, one at a time: each reads a whole task."""

from __future__ import annotations

import asyncio
import os

from api.postmortem.document import Postmortem
from domain.ids import TaskId
from eventstore.clock import Clock
from eventstore.ledger import Ledger

#: Events that a request brings the read models up by; more is left to a process of its own.
_EVENTS_MAX = 50_000


class Postmortems:
    """Composes post-mortems."""

    def __init__(self, url: str, ledger: Ledger, clock: Clock) -> None:
        self._url = url
        self._ledger = ledger
        self._clock = clock
        self._turn = asyncio.Lock()

    async def of(self, task_id: TaskId) -> Postmortem:
        """Give a task's post-mortem, so far or in the end; see `compose` for what is raised."""
        # The tables of the read models take longer to load than the rest of a service.
        from api.postmortem.compose import compose

        cores = os.cpu_count() or 1
        async with self._turn:
            return await compose(self._url, self._ledger, task_id, self._clock, cores=cores, events_max=_EVENTS_MAX)
