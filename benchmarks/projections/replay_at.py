"""How long it takes to show how a task stood, in the middle of a long ledger.

    python benchmarks/projections/replay_at.py [--events 10000000] [--database-url URL]

Without a URL: an embedded Postgres in a temporary folder (a gigabyte for each million events). Tasks from the
beginning, the middle and the end of the ledger are shown at half of their events. The limit is that of the whole:
connecting, finding the task, reading its events, and folding them into the rows of all read models.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table
from workload import fill

from domain.ids import TaskId
from eventstore.postgres.connection import connect
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate
from projections.replay.recording import read_events
from projections.replay.state_at import StateAt, state_at

_OUT = Console(width=110)
_LIMIT_SECONDS = 1.0
_ROUNDS = 5

#: Tasks whose first events lie at these shares of the ledger, and the position of the middle one of their events.
_CHOSEN = """
    WITH begun AS (
        SELECT task_id, position, ntile(100) OVER (ORDER BY position) AS place
        FROM ledger.event WHERE type = 'task_submitted'
    ),
    chosen AS (
        SELECT DISTINCT ON (place) task_id, place FROM begun WHERE place IN (1, 50, 100) ORDER BY place, position
    )
    SELECT place, task_id, percentile_disc(0.5) WITHIN GROUP (ORDER BY position)
    FROM chosen JOIN ledger.event USING (task_id)
    GROUP BY place, task_id ORDER BY place
"""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="realistic events to be stored")
    parser.add_argument("--database-url", help="an empty database to use instead of an embedded one")
    options = parser.parse_args()
    with _database(options.database_url) as url:
        migrate(url)
        stored = fill(url, options.events)
        with psycopg.connect(url) as connection:
            chosen = connection.execute(_CHOSEN).fetchall()
        _OUT.print(_table(url, stored, chosen))


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder)) as embedded:
            yield embedded


def _table(url: str, stored: int, chosen: Sequence[tuple[int, str, int]]) -> Table:
    table = Table(title=f"a task at half of its events, {stored:,} events in the ledger", title_justify="left")
    for column in ("where", "events read", "seconds", "of the limit", "of it processor", "pw replay --at, processor"):
        table.add_column(column, justify="right")
    for place, task, position in chosen:
        taken = [_shown(url, task, position) for _ in range(_ROUNDS)]
        seconds = statistics.median(wall for _, wall, _ in taken)
        processor = statistics.median(cpu for _, _, cpu in taken)
        whole = statistics.median(_command_seconds(url, task, position) for _ in range(3))
        table.add_row(
            f"{place}%", f"{taken[0][0].events:,}", f"{seconds:.3f}", f"{seconds / _LIMIT_SECONDS:.2f}",
            f"{processor:.3f}", f"{whole:.2f}",
        )  # fmt: skip
    return table


def _shown(url: str, task: str, position: int) -> tuple[StateAt, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    state = asyncio.run(_state(url, task, position))
    return state, time.perf_counter() - wall, time.process_time() - cpu


async def _state(url: str, task: str, position: int) -> StateAt:
    async with await connect(url, "replay") as connection:
        return state_at(await read_events(connection, TaskId(task), position))


def _command_seconds(url: str, task: str, position: int) -> float:
    """Give the processor time of the whole command, most of which is that of loading it."""
    command = [str(Path(sys.executable).parent / "pw"), "replay", task, "--at", str(position), "-o", "json"]
    before = _children_seconds()
    subprocess.run([*command, "--database-url", url], check=True, stdout=subprocess.DEVNULL)
    return _children_seconds() - before


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
