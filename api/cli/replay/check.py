"""`pw replay TASK --check`: whether today's code makes of a task's input what was recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import typer

from api.cli.console import out, print_json
from api.cli.options import Output
from api.cli.replay.source import check_present, exported_files, find
from api.service.replanning import ServiceRules
from domain.counted import counted
from domain.errors import LedgerError
from domain.estimation.model import Model
from domain.events import TaskAnalyzed
from eventstore.postgres.connection import connect, unreachable
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from projections.effort_models import model_at
from projections.replay.check.check import check
from projections.replay.check.findings import CheckReport, Mismatch
from projections.replay.check.looks import planning_inputs
from projections.replay.check.rows import live_rows
from projections.replay.recording import Recording, read_export, read_recording

_UNCHECKED_MAX = 10


def show_check(task: str, database_url: str | None, output: Output) -> None:
    """Check one task of the ledger, or all tasks of exported files; ends with 1 where anything is another today."""
    files = exported_files(task)
    reports = list(_of_files(files) if files else _of_ledger(task, database_url))
    if not reports:
        raise LedgerError(f"{task} holds no task")
    if output is Output.json:
        print_json([_plain(report) for report in reports])
    else:
        for report in reports:
            out.print("\n".join(_lines(report)), soft_wrap=True, markup=False)
    if not all(report.is_clean for report in reports):
        raise typer.Exit(1)


def _of_files(files: Sequence[Path]) -> Iterator[CheckReport]:
    for file in files:
        for recording in read_export(file):
            yield check(recording, ServiceRules())


def _of_ledger(task: str, database_url: str | None) -> Iterator[CheckReport]:
    with open_database(database_url, data_folder()) as url:
        yield asyncio.run(_checked(url, task))


async def _checked(url: str, task: str) -> CheckReport:
    try:
        async with await connect(url, "replay") as connection, connection.transaction():
            # Events and tables as of one moment: the task may be going on.
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            recording = await read_recording(connection, await find(connection, task))
            check_present(recording.events)
            live = await live_rows(connection, recording.task_id, recording.events[-1].position)
    except psycopg.Error as error:
        raise unreachable(error) from error
    return check(recording, ServiceRules(), live, await _models(url, recording))


async def _models(url: str, recording: Recording) -> dict[str, Model]:
    """Make the models of efforts again that were too large to be kept with a plan: of the ledger that taught them."""
    found = {}
    for record in recording.events:
        body = record.event.body
        inputs = planning_inputs(recording, body) if isinstance(body, TaskAnalyzed) else None
        if inputs is None or inputs.model is not None or inputs.reference.sha256 in found:
            continue
        model = await model_at(url, inputs.reference.position)
        found[model.sha256] = model
    return found


def _plain(report: CheckReport) -> dict[str, Any]:
    return {"clean": report.is_clean, **msgspec.to_builtins(report)}


def _lines(report: CheckReport) -> Iterator[str]:
    """Say first whether all is well, then what is not, then what could not be told."""
    counts = ", ".join(counted(count, kind) for kind, count in report.checked.items() if count)
    found = len(report.mismatches)
    verdict = counted(found, "difference") if found else "as recorded"
    yield f"{report.task_id}: {verdict}; {counted(report.events, 'event')}: {counts}"
    if report.mismatches:
        yield from _first(report.mismatches[0])
    for one in report.unchecked[:_UNCHECKED_MAX]:
        at = f" at position {one.position:,}" if one.position else ""
        yield f"  not checked{at}: {one.what}: {one.why}"
    if len(report.unchecked) > _UNCHECKED_MAX:
        yield f"  and {len(report.unchecked) - _UNCHECKED_MAX} more were not checked: -o json lists them"


def _first(mismatch: Mismatch) -> Iterator[str]:
    at = f" at position {mismatch.position:,}" if mismatch.position else ""
    yield f"  first difference: {mismatch.aspect}{at}, {mismatch.where}: {mismatch.what}"
    yield f"    recorded: {mismatch.recorded}"
    yield f"    now:      {mismatch.now}"
