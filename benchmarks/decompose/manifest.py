"""What is read of the reports of a folder, beside what its MANIFEST.json says that they hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.readers.reading import read
from domain.readers.report import Report


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A report of the folder, as the manifest has it. Further keys of the manifest are left out."""

    file: str
    problems: int
    codes: int
    files_touched: int
    #: What else the tool said and the manifest does not count as a problem: notes, warnings, passed tests.
    also: dict[str, int] = field(default_factory=dict)


def listed_in(folder: Path) -> Iterator[Listed]:
    """Yield what the manifest of the folder lists."""
    entries: list[dict[str, Any]] = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    for entry in entries:
        yield Listed(**{name: entry[name] for name in Listed.__dataclass_fields__ if name in entry})


def compared(listed: Listed, path: Path) -> tuple[str, ...]:
    """Read a report; the cells of its row, and where two figures share a cell the manifest's first.

    Raises `ParallelWorkersError` where no reader can take it.
    """
    with path.open("rb") as stream:
        report = read(stream)
    codes = len({problem.code for problem in report.problems})
    files = len({problem.path for problem in report.problems} - {""})
    return (
        listed.file,
        f"{listed.problems:,}",
        f"{len(report.problems):,}",
        f"{report.duplicates:,}",
        str(len(report.damaged)),
        f"{listed.codes} / {codes}",
        f"{listed.files_touched} / {files}",
        _difference(listed, report),
    )


def _difference(listed: Listed, report: Report) -> str:
    difference = len(report.problems) + report.duplicates - listed.problems
    also = ", ".join(f"{count} {name}" for name, count in listed.also.items())
    return f"{difference:+,}" + (f"; beside {also}" if also else "") if difference else "none"
