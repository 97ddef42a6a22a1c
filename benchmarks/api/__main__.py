"""What the HTTP API takes: messages, waiting agents, whole cycles and event streams, with one server process.

    python benchmarks/api [--quick] [--rounds 3]

Everything is on this machine: an embedded Postgres in a temporary folder with the settings that users get, the server
in a process of its own, and the clients in this one, so that the three share the processors. Read models are turned
off: one more process keeps them. Ratios are of medians over rounds in which we and the peer take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import cycles
import messages
import streams
import uvloop
import waiting
from figures import Figures
from rich.console import Console
from rich.table import Table
from servers import running_server
from work import cancel_all

from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate

_OUT = Console(width=110)
_CLIENTS = {64: 150, 256: 40}


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of everything, and fewer of each")
    parser.add_argument("--rounds", type=int, help="rounds that are counted (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as folder:
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder)) as url:
            Benchmark(url, options.rounds or (1 if options.quick else 3), quick=options.quick).run()


class Benchmark:
    """All measurements on one database server."""

    def __init__(self, url: str, rounds: int, *, quick: bool) -> None:
        self._url = url
        self._rounds = rounds
        self._quick = quick

    def run(self) -> None:
        """Measure everything."""
        self.messages()
        self.waiting()
        self.cycles()
        self.streams()

    def _ledger(self, name: str) -> str:
        """Make a ledger of its own for a part, so that none has to do with what another has left."""
        url = cycles.url_of_new_database(self._url, f"ledger_{name}")
        migrate(url)
        return url

    def messages(self) -> None:
        """(a) Single messages beside the same route without the ledger, and batches of a hundred."""
        table = _table("messages", "clients", "messages/s", "p50 ms", "p99 ms", "without ledger", "of it")
        # A ledger of its own, so that it does not follow what the first one stores.
        stored, idle = self._ledger("messages"), self._ledger("without_ledger")
        with running_server(stored) as (port, _), running_server(idle, stores=False) as (other, _):
            for clients, each in _CLIENTS.items():
                stored, limit = self._turns(
                    lambda port=port, clients=clients, each=each: _single(port, clients, each),
                    lambda port=other, clients=clients, each=each: _single(port, clients, each),
                )
                ratio = f"{stored.per_second / limit.per_second:.2f} (0.6)"
                table.add_row(f"{clients}", *_cells(stored), f"{limit.per_second:,.0f}", ratio)
            batched, limit = self._turns(lambda: _batched(port), lambda: _batched(other))
            ratio = f"{batched.per_second / limit.per_second:.2f}"
            table.add_row("16, 100 each", *_cells(batched), f"{limit.per_second:,.0f}", ratio)
        _OUT.print(table)

    def waiting(self) -> None:
        """(b) Idle agents."""
        agents, rounds = (200, 100) if self._quick else (1000, 1000)
        url = self._ledger("idle_agents")
        with running_server(url) as (port, process):
            idle = uvloop.run(waiting.measure(port, url, process, agents, rounds))
        table = _table(f"{agents} idle agents", "what", "measured", "reach")
        table.add_row("database statements/s", f"{idle.statements_per_second:.1f}", "under 5")
        table.add_row("share of a processor", f"{idle.cpu_share:.1%}", "")
        table.add_row("a subtask is ready until one has it, p50 ms", f"{idle.p50_ms:.1f}", "")
        table.add_row("... p99 ms", f"{idle.p99_ms:.1f}", "under 20")
        table.add_row(
            "echo of the same server, p50 and p99 ms", f"{idle.echo_p50_ms:.1f}, {idle.echo_p99_ms:.1f}", ""
        )
        _OUT.print(table)

    def cycles(self) -> None:
        """(c) Whole cycles beside job queues."""
        jobs = 200 if self._quick else 1000
        table = _table(f"{cycles.AGENTS} agents, a job each after the other", "who", "jobs/s", "ours is")
        with running_server(self._ledger("cycles")) as (port, _):
            ours = [uvloop.run(cycles.ours(port, jobs)) for _ in range(self._rounds + 1)][1:]
        rate = statistics.median(ours)
        table.add_row("claim, start, progress, complete", f"{rate:,.0f}", "")
        peers: dict[str, Callable[[str, int], Awaitable[float]]] = {
            "procrastinate": cycles.of_procrastinate,
            "pgqueuer": cycles.of_pgqueuer,
        }
        for name, measure in peers.items():
            theirs = []
            for number in range(self._rounds):
                url = cycles.url_of_new_database(self._url, f"{name}_{number}")
                theirs.append(asyncio.run(_rate(measure, url, jobs)))
            peer = statistics.median(theirs)
            table.add_row(name, f"{peer:,.0f}", f"{rate / peer:.2f} of it")
        _OUT.print(table)

    def streams(self) -> None:
        """(d) Readers of the event stream."""
        readers, events = (100, 200) if self._quick else (500, 1000)
        with running_server(self._ledger("streams")) as (port, _):
            got = uvloop.run(streams.measure(port, readers, events))
        table = _table(f"{readers} readers of a stream", "delivered", "missing", "twice", "p50 ms", "p99 ms")
        table.add_row(
            f"{got.events - got.missing:,}",
            f"{got.missing}",
            f"{got.twice}",
            f"{got.p50_ms:.1f}",
            f"{got.p99_ms:.1f}",
        )
        _OUT.print(table)

    def _turns(self, *measured: Callable[[], Figures]) -> list[Figures]:
        """Take turns; the medians of each, after a round that is not counted."""
        for one in measured:
            one()
        taken = [[one() for one in measured] for _ in range(self._rounds)]
        return [
            Figures(*(statistics.median(values) for values in zip(*of_one, strict=True)))
            for of_one in zip(*taken, strict=True)
        ]


def _single(port: int, clients: int, each: int) -> Figures:
    async def run() -> Figures:
        held = await messages.prepare(port, clients)
        figures = await messages.single(held, each)
        await cancel_all(port)
        return figures

    return uvloop.run(run())


def _batched(port: int) -> Figures:
    async def run() -> Figures:
        held = await messages.prepare(port, 16)
        figures = await messages.batches(held, 10)
        await cancel_all(port)
        return figures

    return uvloop.run(run())


async def _rate(measure: Callable[[str, int], Awaitable[float]], url: str, jobs: int) -> float:
    return await measure(url, jobs)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _cells(figures: Figures) -> tuple[str, str, str]:
    return f"{figures.per_second:,.0f}", f"{figures.p50_ms:.1f}", f"{figures.p99_ms:.1f}"


if __name__ == "__main__":
    main()
