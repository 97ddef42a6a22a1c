"""`pw run`: from a tool's output to merged work."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import err, one_line_errors, out, print_json
from api.cli.live import LiveView
from api.cli.narrator import Narrator
from api.cli.options import DatabaseUrl, Output, OutputFormat, StrategyName, strategy_named
from api.cli.tables import codes_table, report_table
from api.runner.look import GivenReport
from api.runner.options import RunOptions
from api.runner.tool import Tool, command_tool, preset_tool, tool_that_made
from api.runner.workers import PRESETS, RUFF_FIX, WorkerSpec, worker_from
from domain.errors import LedgerError, ReportError, UsageError
from domain.readers.reading import FORMATS, read
from eventstore.clock import SystemClock
from eventstore.postgres.database import open_database
from eventstore.postgres.folders import data_folder
from projections.report import RunReport

if TYPE_CHECKING:
    from api.run.session import NewRun, ResumedRun


def run(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A folder inside a git repository.")] = Path(),
    tool: Annotated[str | None, typer.Option(help="The tool that finds the problems: ruff, cargo, mypy.")] = None,
    tool_args: Annotated[str, typer.Option(help="Further arguments for --tool, as one string.")] = "",
    tool_command: Annotated[
        str | None, typer.Option(help="Your own command that prints problems; {files} stands for the paths.")
    ] = None,
    problems: Annotated[
        Path | None,
        typer.Option(help="A report that you have already, for the first round; - reads it from here."),
    ] = None,
    format: Annotated[str, typer.Option(help=f"Format of the report: auto, {', '.join(FORMATS)}.")] = "auto",  # noqa: A002
    worker: Annotated[
        str | None,
        typer.Option(
            help=f"Who does the work: a preset ({', '.join(PRESETS)}) with further arguments, or a command; "
            "{brief}, {files} and {codes} are filled in. Default: ruff-fix where the tool is ruff."
        ),
    ] = None,
    shell: Annotated[bool, typer.Option("--shell", help="Run --worker as a line of /bin/sh.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, max=256, help="Workers at once; default: as recommended.")
    ] = None,
    strategy: StrategyName = "auto",
    gate: Annotated[
        list[str] | None, typer.Option(help="A check that work must pass, without a shell; may be repeated.")
    ] = None,
    time_budget: Annotated[
        float | None,
        typer.Option(min=1.0, help="Seconds that an attempt may take; default: 1800, or more where P95 says so."),
    ] = None,
    attempts: Annotated[int, typer.Option(min=1, max=20, help="Failed attempts before a subtask is held.")] = 3,
    apply: Annotated[bool, typer.Option("--apply", help="Fast-forward your checkout to the result.")] = False,
    resume: Annotated[str | None, typer.Option(help="Take up a task again: its name, a part of it, or last.")] = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Split the problems of a tree into subtasks, let workers remove them in parallel, and merge what is good.

    Your checkout is never touched without --apply: the result is on a branch pw/TASK.
    """
    # What serves takes longer to load than the other verbs take altogether.
    from api.run.session import NewRun, ResumedRun

    with one_line_errors():
        if resume is not None:
            _refuse_other_options(context)
            wanted: NewRun | ResumedRun = ResumedRun(task=resume, apply=apply)
        else:
            given = _given_report(problems, format)
            chosen = _tool(tool, tool_args, tool_command, format, given)
            options = RunOptions(
                tool=chosen,
                worker=_worker(worker, chosen, shell=shell),
                strategy=strategy_named(strategy),
                jobs=jobs,
                gates=tuple(gate or ()),
                time_budget_seconds=time_budget,
                attempts_max=attempts,
            )
            wanted = NewRun(path=path, options=options, given=given, apply=apply)
        folder = data_folder()
        with open_database(database_url, folder) as url:
            report = asyncio.run(carry_out(url, folder, wanted, output))
            _show(report, output)
            keep_read_models(url)
    if report.status != "completed":
        raise typer.Exit(1)


#: Events that a run takes into the read models at its end: some seconds' work.
_TAKEN_IN_MAX = 50_000

