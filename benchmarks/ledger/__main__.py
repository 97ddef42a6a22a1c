"""The ledger's figures beside what they are measured against, on one database, in one run.

    python benchmarks/ledger [--quick] [--reading] [--stored 10000000] [--database-url URL]

Without a URL: an embedded Postgres in a temporary folder, with the settings that users get, fsync on. Every ratio is
that of medians over rounds in which we and the peer take turns, after a round that is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import appending
import eventsourcing_peer
import importing
import peers
import psycopg
import reading
from rich.console import Console
from rich.table import Table
from workload import batches

from eventstore.ledger import Ledger
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate

_OUT = Console(width=110)
_SIZES = {1: 200, 10: 100, 100: 60, 1000: 20}
_CALLERS = {1: 300, 16: 150, 64: 100, 256: 60, 1024: 30}
_FILL_EVENTS = 200_000
_READING_BATCHES = 300


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of everything, one million events stored")
    parser.add_argument("--stored", type=int, help="events to be stored for the last part (default 10000000)")
    parser.add_argument("--database-url", help="an empty database to use instead of an embedded one")
    parser.add_argument("--rounds", type=int, help="rounds that are counted (default 5)")
    parser.add_argument("--reading", action="store_true", help="only the feed and the import")
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    stored = options.stored or (1_000_000 if options.quick else 10_000_000)
    with _database(options.database_url) as url:
        migrate(url)
        benchmark = Benchmark(url, rounds)
        if options.reading:
            benchmark.read()
        else:
            benchmark.run(stored)


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder)) as embedded:
            yield embedded


class Benchmark:
    """All measurements on one database."""

    def __init__(self, url: str, rounds: int) -> None:
        self._url = url
        self._rounds = rounds

    def run(self, stored: int) -> None:
        """Measure everything, first on the empty ledger, then on a large one."""
        with psycopg.connect(self._url) as connection:
            names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
            settings = [connection.execute(f"SHOW {name}").fetchone() for name in names]
        _OUT.print("  ".join(f"{name} {value[0]}" for name, value in zip(names, settings, strict=True) if value))
        empty = self.batches()
        self.callers(empty)
        self.peer()
        self.processes()
        self.feed()
        self.transfer()
        self.large(stored, empty)

    def read(self) -> None:
        """Measure only what reads many events, which are stored before."""
        self._append_rate(1000, _READING_BATCHES)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE ledger.event")
            connection.execute("CHECKPOINT")
        self.feed()
        self.transfer()

    def _medians(self, *measured: Callable[[], float]) -> list[float]:
        """Take turns; the median of each."""
        for one in measured:
            one()
        taken = [[one() for one in measured] for _ in range(self._rounds)]
        return [statistics.median(values) for values in zip(*taken, strict=True)]

    def _append_rate(self, size: int, count: int) -> float:
        async def run() -> float:
            async with Ledger.open(self._url) as ledger:
                return size * count / await appending.append_seconds(ledger, batches(count, size))

        return asyncio.run(run())

    def _peer_rate(self, peer: Callable[..., float], size: int, count: int) -> float:
        with psycopg.connect(self._url, autocommit=True) as connection:
            return size * count / peer(connection, batches(count, size))

    def batches(self) -> float:
        """(a) Batches against INSERTs and COPY; gives our rate with 1,000 events each."""
        table = _table(
            "batches of one caller, events/s",
            *("size", "append", "INSERT", "of it", "fastest INSERT", "of it", "COPY", "of it"),
        )
        ours = 0.0
        peers_measured = (peers.insert_seconds, peers.insert_arrays_seconds, peers.copy_seconds)
        for size, count in _SIZES.items():
            ours, *theirs = self._medians(
                partial(self._append_rate, size, count),
                *(partial(self._peer_rate, peer, size, count) for peer in peers_measured),
            )
            beside = [cell for rate in theirs for cell in (_n(rate), f"{ours / rate:.2f}")]
            table.add_row(f"{size}", _n(ours), *beside)
        _OUT.print(table)
        return ours

    def _callers(self, count: int) -> appending.Callers:
        async def run() -> appending.Callers:
            async with Ledger.open(self._url) as ledger:
                await appending.callers(ledger, count, 3)
                taken = [await appending.callers(ledger, count, _CALLERS[count]) for _ in range(self._rounds)]
            return sorted(taken, key=lambda one: one.events_per_second)[len(taken) // 2]

        return asyncio.run(run())

    def callers(self, batch_rate: float) -> None:
        """(b) Group commit: many callers, one event each."""
        table = _table("callers with one event each", "callers", "events/s", "p50 ms", "p99 ms", "of batches of 1000")
        for count in _CALLERS:
            got = self._callers(count)
            reach = " (0.8)" if count == 1024 else ""
            ratio = f"{got.events_per_second / batch_rate:.2f}{reach}"
            table.add_row(f"{count}", _n(got.events_per_second), f"{got.p50_ms:.1f}", f"{got.p99_ms:.1f}", ratio)
        _OUT.print(table)

    def peer(self) -> None:
        """(c) The package eventsourcing."""
        table = _table("callers, against eventsourcing", "callers", "events/s", "theirs", "p99 ms", "theirs", "times")
        for count in (16, 256):
            rate, _, p99 = eventsourcing_peer.callers(self._url, count, 20)
            got = self._callers(count)
            reach = " (20)" if count == 256 else ""
            table.add_row(
                f"{count}",
                *(_n(got.events_per_second), _n(rate), f"{got.p99_ms:.1f}", f"{p99:.1f}"),
                f"{got.events_per_second / rate:.1f}{reach}",
            )
        _OUT.print(table)

    def processes(self) -> None:
        """(d) Two processes on one database."""
        table = _table("processes with 512 callers each, events/s", "one", "two", "ratio")
        one = appending.processes(self._url, 1, 512, 60)
        two = appending.processes(self._url, 2, 512, 60)
        table.add_row(_n(one), _n(two), f"{two / one:.2f}")
        _OUT.print(table)

    def feed(self) -> None:
        """(e) The feed."""
        table = _table("feed", "events", "catch-up events/s", "of 300,000", "delay p50 ms", "delay p99 ms")
        taken = [asyncio.run(reading.catch_up(self._url)) for _ in range(self._rounds + 1)][1:] or [
            asyncio.run(reading.catch_up(self._url))
        ]
        rate = statistics.median(count / seconds for count, seconds in taken)

        async def delays() -> tuple[float, float]:
            async with Ledger.open(self._url) as ledger:
                return await reading.delays_ms(self._url, ledger)

        p50, p99 = asyncio.run(delays())
        table.add_row(_n(taken[0][0]), _n(rate), f"{rate / 300_000:.2f} (1)", f"{p50:.1f}", f"{p99:.1f}")
        _OUT.print(table)

    def transfer(self) -> None:
        """(f) An import into an empty ledger against COPY of the same rows."""
        table = _table("import into an empty ledger, events/s", "events", "import", "COPY", "of it")
        with importing.transfers(self._url) as ready:
            ours, copied = self._medians(ready.import_rate, ready.copy_rate)
            table.add_row(_n(ready.events), _n(ours), _n(copied), f"{ours / copied:.2f} (0.75)")
        _OUT.print(table)

    def large(self, stored: int, empty: float) -> None:
        """(g) The same with many events stored."""
        seconds = self._fill(stored)
        _OUT.print(f"filled up to {stored:,} events in {seconds:.0f} s")
        table = _table(f"with {stored:,} events stored", "", "events/s", "empty table", "ratio")
        [ours] = self._medians(lambda: self._append_rate(1000, _SIZES[1000]))
        table.add_row("append, batches of 1000", _n(ours), _n(empty), f"{ours / empty:.2f} (0.9)")
        for name, peer in (("fastest INSERT", peers.insert_arrays_seconds), ("COPY", peers.copy_seconds)):
            [rate] = self._medians(partial(self._peer_rate, peer, 1000, _SIZES[1000]))
            table.add_row(f"{name}, batches of 1000", _n(rate), "", f"append is {ours / rate:.2f} of it")
        got = self._callers(1024)
        table.add_row("1024 callers", _n(got.events_per_second), "", f"{got.events_per_second / ours:.2f} of batches")
        count, taken = asyncio.run(reading.catch_up(self._url, limit=1_000_000))
        table.add_row("feed, catch-up", _n(count / taken), "", f"{count / taken / 300_000:.2f} of 300,000")
        _OUT.print(table)

    def _fill(self, stored: int) -> float:
        """Store events up to a number: 1,000 tasks' worth, made by the database itself."""
        started = time.perf_counter()
        with psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute("SELECT count(*) FROM ledger.event").fetchone()
            for start in range(row[0] if row else 0, stored, _FILL_EVENTS):
                connection.execute(_FILL, {"first": start, "last": min(start + _FILL_EVENTS, stored) - 1})
            connection.execute("VACUUM ANALYZE ledger.event")
            connection.execute("CHECKPOINT")
        return time.perf_counter() - started


_FILL = """
    INSERT INTO ledger.event (
        task_id, stream_id, version, position, message_id, type, schema_version, worker_id, lease_epoch,
        occurred_at, payload, content_hash
    )
    SELECT
        format('fill-%%s', n / 10000), format('fill-%%s.%%s', n / 10000, n %% 100), n %% 10000 / 100 + 1,
        nextval('ledger.position'), gen_random_uuid(), 'progress', 1, 'worker-17', 3, now(),
        jsonb_build_object('completed', n, 'total', 10000000, 'status', format('ruff check --fix src/module_%%s.py', n)),
        sha256(int8send(n))
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""  # noqa: E501


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _n(value: float) -> str:
    return f"{value:,.0f}"


if __name__ == "__main__":
    main()
