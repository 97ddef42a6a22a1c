"""What read models hold is the same whether it was folded event by event, or all at once, or in SQL."""

from __future__ import annotations

import random
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from eventstore.ledger import Ledger
from projections.models import ALL
from projections.rebuild import rebuild
from projections.runner import Runner
from tests.projections.tables_of import positions_of, tables_of
from tests.projections.test_views_agree import Chance

SEEDS = (0, 1, 2, 4, 5)


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


async def rows_of(url: str, query: str) -> list[dict[str, Any]]:
    connect = psycopg.AsyncConnection.connect(url, row_factory=dict_row)
    async with await connect as connection:
        return await (await connection.execute(query)).fetchall()  # type: ignore[arg-type, unused-ignore]


async def test_the_fold_in_sql_and_the_read_models_agree(database_url: str, ledger: Ledger) -> None:
    await play(ledger, SEEDS, database_url)

    for view, columns in {
        "subtask": "task_id, subtask, phase, status, title, reason, problems, files, attempts, failures, losses,"
        " estimated_seconds, worker_seconds, round(fraction::numeric, 9) AS fraction,"
        " round(cost::numeric, 6) AS cost",
        "blocker": "task_id, subtask, number, kind, policy, detail, context, waits_for, worker_id, lease_epoch,"
        " opened_at, answered_at, answer, action, answered_by",
    }.items():
        order = "ORDER BY task_id, subtask" + (", number" if view == "blocker" else "")
        by_sql = await rows_of(database_url, f"SELECT {columns} FROM analytics.{view} {order}")
        assert await rows_of(database_url, f"SELECT {columns} FROM projection.{view} {order}") == by_sql
    columns = (
        "task_id, status, phase, percent, subtasks, accepted, held, failures, losses, problems_before, problems_now,"
        " round(cost::numeric, 6) AS cost, round(worker_seconds::numeric, 2) AS worker_seconds, branch, submitted_at,"
        " reason"
    )
    by_sql = await rows_of(database_url, f"SELECT {columns}, live FROM analytics.task_progress ORDER BY task_id")
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
