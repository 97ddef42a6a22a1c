from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from api.runner.attempt import Attempt, Ending, GivenBack, Lost, Revoked
from api.runner.hold import Hold
from api.runner.process import WorkerHost
from api.runner.workers import worker_from
from api.schemas import BlockerView, Lease, LeaseState
from domain import events as e
from domain.errors import InvalidEventError, StaleLeaseError
from domain.scope import TaskScope

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def state_of(hold: Hold, **changes: object) -> LeaseState:
    """What the service says of a lease that holds."""
    state = LeaseState(
        subtask_id=hold.lease.subtask_id,
        lease_epoch=hold.lease.lease_epoch,
        held=True,
        reason="",
        expires_at=NOW,
        deadline_at=NOW,
        answers=(),
    )
    return msgspec.structs.replace(state, **changes)


class Trial:
    """A worker in Python that works on a subtask of one file, and what it told."""

    def __init__(self, folder: Path, source: str, budget_seconds: float = 60.0) -> None:
        self.folder = folder
        self.told: list[e.WorkerMessage] = []
        #: Called with each message; may raise as a service that refuses it.
        self.heard: Callable[[e.WorkerMessage], None] = lambda _: None
        lease = Lease(
            task_id="task",
            subtask_id="task.1",
            worker_id="w1",
            lease_epoch=1,
            title="F401 in a.py",
            repository=str(folder),
            prefix="",
            base_commit="c0",
            expires_at=NOW,
            heartbeat_seconds=15.0,
            time_budget_seconds=budget_seconds,
        )
        self.hold = Hold(lease)
        (folder / "worktree").mkdir()
        (folder / "worker.py").write_text(
            "import json, os, signal, time\nfrom pathlib import Path\n"
            f"report = open(os.environ['PW_REPORT'], 'a', buffering=1)\n{source}\n"
        )

    async def run(self) -> Ending:
        worker = worker_from(f"{sys.executable} -I {self.folder / 'worker.py'}", shell=False)
        scope = TaskScope(files=("a.py",), codes=("F401",))
        attempt = Attempt(self.folder / "attempt", self.folder / "worktree", self.hold, scope)
        attempt.prepare("the brief")

        async def tell(message: e.WorkerMessage) -> None:
            self.heard(message)
            self.told.append(message)

        with WorkerHost(1) as host:
            return await attempt.run(worker, host, tell)


async def _attempt(
    folder: Path, source: str, *, budget_seconds: float = 60.0
) -> tuple[Ending, list[e.WorkerMessage]]:
    trial = Trial(folder, source, budget_seconds)
    return await trial.run(), trial.told


async def test_exit_code_0_is_a_claim_to_be_done(tmp_path: Path) -> None:
    ending, told = await _attempt(tmp_path, "")
    assert isinstance(ending, e.Completed)
    assert told == [e.Started()]


async def test_what_it_says_about_its_work_is_kept(tmp_path: Path) -> None:
    ending, _ = await _attempt(tmp_path, 'report.write(\'{"type": "completed", "summary": "took it out"}\\n\')')
    assert isinstance(ending, e.Completed)
    assert ending.summary == "took it out"


async def test_another_exit_code_is_a_failure_with_the_last_line_that_was_printed(tmp_path: Path) -> None:
    ending, _ = await _attempt(tmp_path, "print('first'); raise SystemExit('last')")
    assert ending == e.Failed(error="exit code 1: last")


async def test_a_worker_that_hangs_is_stopped_when_its_time_is_over(tmp_path: Path) -> None:
    ending, _ = await _attempt(tmp_path, "time.sleep(600)", budget_seconds=1.0)
    assert ending == e.Failed(error="its time budget of 1 s was over and it was stopped")


async def test_a_worker_that_will_not_end_is_made_to(tmp_path: Path) -> None:
    source = "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    ending, _ = await _attempt(tmp_path, source, budget_seconds=1.0)
    assert ending == e.Failed(error="its time budget of 1 s was over and it was stopped")


