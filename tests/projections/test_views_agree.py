"""The views fold the ledger in SQL, the domain folds it in Python: both see the same task, at every step.

The histories are drawn by lot from what a coordinator may do, through its own journal, so that they hold
everything that follows of itself: what becomes ready, what is held, milestones. A seed names a history.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from api.run.journal import Draft, Journal, subtask_drafts
from domain import events as e
from domain.ids import TaskId, WorkerId, subtask_id
from domain.lifecycle import (
    LIVE,
    Accept,
    Claim,
    Limits,
    LoseWorker,
    Reject,
    Release,
    Report,
    SubtaskState,
    TaskState,
    claimable,
    fold,
    more_to_come,
)
from domain.plan import Effort
from domain.progress import progress
from domain.scope import TaskScope
from eventstore.ledger import Ledger
from projections.report import build_report

DictConnection = psycopg.AsyncConnection[DictRow]

_STEPS_MAX = 60
_ISSUES: list[e.Issue] = [
    e.DependencyWait(required_worker="w9", resource="a.py"),
    e.ExternalDependency(system="registry", issue="down"),
    e.ComplexityExceeded(estimated_additional_time=1e-7),
    e.ScopeClarification(question="which?"),
]


class SeededClock:
    """A clock that goes on by a little each time it is asked, and never back."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=source.randrange(300))

    def now(self) -> datetime:
        # Whole milliseconds, which both sides keep when they round.
        self._now += timedelta(milliseconds=self._source.randrange(20_000))
        return self._now

    def monotonic(self) -> float:
        return self._now.timestamp()

    def new_message_id(self) -> UUID:
        return UUID(int=self._source.getrandbits(128))

    def entropy(self, count: int) -> bytes:
        return self._source.randbytes(count)


