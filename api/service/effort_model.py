"""The effort model of this process: what the ledger has taught, followed as it goes on.

All processes fold the same events in the same order and so have the same model, one perhaps a little later than
another. Where a model is pinned, that one speaks, whatever comes after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg

from domain.errors import LedgerError, ModelError
from domain.estimation.explain import quantile
from domain.estimation.learner import Learner
from domain.estimation.model import Model, restored, snapshot
from domain.estimation.shipped import SHIPPED
from domain.estimation.subtasks import features_of
from domain.events import RecordedEvent
from domain.plan import StartForecast
from domain.task_state import SubtaskState, TaskState
from eventstore.clock import Clock
from eventstore.postgres.connection import connect, unreachable
from projections.effort_models import Kept, begun, keep, pinned, pinned_sha256
from projections.learning import Training

#: How often the choice of a model is looked at, in seconds.
REFRESH_SECONDS = 10.0
#: Completions after which a model is kept, so that the next process need not learn them again.
_KEEP_EVERY = 500
#: Events that are waited for when a process starts; what is further back is learnt while it works.
_WAITS_FOR_EVENTS = 20_000
#: Events that are learnt at once: a few milliseconds, for which everybody else waits.
_AT_ONCE = 200

_LOG = logging.getLogger(__name__)


class EffortModel:
    """A learner that follows the ledger at `url` while `follow` is entered, and knows what is shipped before."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._training = Training(url, Learner(prior=SHIPPED))
        #: What speaks in its stead.
        self._pinned: Model | None = None
        self._pinned_learner = Learner(prior=SHIPPED)
        self._kept_at = 0
        self._snapshot: Model | None = None
        self._news: asyncio.Queue[Sequence[RecordedEvent]] = asyncio.Queue()
        #: Whether it has stopped for good.
        self._deaf = False

    @property
    def learner(self) -> Learner:
        """Who forecasts now; goes on learning, so whoever needs more than one moment's takes a `snapshot`."""
        return self._training.learner if self._pinned is None else self._pinned_learner

    @property
    def snapshot(self) -> Model:
        """What the model knows now, for whoever must not see it change."""
        if self._pinned is not None:
            return self._pinned
        if self._snapshot is None:
            self._snapshot = snapshot(self._training.learner)
        return self._snapshot

    @property
    def sha256(self) -> str:
        """Name what the model knows: equal for equal knowledge."""
        return self.snapshot.sha256

    @property
    def position(self) -> int:
        """Of the last event that the model has learnt from."""
        return self.learner.state.position

    def start_forecast(self, state: TaskState, subtask: SubtaskState, worker_id: str) -> StartForecast:
        """Say how long a subtask will take a worker that is about to have it."""
        tool = state.observations[-1].tool if state.observations else ""
        learner = self.learner
        forecast = learner.forecast(features_of(state.id, state.submitted, subtask.plan, tool, worker_id))
        p50, p80, p95 = (round(quantile(learner, forecast, share), 3) for share in (0.5, 0.8, 0.95))
        issued = forecast.issued
        return StartForecast(
            p50=p50,
            p80=p80,
            p95=p95,
            mean=issued.mean,
            spread=issued.spread,
            doubt=issued.doubt,
            position=learner.state.position,
        )

    # --- following the ledger ---

    def hear(self, records: Sequence[RecordedEvent]) -> None:
        """Take note of the next events of the feed; they are learnt from in turn."""
        if records and not self._deaf:
            self._news.put_nowait(records)

    @asynccontextmanager
    async def follow(self, until: int) -> AsyncIterator[None]:
        """Learn the ledger up to a position, from which on `hear` is told everything, and go on until the block ends.

        Waits for the former where that is soon done. Raises `LedgerError` where the database is away.
        """
        self._training = await begun(self._url)
        self._kept_at = self._training.learner.state.completions
        await self.refresh()
        far = until - self._training.position > _WAITS_FOR_EVENTS
        if not far:
            await self._read(until)
        following = asyncio.create_task(self._follow(until), name="effort model")
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            with contextlib.suppress(LedgerError):
                await self.keep()

    async def refresh(self) -> None:
        """Look whether somebody has pinned a model, or let go of it."""
        try:
            async with await connect(self._url, "effort model") as connection:
                if await pinned_sha256(connection) == (self._pinned.sha256 if self._pinned else ""):
                    return
                chosen = await pinned(connection)
        except psycopg.Error as error:
            raise unreachable(error) from error
        if chosen is None:
            self._pinned = None
            return
        try:
            self._pinned_learner = restored(chosen.model)
        except ModelError as error:
            _LOG.warning("the pinned effort model cannot be used", extra={"reason": str(error)})
            return
        self._pinned = chosen.model

    async def keep(self) -> None:
        """Keep the model for the next process, where it has learnt enough since it was last kept."""
        state = self._training.learner.state
        if state.completions - self._kept_at < _KEEP_EVERY:
            return
        kept = Kept(model=snapshot(self._training.learner), position=self._training.position)
        self._kept_at = state.completions
        try:
            async with await connect(self._url, "effort model") as connection:
                await keep(connection, kept, self._clock.now(), asked_for=False)
        except psycopg.Error as error:
            raise unreachable(error) from error

    async def _read(self, until: int) -> None:
        await self._training.read(until, events_at_once=_AT_ONCE)
        self._snapshot = None

    async def _follow(self, until: int) -> None:
        while True:
            try:
                if self._training.position < until:
                    await self._read(until)
                records = await self._news.get()
                until = records[-1].position
                if await self._training.take_in(records):
                    self._snapshot = None
            except LedgerError as error:
                # Nothing is lost: what was missed is read from the ledger in the next turn.
                _LOG.warning("the effort model waits", extra={"reason": str(error)})
                await asyncio.sleep(1.0)
            except Exception:  # noqa: BLE001 - estimates that stand still must not end the service
                _LOG.exception("the effort model does not follow the ledger any more")
                self._deaf = True
                return
