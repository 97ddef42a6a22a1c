"""What read models cost, beside decoding alone and beside another package, in one run.

    python benchmarks/projections [--events 1000000] [--quick] [--database-url URL]

Without a URL: an embedded Postgres in a temporary folder. Rates are those of whole rebuilds of all read models:
reading, folding, copying, indexing, comparing with the live tables, turning the views. Decoding alone reads the same
events in the same order and stops there. Ratios are of medians over rounds in which both take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import eventsourcing_peer
import psycopg
from live import lag
from rich.console import Console
from rich.table import Table
from workload import fill

from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate
from projections.models import ALL
from projections.reading import read_tasks
from projections.rebuild import rebuild

_OUT = Console(width=110)
_POSITION_MAX = 2**62


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="realistic events to be stored (default 1000000)"
    )
    parser.add_argument("--quick", action="store_true", help="one round, a fifth of the events")
    parser.add_argument("--database-url", help="an empty database to use instead of an embedded one")
    options = parser.parse_args()
    events = options.events // 5 if options.quick else options.events
    with _database(options.database_url) as url:
        migrate(url)
        sizes = [events // 10, events]
        for size in sizes:
            rebuilding(url, fill(url, size), rounds=1 if options.quick else 3)
        peer(url, events=5_000 if options.quick else 20_000)
        live(url, seconds=10 if options.quick else 30)


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder)) as embedded:
            yield embedded


def _decode_seconds(url: str) -> float:
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        started = time.perf_counter()
        for _ in read_tasks(connection, "", "~", _POSITION_MAX):
            pass
        return time.perf_counter() - started


def _rebuild_seconds(url: str, processes: int) -> float:
    started = time.perf_counter()
    asyncio.run(rebuild(url, ALL, processes=processes))
    return time.perf_counter() - started


def rebuilding(url: str, events: int, rounds: int) -> None:
    """Rebuild all read models, beside decoding alone."""
    cores = os.cpu_count() or 1
    # The first one brings the live tables to where the new ones are.
    _rebuild_seconds(url, cores)
    taken = [(_decode_seconds(url), _rebuild_seconds(url, 1), _rebuild_seconds(url, cores)) for _ in range(rounds)]
    decode, one, all_cores = (events / statistics.median(column) for column in zip(*taken, strict=True))
    table = _table(f"{events:,} events, ten read models", "", "events/s", "of decoding")
    table.add_row("decoding alone", _n(decode), "")
    table.add_row("rebuild, 1 process", _n(one), f"{one / decode:.2f} (0.5)")
    table.add_row(f"rebuild, {cores} processes", _n(all_cores), f"{all_cores / decode:.2f}")
    _OUT.print(table)


def peer(url: str, events: int) -> None:
    """The package eventsourcing."""
    table = _table("one read model of eventsourcing", "events", "events/s")
    table.add_row(_n(events), _n(eventsourcing_peer.projected_per_second(url, events)))
    _OUT.print(table)


def live(url: str, seconds: int) -> None:
    """How far the live tables are behind."""
    table = _table("live, while events come", "asked for", "events/s", "lag p50 s", "lag p95 s", "all there after s")
    for rate in (1_000, 10_000):
        got = lag(url, rate, seconds)
        table.add_row(
            _n(rate), _n(got.events_per_second), *(f"{value:.3f}" for value in got[1:]),
        )  # fmt: skip
    _OUT.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _n(value: float) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    main()
