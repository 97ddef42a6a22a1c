"""Events of tasks as they go: everything that a desk would store, drawn by lot from a seed, and many copies of them.

Of a hundred attempts about six fail, four are blocked, two lose their worker; a subtask has about 14 events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import LiteralString
from uuid import UUID

import psycopg

from domain import events as e
from domain.evolution import evolve
from domain.ids import StreamId, SubtaskId, TaskId, WorkerId, subtask_id
from domain.lifecycle import Claim, Command, Draft, Judge, Limits, LoseWorker, Report, decide
from domain.plan import Effort, WorkerCurvePoint
from domain.readiness import claimable, milestones, newly_ready, waits_that_are_over
from domain.scope import TaskScope
from domain.task_state import LIVE, SubtaskState, TaskState
from eventstore.codec import encode_event

#: Tasks that are different; all others are copies of them under other names.
TEMPLATES = 20
#: Tasks that are under way at once, so that their events lie between each other.
AT_ONCE = 160

_WORKERS = 8
_LIMITS = Limits(attempts_max=5, losses_max=5, parks=True)


class Course:
    """One task from its beginning to its end."""

    def __init__(self, seed: int, subtasks: int) -> None:
        self._source = random.Random(seed)
        self._task = TaskId(f"template-{seed:08}")
        self._now = datetime(2026, 3, 1, tzinfo=UTC)
        self._subtasks = subtasks
        self._state: TaskState | None = None
        self.events: list[e.Event] = []

    def run(self) -> list[e.Event]:
        """Go through it all; gives the events."""
        self._say([Draft(body, self._task) for body in self._beginning()])
        self._say([Draft(self._planned(n), subtask_id(self._task, n)) for n in range(1, self._subtasks + 1)])
        while any(s.status not in ("accepted", "held", "split") for s in self._known.subtasks.values()):
            self._step()
        self._say([Draft(e.TaskCompleted(summary="nothing is left"), self._task)])
        return self.events

    @property
    def _known(self) -> TaskState:
        assert self._state is not None
        return self._state

    def _say(self, drafts: list[Draft]) -> None:
        while drafts:
            for draft in drafts:
                self._now += timedelta(milliseconds=self._source.randrange(3000))
                event = e.Event(
                    task_id=self._task,
                    stream_id=StreamId(draft.stream),
                    message_id=UUID(int=self._source.getrandbits(128)),
                    occurred_at=self._now,
                    body=draft.body,
                    worker_id=draft.worker_id,
                    lease_epoch=draft.epoch,
                )
                self._state = evolve(self._state, event)
                self.events.append(event)
            state = self._known
            drafts = [Draft(body, subtask) for subtask, body in waits_that_are_over(state)]
            drafts += [Draft(e.SubtaskReady(), subtask) for subtask in newly_ready(state, self._now)]
            drafts += [Draft(body, self._task) for body in milestones(state)]

    def _beginning(self) -> Iterator[e.EventBody]:
        yield e.TaskSubmitted(
            repository="/tree", base_commit="c0", branch=f"pw/{self._task}", options={"worker": {"name": "agent"}}
        )
        yield e.ProblemsObserved(
            phase=1, commit="c0", format="ruff", tool="ruff", artifact="0" * 64, problems=12 * self._subtasks,
            targeted=12 * self._subtasks, codes={"E501": 7 * self._subtasks, "F401": 5 * self._subtasks},
        )  # fmt: skip
        yield e.TaskDecomposed(
            phase=1, strategy="file", subtasks=self._subtasks, plan_hash="0" * 64, recommended_workers=8,
            recommendation="8 workers", curve=tuple(
                WorkerCurvePoint(workers=n, makespan_seconds=9000.0 / n, p80_seconds=12000.0 / n) for n in range(1, 9)
            ),
        )  # fmt: skip
        yield e.PhaseStarted(phase=1, name="quick wins")

    def _planned(self, number: int) -> e.SubtaskPlanned:
        p50 = round(self._source.lognormvariate(4.0, 0.8), 3)
        return e.SubtaskPlanned(
            phase=1,
            title=f"E501 in src/package_{number % 9}/module_{number:04}.py",
            reason="one rule, edits that are local to a file",
            scope=TaskScope(files=(f"src/package_{number % 9}/module_{number:04}.py",), codes=("E501", "F401")),
            problems=tuple(range(12 * number, 12 * number + 12)),
            effort=Effort(p50=p50, p80=2 * p50, p95=4 * p50, prior=p50, basis="agent prior 60 s"),
            priority=number % 3,
            depends_on=(subtask_id(self._task, number - 7),) if number > 7 and number % 5 == 0 else (),
        )

    def _step(self) -> None:
        state, source = self._known, self._source
        live = [subtask for subtask in state.subtasks.values() if subtask.status in LIVE]
        ready = claimable(state) if len(live) < _WORKERS else []
        if ready and (len(live) < 4 or source.random() < 0.5):
            worker = WorkerId(f"worker-{source.randrange(_WORKERS)}")
            self._decide(Claim(subtask_id=ready[0].id, worker_id=worker, base_commit=state.head))
        elif live:
            self._go_on(source.choice(live))

    def _decide(self, command: Command) -> None:
        self._say(decide(self._known, command, _LIMITS))

    def _go_on(self, subtask: SubtaskState) -> None:
        lot = self._source.random()
        if subtask.status == "reported":
            gate = e.GateEvaluated(gate="tests", passed=lot > 0.05, score=1.0 - (lot <= 0.05), seconds=2.5)
            commit = f"c{self._source.getrandbits(32):08x}"
            self._decide(
                Judge(
                    subtask_id=subtask.id, epoch=subtask.epoch, gates=(gate,), commit=commit, head=self._known.head,
                    files=subtask.plan.scope.files,
                )
            )  # fmt: skip
        elif lot < 0.003:
            self._decide(LoseWorker(subtask_id=subtask.id, epoch=subtask.epoch, reason="not heard of for 60 s"))
        else:
            self._report(subtask, self._message(subtask, lot))

    def _report(self, subtask: SubtaskState, message: e.WorkerMessage) -> None:
        worker = subtask.worker_id or WorkerId("")
        self._decide(Report(subtask_id=subtask.id, worker_id=worker, epoch=subtask.epoch, message=message))

    def _message(self, subtask: SubtaskState, lot: float) -> e.WorkerMessage:
        if subtask.status == "claimed":
            return e.Started()
        usage = e.Usage(model="large", tokens_in=9000, tokens_out=1200, cost=round(lot, 3))
        if lot < 0.01:
            return e.Failed(error="the tests of the module still fail", usage=usage)
        if lot < 0.02:
            return e.Blocked(issue=e.DependencyWait(required_worker="worker-1", resource=SubtaskId("#1")))
        if lot < 0.85:
            text = f"ruff check --fix {subtask.plan.scope.files[0]}: 3 problems left of 12"
            return e.Progress(completed=min(subtask.completed + 1, 12), total=12, status=text)
        return e.Completed(summary="12 problems removed", result={"cpu_seconds": 3.2}, usage=usage)


_LOAD = """
    COPY ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch, occurred_at,
        payload, content_hash
    ) FROM STDIN
