"""What the ledger's history makes of the shipped estimates."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from domain import events as e
from domain.effort import Calibration
from eventstore.ledger import Ledger
from projections.history import calibration

History = Any
Connection = psycopg.AsyncConnection[TupleRow]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        yield connection


def work(history: History, attempts: int, *, seconds: float, prior: float = 10.0, cpu: float | None = None) -> None:
    """Add so many subtasks that are accepted at their first attempt."""
    first = 1 + sum(isinstance(event.body, e.SubtaskPlanned) for event in history.events)
    history.plan(0, *[prior] * attempts, prior=prior)
    for number in range(first, first + attempts):
        history.start(100, number)
        history.complete(100 + seconds, number, cpu=cpu)
        history.accept(200 + seconds, number)


async def test_without_a_history_the_estimates_stand(connection: Connection) -> None:
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.0, attempts=0)


async def test_one_attempt_moves_the_estimates_only_a_little(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    work(history, 1, seconds=20.0)
    await ledger.append(history.events)
    # Twice the estimate, against three attempts' worth of belief in it: 2 ** (1 / 4).
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.1892, attempts=1)


async def test_many_attempts_outweigh_the_shipped_estimates(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    work(history, 97, seconds=5.0)
    await ledger.append(history.events)
    # 0.5 ** (97 / 100)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=0.5105, attempts=97)


async def test_slow_and_fast_attempts_balance_by_their_ratio(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    work(history, 1, seconds=40.0)
    work(history, 1, seconds=2.5)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.0, attempts=2)


async def test_a_worker_that_keeps_a_processor_busy_is_measured_by_its_processor_time(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    work(history, 1, seconds=80.0, cpu=20.0)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=True) == Calibration(factor=1.1892, attempts=1)


@pytest.mark.parametrize("cpu", [None, 0.0])
async def test_attempts_without_processor_time_say_nothing_about_it(
    ledger: Ledger, connection: Connection, history: History, cpu: float | None
) -> None:
    work(history, 3, seconds=80.0, cpu=cpu)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=True) == Calibration(factor=1.0, attempts=0)


async def test_an_estimate_of_nothing_cannot_be_compared_with(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    work(history, 3, seconds=80.0, prior=0.0)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.0, attempts=0)


async def test_only_the_worker_of_that_name_counts(
    ledger: Ledger, connection: Connection, new_history: Callable[[str], History]
) -> None:
    own, foreign = new_history("tree-1"), new_history("tree-2")
    own.submit(worker="ruff-fix")
    foreign.submit(worker="claude")
    work(own, 1, seconds=20.0)
    work(foreign, 5, seconds=500.0)
    await ledger.append(own.events + foreign.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.1892, attempts=1)


async def test_all_tasks_of_a_worker_count(
    ledger: Ledger, connection: Connection, new_history: Callable[[str], History]
) -> None:
    for name in ("tree-1", "tree-2"):
        history = new_history(name)
        history.submit()
        work(history, 1, seconds=20.0)
        await ledger.append(history.events)
    # 2 ** (2 / 5)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.3195, attempts=2)


async def test_the_time_between_claim_and_start_does_not_count(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    history.plan(0, 10.0, prior=10.0)
    history.claim(0)
    history.add(500, e.Started(), subtask=1, epoch=1)
    history.complete(520)
    history.accept(521)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.1892, attempts=1)


async def test_of_several_attempts_at_a_subtask_the_accepted_one_counts(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    history.plan(0, 10.0, prior=10.0)
    history.start(0)
    history.complete(1000)
    history.add(1001, e.SubtaskRejected(gate="tests", reason="exit code 1"), subtask=1, epoch=1)
    history.start(2000, epoch=2)
    history.complete(2020, epoch=2)
    history.accept(2500, epoch=2)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.1892, attempts=1)


async def test_work_that_was_not_accepted_does_not_count(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    history.plan(0, 10.0, 10.0, prior=10.0)
    history.start(0, 1)
    history.add(1000, e.Failed(error="e"), subtask=1, epoch=1)
    history.start(0, 2)
    history.complete(1000, 2)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.0, attempts=0)


async def test_the_latest_two_hundred_attempts_count(
    ledger: Ledger, connection: Connection, history: History
) -> None:
    work(history, 50, seconds=1000.0)
    work(history, 200, seconds=20.0)
    await ledger.append(history.events)
    # 2 ** (200 / 203)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=1.9796, attempts=200)


@pytest.mark.parametrize(("seconds", "factor"), [(0.000_01, 0.01), (1_000_000.0, 100.0)])
async def test_the_factor_has_bounds(
    ledger: Ledger, connection: Connection, history: History, seconds: float, factor: float
) -> None:
    work(history, 60, seconds=seconds)
    await ledger.append(history.events)
    assert await calibration(connection, "ruff-fix", cpu_bound=False) == Calibration(factor=factor, attempts=60)