async def test_a_worker_that_a_signal_ended_is_lost(tmp_path: Path) -> None:
    ending, _ = await _attempt(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert ending == Lost(reason="the worker process was ended by SIGKILL")


async def test_of_reports_of_progress_that_come_together_the_last_is_passed_on(tmp_path: Path) -> None:
    lines = [f'{{"type": "progress", "completed": {number}, "total": 2}}\n' for number in (1, 2)]
    _, told = await _attempt(tmp_path, f"report.write({''.join(lines)!r})")
    assert told == [e.Started(), e.Progress(completed=2, total=2)]


async def test_what_is_reported_in_between_is_passed_on_in_its_order(tmp_path: Path) -> None:
    issue = '{"kind": "scope_clarification", "question": "why?"}'
    lines = [
        '{"type": "progress", "completed": 1, "total": 2}\n',
        f'{{"type": "blocked", "issue": {issue}}}\n',
        '{"type": "progress", "completed": 2, "total": 2}\n',
    ]
    _, told = await _attempt(tmp_path, f"report.write({''.join(lines)!r})")
    assert told == [
        e.Started(),
        e.Progress(completed=1, total=2),
        e.Blocked(issue=e.ScopeClarification(question="why?")),
        e.Progress(completed=2, total=2),
    ]


async def test_a_line_that_is_not_whole_is_no_message(tmp_path: Path) -> None:
    _, told = await _attempt(tmp_path, 'report.write(\'{"type": "progress", "completed": 1, "total": 2}\')')
    assert told == [e.Started()]


async def test_a_nul_in_a_report_is_a_question_mark(tmp_path: Path) -> None:
    line = r'{"type": "progress", "completed": 1, "total": 2, "status": "a\u0000b"}'
    _, told = await _attempt(tmp_path, f"report.write({line!r} + '\\n')")
    assert told == [e.Started(), e.Progress(completed=1, total=2, status="a?b")]


async def test_an_escaped_backslash_before_the_letters_of_a_nul_is_none(tmp_path: Path) -> None:
    line = r'{"type": "progress", "completed": 1, "total": 2, "status": "C:\\u0000x"}'
    _, told = await _attempt(tmp_path, f"report.write({line!r} + '\\n')")
    assert told == [e.Started(), e.Progress(completed=1, total=2, status=r"C:\u0000x")]


@pytest.mark.parametrize("made", ["os.mkfifo(path)", "os.mkdir(path)", "os.symlink('/dev/zero', path)", "pass"])
async def test_a_worker_that_puts_something_else_in_place_of_its_report_has_nothing_more_to_say(
    tmp_path: Path, made: str
) -> None:
    source = f"path = os.environ['PW_REPORT']; os.remove(path); {made}"
    ending, told = await _attempt(tmp_path, source)
    assert isinstance(ending, e.Completed)
    assert told == [e.Started()]


async def test_who_reports_to_have_failed_has_failed_whatever_its_exit_code(tmp_path: Path) -> None:
    ending, _ = await _attempt(tmp_path, 'report.write(\'{"type": "failed", "error": "I broke it"}\\n\')')
    assert ending == e.Failed(error="I broke it")


@pytest.mark.parametrize(
    ("issue", "error"),
    [
        ('{"kind": "scope_clarification", "question": "why?"}', "blocked: asks: why?"),
        ('{"kind": "external_dependency", "system": "CI", "issue": "down"}', "blocked: CI: down"),
        (
            '{"kind": "complexity_exceeded", "estimated_additional_time": 60}',
            "blocked: needs 60 s more than its budget",
        ),
        ('{"kind": "dependency_wait", "required_worker": "w2", "resource": "a.py"}', "blocked: waits for a.py of w2"),
    ],
)
async def test_a_blocked_worker_that_ends_gives_its_subtask_back(tmp_path: Path, issue: str, error: str) -> None:
    line = f'{{"type": "blocked", "issue": {issue}}}'
    ending, _ = await _attempt(tmp_path, f"report.write('{line}\\n'); raise SystemExit(1)")
    assert ending == GivenBack(reason=error)


# --- what the service says meanwhile --------------------------------------------------------------------

BLOCKED = """report.write('{"type": "blocked", "issue": {"kind": "scope_clarification", "question": "why?"}}\\n')"""


async def test_a_worker_whose_lease_is_gone_is_stopped_and_its_work_counts_no_more(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "time.sleep(600)")
    trial.heard = lambda _: trial.hold.take(state_of(trial.hold, held=False, reason="it was split"))
    assert await trial.run() == Revoked(reason="it was split")


async def test_a_worker_is_stopped_where_the_service_refuses_what_it_says(tmp_path: Path) -> None:
    def refuse(message: e.WorkerMessage) -> None:
        if isinstance(message, e.Blocked):
            raise StaleLeaseError("it is held by w2")

    trial = Trial(tmp_path, f"{BLOCKED}; time.sleep(600)")
    trial.heard = refuse
    with pytest.raises(StaleLeaseError, match="it is held by w2"):
        await trial.run()


async def test_a_report_that_the_service_cannot_keep_does_not_end_the_work(tmp_path: Path) -> None:
    def refuse(message: e.WorkerMessage) -> None:
        if isinstance(message, e.Progress):
            raise InvalidEventError("half a surrogate pair")

    trial = Trial(tmp_path, 'report.write(\'{"type": "progress", "completed": 1, "total": 2}\\n\')')
    trial.heard = refuse
    assert isinstance(await trial.run(), e.Completed)
    assert "half a surrogate pair" in (tmp_path / "attempt" / "ignored.log").read_text()


async def test_an_answer_is_put_where_the_worker_finds_it_and_once(tmp_path: Path) -> None:
    waiting = (
        "answers = Path(os.environ['PW_ANSWERS'])\nwhile not answers.read_text().endswith('\\n'): time.sleep(0.01)"
    )
    said = 'report.write(json.dumps({"type": "completed", "summary": answers.read_text()}) + "\\n")'
    trial = Trial(tmp_path, f"{BLOCKED}\n{waiting}\n{said}")
    answered = BlockerView(
        task_id="task",
        subtask_id="task.1",
        number=1,
        issue=e.ScopeClarification(question="why?"),
        context="",
        policy="ask",
        waits_for=None,
        worker_id="w1",
        opened_at=NOW,
        answered_at=NOW,
        answer="because",
        action="resume",
    )

    def answer(message: e.WorkerMessage) -> None:
        if isinstance(message, e.Blocked):
            for _ in range(2):
                trial.hold.take(state_of(trial.hold, answers=(answered,)))

    trial.heard = answer
    ending = await trial.run()
    assert isinstance(ending, e.Completed)
    assert [json.loads(line) for line in ending.summary.splitlines()] == [
        {"number": 1, "action": "resume", "answer": "because"}
    ]


async def test_time_that_was_granted_is_added_to_the_budget(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "", budget_seconds=60.0)
    for minutes in (0, 2, 3):
        trial.hold.take(state_of(trial.hold, deadline_at=NOW + timedelta(minutes=minutes)))
    assert trial.hold.budget_seconds == 240.0


async def test_a_worker_with_more_time_is_not_stopped_when_the_first_is_over(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "while not Path('go').exists(): time.sleep(0.01)", budget_seconds=1.0)
    trial.hold.take(state_of(trial.hold))
    trial.hold.take(state_of(trial.hold, deadline_at=NOW + timedelta(hours=1)))
    running = asyncio.create_task(trial.run())
    loop = asyncio.get_running_loop()
    # Later than the first budget, for as long as the loop goes on at all.
    loop.call_later(1.5, (tmp_path / "worktree" / "go").touch)
    assert isinstance(await running, e.Completed)


async def test_a_worker_that_waits_for_an_answer_is_not_stopped_for_it(tmp_path: Path) -> None:
    issue = {"kind": "scope_clarification", "question": "why?"}
    source = (
        f"report.write(json.dumps({{'type': 'blocked', 'issue': {issue}}}) + '\\n')\n"
        "while not Path('go').exists(): time.sleep(0.01)"
    )
    trial = Trial(tmp_path, source, budget_seconds=1.0)
    running = asyncio.create_task(trial.run())
    # Later than the budget, for as long as the loop goes on at all.
    asyncio.get_running_loop().call_later(2.5, (tmp_path / "worktree" / "go").touch)
    assert isinstance(await running, e.Completed)


async def test_the_key_of_the_runner_is_not_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW_API_KEY", "pw_1_secret")
    ending, _ = await _attempt(tmp_path, "raise SystemExit('PW_API_KEY' in os.environ)")
    assert isinstance(ending, e.Completed)


# --- a worker that says nothing -------------------------------------------------------------------------


@pytest.fixture
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.runner.attempt._SILENT_SECONDS", 0.0)


@pytest.mark.usefixtures("looked_at_often")
async def test_a_silent_worker_is_seen_to_get_on_by_its_files_and_what_it_prints(tmp_path: Path) -> None:
    trial = Trial(
        tmp_path,
        "print('reading', flush=True); Path('a.py').write_text('new')\n"
        "while not Path('seen').exists(): time.sleep(0.01)",
    )

    def seen(message: e.WorkerMessage) -> None:
        if isinstance(message, e.Progress) and message.completed:
            (tmp_path / "worktree" / "seen").touch()

    trial.heard = seen
    assert isinstance(await trial.run(), e.Completed)
    assert trial.told[-1] == e.Progress(completed=1, total=1, status="reading")


@pytest.mark.usefixtures("looked_at_often")
async def test_what_moves_while_a_worker_waits_for_an_answer_does_not_mean_that_it_went_on(tmp_path: Path) -> None:
    trial = Trial(
        tmp_path,
        f"{BLOCKED}\nwhile not Path('told').exists(): time.sleep(0.01)\n"
        "for _ in range(50): print('still waiting', flush=True); time.sleep(0.01)",
    )

    def seen(message: e.WorkerMessage) -> None:
        if isinstance(message, e.Blocked):
            (tmp_path / "worktree" / "told").touch()

    trial.heard = seen
    await trial.run()
    assert [type(message) for message in trial.told] == [e.Started, e.Blocked]
