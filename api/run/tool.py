"""Tools that find problems: how each is called, and reading what it says."""

from __future__ import annotations

import os
import posixpath
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from api.run.git import environment_without_git
from api.run.process import run_command
from domain.errors import ReportError, ToolError, UsageError
from domain.readers.reading import read
from domain.readers.report import Report

#: Stands in a command for the paths to look at; a tool without it always looks at everything.
PATHS = "{files}"


class Tool(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a tool is asked for problems."""

    name: str
    argv: tuple[str, ...]
    #: The reader of its output, or `auto`.
    format: str
    #: Exit codes with which it has done its job; empty where any may mean that.
    exit_codes: tuple[int, ...] = ()
    #: Whether fixing one of its errors may bring others to light that it could not see before.
    unmasks: bool = False

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


def split_command(command: str) -> tuple[str, ...]:
    """Split a command as a shell would, without running one; raises `UsageError` for an open quote."""
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"cannot split {command!r}: {error}") from error


def command_tool(command: str, report_format: str) -> Tool:
    """Make a tool of the user's own command."""
    argv = split_command(command)
    if not argv:
        raise UsageError("--tool-command is empty")
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
    Raises `ToolError` where the tool itself failed, and `ReportError` where its output cannot be used.
    """
    asked = ["."] if paths is None else [posixpath.relpath(path, prefix or ".") for path in paths]
    argv = [part for word in tool.argv for part in (asked if word == PATHS else [word])]
    outcome = await run_command(argv, cwd=tree / prefix, env=environment_without_git())
    if tool.exit_codes and outcome.exit_code not in tool.exit_codes:
        raise ToolError(f"{tool.name} failed with exit code {outcome.exit_code}: {outcome.last_line()}")
    try:
        # The tool has just run here and all went well: saying nothing means that there is nothing to say.
        quiet = not outcome.stdout.strip() and outcome.exit_code == 0
        report_format = "ruff" if quiet and tool.format == "auto" else tool.format
        return outcome.stdout, read(outcome.stdout, format=report_format, root=tree.as_posix(), prefix=prefix)
    except ReportError as error:
        said = f"; it said: {outcome.last_line()}" if outcome.stderr else ""
        raise ReportError(f"{shlex.join(argv)[:120]} (exit {outcome.exit_code}): {error}{said}") from error
