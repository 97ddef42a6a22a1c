"""The list of tasks, as typed rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain import events as e
from domain.errors import LedgerError
from eventstore.ledger import Ledger
from projections.tables import TaskProgress, all_tasks

History = Any
NewHistory = Callable[[str], History]


async def submit_each(ledger: Ledger, new_history: NewHistory, *seconds: float) -> None:
    for number, second in enumerate(seconds, 1):
        history = new_history(f"tree-{number}")
        history.submit(second)
        await ledger.append(history.events)


def test_an_empty_ledger_has_no_tasks(database_url: str) -> None:
    assert all_tasks(database_url) == []


async def test_a_task_is_one_typed_row(database_url: str, ledger: Ledger, history: History) -> None:
    history.observe(1, {"E1": 7})
    history.plan(2, 30.0, 10.0)
    history.start(3, 1)
    history.add(4, e.Progress(completed=1, total=2), subtask=1, epoch=1)
    history.start(4, 2, worker="w2")
    history.complete(6.5, 2)
    history.accept(7, 2)
    history.observe(8, {"E1": 4})
    await ledger.append(history.events)

    [row] = all_tasks(database_url)

    assert isinstance(row, TaskProgress)
    assert row.model_dump() == {
        "task_id": "tree-1",
        "status": "running",
        "phase": 1,
        "percent": 62.5,
        "subtasks": 2,
        "accepted": 1,
        "live": 1,
        "held": 0,
        "failures": 0,
        "losses": 0,
        "problems_before": 7,
        "problems_now": 4,
        "worker_seconds": 2.5,
        "branch": "pw/tree-1",
        "submitted_at": history.events[0].occurred_at,
        "reason": "",
    }


async def test_the_newest_task_comes_first(database_url: str, ledger: Ledger, new_history: NewHistory) -> None:
    await submit_each(ledger, new_history, 20, 30, 10)
    assert [row.task_id for row in all_tasks(database_url)] == ["tree-2", "tree-1", "tree-3"]


async def test_the_limit_keeps_the_newest_tasks(database_url: str, ledger: Ledger, new_history: NewHistory) -> None:
    await submit_each(ledger, new_history, 20, 30, 10)
    assert [row.task_id for row in all_tasks(database_url, limit=2)] == ["tree-2", "tree-1"]


def test_a_database_without_the_views_gives_one_clear_line(empty_database_url: str) -> None:
    with pytest.raises(LedgerError, match=r"^the ledger cannot be read: [^\n]*analytics\.task_progress[^\n]*$"):
        all_tasks(empty_database_url)


def test_a_database_that_is_not_there_gives_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"^the ledger cannot be read: [^\n]+$"):
        all_tasks(f"postgresql:///ledger?host={tmp_path}")
