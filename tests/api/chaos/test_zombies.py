"""Workers that are stopped past their lease, and go on when somebody else has their subtask."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

from api.client.address import Address
from api.client.client import Client
from tests.api.chaos.crew import Journal, Worker, submit
from tests.api.chaos.line import open_line
from tests.api.chaos.processes import FOREVER, Processes, until
from tests.api.chaos.tree import Bench

ZOMBIE = Path(__file__).with_name("zombie.py")
LEASE_SECONDS = 1.5

_EVENTS = (
    "SELECT type, worker_id, lease_epoch, payload FROM ledger.event WHERE stream_id <> task_id ORDER BY position"
)


def events(url: str, *kinds: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return [row for row in connection.execute(_EVENTS).fetchall() if row[0] in kinds]


@contextmanager
def zombie(url: str, folder: Path) -> Iterator[psutil.Popen]:
    with psutil.Popen([sys.executable, "-S", str(ZOMBIE), url, str(folder)], stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_a_stopped_client_s_late_word_is_refused_with_the_holder_s_name_and_kept(
    processes: Processes, database_url: str, expired: Callable[[], set[str]]
) -> None:
    await processes.serve(lease_seconds=LEASE_SECONDS)
    async with open_line(processes.socket()) as line, Client.open(Address.of(line.url)) as client:
        task = await submit(client, files=1)
        with zombie(line.url, processes.folder) as process:
            await until(lambda: events(database_url, "started"), "the zombie has begun")
            process.suspend()
            holder = Worker(lambda: client, "holder", Journal())
            assert await holder.claim(wait_seconds=FOREVER) is not None
            await holder.start()
            (processes.folder / "go").touch()
            process.resume()
            answers = processes.folder / "answers"
            await holder.beat_until(answers.exists)
        await holder.finish()
        assert (await client.task(task.id)).status == "completed"

    for status, problem in map(json.loads, answers.read_text().splitlines()):
        assert (status, problem["type"].rpartition("/")[2]) == (409, "stale-lease")
        assert "held by holder under epoch 2" in problem["detail"]
    [(_, worker, epoch, payload)] = events(database_url, "late_reported")
    assert (worker, epoch, payload["message"]["summary"]) == ("zombie", 1, "what the zombie has found")
    assert [row[1:3] for row in events(database_url, "subtask_accepted")] == [("holder", 2)]
    assert expired() == {"zombie"}


async def test_a_stopped_runner_s_late_work_is_kept_and_does_not_reach_the_branch(
    processes: Processes, database_url: str
) -> None:
    await processes.serve(lease_seconds=2 * LEASE_SECONDS)
    bench = Bench(processes, 2)
    bench.hold("zombie-1")
    async with (
        Client.open(Address.of(f"unix:{processes.socket()}")) as client,
        open_line(processes.socket()) as line,
    ):
        task = await bench.submit(client)
        zombie = bench.work("zombie", line.url)
        await until(lambda: events(database_url, "progress"), "the zombie's agent is at work")
        zombie.stop()
        bench.let_go("zombie-1")
        # The first that it says when it goes on is to be that it is done.
        line.refused = b"/heartbeat"
        for worker in ("holder-1", "holder-2"):
            bench.hold(worker)
        bench.work("holder", f"unix:{processes.socket()}", "-j", "2")
        await until(lambda: reassigned(database_url), "the zombie's subtask is somebody else's")
        zombie.go_on()
        await until(lambda: events(database_url, "late_reported"), "the zombie has reported")
        for worker in ("holder-1", "holder-2"):
            bench.let_go(worker)
        await until(lambda: completed(database_url), "the task is completed")
        view = await client.task(task.id)
        await zombie.until_said(r"(is not its any more: epoch 1 of #\d+ is over: it is held by holder-\d)")

    assert [row[1:3] for row in events(database_url, "late_reported")] == [("zombie-1", 1)]
    assert bench.commits_by_subtask(view) == Counter({f"{task.id}.1": 1, f"{task.id}.2": 1})
    assert bench.git("rev-parse", view.branch) == view.head
    assert bench.is_clean(view)


def reassigned(url: str) -> bool:
    """Tell whether the holder's agent works on what the zombie had."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT 1 FROM ledger.event WHERE type = 'started' AND lease_epoch = 2").fetchall()
    return bool(rows)


def completed(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return bool(connection.execute("SELECT 1 FROM ledger.event WHERE type = 'task_completed'").fetchall())
