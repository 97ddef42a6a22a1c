"""Records the tasks of this folder anew, all but `early.ndjson`, which an early release has written.

    python -m tests.projections.corpus.record

To be run when today's code is meant to decide otherwise than the code that recorded them: the change of these files
is then a part of the change. The tasks come from real runs of `pw run` and from a service whose clock is put forward.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from api.schemas import AnswerRequest, ReleaseRequest, ReviewRequest
from api.service.service import Service
from domain.events import ComplexityExceeded, DependencyWait, ExternalDependency, ScopeClarification
from domain.ids import SubtaskId
from eventstore.postgres.embedded import embedded_server
from eventstore.postgres.migrations import migrate
from eventstore.transfer.export import snapshot, write_export
from tests.api.conftest import FIX_ALL, make_repository
from tests.api.service.conftest import ADMIN, SetClock, Worker, bad, good, submit_tree

CORPUS = Path(__file__).parent

#: Where the tree of the runs is while they go: the same place each time, because it is recorded.
_TREE = Path("/tmp/pw-corpus/tree")
_UNUSED = "ruff check --quiet --no-cache --select F401 {files}"
#: Removes unused imports while there are any, and all the rest only then: two rounds.
_STEP_BY_STEP = f"if {_UNUSED} > /dev/null; then {FIX_ALL}; else {_UNUSED} --fix; fi"

Story = Callable[[Service, SetClock], Awaitable[None]]


# --- at a service ---------------------------------------------------------------------------------------


async def _done(worker: Worker, commit: str) -> None:
    """Complete what a worker holds, and have it accepted."""
    await worker.complete()
    desk = await worker.service.desks.of_subtask(worker.lease.subtask_id)
    scope = desk.state.subtasks[SubtaskId(worker.lease.subtask_id)].plan.scope
    reply = await worker.gates(good(), commit=commit, head=desk.state.head, files=scope.files[:1])
    assert reply.outcome == "accepted", reply


async def _finish(service: Service, name: str) -> None:
    """Work until nothing is left."""
    worker, number = Worker(service, name), 0
    while await worker.claim() is not None:
        number += 1
        await worker.start()
        await _done(worker, f"{name}-{number}")


async def answered(service: Service, clock: SetClock) -> None:
    """All that a worker may be blocked by, and what is done about it."""
    await submit_tree(service, files=8, workers=4, time_budget_seconds=900.0)
    asking, waiting = await Worker(service, "w1").at_work(), await Worker(service, "w2").at_work()
    outside, slow = await Worker(service, "w3").at_work(), await Worker(service, "w4").at_work()
    await asking.block(ScopeClarification(question="may the name change?"))
    await waiting.block(DependencyWait(required_worker="w1", resource=asking.lease.subtask_id))
    await outside.block(ExternalDependency(system="registry", issue="down"))
    await slow.block(ComplexityExceeded(estimated_additional_time=300.0))
    await slow.block(ComplexityExceeded(estimated_additional_time=100_000.0))
    clock.forward(5)
    release = ReleaseRequest(worker_id="w3", lease_epoch=1, reason="it is down for hours")
    await service.release(outside.lease.subtask_id, release, ADMIN)
    await service.answer(asking.lease.subtask_id, AnswerRequest(text="yes, and keep the old one"), ADMIN)
    await _done(asking, "c1")
    await _done(waiting, "c2")
    longer = AnswerRequest(text="take the day", action="extend", extra_seconds=3600.0)
    await service.answer(slow.lease.subtask_id, longer, ADMIN)
    await _done(slow, "c3")
    await service.answer(outside.lease.subtask_id, AnswerRequest(text="up again"), ADMIN)
    given_up = await Worker(service, "w5").at_work()
    await given_up.block(ScopeClarification(question="why at all?"))
    await service.answer(given_up.lease.subtask_id, AnswerRequest(text="leave it", action="give_up"), ADMIN)
    await _finish(service, "w6")


async def split(service: Service, clock: SetClock) -> None:
    """Far more work than planned, taken over by parts of it."""
    await submit_tree(service, files=6, workers=1, time_budget_seconds=600.0)
    worker = await Worker(service, "w1").at_work()
    clock.forward(10)
    await worker.block(ComplexityExceeded(estimated_additional_time=100_000.0))
    await _finish(service, "w2")


async def lost(service: Service, clock: SetClock) -> None:
    """Workers that are lost, late, fail, or meet a conflict; a pause before the retry."""
    await submit_tree(service, files=4, backoff_seconds=30.0)
    silent, failing = await Worker(service, "w1").at_work(), await Worker(service, "w2").at_work()
    refused, behind = await Worker(service, "w3").at_work(), await Worker(service, "w4").at_work()
    await failing.progress(1)
    await failing.fail("the tests of the module fail")
    await refused.complete()
    await refused.gates(good("scope"), bad("tests"))
    await behind.complete()
    await behind.gates(good("scope"), conflicts=("m001.py", "m002.py", "m003.py", "m004.py"))
    clock.forward(service.leases.times.silence + 1)
    await service.leases.sweep()
    after = await Worker(service, "w5").at_work()
    await silent.complete("too late")
    await _done(after, "c1")
    clock.forward(300)
    await service.leases.sweep()
    await _finish(service, "w6")


async def reviewed(service: Service, clock: SetClock) -> None:
    """Work that others refuse and approve."""
    await submit_tree(service, files=2, reviews=1, required_gates=("tests",))
    first = await Worker(service, "w1").at_work()
    await first.complete()
    await first.gates(good(), files=("m001.py",))
    for approve, reviewer in ((False, "w2"), (True, "w3")):
        request = ReviewRequest(
            reviewer=reviewer, lease_epoch=first.lease.lease_epoch, approve=approve, comment="seen"
        )
        await service.review(first.lease.subtask_id, request, ADMIN)
        if not approve:
            clock.forward(1)
            first = await Worker(service, "w1").at_work()
            await first.complete()
            await first.gates(good(), files=("m001.py",))
    await first.gates(good(), files=("m001.py",))


async def cancelled(service: Service, clock: SetClock) -> None:
    """A task that is paused, resumed and given up while somebody waits for an answer."""
    task = await submit_tree(service, files=3)
    asking = await Worker(service, "w1").at_work()
    await Worker(service, "w2").at_work()
    await asking.block(ScopeClarification(question="which?"))
    await service.pause(task.id, "night", ADMIN)
    clock.forward(20)
    await service.resume(task.id, "day", ADMIN)
    release = ReleaseRequest(worker_id="w1", lease_epoch=1, reason="asked")
    await service.release(asking.lease.subtask_id, release, ADMIN)
    await service.cancel(task.id, "not needed any more", ADMIN)


_STORIES: tuple[Story, ...] = (answered, split, lost, reviewed, cancelled)


# --- runs -----------------------------------------------------------------------------------------------


def _run(url: str, *arguments: str) -> None:
    """Have `pw run` remove the problems of a small tree."""
    environment = os.environ | {"PW_DATABASE_URL": url, "PW_DATA_DIR": str(_TREE.with_name("data"))}
    bin_folder = Path(sys.executable).parent
    environment["PATH"] = f"{bin_folder}{os.pathsep}{environment['PATH']}"
    command = [str(bin_folder / "pw"), "run", "--tool", "ruff", "-j", "2", "-o", "json", *arguments]
    subprocess.run(command, cwd=_TREE, env=environment, check=True, stdout=subprocess.DEVNULL)


def _runs(url: Callable[[], str]) -> None:
    shutil.rmtree(_TREE.parent, ignore_errors=True)
    try:
        make_repository(_TREE)
        for name, arguments in {
            "run": ("--worker", FIX_ALL),
            "rounds": ("--shell", "--worker", _STEP_BY_STEP),
        }.items():
            database = url()
            _run(database, *arguments)
            _export(database, name)
    finally:
        shutil.rmtree(_TREE.parent, ignore_errors=True)


# --- files ----------------------------------------------------------------------------------------------


def _export(url: str, name: str) -> None:
    path = CORPUS / f"{name}.ndjson"
    path.unlink(missing_ok=True)
    with psycopg.connect(url) as connection:
        tasks = [task for (task,) in connection.execute("SELECT DISTINCT task_id FROM ledger.event").fetchall()]
    with snapshot(url, tasks) as source:
        end = write_export(source, path)
    print(f"{path.name}: {end.events} events, {end.artifacts} artifacts")


async def _tell(story: Story, url: str) -> None:
    clock = SetClock()
    async with Service.open(url, clock) as service:
        await story(service, clock)


def main() -> None:
    """Record all of them."""
    with tempfile.TemporaryDirectory(prefix="pw-corpus-") as folder:
        Path(folder).chmod(0o755)
        with embedded_server(Path(folder) / "server") as server:
            count = 0

            def database() -> str:
                nonlocal count
                count += 1
                with psycopg.connect(server, autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE corpus_{count}")
                url = make_conninfo(server, dbname=f"corpus_{count}")
                migrate(url)
                return url

            _runs(database)
            for story in _STORIES:
                url = database()
                asyncio.run(_tell(story, url))
                _export(url, getattr(story, "__name__", ""))


if __name__ == "__main__":
    main()
