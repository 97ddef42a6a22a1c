"""When tasks of the database at hand will be done, where no service is asked."""

from __future__ import annotations

import asyncio
from typing import Self

import psycopg

from api.schemas import EstimateView
from api.service.policy import policy_of
from api.service.supposition import AS_IT_IS, Supposition
from domain.estimation.learner import Learner
from domain.estimation.model import Model, restored, snapshot
from domain.task_state import TaskState
from eventstore.clock import Clock
from eventstore.postgres.connection import connect, unreachable
from projections.effort_models import begun, pinned
from projections.reading import settled_position

#: Events that are read beyond what the last kept model knows: a second's work.
_READ_MAX = 100_000
#: An estimate is good for so many seconds at least, and times its cost.
_GOOD_SECONDS, _GOOD_COSTS = 1.0, 10.0


class LedgerEstimates:
    """Estimates from a task's state, with the effort model as it was at the start."""

    def __init__(self, model: Model, clock: Clock) -> None:
        #: The last estimate; None before the first.
        self.latest: EstimateView | None = None
        self._model = model
        self._learner: Learner = restored(model)
        self._clock = clock
        self._next_at = clock.monotonic()

    @classmethod
    async def open(cls, url: str, clock: Clock) -> Self:
        """Take the model in use; raises `LedgerError` where the database is away."""
        return cls(await model_in_use(url), clock)

    async def renew(self, state: TaskState, position: int) -> None:
        """Make the estimate anew, unless the last one is good enough still."""
        began = self._clock.monotonic()
        if began < self._next_at:
            return
        self.latest = await self.of(state, position)
        now = self._clock.monotonic()
        self._next_at = now + max(_GOOD_SECONDS, _GOOD_COSTS * (now - began))

    async def of(self, state: TaskState, position: int, supposed: Supposition = AS_IT_IS) -> EstimateView:
        """Say when a task's phase will be done; `position` is that of the last event in its state.

        Raises `InvalidRequestError` where what is supposed makes no sense.
        """
        return await asyncio.to_thread(self._make, state, position, supposed)

    def _make(self, state: TaskState, position: int, supposed: Supposition) -> EstimateView:
        # numpy comes with it, and takes a tenth of a second to load.
        from api.service.eta import Knowledge, estimate_view, workforce_of

        known = Knowledge(
            state=state,
            position=position,
            now=self._clock.now(),
            workforce=workforce_of(state, policy_of(state.submitted)),
            learner=self._learner,
            model=self._model.sha256,
            model_position=self._model.position,
        )
        return estimate_view(known, supposed)


async def model_in_use(url: str) -> Model:
    """Give the effort model that is pinned, else what the ledger teaches as far as that is soon read.

    Raises `LedgerError` where the database is away.
    """
    try:
        async with await connect(url, "effort model") as connection:
            if (chosen := await pinned(connection)) is not None:
                return chosen.model
            settled = await settled_position(connection)
    except psycopg.Error as error:
        raise unreachable(error) from error
    training = await begun(url)
    if 0 <= settled - training.position <= _READ_MAX:
        await training.read(settled)
    return snapshot(training.learner)
