"""A bench for whole runs: a small repository with known problems, the real `pw`, and a look into the ledger."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from typer.testing import CliRunner

from api.cli.main import app

_BIN = Path(sys.executable).parent
_DEADLINE_SECONDS = 60.0
_SOURCE = "import sys\nimport os\n\n\ndef f{number}(x):\n    return x == None\n"
_SETTINGS = '[tool.ruff.lint]\nselect = ["F", "I", "E711"]\n'
#: Removes all that the tool finds in the files it is given.
FIX_ALL = "ruff check --quiet --no-cache --fix --unsafe-fixes {files}"


def git(folder: Path, *arguments: str) -> str:
    """Run git and give what it prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgSign=false")
    ran = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()


def until(fact: Callable[[], Any], what: str) -> Any:
    """Wait for a fact and give it; fail with its name where it never comes true."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not (found := fact()):
        if time.monotonic() > deadline:
            pytest.fail(f"waited {_DEADLINE_SECONDS:g} s in vain: {what}")
        time.sleep(0.02)
    return found


def make_repository(root: Path) -> Path:
    """Make a repository of twelve files; six have four problems each: F401 twice, I001 and E711."""
    (root / "pkg").mkdir(parents=True)
    (root / "pyproject.toml").write_text(_SETTINGS)
    for number in range(1, 7):
        (root / "pkg" / f"m{number:02}.py").write_text(_SOURCE.format(number=number))
        (root / "pkg" / f"clean{number:02}.py").write_text(f"NUMBER = {number}\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "one")
    return root


class Bench:
    """Runs `pw` against a repository, and looks at what came of it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.repository = make_repository(folder / "repository")
        self.data = folder / "data"
        self.base = git(self.repository, "rev-parse", "HEAD")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PW_"))}
        self.environment |= {
            "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
            "PW_DATABASE_URL": url,
            "PW_DATA_DIR": str(self.data),
            "PW_READ_MODELS": "false",
            "BENCH": str(folder),
        }
        self.started: list[subprocess.Popen[str]] = []

    # --- running ---

    def pw(self, *arguments: str, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run `pw` to its end, whatever that is."""
        return subprocess.run(
            [_BIN / "pw", *arguments],
            cwd=cwd or self.repository,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
        )

    def run(self, *arguments: str, code: int = 0, cwd: Path | None = None, stdin: str = "") -> dict[str, Any]:
        """Run `pw run -o json`, expect the exit code, and give the report."""
        ran = self.pw("run", "-o", "json", *arguments, cwd=cwd, stdin=stdin)
        assert ran.returncode == code, ran.stderr
        report: dict[str, Any] = json.loads(ran.stdout)
        return report

    def refused(self, *arguments: str, code: int = 1) -> str:
        """Run `pw run` in this process, expect it to end with an exit code and one line, and give that line."""
        inherited = dict.fromkeys(name for name in os.environ if name.startswith(("GIT_", "PW_")))
        with contextlib.chdir(self.repository):
            ran = CliRunner().invoke(app, ["run", "-o", "json", *arguments], env=inherited | self.environment)
        assert ran.exit_code == code, ran.stderr
        assert ran.stdout == ""
        assert ran.stderr.startswith("pw: ")
        assert ran.stderr.count("\n") == 1
        return ran.stderr.strip()

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pw run -o json` and leave it running; what is left at the end of the test is ended."""
        return self.start_pw("run", "-o", "json", *arguments)

    def start_pw(self, *arguments: str) -> subprocess.Popen[str]:
        """Start any `pw` and leave it running; what is left at the end of the test is ended."""
        process = subprocess.Popen(
            [_BIN / "pw", *arguments],
            cwd=self.repository,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def worker(self, source: str) -> str:
        """Write a worker in Python and give the command that starts it."""
        path = self.folder / "worker.py"
        path.write_text(
            f"import os, signal, subprocess, sys, time\nfrom pathlib import Path\n\n{_HELPERS}\n{source}\n"
        )
        return shlex.join([sys.executable, "-I", str(path)])

    # --- looking ---

    def events(self, kind: str | None = None) -> list[tuple[str, str, dict[str, Any]]]:
        """List the stream, type and payload of what is in the ledger, in its order."""
        query = "SELECT stream_id, type, payload FROM ledger.event ORDER BY position"
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(query).fetchall()
        return [(stream, name, payload) for stream, name, payload in rows if kind in (None, name)]

    def payloads(self, kind: str) -> list[dict[str, Any]]:
        """List the payloads of one type."""
        return [payload for _, _, payload in self.events(kind)]

    def wait_for(self, kind: str, count: int = 1) -> None:
        """Wait until the ledger has so many events of a type."""

        def there() -> bool:
            found = len(self.events(kind)) >= count
            for process in self.started:
                if not found and process.poll() is not None:
                    pytest.fail(f"pw has ended without {kind}: {process.communicate()[1]}")
            return found

        until(there, f"{count} x {kind}")

    def versions_have_no_gaps(self) -> bool:
        """Tell whether each stream counts 1, 2, 3 ..."""
        query = """
            SELECT bool_and(first = 1 AND last = events) FROM (
                SELECT min(version) AS first, max(version) AS last, count(*) AS events
                FROM ledger.event GROUP BY task_id, stream_id
            ) AS stream
        """
        with psycopg.connect(self.url) as connection:
            row = connection.execute(query).fetchone()
        return row is not None and row[0] is True

    @staticmethod
    def until(fact: Callable[[], Any], what: str) -> Any:
        """Wait for a fact and give it."""
        return until(fact, what)

    def tree(self, revision: str) -> str:
        """Give the tree of a revision."""
        return git(self.repository, "rev-parse", f"{revision}^{{tree}}")

    def fixed_tree(self) -> str:
        """Give the tree in which one ruff alone has removed everything, without any of us."""
        clone = self.folder / "clone"
        git(self.folder, "clone", "-q", str(self.repository), str(clone))
        command = shlex.split(FIX_ALL.replace("{files}", "."))
        subprocess.run(command, cwd=clone, env=self.environment, check=True)
        git(clone, "commit", "-q", "-a", "-m", "fixed")
        return git(clone, "rev-parse", "HEAD^{tree}")

    def nothing_left_behind(self) -> bool:
        """Tell whether only the user's own worktree is left, and no file of it has changed."""
        worktrees = git(self.repository, "worktree", "list", "--porcelain").count("worktree ")
        return worktrees == 1 and git(self.repository, "status", "--porcelain") == ""

    def pids(self) -> list[int]:
        """List the workers that have said that they are there."""
        return [int(path.read_text()) for path in self.folder.glob("pid-*") if path.read_text()]

    def workers_are_gone(self) -> bool:
        """Tell whether none of them is left."""
        return not any(_alive(pid) for pid in self.pids())


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


#: What the tests' workers can do.
_HELPERS = """
BENCH = Path(os.environ["BENCH"])
FILES = Path(os.environ["PW_FILES"]).read_text().splitlines()
EPOCH = int(os.environ["PW_EPOCH"])


def fix():
    options = ["--quiet", "--no-cache", "--fix", "--unsafe-fixes"]
    subprocess.run(["ruff", "check", *options, *FILES], check=True)


def report(line):
    with open(os.environ["PW_REPORT"], "a", errors="surrogateescape") as file:
        file.write(line + "\\n")


def wait_to_be_let_go():
    draft = BENCH / f"draft-{os.getpid()}"
    draft.write_text(str(os.getpid()))
    draft.rename(BENCH / f"pid-{os.getpid()}")
    while not (BENCH / "go").exists():
        time.sleep(0.02)
"""


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    """A repository of twelve files, an empty ledger, and `pw`."""
    bench = Bench(tmp_path, database_url)
    yield bench
    (tmp_path / "go").touch()
    for process in bench.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def fix_all() -> str:
    """The command of a worker that removes all that the tool finds."""
    return FIX_ALL


@pytest.fixture
def run_git() -> Callable[..., str]:
    """Run git in a folder: `run_git(folder, *arguments)`."""
    return git


@pytest.fixture
def wait_until() -> Callable[[Callable[[], Any], str], Any]:
    """Wait for a fact: `wait_until(fact, what)`."""
    return until


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of twelve files alone."""
    return make_repository(tmp_path / "repository")
