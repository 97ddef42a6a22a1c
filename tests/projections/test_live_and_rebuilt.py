"""What read models hold is the same whether it was folded event by event, or all at once, or in SQL."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from eventstore.codec import decode_records
from eventstore.ledger import Ledger
from projections.models import ALL
from projections.rebuild import rebuild
from projections.runner import Runner
from tests.projections.tables_of import positions_of, tables_of
from tests.projections.test_views_agree import Chance

SEEDS = (0, 1, 2, 4, 5)

#: Three tasks of `pw run`: done, failed at, and done but for what its worker cannot do.
RECORDED = Path(__file__).with_name("recorded_run.jsonl")


async def play(ledger: Ledger, seeds: tuple[int, ...], url: str) -> None:
    """Go through tasks at once, with read models that are moved on now and then, by one runner or a new one."""
    source = random.Random(seeds[0])
    lasting = Runner(url, ALL)
    runs = [Chance(ledger, seed).steps() for seed in seeds]
    while runs:
        run = source.choice(runs)
        if await anext(run, "over") == "over":
            runs.remove(run)
        if source.random() < 0.05:
            await source.choice([lasting, Runner(url, ALL)]).catch_up()
    await lasting.catch_up()


@pytest.mark.parametrize("seeds", [SEEDS[:3], SEEDS[3:]], ids=str)
async def test_a_live_read_model_is_what_its_rebuild_gives_at_the_same_position(
    database_url: str, ledger: Ledger, seeds: tuple[int, ...]
) -> None:
    await play(ledger, seeds, database_url)
    live, positions = tables_of(database_url), positions_of(database_url)

    rebuilt = await rebuild(database_url, ALL)

    assert tables_of(database_url) == live
    assert positions_of(database_url) == positions
    assert {one.name: (one.rows, one.differing_rows) for one in rebuilt} == {
        name: (len(rows), 0) for name, rows in live.items()
    }
    assert all(live.values())


async def test_a_recorded_ledger_gives_the_same_live_and_rebuilt(database_url: str, ledger: Ledger) -> None:
    runner = Runner(database_url, ALL)
    for record in decode_records(RECORDED.read_text(encoding="utf-8").strip()):
        await ledger.append([record.event])
        if record.position % 7 == 0:
            await runner.catch_up()
    await runner.catch_up()
    live = tables_of(database_url)

    rebuilt = await rebuild(database_url, ALL)

    assert tables_of(database_url) == live
    assert {one.differing_rows for one in rebuilt} == {0}
    found = [(row["status"], row["percent"], row["accepted"], row["held"]) for row in live["progress"]]
    assert sorted(found) == [("completed", 100.0, 2, 0), ("completed", 100.0, 3, 0), ("stalled", 0.0, 0, 2)]
    counts = {name: len(live[name]) for name in ("gate", "history", "milestone", "subtask")}
    assert counts == {"gate": 20, "history": 11, "milestone": 8, "subtask": 7}
    await assert_sql_agrees(database_url)


async def rows_of(url: str, query: str) -> list[dict[str, Any]]:
    connect = psycopg.AsyncConnection.connect(url, row_factory=dict_row)
    async with await connect as connection:
        return await (await connection.execute(query)).fetchall()  # type: ignore[arg-type, unused-ignore]


async def folded_rows_of(url: str, query: str) -> list[dict[str, Any]]:
    """Ask views that look into the read models first, as if nothing were in those: they fold the ledger."""
    connect = psycopg.AsyncConnection.connect(url, row_factory=dict_row)
    async with await connect as connection:
        await connection.execute("UPDATE projection.build SET position = 0")
        rows = await (await connection.execute(query)).fetchall()  # type: ignore[arg-type, unused-ignore]
        await connection.rollback()
        return rows


async def test_the_fold_in_sql_and_the_read_models_agree(database_url: str, ledger: Ledger) -> None:
    await play(ledger, SEEDS, database_url)
    await assert_sql_agrees(database_url)


@pytest.mark.parametrize(("view", "order"), [("subtask", "2"), ("blocker", "2, 3"), ("task_progress", "1")])
async def test_a_view_says_the_same_whether_it_reads_the_read_model_or_folds_the_ledger(
    database_url: str, ledger: Ledger, view: str, order: str
) -> None:
    await play(ledger, SEEDS, database_url)
    query = f"SELECT * FROM analytics.{view} ORDER BY task_id, {order}"
    read, folded = await rows_of(database_url, query), await folded_rows_of(database_url, query)
    assert read
    assert _near(read) == _near(folded)


def _near(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Round what is summed up in another order, and leave out the age of what is open."""
    return [
        {name: round(value, 6) if isinstance(value, float) else value for name, value in row.items()}
        | {"cost_seconds": None}
        for row in rows
    ]


async def assert_sql_agrees(database_url: str) -> None:
    """Hold the read models against the views that fold the ledger itself."""
    for view, columns in {
        "subtask": "task_id, subtask, phase, status, title, reason, problems, files, attempts, failures, losses,"
        " estimated_seconds, worker_seconds, round(fraction::numeric, 9) AS fraction,"
        " round(cost::numeric, 6) AS cost",
        "blocker": "task_id, subtask, number, kind, policy, detail, context, waits_for, worker_id, lease_epoch,"
        " opened_at, answered_at, answer, action, answered_by",
    }.items():
        order = "ORDER BY task_id, subtask" + (", number" if view == "blocker" else "")
        by_sql = await folded_rows_of(database_url, f"SELECT {columns} FROM analytics.{view} {order}")
        assert await rows_of(database_url, f"SELECT {columns} FROM projection.{view} {order}") == by_sql
    columns = (
        "task_id, status, phase, percent, subtasks, accepted, held, failures, losses, problems_before, problems_now,"
        " round(cost::numeric, 6) AS cost, round(worker_seconds::numeric, 2) AS worker_seconds, branch, submitted_at,"
        " reason"
    )
    query = f"SELECT {columns}, live FROM analytics.task_progress ORDER BY task_id"
    by_sql = await folded_rows_of(database_url, query)
    live = "claimed + running + blocked + reported AS live"
    assert (
        await rows_of(database_url, f"SELECT {columns}, {live} FROM projection.progress ORDER BY task_id") == by_sql
    )


async def test_an_attempts_active_and_blocked_time_are_the_subtasks_time(database_url: str, ledger: Ledger) -> None:
    await play(ledger, SEEDS[:3], database_url)
    differing = await rows_of(
        database_url,
        """
        SELECT task_id, subtask, worker_seconds, seconds
        FROM projection.subtask
        JOIN (
            SELECT task_id, subtask, sum(active_seconds + blocked_seconds) AS seconds
            FROM projection.history GROUP BY task_id, subtask
        ) AS attempts USING (task_id, subtask)
        WHERE abs(worker_seconds - seconds) > 0.02
        """,
    )
    assert differing == []
