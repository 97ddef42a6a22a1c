"""A task in which everything goes wrong once, written by hand: what a post-mortem must find is known.

second   w1                          w2                          w3
20       1 (imports, a.py)           2 (imports, b.py)           3 (formatting, c.py)
72-102   asks a question                                         blocked 42-52: a system outside
92-97                                lost, noticed at 100        3 done, accepted
101                                                              2 again; waits for 1 from 113 to 212
105-150                              5 (syntax, f.py), larger than its budget
152-160  1 refused by a gate
165-212  1 again, accepted
214-225                              4 (formatting, d.py) fails
230-318  4 again, accepted
232-237                                                          2 does not merge: it has changed a.py, too
240-265                                                          2 again, accepted, with a change of a.py
330      round 2: without the syntax error, f.py shows its imports
340-365  6 (imports, f.py)
375      round 3: an import block of a.py is as it was
385-415                                                          7 (imports, a.py)
420      nothing is left
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from domain import events as e
from domain.ids import StreamId, TaskId, WorkerId
from domain.plan import Effort, WorkerCurvePoint
from domain.scope import TaskScope
from eventstore.artifacts import ArtifactStore
from eventstore.ledger import Ledger
from eventstore.postgres.connection import connect
from projections.catch_up import catch_up

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
TASK = TaskId("shop-1")

_UNSORTED = "Import block is un-sorted or un-formatted"
_LATE = "Import block is not at the top"
_LONG = "Line too long (130 > 118)"
#: What ruff says: code, file, line, message. The first problem of a.py comes back in the third round.
OBSERVATIONS: tuple[tuple[tuple[str, str, int, str], ...], ...] = (
    (
        ("I001", "a.py", 1, _UNSORTED),
        ("I001", "a.py", 9, _LATE),
        ("I001", "b.py", 1, _UNSORTED),
        ("E501", "c.py", 5, _LONG),
        ("E501", "c.py", 7, _LONG),
        ("E501", "c.py", 9, _LONG),
        ("E501", "d.py", 2, _LONG),
        ("invalid-syntax", "f.py", 3, "Expected a statement"),
    ),
    (("I001", "f.py", 1, _LATE),),
    (("I001", "a.py", 1, _UNSORTED),),
    (),
)

_DETAILS: dict[type, str] = {
    e.DependencyWait: "waits for subtask 1, which works in a.py",
    e.ExternalDependency: "registry: down",
    e.ComplexityExceeded: "60 s more are asked for",
    e.ScopeClarification: "asks: which order?",
}


def at(second: float) -> datetime:
    """Give the moment of a second of the incident."""
    return START + timedelta(seconds=second)


def output_of(problems: Iterable[tuple[str, str, int, str]]) -> bytes:
    """Write problems as ruff does."""
    return json.dumps(
        [
            {
                "cell": None,
                "code": code,
                "filename": path,
                "message": message,
                "location": {"row": row, "column": 1},
                "end_location": {"row": row, "column": 2},
                "fix": None,
            }
            for code, path, row, message in problems
        ]
    ).encode()


async def store_incident(url: str, task: TaskId = TASK) -> None:
    """Append the incident to the ledger, and bring the read models up to it."""
    await _store(url, task, _Incident)


async def store_paused_incident(url: str, task: TaskId) -> None:
    """Append the incident with an hour in it in which it was paused; see `_PausedIncident`."""
    await _store(url, task, _PausedIncident)


async def store_killed_run(url: str, task: TaskId) -> None:
    """Append a run whose coordinator was killed; see `_KilledRun`."""
    await _store(url, task, _KilledRun)


def killed_run(task: TaskId) -> list[e.Event]:
    """Give the events of a run whose coordinator was killed; see `_KilledRun`."""
    return _KilledRun(task, [""] * len(OBSERVATIONS)).events()


async def _store(url: str, task: TaskId, incident: type[_Incident]) -> None:
    async with await connect(url, "incident") as connection:
        artifacts = [await ArtifactStore(connection).store(task, output_of(seen)) for seen in OBSERVATIONS]
    async with Ledger.open(url) as ledger:
        await ledger.append(incident(task, artifacts).events())
    await catch_up(url)


class _Incident:
    """The events of the incident, second by second."""

    def __init__(self, task: TaskId, artifacts: list[str]) -> None:
        self._task = task
        self._artifacts = artifacts
        self._events: list[e.Event] = []

    def events(self) -> list[e.Event]:
        self._round_1()
        self._subtask_3()
        self._until_a_worker_is_lost()
        self._subtask_5()
        self._subtask_1_again()
        self._subtask_4()
        self._subtask_2_again()
        self._rounds_2_and_3()
        # Stable: what happens in one second stays in the order in which it was written.
        return sorted(self._events, key=lambda event: event.occurred_at)

    # --- what is said ---

    def _say(self, second: float, body: e.EventBody, subtask: int | None = None, hold: str = "") -> None:
        """Say something of the task or of a subtask, under a hold such as `w1/2`: worker and epoch."""
        stream = self._task if subtask is None else f"{self._task}.{subtask}"
        worker, _, epoch = hold.partition("/")
        self._events.append(
            e.Event(
                task_id=self._task,
                stream_id=StreamId(stream),
                message_id=UUID(int=len(self._events) + 1),
                occurred_at=at(second),
                body=body,
                worker_id=WorkerId(worker) if hold else None,
                lease_epoch=int(epoch) if hold else None,
            )
        )

    def _observe(self, second: float, phase: int) -> None:
        seen = OBSERVATIONS[phase - 1]
        codes = {code: sum(one[0] == code for one in seen) for code in dict.fromkeys(one[0] for one in seen)}
        self._say(
            second,
            e.ProblemsObserved(
                phase=phase, commit="c0", format="ruff", tool="ruff", artifact=self._artifacts[phase - 1],
                problems=len(seen), targeted=len(seen), codes=codes,
            ),
        )  # fmt: skip

    def _decompose(self, second: float, phase: int, subtasks: int) -> None:
        curve = tuple(
            WorkerCurvePoint(workers=workers, makespan_seconds=300.0 / workers, p80_seconds=400.0 / workers)
            for workers in (1, 2, 3)
        )
        self._say(
            second,
            e.TaskDecomposed(
                phase=phase, strategy="file", subtasks=subtasks, plan_hash="0" * 64, recommended_workers=3,
                recommendation="3 workers", curve=curve,
            ),
        )  # fmt: skip
        self._say(second, e.PhaseStarted(phase=phase, name=f"round {phase}"))

    def _plan(
        self, second: float, subtask: int, path: str, code: str, problems: tuple[int, ...], p50: float,
        *, phase: int = 1, after: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        self._say(
            second,
            e.SubtaskPlanned(
                phase=phase,
                title=f"{code} in {path}",
                reason="one rule in one file",
                scope=TaskScope(files=(path,), codes=(code,)),
                problems=problems,
                effort=Effort(p50=p50, p80=2 * p50, p95=3 * p50, prior=p50),
                priority=subtask,
                depends_on=tuple(f"{self._task}.{other}" for other in after),  # type: ignore[misc]
            ),
            subtask,
        )
        if not after:
            self._ready(second, subtask)

    def _ready(self, second: float, subtask: int) -> None:
        self._say(second, e.SubtaskReady(), subtask)

    def _claim(self, claimed: float, started: float, subtask: int, hold: str) -> None:
        self._say(claimed, e.SubtaskClaimed(base_commit="c0"), subtask, hold)
        self._say(started, e.Started(), subtask, hold)

    def _complete(self, second: float, subtask: int, hold: str, cost: float | None) -> None:
        usage = None if cost is None else e.Usage(model="large", tokens_in=1000, tokens_out=100, cost=cost)
        self._say(second, e.Completed(summary="done", usage=usage), subtask, hold)

    def _gate(self, second: float, subtask: int, hold: str, gate: str, seconds: float, fault: str = "") -> None:
        self._say(
            second,
            e.GateEvaluated(gate=gate, passed=not fault, score=float(not fault), detail=fault, seconds=seconds),
            subtask,
            hold,
        )

    def _accept(self, second: float, subtask: int, hold: str, *files: str) -> None:
        self._gate(second, subtask, hold, "scope", 1.0)
        self._gate(second, subtask, hold, "merge", 1.0)
        accepted = e.SubtaskAccepted(commit=f"c{len(self._events)}", files_changed=len(files), files=files)
        self._say(second, accepted, subtask, hold)

    def _block(
        self,
        second: float,
        subtask: int,
        hold: str,
        issue: e.Issue,
        policy: e.BlockerPolicy,
        waits_for: int | None = None,
    ) -> None:
        self._say(second, e.Blocked(issue=issue, context="stuck"), subtask, hold)
        opened = e.BlockerOpened(
            number=1,
            policy=policy,
            detail=_DETAILS[type(issue)],
            waits_for=f"{self._task}.{waits_for}" if waits_for else None,  # type: ignore[arg-type]
        )
        self._say(second, opened, subtask, hold)

    # --- what happens ---

    def _round_1(self) -> None:
        submitted = e.TaskSubmitted(
            repository="/shop", base_commit="c0", branch="pw/shop-1", options={"worker": {"name": "agent"}}
        )
        self._say(0, submitted)
        self._observe(10, 1)
        self._decompose(20, 1, 5)
        self._plan(20, 1, "a.py", "I001", (0, 1), 100.0)
        self._plan(20, 2, "b.py", "I001", (2,), 50.0)
        self._plan(20, 3, "c.py", "E501", (3, 4, 5), 60.0)
        self._plan(20, 4, "d.py", "E501", (6,), 40.0, after=(1,))
        self._plan(20, 5, "f.py", "invalid-syntax", (7,), 30.0)

    def _subtask_3(self) -> None:
        self._claim(20, 22, 3, "w3/1")
        self._block(42, 3, "w3/1", e.ExternalDependency(system="registry", issue="down"), "ask")
        self._say(52, e.BlockerAnswered(number=1, text="it is up again", by="ann"), 3, "w3/1")
        self._say(52, e.Progress(completed=1, total=3), 3, "w3/1")
        self._complete(92, 3, "w3/1", 0.25)
        self._accept(97, 3, "w3/1", "c.py")

    def _until_a_worker_is_lost(self) -> None:
        self._claim(20, 22, 1, "w1/1")
        self._claim(20, 22, 2, "w2/1")
        self._say(40, e.Progress(completed=0, total=1), 2, "w2/1")
        self._say(100, e.LeaseExpired(reason="not heard of for 60 s"), 2, "w2/1")
        self._ready(100, 2)
        self._block(72, 1, "w1/1", e.ScopeClarification(question="which order?"), "ask")
        self._say(102, e.BlockerAnswered(number=1, text="by name", by="ann"), 1, "w1/1")
        self._say(102, e.Progress(completed=1, total=2), 1, "w1/1")
        self._complete(152, 1, "w1/1", 0.5)
        self._gate(160, 1, "w1/1", "scope", 1.0)
        self._gate(160, 1, "w1/1", "command", 5.0, "pytest: exit 1")
        self._say(160, e.SubtaskRejected(gate="command", reason="pytest: exit 1"), 1, "w1/1")
        self._ready(160, 1)

    def _subtask_5(self) -> None:
        self._claim(105, 106, 5, "w2/1")
        self._block(116, 5, "w2/1", e.ComplexityExceeded(estimated_additional_time=60.0), "extend")
        answered = e.BlockerAnswered(number=1, text="60 s more", action="extend", extra_seconds=60.0)
        self._say(116, answered, 5, "w2/1")
        self._complete(146, 5, "w2/1", 0.1)
        self._accept(150, 5, "w2/1", "f.py")

    def _subtask_1_again(self) -> None:
        self._claim(165, 167, 1, "w1/2")
        self._complete(207, 1, "w1/2", 0.2)
        self._accept(212, 1, "w1/2", "a.py")

    def _subtask_4(self) -> None:
        self._ready(212, 4)
        self._claim(214, 215, 4, "w2/1")
        usage = e.Usage(model="large", tokens_in=1000, tokens_out=100, cost=0.05)
        self._say(225, e.Failed(error="the line is a URL", usage=usage), 4, "w2/1")
        self._say(225, e.RetryScheduled(after_seconds=5.0, failures=1), 4)
        self._ready(230, 4)
        self._claim(230, 232, 4, "w1/2")
        self._complete(312, 4, "w1/2", 0.4)
        self._accept(318, 4, "w1/2", "d.py")

    def _subtask_2_again(self) -> None:
        self._claim(101, 103, 2, "w3/2")
        self._block(113, 2, "w3/2", e.DependencyWait(required_worker="w1", resource="a.py"), "wait", waits_for=1)
        self._say(212, e.BlockerAnswered(number=1, text="subtask 1 is accepted"), 2, "w3/2")
        self._complete(232, 2, "w3/2", 0.3)
        self._gate(237, 2, "w3/2", "scope", 1.0)
        self._gate(237, 2, "w3/2", "merge", 1.0, "hidden dependency, conflict in a.py")
        self._say(237, e.SubtaskRejected(gate="merge", reason="conflict in a.py"), 2, "w3/2")
        self._ready(237, 2)
        self._claim(240, 241, 2, "w3/3")
        self._complete(261, 2, "w3/3", 0.1)
        self._accept(265, 2, "w3/3", "a.py", "b.py")

    def _rounds_2_and_3(self) -> None:
        self._observe(330, 2)
        self._decompose(335, 2, 1)
        self._plan(335, 6, "f.py", "I001", (0,), 20.0, phase=2)
        self._claim(340, 341, 6, "w1/1")
        self._complete(361, 6, "w1/1", None)
        self._accept(365, 6, "w1/1", "f.py")
        self._observe(375, 3)
        self._decompose(380, 3, 1)
        self._plan(380, 7, "a.py", "I001", (0,), 25.0, phase=3)
        self._claim(385, 386, 7, "w3/1")
        self._complete(411, 7, "w3/1", 0.15)
        self._accept(415, 7, "w3/1", "a.py")
        self._observe(420, 4)
        self._say(425, e.TaskCompleted(summary="nothing is left"))


class _PausedIncident(_Incident):
    """The same, but for an hour that lies between the first round's end and the second one's beginning."""

    def events(self) -> list[e.Event]:
        super().events()
        self._say(320, e.TaskPaused(reason="interrupted"))
        self._say(320, e.TaskResumed())
        moved = [
            msgspec.structs.replace(event, occurred_at=event.occurred_at + timedelta(hours=1))
            if event.occurred_at > at(320) or isinstance(event.body, e.TaskResumed)
            else event
            for event in self._events
        ]
        return sorted(moved, key=lambda event: event.occurred_at)


class _KilledRun(_Incident):
    """Two workers, whose coordinator is killed at 50 and taken over 1,000 seconds later.

    second     w1                     w2
    20-50      1, heard of at 40      2, heard of at 50
    1050       what they held is lost; both are ready again
    1055-1080  1 again, accepted      2 again, accepted
    """

    def events(self) -> list[e.Event]:
        self._say(0, e.TaskSubmitted(repository="/shop", base_commit="c0", branch="pw/shop-1", options={}))
        self._observe(10, 1)
        self._decompose(20, 1, 2)
        for subtask, path, heard in ((1, "a.py", 40), (2, "b.py", 50)):
            first, again = f"w{subtask}/1", f"w{subtask}/2"
            self._plan(20, subtask, path, "I001", (subtask,), 20.0)
            self._claim(20, 22, subtask, first)
            self._say(heard, e.Progress(completed=0, total=1), subtask, first)
            gone = e.LeaseExpired(reason="the coordinator is gone", coordinator_gone=True)
            self._say(1050, gone, subtask, first)
            self._ready(1050, subtask)
            self._claim(1055, 1056, subtask, again)
            self._complete(1076, subtask, again, None)
            self._accept(1080, subtask, again, path)
        self._say(1050, e.TaskResumed())
        self._say(1090, e.TaskCompleted(summary="nothing is left"))
        return sorted(self._events, key=lambda event: event.occurred_at)
