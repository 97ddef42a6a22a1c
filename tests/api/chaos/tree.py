"""A repository with problems, agents that remove them, and `pw work` in which these run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from api.client.client import Client
from api.schemas import Policy, TaskRequest, TaskView, ToolSpec, Tree
from tests.api.chaos.processes import Processes, Pw, is_alive

_TOOL = ToolSpec(
    name="ruff",
    argv=(
        str(Path(sys.executable).with_name("ruff")),
        *("check", "--isolated", "--no-cache", "--select", "F401", "--output-format", "json", "{files}"),
    ),
    format="ruff",
    exit_codes=(0, 1),
)

# Stays at work while there is a file `hold-WORKER`.
_AGENT = """
echo $$ > "$BENCH/agent-$PW_WORKER"
echo '{"type": "progress", "completed": 1, "total": 2}' >> "$PW_REPORT"
while [ -e "$BENCH/hold-$PW_WORKER" ]; do sleep 0.02; done
while read -r file; do : > "$file"; done < "$PW_FILES"
"""
# Takes for ever in the tree of a worker with a file `stuck-WORKER`.
_GATE = """
worker=$(basename "$(pwd -P)")
if [ -e "$BENCH/stuck-$worker" ]; then echo $$ > "$BENCH/gate-$worker"; exec sleep 600; fi
"""


class Bench:
    """A repository, and the agents that work on it."""

    def __init__(self, processes: Processes, files: int) -> None:
        self.folder = processes.folder
        self.repository = self.folder / "repository"
        self._processes = processes
        self._files = files
        self._make_repository()
        (self.folder / "agent.sh").write_text(_AGENT)
        (self.folder / "gate.sh").write_text(_GATE)

    def _make_repository(self) -> None:
        self.repository.mkdir()
        for number in range(1, self._files + 1):
            lines = "".join(f"import os as os{line}\n" for line in range(1, 41))
            (self.repository / f"m{number:02}.py").write_text(lines)
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "one")

    def git(self, *arguments: str) -> str:
        """Run git in the repository, and give what it prints."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgSign=false")
        ran = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.repository,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    async def submit(self, client: Client) -> TaskView:
        """Open a task of a subtask for each file."""
        request = TaskRequest(
            report="",
            format="ruff",
            name="chaos",
            tree=Tree(
                repository=str(self.repository), commit=self.git("rev-parse", "HEAD"), root=str(self.repository)
            ),
            tool=_TOOL,
            policy=Policy(
                strategy="file",
                workers=self._files,
                backoff_seconds=0.0,
                gates=(f"sh {self.folder / 'gate.sh'}",),
                time_budget_seconds=600.0,
            ),
        )
        view = await client.submit(request, await asyncio.to_thread(self._look))
        assert sum(view.subtasks.values()) == self._files
        return view

    def _look(self) -> bytes:
        command = [*_TOOL.argv[:-1], "."]
        return subprocess.run(command, cwd=self.repository, capture_output=True, check=False).stdout

    def work(self, name: str, server: str, *arguments: str) -> Pw:
        """Start `pw work`; its first worker is `NAME-1`."""
        command = ["work", "--server", server, "--name", name, "--exec", f"sh {self.folder / 'agent.sh'}"]
        # Of its own, as on a machine of its own.
        settings = {"BENCH": str(self.folder), "PW_DATA_DIR": str(self.folder / f"data-{name}")}
        return self._processes.start(f"work-{name}", [*command, *arguments], settings)

    def hold(self, worker: str) -> None:
        """Have the agent of a worker stay at work."""
        (self.folder / f"hold-{worker}").touch()

    def let_go(self, worker: str) -> None:
        (self.folder / f"hold-{worker}").unlink()

    def get_stuck(self, worker: str) -> None:
        """Have the gate of a worker's work never end."""
        (self.folder / f"stuck-{worker}").touch()

    def began(self, what: str) -> bool:
        """Tell whether `agent-WORKER` or `gate-WORKER` was begun."""
        path = self.folder / what
        return path.exists() and bool(path.read_text())

    def is_running(self, what: str) -> bool:
        """Tell whether it still runs."""
        return is_alive(int((self.folder / what).read_text()))

    def commits_by_subtask(self, task: TaskView) -> Counter[str]:
        """Count the commits of each subtask on the task's branch."""
        trailer = "%(trailers:key=Parallel-Workers-Subtask,valueonly)"
        said = self.git("log", f"--format={trailer}", f"main..{task.branch}")
        return Counter(line for line in said.splitlines() if line)

    def is_clean(self, task: TaskView) -> bool:
        """Tell whether the task's branch has nothing left to remove."""
        sizes = self.git("ls-tree", "-r", "--format=%(objectsize)", task.branch)
        return {*sizes.split()} == {"0"}
