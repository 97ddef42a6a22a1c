"""`pw doctor`: what this machine has of what is needed."""

from __future__ import annotations

import typer
from rich.markup import escape
from rich.table import Table

from api.cli.console import one_line_errors, out, print_json
from api.cli.options import DatabaseUrl, Output, OutputFormat
from api.doctor.finding import Finding

_SHOWN = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "failed": "[red]failed[/]"}


def doctor(output: OutputFormat = Output.table, database_url: DatabaseUrl = None) -> None:
    """Check Python, git, the database, the data folder and the tools; exit code 1 where something does not work."""
    # Only this command needs these.
    from api.doctor.database import check_database
    from api.doctor.machine import check_data_folder, check_git, check_programs, check_python
    from eventstore.clock import SystemClock

    with one_line_errors():
        findings = [check_python(), check_git(), check_data_folder()]
        # An embedded database lives in the data folder: without that there is nothing to start.
        if database_url or findings[-1].status != "failed":
            findings += check_database(database_url, SystemClock())
        findings += check_programs()
        if output is Output.json:
            print_json(findings)
        else:
            out.print(_table(findings))
    if any(finding.status == "failed" for finding in findings):
        raise typer.Exit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table("check", "", "found")
    for finding in findings:
        table.add_row(finding.name, _SHOWN[finding.status], escape(finding.detail))
    return table
