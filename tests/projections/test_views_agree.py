"""The views fold the ledger in SQL, the domain folds it in Python: both see the same task, at every step.

The histories are drawn by lot from what a service may do, through its own desk, so that they hold everything that
follows of itself: what becomes ready, what is held, answers, milestones. A seed names a history.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from api.service.desk import Desk
from domain import events as e
from domain.errors import InvalidRequestError, LifecycleError
from domain.evolution import evolve, fold
from domain.ids import SubtaskId, TaskId, WorkerId, subtask_id
from domain.lifecycle import Answer, Claim, Draft, Judge, LoseWorker, Release, Report, Review, decide, late
from domain.plan import Effort
from domain.progress import progress
from domain.readiness import claimable, more_to_come
from domain.scope import TaskScope
from domain.task_state import LIVE, OVER, SubtaskState, SubtaskStatus, TaskState
from eventstore.ledger import Ledger
from projections.report import build_report

DictConnection = psycopg.AsyncConnection[DictRow]

SEEDS = range(15)
_STEPS_MAX = 70

_TOOL = {"name": "ruff", "argv": ["ruff"]}
#: What tasks are like: a run on this machine; served over a tree; served without one, on its workers' word.
_KINDS: list[dict[str, Any]] = [
    {"tool": _TOOL, "policy": {"attempts_max": 3, "losses_max": 2, "parks": False, "backoff_seconds": 0.0}},
    {
        "tool": _TOOL,
        "policy": {"attempts_max": 4, "losses_max": 3, "reviews": 2, "required_gates": ["tests"], "cost_max": 3.0},
    },
    {"tool": None, "policy": {"attempts_max": 3, "losses_max": 3, "backoff_seconds": 20.0}},
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
    """A task in which everything that may happen happens by lot."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        self._source = random.Random(seed)
        self._options = _KINDS[seed % len(_KINDS)]
        self._tree = self._options["tool"] is not None
        #: The file of each problem, by its index.
        self._paths: list[str] = []
        self.task = TaskId(f"tree-{seed}")
        self.desk = Desk(ledger, SeededClock(self._source), self.task)

    @property
    def state(self) -> TaskState:
        return self.desk.state

    async def steps(self) -> AsyncIterator[None]:
        """Go through the whole task, and stop to be looked at after each step."""
        await self.desk.open([Draft(self._submitted(), self.task)])
        yield
        for phase in range(1, 1 + (self._source.randint(1, 2) if self._tree else 1)):
            await self._record(self._observed(phase))
            yield
            await self._plan(phase)
            yield
            for _ in range(_STEPS_MAX):
                if not more_to_come(self.state):
                    break
                await self._happen()
                yield
        if self.state.status not in OVER:
            await self._record(self._end())
            yield

    async def _record(self, body: e.EventBody) -> None:
        await self._store([Draft(body, self.task)])

    async def _store(self, drafts: Iterable[Draft]) -> None:
        await self.desk.act(lambda _: [self.desk.event(draft) for draft in drafts])

    def _submitted(self) -> e.TaskSubmitted:
        tree = {"repository": "/tree", "base_commit": "c0", "branch": f"pw/{self.task}"}
        nowhere = dict.fromkeys(tree, "")
        return e.TaskSubmitted(**(tree if self._tree else nowhere), options=self._options, served=True)

    def _observed(self, phase: int) -> e.ProblemsObserved:
        count = self._source.randrange(1000)
        return e.ProblemsObserved(
            phase=phase, commit=self.state.head, format="ruff", tool="ruff", artifact="0" * 64, problems=count,
            targeted=count, codes={"E1": count},
        )  # fmt: skip

    async def _plan(self, phase: int) -> None:
        first, count = len(self.state.subtasks) + 1, self._source.randint(1, 7)
        planned = [
            Draft(self._planned(phase, first, number), subtask_id(self.task, number))
            for number in range(first, first + count)
        ]
        await self._store([Draft(e.PhaseStarted(phase=phase, name=f"round {phase}"), self.task), *planned])

    def _planned(self, phase: int, first: int, number: int) -> e.SubtaskPlanned:
        source = self._source
        # Few files, so that subtasks get into each other's way.
        files = tuple(f"{name}.py" for name in source.sample("abcdefgh", source.randint(1, 3)))
        problems = tuple(range(len(self._paths), len(self._paths) + source.randrange(5)))
        self._paths += [source.choice(files) for _ in problems]
        p50 = round(source.uniform(0.001, 500), 3)
        earlier = range(first, number)
        return e.SubtaskPlanned(
            phase=phase,
            title=f"subtask {number}",
            reason="by lot",
            scope=TaskScope(files=files, codes=("E1",), time_budget_seconds=600.0),
            problems=problems,
            effort=Effort(p50=p50, p80=2 * p50, p95=3 * p50, prior=p50),
            priority=source.randrange(3),
            depends_on=tuple(subtask_id(self.task, other) for other in earlier if source.random() < 0.2),
        )

    # --- what happens ---

    async def _happen(self) -> None:
        state, source = self.state, self._source
        subtasks = list(state.subtasks.values())
        live = [subtask for subtask in subtasks if subtask.status in LIVE]
        asking = [subtask for subtask in subtasks if subtask.open_blockers]
        missed = [subtask for subtask in subtasks if subtask.lost_worker is not None]
        ready = claimable(state)
        lot = source.random()
        if state.status == "paused" or lot < 0.02:
            await self._take_over()
        elif lot < 0.04:
            await self._record(e.TaskPaused(reason="interrupted"))
        elif missed and lot < 0.14:
            await self._come_back(source.choice(missed))
        elif asking and (lot < 0.24 or not (live or ready)):
            await self._answer(source.choice(asking))
        elif lot < 0.28:
            await self._come_late(source.choice(subtasks))
        elif ready and (not live or (len(live) < 3 and source.random() < 0.5)):
            await self._claim(source.choice(ready))
        elif live:
            await self._go_on(source.choice(live))
        else:
            await self.desk.settle()

    async def _take_over(self) -> None:
        state = self.state
        drafts = [
            draft
            for subtask in state.subtasks.values()
            if subtask.status in LIVE and self._source.random() < 0.5
            for draft in decide(
                state,
                LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch, reason="gone", coordinator_gone=True),
                self.desk.limits,
            )
        ]
        await self._store([*drafts, Draft(e.TaskResumed(), self.task)])

    async def _claim(self, subtask: SubtaskState) -> None:
        worker = WorkerId(f"w{self._source.randint(1, 3)}")
        request = UUID(int=self._source.getrandbits(128)) if self._source.random() < 0.5 else None
        await self.desk.command(
            Claim(subtask_id=subtask.id, worker_id=worker, base_commit=self.state.head, request_id=request)
        )

    async def _come_back(self, subtask: SubtaskState) -> None:
        with contextlib.suppress(LifecycleError):
            await self._report(subtask, subtask.lost_worker or WorkerId(""), self._message(subtask))

    async def _come_late(self, subtask: SubtaskState) -> None:
        if subtask.epoch == 0:
            return
        epoch = self._source.randint(1, subtask.epoch)
        message = self._source.choice([e.Completed(summary="late"), e.Failed(error="late")])
        report = Report(subtask_id=subtask.id, worker_id=WorkerId("w9"), epoch=epoch, message=message)
        await self._store(late(self.state, report))

    async def _answer(self, subtask: SubtaskState) -> None:
        source = self._source
        action = source.choice(("resume", "resume", "extend", "split", "give_up"))
        # What has one file cannot be split.
        with contextlib.suppress(InvalidRequestError):
            await self.desk.command(
                Answer(
                    subtask_id=subtask.id,
                    text="do it",
                    by="ann",
                    number=source.choice(subtask.open_blockers).number,
                    action=action,
                    extra_seconds=60.0 if action == "extend" else 0.0,
                    problem_paths=self._paths_of(subtask),
                )
            )

    def _paths_of(self, subtask: SubtaskState) -> tuple[str, ...]:
        return tuple(self._paths[index] for index in subtask.plan.problems)

    async def _go_on(self, subtask: SubtaskState) -> None:
        names: dict[str, Any] = {"subtask_id": subtask.id, "epoch": subtask.epoch}
        lot = self._source.random()
        if lot < 0.06:
            clock = self._source.choice(("heartbeat", "offer", "progress", "deadline"))
            await self.desk.command(LoseWorker(**names, reason="killed", clock=clock))
        elif lot < (0.3 if subtask.open_blockers else 0.1):
            await self.desk.command(Release(**names, reason="handed back"))
        elif subtask.status == "reported":
            await self._decide(names, lot)
        else:
            await self._report(subtask, subtask.worker_id or WorkerId(""), self._message(subtask))

    async def _decide(self, names: dict[str, Any], lot: float) -> None:
        source = self._source
        if self.desk.limits.reviews and lot < 0.5:
            reviewer = f"w{source.randint(4, 6)}"
            await self.desk.command(Review(**names, reviewer=reviewer, approve=lot < 0.46, comment="seen"))
            return
        passed = lot < 0.85
        gate = e.GateEvaluated(
            gate="tests", passed=passed, score=float(passed), seconds=0.1, blocking=source.random() < 0.8
        )
        commit = f"c{source.getrandbits(32):08x}" if self._tree else ""
        conflicts = ("a.py",) if lot > 0.97 else ()
        await self.desk.command(
            Judge(**names, gates=(gate,), commit=commit, head=self.state.head, files=("a.py",), conflicts=conflicts)
        )

    async def _report(self, subtask: SubtaskState, worker: WorkerId, message: e.WorkerMessage) -> None:
        await self.desk.command(
            Report(
                subtask_id=subtask.id,
                worker_id=worker,
                epoch=subtask.epoch,
                message=message,
                problem_paths=self._paths_of(subtask),
            )
        )

    def _message(self, subtask: SubtaskState) -> e.WorkerMessage:
        source = self._source
        if subtask.status == "claimed":
            return e.Failed(error="it cannot be started") if source.random() < 0.1 else e.Started()
        usage = e.Usage(model="m", cost=round(source.uniform(0, 0.5), 3)) if source.random() < 0.5 else None
        lot = source.random()
        if lot < 0.3:
            # Workers count up.
            total = max(subtask.total, 1)
            done = source.randint(min(subtask.completed, total), total)
            return e.Progress(completed=done, total=total, status="on it", usage=usage)
        if lot < 0.35:
            return e.Started(usage=usage)
        if lot < 0.55:
            return e.Blocked(issue=self._issue(), context="stuck", usage=usage)
        if lot < 0.85:
            result = {"cpu_seconds": round(source.uniform(0, 5), 3)}
            return e.Completed(summary="done", result=result, usage=usage)
        return e.Failed(error="exit code 2", recoverable=lot < 0.97, usage=usage)

    def _issue(self) -> e.Issue:
        source = self._source
        other = source.choice([*self.state.subtasks, SubtaskId("b.py")])
        return source.choice(
            [
                e.DependencyWait(required_worker=f"w{source.randint(1, 3)}", resource=other),
                e.ExternalDependency(system="registry", issue="down"),
                e.ComplexityExceeded(estimated_additional_time=source.choice([1e-7, 300.0, 1e6])),
                e.ScopeClarification(question="which?"),
            ]
        )

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
            estimated_seconds, worker_seconds, fraction, cost
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
            "cost": _known(subtask.cost),
        }
        for number, (subtask, row) in enumerate(zip(state.subtasks.values(), report.subtasks, strict=True), 1)
    ]


