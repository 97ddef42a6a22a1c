"""`pw replay`: one command, and what is to be done with the past task."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.console import one_line_errors
from api.cli.options import DatabaseUrl, Output, OutputFormat, ServerUrl
from domain.errors import UsageError

_MODES = ("--at", "--check", "--speed", "--rerun", "--compare", "--what-if")
#: What a service does not give out.
_OF_THE_LEDGER = ("--check", "--what-if")


def replay(
    context: typer.Context,
    task: Annotated[
        str,
        typer.Argument(
            help="A task's name, a part of it, or last; or an exported file, with --check a folder of them."
        ),
    ],
    run_options: Annotated[
        list[str] | None, typer.Argument(metavar="[-- RUN OPTIONS]", help="With --rerun: options of pw run.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="How it stood at a position, a time (ISO, with zone), or since its start: +5m.")
    ] = None,
    diff: Annotated[str | None, typer.Option(help="With --at: what changed between the two moments.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Derive everything again; exit code 1 where anything is another today.")
    ] = False,
    speed: Annotated[float | None, typer.Option(help="Show it again, so many times as fast.")] = None,
    rerun: Annotated[bool, typer.Option("--rerun", help="A new task of the same input, with real workers.")] = False,
    compare: Annotated[str | None, typer.Option(help="Another task, to be shown beside this one.")] = None,
    what_if: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Simulate it under another choice: workers=NUMBER, strategy=NAME, estimator=raw|model|SHA256,"
            " failures=SHARE; repeatable.",
        ),
    ] = None,
    server: ServerUrl = None,
    output: OutputFormat = Output.table,
    database_url: DatabaseUrl = None,
) -> None:
    """Look at a past task again: how it stood, whether it would go the same way, at its pace, or with new workers."""
    asked = (at is not None, check, speed is not None, rerun, compare is not None, bool(what_if))
    with one_line_errors():
        chosen = _mode(asked, diff=diff is not None, run_options=bool(run_options))
        if chosen in _OF_THE_LEDGER and getattr(context.get_parameter_source("server"), "name", "") == "COMMANDLINE":
            raise UsageError(f"{chosen} reads what the tools said out of the ledger itself: leave --server out")
        # Each loads what it needs, and that is much for some.
        match chosen:
            case "--at":
                from api.cli.replay.at import show_at

                show_at(task, at or "", diff, server, database_url, output)
            case "--check":
                from api.cli.replay.check import show_check

                show_check(task, database_url, output)
            case "--speed":
                from api.cli.replay.speed import show_at_speed

                show_at_speed(task, speed or 0.0, server, database_url, output)
            case "--rerun":
                from api.cli.replay.rerun import rerun as run_again

                run_again(task, server, database_url, run_options or (), output)
            case "--compare":
                from api.cli.replay.compare import show_comparison

                show_comparison(task, compare or "", server, database_url, output)
            case _:
                from api.cli.replay.what_if import show_what_if

                show_what_if(task, what_if or [], database_url, output)


def _mode(asked: tuple[bool, ...], *, diff: bool, run_options: bool) -> str:
    """Tell the one thing that is asked for; raises `UsageError` where it is none, or more than one."""
    modes = [name for name, wanted in zip(_MODES, asked, strict=True) if wanted]
    if diff and modes != ["--at"]:
        raise UsageError("--diff goes with --at, and nothing else: it names the second moment")
    if not modes:
        raise UsageError(f"say what to do with the task: {', '.join(_MODES[:-1])} or {_MODES[-1]}")
    if len(modes) > 1:
        raise UsageError(f"{' and '.join(modes)} exclude each other")
    if run_options and modes != ["--rerun"]:
        raise UsageError("options of pw run, behind --, go with --rerun alone")
    return modes[0]