"""

#: A task's name is everywhere in its events, and as long in each copy.
_MULTIPLY = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch, occurred_at,
        payload, content_hash
    )
    SELECT
        replace(task_id, 'template', %(name)s || copy), replace(stream_id, 'template', %(name)s || copy), version,
        nextval('ledger.position'), gen_random_uuid(), type, schema_version, worker_id, lease_epoch, occurred_at,
        replace(payload::text, 'template', %(name)s || copy)::jsonb, content_hash
    FROM ledger.event, generate_series(1, %(copies)s) AS copy
    WHERE task_id LIKE 'template-%%'
    ORDER BY position, copy
"""


def fill(url: str, events: int, subtasks: int = 100) -> int:
    """Store realistic events, at least so many; gives how many there are."""
    with psycopg.connect(url, autocommit=True) as connection:
        if not _count(connection):
            _load_templates(connection, subtasks)
        each = _count(connection, "WHERE task_id LIKE 'template-%'")
        while (stored := _count(connection)) < events:
            copies = min(AT_ONCE // TEMPLATES, -(-(events - stored) // each))
            connection.execute(_MULTIPLY, {"name": f"task{stored:09}c", "copies": copies})
        connection.execute("VACUUM ANALYZE ledger.event")
    return stored


def _count(connection: psycopg.Connection, condition: LiteralString = "") -> int:
    [(count,)] = connection.execute("SELECT count(*) FROM ledger.event " + condition).fetchall()
    return int(count)


def _load_templates(connection: psycopg.Connection, subtasks: int) -> None:
    versions: dict[str, int] = {}
    with connection.cursor() as cursor, cursor.copy(_LOAD) as copying:
        for seed in range(TEMPLATES):
            for event in Course(seed, subtasks).run():
                task, stream, message, kind, schema, worker, epoch, occurred, payload = encode_event(event)
                versions[stream] = versions.get(stream, 0) + 1
                position = sum(versions.values())
                copying.write_row(
                    (task, stream, versions[stream], position, message, kind, schema, worker, epoch, occurred,
                     payload.decode(), b"\0" * 32)
                )  # fmt: skip
    connection.execute("SELECT setval('ledger.position', (SELECT max(position) FROM ledger.event))")
