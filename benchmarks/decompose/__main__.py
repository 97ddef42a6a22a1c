"""How tool output is read: that nothing is lost, how fast, in how much memory, and that time grows with size alone.

    python benchmarks/decompose [--data DIR] [--quick]

The folder holds reports, some of them packed with zstd, and a MANIFEST.json that tells how much each holds; without
one, reports are made. Every ratio is that of the least times of rounds in which reading and decoding take turns.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from inputs import cut, made_array, made_lines, unpacked
from manifest import compared, listed_in
from pipeline import staged
from reading import Figures, measured
from rich.console import Console
from rich.table import Table

from domain.errors import ParallelWorkersError

_OUT = Console(width=130, highlight=False)
_SIZES = (1_000, 10_000, 100_000, 300_000)
_ARRAY_SIZE = 100_000
# In brackets: what reading may take beside decoding.
_RATIO = "of decoding (4)"


def main() -> None:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = os.environ.get("PW_BENCH_DATA")
    parser.add_argument("--data", type=Path, default=Path(data) if data else None, help="a folder with reports")
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    options = parser.parse_args()
    rounds = 1 if options.quick else 5
    with tempfile.TemporaryDirectory(prefix="pw-bench-") as name:
        folder = Path(name)
        if options.data is None:
            _OUT.print("no folder with reports is given (--data or PW_BENCH_DATA): these problems are made")
            made = [made_lines(size, folder) for size in _SIZES]
            _sizes(made, rounds)
            _pipeline(made, 1)
            _speeds([made_array(_ARRAY_SIZE, folder)], rounds)
            return
        paths = _manifest(options.data, folder)
        _speeds(paths, rounds)
        largest = max((path for path in paths if path.suffix == ".jsonl"), key=lambda path: path.stat().st_size)
        cuts = [*(cut(largest, size, folder) for size in _SIZES), largest]
        _sizes(cuts, rounds)
        # The size of the task that the product was thought of for: 525 errors, to take less than 50 ms.
        _pipeline([*(path for path in paths if "525" in path.name), *cuts], 1 if options.quick else 2)


def _manifest(data: Path, folder: Path) -> list[Path]:
    """Every report beside what is listed of it; gives those that can be read, unpacked."""
    columns = ("file", "problems", "read", "duplicates", "damaged", "codes", "files", "difference")
    table = _table("what is read, beside the manifest", *columns)
    readable: list[Path] = []
    for listed in listed_in(data):
        path = unpacked(data / listed.file, folder)
        try:
            table.add_row(*compared(listed, path))
            readable.append(path)
        except ParallelWorkersError as error:
            table.add_row(listed.file, f"{listed.problems:,}", type(error).__name__)
    _OUT.print(table)
    return readable


def _speeds(paths: list[Path], rounds: int) -> None:
    """Every report, beside decoding."""
    columns = ("file", "problems", "MB", "s", "problems/s", "MB/s", _RATIO, "spread", "peak MB")
    table = _table("reading, beside msgspec.json.decode of the same bytes", *columns)
    for path in paths:
        got = measured(path, rounds)
        table.add_row(
            *(path.name, f"{got.problems:,}", f"{got.bytes / 1e6:,.1f}", f"{got.seconds:.3f}"),
            *(f"{got.problems / got.seconds:,.0f}", f"{got.bytes / 1e6 / got.seconds:,.0f}"),
            *(_ratio(got), f"{got.spread:.2f}", f"{got.peak_bytes / 1e6:,.0f}"),
        )
    _OUT.print(table)


def _sizes(paths: list[Path], rounds: int) -> None:
    """Reports of one kind, each larger than the one before."""
    columns = ("problems", "MB", "s", "microseconds a problem", _RATIO, "spread", "peak MB")
    table = _table("time and memory by size", *columns)
    for path in paths:
        got = measured(path, rounds)
        table.add_row(
            *(f"{got.problems:,}", f"{got.bytes / 1e6:,.1f}", f"{got.seconds:.3f}"),
            *(f"{got.seconds / got.problems * 1e6:.2f}", _ratio(got)),
            *(f"{got.spread:.2f}", f"{got.peak_bytes / 1e6:,.0f}"),
        )
    _OUT.print(table)


def _pipeline(paths: list[Path], rounds: int) -> None:
    """Everything in one go: what `pw decompose` does, and what `pw analyze` adds."""
    columns = ("file", "problems", "groups", "subtasks", "read s", "decompose s", "in one go s", "us a problem")
    table = _table("reading, grouping and decomposing in one go", *columns, "analyse s", "peak MB (1024)")
    for path in paths:
        got = staged(path, rounds)
        table.add_row(
            *(path.name, f"{got.problems:,}", f"{got.groups:,}", f"{got.subtasks:,}"),
            *(f"{got.read:.3f}", f"{got.decompose:.3f}", f"{got.whole:.3f}"),
            *(f"{got.whole / max(got.problems, 1) * 1e6:.1f}", f"{got.analyse:.3f}", f"{got.peak_bytes / 1e6:,.0f}"),
        )
    _OUT.print(table)


def _ratio(got: Figures) -> str:
    return "-" if got.ratio is None else f"{got.ratio:.2f}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column == "file" else "right")
    return table


if __name__ == "__main__":
    main()
