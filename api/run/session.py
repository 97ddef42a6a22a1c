"""Opening a run: look before anything is touched, then hand over to the coordinator.

One coordinator drives a task at a time; a session-level advisory lock of the database sees to that, and is gone
with the connection of a coordinator that was killed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psycopg

from api.run.coordinator import Coordinator, GivenReport, Observer, until_stopped
from api.run.git import Repository
from api.run.journal import Journal
from api.run.options import RunOptions
from api.run.process import Guardian
from api.run.tool import check_installed, split_command
from domain import events as e
from domain.errors import (
    LedgerError,
    LifecycleError,
    ParallelWorkersError,
    RepositoryError,
    ToolError,
    UnknownTaskError,
)
from domain.experience import Experience
from domain.ids import TaskId, new_task_id
from domain.lifecycle import TaskState, fold
from eventstore.artifacts import ArtifactStore
from eventstore.clock import Clock
from eventstore.ledger import Ledger
from eventstore.postgres.connection import Connection, unreachable
from eventstore.tasks import LAST, pick_task
from eventstore.transfer.archive import TASK_LOCK
from projections.co_change import co_change
from projections.history import calibration
from projections.report import RunReport, build_report


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is to be submitted and run."""

    path: Path
    options: RunOptions
    given: GivenReport | None = None
    #: Bring the user's checkout to the result when all is done.
    apply: bool = False


class ResumedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is to be taken up again."""

    task: str
    apply: bool = False


class Interrupted(ParallelWorkersError):  # noqa: N818 - it is no fault
    """The user asked the run to stop; it can be resumed."""

    exit_code = 130


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Session:
    """What a run needs from outside: the database, the data folder, the clock, and somebody who looks on."""

    def __init__(
        self,
        *,
        url: str,
        folder: Path,
        clock: Clock,
        observer: Observer,
        opened: Callable[[Journal], None],
        stop: asyncio.Event,
    ) -> None:
        self._url = url
        self._runs = folder / "runs"
        self._clock = clock
        self._observer = observer
        self._opened = opened
        self._stop = stop

    async def start(self, run: NewRun) -> RunReport:
        """Submit a task and run it to its end.

        Raises `ParallelWorkersError` with one line for each thing that a run cannot do without, before anything
        has changed; `Interrupted` where the user stops it.
        """
        repository, prefix = await _fit_repository(run.path)
        await _check_commands(run.options, repository.root)
        base = await repository.head()
        await _check_room(repository, prefix, base)
        task_id = new_task_id(repository.root.name, self._clock.entropy(8))
        submitted = e.TaskSubmitted(
            repository=str(repository.root),
            prefix=prefix,
            base_commit=base,
            branch=f"pw/{task_id}",
            options=run.options.to_payload(),
        )
        async with self._ledger() as (ledger, connection):
            await _lock_task(connection, task_id)
            journal = Journal(ledger, self._clock, run.options.limits)
            await journal.submit(task_id, submitted)
            return await self._drive(journal, ledger, connection, run.options, run.given, apply=run.apply)

    async def resume(self, run: ResumedRun) -> RunReport:
        """Take a task up where the ledger has it; one that is completed is only reported."""
        async with self._ledger() as (ledger, connection):
            task_id, state = await find_task(ledger, run.task)
            if state.status == "archived":
                raise LifecycleError(f"{task_id} was {state.reason}: pw ledger import brings it back")
            options = RunOptions.from_payload(state.submitted.options)
            journal = Journal(ledger, self._clock, options.limits, state)
            if state.status in ("completed", "cancelled"):
                self._opened(journal)
                return build_report(await ledger.read_task(task_id), cores=processors())
            repository = Repository(Path(state.submitted.repository))
            if not repository.root.is_dir():
                raise RepositoryError(f"the repository of {task_id} is gone: {repository.root}")
            await _check_commands(options, repository.root)
            await _lock_task(connection, task_id)
            # Read again under the lock: another coordinator may have ended just now.
            _, state = await find_task(ledger, task_id)
            journal = Journal(ledger, self._clock, options.limits, state)
            insist = state.status == "stalled"
            await journal.take_over()
            return await self._drive(journal, ledger, connection, options, None, apply=run.apply, insist=insist)

    @asynccontextmanager
    async def _ledger(self) -> AsyncIterator[tuple[Ledger, Connection]]:
        try:
            connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        except psycopg.Error as error:
            raise unreachable(error) from error
        async with connection, Ledger.open(self._url, self._clock) as ledger:
            yield ledger, connection

    async def _drive(
        self,
        journal: Journal,
        ledger: Ledger,
        connection: Connection,
        options: RunOptions,
        given: GivenReport | None,
        *,
        apply: bool,
        insist: bool = False,
    ) -> RunReport:
        state = journal.state
        repository = Repository(Path(state.submitted.repository))
        coordinator = Coordinator(
            repository=repository,
            options=options,
            journal=journal,
            artifacts=ArtifactStore(connection),
            folder=self._runs / state.id,
            cores=processors(),
            experience=Experience(
                calibration=await calibration(connection, options.worker.name, cpu_bound=options.worker.cpu_bound),
                co_change=await co_change(connection, state.submitted.repository),
            ),
            observer=self._observer,
        )
        self._opened(journal)
        try:
            with Guardian():
                finished = await until_stopped(coordinator.run(given, insist=insist), self._stop)
        except LedgerError as error:
            raise LedgerError(f"{error}; nothing is lost: pw run --resume {state.id}") from error
        except ParallelWorkersError as error:
            await _give_up(journal, str(error))
            raise
        if not finished:
            await journal.pause("interrupted by the user")
            raise Interrupted(f"interrupted; nothing is lost: pw run --resume {state.id}")
        if apply and journal.state.status == "completed":
            await repository.fast_forward(state.submitted.branch)
        return build_report(await ledger.read_task(state.id), cores=processors())


async def find_task(ledger: Ledger, fragment: str) -> tuple[TaskId, TaskState]:
    """Find a task by its name or an unambiguous part of it; `last` is the newest.

    Raises `UnknownTaskError` where there is none, or more than one.
    """
    task_id = pick_task(fragment, await ledger.find_tasks("" if fragment == LAST else fragment))
    state = fold(await ledger.read_task(task_id))
    if state is None:
        raise UnknownTaskError(f"the ledger has no events of {task_id}")
    return task_id, state


async def _fit_repository(path: Path) -> tuple[Repository, str]:
    repository, prefix = await Repository.containing(path)
    changed, _ = await repository.uncommitted()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise RepositoryError(
            f"{repository.root} has uncommitted changes ({changed[0]}{more}): commit or stash them, "
            "workers start from the last commit"
        )
    return repository, prefix


async def _check_room(repository: Repository, prefix: str, base: str) -> None:
    if prefix and not any(path.startswith(f"{prefix}/") for path in await repository.files(base)):
        raise RepositoryError(f"{prefix} is not in the last commit of {repository.root}: workers would not have it")
    if await repository.has_branch("pw"):
        raise RepositoryError("the branch pw stands in the way of branches pw/TASK: rename it")


async def _check_commands(options: RunOptions, root: Path) -> None:
    check_installed(options.tool.argv, root, "the tool")
    if options.worker.shell:
        # The shell knows words of its own; whether the rest exists shows when it is run.
        check_installed(["/bin/sh"], root, "the shell")
    else:
        check_installed(options.worker.argv, root, "the worker's command")
    for command in options.gates:
        argv = split_command(command)
        if not argv:
            raise ToolError("--gate is empty")
        check_installed(argv, root, "the gate's command")


async def _lock_task(connection: Connection, task_id: TaskId) -> None:
    try:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (TASK_LOCK, task_id))
        row = await cursor.fetchone()
    except psycopg.Error as error:
        raise unreachable(error) from error
    if row is None or not row[0]:
        raise LifecycleError(f"{task_id} is being run by another pw just now")


async def _give_up(journal: Journal, reason: str) -> None:
    """End a task that never came to work; one that did stays open, to be resumed."""
    if not journal.state.decompositions:
        await journal.record(e.TaskCancelled(reason=reason))
    else:
        await journal.pause(reason)
