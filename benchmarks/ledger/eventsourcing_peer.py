"""The PyPI package `eventsourcing` on Postgres with its default settings, the same payloads and streams.

Its applications are called from threads; each caller saves one event of an aggregate of its own at a time.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict
from workload import STATUS, percentile


class Subtask(Aggregate):
    """What a worker reports on."""

    @event("Progress")
    def progress(self, completed: int, total: int, status: str, worker_id: str, lease_epoch: int) -> None:  # noqa: ARG002 - what is recorded is the arguments
        """Record how far the work is."""
        self.completed = completed


def callers(url: str, count: int, each: int) -> tuple[float, float, float]:
    """Let `count` threads save `each` events; events per second, p50 and p99 in milliseconds."""
    parameters = conninfo_to_dict(url)
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parameters["dbname"]),
        "POSTGRES_HOST": str(parameters["host"]),
        "POSTGRES_PORT": str(parameters["port"]),
        "POSTGRES_USER": str(parameters["user"]),
        "POSTGRES_PASSWORD": "unused",
    }
    application = Application[object](environment)
    aggregates = [Subtask() for _ in range(count)]
    application.save(*aggregates)
    waits: list[list[float]] = [[] for _ in range(count)]
    barrier = threading.Barrier(count + 1)

    def one(number: int) -> None:
        barrier.wait()
        for done in range(each):
            aggregates[number].progress(done, each, STATUS.format(done), "worker-17", 3)
            sent = time.perf_counter()
            application.save(aggregates[number])
            waits[number].append(time.perf_counter() - sent)

    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(one, number) for number in range(count)]
        barrier.wait()
        started = time.perf_counter()
        for future in futures:
            future.result()
        seconds = time.perf_counter() - started
    application.close()
    flat = [wait for own in waits for wait in own]
    return count * each / seconds, percentile(flat, 0.5) * 1000, percentile(flat, 0.99) * 1000
