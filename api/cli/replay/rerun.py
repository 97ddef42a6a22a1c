"""`pw replay TASK --rerun`: a new task from the recorded input, done by real workers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from api.cli.console import err, out, print_json
from api.cli.options import Output, address_of, strategy_named
from api.cli.replay.compare import print_comparison
from api.cli.replay.source import events_in, exported, recording_in
from api.client.address import Address
from api.runner.look import GivenReport
from api.runner.options import RunOptions
from api.runner.workers import worker_from
from api.schemas import Policy, TaskRequest, TaskView, Tree
from api.service.policy import policy_of, tool_of
from domain import events as e
from domain.errors import LedgerError, UsageError
from domain.planning.inputs import PlanningInputs, decode_inputs
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from projections.replay.recording import Recording

#: What may be said otherwise, as `pw run` has it.
_RUN_OPTIONS = ("worker", "shell", "jobs", "strategy", "gate", "time_budget", "attempts", "apply")


class _Input(msgspec.Struct, frozen=True, kw_only=True):
    """What a task began with."""

    submitted: e.TaskSubmitted
    observed: e.ProblemsObserved
    report: bytes
    #: None where it was not recorded.
    inputs: PlanningInputs | None


def rerun(
    task: str, server: str | None, database_url: str | None, run_options: Sequence[str], output: Output
) -> None:
    """Begin with a task's input once more: run it here, or open it at a service where one is named."""
    said = _said(run_options)
    folder = data_folder()
    with open_database(database_url, folder) as url:
        recording = exported(task) or asyncio.run(recording_in(url, task))
        began = _input(recording)
        if server:
            view = asyncio.run(_submit(address_of(server), recording, began, said))
            _show_opened(view, recording, output)
            return
        status, name = _run(url, folder, recording, began, said, output)
        again = asyncio.run(events_in(url, name))
    if status in ("completed", "stalled"):
        print_comparison(recording.events, again, output)
    if status != "completed":
        raise typer.Exit(1)


def _input(recording: Recording) -> _Input:
    bodies = [record.event.body for record in recording.events]
    submitted = next(body for body in bodies if isinstance(body, e.TaskSubmitted))
    observed = next((body for body in bodies if isinstance(body, e.ProblemsObserved)), None)
    report = recording.artifact(observed.artifact) if observed is not None else None
    if observed is None or report is None:
        raise LedgerError(f"what the tool said when {recording.task_id} began is not kept with it")
    analyzed = next((body for body in bodies if isinstance(body, e.TaskAnalyzed)), None)
    kept = recording.artifact(analyzed.inputs) if analyzed is not None and analyzed.inputs else None
    return _Input(
        submitted=submitted,
        observed=observed,
        report=report,
        inputs=decode_inputs(kept) if kept is not None else None,
    )


# --- what is to be otherwise ----------------------------------------------------------------------------


def _said(arguments: Sequence[str]) -> dict[str, Any]:
    """Read options of `pw run`; raises `UsageError` where one cannot be read, or means nothing to a rerun."""
    from api.cli.main import app

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)  # noqa: S101 - it has verbs
    try:
        with group.commands["run"].make_context("run", list(arguments)) as context:
            sources = {name: getattr(context.get_parameter_source(name), "name", "") for name in context.params}
            given = {name: value for name, value in context.params.items() if sources[name] == "COMMANDLINE"}
    except TyperException as error:
        raise UsageError(f"behind --: {error.format_message()}") from error
    idle = [f"--{name.replace('_', '-')}" for name in given if name not in _RUN_OPTIONS]
    if idle:
        raise UsageError(f"a rerun begins with what was recorded: leave out {', '.join(sorted(idle))}")
    return given


def _options(recording: Recording, began: _Input, said: dict[str, Any]) -> RunOptions:
    try:
        options = RunOptions.from_payload(began.submitted.options)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{recording.task_id} was handed out by a service, which does not say who worked: add --server"
        ) from error
    changes: dict[str, Any] = {}
    if "worker" in said:
        changes["worker"] = worker_from(said["worker"], shell=bool(said.get("shell")))
    if "strategy" in said:
        changes["strategy"] = strategy_named(said["strategy"])
    renamed = {"jobs": "jobs", "time_budget": "time_budget_seconds", "attempts": "attempts_max"}
    changes |= {field: said[name] for name, field in renamed.items() if name in said}
    if "gate" in said:
        changes["gates"] = tuple(said["gate"])
    return msgspec.structs.replace(options, **changes)


def _policy(began: _Input, said: dict[str, Any]) -> Policy:
    if own := sorted(set(said) & {"worker", "shell", "apply"}):
        raise UsageError(f"at a service its workers do the work: leave out {', '.join(f'--{name}' for name in own)}")
    changes: dict[str, Any] = {}
    if "strategy" in said:
        changes["strategy"] = strategy_named(said["strategy"])
    renamed = {"jobs": "workers", "time_budget": "time_budget_seconds", "attempts": "attempts_max"}
    changes |= {field: said[name] for name, field in renamed.items() if name in said}
    if "gate" in said:
        changes["gates"] = tuple(said["gate"])
    return msgspec.structs.replace(policy_of(began.submitted), **changes)


# --- here -----------------------------------------------------------------------------------------------


def _run(
    url: str, folder: Path, recording: Recording, began: _Input, said: dict[str, Any], output: Output
) -> tuple[str, str]:
    """Run the task here; gives how the new one has ended, and its name."""
    from api.cli.run import carry_out, keep_read_models
    from api.run.session import NewRun

    submitted, observed = began.submitted, began.observed
    root = Path(submitted.repository)
    if not submitted.repository or not root.is_dir():
        raise UsageError(f"the repository of {recording.task_id} is not here: {submitted.repository or 'none'}")
    new = NewRun(
        path=root / submitted.prefix,
        options=_options(recording, began, said),
        given=GivenReport(data=began.report, format=observed.format, root=observed.root),
        apply=bool(said.get("apply")),
        base=submitted.base_commit,
        rerun_of=recording.task_id,
    )
    report = asyncio.run(carry_out(url, folder, new, output))
    keep_read_models(url)
    return report.status, report.task_id


# --- at a service ---------------------------------------------------------------------------------------


async def _submit(address: Address, recording: Recording, began: _Input, said: dict[str, Any]) -> TaskView:
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.client.client import Client

    submitted, observed, inputs = began.submitted, began.observed, began.inputs
    if inputs is None:
        raise UsageError(
            f"what the plan of {recording.task_id} rests on was not recorded: pw submit the report with its tree"
        )
    request = TaskRequest(
        report="",
        name=recording.task_id.rpartition("-")[0],
        format=observed.format,
        tree=Tree(
            repository=submitted.repository,
            prefix=submitted.prefix,
            commit=submitted.base_commit,
            root=observed.root or None,
            files=inputs.files,
            imports=inputs.imports,
            code_owners=inputs.code_owners,
        ),
        tool=tool_of(submitted),
        policy=_policy(began, said),
        options={"rerun_of": recording.task_id},
    )
    async with Client.open(address) as client:
        return await client.submit(request, began.report)


def _show_opened(view: TaskView, recording: Recording, output: Output) -> None:
    if output is Output.json:
        print_json(view)
        return
    out.print(f"task {view.id}: {recording.task_id} once more; pw work does it", soft_wrap=True, markup=False)
    err.print(f"when it is done: pw replay {recording.task_id} --compare {view.id}", soft_wrap=True, markup=False)
