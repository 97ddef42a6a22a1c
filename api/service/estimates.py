"""The estimates of when tasks will be done: made in a thread, kept for a moment, and written down at times.

A simulation of a large task takes up to a second of a processor. One is made at a time, an estimate that is asked for
again is the same one until ten times its cost have passed, and what is made unasked may take three per cent of a
processor.
"""

from __future__ import annotations

import asyncio
import importlib
from typing import NamedTuple

from api.schemas import EstimateView
from api.service.desk import Desk
from api.service.desks import Desks
from api.service.dispatcher import Dispatcher
from api.service.effort_model import EffortModel
from api.service.policy import policy_of
from api.service.supposition import AS_IT_IS, Supposition
from domain import events as e
from domain.estimation.forecasts import occasion_of
from domain.estimation.learner import Learner
from domain.estimation.model import Model, restored
from domain.ids import TaskId
from domain.lifecycle import Draft
from domain.task_state import OVER, TaskState
from eventstore.clock import Clock

#: An estimate is good for so many seconds at least, or so many while nothing has happened, and times its cost.
_GOOD_SECONDS, _GOOD_UNCHANGED_SECONDS, _GOOD_COSTS = 1.0, 10.0, 10.0
#: Tasks whose estimates are kept: an estimate of a large task is some hundred kilobytes.
_KEPT_MAX = 256
#: Share of a processor for estimates that nobody has asked for, and how much of it may be saved up, in seconds.
_SHARE, _SAVED_MAX = 0.03, 2.0


class _Kept(NamedTuple):
    view: EstimateView
    #: What it rests on.
    facts: tuple[object, ...]
    made: float
    cost: float


