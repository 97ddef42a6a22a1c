"""One run: look before anything is touched, open the task, and work at it to its end.

A run is a service on a private socket and a runner beside it, in one process. One of them drives a task at a time; a
session-level advisory lock of the database sees to that, and is gone with the connection of a run that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import psycopg

from api.client.address import Address
from api.client.client import Client
from api.run.find import find_task, processors
from api.run.fitness import check_commands, check_gates, check_room, fit_repository
from api.run.observer import Observer, RunWatcher
from api.run.private import private_service
from api.runner.git import Repository
from api.runner.heartbeat import Heart
from api.runner.look import GivenReport, Look, look
from api.runner.options import RunOptions
from api.runner.process import Guardian, WorkerHost
from api.runner.runner import Runner, look_name
from api.runner.stopping import until_stopped
from api.runner.trees import Trees
from api.runner.work import Shop
from api.schemas import TaskRequest
from api.service.desk import Desk
from api.service.service import Service
from domain.errors import (
    LedgerError,
    LifecycleError,
    ParallelWorkersError,
    RepositoryError,
    ServiceError,
    UnknownTaskError,
)
from domain.ids import TaskId, new_task_id
from domain.task_state import OVER
from eventstore.clock import Clock
from eventstore.ledger import Ledger
from eventstore.postgres.connection import unreachable
from eventstore.transfer.archive import TASK_LOCK
from projections.report import RunReport, build_report

#: How long the service may be away: it is in this process, so that only the database can be.
_PATIENCE_SECONDS = 10.0
#: How long workers may take to hear that the task is over, in seconds.
_FAREWELL_SECONDS = 5.0


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is to be submitted and run."""

    path: Path
    options: RunOptions
    given: GivenReport | None = None
    #: Bring the user's checkout to the result when all is done.
    apply: bool = False
    #: Commit to start from; empty: the checkout's.
    base: str = ""
    #: The task whose input this is once more; empty: none.
    rerun_of: str = ""


class ResumedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A task that is to be taken up again."""

    task: str
    apply: bool = False


class Interrupted(ParallelWorkersError):  # noqa: N818 - it is no fault
    """The user asked the run to stop; it can be resumed."""

    exit_code = 130


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to the task that is being run."""

    service: Service
    address: Address
    client: Client
    task_id: TaskId
    repository: Repository
    options: RunOptions
    trees: Trees


