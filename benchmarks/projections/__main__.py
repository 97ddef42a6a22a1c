"""What read models cost, beside reading alone and beside another package, in one run.

    python benchmarks/projections [--events 1000000] [--quick] [--database-url URL]

Without a URL: an embedded Postgres in a temporary folder, about 600 MB for a million events. A rebuild is all of it,
for all read models: reading, folding, copying, indexing, comparing with the live tables, turning the views. Reading
alone is the ledger's feed: the same events as whole records, decoded, and nothing done with them. Costs are processor
seconds of clients and server together, so that the ratio is one of work, whoever else is on the machine.

`--events 10000000` takes a quarter of an hour and 8 GB below the temporary folder (`TMPDIR` names another one).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import eventsourcing_peer
import psycopg
from live import lag
from processor import Cost, Processor
from rich.console import Console
from rich.table import Table
from workload import fill

from eventstore.feed import Feed
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
        processor = Processor(url)
        for size in _sizes(events):
            rebuilding(url, processor, fill(url, size), rounds=1 if options.quick or size > 1_000_000 else 2)
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


def _sizes(events: int) -> list[int]:
    """Give the sizes at which growth is looked at: the tenth part of each one before."""
    sizes = [events]
    while sizes[0] > 200_000:
        sizes.insert(0, sizes[0] // 10)
    return sizes


async def _feed(url: str) -> None:
    async for _ in Feed(url).batches(follow=False):
        pass


def _by_task(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        for _ in read_tasks(connection, "", "~", _POSITION_MAX, in_parts=False):
            pass


def rebuilding(url: str, processor: Processor, events: int, rounds: int) -> None:
    """Rebuild all read models, beside reading alone."""
    cores = os.cpu_count() or 1
    # The first one brings the live tables to where the new ones are.
    asyncio.run(rebuild(url, ALL, processes=cores))
    works: dict[str, Callable[[], object]] = {
        "the feed, whole records": lambda: asyncio.run(_feed(url)),
        "by task, what folds look at": lambda: _by_task(url),
        "rebuild, 1 process": lambda: asyncio.run(rebuild(url, ALL, processes=1)),
        f"rebuild, {cores} processes": lambda: asyncio.run(rebuild(url, ALL, processes=cores)),
    }
    taken = [{name: processor.cost(work) for name, work in works.items()} for _ in range(rounds)]
    table = _table(
        f"{events:,} events, {len(ALL)} read models",
        "",
        "events/s",
        "client s",
        "server s",
        "events per processor s",
        "of the feed",
    )
    feed = _least(taken, "the feed, whole records")
    for name in works:
        cost = _least(taken, name)
        table.add_row(
            name, _n(events / cost.wall), f"{cost.client:.1f}", f"{cost.server:.1f}", _n(events / cost.processor),
            f"{feed.processor / cost.processor:.2f}",
        )  # fmt: skip
    _OUT.print(table)


def _least(taken: Sequence[dict[str, Cost]], name: str) -> Cost:
    """Give the round that was disturbed least."""
    return min((costs[name] for costs in taken), key=lambda cost: cost.processor)


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