class Estimates:
    """Says of the tasks of this process when they will be done."""

    def __init__(self, desks: Desks, dispatcher: Dispatcher, model: EffortModel, clock: Clock) -> None:
        self._desks = desks
        self._dispatcher = dispatcher
        self._model = model
        self._clock = clock
        self._kept: dict[TaskId, _Kept] = {}
        self._making: dict[TaskId, asyncio.Task[EstimateView]] = {}
        self._turn = asyncio.Lock()
        self._restored: tuple[str, Learner] | None = None
        self._saved, self._counted_at = _SAVED_MAX, clock.monotonic()

    def latest(self, task_id: TaskId) -> EstimateView | None:
        """Give the last estimate that was made of a task as it is; None where there was none."""
        kept = self._kept.get(task_id)
        return kept.view if kept else None

    def forget(self, task_id: TaskId) -> None:
        """Have the next estimate of a task made anew, however good the last one is."""
        self._kept.pop(task_id, None)

    async def of(self, task_id: TaskId, supposed: Supposition = AS_IT_IS) -> EstimateView:
        """Say when a task's present phase will be done; with `supposed`, if something were other than it is.

        Raises `UnknownTaskError`, and `InvalidRequestError` where what is supposed makes no sense.
        """
        desk = await self._desks.get(task_id)
        if supposed != AS_IT_IS:
            return await self._made(desk, supposed)
        kept = self._kept.get(task_id)
        return kept.view if kept and self._is_good(kept, desk) else await self._renewed(desk)

    async def refresh(self) -> None:
        """Make estimates of the tasks that are under way anew, and write down those that are worth it."""
        now = self._clock.monotonic()
        self._saved = min(self._saved + _SHARE * (now - self._counted_at), _SAVED_MAX)
        self._counted_at = now
        served = {desk.task_id: desk for desk in self._desks.served() if desk.state.status == "running"}
        for task_id in [task_id for task_id in self._kept if self._is_over(task_id)]:
            self.forget(task_id)
        due = [desk for task_id, desk in served.items() if not self._has_good(task_id, desk)]
        for desk in sorted(due, key=self._made_at):
            if self._saved <= 0.0:
                return
            view = await self._renewed(desk)
            self._saved -= self._kept[desk.task_id].cost
            await self._write_down(desk, view)

    def _is_over(self, task_id: TaskId) -> bool:
        desk = self._desks.resident(task_id)
        return desk is None or desk.state.status in OVER

    def _made_at(self, desk: Desk) -> float:
        kept = self._kept.get(desk.task_id)
        return kept.made if kept else 0.0

    def _has_good(self, task_id: TaskId, desk: Desk) -> bool:
        kept = self._kept.get(task_id)
        if kept is None or _lacks_milestone(desk.state, kept.view.position, desk.position):
            return False
        return self._is_good(kept, desk)

    def _is_good(self, kept: _Kept, desk: Desk) -> bool:
        least = _GOOD_UNCHANGED_SECONDS if kept.facts == self._facts(desk) else _GOOD_SECONDS
        return self._clock.monotonic() - kept.made < max(least, _GOOD_COSTS * kept.cost)

    def _facts(self, desk: Desk) -> tuple[object, ...]:
        # How many wait at all, because this is asked of all tasks every second.
        return desk.position, self._model.position, self._dispatcher.waiting

    # --- making one ---

    async def _renewed(self, desk: Desk) -> EstimateView:
        """Make an estimate of the task as it is, once for all who ask meanwhile."""
        if (making := self._making.get(desk.task_id)) is None:
            making = self._making[desk.task_id] = asyncio.create_task(self._renew(desk))
            making.add_done_callback(lambda _: self._making.pop(desk.task_id, None))
        return await asyncio.shield(making)

    async def _renew(self, desk: Desk) -> EstimateView:
        # Loading it is no part of what an estimate costs.
        await asyncio.to_thread(_load)
        facts, began = self._facts(desk), self._clock.monotonic()
        view = await self._made(desk, AS_IT_IS)
        now = self._clock.monotonic()
        while len(self._kept) >= _KEPT_MAX:
            del self._kept[min(self._kept, key=lambda task_id: self._kept[task_id].made)]
        self._kept[desk.task_id] = _Kept(view, facts, now, now - began)
        return view

    async def _made(self, desk: Desk, supposed: Supposition) -> EstimateView:
        async with self._turn:
            waiting = self._dispatcher.waiting_for(desk.state)
            # The model goes on learning meanwhile.
            model = self._model.snapshot
            return await asyncio.to_thread(self._make, desk.state, desk.position, model, waiting, supposed)

    def _make(
        self, state: TaskState, position: int, model: Model, waiting: frozenset[str], supposed: Supposition
    ) -> EstimateView:
        from api.service.eta import Knowledge, estimate_view, workforce_of

        if self._restored is None or self._restored[0] != model.sha256:
            self._restored = model.sha256, restored(model)
        known = Knowledge(
            state=state,
            position=position,
            now=self._clock.now(),
            workforce=workforce_of(state, policy_of(state.submitted), waiting),
            learner=self._restored[1],
            model=model.sha256,
            model_position=model.position,
        )
        return estimate_view(known, supposed)

    # --- writing it down ---

    async def _write_down(self, desk: Desk, view: EstimateView) -> None:
        """Make an event of an estimate that is worth it; another process may have done so."""
        if _forecast(desk.state, view) is None:
            return

        def deciding(state: TaskState) -> list[e.Event]:
            body = _forecast(state, view)
            return [desk.event(Draft(body, state.id), occurred_at=view.made_at)] if body is not None else []

        await desk.act(deciding)


def _load() -> None:
    """Load what simulates: numpy comes with it, and takes a tenth of a second."""
    importlib.import_module("api.service.eta")


def _lacks_milestone(state: TaskState, seen: int, position: int) -> bool:
    """Tell whether a quarter of the work is done since the last forecast, and no estimate has looked at it yet."""
    return state.forecast is not None and state.milestone > state.forecast.milestone and seen < position


def _forecast(state: TaskState, view: EstimateView) -> e.TaskForecast | None:
    """Make an estimate an event; None where it is not worth it, or there is no telling."""
    p50, p80, p95 = view.p50_seconds, view.p80_seconds, view.p95_seconds
    if p50 is None or p80 is None or p95 is None or view.phase != state.phase:
        return None
    occasion = occasion_of(state, view.made_at, p50)
    if occasion is None:
        return None
    return e.TaskForecast(
        phase=view.phase,
        occasion=occasion,
        p50_seconds=p50,
        p80_seconds=p80,
        p95_seconds=p95,
        workers=view.workers,
        open_subtasks=view.open_subtasks,
        state_position=view.position,
        model=view.model,
        model_position=view.model_position,
    )