#: What may be said of a task that is taken up again.
_WITH_RESUME = frozenset({"resume", "apply", "output", "database_url"})


def _refuse_other_options(context: typer.Context) -> None:
    """Raise `UsageError` where more is asked for than a resumed task can heed."""
    said = [
        name for name in context.params if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]
    idle = [
        "PATH" if name == "path" else f"--{name.replace('_', '-')}"
        for name in sorted(said)
        if name not in _WITH_RESUME
    ]
    if idle:
        raise UsageError(f"--resume goes on as the task was submitted: leave out {', '.join(idle)}")


# --- what was asked for ---------------------------------------------------------------------------------


def _given_report(problems: Path | None, report_format: str) -> GivenReport | None:
    if report_format != "auto" and report_format not in FORMATS:
        raise UsageError(f"unknown format {report_format!r}: auto, {', '.join(FORMATS)}")
    if problems is None:
        return None
    if str(problems) == "-":
        if sys.stdin is None:
            raise UsageError("--problems - reads the standard input, which is closed")
        return GivenReport(data=sys.stdin.buffer.read(), format=report_format)
    data = problems.read_bytes()
    return GivenReport(data=data, format=report_format)


def _tool(
    name: str | None, arguments: str, command: str | None, report_format: str, given: GivenReport | None
) -> Tool:
    if name is not None and command is not None:
        raise UsageError("--tool and --tool-command exclude each other")
    if command is not None:
        return command_tool(command, report_format if given is None else "auto")
    if name is not None:
        return preset_tool(name, arguments)
    if given is None:
        raise UsageError("say what finds the problems: --tool, --tool-command, or --problems with a report")
    return _tool_of(given, arguments)


def _tool_of(given: GivenReport, arguments: str) -> Tool:
    """Tell from a report how its tool is run again."""
    # Where the tree lies does not matter here: only what the tool is called and which codes it looked for.
    report = read(given.data, format=given.format, root="/")
    if (tool := tool_that_made(report, arguments)) is None:
        raise ReportError(f"a report of {report.tool!r} does not say how to look again: add --tool or --tool-command")
    return tool


def _worker(text: str | None, tool: Tool, *, shell: bool) -> WorkerSpec:
    if text is None:
        if tool.name == "ruff" and tool.scoped:
            return RUFF_FIX
        raise UsageError(f"say who does the work: --worker with a preset ({', '.join(PRESETS)}) or a command")
    worker = worker_from(text, shell=shell)
    if worker.name == RUFF_FIX.name and not tool.scoped:
        raise UsageError("ruff-fix works file by file: the tool's command must have {files} in it")
    return worker


# --- the run itself -------------------------------------------------------------------------------------


async def carry_out(url: str, folder: Path, wanted: NewRun | ResumedRun, output: Output) -> RunReport:
    """Run a task to its end, shown while it goes; a signal stops it so that it can be taken up again."""
    from api.run.session import NewRun, Session

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    narrator = Narrator(quiet=output is Output.json and not err.is_terminal)
    view = LiveView(err, narrator.state, narrator.estimate)
    session = Session(url=url, folder=folder, clock=clock, observer=narrator, stop=stop)
    with view.live if err.is_terminal else nullcontext():
        if isinstance(wanted, NewRun):
            return await session.start(wanted)
        return await session.resume(wanted)


def keep_read_models(url: str) -> None:
    """Have SQL and the post-mortem see the run; what hinders that hinders nothing else."""
    # They take half a second to load.
    from projections.catch_up import catch_up

    try:
        # Who does not wait for it leaves it to whoever comes next.
        with suppress(KeyboardInterrupt):
            asyncio.run(catch_up(url, events_max=_TAKEN_IN_MAX))
    except LedgerError as error:
        err.print(f"the read models do not hold this run yet: {error}", soft_wrap=True, markup=False)


def _show(report: RunReport, output: Output) -> None:
    if output is Output.json:
        print_json(report)
        return
    out.print(codes_table(report))
    out.print(report_table(report))
