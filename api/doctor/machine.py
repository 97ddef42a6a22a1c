"""Checks of this machine: Python, git, the data folder, the tools."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from api.doctor.finding import Finding
from domain.errors import LedgerError
from eventstore.postgres.folders import data_folder
from eventstore.postgres.programs import find_client

_PYTHON_MIN = (3, 11)
#: The first whose `git merge-tree` merges without a work tree.
_GIT_MIN = (2, 38)
#: A ledger of a few big tasks.
_FREE_BYTES_MIN = 1024**3

#: Whose output is read; each is needed only by who has such a tree.
_TOOLS = ("cargo", "clang", "eslint", "flake8", "gcc", "go", "mypy", "pylint", "pyright", "pytest", "ruff", "tsc")
#: Coding agents whose command is known.
_AGENTS = ("aider", "claude", "codex", "cursor-agent", "gemini", "opencode")


def check_python() -> Finding:
    """Tell whether this Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _PYTHON_MIN:
        wanted = ".".join(map(str, _PYTHON_MIN))
        return Finding(name="Python", status="failed", detail=f"{found}: {wanted} or later is needed")
    return Finding(name="Python", status="ok", detail=f"{found}, {sys.executable}")


def check_git() -> Finding:
    """Tell whether git is there and new enough to merge what workers have done."""
    wanted = ".".join(map(str, _GIT_MIN))
    try:
        said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    except OSError as error:
        detail = f"cannot be started ({error.strerror}): {wanted} or later is needed for work on a tree"
        return Finding(name="git", status="failed", detail=detail)
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < _GIT_MIN:
        return Finding(name="git", status="failed", detail=f"{said or 'no version'}: {wanted} or later is needed")
    return Finding(name="git", status="ok", detail=said.removeprefix("git version "))


def check_data_folder() -> Finding:
    """Tell whether the data folder can be written to, and has room."""
    name = "data folder"
    try:
        folder = data_folder()
        with tempfile.TemporaryFile(dir=folder) as scratch:
            scratch.write(b"written")
            scratch.flush()
    except LedgerError as error:
        return Finding(name=name, status="failed", detail=str(error))
    except OSError as error:
        detail = f"{folder} cannot be written to: {error.strerror}; choose another with PW_DATA_DIR"
        return Finding(name=name, status="failed", detail=detail)
    return _room(name, folder)


def _room(name: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / 1024**3:.1f} GiB free"
    return Finding(name=name, status="ok" if free >= _FREE_BYTES_MIN else "warning", detail=detail)


def check_programs() -> list[Finding]:
    """List the programs on the PATH that can be used; none of them must be there."""
    psql = find_client()
    return [
        Finding(name="psql", status="ok" if psql else "warning", detail=str(psql or "not found: `pw psql` needs it")),
        _on_path("tools", _TOOLS),
        _on_path("agents", _AGENTS),
    ]


def _on_path(name: str, commands: tuple[str, ...]) -> Finding:
    found = [command for command in commands if shutil.which(command)]
    return Finding(name=name, status="ok", detail=", ".join(found) or f"none of {', '.join(commands)} on the PATH")
