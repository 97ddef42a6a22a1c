"""The demonstration: a real, old, published source tree, cleaned by one, two and eight workers.

The tree is boto 2.49.0 (2018), 41,401 violations of 20 of ruff's rules. What `ruff --fix` leaves when it does the
whole tree in one process is the reference; each run must leave exactly that tree. Ruff fixes a file in some
20 ms, so most of a run is not fixing but checking, observing and merging, and two processors are soon busy:
the last table shows what was measured, not what eight workers sound like.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_TREE = "boto-2.49.0"
#: Asked from the package index by name, and held to this hash.
_REQUIREMENT = "boto==2.49.0 --hash=sha256:ea0d3b40a2d852767be77ca343b58a9e3a4b00d9db440efb8da74b4e58025e5a"
_RULES = (
    "UP004,UP005,UP008,UP025,UP031,RET505,PT009,COM812,COM819,I001,F401,W291,W293,D212,Q000,C408,SIM118,E711,"
    "UP009,UP024"
)
_CHECK = ["ruff", "check", "--no-cache", "--isolated", "--select", _RULES]
#: Ten files of the tree are Python 2 and do not compile; what a worker has changed must.
_GATE = "python -m compileall -q {files}"
_WORKERS = (1, 2, 8)
_FOLDER = Path(__file__).parent.parent / ".demo"
_BIN = Path(sys.executable).parent

console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Run the demonstration; 0 when every run left exactly what the single process left."""
    parser = argparse.ArgumentParser(description="Clean a published source tree with 1, 2 and 8 workers.")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of each; the median is shown")
    repeat = parser.parse_args().repeat
    os.environ["PATH"] = f"{_BIN}{os.pathsep}{os.environ['PATH']}"
    tree = _fresh_tree(_FOLDER / _TREE)
    console.rule("One process: ruff --fix over the whole tree")
    reference = _reference(tree)
    console.print(f"{sum(reference['after'].values())} problems are left, in {reference['wall_seconds']:.1f} s")
    # In turn, so that a machine that slows down slows all of them.
    taken = [(workers, _run(tree, workers)) for _ in range(repeat) for workers in _WORKERS]
    runs = {workers: _median([run for number, run in taken if number == workers]) for workers in _WORKERS}
    console.rule("What was measured")
    console.print(_table(reference, runs))
    console.print(f"the result is on the branches pw/... of {tree}: git -C {tree} log --stat pw/...")
    return 0 if all(run["tree"] == reference["tree"] for _, run in taken) else 1


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return sorted(runs, key=lambda run: float(run["wall_seconds"]))[len(runs) // 2]


def _fresh_tree(folder: Path) -> Path:
    archive = _FOLDER / f"{_TREE}.tar.gz"
    if not archive.exists():
        console.print(f"getting the source of {_TREE} from the package index ...")
        _FOLDER.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as scratch:
            requirements = Path(scratch) / "tree.txt"
            requirements.write_text(_REQUIREMENT, encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            options = ["--no-deps", "--no-binary", ":all:", "--require-hashes", "--dest", str(_FOLDER)]
            subprocess.run([*pip, *options, "--requirement", str(requirements)], check=True)
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as source:
        source.extractall(_FOLDER, filter="data")
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--no-verify", "--message", f"{_TREE} as published")
    return folder


def _reference(tree: Path) -> dict[str, Any]:
    """Let one process fix the whole tree, in a copy."""
    before = _count(tree)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / _TREE
        shutil.copytree(tree, copy, symlinks=True)
        since = time.monotonic()
        # Exit code 1 says that problems are left, which is expected.
        fix = [*_CHECK, "--fix", "--unsafe-fixes", "--quiet", "."]
        subprocess.run(fix, cwd=copy, stdout=subprocess.DEVNULL, check=False)
        seconds = time.monotonic() - since
        _git(copy, "add", "--all")
        return {
            "before": before,
            "after": _count(copy),
            "tree": _git(copy, "write-tree"),
            "wall_seconds": seconds,
        }


def _run(tree: Path, workers: int) -> dict[str, Any]:
    console.rule(f"pw run with {workers} worker{'s' if workers > 1 else ''}")
    command = ["pw", "run", str(tree), "--tool", "ruff", "--tool-args", f"--isolated --select {_RULES}"]
    work = ["--worker", "ruff-fix --unsafe-fixes", "--gate", _GATE, "--jobs", str(workers)]
    subprocess.run([*command, *work], check=True)
    told = subprocess.run(["pw", "status", "last", "--output", "json"], check=True, capture_output=True)
    report: dict[str, Any] = json.loads(told.stdout)
    report["tree"] = _git(tree, "rev-parse", f"{report['branch']}^{{tree}}")
    return report


def _table(reference: dict[str, Any], runs: dict[int, dict[str, Any]]) -> Table:
    table = Table(title="Speed-up is against one worker", title_justify="left", box=None)
    table.add_column("who", no_wrap=True)
    for column in ("wall", "workers", "speed-up", "left", "conflicts", "same tree"):
        table.add_column(column, justify="right", no_wrap=True)
    left = sum(reference["after"].values())
    table.add_row("ruff --fix, alone", f"{reference['wall_seconds']:.1f} s", "", "", str(left), "", "yes")
    alone = runs[_WORKERS[0]]["wall_seconds"]
    for workers, run in runs.items():
        table.add_row(
            f"pw run -j {workers}",
            f"{run['wall_seconds']:.1f} s",
            f"{run['worker_seconds']:.1f} s",
            f"{alone / run['wall_seconds']:.2f}",
            str(sum(run["after"].values())),
            str(run["conflicts"]),
            "yes" if run["tree"] == reference["tree"] else "NO",
        )
    return table


def _count(tree: Path) -> dict[str, int]:
    told = subprocess.run([*_CHECK, "--output-format", "json", "."], cwd=tree, capture_output=True, check=False)
    return dict(Counter(problem["code"] for problem in json.loads(told.stdout)))


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "core.autocrlf=false"]
    told = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return told.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
