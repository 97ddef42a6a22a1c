"""`pw work`: workers that ask a service for subtasks, do them, and hand in what passes."""

from __future__ import annotations

import asyncio
import os
import platform
import re
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import err, one_line_errors
from api.cli.options import ServerUrl, address_of
from api.runner.machine import Thresholds
from api.runner.process import WORKERS_MAX
from api.runner.tool import check_installed
from api.runner.workers import PRESETS, WorkerSpec, worker_from
from domain.errors import UsageError
from eventstore.postgres.folders import data_folder


def work(
    server: ServerUrl = None,
    command: Annotated[
        str | None,
        typer.Option("--exec", help="Who does the work: a command; {brief}, {files} and {codes} are filled in."),
    ] = None,
    worker: Annotated[
        str | None, typer.Option(help=f"A preset ({', '.join(PRESETS)}) with further arguments.")
    ] = None,
    shell: Annotated[bool, typer.Option("--shell", help="Run --exec as a line of /bin/sh.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=WORKERS_MAX, help="Workers at once.")] = 1,
    repository: Annotated[
        Path | None, typer.Option(help="Where the tree is on this machine; default: where the task says.")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--dir", help="Work in this folder, instead of in worktrees.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Work for this task alone.")] = None,
    drain: Annotated[
        bool, typer.Option("--drain", help="End when there is neither work nor a retry to come.")
    ] = False,
    cpu_max: Annotated[
        float | None,
        typer.Option(min=1.0, max=100.0, help="Share of the processors, in percent, past which no more is begun."),
    ] = None,
    memory_min: Annotated[
        float | None, typer.Option(min=0.0, help="GiB of memory that must be available for more to be begun.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What the workers are called; default: by machine and process.")
    ] = None,
) -> None:
    """Do subtasks of a service: claim, work in a git worktree, check, and merge what is accepted into its branch.

    Ctrl-C ends the workers and hands back what they hold. Where --cpu-max or --memory-min is passed, workers wait
    before they ask for more; one always works. A task whose tree or tool is not on this machine is left to others.
    """
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.runner import crew
    from api.runner.crew import Hiring

    with one_line_errors():
        if (command is None) == (worker is None):
            raise UsageError("say who does the work: --exec with a command, or --worker with a preset")
        if directory is not None and (jobs != 1 or repository is not None):
            raise UsageError("--dir is one folder for one worker: leave out --jobs and --repository")
        chosen = _worker(command, worker, shell=shell)
        hiring = Hiring(
            address=address_of(server),
            worker=chosen,
            jobs=jobs,
            name=name or _default_name(),
            task_id=task,
            repository=repository.absolute() if repository is not None else None,
            folder=directory.absolute() if directory is not None else None,
            drain=drain,
            thresholds=Thresholds(
                cpu_percent_max=cpu_max,
                memory_bytes_min=None if memory_min is None else int(memory_min * 2**30),
            ),
        )
        asyncio.run(crew.work(hiring, data_folder() / "work", _say))


def _worker(command: str | None, preset: str | None, *, shell: bool) -> WorkerSpec:
    if command is None and shell:
        raise UsageError("--shell is for --exec")
    worker = worker_from(command or preset or "", shell=shell)
    if preset is not None and worker.name not in PRESETS:
        raise UsageError(f"unknown worker {preset!r}: {', '.join(PRESETS)}, or give --exec")
    if not worker.shell:
        check_installed(worker.argv, Path.cwd(), "the worker's command")
    return worker


def _default_name() -> str:
    host = re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()).strip("-._") or "worker"
    return f"{host}-{os.getpid()}"


def _say(text: str) -> None:
    err.print(text, soft_wrap=True, markup=False)
