"""The report that a command is given: a file or the standard input, read whatever folder its paths are of."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from domain.errors import UsageError
from domain.readers.reading import FORMATS, read
from domain.readers.report import Report

ReportFile = Annotated[Path, typer.Argument(help="What the tool wrote; - reads it from the standard input.")]
Format = Annotated[str, typer.Option("--format", help=f"Format of the report: auto, {', '.join(FORMATS)}.")]
Pattern = Annotated[
    str | None,
    typer.Option(help="Your own regular expression for a line, with groups path line column code message severity."),
]
Root = Annotated[
    Path | None,
    typer.Option(help="The folder that the report's paths lie in; default: this one, or what they have in common."),
]


def read_report(path: Path, report_format: str, pattern: str | None, root: Path | None) -> Report:
    """Read a report; raises what `read` raises."""
    if pattern is not None and report_format == "auto":
        report_format = "regex"
    with _opened(path) as stream:
        return read(
            stream,
            format=report_format,
            pattern=pattern or "",
            root=_absolute(root) if root else None,
            likely_root=_absolute(Path()),
        )


def _absolute(path: Path) -> str:
    return path.absolute().as_posix()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """Open the report so that it can be rewound: a pipe goes into a temporary file first."""
    if str(path) != "-":
        with path.open("rb") as stream:
            yield stream
        return
    if sys.stdin is None:
        raise UsageError("- reads the standard input, which is closed")
    with tempfile.TemporaryFile() as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
        spool.seek(0, os.SEEK_SET)
        yield spool
