"""`pw status` and `pw watch`: where tasks stand, from their events alone, in the database or of a service."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from api.cli.console import err, one_line_errors, out, print_json
from api.cli.ends import estimate_table
from api.cli.live import LiveView
from api.cli.options import DatabaseUrl, Output, OutputFormat, ServerUrl, address_of
from api.cli.suppositions import supposition_of
from api.cli.tables import codes_table, report_table, subtasks_table, task_views_table, tasks_table
from api.client.address import Address
from api.run.find import find_task, processors
from api.schemas import EstimateView
from api.service.supposition import AS_IT_IS, Supposition
from domain.errors import UsageError
from domain.events import RecordedEvent
from domain.evolution import evolve
from domain.task_state import OVER, TaskState
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from projections.report import RunReport, build_report

if TYPE_CHECKING:
    from api.client.client import Client

#: An estimate, and one if something were other than it is.
_Ends = tuple[EstimateView | None, EstimateView | None]

#: How often `watch` asks the ledger for more, in seconds.
_POLL_SECONDS = 0.5


def status(
    task: Annotated[
        str | None, typer.Argument(help="A task's name, a part of it, or last; none lists all tasks.")
    ] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="When it would be done if: without-worker=NAME, blocked-longer=SECONDS, workers=NUMBER; repeatable.",
        ),
    ] = None,
    server: ServerUrl = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Show the tasks of the ledger, or of a service, or one task with its subtasks and when it will be done."""
    with one_line_errors():
        supposed = supposition_of(what_if or [])
        if task is None and what_if:
            raise UsageError("--what-if asks about one task: name it")
        if server:
            asyncio.run(_show_remote(address_of(server), task, supposed, output))
            return
        with open_database(database_url, data_folder()) as url:
            if task is None:
                _list(url, output)
            else:
                _show(*asyncio.run(_load(url, task, supposed)), output)


def watch(
    task: Annotated[str, typer.Argument(help="A task's name, a part of it, or last.")] = "last",
    server: ServerUrl = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Follow a task that another pw runs, or a service, until it ends."""
    with one_line_errors():
        if server:
            report = asyncio.run(_watch_remote(address_of(server), task))
        else:
            with open_database(database_url, data_folder()) as url:
                report = asyncio.run(_watch(url, task))
        out.print(report_table(report))
    if report.status != "completed":
        raise typer.Exit(1)


def _show(state: TaskState, report: RunReport, ends: _Ends, output: Output) -> None:
    estimate, supposed = ends
    if output is Output.json:
        # What is over has no end to come.
        coming = {"estimate": estimate, "what_if": supposed} if estimate is not None else {}
        print_json(msgspec.to_builtins(report) | coming)
    elif state.status == "archived":
        out.print(f"{state.id} was {state.reason}: pw ledger import brings it back", soft_wrap=True, markup=False)
    else:
        out.print(subtasks_table(state))
        out.print(codes_table(report))
        out.print(report_table(report))
        if estimate is not None:
            out.print(estimate_table(estimate, supposed))


async def _show_remote(address: Address, task: str | None, supposed: Supposition, output: Output) -> None:
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.cli.remote import list_tasks, load_task
    from api.client.client import Client

    async with Client.open(address) as client:
        if task is not None:
            state, recorded = await load_task(client, task)
            if state is not None:
                report = build_report(recorded, cores=processors())
                _show(state, report, await _ends_remote(client, state, supposed), output)
            return
        tasks = await list_tasks(client)
    if output is Output.json:
        print_json(tasks)
    elif tasks:
        out.print(task_views_table(tasks))
    else:
        out.print("the service has no task yet: pw submit")


async def _ends_remote(client: Client, state: TaskState, supposed: Supposition) -> _Ends:
    if state.status in OVER:
        return None, None
    estimate = await client.estimate(state.id)
    if supposed == AS_IT_IS:
        return estimate, None
    return estimate, await client.estimate(
        state.id,
        without_worker=supposed.without_worker or None,
        blocked_longer=supposed.blocked_longer or None,
        workers=supposed.workers,
    )


async def _watch_remote(address: Address, task: str) -> RunReport:
    from api.cli.remote import follow_estimate, follow_task
    from api.client.client import Client

    current: list[TaskState | None] = [None]
    estimate: list[EstimateView | None] = [None]
    view = LiveView(err, lambda: current[0], lambda: estimate[0])

    def seen(state: TaskState) -> None:
        current[0] = state

    async with Client.open(address) as client:
        with view.live if err.is_terminal else nullcontext():
            asking = asyncio.create_task(follow_estimate(client, lambda: current[0], estimate))
            try:
                recorded = await follow_task(client, task, seen)
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
    return build_report(recorded, cores=processors())


def _list(url: str, output: Output) -> None:
    # SQLModel takes longer to load than all the rest of the command.
    from projections.tables import all_tasks

    tasks = all_tasks(url)
    if output is Output.json:
        print_json([task.model_dump(mode="json") for task in tasks])
    elif tasks:
        out.print(tasks_table(tasks))
    else:
        out.print("the ledger holds no task yet: pw run")


async def _load(url: str, task: str, supposed: Supposition) -> tuple[TaskState, RunReport, _Ends]:
    async with Ledger.open(url) as ledger:
        task_id, state = await find_task(ledger, task)
        recorded = await ledger.read_task(task_id)
    ends = await _ends(url, state, recorded[-1].position, supposed)
    return state, build_report(recorded, cores=processors()), ends


async def _ends(url: str, state: TaskState, position: int, supposed: Supposition) -> _Ends:
    if state.status in OVER:
        return None, None
    # The model of efforts and what simulates take longer to load than all the rest of the command.
    from api.cli.estimating import LedgerEstimates

    estimates = await LedgerEstimates.open(url, SystemClock())
    estimate = await estimates.of(state, position)
    return estimate, None if supposed == AS_IT_IS else await estimates.of(state, position, supposed)


async def _watch(url: str, task: str) -> RunReport:
    async with Ledger.open(url) as ledger:
        task_id, state = await find_task(ledger, task)
        recorded = await ledger.read_task(task_id)
        if state.status == "running":
            await _follow(url, ledger, state, recorded)
        return build_report(recorded, cores=processors())


async def _follow(url: str, ledger: Ledger, state: TaskState, recorded: list[RecordedEvent]) -> None:
    """Show a task until it is no longer running, and add what has come to its events."""
    from api.cli.estimating import LedgerEstimates

    estimates = await LedgerEstimates.open(url, SystemClock())
    current = [state]
    view = LiveView(err, lambda: current[0], lambda: estimates.latest)
    with view.live if err.is_terminal else nullcontext():
        while current[0].status == "running":
            await estimates.renew(current[0], recorded[-1].position)
            # A poll, not a wait for a fact: the ledger does not call back.
            await asyncio.sleep(_POLL_SECONDS)
            news = await ledger.read_task(state.id, after=recorded[-1].position)
            recorded += news
            for record in news:
                current[0] = evolve(current[0], record.event)
