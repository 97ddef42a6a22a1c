from __future__ import annotations

import sys
from pathlib import Path

import pytest

from api.run.attempt import Attempt, Ending, Lost
from api.run.options import RunOptions
from api.run.process import WorkerHost
from api.run.tool import preset_tool
from api.run.workers import worker_from
from domain import events as e
from domain.ids import SubtaskId, WorkerId
from domain.lifecycle import SubtaskState
from domain.plan import Effort
from domain.scope import TaskScope


async def _attempt(
    folder: Path, source: str, *, budget_seconds: float = 60.0
) -> tuple[Ending, list[e.WorkerMessage]]:
    """Let a worker in Python work on a subtask of one file; give its end and what it told."""
    worktree = folder / "worktree"
    worktree.mkdir()
    (folder / "worker.py").write_text(
        f"import os, signal, time\nreport = open(os.environ['PW_REPORT'], 'a', buffering=1)\n{source}\n"
    )
    plan = e.SubtaskPlanned(
        phase=1,
        title="F401 in a.py",
        reason="one file",
        scope=TaskScope(files=("a.py",), codes=("F401",), time_budget_seconds=budget_seconds),
        problems=(),
        effort=Effort(p50=1.0, p80=2.0, p95=3.0),
        priority=0,
    )
    subtask = SubtaskState(id=SubtaskId("task.1"), plan=plan, status="claimed", epoch=1)
    worker = worker_from(f"{sys.executable} -I {folder / 'worker.py'}", shell=False)
    options = RunOptions(tool=preset_tool("ruff"), worker=worker)
    attempt = Attempt(folder / "attempt", worktree, subtask, WorkerId("w1"))
    attempt.prepare(options, "", [])
    told: list[e.WorkerMessage] = []

    async def tell(message: e.WorkerMessage) -> None:
        told.append(message)

    with WorkerHost(1) as host:
        return await attempt.run(options, host, tell), told


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
async def test_a_blocked_worker_that_fails_is_not_tried_again(tmp_path: Path, issue: str, error: str) -> None:
    line = f'{{"type": "blocked", "issue": {issue}}}'
    ending, _ = await _attempt(tmp_path, f"report.write('{line}\\n'); raise SystemExit(1)")
    assert ending == e.Failed(error=error, recoverable=False)
