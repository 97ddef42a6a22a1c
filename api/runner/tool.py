"""Tools that find problems: how each is called, and reading what it says."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.runner.git import environment_without_git
from api.runner.process import run_command
from api.schemas import ToolSpec
from domain.errors import ReportError, ToolError, UsageError
from domain.readers.reading import read
from domain.readers.report import Report

#: Stands in a command for the paths to look at; a tool without it always looks at everything.
PATHS = "{files}"
#: Paths on one command line; systems allow from 128 KiB on for all of it.
_ARGUMENT_BYTES_MAX = 64 * 1024


class Tool(ToolSpec, frozen=True, kw_only=True):
    """How a tool is asked for problems."""

    @classmethod
    def of(cls, spec: ToolSpec) -> Tool:
        """Take a tool as the service describes it."""
        return cls(**msgspec.structs.asdict(spec))

    @property
    def scoped(self) -> bool:
        """Whether it can be asked about single files."""
        return PATHS in self.argv


PRESETS = {
    "ruff": Tool(
        name="ruff",
        argv=("ruff", "check", "--no-cache", "--force-exclude", "--output-format", "json", PATHS),
        format="ruff",
        exit_codes=(0, 1),
    ),
    "cargo": Tool(
        name="cargo",
        argv=("cargo", "check", "--message-format=json"),
        format="cargo",
        exit_codes=(0, 101),
        unmasks=True,
    ),
    # Not by file: what mypy says of one file depends on the others.
    "mypy": Tool(name="mypy", argv=("mypy", "--output", "json", "."), format="mypy", exit_codes=(0, 1)),
}


def preset_tool(name: str, extra: str = "") -> Tool:
    """Give a tool by name, with further arguments of the user's before the paths.

    Raises `UsageError` for an unknown name.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown tool {name!r}: {', '.join(sorted(PRESETS))}, or give --tool-command")
    preset = PRESETS[name]
    head, tail = preset.argv[:-1], preset.argv[-1:]
    return msgspec.structs.replace(preset, argv=(*head, *split_command(extra), *tail))


def tool_that_made(report: Report, extra: str = "") -> Tool | None:
    """Tell from a report how its tool is run again, for the codes that it looked for; None where it does not say."""
    names = {report.tool, report.format}
    if "ruff" in names:
        codes = sorted({problem.code for problem in report.problems if problem.code != "invalid-syntax"})
        return preset_tool("ruff", f"--select {','.join(codes)}" if codes and not extra else extra)
    return next((preset_tool(known, extra) for known in ("mypy", "cargo") if known in names), None)


def split_command(command: str) -> tuple[str, ...]:
    """Split a command as a shell would, without running one; raises `UsageError` for an open quote."""
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"cannot split {command!r}: {error}") from error


def arguments(paths: Sequence[str]) -> list[str]:
    """Spell paths so that no program takes one for an option."""
    return [f"./{path}" if path.startswith("-") else path for path in paths]


def from_here(argv: Sequence[str]) -> tuple[str, ...]:
    """Make a program that is named by a relative path absolute, as seen from where the user stands.

    The command will run in a worktree, which holds only what is committed.
    """
    program, *rest = argv
    here = Path(program).absolute()
    return (str(here) if "/" in program and here.exists() else program, *rest)


def command_tool(command: str, report_format: str) -> Tool:
    """Make a tool of the user's own command."""
    argv = split_command(command)
    if not argv:
        raise UsageError("--tool-command is empty")
    argv = from_here(argv)
    return Tool(name=posixpath.basename(argv[0]), argv=argv, format=report_format)


def check_installed(argv: Sequence[str], root: Path, what: str) -> None:
    """Raise `ToolError` where a command's program does not exist."""
    program = argv[0]
    found = os.access(root / program, os.X_OK) if "/" in program else shutil.which(program) is not None
    if not found:
        raise ToolError(f"{what} {program!r} is not installed (or not on PATH)")


async def observe(tool: Tool, tree: Path, prefix: str, paths: Sequence[str] | None = None) -> tuple[bytes, Report]:
    """Run the tool in a tree and read its report.

    `paths`, relative to the tree's root, narrow the look where the tool can do that; None looks at all of it.
    Gives the raw output as well (of the last call, where many paths took several). Raises `ToolError` where the
    tool itself failed, and `ReportError` where its output cannot be used.
    """
    if paths is None:
        return await _observe(tool, tree, prefix, ["."])
    asked = [posixpath.relpath(path, prefix or ".") for path in paths]
    looks = [await _observe(tool, tree, prefix, chunk) for chunk in _chunks(arguments(asked))]
    data, last = looks[-1]
    problems = tuple(problem for _, report in looks for problem in report.problems)
    return data, msgspec.structs.replace(last, problems=problems)


def _chunks(paths: Sequence[str]) -> list[list[str]]:
    """Split paths so that each part fits on a command line."""
    chunks: list[list[str]] = [[]]
    length = 0
    for path in paths:
        length += len(path.encode()) + 1
        if length > _ARGUMENT_BYTES_MAX and chunks[-1]:
            chunks.append([])
            length = len(path.encode()) + 1
        chunks[-1].append(path)
    return chunks


async def _observe(tool: Tool, tree: Path, prefix: str, asked: Sequence[str]) -> tuple[bytes, Report]:
    argv = [part for word in tool.argv for part in (asked if word == PATHS else [word])]
    outcome = await run_command(argv, cwd=tree / prefix, env=environment_without_git())
    silent = not outcome.stdout.strip()
    wrong_code = tool.exit_codes and outcome.exit_code not in tool.exit_codes
    # A tool that fails before it looks says nothing, and that must not pass for a clean tree.
    if wrong_code or (silent and outcome.exit_code):
        raise ToolError(f"{tool.name} failed with exit code {outcome.exit_code}: {outcome.last_line()}")
    if silent and tool.format == "auto":
        return b"", Report(format="auto", tool=tool.name, problems=())
    try:
        # In a thread, because it takes seconds for tens of thousands of problems.
        report = await asyncio.to_thread(
            read, outcome.stdout, format=tool.format, root=tree.as_posix(), prefix=prefix
        )
    except ReportError as error:
        said = f"; it said: {outcome.last_line()}" if outcome.stderr else ""
        raise ReportError(f"{shlex.join(argv)[:120]} (exit {outcome.exit_code}): {error}{said}") from error
    return outcome.stdout, report
