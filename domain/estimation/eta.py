"""When a task will be done: the rest of its graph, simulated on the workers there are."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import msgspec
import numpy as np

from domain.estimation.draws import Work, drawn
from domain.estimation.features import Completion, Features, Report
from domain.estimation.graph import Graph, Task
from domain.estimation.learner import Learner
from domain.estimation.outcomes import Chances
from domain.estimation.simulation import Crew, Floats, Runs, run

#: Draws; fewer where so much is open that more would take longer than a second.
_DRAWS, _DRAWS_MIN = 1_000, 50
_STEPS_MAX = 1_600_000
#: So many others that are told of an end cost as much as a job (measured).
_LINKS_A_JOB = 11
#: Draws of the question what one more worker would save.
_MORE_DRAWS = 200


class OpenSubtask(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask that has not ended."""

    id: str
    #: Who has it.
    worker_id: str = ""
    #: With the worker where it is running; without where it is not known yet.
    features: Features
    #: Active seconds so far; None where it is not running.
    elapsed_seconds: float | None = None
    #: How long an attempt at it was that was lost: the next one takes longer than that.
    lost_seconds: float = 0.0
    #: The latest word of its worker.
    report: Report | None = None
    #: Its worker is done: only the gates and the merge are left.
    reported: bool = False
    #: No attempt lasts longer: its lease or time budget ends then.
    limit_seconds: float | None = None
    #: As the dispatcher has it: lower goes first, then the longest by the effort that was planned.
    priority: int = 0
    effort_seconds: float = 0.0
    files: frozenset[str] = frozenset()
    #: Numbers of others in the list that must end before.
    depends_on: tuple[int, ...] = ()
    #: How long its blocker has been open; None where it has none. How much longer is drawn as blockers have lasted.
    blocked_seconds: float | None = None
    #: Number of the other in the list whose end is the answer.
    waits_for: int | None = None
    #: Seconds for which it stands still beside that.
    opens_in: float = 0.0
    #: How likely it fails or stands still, where that is known better than from the ledger.
    chances: Chances | None = None

    @property
    def running(self) -> bool:
        """Tell whether a worker has it."""
        return self.elapsed_seconds is not None or self.reported


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """All that an answer depends on: the same question has the same answer."""

    task: str
    #: Up to where the task's events were read.
    position: int
    subtasks: tuple[OpenSubtask, ...]
    crew: tuple[Crew, ...]
    #: What keeps a worker busy with each subtask beside its active time: making ready, gates, the merge.
    overhead_seconds: float = 0.5
    #: By how much more than their active time attempts last, where workers share processors.
    slow_down: float = 1.0


class SubtaskOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a subtask means for the end."""

    id: str
    #: Chance that the end waits for it.
    critical: float
    #: Share of the variance of the end that goes with its own time.
    variance: float


class Eta(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds from now until the end, and what they depend on."""

    p50: float
    p80: float
    p95: float
    subtasks: tuple[SubtaskOutlook, ...]
    #: What one more worker, from now on, would take off P50.
    worker_saves: float
    draws: int


def eta(learner: Learner, model_sha256: str, question: Question) -> Eta:
    """Estimate the end. With nobody at work it is infinite.

    Raises `CycleError` where dependencies form a cycle.
    """
    if not question.subtasks:
        return Eta(p50=0.0, p80=0.0, p95=0.0, subtasks=(), worker_saves=0.0, draws=0)
    work = _work(learner, question)
    graph = Graph(_tasks(question.subtasks))
    draws = _affordable(graph)
    came = drawn(learner, work, draws, _source(model_sha256, question))
    runs = run(graph, came.seconds, came.waits, question.crew, opens=came.opens, one_more=_MORE_DRAWS)
    p50, p80, p95 = (float(np.quantile(runs.makespans, share, method="higher")) for share in (0.5, 0.8, 0.95))
    variances = _variances(came.seconds, runs)
    return Eta(
        p50=p50,
        p80=p80,
        p95=p95,
        subtasks=tuple(
            SubtaskOutlook(id=one.id, critical=float(critical), variance=float(variance))
            for one, critical, variance in zip(question.subtasks, runs.critical, variances, strict=True)
        ),
        worker_saves=_saved(runs),
        draws=draws,
    )