class Session:
    """What a run needs from outside: the database, the data folder, the clock, and somebody who looks on."""

    def __init__(self, *, url: str, folder: Path, clock: Clock, observer: Observer, stop: asyncio.Event) -> None:
        self._url = url
        self._runs = folder / "runs"
        self._clock = clock
        self._observer = observer
        self._stop = stop

    async def start(self, new: NewRun) -> RunReport:
        """Submit a task and run it to its end.

        Raises `ParallelWorkersError` with one line for each thing that a run cannot do without, before anything
        has changed; `Interrupted` where the user stops it.
        """
        repository, prefix = await fit_repository(new.path)
        check_commands(new.options, repository.root)
        base = new.base or await repository.head()
        await check_room(repository, prefix, base)
        task_id = new_task_id(repository.root.name, self._clock.entropy(8))
        async with self._opened(task_id, repository, new.options) as run:
            self._observer.begins(run.service, task_id)
            opened = await until_stopped(self._submit(run, prefix, base, new), self._stop)
            if not opened:
                await self._interrupt(run)
            return await self._drive(run, apply=new.apply)

    async def resume(self, resumed: ResumedRun) -> RunReport:
        """Take a task up where the ledger has it; one that is completed is only reported."""
        async with Ledger.open(self._url, self._clock) as ledger:
            task_id, state = await find_task(ledger, resumed.task)
            if state.status == "archived":
                raise LifecycleError(f"{task_id} was {state.reason}: pw ledger import brings it back")
            if state.status in ("completed", "cancelled"):
                return build_report(await ledger.read_task(task_id), cores=processors())
        if state.submitted.served:
            raise LifecycleError(f"{task_id} is handed out by a service: pw work --server URL --task {task_id}")
        options = RunOptions.from_payload(state.submitted.options)
        repository = Repository(Path(state.submitted.repository))
        if not repository.root.is_dir():
            raise RepositoryError(f"the repository of {task_id} is gone: {repository.root}")
        check_commands(options, repository.root)
        async with self._opened(task_id, repository, options) as run:
            desk = await run.service.courses.take_over(task_id)
            # The branch follows the ledger: a run that was killed may have left it behind.
            await repository.set_branch(state.submitted.branch, desk.state.head)
            self._observer.begins(run.service, task_id)
            return await self._drive(run, apply=resumed.apply)

    # --- what it runs in --------------------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self, task_id: TaskId, repository: Repository, options: RunOptions) -> AsyncIterator[_Run]:
        folder = self._runs / task_id
        async with (
            _locked(self._url, task_id),
            private_service(self._url, self._clock, task_id) as (service, address),
            Client.open(address, clock=self._clock, patience_seconds=_PATIENCE_SECONDS) as client,
        ):
            try:
                with Guardian():
                    yield _Run(
                        service=service,
                        address=address,
                        client=client,
                        task_id=task_id,
                        repository=repository,
                        options=options,
                        trees=Trees(self._runs),
                    )
            finally:
                # By what is there, not by what this process made: a killed run leaves its worktrees behind.
                leftovers = await asyncio.to_thread(lambda: sorted(folder.glob("w*")))
                await asyncio.shield(_remove(repository, leftovers))

    # --- opening the task -------------------------------------------------------------------------------

    async def _submit(self, run: _Run, prefix: str, base: str, new: NewRun) -> None:
        seen = await self._first_look(run, prefix, base, new.given)
        options = run.options
        request = TaskRequest(
            report="",
            name=run.repository.root.name,
            format=seen.report.format,
            tree=seen.tree,
            tool=options.tool,
            policy=options.policy(processors()),
            options=options.to_payload() | ({"rerun_of": new.rerun_of} if new.rerun_of else {}),
        )
        await run.client.submit(request, seen.data)

    async def _first_look(self, run: _Run, prefix: str, base: str, given: GivenReport | None) -> Look:
        tree = await run.trees.take(look_name(_name(1)), run.task_id, str(run.repository.root), base, alone=False)
        seen = await look(run.options.tool, tree.path, prefix, base, repository=run.repository, given=given)
        await check_gates(run.options.gates, tree.path, self._clock)
        return seen

    # --- working at it ----------------------------------------------------------------------------------

    async def _drive(self, run: _Run, *, apply: bool) -> RunReport:
        service, task_id = run.service, run.task_id
        desk = await service.desks.get(task_id)
        branch = desk.state.submitted.branch
        await run.repository.set_branch(branch, desk.state.head)
        watcher = RunWatcher()
        try:
            finished = await until_stopped(self._work(run, desk, watcher), self._stop)
        except (LedgerError, ServiceError) as error:
            raise type(error)(f"{error}; nothing is lost: pw run --resume {task_id}") from error
        except ParallelWorkersError as error:
            await service.courses.pause(task_id, str(error), take_back=True)
            raise
        if not finished:
            await self._interrupt(run)
        if apply and desk.state.status == "completed":
            await run.repository.fast_forward(branch)
        return build_report(await service.ledger.read_task(task_id), cores=processors())

    async def _interrupt(self, run: _Run) -> NoReturn:
        """Leave the task so that it can be taken up again, and say how."""
        try:
            await run.service.courses.pause(run.task_id, "interrupted by the user", take_back=True)
        except UnknownTaskError as error:
            raise Interrupted("interrupted before there was a task") from error
        raise Interrupted(f"interrupted; nothing is lost: pw run --resume {run.task_id}")

    async def _work(self, run: _Run, desk: Desk, watcher: RunWatcher) -> None:
        with Heart(run.address, self._clock) as heart, WorkerHost() as host:
            shop = Shop(
                client=run.client,
                clock=self._clock,
                heart=heart,
                host=host,
                trees=run.trees,
                worker=run.options.worker,
                folder=self._runs,
                watcher=watcher,
            )
            runner = Runner(shop, _name, task_id=run.task_id)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(runner.run(_wanted(run.options, desk)))
                desk.listeners.append(lambda _: runner.grow(_wanted(run.options, desk)))
                await desk.wait_for(lambda state: state.status in OVER)
                # Whoever has ended the task is just being told so. A task that was given up may have others at work.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_FAREWELL_SECONDS):
                        await runner.idle()
                running.cancel()


def _name(number: int) -> str:
    return f"w{number}"


def _wanted(options: RunOptions, desk: Desk) -> int:
    """Say how many workers there are to be."""
    plans = desk.state.decompositions
    return options.jobs or (plans[-1].recommended_workers if plans else 1)


async def _remove(repository: Repository, worktrees: Sequence[Path]) -> None:
    for path in worktrees:
        await repository.remove_worktree(path)


@asynccontextmanager
async def _locked(url: str, task_id: TaskId) -> AsyncIterator[None]:
    """Hold a task alone; raises `LifecycleError` where another run has it."""
    try:
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
    except psycopg.Error as error:
        raise unreachable(error) from error
    async with connection:
        try:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (TASK_LOCK, task_id))
            row = await cursor.fetchone()
        except psycopg.Error as error:
            raise unreachable(error) from error
        if row is None or not row[0]:
            raise LifecycleError(f"{task_id} is being run by another pw just now")
        yield
