"""`pw submit`: a tool's output becomes a task of a service."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import Output, OutputFormat, ServerUrl, StrategyName, address_of, strategy_named
from api.client.address import Address
from api.runner.look import GivenReport
from api.runner.tool import Tool, command_tool, preset_tool, tool_that_made
from api.schemas import Policy, TaskRequest, TaskView
from domain.errors import RepositoryError, UsageError
from domain.readers.reading import FORMATS, read

_Target = Literal["all", "fixable", "fixable-unsafe"]


def submit(
    file: Annotated[Path, typer.Argument(help="What the tool printed; - reads it from here.")],
    server: ServerUrl = None,
    path: Annotated[
        Path, typer.Option(help="The tree that the report is about: a folder inside a git repository.")
    ] = Path(),
    format: Annotated[str, typer.Option(help=f"Format of the report: auto, {', '.join(FORMATS)}.")] = "auto",  # noqa: A002
    tool: Annotated[
        str | None, typer.Option(help="How runners look again: ruff, cargo, mypy. Default: by the report.")
    ] = None,
    tool_args: Annotated[str, typer.Option(help="Further arguments for --tool, as one string.")] = "",
    tool_command: Annotated[
        str | None, typer.Option(help="A command of yours that looks again; {files} stands for the paths.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the task's name begins with; default: the repository's.")] = "",
    strategy: StrategyName = "auto",
    workers: Annotated[int | None, typer.Option(min=1, max=1024, help="Workers to plan for.")] = None,
    target: Annotated[str, typer.Option(help=f"Which problems are to go: {', '.join(get_args(_Target))}.")] = "all",
    gate: Annotated[
        list[str] | None, typer.Option(help="A check that work must pass, without a shell; may be repeated.")
    ] = None,
    reviews: Annotated[int, typer.Option(min=0, max=5, help="Approvals by other workers that work needs.")] = 0,
    time_budget: Annotated[float | None, typer.Option(min=1.0, help="Seconds that an attempt may take.")] = None,
    attempts: Annotated[int, typer.Option(min=1, max=20, help="Failed attempts before a subtask is held.")] = 3,
    output: OutputFormat = Output.table,
) -> None:
    """Open a task for a report. Its subtasks are done by whoever works for the service: pw work."""
    with one_line_errors():
        if format != "auto" and format not in FORMATS:
            raise UsageError(f"unknown format {format!r}: auto, {', '.join(FORMATS)}")
        wanted = _target(target)
        address = address_of(server)
        given = GivenReport(data=_read(file), format=format)
        chosen = _tool(given, tool, tool_args, tool_command)
        policy = Policy(
            strategy=strategy_named(strategy),
            workers=workers,
            target=wanted,
            gates=tuple(gate or ()),
            reviews=reviews,
            time_budget_seconds=time_budget,
            attempts_max=attempts,
        )
        view = asyncio.run(_submit(address, path, given, chosen, policy, name))
        if output is Output.json:
            print_json(view)
        else:
            _show(view)


def _target(name: str) -> _Target:
    for target in get_args(_Target):
        if target == name:
            return target  # type: ignore[no-any-return]
    raise UsageError(f"unknown target {name!r}: {', '.join(get_args(_Target))}")


def _read(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _tool(given: GivenReport, name: str | None, arguments: str, command: str | None) -> Tool | None:
    """Say how the tree is looked at again; None where neither the user nor the report says."""
    if name is not None and command is not None:
        raise UsageError("--tool and --tool-command exclude each other")
    if command is not None:
        return command_tool(command, "auto")
    if name is not None:
        return preset_tool(name, arguments)
    # Where the tree lies does not matter here: only what the tool is called and which codes it looked for.
    return tool_that_made(read(given.data, format=given.format, root=None), arguments)


async def _submit(
    address: Address, path: Path, given: GivenReport, tool: Tool | None, policy: Policy, name: str
) -> TaskView:
    # What speaks HTTP takes longer to load than the other verbs take altogether.
    from api.client.client import Client
    from api.run.fitness import check_room
    from api.runner.git import Repository
    from api.runner.look import look

    repository, prefix = await Repository.containing(path)
    changed, _ = await repository.uncommitted()
    if changed:
        raise RepositoryError(
            f"{repository.root} has uncommitted changes ({changed[0]}): workers start from the last commit"
        )
    base = await repository.head()
    await check_room(repository, prefix, base)
    seen = await look(tool or _NO_TOOL, repository.root, prefix, base, repository=repository, given=given)
    request = TaskRequest(
        report="",
        name=name or repository.root.name,
        format=seen.report.format,
        tree=seen.tree,
        tool=tool,
        policy=policy,
    )
    async with Client.open(address) as client:
        return await client.submit(request, given.data)


#: With a report at hand it is not asked.
_NO_TOOL = Tool(name="", argv=())


def _show(view: TaskView) -> None:
    subtasks = ", ".join(f"{count} {status}" for status, count in view.subtasks.items()) or "none"
    lines = [
        f"task {view.id}: {view.status}{f', {view.reason}' if view.reason else ''}",
        f"{view.targeted:,} of {view.problems:,} problems are to go; subtasks: {subtasks} ({view.strategy})",
        f"recommended workers: {view.recommended_workers}; accepted work is collected on {view.branch}",
    ]
    out.print("\n".join(lines), soft_wrap=True, markup=False)
