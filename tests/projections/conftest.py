"""Histories of tasks: written by hand, event by event, at the second that the test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain import events as e
from domain.ids import StreamId, TaskId, WorkerId
from domain.plan import Effort
from domain.scope import TaskScope
from eventstore.ledger import Ledger

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class History:
    """The events of one task, in the order in which they are added."""

    def __init__(self, task: str, first_message: int) -> None:
        self.task = TaskId(task)
        self.events: list[e.Event] = []
        self._first_message = first_message

    @property
    def recorded(self) -> list[e.RecordedEvent]:
        """The events as the ledger would give them back."""
        versions: dict[str, int] = {}
        records = []
        for position, event in enumerate(self.events, 1):
            versions[event.stream_id] = versions.get(event.stream_id, 0) + 1
            records.append(
                e.RecordedEvent(
                    event=event, version=versions[event.stream_id], position=position, recorded_at=event.occurred_at
                )
            )
        return records

    def add(
        self,
        second: float,
        body: e.EventBody,
        *,
        subtask: int | None = None,
        epoch: int | None = None,
        worker: str = "w1",
    ) -> None:
        """Say something at a second of the run: about the task, or about a subtask under an epoch."""
        stream = self.task if subtask is None else f"{self.task}.{subtask}"
        self.events.append(
            e.Event(
                task_id=self.task,
                stream_id=StreamId(stream),
                message_id=UUID(int=self._first_message + len(self.events)),
                occurred_at=START + timedelta(seconds=second),
                body=body,
                worker_id=None if epoch is None else WorkerId(worker),
                lease_epoch=epoch,
            )
        )

    def submit(self, second: float = 0, *, worker: str = "ruff-fix") -> None:
        options = {"worker": {"name": worker}}
        self.add(
            second,
            e.TaskSubmitted(repository="/tree", base_commit="c0", branch=f"pw/{self.task}", options=options),
        )

    def observe(self, second: float, codes: dict[str, int], *, phase: int = 1) -> None:
        count = sum(codes.values())
        self.add(
            second,
            e.ProblemsObserved(
                phase=phase, commit="c0", format="ruff", tool="ruff", artifact="0" * 64, problems=count,
                targeted=count, codes=codes,
            ),
        )  # fmt: skip

    def plan(self, second: float, *p50: float, prior: float = 1.0, phase: int = 1) -> None:
        """Decompose into as many subtasks as there are estimates, each with a file of its own."""
        self.add(
            second,
            e.TaskDecomposed(
                phase=phase, strategy="file", subtasks=len(p50), plan_hash="h", recommended_workers=1,
                recommendation="r",
            ),
        )  # fmt: skip
        self.add(second, e.PhaseStarted(phase=phase, name=f"round {phase}"))
        first = 1 + sum(isinstance(event.body, e.SubtaskPlanned) for event in self.events)
        for number, seconds in enumerate(p50, first):
            self.add(
                second,
                e.SubtaskPlanned(
                    phase=phase,
                    title=f"subtask {number}",
                    reason="one file",
                    scope=TaskScope(files=(f"{number}.py",), codes=("E1",)),
                    problems=(number, number + 100),
                    effort=Effort(p50=seconds, p80=2 * seconds, p95=3 * seconds, prior=prior),
                    priority=0,
                ),
                subtask=number,
            )
            self.add(second, e.SubtaskReady(), subtask=number)

    def claim(self, second: float, subtask: int = 1, *, epoch: int = 1, worker: str = "w1") -> None:
        self.add(second, e.SubtaskClaimed(base_commit="c0"), subtask=subtask, epoch=epoch, worker=worker)

    def start(self, second: float, subtask: int = 1, *, epoch: int = 1, worker: str = "w1") -> None:
        """Claim a subtask and begin with it in the same second."""
        self.claim(second, subtask, epoch=epoch, worker=worker)
        self.add(second, e.Started(), subtask=subtask, epoch=epoch, worker=worker)

    def complete(self, second: float, subtask: int = 1, *, epoch: int = 1, cpu: float | None = None) -> None:
        result = {} if cpu is None else {"cpu_seconds": cpu}
        self.add(second, e.Completed(result=result), subtask=subtask, epoch=epoch)

    def gate(self, second: float, subtask: int = 1, *, name: str, passed: bool, seconds: float = 0.0) -> None:
        body = e.GateEvaluated(gate=name, passed=passed, score=float(passed), seconds=seconds)
        self.add(second, body, subtask=subtask, epoch=1)

    def accept(self, second: float, subtask: int = 1, *, epoch: int = 1, files: tuple[str, ...] = ()) -> None:
        body = e.SubtaskAccepted(commit=f"c{subtask}", files_changed=max(len(files), 1), files=files)
        self.add(second, body, subtask=subtask, epoch=epoch)


@pytest.fixture
def new_history() -> Callable[[str], History]:
    """Start the history of one more task; message ids are never given twice."""
    started: list[History] = []

    def start(task: str) -> History:
        started.append(History(task, 1_000_000 * (len(started) + 1)))
        return started[-1]

    return start


@pytest.fixture
def history(new_history: Callable[[str], History]) -> History:
    """A task that was submitted at second 0."""
    history = new_history("tree-1")
    history.submit()
    return history


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Ledger]:
    async with Ledger.open(database_url) as ledger:
        yield ledger