class Chance:
    """A run in which everything that may happen happens by lot."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._source = random.Random(seed)
        self.task = TaskId(f"tree-{seed}")
        self.journal = Journal(ledger, SeededClock(self._source), Limits(attempts_max=3, losses_max=2))

    async def steps(self) -> AsyncIterator[None]:
        """Go through the whole task, and stop to be looked at after each step."""
        body = e.TaskSubmitted(repository="/tree", base_commit="c0", branch=f"pw/{self.task}", options={})
        await self.journal.submit(self.task, body)
        yield
        for phase in range(1, 1 + self._source.randint(1, 2)):
            await self._observe(phase)
            yield
            await self._plan(phase)
            yield
            for _ in range(_STEPS_MAX):
                if not more_to_come(self.journal.state):
                    break
                await self._happen()
                yield
        await self.journal.record(self._end())
        yield

    async def _observe(self, phase: int) -> None:
        count = self._source.randrange(1000)
        await self.journal.record(
            e.ProblemsObserved(
                phase=phase, commit="c0", format="ruff", tool="ruff", artifact="0" * 64, problems=count,
                targeted=count, codes={"E1": count},
            )
        )  # fmt: skip

    async def _plan(self, phase: int) -> None:
        state, source = self.journal.state, self._source
        first, count = len(state.subtasks) + 1, source.randint(1, 7)
        planned: list[e.SubtaskPlanned] = []
        for number in range(count):
            earlier = range(first, first + number)
            # Few files, so that subtasks get into each other's way.
            files = tuple(f"{name}.py" for name in source.sample("abcdefgh", source.randint(1, 3)))
            p50 = round(source.uniform(0.001, 500), 3)
            planned.append(
                e.SubtaskPlanned(
                    phase=phase,
                    title=f"subtask {first + number}",
                    reason="by lot",
                    scope=TaskScope(files=files, codes=("E1",)),
                    problems=tuple(range(source.randrange(5))),
                    effort=Effort(p50=p50, p80=2 * p50, p95=3 * p50, prior=p50),
                    priority=source.randrange(3),
                    depends_on=tuple(subtask_id(self.task, other) for other in earlier if source.random() < 0.2),
                )
            )
        started = e.PhaseStarted(phase=phase, name=f"round {phase}")
        drafts: list[Draft] = [(started, self.task, None, None)]
        await self.journal.record_drafts(drafts + subtask_drafts(self.task, first, planned))

    async def _happen(self) -> None:
        state, source = self.journal.state, self._source
        live = [subtask for subtask in state.subtasks.values() if subtask.status in LIVE]
        ready = claimable(state)
        if source.random() < 0.02:
            await self.journal.pause("interrupted")
        elif state.status == "paused" or source.random() < 0.02:
            await self.journal.take_over()
        elif ready and (not live or (len(live) < 3 and source.random() < 0.5)):
            wanted = source.choice(ready)
            worker = WorkerId(f"w{source.randint(1, 3)}")
            await self.journal.command(Claim(subtask_id=wanted.id, worker_id=worker, base_commit=state.head))
        else:
            await self._go_on(source.choice(live))

    async def _go_on(self, subtask: SubtaskState) -> None:
        source, names = self._source, {"subtask_id": subtask.id, "epoch": subtask.epoch}
        lot = source.random()
        if lot < 0.06:
            await self.journal.command(LoseWorker(**names, reason="killed"))
        elif subtask.status == "reported":
            gate = e.GateEvaluated(gate="tests", passed=lot < 0.7, score=1.0, seconds=0.1)
            if lot < 0.7:
                commit = f"c{source.getrandbits(32):08x}"
                await self.journal.command(Accept(**names, commit=commit, files_changed=1), gate)
            elif lot < 0.9:
                await self.journal.command(Reject(**names, gate="tests", reason="exit code 1"), gate)
            else:
                await self.journal.command(Release(**names, reason="conflict"), gate)
        else:
            worker = subtask.worker_id or WorkerId("")
            await self.journal.command(Report(**names, worker_id=worker, message=self._message(subtask)))

    def _message(self, subtask: SubtaskState) -> e.WorkerMessage:
        source = self._source
        if subtask.status == "claimed":
            return e.Failed(error="it cannot be started") if source.random() < 0.1 else e.Started()
        lot = source.random()
        if lot < 0.4:
            # Workers count up.
            total = max(subtask.total, 1)
            return e.Progress(completed=source.randint(subtask.completed, total), total=total, status="on it")
        if lot < 0.5:
            return e.Blocked(issue=source.choice(_ISSUES), context="stuck")
        if lot < 0.85:
            return e.Completed(summary="done", result={"cpu_seconds": round(source.uniform(0, 5), 3)})
        return e.Failed(error="exit code 2", recoverable=lot < 0.95)

    def _end(self) -> e.EventBody:
        return self._source.choice(
            [e.TaskCompleted(summary="nothing is left"), e.TaskStalled(reason="stuck"), e.TaskCancelled(reason="why")]
        )


@pytest.fixture
async def analyst(database_url: str) -> AsyncIterator[DictConnection]:
    connect = psycopg.AsyncConnection.connect(database_url, autocommit=True, row_factory=dict_row)
    async with await connect as connection:
        yield connection


async def subtasks_by_sql(analyst: DictConnection, task: TaskId) -> list[dict[str, Any]]:
    query = """
        SELECT subtask, phase, status, title, reason, problems, files, worker_id, attempts, failures, losses,
            estimated_seconds, worker_seconds, fraction
        FROM analytics.subtask WHERE task_id = %s ORDER BY subtask
    """
    rows = await (await analyst.execute(query, [task])).fetchall()
    for row in rows:
        # The view still tells who did the work when it is over.
        if row["status"] not in LIVE:
            row["worker_id"] = None
    return rows


def subtasks_by_fold(state: TaskState, records: list[e.RecordedEvent]) -> list[dict[str, Any]]:
    report = build_report(records, cores=2)
    return [
        {
            "subtask": number,
            "phase": subtask.plan.phase,
            "status": subtask.status,
            "title": subtask.plan.title,
            "reason": subtask.plan.reason,
            "problems": len(subtask.plan.problems),
            "files": len(subtask.plan.scope.files),
            "worker_id": subtask.worker_id,
            "attempts": row.attempts,
            "failures": subtask.failures,
            "losses": subtask.losses,
            "estimated_seconds": subtask.plan.effort.p50,
            "worker_seconds": pytest.approx(row.worker_seconds, abs=1e-6),
            "fraction": pytest.approx(subtask.fraction),
        }
        for number, (subtask, row) in enumerate(zip(state.subtasks.values(), report.subtasks, strict=True), 1)
    ]


async def task_by_sql(analyst: DictConnection, task: TaskId) -> DictRow | None:
    return await (
        await analyst.execute("SELECT * FROM analytics.task_progress WHERE task_id = %s", [task])
    ).fetchone()


def task_by_fold(state: TaskState, records: list[e.RecordedEvent]) -> dict[str, Any]:
    report = build_report(records, cores=2)
    now = progress(state, records[-1].event.occurred_at, 2)
    return {
        "task_id": state.id,
        "status": state.status,
        "phase": state.phase,
        "percent": now.percent,
        "subtasks": now.total,
        "accepted": now.accepted,
        "live": now.live,
        "held": now.held,
        "failures": sum(subtask.failures for subtask in state.subtasks.values()),
        "losses": sum(subtask.losses for subtask in state.subtasks.values()),
        "problems_before": state.observations[0].problems if state.observations else None,
        "problems_now": state.observations[-1].problems if state.observations else None,
        "worker_seconds": pytest.approx(report.worker_seconds, abs=1e-6),
        "branch": report.branch,
        "submitted_at": state.submitted_at,
        "reason": state.reason,
    }


@pytest.mark.parametrize("seed", range(12))
async def test_the_views_and_the_domain_see_the_same_at_every_step(
    ledger: Ledger, analyst: DictConnection, seed: int
) -> None:
    chance = Chance(ledger, seed)
    async for _ in chance.steps():
        records = await ledger.read_task(chance.task)
        state = fold(records)
        assert state == chance.journal.state
        assert await subtasks_by_sql(analyst, chance.task) == subtasks_by_fold(state, records)
        assert await task_by_sql(analyst, chance.task) == task_by_fold(state, records)


async def test_the_histories_drawn_by_lot_hold_every_kind_of_event_of_a_subtask(ledger: Ledger) -> None:
    seen = set()
    for seed in range(12):
        chance = Chance(ledger, seed)
        async for _ in chance.steps():
            pass
        seen |= {type(record.event.body) for record in await ledger.read_task(chance.task)}
    assert seen >= {
        e.SubtaskPlanned, e.SubtaskReady, e.SubtaskClaimed, e.Started, e.Progress, e.Blocked, e.Completed, e.Failed,
        e.LeaseExpired, e.SubtaskReleased, e.SubtaskHeld, e.GateEvaluated, e.SubtaskAccepted, e.SubtaskRejected,
        e.MilestoneReached, e.TaskPaused, e.TaskResumed, e.TaskCompleted, e.TaskStalled, e.TaskCancelled,
    }  # fmt: skip


async def test_tasks_in_one_ledger_do_not_mix_in_the_views(ledger: Ledger, analyst: DictConnection) -> None:
    seeds = (1, 2, 3)
    # The same steps in turn, so that the tasks' events lie between each other.
    chances = [Chance(ledger, seed) for seed in seeds]
    runs = [chance.steps() for chance in chances]
    for _ in range(30):
        for run in runs:
            await anext(run, None)
    for chance in chances:
        records = await ledger.read_task(chance.task)
        state = fold(records)
        assert await subtasks_by_sql(analyst, chance.task) == subtasks_by_fold(state, records)
        assert await task_by_sql(analyst, chance.task) == task_by_fold(state, records)


async def test_the_event_view_has_every_event_in_plain_columns(ledger: Ledger, analyst: DictConnection) -> None:
    chance = Chance(ledger, 5)
    async for _ in chance.steps():
        pass
    records = await ledger.read_task(chance.task)

    cursor = await analyst.execute(
        "SELECT position, task_id, subtask, version, type, worker_id, lease_epoch, occurred_at, recorded_at"
        " FROM analytics.event ORDER BY position"
    )

    assert await cursor.fetchall() == [
        {
            "position": record.position,
            "task_id": record.event.task_id,
            "subtask": _number(record.event.stream_id),
            "version": record.version,
            "type": type(record.event.body).__struct_config__.tag,
            "worker_id": record.event.worker_id,
            "lease_epoch": record.event.lease_epoch,
            "occurred_at": record.event.occurred_at,
            "recorded_at": record.recorded_at,
        }
        for record in records
    ]


def _number(stream: str) -> int | None:
    _, _, number = stream.partition(".")
    return int(number) if number else None


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (e.Progress(completed=1, total=2, status="half"), "half"),
        (e.Completed(summary="done"), "done"),
        (e.Failed(error="exit code 1"), "exit code 1"),
        (e.LeaseExpired(reason="killed"), "killed"),
        (e.SubtaskRejected(gate="tests", reason="exit code 1"), "exit code 1"),
        (e.GateEvaluated(gate="tests", passed=False, score=0.0, detail="2 failed"), "2 failed"),
        (e.PhaseStarted(phase=1, name="round 1"), "round 1"),
        (e.Started(), ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, e.Body) else None,
)
async def test_the_event_view_says_what_a_person_would_read_first(
    ledger: Ledger, analyst: DictConnection, new_history: Callable[[str], Any], body: e.EventBody, what: str
) -> None:
    history = new_history("tree-1")
    history.add(0, body)
    await ledger.append(history.events)
    cursor = await analyst.execute("SELECT what FROM analytics.event")
    assert await cursor.fetchall() == [{"what": what}]
