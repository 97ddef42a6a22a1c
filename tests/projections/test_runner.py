"""The runner has each event in each table exactly once, whatever happens beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain import events as e
from domain.errors import LedgerError, RebuildError
from domain.ids import StreamId
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger
from eventstore.postgres.database import open_database
from eventstore.transfer.archive import archive_task
from projections import runner as runner_module
from projections.models import ALL
from projections.rebuild import rebuild
from projections.runner import Runner
from tests.api.chaos.processes import until
from tests.projections.tables_of import positions_of, tables_of

History = Any
NewHistory = Callable[[str], History]


@asynccontextmanager
async def running(*runners: Runner) -> AsyncIterator[None]:
    """Let runners follow the ledger until the end of the block."""
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def work(history: History, subtasks: int = 3) -> None:
    """Submit a task, and do some of its subtasks."""
    history.observe(1, {"E1": 7})
    history.plan(2, *[30.0] * subtasks)
    for number in range(1, subtasks + 1):
        history.start(10 * number, number)
        history.complete(10 * number + 5, number)
        history.accept(10 * number + 6, number)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type, unused-ignore]


async def agree(url: str) -> bool:
    """Tell whether the read models are what their rebuild gives."""
    return all(one.differing_rows == 0 for one in await rebuild(url, ALL))


async def test_events_are_taken_in_as_they_come(database_url: str, ledger: Ledger, history: History) -> None:
    work(history)
    async with running(Runner(database_url, ALL)):
        for event in history.events:
            await ledger.append([event])
        last = len(history.events)
        await until(lambda: set(positions_of(database_url).values()) == {last}, "the read models hold everything")
    assert await agree(database_url)


async def test_two_runners_at_once_take_in_each_event_once(
    database_url: str, ledger: Ledger, new_history: NewHistory
) -> None:
    async with running(Runner(database_url, ALL), Runner(database_url, ALL)):
        for number in range(1, 9):
            history = new_history(f"tree-{number}")
            history.submit()
            work(history)
            for event in history.events:
                await ledger.append([event])
        [(last,)] = query(database_url, "SELECT max(position) FROM ledger.event")
        await until(lambda: set(positions_of(database_url).values()) == {last}, "the read models hold everything")
    assert await agree(database_url)


async def test_rows_and_place_are_stored_together_or_not_at_all(
    database_url: str, ledger: Ledger, history: History
) -> None:
    work(history)
    await ledger.append(history.events[:10])
    await Runner(database_url, ALL).catch_up()
    before = tables_of(database_url), positions_of(database_url)
    # The last one that is written to.
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE projection.worker_1 ADD CONSTRAINT few CHECK (claims < 2) NOT VALID")
    await ledger.append(history.events[10:])
    with pytest.raises(LedgerError):
        await Runner(database_url, ALL).catch_up()
    assert (tables_of(database_url), positions_of(database_url)) == before


async def test_a_task_that_was_forgotten_is_folded_again(
    database_url: str, ledger: Ledger, new_history: NewHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "SUBTASKS_KEPT_MAX", 1)
    histories = [new_history(f"tree-{number}") for number in (1, 2, 3)]
    for history in histories:
        history.submit()
        work(history)
    runner = Runner(database_url, ALL)
    for place in range(0, len(histories[0].events), 4):
        for history in histories:
            await ledger.append(history.events[place : place + 4])
        await runner.catch_up()
    assert await agree(database_url)


async def test_an_archived_task_leaves_its_tombstone_alone(
    database_url: str, ledger: Ledger, new_history: NewHistory, tmp_path: Path
) -> None:
    for name in ("tree-1", "tree-2"):
        history = new_history(name)
        history.submit()
        work(history)
        history.add(99, e.TaskCompleted(summary="done"))
        await ledger.append(history.events)
    await Runner(database_url, ALL).catch_up()
    archive_task(database_url, "tree-1", tmp_path, SystemClock())

    await Runner(database_url, ALL).catch_up()

    tables = tables_of(database_url)
    assert [row["status"] for row in tables["progress"]] == ["archived", "completed"]
    assert {row["task_id"] for row in tables["subtask"] + tables["history"] + tables["gate"]} == {"tree-2"}
    assert await agree(database_url)


async def test_a_table_of_another_version_is_left_to_a_rebuild(
    database_url: str, ledger: Ledger, history: History
) -> None:
    work(history)
    await ledger.append(history.events)
    query(database_url, "UPDATE projection.build SET version = 0 WHERE name = 'subtask' RETURNING 1")
    runner = Runner(database_url, ALL)

    async with running(runner):
        await until(lambda: positions_of(database_url)["worker"] == len(history.events), "the others go on")
        assert positions_of(database_url)["subtask"] == 0
        [rebuilt] = await rebuild(database_url, [one for one in ALL if one.name == "subtask"])
        assert rebuilt.differing_rows is None
        history.add(99, e.TaskCompleted(summary="done"))
        await ledger.append(history.events[-1:])
        last = len(history.events)
        await until(lambda: set(positions_of(database_url).values()) == {last}, "the rebuilt one goes on as well")


# --- what cannot be taken in ---


async def test_an_event_that_cannot_be_read_is_set_aside_and_told(
    database_url: str,
    ledger: Ledger,
    history: History,
    append_raw: Callable[..., list[int]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    work(history)
    await ledger.append(history.events[:20])
    with psycopg.connect(database_url, autocommit=True) as connection:
        [bad] = append_raw(connection, [{"stream_id": "tree-1.1", "payload": '{"completed": "many"}'}])
    await ledger.append(history.events[20:])

    await Runner(database_url, ALL).catch_up()

    assert set(positions_of(database_url).values()) == {len(history.events) + 1}
    aside = query(database_url, "SELECT DISTINCT task_id, position, error FROM projection.set_aside")
    assert [(task, position) for task, position, _ in aside] == [("tree-1", bad)]
    assert "cannot be read by this release" in aside[0][2]
    [told] = [line for line in caplog.messages if "is set aside" in line]
    assert told.startswith(f"the event of tree-1 at position {bad} is set aside: ")
    assert len(query(database_url, "SELECT 1 FROM projection.set_aside")) == len(ALL)
    assert {row["status"] for row in tables_of(database_url)["subtask"]} == {"accepted"}


async def test_an_event_that_makes_no_sense_is_set_aside_and_told(
    database_url: str, ledger: Ledger, history: History
) -> None:
    work(history)
    history.add(100, e.Started(), subtask=77, epoch=1)
    await ledger.append(history.events)

    await Runner(database_url, ALL).catch_up()

    aside = query(database_url, "SELECT DISTINCT position, error FROM projection.set_aside")
    assert aside == [(len(history.events), "ValueError: the first event of tree-1.77 is Started")]
    assert {row["status"] for row in tables_of(database_url)["subtask"]} == {"accepted"}


async def test_a_row_that_cannot_be_made_is_set_aside_and_told(
    database_url: str, ledger: Ledger, history: History
) -> None:
    work(history)
    [planned] = [
        one for one in history.events if isinstance(one.body, e.SubtaskPlanned) and one.stream_id == "tree-1.3"
    ]
    unnumbered = msgspec.structs.replace(planned, stream_id=StreamId("tree-1.last"), message_id=UUID(int=7))
    await ledger.append([*history.events, unnumbered])

    await Runner(database_url, ALL).catch_up()

    aside = query(database_url, "SELECT name, position, error FROM projection.set_aside ORDER BY name")
    error = "ValueError: invalid literal for int() with base 10: 'last'"
    assert aside == [(name, len(history.events) + 1, error) for name in ("forecast", "plan", "subtask")]
    assert [row["accepted"] for row in tables_of(database_url)["progress"]] == [3]
    with pytest.raises(
        RebuildError, match=r"^the read models are as they were: forecast cannot take in the event of"
    ):
        await rebuild(database_url, ALL)


async def test_a_row_that_its_table_does_not_take_is_set_aside_and_its_neighbours_are_not(
    database_url: str, ledger: Ledger, history: History
) -> None:
    work(history)
    history.gate(200, 1, name="tests", passed=True)
    huge = 1_000_000_000_000
    body = e.GateEvaluated(gate="tests", passed=True, score=1.0)
    history.add(201, body, subtask=2, epoch=1)
    history.add(202, e.BlockerAnswered(number=1, text="no"), subtask=3, epoch=1)
    history.add(203, e.ProblemsObserved(
        phase=1, commit="c", format="ruff", tool="ruff", artifact="0" * 64, problems=huge, targeted=huge, codes={},
    ))  # fmt: skip
    await ledger.append(history.events)

    await Runner(database_url, ALL).catch_up()

    aside = query(database_url, "SELECT name, position FROM projection.set_aside ORDER BY name")
    assert aside == [("burndown", len(history.events)), ("progress", len(history.events))]
    assert len(tables_of(database_url)["gate"]) == 2


async def test_the_service_role_may_do_all_of_it(
    database_url: str, ledger: Ledger, history: History, tmp_path: Path
) -> None:
    work(history)
    await ledger.append(history.events)
    with open_database(database_url, tmp_path) as url:
        await Runner(url, ALL).catch_up()
        assert await agree(url)
        assert query(url, "SELECT current_user, tableowner FROM pg_tables WHERE tablename = 'subtask_2'") == [
            ("pw_service", "pw_service")
        ]
    with open_database(database_url, tmp_path, "pw_analyst") as url:
        assert query(url, "SELECT count(*) FROM projection.subtask") == [(3,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(url, "SELECT count(*) FROM projection.subtask_2")
