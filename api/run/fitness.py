"""What a run looks at before anything is touched: the tree, the tool, the worker, the gates."""

from __future__ import annotations

from pathlib import Path

from api.runner.checks import run_gate
from api.runner.git import Repository
from api.runner.options import RunOptions
from api.runner.tool import PATHS, check_installed, split_command
from domain.errors import RepositoryError, ToolError
from eventstore.clock import Clock


async def fit_repository(path: Path) -> tuple[Repository, str]:
    """Find the repository around a folder, and the folder's place in it.

    Raises `RepositoryError` where there is none, or it has changes that are not committed.
    """
    repository, prefix = await Repository.containing(path)
    changed, _ = await repository.uncommitted()
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise RepositoryError(
            f"{repository.root} has uncommitted changes ({changed[0]}{more}): commit or stash them, "
            "workers start from the last commit"
        )
    return repository, prefix


async def check_room(repository: Repository, prefix: str, base: str) -> None:
    """Raise `RepositoryError` where workers would not find the folder, or the result could not have its branch."""
    if prefix and not any(path.startswith(f"{prefix}/") for path in await repository.files(base)):
        raise RepositoryError(f"{prefix} is not in the last commit of {repository.root}: workers would not have it")
    if await repository.has_branch("pw"):
        raise RepositoryError("the branch pw stands in the way of branches pw/TASK: rename it")


def check_commands(options: RunOptions, root: Path) -> None:
    """Raise `ToolError` where a program is missing."""
    check_installed(options.tool.argv, root, "the tool")
    if options.worker.shell:
        # The shell knows words of its own; whether the rest exists shows when it is run.
        check_installed(["/bin/sh"], root, "the shell")
    else:
        check_installed(options.worker.argv, root, "the worker's command")
    for command in options.gates:
        argv = split_command(command)
        if not argv:
            raise ToolError("--gate is empty")
        check_installed(argv, root, "the gate's command")


async def check_gates(gates: tuple[str, ...], tree: Path, clock: Clock) -> None:
    """Raise `ToolError` for a gate that the untouched tree does not pass: no work could ever pass it.

    Gates on the changed files cannot be tried before there are any.
    """
    for command in gates:
        if PATHS in command:
            continue
        gate = await run_gate(command, tree, (), clock)
        if not gate.passed:
            raise ToolError(f"a gate fails before anything has changed, so no work could pass it: {gate.detail}")