def _known(cost: float) -> object:
    # Costs of nothing at all are not drawn.
    return pytest.approx(cost) if cost else None


async def blockers_by_sql(analyst: DictConnection, task: TaskId) -> list[DictRow]:
    query = """
        SELECT subtask, number, kind, policy, detail, context, waits_for, worker_id, lease_epoch, opened_at,
            answered_at, answer, action, answered_by, waited_seconds
        FROM analytics.blocker WHERE task_id = %s ORDER BY subtask, number
    """
    return await (await analyst.execute(query, [task])).fetchall()


def blockers_by_fold(state: TaskState) -> list[dict[str, Any]]:
    return [
        {
            "subtask": number,
            "number": blocker.number,
            "kind": type(blocker.issue).__struct_config__.tag,
            "policy": blocker.policy,
            "detail": blocker.detail,
            "context": blocker.context,
            "waits_for": _number(blocker.waits_for) if blocker.waits_for else None,
            "worker_id": blocker.worker_id,
            "lease_epoch": blocker.epoch,
            "opened_at": blocker.opened_at,
            "answered_at": blocker.answered_at,
            "answer": blocker.text,
            "action": blocker.action if blocker.answered_at else None,
            "answered_by": blocker.by if blocker.answered_at else None,
            "waited_seconds": pytest.approx((blocker.answered_at - blocker.opened_at).total_seconds(), abs=1e-6)
            if blocker.answered_at
            else None,
        }
        for number, subtask in enumerate(state.subtasks.values(), 1)
        for blocker in subtask.blockers
    ]


