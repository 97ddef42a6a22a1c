"""`pw status` and `pw watch`: where tasks stand, from their events alone, in the database or of a service."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Annotated

import typer

from api.cli.console import err, one_line_errors, out, print_json
from api.cli.live import LiveView
from api.cli.options import DatabaseUrl, Output, OutputFormat, ServerUrl, address_of
from api.cli.tables import codes_table, report_table, subtasks_table, task_views_table, tasks_table
from api.client.address import Address
from api.run.find import find_task, processors
from domain.evolution import evolve
from domain.task_state import TaskState
from eventstore.clock import SystemClock
from eventstore.ledger import Ledger
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from projections.report import RunReport, build_report

#: How often `watch` asks the ledger for more, in seconds.
_POLL_SECONDS = 0.5


def status(
    task: Annotated[
        str | None, typer.Argument(help="A task's name, a part of it, or last; none lists all tasks.")
    ] = None,
    server: ServerUrl = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Show the tasks of the ledger, or of a service, or one task with its subtasks."""
    with one_line_errors():
        if server:
            asyncio.run(_show_remote(address_of(server), task, output))
            return
        with open_database(database_url, data_folder()) as url:
            if task is None:
                _list(url, output)
            else:
                _show(*asyncio.run(_load(url, task)), output)


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


def _show(state: TaskState, report: RunReport, output: Output) -> None:
    if output is Output.json:
        print_json(report)
    elif state.status == "archived":
        out.print(f"{state.id} was {state.reason}: pw ledger import brings it back", soft_wrap=True, markup=False)
    else:
        out.print(subtasks_table(state))
        out.print(codes_table(report))
        out.print(report_table(report))


async def _show_remote(address: Address, task: str | None, output: Output) -> None:
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.cli.remote import list_tasks, load_task
    from api.client.client import Client

    async with Client.open(address) as client:
        if task is not None:
            state, recorded = await load_task(client, task)
            if state is not None:
                _show(state, build_report(recorded, cores=processors()), output)
            return
        tasks = await list_tasks(client)
    if output is Output.json:
        print_json(tasks)
    elif tasks:
        out.print(task_views_table(tasks))
    else:
        out.print("the service has no task yet: pw submit")


async def _watch_remote(address: Address, task: str) -> RunReport:
    from api.cli.remote import follow_task
    from api.client.client import Client

    current: list[TaskState | None] = [None]
    view = LiveView(err, lambda: current[0], SystemClock().now)

    def seen(state: TaskState) -> None:
        current[0] = state

    async with Client.open(address) as client:
        with view.live if err.is_terminal else nullcontext():
            recorded = await follow_task(client, task, seen)
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


async def _load(url: str, task: str) -> tuple[TaskState, RunReport]:
    async with Ledger.open(url) as ledger:
        task_id, state = await find_task(ledger, task)
        return state, build_report(await ledger.read_task(task_id), cores=processors())


async def _watch(url: str, task: str) -> RunReport:
    async with Ledger.open(url) as ledger:
        task_id, state = await find_task(ledger, task)
        recorded = await ledger.read_task(task_id)
        current = [state]
        view = LiveView(err, lambda: current[0], SystemClock().now)
        with view.live if err.is_terminal else nullcontext():
            while current[0].status == "running":
                # A poll, not a wait for a fact: the ledger does not call back.
                await asyncio.sleep(_POLL_SECONDS)
                news = await ledger.read_task(task_id, after=recorded[-1].position)
                recorded += news
                for record in news:
                    current[0] = evolve(current[0], record.event)
        return build_report(recorded, cores=processors())
