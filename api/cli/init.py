"""`pw init`: let the coding agents that work in a repository know the service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.text import Text

from api.agents.edits import Change, Edit, edit_for
from api.agents.known import KNOWN, SERVER, Agent, Target
from api.agents.marked import markdown_section
from api.cli.console import err, one_line_errors, out
from api.mcp.instructions import WORK_LOOP
from api.settings import Settings
from domain.counted import counted
from domain.errors import UsageError

_SERVER = f"http://{Settings().host}:{Settings().port}"
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def init(
    path: Annotated[Path, typer.Argument(help="The repository.")] = Path(),
    server: Annotated[str, typer.Option(envvar="PW_SERVER", help="Address of `pw serve`.")] = _SERVER,
    agent: Annotated[
        list[str] | None,
        typer.Option(help=f"Only this one, may be repeated: {', '.join(known.name for known in KNOWN)}."),
    ] = None,
    key_variable: Annotated[
        str, typer.Option(help="Environment variable in which each agent finds its key.")
    ] = "PW_API_KEY",
    no_key: Annotated[bool, typer.Option("--no-key", help="The server needs none.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be written.")] = False,
) -> None:
    """Write the settings of coding agents and a section of AGENTS.md, after showing every change."""
    with one_line_errors():
        target = Target(url=_address(server), key_variable=None if no_key else _variable(key_variable))
        edits = edits_for(path, target, _chosen(agent or []))
        for edit in edits:
            _show(edit)
        if (name := target.key_variable) is not None and name not in os.environ:
            err.print(f"{name} is not set: agents need a key in it, unless the server has none (--no-key)")
        if not edits:
            out.print("Nothing to change.")
        elif not dry_run and (yes or typer.confirm(f"Write {counted(len(edits), 'file')}?")):
            for edit in edits:
                edit.make()
            out.print(f"Wrote {counted(len(edits), 'file')}.")


def edits_for(root: Path, target: Target, agents: Sequence[Agent]) -> list[Edit]:
    """Work out all changes without making any; raises `UsageError` where one cannot be made without harm."""
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    changes: dict[str, Change] = {"AGENTS.md": _with_section}
    for agent in agents:
        name = agent.instructions
        # A file that an agent prefers to AGENTS.md is another way of saying the same, and so not begun by us.
        if name is not None and (root / name).exists() and not _refers_to_agents(root, name):
            changes[name] = _with_section
        changes.update(agent.files(target))
    edits = [edit_for(root, path, change) for path, change in changes.items()]
    return [edit for edit in edits if edit is not None]


def _with_section(text: str) -> str:
    when = f"When you are asked to work for Parallel Workers, use the tools of the MCP server `{SERVER}`."
    return markdown_section(text, f"## Parallel Workers\n\n{when}\n\n{WORK_LOOP}")


def _refers_to_agents(root: Path, name: str) -> bool:
    file, agents = root / name, root / "AGENTS.md"
    if agents.exists() and file.samefile(agents):
        return True
    return any(line.strip() in ("@AGENTS.md", "@./AGENTS.md") for line in file.read_text().splitlines())


def _chosen(names: Sequence[str]) -> list[Agent]:
    by_name = {agent.name: agent for agent in KNOWN}
    for name in names:
        if name not in by_name:
            raise UsageError(f"unknown agent {name!r}: {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(KNOWN)


def _address(server: str) -> str:
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"--server {server!r} is not the address of a server, such as {_SERVER}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("--server must not hold a user, a key or parameters: they would be written into the tree")
    return server.rstrip("/")


def _variable(name: str) -> str:
    if not name.isidentifier() or not name.isascii():
        raise UsageError(f"--key-variable {name!r} is not the name of an environment variable")
    return name


def _show(edit: Edit) -> None:
    for line in edit.diff().splitlines():
        out.print(Text(line, style=_STYLES.get(line[:1], "")), soft_wrap=True)
    out.print()
