"""The merge of accepted work, where the branch has moved on in the meantime."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.run.checks import Baseline, Verdict
from api.run.crew import Crew
from api.run.git import Repository
from api.run.journal import Journal, subtask_drafts
from api.run.options import RunOptions
from api.run.tool import PRESETS
from api.run.workers import RUFF_FIX
from domain import events as e
from domain.ids import SubtaskId, TaskId, WorkerId
from domain.lifecycle import Accept, Claim, Limits, Report
from domain.plan import Effort
from domain.scope import TaskScope
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger

TASK = TaskId("tree-1")
FIRST, SECOND = SubtaskId("tree-1.1"), SubtaskId("tree-1.2")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    told = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return told.stdout.strip()


def committed(folder: Path, content: str) -> str:
    (folder / "a.py").write_text(content, encoding="utf-8")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", content.strip())
    return git(folder, "rev-parse", "HEAD")


def planned(*files: str) -> e.SubtaskPlanned:
    return e.SubtaskPlanned(
        phase=1,
        title=f"mend {files[0]}",
        reason="local edits",
        scope=TaskScope(files=files, codes=("E1",)),
        problems=(0,),
        effort=Effort(p50=1.0, p80=2.0, p95=3.0),
        priority=0,
    )


async def finish(journal: Journal, subtask: SubtaskId, worker: WorkerId) -> None:
    """Claim a subtask, work on it, and say that it is done."""
    await journal.command(Claim(subtask_id=subtask, worker_id=worker, base_commit=journal.state.head))
    epoch = journal.state.subtasks[subtask].epoch
    for message in (e.Started(), e.Completed()):
        await journal.command(Report(subtask_id=subtask, worker_id=worker, epoch=epoch, message=message))


@pytest.fixture
async def journal(database_url: str, tmp_path: Path) -> AsyncIterator[Journal]:
    """A task of two subtasks in the ledger, on a repository with one file."""
    git(tmp_path, "init", "--quiet")
    base = committed(tmp_path, "x = 1\n")
    options = RunOptions(tool=PRESETS["ruff"], worker=RUFF_FIX)
    submitted = e.TaskSubmitted(
        repository=str(tmp_path), base_commit=base, branch=f"pw/{TASK}", options=options.to_payload()
    )
    async with Ledger.open(database_url) as ledger:
        made = Journal(ledger, SystemClock(), Limits())
        await made.submit(TASK, submitted)
        await made.record(e.PhaseStarted(phase=1, name="round 1"))
        await made.record_drafts(subtask_drafts(TASK, 1, [planned("a.py"), planned("b.py")]))
        yield made


def crew_of(journal: Journal, folder: Path) -> Crew:
    return Crew(
        repository=Repository(folder),
        options=RunOptions.from_payload(journal.state.submitted.options),
        journal=journal,
        folder=folder / "runs",
        problems=(),
        baseline=Baseline(()),
    )


async def test_a_conflict_is_recorded_as_a_hidden_dependency_and_the_subtask_done_again_on_the_new_base(
    journal: Journal, tmp_path: Path
) -> None:
    base = journal.state.head
    await finish(journal, FIRST, WorkerId("w1"))
    # Meanwhile other work is accepted that has changed the same line.
    await finish(journal, SECOND, WorkerId("w2"))
    theirs = committed(tmp_path, "x = 2\n")
    await journal.command(Accept(subtask_id=SECOND, epoch=1, commit=theirs, files_changed=1))
    git(tmp_path, "reset", "--quiet", "--hard", base)
    ours = committed(tmp_path, "x = 3\n")
    verdict = Verdict(gates=(), tree=git(tmp_path, "rev-parse", f"{ours}^{{tree}}"), changed=("a.py",))

    await crew_of(journal, tmp_path)._merge(journal.state.subtasks[FIRST], verdict)

    again = journal.state.subtasks[FIRST]
    assert (again.status, again.failures) == ("ready", 0)
    assert [note.what for note in again.history] == ["hidden dependency, conflict in a.py"]
    await journal.command(Claim(subtask_id=FIRST, worker_id=WorkerId("w1"), base_commit=journal.state.head))
    assert journal.state.subtasks[FIRST].base_commit == theirs


async def test_work_on_an_older_base_is_merged_where_it_does_not_meet_other_work(
    journal: Journal, tmp_path: Path
) -> None:
    base = journal.state.head
    await finish(journal, FIRST, WorkerId("w1"))
    await finish(journal, SECOND, WorkerId("w2"))
    (tmp_path / "b.py").write_text("y = 1\n", encoding="utf-8")
    theirs = committed(tmp_path, "x = 1\n")
    await journal.command(Accept(subtask_id=SECOND, epoch=1, commit=theirs, files_changed=1))
    git(tmp_path, "reset", "--quiet", "--hard", base)
    ours = committed(tmp_path, "x = 3\n")
    verdict = Verdict(gates=(), tree=git(tmp_path, "rev-parse", f"{ours}^{{tree}}"), changed=("a.py",))

    await crew_of(journal, tmp_path)._merge(journal.state.subtasks[FIRST], verdict)

    assert journal.state.subtasks[FIRST].status == "accepted"
    assert git(tmp_path, "show", f"pw/{TASK}:a.py") == "x = 3"
    assert git(tmp_path, "show", f"pw/{TASK}:b.py") == "y = 1"
    assert git(tmp_path, "rev-parse", f"pw/{TASK}^") == theirs
