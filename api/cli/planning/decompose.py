"""`pw decompose`: how the problems of a report would be split, and among how many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import Output, OutputFormat, StrategyName, strategy_named
from api.cli.planning.given import Format, Pattern, ReportFile, Root, read_report
from api.cli.planning.splitting import WorkerName, Workers, code_owners_for, worker_kind_named
from api.cli.planning.tables import plan_tables
from api.cli.planning.targets import Code, Exclude, Include, Target, targeted
from api.planning.documents import plan_document
from api.runner.imports import imports_of
from domain.analysis.dependencies import DependencyAnalyzer
from domain.analysis.group import Group
from domain.analysis.imports import ImportGraph
from domain.analysis.patterns import PatternRecognizer
from domain.errors import UsageError
from domain.planning.decompose import decompose as make_plan
from domain.planning.request import Request


def decompose(
    report: ReportFile,
    report_format: Format = "auto",
    pattern: Pattern = None,
    root: Root = None,
    target: Target = "all",
    code: Code = None,
    include: Include = None,
    exclude: Exclude = None,
    strategy: StrategyName = "auto",
    worker: WorkerName = "agent",
    workers: Workers = None,
    workers_max: Annotated[int, typer.Option(min=1, max=256, help="The most that may be recommended.")] = 16,
    imports: Annotated[
        bool, typer.Option("--imports", help="Read the sources at --root: work waits for what it imports.")
    ] = False,
    output: OutputFormat = Output.table,
) -> None:
    """Split the problems of a report into subtasks; nothing is stored and nobody starts to work."""
    with one_line_errors():
        if imports and not (root or Path()).is_dir():
            raise UsageError(f"--imports reads the sources at --root, and {root} is no folder")
        read = read_report(report, report_format, pattern, root)
        wanted = targeted(read.problems, target, code, include, exclude)
        patterns = PatternRecognizer().recognise(read.problems, wanted, unsafe=target == "fixable-unsafe")
        request = Request(
            strategy=strategy_named(strategy),
            worker=worker_kind_named(worker),
            workers=workers,
            workers_max=workers_max,
            code_owners=code_owners_for(root or Path(), strategy),
            excluded_files=tuple(exclude or ()),
        )
        analyzer = DependencyAnalyzer(_imports(root or Path(), patterns.groups) if imports else None)
        plan = make_plan(read.problems, patterns.groups, request, analyzer)
        if output is Output.json:
            print_json(plan_document(read, plan))
        else:
            for table in plan_tables(read, plan, len(wanted)):
                out.print(table)


def _imports(root: Path, groups: Sequence[Group]) -> ImportGraph:
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    own = [path.as_posix() for path in files if not any(part.startswith(".") for part in path.parts)]
    return imports_of(root, own, {path for group in groups for path in group.files})
