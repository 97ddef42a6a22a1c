"""The report of a run, folded from the events of its task: what came of it, and what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from domain import events as e
from domain.counted import counted
from domain.events import RecordedEvent
from domain.evolution import evolve
from domain.gates import MERGE
from domain.task_state import SubtaskState, TaskState

#: A worker that uses at least this share of the processors it could have keeps a processor busy.
_BUSY = 0.5


class SubtaskReport(msgspec.Struct, frozen=True, kw_only=True):
    """One subtask as it ended."""

    id: str
    title: str
    status: str
    problems: int
    attempts: int
    rejected: int
    lost: int
    estimated_seconds: float
    worker_seconds: float
    note: str


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a task, so far or in the end."""

    task_id: str
    status: str
    reason: str
    branch: str
    head: str
    #: Problems per code, by the first and by the last observation.
    before: dict[str, int]
    after: dict[str, int]
    #: How often a tool looked at the tree: after one look nobody knows what is left.
    observations: int
    #: Subtasks whose work was taken, attempts whose work was refused, workers that were lost.
    accepted: int
    rejected: int
    lost: int
    held: int
    conflicts: int
    phases: int
    #: From the first to the last event, without the time in which the task was paused or nobody ran it.
    wall_seconds: float
    #: Time from the worker's first word to its last, summed over all attempts.
    worker_seconds: float
    #: Processor time of the worker processes, where they said it.
    worker_cpu_seconds: float
    #: Gates and merges, summed: what coordination cost.
    gate_seconds: float
    #: What one worker alone would have needed for the attempts, over the wall time.
    speedup: float
    #: What that figure rests on, in words.
    speedup_basis: str
    subtasks: tuple[SubtaskReport, ...]


def build_report(recorded: Sequence[RecordedEvent], *, cores: int) -> RunReport:
    """Fold a task's events, all of them and in order, into its report.

    `cores` is the number of processors of the machine that ran the workers. Raises `ValueError` where there are
    no events.
    """
    tally = _Tally()
    for record in recorded:
        tally.add(record.event)
    if tally.state is None:
        raise ValueError("a task without events has no report")
    return tally.report(cores)


class _Tally:
    """The task's state, and beside it what only the whole course of events tells."""

    def __init__(self) -> None:
        self.state: TaskState | None = None
        self.wall = 0.0
        self.cpu = 0.0
        self.gates = 0.0
        self.conflicts = 0
        self.lost = 0
        self.rejected: Counter[str] = Counter()
        #: The most workers that worked at once.
        self.peak = 0
        self._last: datetime | None = None

    @property
    def worker(self) -> float:
        return sum(subtask.worked_seconds for subtask in self.state.subtasks.values()) if self.state else 0.0

    def add(self, event: e.Event) -> None:
        if self._last is not None and not is_taking_over(event.body):
            self.wall += max((event.occurred_at - self._last).total_seconds(), 0.0)
        self._last = event.occurred_at
        self.state = evolve(self.state, event)
        match event.body:
            case e.Started():
                live = (subtask for subtask in self.state.subtasks.values() if subtask.started_at is not None)
                self.peak = max(self.peak, sum(1 for _ in live))
            case e.Completed(result=result):
                self.cpu += float(result.get("cpu_seconds", 0.0))
            case e.LeaseExpired():
                self.lost += 1
            case e.SubtaskRejected():
                self.rejected[event.stream_id] += 1
            case e.GateEvaluated(gate=gate, passed=passed, seconds=seconds):
                self.gates += seconds
                self.conflicts += gate == MERGE and not passed

    def report(self, cores: int) -> RunReport:
        state = self.state
        assert state is not None  # noqa: S101 - build_report has looked
        alone, basis = self._alone(cores)
        observations = state.observations
        subtasks = tuple(state.subtasks.values())
        return RunReport(
            task_id=state.id,
            status=state.status,
            reason=state.reason,
            branch=state.submitted.branch,
            head=state.head,
            before=_by_count(observations[0].codes) if observations else {},
            after=_by_count(observations[-1].codes) if observations else {},
            observations=len(observations),
            accepted=sum(subtask.status == "accepted" for subtask in subtasks),
            rejected=self.rejected.total(),
            lost=self.lost,
            held=sum(subtask.status == "held" for subtask in subtasks),
            conflicts=self.conflicts,
            phases=len(state.decompositions),
            wall_seconds=round(self.wall, 3),
            worker_seconds=round(self.worker, 3),
            worker_cpu_seconds=round(self.cpu, 3),
            gate_seconds=round(self.gates, 3),
            speedup=round(alone / self.wall, 2) if self.wall else 0.0,
            speedup_basis=basis,
            subtasks=tuple(_subtask(subtask, self.rejected[subtask.id]) for subtask in subtasks),
        )

    def _alone(self, cores: int) -> tuple[float, str]:
        """Estimate what one worker alone would have needed, from what was measured.

        Workers that share processors each take longer than one would alone. So where they kept the processors
        busy, only as much of their time counts as there were processors for.
        """
        share = min(1.0, cores / max(self.peak, 1))
        if share < 1.0 and self.cpu >= _BUSY * self.worker * share:
            alone = max(self.cpu, self.worker * share)
            return alone, (
                f"{alone:.1f} s over the wall time: {self.peak} workers shared {cores} processors, so {share:.0%} of "
                f"their time"
            )
        return self.worker, f"worker time over wall time, with up to {counted(self.peak, 'worker')} at once"


def _by_count(codes: dict[str, int]) -> dict[str, int]:
    """Order by how many there are: Postgres keeps objects in an order of its own."""
    return dict(sorted(codes.items(), key=lambda entry: (-entry[1], entry[0])))


def is_taking_over(body: e.EventBody) -> bool:
    """Tell whether nobody ran the task before this event.

    A coordinator takes back what one that is gone held, or a task that had ended was archived.
    """
    if isinstance(body, e.LeaseExpired):
        return body.coordinator_gone
    return isinstance(body, e.TaskResumed | e.TaskArchived)


def _subtask(subtask: SubtaskState, rejected: int) -> SubtaskReport:
    return SubtaskReport(
        id=subtask.id,
        title=subtask.plan.title,
        status=subtask.status,
        problems=len(subtask.plan.problems),
        attempts=subtask.epoch,
        rejected=rejected,
        lost=subtask.losses,
        estimated_seconds=subtask.plan.effort.p50,
        worker_seconds=round(subtask.worked_seconds, 3),
        note=subtask.note,
    )
