"""What analysts wait for: every view and every question of the post-mortem, beside a limit, on a large ledger.

    python benchmarks/projections/queries.py [--events 1000000] [--runs 5] [--database-url URL]

Without a URL: an embedded Postgres in a temporary folder. Tasks have some 1,500 events. A million events are made and
folded by a rebuild; where more are asked for, those and their rows of all read models are copied under other names,
which takes a tenth of the time. Problems, of which these events have no raw output, are written straight into their
table, as many as the events speak of. A view is asked for one task, another one with each run, and as a whole where
that is what an analyst does.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table
from workload import fill

from domain.ids import TaskId
from eventstore.postgres.connection import Connection, connect
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate
from projections.models import ALL
from projections.postmortem import Question, answer, questions
from projections.rebuild import rebuild

_OUT = Console(width=110)
#: What an analyst is ready to wait for, and what a page that shows progress is.
_LIMIT_SECONDS = 2.0
#: Of how many tasks the progress is asked for.
_PROGRESS_RUNS = 500
_PROGRESS_LIMIT_SECONDS = 0.005

#: Each view of one task.
_ONE: dict[str, LiteralString] = {
    "attempt": "SELECT * FROM analytics.attempt WHERE task_id = %(task)s",
    "attended": "SELECT * FROM analytics.attended WHERE task_id = %(task)s",
    "blocker": "SELECT * FROM analytics.blocker WHERE task_id = %(task)s",
    "burndown": "SELECT * FROM analytics.burndown WHERE task_id = %(task)s",
    "critical_path": "SELECT * FROM analytics.critical_path WHERE task_id = %(task)s",
    "estimate": "SELECT * FROM analytics.estimate WHERE task_id = %(task)s",
    "event": "SELECT * FROM analytics.event WHERE task_id = %(task)s",
    "forecast": "SELECT * FROM analytics.forecast WHERE task_id = %(task)s",
    "gate": "SELECT * FROM analytics.gate WHERE task_id = %(task)s",
    "message": "SELECT * FROM analytics.message WHERE task_id = %(task)s",
    "problem": "SELECT * FROM analytics.problem WHERE task_id = %(task)s",
    "subtask": "SELECT * FROM analytics.subtask WHERE task_id = %(task)s",
    "task": "SELECT * FROM analytics.task WHERE task_id = %(task)s",
    "task_progress": "SELECT * FROM analytics.task_progress WHERE task_id = %(task)s",
    "timeline": "SELECT * FROM analytics.timeline WHERE task_id = %(task)s",
    "unattended": "SELECT * FROM analytics.unattended WHERE task_id = %(task)s",
    "worker": "SELECT * FROM analytics.worker WHERE task_id = %(task)s",
}

#: What is asked over all tasks.
_WHOLE: dict[str, LiteralString] = {
    "attempt: how they ended, by worker": """
        SELECT worker_id, outcome, count(*), sum(active_seconds), sum(cost) FROM analytics.attempt GROUP BY 1, 2
    """,
    "blocker: Pareto by kind": """
        SELECT kind, count(*), sum(cost_seconds) FROM analytics.blocker GROUP BY 1 ORDER BY 3 DESC
    """,
    "estimate: calibration by category": """
        SELECT category, count(*), avg(log_ratio), avg(within_p80::integer) FROM analytics.estimate GROUP BY 1
    """,
    "event: the newest thousand": "SELECT * FROM analytics.event ORDER BY position DESC LIMIT 1000",
    "forecast: hits by kind": """
        SELECT kind, count(*), avg(hit80::integer), avg(pinball80) FROM analytics.forecast GROUP BY 1
    """,
    "gate: failures by gate": """
        SELECT gate, count(*), avg((NOT passed)::integer), sum(seconds) FROM analytics.gate GROUP BY 1
    """,
    "message: the newest thousand": "SELECT * FROM analytics.message ORDER BY position DESC LIMIT 1000",
    "problem: by code and status": "SELECT code, status, count(*) FROM analytics.problem GROUP BY 1, 2",
    "subtask: by status": "SELECT status, count(*), sum(worker_seconds) FROM analytics.subtask GROUP BY 1",
    "task: speed-up by workers": "SELECT workers, count(*), avg(speedup), sum(cost) FROM analytics.task GROUP BY 1",
    "task_progress: the newest fifty": "SELECT * FROM analytics.task_progress ORDER BY submitted_at DESC LIMIT 50",
    "worker: all that they did": """
        SELECT worker_id, sum(accepted), sum(lost), sum(worked_seconds) FROM analytics.worker GROUP BY 1
    """,
}

#: Events that are made and folded; all others are copies.
_MADE = 1_000_000
_COPY_EVENTS: LiteralString = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch, occurred_at,
        payload, content_hash
    )
    SELECT
        %(name)s || task_id, %(name)s || stream_id, version, nextval('ledger.position'), gen_random_uuid(), type,
        schema_version, worker_id, lease_epoch, occurred_at, payload, content_hash
    FROM ledger.event
    WHERE task_id NOT LIKE 'copy-%%'
"""
_COPY_ROWS: LiteralString = """
    INSERT INTO projection.{table} ({columns})
    SELECT %(name)s || task_id, {others} FROM projection.{table} WHERE task_id NOT LIKE 'copy-%%'
"""
_TABLES: LiteralString = "SELECT name, number FROM projection.build WHERE status = 'live'"
_UP_TO_DATE: LiteralString = """
    UPDATE projection.build SET position = (SELECT max(position) FROM ledger.event) WHERE status = 'live'
"""

