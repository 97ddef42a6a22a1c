"""`pw analyze`: what is in a report: problems, groups with one cause, and what hangs on what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import Output, OutputFormat
from api.cli.planning.given import Format, Pattern, ReportFile, Root, read_report
from api.cli.planning.tables import analysis_tables, comparison_table
from api.cli.planning.targets import Code, Exclude, Include, Target, targeted
from api.planning.documents import analysis_document
from domain.analysis.analyze import analyse
from domain.comparison import compare


def analyze(
    report: ReportFile,
    report_format: Format = "auto",
    pattern: Pattern = None,
    root: Root = None,
    target: Target = "all",
    code: Code = None,
    include: Include = None,
    exclude: Exclude = None,
    since: Annotated[
        Path | None, typer.Option(help="An earlier report of the same tool: what is new, gone, moved since.")
    ] = None,
    output: OutputFormat = Output.table,
) -> None:
    """Read a report and group its problems by root cause; nothing is stored."""
    with one_line_errors():
        read = read_report(report, report_format, pattern, root)
        wanted = targeted(read.problems, target, code, include, exclude)
        analysis = analyse(read.problems, wanted, unsafe=target == "fixable-unsafe")
        same_root = root or (Path(read.root) if read.root else None)
        before = read_report(since, report_format, pattern, same_root) if since else None
        comparison = compare(before.problems, read.problems) if before else None
        if output is Output.json:
            print_json(analysis_document(read, analysis, comparison))
            return
        for table in analysis_tables(read, analysis, len(wanted)):
            out.print(table)
        if comparison is not None:
            out.print(comparison_table(comparison))
