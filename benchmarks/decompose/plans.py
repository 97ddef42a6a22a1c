"""How good the plans are: by simulation on real reports, and carried out on real trees.

    python benchmarks/decompose/plans.py [--data DIR] [--report FILE ...] [--trees-only | --simulated-only]

The folder (or PW_BENCH_DATA) holds reports, some of them packed with zstd; without one, only the trees are done.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

from inputs import unpacked
from rich.console import Console
from rich.table import Table
from simulated import Row, rows
from trees import PublishedTree, trees

from domain.planning.request import Strategy
from domain.readers.reading import read

_OUT = Console(width=130, highlight=False)
_WORKERS = 8
_STRATEGIES: tuple[Strategy, ...] = ("code", "directory", "file", "root-cause", "auto")
_CACHE = Path(__file__).parent.parent.parent / ".demo"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("PW_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None, help="a folder with reports")
    parser.add_argument("--report", type=Path, action="append", help="only this report of it; may be repeated")
    parser.add_argument("--simulated-only", action="store_true", help="leave out the trees")
    parser.add_argument("--trees-only", action="store_true", help="leave out the simulations")
    options = parser.parse_args()
    if options.data and not options.trees_only:
        for path in options.report or _reports_in(options.data):
            _simulate(path)
    if not options.simulated_only:
        for tree in trees(_CACHE):
            _carry_out(tree)
        if options.data:
            _measured(options.data / "autofix")


def _reports_in(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and path.name != "MANIFEST.json"]
    return sorted(files, key=lambda path: path.stat().st_size)


def _simulate(path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, unpacked(path, Path(folder)).open("rb") as stream:
        report = read(stream)
    table = Table(title=f"{path.name}: {len(report.problems):,} problems", title_justify="left")
    for column in ("strategy", "workers", "subtasks", "makespan h", "of bound", "shared files", "conflicts"):
        table.add_column(column, justify="right")
    for row in rows(report):
        table.add_row(*_cells(row), end_section=row.workers == 16)
    _OUT.print(table)


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.strategy,
        str(row.workers),
        f"{row.subtasks:,}",
        f"{row.makespan / 3600:.2f}",
        f"{row.makespan / max(row.lower_bound, 1e-9):.2f}",
        f"{row.shared_files:.0%}",
        f"{row.conflicts:.3g}",
    )


def _carry_out(tree: PublishedTree) -> None:
    table = Table(title=f"{tree.name}: {len(tree.problems):,} problems, {_WORKERS} workers", title_justify="left")
    for column in ("strategy", "subtasks", "waves", "pairs predicted", "conflicts", "as one worker", "left"):
        table.add_column(column, justify="right")
    reference = tree.by_one_worker()
    for strategy in _STRATEGIES:
        done = tree.carry_out(strategy, _WORKERS, reference)
        table.add_row(
            *(done.strategy, str(done.subtasks), str(done.waves), f"{done.predicted:.3g}", str(done.conflicts)),
            *("yes" if done.same else "NO", f"{done.problems_left:,}"),
        )
    _OUT.print(table)


def _measured(folder: Path) -> None:
    """Show what others have measured on the first tree: merges of branches made by code and by file."""
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        by_code, by_file = told["code_split_sequential_as_listed"], told["file_split_W"]["pairwise"]
        pairs = told["code_split_pairwise"]
        _OUT.print(
            f"{path.stem} as it was measured: a branch per code, {by_code['conflicted']} of {by_code['branches']}"
            f" conflict ({pairs['conflicting_pairs']} of {pairs['pairs']} pairs); files split over {told['workers']}"
            f" workers, {by_file['conflicting_pairs']} of {by_file['pairs']} pairs"
        )


if __name__ == "__main__":
    main()