_TASKS: LiteralString = "SELECT task_id FROM projection.progress ORDER BY md5(task_id) LIMIT %(tasks)s"
_PROGRESS: LiteralString = "SELECT * FROM projection.progress WHERE task_id = %(task)s"

#: One problem in forty is back.
_PROBLEMS: LiteralString = """
    INSERT INTO projection.problem_life
    SELECT
        progress.task_id, number, 'ruff', CASE WHEN number % 12 < 7 THEN 'E501' ELSE 'F401' END, 'formatting',
        'error', format('src/package_%s/module_%s.py', number / 12 % 9, number / 12), number % 400, '', '',
        'Line too long (130 > 118)', lpad(to_hex(number), 16, '0'), 'new', fate, (fate = 'regressed')::integer, 0,
        NULL, 1, 2, submitted_at, changed_at, CASE fate WHEN 'resolved' THEN changed_at END,
        jsonb_build_array(number / 12 + 1),
        jsonb_build_array(
            jsonb_build_object('observation', 1, 'phase', 1, 'at', submitted_at, 'what', 'new'),
            jsonb_build_object('observation', 2, 'phase', 2, 'at', changed_at, 'what', fate)
        )
    FROM projection.progress
    CROSS JOIN generate_series(1, progress.problems_before) AS number
    CROSS JOIN LATERAL (SELECT CASE WHEN number % 40 = 0 THEN 'regressed' ELSE 'resolved' END) AS found (fate)
    WHERE NOT EXISTS (SELECT FROM projection.problem_life AS known WHERE known.task_id = progress.task_id)
"""


Ask = Callable[[TaskId], Awaitable[int]]
"""Asks about a task, and gives how many rows came."""


class Measured(NamedTuple):
    """How long something took, run by run, in seconds, and how many rows it gave at most."""

    seconds: list[float]
    rows: int


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000, help="events to be stored (default 1000000)")
    parser.add_argument("--runs", type=int, default=5, help="how often each is asked (default 5)")
    parser.add_argument("--database-url", help="a database to use, and to fill up, instead of an embedded one")
    options = parser.parse_args()
    with _database(options.database_url) as url:
        migrate(url)
        events = prepare(url, options.events)
        asyncio.run(measure(url, events, options.runs))


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder)) as embedded:
            yield embedded


