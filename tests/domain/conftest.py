"""Stories: a task told by commands, each decision of which becomes events, each event of which changes the state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from domain import events as e
from domain.evolution import evolve
from domain.ids import StreamId, SubtaskId, TaskId, WorkerId
from domain.lifecycle import Claim, Command, Draft, Judge, Limits, LoseWorker, Release, Report, decide
from domain.plan import Effort
from domain.readiness import newly_ready, waits_that_are_over
from domain.scope import TaskScope
from domain.task_state import SubtaskState, TaskState

TASK = TaskId("boto-7k3mq9xd")
START = datetime(2025, 1, 2, tzinfo=UTC)
LIMITS = Limits(attempts_max=3, losses_max=2)
QUESTION = e.ScopeClarification(question="Which one?")


def name(number: int) -> SubtaskId:
    return SubtaskId(f"{TASK}.{number}")


def planned(
    *files: str,
    after: Sequence[int] = (),
    priority: int = 0,
    p50: float = 60.0,
    problems: Sequence[int] = (0,),
    **scope: object,
) -> e.SubtaskPlanned:
    return e.SubtaskPlanned(
        phase=1,
        title="E1",
        reason="local edits",
        scope=msgspec.structs.replace(TaskScope(files=files, codes=("E1",)), **scope),
        problems=tuple(problems),
        effort=Effort(p50=p50, p80=2 * p50, p95=3 * p50),
        priority=priority,
        depends_on=tuple(name(number) for number in after),
    )


class Story:
    """A task as it is told. What is decided at once, and what follows from it, happens at one moment."""

    def __init__(self, *plans: e.SubtaskPlanned, limits: Limits = LIMITS, tree: bool = True) -> None:
        self.recorded: list[e.RecordedEvent] = []
        self.limits = limits
        self.now = START - timedelta(seconds=1)
        self._state: TaskState | None = None
        there = {"repository": "/src/boto", "base_commit": "c0", "branch": "pw/boto"}
        nowhere = dict.fromkeys(there, "")
        self.say(e.TaskSubmitted(**(there if tree else nowhere), options={}))
        self.say(e.PhaseStarted(phase=1, name="round 1"))
        for number, plan in enumerate(plans, start=1):
            self.say(plan, name(number))
        self.settle()

    @property
    def state(self) -> TaskState:
        assert self._state is not None
        return self._state

    def subtask(self, number: int = 1) -> SubtaskState:
        return self.state.subtasks[name(number)]

    def bodies(self, kind: type[e.Body]) -> list[e.Body]:
        return [record.event.body for record in self.recorded if isinstance(record.event.body, kind)]

    def say(
        self, body: e.EventBody, stream: str = TASK, epoch: int | None = None, worker: WorkerId | None = None
    ) -> None:
        # A second between what is said, so that times can be told from their order.
        self.wait(1)
        self.store([Draft(body, stream, epoch, worker)])

    def do(self, command: Command, limits: Limits | None = None) -> list[e.EventBody]:
        if isinstance(command, Judge) and not command.head:
            command = msgspec.structs.replace(command, head=self.state.head)
        decided = decide(self.state, command, limits or self.limits)
        self.wait(1)
        self.store(decided)
        self.settle()
        return [draft.body for draft in decided]

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def settle(self) -> None:
        while following := self.following():
            self.store(following)

    def following(self) -> list[Draft]:
        over = [Draft(body, subtask) for subtask, body in waits_that_are_over(self.state)]
        return over + [Draft(e.SubtaskReady(), subtask) for subtask in newly_ready(self.state, self.now)]

    def store(self, drafts: Iterable[Draft]) -> None:
        for body, stream, epoch, worker in drafts:
            position = len(self.recorded) + 1
            event = e.Event(
                task_id=TASK,
                stream_id=StreamId(stream),
                message_id=UUID(int=position),
                occurred_at=self.now,
                body=body,
                worker_id=worker,
                lease_epoch=epoch,
            )
            self.recorded.append(
                e.RecordedEvent(event=event, version=position, position=position, recorded_at=self.now)
            )
            self._state = evolve(self._state, event)


def claim(number: int = 1, worker: str = "w1") -> Claim:
    return Claim(subtask_id=name(number), worker_id=WorkerId(worker), base_commit="c0")


def report(
    message: e.WorkerMessage, number: int = 1, *, epoch: int = 1, worker: str = "w1", paths: Sequence[str] = ()
) -> Report:
    return Report(
        subtask_id=name(number), worker_id=WorkerId(worker), epoch=epoch, message=message, problem_paths=tuple(paths)
    )


def done(number: int = 1, *, epoch: int = 1, worker: str = "w1") -> Report:
    return report(e.Completed(), number, epoch=epoch, worker=worker)


def blocked(
    number: int = 1,
    issue: e.Issue = QUESTION,
    *,
    epoch: int = 1,
    worker: str = "w1",
    context: str = "",
    paths: Sequence[str] = (),
) -> Report:
    return report(e.Blocked(issue=issue, context=context), number, epoch=epoch, worker=worker, paths=paths)


def lose(
    number: int = 1, *, epoch: int = 1, coordinator_gone: bool = False, clock: e.LeaseClock = "heartbeat"
) -> LoseWorker:
    return LoseWorker(
        subtask_id=name(number), epoch=epoch, reason="killed", coordinator_gone=coordinator_gone, clock=clock
    )


def release(number: int = 1, *, epoch: int = 1) -> Release:
    return Release(subtask_id=name(number), epoch=epoch, reason="paused")


def accept(number: int = 1, *, epoch: int = 1, commit: str = "c1") -> Judge:
    return Judge(subtask_id=name(number), epoch=epoch, commit=commit, files=("a.py",))


def reject(number: int = 1, *, epoch: int = 1) -> Judge:
    broken = e.GateEvaluated(gate="scope", passed=False, score=0.5, detail="changed b.py")
    return Judge(subtask_id=name(number), epoch=epoch, gates=(broken,))


def failed(error: str = "exit code 2", *, recoverable: bool = True) -> e.Failed:
    return e.Failed(error=error, recoverable=recoverable)


def told(*commands: Command, plans: Sequence[e.SubtaskPlanned] = (planned("a.py"),), **how: object) -> Story:
    story = Story(*plans, **how)
    for command in commands:
        story.do(command)
    return story