def without_worker(question: Question, number: int) -> Question:
    """Ask as if a worker were lost; what it had begun is begun anew by whoever is free."""
    running = [place for place, one in enumerate(question.subtasks) if one.running]
    subtasks = list(question.subtasks)
    if number < len(running):
        lost = subtasks[running[number]]
        subtasks[running[number]] = msgspec.structs.replace(
            lost,
            worker_id="",
            elapsed_seconds=None,
            lost_seconds=max(lost.elapsed_seconds or 0.0, lost.lost_seconds),
            report=None,
            reported=False,
        )
    crew = question.crew[:number] + question.crew[number + 1 :]
    return msgspec.structs.replace(question, subtasks=tuple(subtasks), crew=crew)


def blocked_longer(question: Question, subtask: str, seconds: float) -> Question:
    """Ask as if a subtask's blocker were open for so much longer."""
    return msgspec.structs.replace(
        question,
        subtasks=tuple(
            msgspec.structs.replace(one, opens_in=one.opens_in + seconds) if one.id == subtask else one
            for one in question.subtasks
        ),
    )


def _source(model_sha256: str, question: Question) -> np.random.Generator:
    named = f"{model_sha256} {question.task} {question.position}".encode()
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(named).digest(), "big")))


def _affordable(graph: Graph) -> int:
    work = len(graph.tasks) + graph.links // _LINKS_A_JOB
    return max(min(_DRAWS, _STEPS_MAX // work), _DRAWS_MIN)


def _work(learner: Learner, question: Question) -> list[Work]:
    """Forecast what is open, with what is known of running work already."""
    # What was seen is wall time; what is learnt is the worker's own.
    pace = 1.0 / question.slow_down
    supposing = learner.supposing(
        Completion(position=question.position, features=one.features, seconds=passed * pace, censored=True)
        for one in question.subtasks
        if not one.reported and (passed := one.elapsed_seconds or one.lost_seconds) > 0.0
    )
    return [
        Work(
            forecast=supposing.forecast(one.features),
            chances=one.chances or learner.state.outcomes.chances(one.features),
            elapsed_seconds=None if one.elapsed_seconds is None else one.elapsed_seconds * pace,
            lost_seconds=one.lost_seconds * pace,
            report=one.report,
            reported=one.reported,
            limit_seconds=None if one.limit_seconds is None else one.limit_seconds * pace,
            overhead_seconds=question.overhead_seconds,
            slow_down=question.slow_down,
            blocked_seconds=one.blocked_seconds,
            waits_for=one.waits_for,
            opens_in=one.opens_in,
        )
        for one in question.subtasks
    ]


def _tasks(subtasks: Sequence[OpenSubtask]) -> list[Task]:
    return [
        Task(
            priority=one.priority,
            expected_seconds=one.effort_seconds,
            files=one.files,
            depends_on=one.depends_on,
            running=one.running,
        )
        for one in subtasks
    ]


def _saved(runs: Runs) -> float:
    """Compare the same draws with one more worker."""
    more = runs.with_one_more
    before, after = (float(np.median(spans)) for spans in (runs.makespans[: more.size], more))
    return max(before - after, 0.0) if math.isfinite(before) else math.inf


def _variances(seconds: Floats, runs: Runs) -> Floats:
    """Give the squared correlation of each subtask's time with the end."""
    spans = runs.makespans
    if not np.isfinite(spans).all() or not spans.std():
        return np.zeros(seconds.shape[1])
    centred = seconds - seconds.mean(axis=0)
    deviations = centred.std(axis=0)
    products = (spans - spans.mean()) @ centred / len(spans)
    correlations: Floats = np.divide(
        products, deviations * spans.std(), out=np.zeros_like(products), where=deviations > 0
    )
    return correlations**2
