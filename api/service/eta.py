"""When a task will be done, as it goes over the wire. Made outside the event loop: it takes up to a second."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from api.schemas import CriticalSubtask, EstimateView, Policy
from api.service.dispatcher import AGEING_SECONDS
from api.service.supposition import AS_IT_IS, Supposition
from domain.errors import InvalidRequestError
from domain.estimation.eta import Eta, Question, blocked_longer, eta, without_worker
from domain.estimation.eta_explained import reasons
from domain.estimation.graph import CycleError
from domain.estimation.learner import Learner
from domain.estimation.questions import Workforce, question_of, still_open, why_unknown, workers_there
from domain.task_state import TaskState

#: No end is put further off than this, in seconds: a hundred years.
_FARTHEST = 3.2e9
#: Subtasks that matter less are left out.
_CHANCE_MIN, _SHARE_MIN = 0.005, 0.005


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when an estimate is made."""

    state: TaskState
    #: Of the last event in the state.
    position: int
    now: datetime
    workforce: Workforce
    learner: Learner
    model: str
    model_position: int


def workforce_of(state: TaskState, policy: Policy, waiting: frozenset[str] = frozenset()) -> Workforce:
    """Say who there is for a task beside those that hold its work; `waiting` are the workers that wait for it."""
    recommended = state.decompositions[-1].recommended_workers if state.decompositions else 1
    return Workforce(
        waiting=waiting,
        # A run keeps so many workers at it by itself; what is served is done by whoever asks for work.
        kept=None if state.submitted.served else policy.workers or recommended,
        leases_max=policy.leases_max,
    )


def estimate_view(known: Knowledge, supposed: Supposition = AS_IT_IS) -> EstimateView:
    """Say when the present phase of a task will be done.

    Raises `InvalidRequestError` where what is supposed makes no sense for the task.
    """
    state = known.state
    workers = supposed.workers
    if workers is None:
        workers = workers_there(state, known.workforce, known.now)
    if unknown := why_unknown(state, workers):
        return _view(known, supposed, workers=workers, unknown=unknown)
    question = question_of(state, known.position, known.now, workers, AGEING_SECONDS)
    question = _suppose(question, supposed, known.workforce)
    if not question.crew and not any(one.running for one in question.subtasks):
        return _view(known, supposed, workers=0, unknown="no worker would be left to do it")
    try:
        said = eta(known.learner, known.model, question)
    except CycleError:
        return _view(known, supposed, workers=len(question.crew), unknown="subtasks wait for one another in a circle")
    if math.isinf(said.p50):
        return _view(known, supposed, workers=len(question.crew), unknown="the workers would leave before the end")
    return _told(_view(known, supposed, workers=len(question.crew)), known, question, said)


def _suppose(question: Question, supposed: Supposition, workforce: Workforce) -> Question:
    if supposed.without_worker:
        question = _without(question, supposed.without_worker, workforce)
    if supposed.blocked_longer:
        blocked = [one.id for one in question.subtasks if one.blocked_seconds is not None]
        if not blocked:
            raise InvalidRequestError(f"nothing of {question.task} is blocked")
        for subtask in blocked:
            question = blocked_longer(question, subtask, supposed.blocked_longer)
    return question


def _without(question: Question, worker: str, workforce: Workforce) -> Question:
    """Take a worker away: what it holds is begun anew by whoever is free."""
    held = [
        number
        for number, one in enumerate(one for one in question.subtasks if one.running)
        if one.worker_id == worker
    ]
    if not held and worker not in workforce.waiting:
        holders = sorted({one.worker_id for one in question.subtasks if one.running} | workforce.waiting)
        there = ", ".join(holders[:10]) or "nobody"
        told = f"{worker} neither holds work of {question.task} nor waits for it; who does: {there}"
        raise InvalidRequestError(told)
    # From the last one on, because each that is taken away moves those behind it.
    for number in reversed(held):
        question = without_worker(question, number)
    return question if held else msgspec.structs.replace(question, crew=question.crew[:-1])


def _view(known: Knowledge, supposed: Supposition, *, workers: int, unknown: str = "") -> EstimateView:
    return EstimateView(
        task_id=known.state.id,
        phase=known.state.phase,
        made_at=known.now,
        unknown=unknown,
        supposed=supposed.words,
        p50_seconds=None,
        p80_seconds=None,
        p95_seconds=None,
        p50_at=None,
        p80_at=None,
        p95_at=None,
        workers=workers,
        open_subtasks=len(still_open(known.state)),
        worker_saves_seconds=None,
        reasons=(),
        subtasks=(),
        position=known.position,
        model=known.model,
        model_position=known.model_position,
        draws=0,
    )


def _told(view: EstimateView, known: Knowledge, question: Question, said: Eta) -> EstimateView:
    """Fill in what the simulation says."""
    p50, p80, p95 = (round(min(seconds, _FARTHEST), 1) for seconds in (said.p50, said.p80, said.p95))
    titles: dict[str, str] = {subtask.id: subtask.plan.title for subtask in known.state.subtasks.values()}
    mattering = sorted(
        (one for one in said.subtasks if one.critical >= _CHANCE_MIN or one.variance >= _SHARE_MIN),
        key=lambda one: (-one.critical, -one.variance),
    )
    return msgspec.structs.replace(
        view,
        p50_seconds=p50,
        p80_seconds=p80,
        p95_seconds=p95,
        p50_at=known.now + timedelta(seconds=p50),
        p80_at=known.now + timedelta(seconds=p80),
        p95_at=known.now + timedelta(seconds=p95),
        worker_saves_seconds=round(said.worker_saves, 1),
        reasons=reasons(question, said, known.learner),
        subtasks=tuple(
            CriticalSubtask(
                id=one.id,
                title=titles[one.id],
                critical=round(one.critical, 4),
                variance=round(one.variance, 4),
            )
            for one in mattering
        ),
        draws=said.draws,
    )
