from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from api.schemas import Lease

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LEASE = Lease(
    task_id="tree-1",
    subtask_id="tree-1.1",
    worker_id="w1",
    lease_epoch=1,
    title="mend a.py",
    repository="/tree",
    prefix="",
    base_commit="c0",
    expires_at=NOW,
    heartbeat_seconds=0.05,
    time_budget_seconds=60.0,
    branch="pw/tree-1",
)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost"]
    told = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return told.stdout.strip()


@pytest.fixture
def new_lease() -> Callable[..., Lease]:
    """A lease of the first subtask, with changes: `new_lease(base_commit=...)`."""
    return lambda **changes: msgspec.structs.replace(LEASE, **changes)


@pytest.fixture
def committed(tmp_path: Path) -> Callable[..., str]:
    """Commit files in `tmp_path`, which becomes a repository, and give the commit: `committed({"a.py": "x = 1"})`."""

    def commit(files: dict[str, str]) -> str:
        if not (tmp_path / ".git").exists():
            git(tmp_path, "init", "--quiet", "--initial-branch=main")
        for name, content in files.items():
            (tmp_path / name).write_text(content, encoding="utf-8")
        git(tmp_path, "add", "--all")
        git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "files")
        return git(tmp_path, "rev-parse", "HEAD")

    return commit