def prepare(url: str, events: int) -> int:
    """Make events, read models and problems, as far as they are not there; gives how many events there are."""
    made = fill(url, min(events, _MADE))
    with psycopg.connect(url, autocommit=True) as connection:
        [(behind,)] = connection.execute(
            "SELECT min(position) < (SELECT max(position) FROM ledger.event) FROM projection.build"
        ).fetchall()
        if behind:
            asyncio.run(rebuild(url, ALL))
        tables: dict[str, int] = dict(
            connection.execute("SELECT name, number FROM projection.build WHERE status = 'live'").fetchall()
        )
        copies = max(made // _MADE, 1)
        while made < events:
            copies += 1
            made += _copy(connection, f"copy-{copies}-", tables)
        connection.execute(_PROBLEMS)
        connection.execute("VACUUM ANALYZE")
    return made


def _copy(connection: psycopg.Connection, name: str, tables: Mapping[str, int]) -> int:
    """Copy all events, and what the read models hold of them, under another name; gives how many events that were."""
    with connection.transaction():
        copied = connection.execute(_COPY_EVENTS, {"name": name}).rowcount
        for one in ALL:
            others = [column for column in one.columns if column != "task_id"]
            statement = sql.SQL(_COPY_ROWS).format(
                table=sql.Identifier(f"{one.name}_{tables[one.name]}"),
                columns=sql.SQL(", ").join(map(sql.Identifier, ["task_id", *others])),
                others=sql.SQL(", ").join(map(sql.Identifier, others)),
            )
            connection.execute(statement, {"name": name})
        connection.execute(_UP_TO_DATE)
    return copied


async def measure(url: str, events: int, runs: int) -> None:
    """Ask everything, each as often as was asked for."""
    async with await connect(url, "benchmark") as connection:
        cursor = await connection.execute(_TASKS, {"tasks": _PROGRESS_RUNS})
        many = [TaskId(task_id) for (task_id,) in await cursor.fetchall()]
        tasks = many[:runs]
        table = _table(
            f"{events:,} events; limit {_LIMIT_SECONDS} s, of progress {_PROGRESS_LIMIT_SECONDS} s", "of one task"
        )
        await _add(table, {"progress (read model)": _statement(connection, _PROGRESS)}, many, _PROGRESS_LIMIT_SECONDS)
        await _add(table, {name: _statement(connection, text) for name, text in _ONE.items()}, tasks)
        _OUT.print(table)
        table = _table("", "of all tasks")
        await _add(table, {name: _statement(connection, text) for name, text in _WHOLE.items()}, tasks)
        _OUT.print(table)
        table = _table("", "post-mortem of one task")
        await _add(table, {one.title: _question(connection, one) for one in questions()}, tasks)
        _OUT.print(table)


def _statement(connection: Connection, text: LiteralString) -> Ask:
    async def ask(task: TaskId) -> int:
        return len(await (await connection.execute(text, {"task": task})).fetchall())

    return ask


def _question(connection: Connection, question: Question) -> Ask:
    async def ask(task: TaskId) -> int:
        return len((await answer(connection, question, task)).rows)

    return ask


async def _add(
    table: Table, asked: Mapping[str, Ask], tasks: Sequence[TaskId], limit: float = _LIMIT_SECONDS
) -> None:
    for name, ask in asked.items():
        found = await _measured(ask, tasks)
        p95 = sorted(found.seconds)[min(round(0.95 * len(found.seconds)), len(found.seconds) - 1)]
        table.add_row(
            name, f"{found.rows:,}", f"{statistics.median(found.seconds) * 1000:,.1f}", f"{p95 * 1000:,.1f}",
            f"{p95 / limit:.3f}" + (" !" if p95 > limit else ""),
        )  # fmt: skip


async def _measured(ask: Ask, tasks: Sequence[TaskId]) -> Measured:
    # Before the first one the catalogue has to be read.
    await ask(tasks[0])
    seconds, rows = [], 0
    for task in tasks:
        started = time.perf_counter()
        rows = max(rows, await ask(task))
        seconds.append(time.perf_counter() - started)
    return Measured(seconds, rows)


def _table(title: str, what: str) -> Table:
    table = Table(title=title or None, title_justify="left")
    table.add_column(what)
    for column in ("rows", "p50 ms", "p95 ms", "p95 of the limit"):
        table.add_column(column, justify="right")
    return table


if __name__ == "__main__":
    main()