async def task_by_sql(analyst: DictConnection, task: TaskId) -> DictRow | None:
    return await (
        await analyst.execute("SELECT * FROM analytics.task_progress WHERE task_id = %s", [task])
    ).fetchone()


def task_by_fold(state: TaskState, records: list[e.RecordedEvent]) -> dict[str, Any]:
    report = build_report(records, cores=2)
    now = progress(state)
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
        "cost": _known(state.cost),
        "branch": report.branch,
        "submitted_at": state.submitted_at,
        "reason": state.reason,
    }


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_views_and_the_domain_see_the_same_at_every_step(
    ledger: Ledger, analyst: DictConnection, seed: int
) -> None:
    chance = Chance(ledger, seed)
    async for _ in chance.steps():
        records = await ledger.read_task(chance.task)
        state = fold(records)
        assert state == chance.state
        assert await subtasks_by_sql(analyst, chance.task) == subtasks_by_fold(state, records)
        assert await blockers_by_sql(analyst, chance.task) == blockers_by_fold(state)
        assert await task_by_sql(analyst, chance.task) == task_by_fold(state, records)


async def test_the_histories_drawn_by_lot_hold_every_kind_of_event_and_every_state(ledger: Ledger) -> None:
    bodies: list[e.EventBody] = []
    statuses: set[str] = set()
    came_back = False
    for seed in SEEDS:
        chance = Chance(ledger, seed)
        async for _ in chance.steps():
            pass
        state: TaskState | None = None
        for record in await ledger.read_task(chance.task):
            before, state = state, evolve(state, record.event)
            statuses |= {subtask.status for subtask in state.subtasks.values()}
            came_back = came_back or _comes_back(before, record.event)
            bodies.append(record.event.body)
    assert came_back
    assert statuses == set(get_args(SubtaskStatus))
    assert {type(body) for body in bodies} == set(get_args(e.EventBody)) - {
        e.TaskAnalyzed, e.TaskDecomposed, e.TaskForecast, e.TaskSynthesized, e.TaskArchived,
    }  # fmt: skip
    assert {body.policy for body in bodies if isinstance(body, e.BlockerOpened)} == set(get_args(e.BlockerPolicy))
    assert {body.action for body in bodies if isinstance(body, e.BlockerAnswered)} == set(get_args(e.BlockerAction))
    assert {body.clock for body in bodies if isinstance(body, e.LeaseExpired)} == set(get_args(e.LeaseClock))


def _comes_back(before: TaskState | None, event: e.Event) -> bool:
    """Tell whether a worker whose lease had run out speaks."""
    subtask = before.subtasks.get(SubtaskId(event.stream_id)) if before else None
    return subtask is not None and subtask.lost_worker is not None and isinstance(event.body, e.WorkerMessage)


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
        (e.Blocked(issue=e.ScopeClarification(question="which?")), "which?"),
        (e.BlockerOpened(number=1, policy="ask", detail="asks: which?"), "asks: which?"),
        (e.BlockerAnswered(number=1, text="the first"), "the first"),
        (e.SubtaskReassigned(previous_worker="w1", previous_epoch=1, found="it is generated"), "it is generated"),
        (e.LateReported(message=e.Failed(error="exit code 1"), holder="nobody"), "exit code 1"),
        (e.ReviewGiven(reviewer="w2", approve=False, comment="it hides it"), "it hides it"),
        (e.SubtaskSplit(into=(), reason="too large"), "too large"),
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
