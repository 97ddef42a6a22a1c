"""Plans carried out on real trees: every subtask on a branch of its own, all of a wave at once, then merged.

Nobody enforces lanes here: what the table shows is what happens to a strategy whose subtasks really run in parallel.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.analysis.patterns import PatternRecognizer
from domain.plan import Plan, PlannedSubtask
from domain.planning.decompose import decompose
from domain.planning.request import Request, Strategy
from domain.problem import Problem
from domain.readers.reading import read

RULES = (
    "UP004,UP005,UP008,UP025,UP031,RET505,PT009,COM812,COM819,I001,F401,W291,W293,D212,Q000,C408,SIM118,E711,"
    "UP009,UP024"
)
#: Published sources by name and version, with their hashes.
TREES = {
    "boto-2.49.0": "ea0d3b40a2d852767be77ca343b58a9e3a4b00d9db440efb8da74b4e58025e5a",
    "docutils-0.16": "c2de3a60e9e7d07be26b7f2b00ca0309c207e06c100f9cc2a94931fc75a478fc",
    "networkx-2.8.8": "230d388117af870fce5647a3c52401fcf753e94720e6ea6b4197a5355648885e",
}
_CHECK = [str(Path(sys.executable).parent / "ruff"), "check", "--isolated", "--no-cache"]


@dataclass(frozen=True)
class Outcome:
    """What came of one plan on one tree."""

    strategy: str
    subtasks: int
    waves: int
    predicted: float
    conflicts: int
    #: Whether the merged tree is the one that a single worker leaves.
    same: bool
    problems_left: int


class PublishedTree:
    """A published tree in a git repository of its own, with the problems that ruff finds in it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.path = folder / name
        _fetch(name, folder)
        # Its own rules of what to ignore are not to leave out anything.
        (self.path / ".gitignore").unlink(missing_ok=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--no-verify", "--message", "as published")
        self.base = self.git("rev-parse", "HEAD")
        self.problems = self._problems()

    def carry_out(self, strategy: Strategy, workers: int, reference: str) -> Outcome:
        """Do every subtask of the strategy's plan on its branch, and merge them one after the other."""
        plan = self.plan(strategy, workers)
        conflicts = 0
        self.git("checkout", "--quiet", "-B", "result", self.base)
        for wave in _waves(plan):
            start = self.git("rev-parse", "result")
            for number, subtask in wave:
                self.git("checkout", "--quiet", "-B", f"subtask-{number}", start)
                self._fix(subtask)
            self.git("checkout", "--quiet", "result")
            conflicts += sum(not self._merged(f"subtask-{number}") for number, _ in wave)
        return Outcome(
            strategy=strategy if strategy != "auto" else f"auto ({plan.strategy})",
            subtasks=len(plan.subtasks),
            waves=max((subtask.wave for subtask in plan.subtasks), default=0),
            predicted=plan.expected_conflicts,
            conflicts=conflicts,
            same=self.git("rev-parse", "result^{tree}") == reference,
            problems_left=len(self._problems()),
        )

    def plan(self, strategy: Strategy, workers: int) -> Plan:
        """Plan what ruff can fix, for programs."""
        fixable = [index for index, problem in enumerate(self.problems) if problem.fixable(unsafe=True)]
        groups = PatternRecognizer().recognise(self.problems, fixable, unsafe=True).groups
        return decompose(self.problems, groups, Request(strategy=strategy, worker="script", workers=workers))

    def by_one_worker(self) -> str:
        """Let one process fix everything; give the tree that it leaves."""
        self.git("checkout", "--quiet", "-B", "alone", self.base)
        files = sorted({problem.path for problem in self.problems})
        self._ruff(files)
        self.git("commit", "--quiet", "--all", "--allow-empty", "--message", "alone")
        return self.git("rev-parse", "alone^{tree}")

    def _fix(self, subtask: PlannedSubtask) -> None:
        # As the worker ruff-fix does it: also what its own edits bring about.
        self._ruff(subtask.scope.files, subtask.scope.excluded_codes)
        self.git("commit", "--quiet", "--all", "--allow-empty", "--no-verify", "--message", subtask.title)

    def _ruff(self, files: Sequence[str], ignored: Sequence[str] = ()) -> None:
        options = ["--fix", "--unsafe-fixes", "--quiet", "--select", RULES]
        if ignored:
            options += ["--ignore", ",".join(ignored)]
        command = [*_CHECK, *options, *files]
        # Exit code 1 says that problems are left.
        subprocess.run(command, cwd=self.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def _merged(self, branch: str) -> bool:
        try:
            self.git("merge", "--quiet", "--no-edit", branch)
        except subprocess.CalledProcessError:
            self.git("merge", "--abort")
            return False
        return True

    def _problems(self) -> Sequence[Problem]:
        command = [*_CHECK, "--select", RULES, "--output-format", "json-lines", "."]
        told = subprocess.run(command, cwd=self.path, capture_output=True, check=False)
        return read(told.stdout, format="ruff", root=self.path.as_posix()).problems

    def git(self, *arguments: str) -> str:
        """Run git in the tree; raises `CalledProcessError` where it fails."""
        identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "core.autocrlf=false"]
        command = ["git", *identity, "-c", "gc.auto=0", *arguments]
        return subprocess.run(command, cwd=self.path, check=True, capture_output=True, text=True).stdout.strip()


def trees(cache: Path) -> Iterator[PublishedTree]:
    """Make each tree in a temporary folder; archives are kept in `cache`."""
    cache.mkdir(exist_ok=True)
    for name in TREES:
        with tempfile.TemporaryDirectory(prefix="pw-plans-") as scratch:
            archive = _archive(name, cache)
            shutil.copy(archive, scratch)
            yield PublishedTree(name, Path(scratch))


def _archive(name: str, cache: Path) -> Path:
    archive = cache / f"{name}.tar.gz"
    if not archive.exists():
        with tempfile.TemporaryDirectory() as scratch:
            requirements = Path(scratch) / "tree.txt"
            wanted = f"{name.replace('-', '==', 1)} --hash=sha256:{TREES[name]}"
            requirements.write_text(wanted, encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", str(cache)]
            subprocess.run([*pip, *options, "--requirement", str(requirements)], check=True)
    return archive


def _fetch(name: str, folder: Path) -> None:
    with tarfile.open(folder / f"{name}.tar.gz") as source:
        source.extractall(folder, filter="data")


def _waves(plan: Plan) -> Iterator[list[tuple[int, PlannedSubtask]]]:
    for wave in sorted({subtask.wave for subtask in plan.subtasks}):
        yield [(number, subtask) for number, subtask in enumerate(plan.subtasks, 1) if subtask.wave == wave]
